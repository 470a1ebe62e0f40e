//! The same as `tests/it/bracket.rs`, for properties that only strace shows.

use crate::common::{self, Filesystem, finish};
use crate::trials::{Test, tests};

const TOTAL_BYTES: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => behind_the_bracket_nothing_is_read,
    ]
}

/// The lab's D script takes the return of the closing call for another opening. It is to count 32768 reads of
/// `-r -b 512`, so nothing may be read behind the bracket.
fn behind_the_bracket_nothing_is_read() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    let log = scratch.folder().join("strace.log");
    let mut strace = std::process::Command::new("strace");
    strace.arg("-o").arg(&log).arg(env!("CARGO_BIN_EXE_io-benchmark"));
    finish(strace.args(["-r", "-b", "512", "-t", "1M", "--settle", "0"]).arg(&file)).ok();
    let trace = std::fs::read_to_string(log).unwrap();
    let behind = trace.lines().skip_while(|line| !line.starts_with("clock_gettime(")).skip(1);
    let behind = behind.skip_while(|line| !line.starts_with("clock_gettime("));
    let found: Vec<&str> = behind.filter(|line| line.starts_with("read(")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

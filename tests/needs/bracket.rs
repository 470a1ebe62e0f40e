//! The same as `tests/it/bracket.rs`, for properties that only strace shows.

use crate::common::{self, Filesystem, finish};
use crate::trials::{Test, tests};

const TOTAL_BYTES: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => behind_the_bracket_nothing_is_read,
        [STRACE] => time_stamps_of_ios_are_no_system_calls,
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

/// The calls between the two clock calls, in order.
fn bracketed(strategy: &str, more: &[&str]) -> Vec<String> {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    let log = scratch.folder().join("strace.log");
    let mut strace = std::process::Command::new("strace");
    strace.arg("-o").arg(&log).arg(common::iobench().get_program());
    strace.args(["-r", "-B", "-b4k", "-t1M", "--strategy", strategy]).args(more);
    finish(strace.arg(&file)).ok();
    let trace = std::fs::read_to_string(log).unwrap();
    let is_clock = |line: &&str| line.starts_with("clock_gettime(");
    let inside = trace.lines().skip_while(|line| !is_clock(line)).skip(1).take_while(|line| !is_clock(line));
    inside.filter_map(|line| Some(line.split_once('(')?.0.to_owned())).collect()
}

fn time_stamps_of_ios_are_no_system_calls() {
    for strategy in common::strategies() {
        let (plain, stamped) = (bracketed(strategy, &[]), bracketed(strategy, &["--latency"]));
        // A ring may be entered a different number of times.
        if strategy == "io_uring" {
            assert!(stamped.iter().all(|call| call == "io_uring_enter"), "{stamped:?}");
        } else {
            assert_eq!(plain, stamped, "{strategy}");
        }
    }
}

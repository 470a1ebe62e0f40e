//! What stays out of the bracket beside undeclared calls: page faults of the harness inside it, reads behind
//! it. The calls themselves are counted for every strategy, both directions and three buffer sizes by
//! `iobench selftest` (`src/selftest/bracket.rs`), which `tests/exercise` runs on all of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Filesystem, have_program, strategies};

const TOTAL_BYTES: u64 = 1 << 20;

#[test]
fn the_prefaulted_buffer_takes_no_page_fault_inside_the_bracket() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    // A mapping's page faults are the path itself.
    for strategy in strategies().filter(|name| *name != "mmap") {
        for (mode, block) in [("-r", "4k"), ("-w", "4k"), ("-r", "1M"), ("-w", "1M")] {
            let args = [mode, "-g", "-j", "-B", "-n", "2", "-t", "1M", "-b", block, "--strategy", strategy];
            let document =
                common::run(args.iter().map(|arg| arg.as_ref()).chain([file.as_os_str()])).ok().json();
            for sample in document["benchmark_samples"].as_array().unwrap() {
                assert_eq!(sample["minor_faults"], 0, "{args:?}");
                assert_eq!(sample["major_faults"], 0, "{args:?}");
            }
        }
    }
}

/// The lab's D script takes the return of the closing call for another opening. It is to count 32768 reads of
/// `-r -b 512`, so nothing may be read behind the bracket.
#[test]
fn behind_the_bracket_nothing_is_read() {
    if !have_program("strace") {
        return;
    }
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    let log = scratch.folder().join("strace.log");
    let mut strace = std::process::Command::new("strace");
    strace.arg("-o").arg(&log).arg(env!("CARGO_BIN_EXE_io-benchmark"));
    assert!(
        strace.args(["-r", "-b", "512", "-t", "1M", "--settle", "0"]).arg(&file).status().unwrap().success()
    );
    let trace = std::fs::read_to_string(log).unwrap();
    let behind = trace.lines().skip_while(|line| !line.starts_with("clock_gettime(")).skip(1);
    let behind = behind.skip_while(|line| !line.starts_with("clock_gettime("));
    let found: Vec<&str> = behind.filter(|line| line.starts_with("read(")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

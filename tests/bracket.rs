//! Between the brackets there is what the strategy declares, and nothing else: seen by strace,
//! for every strategy, both directions and three buffer sizes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Filesystem, have_program, strategies};
use iobench::engine::strategy::{Call, Direction, Strategy, Work};
use iobench::strategies::ALL;

const TOTAL_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: [u64; 3] = [512, 4096, 1 << 20];
const ITERATIONS: usize = 2;

/// The calls between the brackets of each sample: name -> count. Panics if the number of brackets
/// is odd.
fn enclosed_calls(trace: &str) -> Vec<BTreeMap<String, u64>> {
    let mut samples = Vec::new();
    let mut open: Option<BTreeMap<String, u64>> = None;
    let names = trace.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
    for (name, _) in names {
        match (&mut open, name) {
            (Some(_), "clock_gettime") => samples.extend(open.take()),
            (None, "clock_gettime") => open = Some(BTreeMap::new()),
            (Some(calls), name) => *calls.entry(name.to_owned()).or_default() += 1,
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a bracket was opened and never closed");
    samples
}

fn traced(folder: &Path, file: &Path, args: &[&str]) -> Vec<BTreeMap<String, u64>> {
    let log = folder.join("strace.log");
    let status = std::process::Command::new("strace")
        .args(["-f", "-e", "trace=all", "-e", "signal=none", "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_iobench"))
        .args(args)
        .args(["-B", "-q", "-n", &ITERATIONS.to_string()])
        .arg(file)
        .status()
        .unwrap();
    assert!(status.success(), "{args:?}");
    enclosed_calls(&std::fs::read_to_string(log).unwrap())
}

/// Asserts that `seen` is what was declared: no call of another name, no count out of range.
fn assert_declared(what: &str, declared: &[Call], seen: &BTreeMap<String, u64>) {
    for name in seen.keys() {
        assert!(declared.iter().any(|call| call.name == name), "{what}: {name} is not declared: {seen:?}");
    }
    for Call { name, at_least, at_most } in declared {
        let count = seen.get(*name).copied().unwrap_or(0);
        assert!(
            (*at_least..=*at_most).contains(&count),
            "{what}: {count} times {name}, declared {at_least} to {at_most}"
        );
    }
}

fn check(strategy: &dyn Strategy, direction: Direction, depth: u32, extra: &[&str]) {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    let name = strategy.info().name;
    for block_bytes in BLOCK_BYTES {
        let blocks = TOTAL_BYTES / block_bytes;
        let depth = u64::from(depth.min(strategy.info().deepest_queue)).min(blocks) as u32;
        let work = Work { direction, blocks, block_bytes, depth, batch: depth, sync: extra.contains(&"-s") };
        let (block, total) = (block_bytes.to_string(), TOTAL_BYTES.to_string());
        let (depth, flag) = (depth.to_string(), if direction == Direction::Read { "-r" } else { "-w" });
        let mut args = vec![flag, "--strategy", name, "-b", &block, "-t", &total];
        if strategy.info().deepest_queue > 1 {
            args.extend(["--iodepth", &depth]);
        }
        args.extend(extra);
        let samples = traced(scratch.folder(), &file, &args);
        assert_eq!(samples.len(), ITERATIONS, "{args:?}: two brackets a sample");
        for seen in &samples {
            assert_declared(&format!("{args:?}"), &strategy.calls(&work), seen);
        }
    }
}

#[test]
fn between_the_brackets_is_exactly_what_each_strategy_declares() {
    if !have_program("strace") {
        return;
    }
    for strategy in ALL {
        for direction in [Direction::Read, Direction::Write] {
            check(*strategy, direction, 32, &[]);
        }
    }
}

#[test]
fn a_sync_adds_one_call_and_getrusage_none() {
    if !have_program("strace") {
        return;
    }
    for strategy in ALL {
        check(*strategy, Direction::Write, 1, &["-s", "-g"]);
    }
}

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

#[test]
fn an_undeclared_call_is_found_by_name() {
    let trace = "1 openat(AT_FDCWD) = 3\n1 clock_gettime(1) = 0\n1 read(3) = 1\n1 lseek(3) = 0\n1 clock_gettime(1) = 0\n1 exit_group(0) = ?\n";
    let samples = enclosed_calls(trace);
    assert_eq!(samples, [BTreeMap::from([("read".to_owned(), 1), ("lseek".to_owned(), 1)])]);
    let caught = std::panic::catch_unwind(|| assert_declared("x", &[Call::exactly("read", 1)], &samples[0]));
    assert!(caught.is_err_and(|panic| panic.downcast_ref::<String>().unwrap().contains("lseek")));
}

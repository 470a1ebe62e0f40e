//! `--threads`: several workers share a pass.

use serde_json::Value;

use crate::common::{
    Filesystem, data_file, document, finish, iobench, own_cpu, pattern, samples, strategies,
};
use crate::refusal::{IO, MIB, USAGE, bench, refused};

/// Bytes of the pattern that a buffer holds: the first of a block, whatever its slot.
const BLOCK_BYTES: usize = 4096;

#[test]
fn every_strategy_moves_every_block_once_in_both_directions() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for strategy in strategies() {
        for (direction, threads) in [("-r", 2), ("-r", 3), ("-w", 2), ("-w", 3)] {
            std::fs::write(&file, vec![0; MIB as usize]).unwrap();
            let threads_words = threads.to_string();
            let args =
                ["-B", direction, "-b4k", "-t1M", "-n2", "--strategy", strategy, "--threads", &threads_words];
            let document = document(&[&args[..], &["--iodepth", "1"]].concat(), &file);
            for sample in samples(&document) {
                check(sample, threads, strategy);
            }
            let bytes = std::fs::read(&file).unwrap();
            let wanted = if direction == "-w" && strategy != "null" {
                pattern(0, BLOCK_BYTES)
            } else {
                vec![0; BLOCK_BYTES]
            };
            assert!(
                bytes.chunks(BLOCK_BYTES).all(|block| block == wanted),
                "{strategy} {direction} {threads}"
            );
        }
    }
}

/// The parts of the workers add up, and lie within the sample.
fn check(sample: &Value, threads: usize, strategy: &str) {
    let workers = sample["workers"].as_array().unwrap();
    assert_eq!(workers.len(), threads, "{strategy}");
    assert_eq!(sample["io_count"], 256, "{strategy}");
    let bytes: Vec<u64> =
        workers.iter().map(|worker| worker["transferred_bytes"].as_u64().unwrap()).collect();
    assert_eq!(bytes.iter().sum::<u64>(), MIB, "{strategy}");
    assert!(bytes.iter().max().unwrap() - bytes.iter().min().unwrap() <= 4096, "{strategy}: {bytes:?}");
    let ns = |worker: &Value, key: &str| worker[key].as_f64().unwrap_or_else(|| panic!("{key}: {sample}"));
    let elapsed_ns = sample["time"].as_f64().unwrap() * 1e9;
    for worker in workers {
        let (started, ended) = (ns(worker, "started_ns"), ns(worker, "ended_ns"));
        // The clock of the workers is not that of the bracket.
        assert!(
            0.0 <= started && started <= ended && ended <= elapsed_ns * 1.001 + 1000.0,
            "{strategy}: {sample}"
        );
        assert!(ns(worker, "cpu_ns") <= ended - started + 1.0, "{sample}");
    }
    let ends: Vec<f64> = workers.iter().map(|worker| ns(worker, "ended_ns")).collect();
    let skew = ends.iter().copied().fold(f64::MIN, f64::max) - ends.iter().copied().fold(f64::MAX, f64::min);
    assert!((sample["skew_ns"].as_f64().unwrap() - skew).abs() < 1.0, "{sample}");
}

#[test]
fn workers_run_on_the_cpus_of_the_list_in_turn() {
    let cpus = own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let run_on = |more: &[&str]| {
        let document = document(&[&["-B", "-r", "-b4k", "-t1M", "--threads", "3"], more].concat(), &file);
        let workers = samples(&document)[0]["workers"].as_array().unwrap();
        workers.iter().map(|worker| worker["cpu"].as_u64().map(|cpu| cpu as usize)).collect::<Vec<_>>()
    };
    let in_turn: Vec<Option<usize>> = (0..3).map(|worker| Some(cpus[worker % cpus.len()])).collect();
    assert_eq!(run_on(&[]), in_turn);
    assert_eq!(run_on(&["--cpu", "none"]), [None; 3]);
    assert_eq!(run_on(&["--cpu", &cpus[0].to_string()]), [Some(cpus[0]); 3]);
    let list = cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    assert_eq!(run_on(&["--cpu", &list]), in_turn);
}

#[test]
fn one_worker_is_the_pass_itself() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let plain = document(&["-B", "-r", "-v", "-b4k", "-t1M", "--threads", "1"], &file);
    let sample = &samples(&plain)[0];
    assert!(sample.get("workers").is_none() && sample.get("skew_ns").is_none(), "{sample}");
    assert_eq!(plain["benchmark_configuration"]["requested"]["threads"], 1);
}

#[test]
fn the_time_of_all_workers_is_explained() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 16 * MIB);
    let args = ["-B", "-r", "-b512", "-t16M", "--threads", "2", "--strategy", "pread", "--explain"];
    let printed = finish(iobench().args(args).arg(file)).ok().stdout.replace('\n', " ");
    assert!(printed.contains(": of the time of 2 threads, "), "{printed}");
}

#[test]
fn too_many_workers_are_refused_with_the_reason() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for (args, words) in [
        (
            &["--threads", "3", "-b512k", "-t1M"][..],
            "--threads 3: the total has only 2 blocks of 524288 bytes",
        ),
        (&["--threads", "0"], "--threads"),
        (&["--threads", "1025"], "the maximum is 1024"),
        (&["--cpu", "0-"], "--cpu"),
        (&["--cpu", "1023"], "--cpu 1023: this process is allowed only on CPUs"),
    ] {
        let args = [&["-B", "-r"], args, &["iofile"]].concat();
        refused(|| bench(scratch.folder(), &args), USAGE, &[words]);
    }
}

#[test]
fn an_error_of_any_worker_is_that_of_the_run() {
    let scratch = Filesystem::scratch();
    let args = ["-B", "-w", "-b4k", "-t1M", "--threads", "2", "/dev/full"];
    refused(|| bench(scratch.folder(), &args), IO, &["ENOSPC"]);
}

#[test]
fn latencies_of_all_workers_are_merged() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for strategy in strategies() {
        let args = ["-B", "-r", "-b4k", "-t1M", "--threads", "2", "--latency", "--strategy", strategy];
        let document = document(&args, &file);
        assert_eq!(samples(&document)[0]["latency_ns"]["count"], 256, "{strategy}");
    }
}

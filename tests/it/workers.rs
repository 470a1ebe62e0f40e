//! `--threads`: several workers share a pass.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{
    Filesystem, data_file, document, finish, iobench, own_cpu, pattern, samples, strategies,
};
use crate::refusal::{IO, MIB, OPEN, SHORT, USAGE, bench, refused};

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
fn writers_that_share_a_file_are_told_that_they_take_turns() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let says = |more: &[&str]| {
        let args = ["-B", "-b4k", "-t1M", "--create", "--explain"];
        let printed = finish(iobench().args(args).args(more).arg(&file)).ok().stdout;
        printed.replace('\n', " ").contains("the lock of the file, so the threads took turns")
    };
    let pread = ["--threads", "2", "--strategy", "pread"];
    assert!(says(&[&pread[..], &["-w"]].concat()));
    assert!(!says(&[&pread[..], &["-r"]].concat()));
    assert!(!says(&[&pread[..], &["-w", "--files", "per-thread"]].concat()));
    assert!(!says(&["-w", "--strategy", "pread"]));
    assert!(!says(&["-w", "--threads", "2", "--strategy", "mmap"]));
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

/// The files of three workers, each with its share of `total_bytes` bytes.
fn own_files(file: &Path) -> Vec<PathBuf> {
    (0..3).map(|worker| PathBuf::from(format!("{}.{worker}", file.display()))).collect()
}

#[test]
fn with_a_file_per_thread_each_worker_covers_its_own() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("own");
    let files = own_files(&file);
    let sizes = [86 * 4096, 85 * 4096, 85 * 4096];
    for strategy in strategies() {
        for access in ["sequential", "random"].into_iter().take(1 + usize::from(strategy != "readwrite")) {
            let args = ["-B", "--create", "-b4k", "-t1M", "--threads", "3", "--files", "per-thread", "-s"];
            let more = ["--strategy", strategy, "--access", access, "--iodepth", "1", "--cache", "warm"];
            let read = document(&[&args[..], &more, &["-r"]].concat(), &file);
            check(&samples(&read)[0], 3, strategy);
            assert_eq!(
                samples(&read)[0]["resident_fraction_before"].as_f64(),
                (strategy != "null").then_some(1.0)
            );
            for (path, bytes) in files.iter().zip(sizes) {
                assert_eq!(std::fs::metadata(path).unwrap().len(), bytes, "{strategy}");
                std::fs::write(path, vec![0; bytes as usize]).unwrap();
            }
            let written = document(&[&args[..], &more, &["-w"]].concat(), &file);
            assert_eq!(
                written["benchmark_configuration"]["offsets_digest"],
                read["benchmark_configuration"]["offsets_digest"]
            );
            let wanted = if strategy == "null" { vec![0; BLOCK_BYTES] } else { pattern(0, BLOCK_BYTES) };
            for path in &files {
                let bytes = std::fs::read(path).unwrap();
                assert!(bytes.chunks(BLOCK_BYTES).all(|block| block == wanted), "{strategy} {access}");
                std::fs::remove_file(path).unwrap();
            }
            assert!(!file.exists(), "the path itself is not used");
        }
    }
}

#[test]
fn a_file_per_thread_is_checked_before_anything_is_written() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    let files = own_files(&folder.join("own"));
    std::fs::write(&files[0], vec![1; 2 * 4096]).unwrap();
    let run = ["-B", "-w", "-b4k", "-t16k", "--threads", "2", "--files", "per-thread", "own"];
    refused(|| bench(folder, &run), OPEN, &["own.1"]);
    std::fs::write(&files[1], vec![1; 4096]).unwrap();
    refused(|| bench(folder, &run), SHORT, &["own.1", "4096 bytes"]);
    std::fs::remove_file(&files[1]).unwrap();
    std::fs::hard_link(&files[0], &files[1]).unwrap();
    refused(|| bench(folder, &run), USAGE, &["own.1 and own.0 are the same file"]);
    assert_eq!(std::fs::read(&files[0]).unwrap(), vec![1; 2 * 4096]);
    let create = ["-c", "-b4k", "-t16k", "--threads", "2", "--files", "per-thread", "own"];
    refused(|| bench(folder, &create), USAGE, &["use --create -w"]);
    let sweep = ["sweep", "--threads", "2", "--files", "per-thread", "-o", "own.1", "own"];
    let sweep = finish(iobench().current_dir(folder).args(sweep));
    assert_eq!(sweep.code, Some(USAGE.0));
    assert!(sweep.stderr.contains("own.1: this is the file to measure"), "{sweep:?}");
}

#[test]
fn a_sweep_with_a_file_per_thread_is_repeated_on_the_same_files() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("own");
    let result = scratch.folder().join("result.json");
    let (path, result) = (file.to_str().unwrap(), result.to_str().unwrap());
    let own = ["--threads", "2", "--files", "per-thread", "--create", "--file-size", "1M"];
    let sizes = ["--strategy", "pread,mmap", "-b", "4k..16k", "--largest-n", "6"];
    finish(iobench().arg("sweep").args(own).args(sizes).args(["-w", "-o", result, path])).ok();
    assert!(!file.exists());
    let again = finish(iobench().args(["rerun", "-w", "-j", "--threshold", "99%", result])).ok().json();
    assert_eq!(again["points"].as_array().unwrap().len(), 6, "{again}");
    assert!(!file.exists());
}

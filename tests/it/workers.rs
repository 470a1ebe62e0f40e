//! `--threads`: several workers share a pass.

use serde_json::Value;

use crate::common::{
    Filesystem, data_file, document, finish, iobench, own_cpu, pattern, samples, strategies, warning_kinds,
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

/// The directions of the blocks of a file, as a mix left them: true for a write.
fn written(file: &std::path::Path) -> Vec<bool> {
    let block = pattern(0, BLOCK_BYTES);
    let bytes = std::fs::read(file).unwrap();
    bytes.chunks(BLOCK_BYTES).map(|found| found == block).collect()
}

#[test]
fn a_mix_has_exactly_the_requested_reads_and_keeps_the_blocks_that_it_reads() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let original = std::fs::read(&file).unwrap();
    for strategy in strategies().filter(|name| *name != "null") {
        for threads in ["1", "2"] {
            std::fs::write(&file, &original).unwrap();
            let args =
                ["-B", "-w", "-b4k", "-t1M", "--strategy", strategy, "--mix", "70", "--threads", threads];
            let document =
                document(&[&args[..], &["--iodepth", "1", "--latency", "--seed", "5"]].concat(), &file);
            let sample = &samples(&document)[0];
            assert_eq!(
                (&sample["read_count"], &sample["write_count"]),
                (&179.into(), &77.into()),
                "{strategy}"
            );
            assert_eq!(sample["read_latency_ns"]["count"], 179, "{strategy}");
            assert_eq!(sample["write_latency_ns"]["count"], 77, "{strategy}");
            assert_eq!(sample["latency_ns"]["count"], 256, "{strategy}");
            let written = written(&file);
            assert_eq!(written.iter().filter(|written| **written).count(), 77, "{strategy} {threads}");
            let now = std::fs::read(&file).unwrap();
            let blocks = now.chunks(BLOCK_BYTES).zip(original.chunks(BLOCK_BYTES)).zip(written);
            for ((now, original), written) in blocks {
                assert!(written || now == original, "{strategy}: a block that was read has changed");
            }
        }
    }
}

#[test]
fn offsets_of_every_strategy_have_the_same_digest() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for access in ["backward", "stride:64k", "random", "random:16k", "uniform", "zipf:0.9"] {
        let digest = |strategy: &str| {
            let args = ["-B", "-r", "-v", "-b4k", "-t1M", "--access", access, "--strategy", strategy];
            document(&args, &file)["benchmark_configuration"]["offsets_digest"].clone()
        };
        let digests: Vec<Value> = strategies().filter(|name| *name != "readwrite").map(digest).collect();
        assert!(
            digests[0].is_string() && digests.iter().all(|other| *other == digests[0]),
            "{access}: {digests:?}"
        );
        let args = ["-B", "-r", "--access", access, "--strategy", "readwrite", "iofile"];
        let sentence = "readwrite uses the file position; use --strategy pread";
        refused(|| bench(scratch.folder(), &args), USAGE, &[sentence]);
    }
}

#[test]
fn a_sync_follows_every_n_writes() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for strategy in strategies() {
        let args = ["-B", "-w", "-b4k", "-t1M", "--strategy", strategy, "--sync-every", "128"];
        let document = document(&args, &file);
        let sample = &samples(&document)[0];
        for key in ["sync_latency_ns", "commit_latency_ns"] {
            assert_eq!(sample[key]["count"], 2, "{strategy} {key}");
        }
        let mean = |key: &str| sample[key]["mean"].as_f64().unwrap();
        assert!(mean("sync_latency_ns") <= mean("commit_latency_ns"), "{strategy}");
        assert!(sample.get("latency_ns").is_none(), "{strategy}");
    }
}

#[test]
fn a_rate_is_kept() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for strategy in strategies() {
        for threads in ["1", "2"] {
            own_cpu::use_all();
            // 256 I/Os take 256 ms.
            let args =
                ["-B", "-r", "-b4k", "-t1M", "--strategy", strategy, "--rate", "1000", "--threads", threads];
            let document = document(&[&args[..], &["--iodepth", "4", "--latency"]].concat(), &file);
            let sample = &samples(&document)[0];
            assert!(
                sample["time"].as_f64().unwrap() >= 0.254,
                "{strategy}: an I/O began before it was due: {sample}"
            );
            assert_eq!(sample["latency_ns"]["count"], 256, "{strategy}");
        }
    }
}

#[test]
fn a_rate_that_is_not_reached_is_a_warning_and_counts_in_the_latency() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let args =
        ["-B", "-r", "-v", "-b4k", "-t1M", "-n3", "--rate", "1000000000", "--latency", "--strategy", "pread"];
    let document = document(&args, &file);
    assert_eq!(warning_kinds(&document), ["rate_not_reached"], "once");
    let sample = &samples(&document)[0];
    let (rate, time) = (sample["achieved_rate"].as_f64().unwrap(), sample["time"].as_f64().unwrap());
    assert!((rate * time / 256.0 - 1.0).abs() < 1e-6, "{sample}");
    // The last was due at once, and began when all others had ended.
    let longest = sample["latency_ns"]["max"].as_f64().unwrap();
    assert!(longest > 0.5 * time * 1e9 && longest <= 1.01 * time * 1e9, "{sample}");
}

#[test]
fn samples_repeat_for_a_time_and_say_when_each_began() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let document = document(&["-B", "-r", "-v", "-b4k", "-t1M", "--for", "300ms"], &file);
    let samples = samples(&document);
    assert!(samples.len() > 2, "{}", samples.len());
    let began: Vec<u64> = samples.iter().map(|sample| sample["started_ns"].as_u64().unwrap()).collect();
    assert!(began.is_sorted());
    let before_last = began.len() - 2;
    let spent_ns =
        (began[before_last] - began[0]) as f64 + samples[before_last]["time"].as_f64().unwrap() * 1e9;
    assert!(spent_ns < 0.3e9, "no other sample follows one that ends after the time: {spent_ns}");
    assert_eq!(document["benchmark_configuration"]["iterations"], samples.len() as u64);
    assert_eq!(document["benchmark_configuration"]["for_seconds"], 0.3);
}

#[test]
fn options_about_writes_need_writes() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for (args, words) in [
        (&["-r", "--mix", "70"][..], "--mix needs -w, because it overwrites a part of the file"),
        (&["-r", "--sync-every", "1"], "--sync-every needs -w"),
        (&["-r", "--open-sync", "dsync"], "--open-sync needs -w"),
        (&["-c", "--mix", "70"], "--mix needs -w"),
        (
            &["-w", "--open-sync", "sync", "--strategy", "mmap"],
            "--open-sync: mmap does not write by system calls",
        ),
        (&["-w", "--mix", "101"], "'101' is not a percentage"),
        (&["-r", "--rate", "0"], "--rate"),
        (&["-r", "-n", "3", "--for", "1s"], "cannot be used with"),
        (&["-r", "--access", "stride:3", "--strategy", "pread"], "not a multiple of the buffer size (16384)"),
    ] {
        let args = [args, &["iofile"]].concat();
        refused(|| bench(scratch.folder(), &args), USAGE, &[words]);
    }
}

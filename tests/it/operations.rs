//! The operations of a pass: `--mix`, `--access`, `--rate` and `--sync-every`; and `--for`, which repeats
//! passes.

use serde_json::Value;

use crate::common::{Filesystem, data_file, document, own_cpu, pattern, samples, strategies, warning_kinds};
use crate::refusal::{MIB, USAGE, bench, refused};

const BLOCK_BYTES: usize = 4096;

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

//! `--latency`: the latency of each I/O, in every strategy and both directions.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Filesystem, data_file, document, finish, iobench, run, samples, strategies};
use crate::refusal::{MIB, bench};
use crate::running::Running;

#[test]
fn every_strategy_records_every_io_in_both_directions() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for strategy in strategies() {
        for direction in ["-r", "-w"] {
            let args = ["-B", direction, "-b4k", "-t1M", "-n2", "--strategy", strategy, "--latency"];
            let document = document(&args, &file);
            for sample in samples(&document) {
                let latency = &sample["latency_ns"];
                let ns = |key: &str| latency[key].as_f64().unwrap_or_else(|| panic!("{key}: {latency}"));
                assert_eq!(latency["count"], 256, "{strategy} {direction}");
                let order = ["min", "p50", "p90", "max"].map(ns);
                assert!(order.is_sorted(), "{strategy} {direction}: {order:?}");
                assert!(ns("min") <= ns("mean") && ns("mean") <= ns("max"));
                // 256 I/Os are fewer than 299.
                for key in ["p99", "p99_9", "p99_99"] {
                    assert_eq!(latency[key], Value::Null, "{key}");
                }
                let buckets = latency["histogram"].as_array().unwrap();
                assert_eq!(buckets.iter().map(|bucket| bucket[2].as_u64().unwrap()).sum::<u64>(), 256);
                let is_narrow = |bucket: &Value| {
                    let (low, high) = (bucket[0].as_f64().unwrap(), bucket[1].as_f64().unwrap());
                    high - low <= f64::max(low * 0.02, 1.01 * ns("resolution_ns").max(1.0))
                };
                assert!(buckets.iter().all(is_narrow), "{latency}");
                assert!(ns("stamp_ns") > 0.0);
            }
        }
    }
}

#[test]
fn without_the_flag_there_is_no_key_and_text_has_a_line_with_it() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let plain = document(&["-B", "-r", "-b4k", "-t1M"], &file);
    assert!(samples(&plain)[0].get("latency_ns").is_none());
    let text = run(["-B", "-r", "-b1k", "-t1M", "--latency", file.to_str().unwrap()]).ok().stdout;
    let line = text.lines().find(|line| line.starts_with("  latency: p50 ")).unwrap();
    assert!(line.contains(", p99 ") && line.contains("p99.9 -,") && line.ends_with("(1024 I/Os)"), "{line}");
}

#[test]
fn ab_compares_a_percentile() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 16 * MIB);
    let file = file.to_str().unwrap();
    let sides = ["--", "-r", "-b512", file, "--", "-r", "-b1k", file];
    let compared = finish(iobench().args(["ab", "-j", "-n6", "--metric", "p99"]).args(sides));
    assert!(matches!(compared.code, Some(0 | 1)), "{compared:?}");
    let document = compared.json();
    assert_eq!(document["metric"], "p99");
    let pairs = document["pairs"].as_array().unwrap();
    let side = |index: usize| -> Vec<f64> {
        let mut values: Vec<f64> =
            pairs.iter().map(|pair| pair["latency_ns"][index].as_f64().unwrap()).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    for index in [0, 1] {
        let median = document["medians_ns"][index].as_f64().unwrap();
        assert!(side(index)[0] <= median && median <= side(index)[5], "{document}");
        let blocks = document["configurations"][index]["blockcount"].as_u64().unwrap();
        assert!(blocks >= 3000, "enough for a steady p99: {blocks}");
    }
    assert_ne!(side(0), side(1), "each side has its own");
    let text = finish(iobench().args(["ab", "-n6", "--metric", "p50"]).args(sides)).stdout;
    assert!(text.contains("Medians of the p50 of the latency: A "), "{text}");
    let short = ["--", "-rB", "-t1M", file, "--", "-rB", "-t1M", file];
    let refused = finish(iobench().args(["ab", "--metric", "p99"]).args(short));
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(
        refused.stderr.contains("--metric p99: a sample of 64 I/Os has no p99; use a larger -t"),
        "{refused:?}"
    );
}

/// 3,000 I/Os are due within three seconds, and the program is stopped for two of them.
#[test]
fn a_stall_counts_for_every_io_that_it_delays() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let args =
        ["-B", "-r", "-j", "-b256", "-t750k", "--strategy", "pread", "--rate", "1000", "--latency", "iofile"];
    let running = Running::start(&mut bench(scratch.folder(), &args));
    std::thread::sleep(Duration::from_millis(500));
    running.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(2));
    running.signal(Signal::SIGCONT);
    let document = running.end(String::new()).json();
    let latency = &samples(&document)[0]["latency_ns"];
    assert_eq!(latency["count"], 3000);
    for key in ["max", "p99_9", "p99"] {
        let seconds = latency[key].as_f64().unwrap_or(2.0) / 1e9;
        assert!((1.8..3.0).contains(&seconds), "{key}: {latency}");
    }
    // Two thirds of the I/Os became due during the stop, the first of them two seconds before its end.
    let half = latency["p50"].as_f64().unwrap() / 1e9;
    assert!((0.2..1.0).contains(&half), "{latency}");
}

/// The samples last much longer than the pauses between them, so the stop falls into one.
#[test]
fn a_stall_is_the_largest_latency() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let args = ["-B", "-r", "-j", "-b1", "-t32M", "-n4", "--strategy", "null", "--latency", "iofile"];
    let running = Running::start(&mut bench(scratch.folder(), &args));
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(500));
    running.signal(Signal::SIGCONT);
    let document = running.end(String::new()).json();
    let longest = |sample: &Value| sample["latency_ns"]["max"].as_f64().unwrap();
    let longest: Vec<f64> = samples(&document).iter().map(longest).collect();
    assert!(longest.iter().any(|ns| *ns > 0.4e9), "{longest:?}");
}

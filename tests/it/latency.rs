//! `--latency`: the latency of each I/O, in every strategy and both directions.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Filesystem, data_file, document, run, samples, strategies};
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

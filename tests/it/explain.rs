//! `--explain` says the right thing, each time with other words: for captured runs (a real machine's
//! documents, only paths and the kernel's local version replaced), for figures that support nothing,
//! and live.

use std::collections::BTreeSet;
use std::path::Path;

use iobench::report::document::{Document, SampleRecord};
use iobench::report::explain::sentences;
use iobench::report::read::{ResultFile, read};
use iobench::strategies::ALL;

use crate::common::CHARACTERISTIC;

const CAPTURED: [&str; 7] =
    ["warm_read", "cold_read", "direct_read", "mapped_read", "write", "write_and_sync", "one_byte_reads"];

fn captured(name: &str) -> Document {
    // Written by version 0.1.0, so they are read as documents of version 1.
    let path = format!("{}/tests/fixtures/explain/{name}.json", env!("CARGO_MANIFEST_DIR"));
    match read(Path::new(&path), u64::MAX, ALL).unwrap() {
        ResultFile::Run(document) => *document,
        ResultFile::Sweep(_) => panic!("{name} is a run"),
    }
}

/// The sentences of each captured run.
const EXPECTED: [(&str, &[&str]); 7] = [
    (
        "warm_read",
        &[
            "Every byte came from the page cache: 100 % of the range was resident before the sample, \
             and no block was read from the device (inblock 0).",
            "Each call moved 64 KiB in 7.0 us; most of that time is spent copying, at 8.7 GiB/s.",
        ],
    ),
    (
        "cold_read",
        &[
            "The median sample took 13.9 ms: 27 % on the CPU and 73 % off the CPU (waiting); \
             utime + stime: 3.7 ms.",
            "The kernel read 16 MiB from the device into the page cache (inblock 32768): 0 % of the \
             range was resident before the sample, 100 % after it. Readahead is at most 8 MiB.",
            "The thread waited 3 times (nvcsw), 10.3 ms in total, once per 5.33 MiB moved.",
            "The device received 7 read requests of 2.29 MiB on average, while the program moved 64 \
             KiB per I/O; the device accepts up to 4 MiB.",
        ],
    ),
    (
        "direct_read",
        &[
            "The median sample took 35.8 ms: 31 % on the CPU and 69 % off the CPU (waiting); \
             utime + stime: 11.3 ms.",
            "O_DIRECT bypassed the page cache: 256 reads of 64 KiB went to the device (inblock 32768), \
             139.7 us per read.",
            "The thread waited 256 times (nvcsw), once per 64 KiB moved.",
        ],
    ),
    (
        "mapped_read",
        &[
            "Every byte came from the page cache: 100 % of the range was resident before the sample, \
             and no block was read from the device (inblock 0).",
            "No system call moved the data: the strategy copied through the mapping and took 93 page \
             faults (5.8 per MiB, 0 with I/O). Each fault mapped 176 KiB on average.",
        ],
    ),
    (
        "write",
        &[
            "The median sample took 2.3 ms: 100 % on the CPU and 0 % off the CPU; utime + \
             stime: 2.3 ms.",
            "The data was copied into the page cache at 6.78 GiB/s. The time to write it to the device \
             is not included; -s includes it.",
        ],
    ),
    (
        "write_and_sync",
        &[
            "The median sample took 19.8 ms: 18 % on the CPU and 82 % off the CPU (waiting); \
             utime + stime: 3.7 ms.",
            "The writes returned after 2.5 ms; the sync then took 17.3 ms (87 % of the sample) to \
             write the data to the device. The bandwidth including the sync is 808 MiB/s.",
            "The thread waited 4 times (nvcsw), once per 4 MiB moved.",
        ],
    ),
    (
        "one_byte_reads",
        &[
            "The median sample took 925.8 ms: 7 % in the program, 47 % in the kernel, and 46 % \
             off the CPU (preempted); utime 61.6 ms, stime 434.0 ms.",
            "Every byte came from the page cache: 100 % of the range was resident before the sample, \
             and no block was read from the device (inblock 0).",
            "Each call moved 1 byte and took 472.6 ns of CPU time; most of that time is spent entering \
             and leaving the kernel. A larger -b makes fewer calls.",
            "The thread was preempted 376 times (nivcsw); the measured time includes the time \
             of the threads that ran on its CPU.",
        ],
    ),
];

#[test]
fn captured_runs_are_explained() {
    for (name, expected) in EXPECTED {
        assert_eq!(sentences(&captured(name)), expected, "{name}");
    }
}

#[test]
fn each_kind_of_run_has_words_of_its_own() {
    for (name, words) in CHARACTERISTIC {
        for other in CAPTURED {
            let said = sentences(&captured(other)).iter().any(|sentence| sentence.contains(words));
            assert_eq!(said, other == name, "{words:?} in {other}");
        }
    }
    let explanations: BTreeSet<Vec<String>> =
        CAPTURED.iter().map(|name| sentences(&captured(name))).collect();
    assert_eq!(explanations.len(), CAPTURED.len());
}

/// The sentences for a captured run of which something was otherwise. Every sample is changed, so that it
/// does not matter which is the one of median time.
fn otherwise(name: &str, change: impl Fn(&mut SampleRecord)) -> Vec<String> {
    let mut document = captured(name);
    document.benchmark_samples.iter_mut().for_each(change);
    sentences(&document)
}

fn assert_silent(sentences: &[String], words: &str) {
    assert!(sentences.iter().all(|sentence| !sentence.contains(words)), "{words:?} in {sentences:#?}");
}

fn assert_said(sentences: &[String], words: &str) {
    assert!(sentences.iter().any(|sentence| sentence.contains(words)), "no {words:?} in {sentences:#?}");
}

#[test]
fn without_usage_configuration_or_samples_nothing_is_said() {
    for name in CAPTURED {
        assert_eq!(otherwise(name, |sample| sample.usage = None), [""; 0], "{name} without -g");
        let mut document = captured(name);
        document.benchmark_samples.clear();
        assert_eq!(sentences(&document), [""; 0], "{name} without samples");
        assert_eq!(
            sentences(&captured(name).without_configuration()),
            [""; 0],
            "{name} without configuration"
        );
    }
}

#[test]
fn the_split_is_that_of_time_that_can_be_divided() {
    let usage = |user: f64, system: f64, waits: i64, preemptions: i64| {
        move |sample: &mut SampleRecord| {
            let usage = sample.usage.as_mut().unwrap();
            (usage.utime, usage.stime, usage.nvcsw, usage.nivcsw) = (user, system, waits, preemptions);
        }
    };
    let at = |seconds: f64, user: f64, system: f64, waits: i64, preemptions: i64| {
        otherwise("one_byte_reads", |sample| {
            sample.time = seconds;
            usage(user, system, waits, preemptions)(sample);
        })
    };
    for (sentences, words) in [
        (at(1.0, 0.25, 0.75, 0, 0), "25 % in the program, 75 % in the kernel, and 0 % off the CPU; utime"),
        (at(1.0, 0.25, 0.25, 9, 0), "50 % off the CPU (waiting); utime 250.0 ms, stime 250.0 ms"),
        (at(1.0, 0.25, 0.25, 0, 9), "50 % off the CPU (preempted); utime"),
        (at(1.0, 0.25, 0.25, 9, 9), "50 % off the CPU (waiting or preempted); utime"),
        // Ticks are too few to say where.
        (
            at(0.010, 0.004, 0.0, 9, 0),
            "The median sample took 10.0 ms: 40 % on the CPU and 60 % off the CPU (waiting); utime",
        ),
        (at(0.010, 0.0, 0.0101, 0, 0), "100 % on the CPU and 0 % off the CPU; utime"),
    ] {
        assert_said(&sentences, words);
    }
    assert_silent(&at(0.0019, 0.001, 0.0005, 9, 0), "off");
    // More CPU than time: the usage was not that of the bracket alone.
    assert_silent(&at(0.010, 0.006, 0.006, 9, 0), "off the CPU");
}

#[test]
fn nothing_is_said_of_the_cache_where_the_figures_do_not_say_it() {
    let unknown = |sample: &mut SampleRecord| {
        (sample.resident_fraction_before, sample.resident_fraction_after) = (None, None);
    };
    assert_silent(&otherwise("warm_read", unknown), "page cache");
    assert_silent(&otherwise("one_byte_reads", unknown), "most of that time");
    assert_silent(&otherwise("direct_read", unknown), "O_DIRECT");
    let cold = otherwise("cold_read", unknown);
    assert_said(
        &cold,
        "The kernel read 16 MiB from the device into the page cache (inblock 32768). Readahead",
    );
    assert_silent(&cold, "resident");

    let half = otherwise("warm_read", |sample| sample.resident_fraction_before = Some(0.5));
    assert_silent(&half, "Every byte");
    assert_silent(&half, "most of that time");
    // The filesystem read its own metadata, not the file.
    let metadata = otherwise("warm_read", |sample| sample.usage.as_mut().unwrap().inblock = 8);
    assert_silent(&metadata, "page cache");
}

#[test]
fn direct_reads_that_did_not_reach_the_device_are_not_said_to_have() {
    // A filesystem in memory, or one whose device counts elsewhere.
    assert_silent(&otherwise("direct_read", |s| s.usage.as_mut().unwrap().inblock = 0), "O_DIRECT");
    assert_silent(&otherwise("direct_read", |s| s.usage.as_mut().unwrap().inblock = 0), "page cache");
    // A filesystem that takes the flag and buffers: the cache filled.
    let buffered = otherwise("direct_read", |sample| {
        (sample.resident_fraction_before, sample.resident_fraction_after) = (Some(0.0), Some(1.0));
    });
    assert_silent(&buffered, "O_DIRECT");
}

#[test]
fn a_call_costs_cpu_time_where_others_took_the_cpu() {
    let alone = otherwise("one_byte_reads", |sample| {
        sample.time = 0.5;
        let usage = sample.usage.as_mut().unwrap();
        (usage.utime, usage.stime) = (0.1, 0.4);
    });
    assert_said(
        &alone,
        "Each call moved 1 byte and took 476.8 ns; most of that time is spent entering and leaving the \
         kernel",
    );
    let no_cpu_time = otherwise("warm_read", |sample| {
        let usage = sample.usage.as_mut().unwrap();
        (usage.utime, usage.stime) = (0.0, 0.0);
    });
    assert_silent(&no_cpu_time, "most of that time");
    let mut between = captured("warm_read");
    between.benchmark_configuration.as_mut().unwrap().buffersize = 4096;
    assert_silent(&sentences(&between), "most of that time");
}

#[test]
fn a_sync_waits_for_a_device_only_where_one_had_bytes_to_take() {
    let in_memory = otherwise("write_and_sync", |sample| sample.usage.as_mut().unwrap().oublock = 0);
    assert_said(&in_memory, "the sync then took");
    assert_silent(&in_memory, "device");
    assert_silent(&otherwise("write_and_sync", |sample| sample.sync_time_ns = None), "sync");
}

#[test]
fn waits_preemptions_and_requests_need_figures() {
    let no_waits = otherwise("direct_read", |sample| sample.usage.as_mut().unwrap().nvcsw = 0);
    assert_silent(&no_waits, "waited");
    let one = otherwise("direct_read", |sample| sample.usage.as_mut().unwrap().nvcsw = 1);
    assert_said(&one, "The thread waited 1 time (nvcsw), once per 16 MiB moved");
    let few = otherwise("one_byte_reads", |sample| sample.usage.as_mut().unwrap().nivcsw = 2);
    assert_silent(&few, "was preempted");
    let preempted = otherwise("cold_read", |sample| {
        sample.kernel.iter_mut().for_each(|kernel| kernel.sched.as_mut().unwrap().involuntary_switches = 1);
    });
    assert_silent(&preempted, "in total");
    assert_silent(&otherwise("cold_read", |sample| sample.kernel = None), "requests");
    let anothers = otherwise("cold_read", |sample| {
        sample.kernel.iter_mut().for_each(|kernel| kernel.block.as_mut().unwrap().own_bytes = 0);
    });
    assert_silent(&anothers, "requests");
}

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
    match read(Path::new(&path), ALL).unwrap() {
        ResultFile::Run(document) => *document,
        ResultFile::Sweep(_) => panic!("{name} is a run"),
    }
}

#[test]
fn captured_runs_are_explained() {
    let expected: [(&str, &[&str]); 7] = [
        (
            "warm_read",
            &[
                "Every byte came from the page cache: 100 % of the range was resident before, and no block was read from the device (inblock 0).",
                "Each call moved 64 KiB in 7.0 us: the cost is the copy, at 8.7 GiB/s.",
            ],
        ),
        (
            "cold_read",
            &[
                "Of 13.9 ms, 27 % was spent on the CPU and 73 % off it, waiting (utime and stime together 3.7 ms).",
                "16 MiB came from the device into the page cache (inblock 32768): 0 % of the range was resident before, 100 % after. The kernel reads ahead up to 8 MiB at a time.",
                "The thread gave up the CPU 3 times to wait, 10.3 ms in all, once for every 5.33 MiB moved (nvcsw).",
                "The device saw 7 read requests of 2.29 MiB on average, where the program moved 64 KiB at a time; the device takes up to 4 MiB.",
            ],
        ),
        (
            "direct_read",
            &[
                "Of 35.8 ms, 31 % was spent on the CPU and 69 % off it, waiting (utime and stime together 11.3 ms).",
                "O_DIRECT went past the page cache: 256 reads of 64 KiB went to the device (inblock 32768), 139.7 us per read.",
                "The thread gave up the CPU 256 times to wait, once for every 64 KiB moved (nvcsw).",
            ],
        ),
        (
            "mapped_read",
            &[
                "Every byte came from the page cache: 100 % of the range was resident before, and no block was read from the device (inblock 0).",
                "No system call moved the data: the copy touched the mapping and took 93 page faults, 5.8 per MiB, none of them with I/O; each fault made 176 KiB visible on average.",
            ],
        ),
        (
            "write",
            &[
                "Of 2.3 ms, 100 % was spent on the CPU and 0 % off it (utime and stime together 2.3 ms).",
                "The bytes were put into the page cache at 6.78 GiB/s. When they reach the device is not part of this figure; -s waits for it.",
            ],
        ),
        (
            "write_and_sync",
            &[
                "Of 19.8 ms, 18 % was spent on the CPU and 82 % off it, waiting (utime and stime together 3.7 ms).",
                "The writes returned after 2.5 ms; the sync then took 17.3 ms, 87 % of the whole, until the device had the bytes: 808 MiB/s from end to end.",
                "The thread gave up the CPU 4 times to wait, once for every 4 MiB moved (nvcsw).",
            ],
        ),
        (
            "one_byte_reads",
            &[
                "Of 925.8 ms, 7 % was spent in the program, 47 % in the kernel on its behalf, and 46 % off the CPU, while something else ran there (utime 61.6 ms, stime 434.0 ms).",
                "Every byte came from the page cache: 100 % of the range was resident before, and no block was read from the device (inblock 0).",
                "Each call moved 1 byte and took 472.6 ns of CPU time: the cost is the way into the kernel and back, paid 1048576 times; a larger -b divides it.",
                "It was preempted 376 times (nivcsw): other work ran on its CPU, and its time is in these figures.",
            ],
        ),
    ];
    for (name, expected) in expected {
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
        (
            at(1.0, 0.25, 0.75, 0, 0),
            "25 % was spent in the program, 75 % in the kernel on its behalf, and 0 % off the CPU (utime",
        ),
        (at(1.0, 0.25, 0.25, 9, 0), "50 % off the CPU, waiting (utime 250.0 ms, stime 250.0 ms)"),
        (at(1.0, 0.25, 0.25, 0, 9), "50 % off the CPU, while something else ran there (utime"),
        (at(1.0, 0.25, 0.25, 9, 9), "50 % off the CPU, waiting or preempted (utime"),
        // Ticks are too few to say where.
        (
            at(0.010, 0.004, 0.0, 9, 0),
            "Of 10.0 ms, 40 % was spent on the CPU and 60 % off it, waiting (utime and stime",
        ),
        (at(0.010, 0.0, 0.0101, 0, 0), "100 % was spent on the CPU and 0 % off it (utime"),
    ] {
        assert_said(&sentences, words);
    }
    assert_silent(&at(0.0019, 0.001, 0.0005, 9, 0), "off");
    // More CPU than time: the usage was not that of the bracket alone.
    assert_silent(&at(0.010, 0.006, 0.006, 9, 0), "was spent");
}

#[test]
fn nothing_is_said_of_the_cache_where_the_figures_do_not_say_it() {
    let unknown = |sample: &mut SampleRecord| {
        (sample.resident_fraction_before, sample.resident_fraction_after) = (None, None);
    };
    assert_silent(&otherwise("warm_read", unknown), "page cache");
    assert_silent(&otherwise("one_byte_reads", unknown), "price");
    assert_silent(&otherwise("direct_read", unknown), "O_DIRECT");
    let cold = otherwise("cold_read", unknown);
    assert_said(
        &cold,
        "16 MiB came from the device into the page cache (inblock 32768). The kernel reads ahead",
    );
    assert_silent(&cold, "resident");

    let half = otherwise("warm_read", |sample| sample.resident_fraction_before = Some(0.5));
    assert_silent(&half, "Every byte");
    assert_silent(&half, "price");
    // Blocks of the filesystem itself are none of the file's.
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
        "Each call moved 1 byte and took 476.8 ns: the cost is the way into the kernel and back",
    );
    let no_cpu_time = otherwise("warm_read", |sample| {
        let usage = sample.usage.as_mut().unwrap();
        (usage.utime, usage.stime) = (0.0, 0.0);
    });
    assert_silent(&no_cpu_time, "price");
    let mut between = captured("warm_read");
    between.benchmark_configuration.as_mut().unwrap().buffersize = 4096;
    assert_silent(&sentences(&between), "price");
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
    assert_silent(&no_waits, "gave up the CPU");
    let one = otherwise("direct_read", |sample| sample.usage.as_mut().unwrap().nvcsw = 1);
    assert_said(&one, "gave up the CPU 1 time to wait, once for every 16 MiB moved");
    let few = otherwise("one_byte_reads", |sample| sample.usage.as_mut().unwrap().nivcsw = 2);
    assert_silent(&few, "It was preempted");
    let preempted = otherwise("cold_read", |sample| {
        sample.kernel.iter_mut().for_each(|kernel| kernel.sched.as_mut().unwrap().involuntary_switches = 1);
    });
    assert_silent(&preempted, "in all");
    assert_silent(&otherwise("cold_read", |sample| sample.kernel = None), "requests");
    let anothers = otherwise("cold_read", |sample| {
        sample.kernel.iter_mut().for_each(|kernel| kernel.block.as_mut().unwrap().own_bytes = 0);
    });
    assert_silent(&anothers, "requests");
}

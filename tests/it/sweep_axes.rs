//! Sweeps over more axes than strategy and buffer size: their points, their end and their continuation.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use iobench::report::latency::LatencySummary;
use iobench::report::sweep::{StopReason, SweepDocument, SweepRun};
use serde_json::{Value, json};

use crate::common::{Filesystem, Outcome, assert_valid, data_file, finish, iobench, own_cpu};
use crate::refusal::{MIB, USAGE, sentence};

/// A sweep in `folder` of the file `data` there.
fn sweep(folder: &Path, words: &str) -> Outcome {
    let mut command = iobench();
    finish(command.arg("sweep").args(words.split_whitespace()).current_dir(folder))
}

fn scratch() -> Filesystem {
    let scratch = Filesystem::scratch();
    std::fs::rename(data_file(scratch.folder(), MIB), scratch.folder().join("data")).unwrap();
    scratch
}

/// Strategy, depth, threads, access, cache and O_DIRECT of each point.
fn points(document: &Value) -> Vec<Value> {
    let point = |run: &Value| {
        let configuration = &run["benchmark_configuration"];
        let requested = &configuration["requested"];
        json!([
            configuration["strategy"],
            requested["iodepth"],
            requested["threads"],
            requested["access"],
            configuration["cache"],
            requested["direct"]
        ])
    };
    document["runs"].as_array().unwrap().iter().map(point).collect()
}

#[test]
fn every_list_is_an_axis_and_what_means_nothing_is_left_out_once() {
    own_cpu::use_all();
    let scratch = scratch();
    let words =
        "-j --strategy pread,io_uring,readwrite -b 4k --iodepth 1..4 --threads 1,2 --largest-n 1 data";
    let document = sweep(scratch.folder(), words).ok().json();
    let schema = schemars::schema_for!(SweepDocument).to_value();
    assert_valid(&schema, &document);
    assert_eq!(document["sweep_configuration"]["axes"], json!(["strategy", "iodepth", "threads"]));
    let found = points(&document);
    for (strategy, depths) in
        [("pread", &[None][..]), ("readwrite", &[None]), ("io_uring", &[Some(1), Some(2), Some(4)])]
    {
        for depth in depths {
            for threads in [1, 2] {
                let point = json!([strategy, depth, threads, "sequential", "warm", false]);
                assert_eq!(found.iter().filter(|it| **it == point).count(), 1, "{point}");
            }
        }
    }
    assert_eq!(found.len(), 10);
}

#[test]
fn a_path_that_always_uses_o_direct_has_no_point_without_it() {
    let scratch = scratch();
    let words = "-j --strategy pread,direct,mmap -b 4k --direct on,off --cache warm,cold --largest-n 1 data";
    let document = sweep(scratch.folder(), words).ok().json();
    let found: BTreeSet<String> = points(&document).iter().map(Value::to_string).collect();
    let wanted = [
        json!(["pread", null, 1, "sequential", "warm", false]),
        json!(["pread", null, 1, "sequential", "cold", false]),
        json!(["pread", null, 1, "sequential", "cold", true]),
        json!(["direct", null, 1, "sequential", "cold", true]),
        json!(["mmap", null, 1, "sequential", "warm", false]),
        json!(["mmap", null, 1, "sequential", "cold", false]),
        json!(["mmap", null, 1, "sequential", "cold", true]),
    ];
    assert_eq!(found, wanted.iter().map(Value::to_string).collect());
    let refused = |run: &&Value| !run["error"].is_null();
    let refused: Vec<&Value> = document["runs"].as_array().unwrap().iter().filter(refused).collect();
    assert!(refused.iter().any(|run| run["benchmark_configuration"]["strategy"] == "mmap"));
    let nothing = sweep(scratch.folder(), "--strategy direct --direct off data");
    assert_eq!(nothing.code, Some(64));
    assert!(sentence(&nothing).contains("nothing to sweep"), "{nothing:?}");
}

#[test]
fn mixes_rates_and_orders_are_axes() {
    let scratch = scratch();
    let words = "-j -w --strategy pread -b 4k --mix 0..100/50 --rate 100000,200000 --access random,backward \
                 --largest-n 1 data";
    let document = sweep(scratch.folder(), words).ok().json();
    let axes = &document["sweep_configuration"]["axes"];
    assert_eq!(*axes, json!(["access", "mix", "rate"]));
    assert_eq!(document["runs"].as_array().unwrap().len(), 12);
    for run in document["runs"].as_array().unwrap() {
        let (requested, sample) =
            (&run["benchmark_configuration"]["requested"], &run["benchmark_samples"][0]);
        let share = requested["mix"].as_u64().unwrap() * sample["io_count"].as_u64().unwrap();
        assert!(sample["read_count"].as_u64().unwrap().abs_diff(share.div_ceil(100)) <= 1, "{run}");
        assert!(sample["achieved_rate"].as_f64().unwrap() < 1.01 * requested["rate"].as_f64().unwrap());
    }
    let reading = sweep(scratch.folder(), "--mix 50 data");
    assert_eq!(reading.code, Some(64));
    assert!(sentence(&reading).contains("--mix needs -w"), "{reading:?}");
}

#[test]
fn a_dry_run_prints_the_points_and_changes_nothing() {
    let scratch = Filesystem::scratch();
    let words = "-w --create --dry-run --strategy pread,io_uring --iodepth 1..8 --threads 1,2 -b 4k,64k data";
    let printed = sweep(scratch.folder(), words).ok().stdout;
    for line in [
        "strategy: pread, io_uring",
        "buffersize: 4 KiB, 64 KiB",
        "iodepth: depth 1, depth 2, depth 4, depth 8",
        "threads: 1 thread, 2 threads",
        "20 points: 16 of io_uring, 4 of pread",
        "bytes to be written: at most 3.12 GiB for 10 samples of each point; each writes over the same range",
        "the budget is 60 s",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(std::fs::read_dir(scratch.folder()).unwrap().count(), 0, "not even the file is created");
}

#[test]
fn the_time_is_said_before_the_sweep_and_a_budget_of_it_gives_ten_samples() {
    own_cpu::use_all();
    let scratch = scratch();
    let points = "--strategy pread,io_uring -b 1..4k --iodepth 1,2,4,8 --threads 1 data";
    let early = sweep(scratch.folder(), &format!("--budget 900ms {points}"));
    assert_eq!(early.code, Some(64), "{early:?}");
    let said = early.stdout.replace('\n', " ");
    assert!(said.starts_with("65 points") || said.contains(" points (") || said.is_empty(), "{said}");
    let needed = sentence(&early).split("; use ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let document = sweep(scratch.folder(), &format!("-j --budget {needed} {points}")).ok().json();
    for run in document["runs"].as_array().unwrap() {
        let samples = run["benchmark_samples"].as_array().unwrap().len();
        assert!(samples >= 6, "{samples} samples in {needed}: {}", run["benchmark_configuration"]);
    }
}

/// The points of a document, and the number of samples of each.
fn samples(document: &SweepDocument) -> Vec<(String, u64, usize)> {
    let point = |run: &SweepRun| {
        let configuration = &run.benchmark_configuration;
        let name = format!("{} {:?}", configuration.strategy, configuration.requested.iodepth);
        (name, configuration.totalsize, run.benchmark_samples.len())
    };
    document.runs.iter().map(point).collect()
}

fn read(folder: &Path) -> SweepDocument {
    serde_json::from_slice(&std::fs::read(folder.join("result.json")).unwrap()).unwrap()
}

/// Latencies of the same point in the result before the sweep was continued.
fn before_of<'a>(before: &'a SweepDocument, run: &SweepRun) -> Option<&'a LatencySummary> {
    let same = |other: &&SweepRun| {
        let key = |run: &SweepRun| {
            let configuration = &run.benchmark_configuration;
            (configuration.strategy.clone(), configuration.requested, configuration.preparation.cache)
        };
        key(other) == key(run)
    };
    before.runs.iter().find(same)?.summary.as_ref()?.latencies.latency_ns.as_ref()
}

#[test]
fn a_sweep_that_was_killed_is_continued_with_the_same_points() {
    let scratch = scratch();
    let folder = scratch.folder();
    let words = "sweep -j --strategy pread,io_uring,mmap -b 4k,16k --iodepth 1,4 --direct on,off --latency \
                 --precision 0.0001% --budget 60s --largest-n 100000 -o result.json data";
    let mut child = iobench();
    child.args(words.split_whitespace()).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let rounds = || {
        let bytes = std::fs::read(folder.join("result.json")).ok()?;
        Some(serde_json::from_slice::<SweepDocument>(&bytes).ok()?.sweep_configuration.rounds)
    };
    while rounds().unwrap_or(0) < 7 {
        assert!(Instant::now() < deadline, "no rounds");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = read(folder);
    finish(iobench().args(["sweep", "-j", "--resume", "result.json", "--budget", "3s"]).current_dir(folder))
        .ok();
    let after = read(folder);
    let (old, new) = (samples(&before), samples(&after));
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(&new) {
        assert_eq!((&old.0, old.1), (&new.0, new.1), "the same points with the same totals");
        assert!(new.2 > old.2 || old.2 == 0, "{old:?} {new:?}");
    }
    assert!(old.iter().any(|(_, _, count)| *count == 0), "mmap with O_DIRECT stays a record");
    assert_eq!(after.sweep_configuration.resumed, 1);
    assert!(after.sweep_configuration.rounds > before.sweep_configuration.rounds);
    let mut order: Vec<u64> = after
        .runs
        .iter()
        .flat_map(|run| run.benchmark_samples.iter().filter_map(|sample| sample.order_index))
        .collect();
    order.sort_unstable();
    assert_eq!(order, (0..after.controls.len() as u64).collect::<Vec<_>>(), "one reading per sample");
    for run in after.runs.iter().filter(|run| run.error.is_none()) {
        let summary = run.summary.as_ref().unwrap();
        assert_eq!(summary.stop_reason, StopReason::Budget);
        let merged = &summary.latencies.latency_ns.as_ref().unwrap().merged;
        let all: u64 = run.benchmark_samples.iter().map(|sample| sample.io_count).sum();
        let is_new = |index: Option<u64>| index.unwrap() >= before.controls.len() as u64;
        let new = run.benchmark_samples.iter().filter(|sample| sample.counts() && is_new(sample.order_index));
        let new: u64 = new.map(|sample| sample.io_count).sum();
        // The I/Os that counted before stay in.
        let earlier = before_of(&before, run).map_or(0, |latency| latency.merged.count);
        assert_eq!(merged.count, earlier + new, "of {all}");
        assert!(
            run.benchmark_samples.iter().all(|it| it
                .latencies
                .latency_ns
                .as_ref()
                .unwrap()
                .histogram
                .is_empty())
        );
    }
}

#[test]
fn what_cannot_be_continued_is_refused() {
    let scratch = scratch();
    let folder = scratch.folder();
    sweep(folder, "--strategy pread -b 4k --largest-n 6 -o result.json data").ok();
    let resume = |more: &str| {
        let refused = sweep(folder, &format!("--resume result.json {more}"));
        assert_eq!(refused.code, Some(USAGE.0), "{more}: {refused:?}");
        sentence(&refused).to_owned()
    };
    assert!(resume("-w").contains("the result is of reading"));
    assert!(resume("data").contains("cannot be used with"));
    std::fs::copy(folder.join("data"), folder.join("other")).unwrap();
    std::fs::rename(folder.join("other"), folder.join("data")).unwrap();
    assert!(resume("").contains("data is not the file that was measured"));
    let mut text: Value =
        serde_json::from_slice(&std::fs::read(folder.join("result.json")).unwrap()).unwrap();
    text["sweep_configuration"]["version"] = json!("0.0.1");
    std::fs::write(folder.join("result.json"), text.to_string()).unwrap();
    assert!(resume("").contains("begun by iobench 0.0.1"));
}

#[test]
fn sweeps_are_compared_on_all_axes_and_a_missing_point_is_named() {
    let scratch = scratch();
    let folder = scratch.folder();
    let words = |depths: &str, output: &str| {
        let list =
            format!("--strategy pread,io_uring -b 4k,16k --iodepth {depths} --access sequential,random");
        sweep(folder, &format!("{list} --latency --largest-n 6 -o {output} data")).ok();
    };
    words("1,4", "old.json");
    words("1,4", "new.json");
    words("1", "less.json");
    let compare = |more: &[&str]| finish(iobench().arg("compare").args(more).current_dir(folder));
    let compared = compare(&["-j", "old.json", "new.json"]).json();
    assert_eq!(compared["obstacles"], json!([]));
    let points = compared["points"].as_array().unwrap();
    assert_eq!(points.len(), 12, "two of pread and four of io_uring per size");
    let settings: BTreeSet<&str> = points.iter().map(|point| point["setting"].as_str().unwrap()).collect();
    let wanted = ["depth 1, random", "depth 1, sequential", "depth 4, random", "depth 4, sequential"];
    assert_eq!(settings, BTreeSet::from(wanted));
    let p50 = compare(&["-j", "--metric", "p50", "old.json", "new.json"]).json();
    assert_eq!((p50["metric"].as_str(), p50["points"].as_array().map(Vec::len)), (Some("p50"), Some(12)));
    let less = compare(&["-j", "old.json", "less.json"]);
    assert_eq!(less.code, Some(2));
    let document = less.json();
    let obstacle = document["obstacles"][0].as_str().unwrap();
    let named =
        "only in old.json: (io_uring, 4 KiB, depth 4, sequential), (io_uring, 4 KiB, depth 4, random)";
    assert!(obstacle.contains(named) && obstacle.contains("12 in the first, 8 in the second"), "{obstacle}");
}

#[test]
fn the_table_has_the_largest_axis_down_the_side_and_a_part_for_each_other_setting() {
    let scratch = scratch();
    let list = "--strategy pread,io_uring -b 1k --iodepth 1..8 --access sequential,random --latency";
    let printed = sweep(scratch.folder(), &format!("{list} --largest-n 6 data")).ok().stdout;
    for lines in ["\nsequential:\niodepth total", "\nrandom:\niodepth total", "\ndepth 8 "] {
        // Bandwidth, p50 and p99.
        let expected = if lines.contains("depth 8") { 6 } else { 3 };
        assert_eq!(printed.matches(lines).count(), expected, "{lines}: {printed}");
    }
    assert!(printed.contains("Highest bandwidth: "), "{printed}");
}

#[test]
fn csv_has_a_column_for_every_axis() {
    let scratch = scratch();
    let list = "--csv --strategy io_uring,pread -b 1k --iodepth 1,4 --access random --latency --largest-n 6";
    let csv = sweep(scratch.folder(), &format!("{list} data")).ok().stdout;
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column =
        |name: &str| head.iter().position(|it| *it == name).unwrap_or_else(|| panic!("{name}: {head:?}"));
    let rows: Vec<Vec<&str>> = lines.collect();
    let points: BTreeSet<(&str, &str)> =
        rows.iter().map(|row| (row[column("strategy")], row[column("iodepth")])).collect();
    assert_eq!(points, BTreeSet::from([("io_uring", "1"), ("io_uring", "4"), ("pread", "1")]));
    for row in &rows {
        assert_eq!((row[column("access")], row[column("cache")]), ("random", "warm"));
        assert_eq!((row[column("threads")], row[column("direct")], row[column("mix")]), ("1", "false", ""));
        let ns = |name: &str| row[column(name)].parse::<f64>().unwrap();
        assert!(0.0 < ns("latency_p50_ns") && ns("latency_p50_ns") <= ns("latency_p99_ns"), "{row:?}");
    }
}

/// The file became too short for the larger size: what was measured of it stays in the result.
#[test]
fn a_point_that_cannot_go_on_keeps_its_samples() {
    let scratch = scratch();
    let folder = scratch.folder();
    sweep(folder, "--strategy pread -b 4k -t 1M --largest-n 6 --precision 0.0001% -o result.json data").ok();
    let before = samples(&read(folder));
    std::fs::OpenOptions::new().write(true).open(folder.join("data")).unwrap().set_len(MIB / 2).unwrap();
    let ended = sweep(folder, "-j --resume result.json --budget 2s");
    assert_eq!(ended.json()["runs"][0]["error"]["kind"], "short_file", "{ended:?}");
    assert_eq!(samples(&read(folder)), before);
}

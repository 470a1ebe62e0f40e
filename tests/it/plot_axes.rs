//! Pictures of sweeps over more axes than strategy and buffer size.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Filesystem, Outcome, data_file, finish, iobench, own_cpu};
use crate::refusal::MIB;

/// A sweep of two strategies over depth and threads with latencies, as a file.
fn sweep() -> &'static Path {
    static SWEEP: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SWEEP.get_or_init(|| {
        own_cpu::use_all();
        let scratch = Filesystem::scratch();
        let file = data_file(scratch.folder(), MIB);
        let kept = TempDir::new().unwrap();
        let path = kept.path().join("deep.json");
        let list = "sweep --strategy pread,io_uring -b 4k --iodepth 1..8 --threads 1,2 --latency \
                    --largest-n 8 -t 1M";
        let mut command = iobench();
        finish(command.args(list.split_whitespace()).arg("-o").arg(&path).arg(file)).ok();
        (kept, path)
    });
    path
}

fn document() -> Value {
    serde_json::from_slice(&std::fs::read(sweep()).unwrap()).unwrap()
}

fn plot(inputs: &[&Path], words: &str) -> (Outcome, String) {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("picture.svg");
    let mut command = iobench();
    command.arg("plot").args(inputs).args(words.split_whitespace()).arg("-o").arg(&output);
    let ended = finish(&mut command);
    let picture = std::fs::read_to_string(output).unwrap_or_default();
    (ended, picture)
}

fn drawn(words: &str) -> String {
    let (ended, picture) = plot(&[sweep()], words);
    ended.ok();
    picture
}

/// The text of every element of this kind.
fn all(picture: &str, tag: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(picture).unwrap();
    let nodes = document.descendants().filter(|node| node.has_tag_name(tag));
    nodes.filter_map(|node| node.text().map(str::to_owned)).collect()
}

fn count(picture: &str, class: &str) -> usize {
    picture.matches(&format!("class=\"{class}\"")).count()
}

/// Medians of a value over the samples of each point that count, by strategy, depth and threads.
fn medians(value: impl Fn(&Value) -> f64) -> Vec<(String, u64, u64, f64)> {
    let point = |run: &Value| {
        let configuration = &run["benchmark_configuration"];
        let mut values: Vec<f64> = run["benchmark_samples"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|sample| sample["role"] == "measured")
            .map(&value)
            .collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        let depth = configuration["requested"]["iodepth"].as_u64().unwrap_or(1);
        let threads = configuration["requested"]["threads"].as_u64().unwrap();
        (configuration["strategy"].as_str().unwrap().to_owned(), depth, threads, median)
    };
    document()["runs"].as_array().unwrap().iter().map(point).collect()
}

/// The number after a word in the tooltip of a point.
fn told(tooltips: &[String], begins: &str, line: &str, word: &str) -> f64 {
    let tooltip =
        tooltips.iter().find(|it| it.starts_with(begins) && it.contains(line)).unwrap_or_else(|| {
            panic!("{begins} {line}: {tooltips:#?}");
        });
    let (_, rest) = tooltip.split_once(&format!("{word} ")).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn depth_is_the_axis_the_strategy_the_series_and_threads_are_panels() {
    let picture = drawn("");
    let texts = all(&picture, "text");
    for text in ["Read bandwidth by depth, page cache warm", "1 thread", "2 threads", "pread", "io_uring"] {
        assert_eq!(texts.iter().filter(|it| *it == text).count(), 1, "{text}: {texts:?}");
    }
    assert_eq!((count(&picture, "marker"), count(&picture, "series")), (10, 4));
    assert!(!picture.contains("memory copy"), "floors are about buffer sizes");
}

#[test]
fn every_quantity_is_that_of_the_samples() {
    type Read = fn(&Value) -> f64;
    let quantities: [(&str, &str, Read); 5] = [
        ("bandwidth", "Read bandwidth by depth", |it| it["bandwidth"].as_f64().unwrap() / 1024.0),
        ("iops", "Read I/Os per second by depth", |it| {
            it["io_count"].as_f64().unwrap() / it["time"].as_f64().unwrap()
        }),
        ("ns-per-io", "Read time per I/O by depth", |it| {
            1e9 * it["time"].as_f64().unwrap() / it["io_count"].as_f64().unwrap()
        }),
        ("p50", "Read p50 latency by depth", |it| it["latency_ns"]["p50"].as_f64().unwrap() / 1e3),
        ("cpu", "Read CPU time per I/O by depth", |it| it["cpu_ns_per_io"].as_f64().unwrap()),
    ];
    for (name, title, read) in quantities {
        let picture = drawn(&format!("--y {name}"));
        assert!(picture.contains(&format!("{title}, page cache warm")), "{name}");
        let tooltips = all(&picture, "title");
        for (strategy, depth, threads, median) in medians(read) {
            let heading = format!("{strategy}, {threads} thread");
            let found = told(&tooltips, &heading, &format!("\ndepth {depth}\n"), "median");
            assert!((found - median).abs() <= 1e-3 * median, "{name} {heading} {depth}: {found} {median}");
        }
    }
}

#[test]
fn threads_have_the_ideal_line_and_other_axes_none() {
    let picture = drawn("--x threads --series iodepth");
    let texts = all(&picture, "text");
    assert_eq!(texts.iter().filter(|text| *text == "ideal scaling").count(), 1);
    assert_eq!(count(&picture, "reference"), 5, "one per curve: pread, and four depths of io_uring");
    for depth in ["depth 1", "depth 2", "depth 4", "depth 8"] {
        assert!(texts.iter().any(|text| text == depth), "{texts:?}");
    }
    assert_eq!(count(&drawn("--x threads --series iodepth --y p50"), "reference"), 0);
}

#[test]
fn a_ratio_is_that_of_the_medians() {
    let picture = drawn("--kind ratio --to pread --y iops");
    let tooltips = all(&picture, "title");
    let rate = |sample: &Value| sample["io_count"].as_f64().unwrap() / sample["time"].as_f64().unwrap();
    let medians = medians(rate);
    for (_, depth, threads, median) in medians.iter().filter(|(strategy, ..)| strategy == "io_uring") {
        let base = medians.iter().find(|it| it.0 == "pread" && it.2 == *threads).unwrap().3;
        let heading = format!("io_uring, {threads} thread");
        let found = told(&tooltips, &heading, &format!("\ndepth {depth}\n"), "ratio");
        assert!((found - median / base).abs() < 0.001, "{heading} {depth}: {found}");
    }
    assert!(all(&picture, "text").contains(&"pread (1)".to_owned()));
    for (words, says) in [
        ("--kind ratio", "--kind ratio needs --to; use one of pread, io_uring"),
        ("--kind ratio --to mmap", "--to mmap: there is no such series; use one of pread, io_uring"),
    ] {
        let (refused, _) = plot(&[sweep()], words);
        assert_eq!(refused.code, Some(64));
        assert!(refused.stderr.contains(says), "{refused:?}");
    }
}

#[test]
fn a_distribution_has_markers_at_its_percentiles() {
    let picture = drawn("--kind cdf");
    let tooltips = all(&picture, "title");
    for run in document()["runs"].as_array().unwrap() {
        let configuration = &run["benchmark_configuration"];
        let strategy = configuration["strategy"].as_str().unwrap();
        let depth = configuration["requested"]["iodepth"].as_u64().unwrap_or(1);
        let threads = configuration["requested"]["threads"].as_u64().unwrap();
        let merged = &run["summary"]["latency_ns"]["merged"];
        let begins = format!("depth {depth}, {strategy}, {threads} thread");
        for (name, key) in [("p50", "p50"), ("p99", "p99")] {
            let found = told(&tooltips, &begins, &format!("\n{name} "), name);
            let expected = merged[key].as_f64().unwrap() / 1e3;
            assert!((found / expected - 1.0).abs() < 1e-3, "{begins} {name}: {found} {expected}");
        }
        let ios: u64 = merged["histogram"].as_array().unwrap().iter().map(|it| it[2].as_u64().unwrap()).sum();
        assert_eq!(merged["count"], ios);
    }
    assert!(all(&picture, "text").contains(&"99.9 %".to_owned()));
}

#[test]
fn a_heatmap_has_a_cell_for_every_point_with_its_median() {
    let picture = drawn("--kind heatmap");
    assert_eq!(count(&picture, "cell"), 10);
    let tooltips = all(&picture, "title");
    for (_, depth, threads, median) in medians(|sample| sample["bandwidth"].as_f64().unwrap() / 1024.0) {
        let s = if threads == 1 { "" } else { "s" };
        let begins = format!("depth {depth}, {threads} thread{s}\n");
        let found = tooltips.iter().filter(|it| it.starts_with(&begins));
        let mut values = found.map(|it| told(std::slice::from_ref(it), &begins, "", "median"));
        assert!(values.any(|value| (value / median - 1.0).abs() < 1e-3), "{begins}: {tooltips:#?}");
    }
    let (refused, _) = plot(&[sweep()], "--kind heatmap --x buffersize");
    assert_eq!(refused.code, Some(64));
    assert!(refused.stderr.contains("needs results that differ on two of"), "{refused:?}");
}

#[test]
fn every_sample_is_in_its_time_series_and_open_if_it_does_not_count() {
    let folder = TempDir::new().unwrap();
    let mut document = document();
    document["runs"][0]["benchmark_samples"][0]["role"] = "disturbed".into();
    let samples: Vec<&Value> = document["runs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|run| run["benchmark_samples"].as_array().unwrap())
        .collect();
    let (all_of_them, open) =
        (samples.len(), samples.iter().filter(|sample| sample["role"] != "measured").count());
    let path = folder.path().join("disturbed.json");
    std::fs::write(&path, document.to_string()).unwrap();
    for words in ["--kind samples", "--x time"] {
        let (ended, picture) = plot(&[&path], words);
        ended.ok();
        assert_eq!(picture.matches("<circle").count(), all_of_them);
        assert_eq!(picture.matches("fill=\"none\" stroke-width=\"0.8\"").count(), open);
        assert!(picture.contains("Read bandwidth over time, page cache warm"));
        assert!(all(&picture, "text").join(" ").contains(&format!("Open dots ({open}) do not count")));
    }
}

#[test]
fn runs_at_several_depths_are_one_curve_over_depth() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let run = |depth: u32| {
        let path = scratch.folder().join(format!("depth-{depth}.json"));
        let words = format!("-Brjv -b 4k -t 1M -n 3 --strategy io_uring --iodepth {depth}");
        let ended = finish(iobench().args(words.split_whitespace()).arg(&file)).ok();
        std::fs::write(&path, ended.stdout).unwrap();
        path
    };
    let runs = [1, 4, 16].map(run);
    let (ended, picture) = plot(&runs.each_ref().map(PathBuf::as_path), "");
    ended.ok();
    assert_eq!((count(&picture, "series"), count(&picture, "marker")), (1, 3));
    assert!(picture.contains("Read bandwidth by depth"), "{:?}", all(&picture, "text"));
    let (refused, _) = plot(&[&runs[0]], "--y p99");
    assert_eq!(refused.code, Some(64));
    assert!(refused.stderr.contains("no sample has the p99 latency; measure with --latency"), "{refused:?}");
}

#[test]
fn the_legend_lists_only_what_is_visible() {
    // In the fixture, memory copies are within the picture of either scale, but the harness would not be.
    let folder = TempDir::new().unwrap();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sweep.json");
    let mut sweep: Value = serde_json::from_slice(&std::fs::read(fixture).unwrap()).unwrap();
    for copy in sweep["floors"]["memory_copy_ns"].as_array_mut().unwrap() {
        copy[1] = (copy[1].as_f64().unwrap() / 1e6).into();
    }
    let path = folder.path().join("fast.json");
    std::fs::write(&path, sweep.to_string()).unwrap();
    for (input, listed) in [(Path::new(fixture), true), (&path, false)] {
        let (ended, picture) = plot(&[input], "");
        ended.ok();
        let texts = all(&picture, "text");
        assert_eq!(texts.iter().any(|text| text == "memory copy"), listed);
        assert!(texts.iter().any(|text| text == "one bare system call per block"));
        let page = folder.path().join("page.html");
        finish(iobench().arg("plot").arg(input).arg("-o").arg(&page)).ok();
        let page = std::fs::read_to_string(page).unwrap();
        assert_eq!(page.contains("memory copy</span>"), listed);
    }
}

#[test]
fn of_many_samples_those_that_cover_each_other_are_one_dot() {
    let folder = TempDir::new().unwrap();
    let mut document = document();
    let samples = document["runs"][0]["benchmark_samples"].as_array_mut().unwrap();
    for sample in samples.iter_mut() {
        sample["role"] = "measured".into();
    }
    let few = samples.clone();
    (1..100).for_each(|_| samples.extend(few.iter().cloned()));
    let path = folder.path().join("many.json");
    std::fs::write(&path, document.to_string()).unwrap();
    let (ended, picture) = plot(&[&path], "");
    ended.ok();
    let dots = picture.lines().filter(|line| line.contains("<circle"));
    let dark = dots.filter(|line| line.contains("fill-opacity=\"1.00\"")).count();
    assert!((1..=few.len()).contains(&dark), "{dark} dots of a hundred samples each");
    assert!(all(&picture, "text").join(" ").contains(&format!("to {} per point", 100 * few.len())));
}

#[test]
fn the_title_has_the_cache_state_of_o_direct_and_the_floor_takes_no_colour() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = scratch.folder().join("result.json");
    let list = "sweep --strategy null,pread,direct -b 4k,16k -t 64k --largest-n 6 -o";
    finish(iobench().args(list.split_whitespace()).arg(&path).arg(file)).ok();
    let (ended, picture) = plot(&[&path], "");
    ended.ok();
    let title = "Read bandwidth by buffer size, page cache warm (cold for O_DIRECT)";
    assert!(all(&picture, "text").contains(&title.to_owned()), "{:?}", all(&picture, "text"));
    let series = picture.lines().find(|line| line.contains("class=\"series\"")).unwrap();
    assert!(series.contains("stroke=\"#0072B2\""), "{series}");
}

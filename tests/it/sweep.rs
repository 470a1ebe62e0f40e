//! sweep, compare, ab and rerun as black boxes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use iobench::error::ErrorKind;
use iobench::report::comparison::Comparison;
use iobench::report::document::{Role, SampleRecord};
use iobench::report::json::schema;
use iobench::report::sweep::{Control, StopReason, SweepDocument};

use crate::common::{self, Filesystem, Outcome, assert_valid, outcome};

const TOTAL_BYTES: u64 = 1 << 20;

/// `iobench` with these words, and a path behind them.
fn iobench(words: &str, paths: &[&Path]) -> Command {
    let mut command = common::iobench();
    command.args(words.split_whitespace()).args(paths).stdin(Stdio::null());
    command
}

fn run(words: &str, paths: &[&Path]) -> Outcome {
    outcome(iobench(words, paths).output().unwrap())
}

fn scratch() -> (Filesystem, std::path::PathBuf) {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    (scratch, file)
}

fn read(path: &Path) -> SweepDocument {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_sweep_visits_every_point_and_obeys_its_schema() {
    let (_scratch, file) = scratch();
    let outcome = run("sweep -j -b 512..4k --budget 15s --precision 90% --seed 7", &[&file]).ok();
    assert_valid(&schema::<SweepDocument>().to_value(), &outcome.json());
    let document: SweepDocument = serde_json::from_str(&outcome.stdout).unwrap();
    let points = document
        .runs
        .iter()
        .map(|run| (run.benchmark_configuration.strategy.clone(), run.benchmark_configuration.buffersize));
    let strategies = iobench::strategies::ALL.iter().map(|strategy| strategy.info().name);
    let wanted = strategies.flat_map(|name| [512, 1024, 2048, 4096].map(|size| (name.to_owned(), size)));
    assert!(points.eq(wanted), "strategies in their order, sizes ascending");
    for run in document.runs.iter().filter(|run| run.error.is_none()) {
        let summary = run.summary.as_ref().unwrap();
        // On a busy machine a point without quiet samples goes on until the budget is spent.
        let disturbed = |sample: &SampleRecord| sample.role == Some(Role::Disturbed);
        if summary.quiet && !run.benchmark_samples.iter().any(disturbed) {
            assert_eq!(summary.stop_reason, StopReason::Precision, "{summary:?}");
            assert!(summary.numbers.n >= 10, "{summary:?}");
        }
        let (low, high) = summary.numbers.interval_kib_per_second.unwrap();
        assert!(
            low <= summary.numbers.median_kib_per_second && summary.numbers.median_kib_per_second <= high
        );
        let reached = (run.benchmark_configuration.strategy != "null").then_some(true);
        let all_warm = run.benchmark_samples.iter().all(|sample| sample.cache_reached == reached);
        assert!(all_warm, "the cache state is proven for every sample that touches the file");
        assert!(run.benchmark_samples.iter().all(|sample| sample.role.is_some()), "warm-up is labelled");
        assert_eq!(run.benchmark_configuration.iterations, run.benchmark_samples.len() as u64);
    }
}

#[test]
fn rounds_are_complete_and_in_the_order_of_the_seed() {
    let (_scratch, file) = scratch();
    let order = |words: &str| {
        let outcome = run(
            &format!("sweep -j -b 4k..64k --strategy pread,mmap --precision 90% --budget 2s {words}"),
            &[&file],
        );
        let document: SweepDocument = serde_json::from_str(&outcome.ok().stdout).unwrap();
        let samples = document.runs.iter().flat_map(|run| {
            let point =
                (run.benchmark_configuration.strategy.clone(), run.benchmark_configuration.buffersize);
            run.benchmark_samples.iter().map(move |sample| (sample.order_index.unwrap(), point.clone()))
        });
        let mut samples: Vec<_> = samples.collect();
        samples.sort();
        samples.into_iter().map(|(_, point)| point).take(10).collect::<Vec<_>>()
    };
    let first = order("--seed 1");
    let points: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(points.len(), 10, "the first round visits each point once");
    assert_eq!(first, order("--seed 1"));
    assert_ne!(first, order("--seed 2"));
    assert!(order("--order ascending").is_sorted_by_key(|(_, size)| *size));
    assert!(order("--order descending").is_sorted_by_key(|(_, size)| std::cmp::Reverse(*size)));
}

#[test]
fn a_point_that_cannot_run_is_a_record_with_its_reason() {
    let (_scratch, file) = scratch();
    let outcome = run("sweep -j -b 256,4k,2M --strategy direct --precision 90% --budget 20s", &[&file]).ok();
    let document: SweepDocument = serde_json::from_str(&outcome.stdout).unwrap();
    let kinds: Vec<Option<ErrorKind>> =
        document.runs.iter().map(|run| run.error.as_ref().map(|error| error.kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Usage), None, Some(ErrorKind::ShortFile)]);
    assert!(document.runs[0].error.as_ref().unwrap().message.contains("512"));
    let table = |words: &str| run(words, &[&file]).ok().stdout.replace('\n', " ");
    let text = table("sweep -b 256,4k --strategy direct --precision 90% --budget 20s");
    let reason = "O_DIRECT requires multiples of 512 bytes here, but -b is";
    assert!(text.contains(&format!("Not run: direct at 256 B: {reason} 256; use -b 512.")), "{text}");
    let text = table("sweep -b 64..256 --strategy direct --budget 20s");
    assert!(text.contains("No point could be measured."), "{text}");
    assert!(text.contains(&format!("Not run: direct at 64 B to 256 B; at 64 B: {reason} 64;")), "{text}");
}

/// Otherwise its samples would be too short to be more than the two readings of the clock.
#[test]
fn what_moves_nothing_is_not_bound_to_the_size_of_the_file() {
    let (scratch, file) = scratch();
    let kept = scratch.folder().join("result.json");
    run("sweep -b 1,1M --strategy null --precision 90% --budget 2s -o", &[&kept, &file]).ok();
    let sweep = read(&kept);
    for run in &sweep.runs {
        let configuration = &run.benchmark_configuration;
        assert!(configuration.blockcount >= 4096, "{configuration:?}");
        assert_eq!(run.benchmark_samples[0].io_count, configuration.blockcount);
        assert_eq!(run.benchmark_samples[0].resident_fraction_before, None);
    }
    let repeated = run("rerun", &[&kept]);
    assert!([Some(0), Some(1)].contains(&repeated.code), "{repeated:?}");
    let single = |strategy: &str| run(&format!("-r -B -t 1G -b 1M --strategy {strategy}"), &[&file]);
    assert_eq!(single("null").code, Some(0));
    assert_eq!(single("pread").code, Some(74));
    let table = run("sweep -b 1M --strategy null,pread --precision 90% --budget 2s", &[&file])
        .ok()
        .stdout
        .replace('\n', " ");
    assert!(table.contains(" null ns "), "{table}");
    assert!(table.contains(" page cache warm."), "{table}");
    assert!(table.contains(" of 2 points converged (half-width of the interval at most 90 % of"), "{table}");
}

#[test]
fn the_harness_is_measured_though_it_is_not_swept_and_no_point_twice() {
    let (_scratch, file) = scratch();
    let outcome = run("sweep -j -b 4k,64k --strategy pread,pread --precision 90% --budget 2s", &[&file]).ok();
    let document: SweepDocument = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(document.runs.len(), 2);
    let call_ns = document.floors.harness_call_ns.unwrap();
    assert!(call_ns > 0.0 && call_ns < document.floors.system_call_ns.unwrap(), "{:?}", document.floors);
}

#[test]
fn a_block_larger_than_the_memory_is_a_record_too() {
    let (_scratch, file) = scratch();
    let outcome = run("sweep -j -b 4k,8T --strategy null,pread --precision 90% --budget 2s", &[&file]).ok();
    let document: SweepDocument = serde_json::from_str(&outcome.stdout).unwrap();
    let kinds: Vec<Option<ErrorKind>> =
        document.runs.iter().map(|run| run.error.as_ref().map(|error| error.kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::System), None, Some(ErrorKind::Usage)], "{outcome:?}");
}

#[test]
fn transfer_and_sync_are_told_apart() {
    let (_scratch, file) = scratch();
    let words = "sweep -w -s -b 64k --strategy pread --precision 90% --budget 20s";
    let table = run(words, &[&file]).ok().stdout;
    assert!(table.contains("pread: the sync took "), "{table}");
    let csv = run(&format!("{words} --csv"), &[&file]).ok().stdout;
    let column = |name: &str| csv.lines().next().unwrap().split(',').position(|field| field == name).unwrap();
    let (transfer, sync) = (column("transfer_time_ns"), column("sync_time_ns"));
    for row in csv.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        assert!(fields[transfer].parse::<u64>().is_ok() && fields[sync].parse::<u64>().is_ok(), "{row}");
    }
}

#[test]
fn reading_holes_is_said() {
    let (scratch, _) = scratch();
    let sparse = scratch.folder().join("sparse");
    std::fs::File::create(&sparse).unwrap().set_len(TOTAL_BYTES).unwrap();
    let outcome = run("sweep -j -b 64k --strategy pread --precision 90% --budget 2s", &[&sparse]).ok();
    let document: SweepDocument = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(document.runs[0].benchmark_configuration.hole_bytes, Some(TOTAL_BYTES));
    assert!(document.warnings.iter().any(|warning| warning.message.contains("never written")), "{outcome:?}");
}

/// The file loses its end meanwhile: what reads it fails, what does not goes on, and nothing is lost.
#[test]
fn a_point_that_fails_keeps_its_samples_and_does_not_end_the_others() {
    let (scratch, file) = scratch();
    let kept = scratch.folder().join("result.json");
    let words = "sweep -j -b 64k --strategy pread,null --precision 0.0001% --budget 3s --largest-n 100000 -o";
    let child =
        iobench(words, &[&kept, &file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_a_round(&kept);
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(TOTAL_BYTES / 2).unwrap();
    let ended = outcome(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(74), "{ended:?}");
    let document: SweepDocument = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document.error.as_ref().unwrap().exit_code, 74);
    let [pread, null] = document.runs.as_slice() else { panic!("two points: {document:?}") };
    assert!(pread.error.is_some() && !pread.benchmark_samples.is_empty());
    assert_eq!(pread.summary.as_ref().unwrap().stop_reason, StopReason::Failed);
    assert!(null.error.is_none() && null.benchmark_samples.len() > pread.benchmark_samples.len());
    let null_ended = null.summary.as_ref().unwrap().stop_reason;
    assert_eq!(null_ended, StopReason::Budget, "it went on to the end");
    assert_eq!(read(&kept).runs[0].benchmark_samples.len(), pread.benchmark_samples.len());
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(TOTAL_BYTES).unwrap();
    let repeated = run("rerun -j", &[&kept]);
    assert_eq!(repeated.json()["obstacles"], serde_json::json!([]), "the point that failed is run again");
}

#[test]
fn the_budget_is_kept_and_a_point_without_samples_enough_says_so() {
    let (_scratch, file) = scratch();
    let started = Instant::now();
    let outcome = run(
        "sweep -j -b 4k..1M --strategy pread --precision 0.0001% --budget 2s --largest-n 100000",
        &[&file],
    );
    let document: SweepDocument = serde_json::from_str(&outcome.ok().stdout).unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "the budget bounds the run, it is no timing");
    // A part of it is left for the analysis.
    assert!(document.sweep_configuration.elapsed_seconds >= 1.9);
    for run in &document.runs {
        let summary = run.summary.as_ref().unwrap();
        assert_eq!((summary.stop_reason, summary.converged), (StopReason::Budget, false));
    }
    let samples: usize = document.runs.iter().map(|run| run.benchmark_samples.len()).sum();
    let controls: Vec<u64> = document.controls.iter().map(|control| control.order_index).collect();
    assert_eq!(controls, (0..samples as u64).collect::<Vec<_>>());
    assert!(document.controls.iter().all(|control| control.system_call_ns > 0.0));
    let readings: Vec<f64> = document.controls.iter().map(Control::processor_ns).collect();
    let slowed = iobench::stats::disturbed(&readings, document.floors.nominal_processor_ns);
    for run in &document.runs {
        let own: Vec<bool> =
            run.benchmark_samples.iter().map(|sample| slowed[sample.order_index.unwrap() as usize]).collect();
        let itself = iobench::stats::self_inflicted(&own, &slowed);
        let samples = || run.benchmark_samples.iter();
        let disturbed: Vec<bool> = samples()
            .zip(&own)
            .map(|(sample, slowed)| sample.was_preempted() || (*slowed && !itself))
            .collect();
        let quiet = disturbed.iter().filter(|disturbed| !**disturbed).count();
        let labelled = samples().map(|sample| sample.role == Some(Role::Disturbed));
        assert!(labelled.eq(disturbed.iter().map(|disturbed| *disturbed && quiet >= 6)), "{run:?}");
    }
}

#[test]
fn csv_has_one_row_a_sample() {
    let (scratch, file) = scratch();
    let kept = scratch.folder().join("result.json");
    let words = "sweep --csv -b 4k,64k --strategy pread,null --precision 90% --budget 2s -o";
    let csv = run(words, &[&kept, &file]).ok().stdout;
    let samples: usize = read(&kept).runs.iter().map(|run| run.benchmark_samples.len()).sum();
    let lines: Vec<&str> = csv.lines().collect();
    let count = |role: &str| csv.matches(&format!(",{role},")).count();
    let samples_of = |role| {
        let all = read(&kept).runs.into_iter().flat_map(|run| run.benchmark_samples);
        all.filter(|sample| sample.role == Some(role)).count()
    };
    assert_eq!(count("disturbed"), samples_of(Role::Disturbed));
    assert_eq!(count("measured"), samples_of(Role::Measured));
    assert_eq!(lines.len(), samples + 1);
    let columns = lines[0].split(',').count();
    assert!(lines.iter().all(|line| line.split(',').count() == columns), "{csv}");
}

/// Starts a sweep that goes on for long, and waits until its file holds a round.
fn long_sweep(kept: &Path, file: &Path) -> std::process::Child {
    let words = "sweep -j -b 4k..64k --strategy pread --precision 0.0001% --budget 60s --largest-n 100000 -o";
    let child = iobench(words, &[kept, file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_a_round(kept);
    child
}

fn wait_for_a_round(kept: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let rounds = || {
        let bytes = std::fs::read(kept).ok()?;
        serde_json::from_slice::<serde_json::Value>(&bytes).ok()?["sweep_configuration"]["rounds"].as_u64()
    };
    // The file exists before the first round.
    while rounds().unwrap_or(0) == 0 {
        assert!(Instant::now() < deadline, "no round was finished");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn kill_9_leaves_a_valid_file_of_the_finished_rounds() {
    let (scratch, file) = scratch();
    let kept = scratch.folder().join("result.json");
    long_sweep_ended(&kept, &file);
    let document = read(&kept);
    assert!(document.sweep_configuration.rounds >= 1);
    let rounds = document.sweep_configuration.rounds as usize;
    assert!(document.runs.iter().all(|run| run.benchmark_samples.len() == rounds), "whole rounds only");
    let reasons = document.runs.iter().map(|run| run.summary.as_ref().unwrap().stop_reason);
    assert!(reasons.into_iter().all(|reason| reason == StopReason::Interrupted), "no budget was spent");
    assert_valid(&schema::<SweepDocument>().to_value(), &serde_json::to_value(&document).unwrap());
}

#[test]
fn ctrl_c_keeps_every_finished_sample() {
    let (scratch, file) = scratch();
    let kept = scratch.folder().join("result.json");
    let child = long_sweep(&kept, &file);
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = outcome(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let printed: SweepDocument = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(printed.error.as_ref().unwrap().kind, ErrorKind::Interrupted);
    let samples = |document: &SweepDocument| -> usize {
        document.runs.iter().map(|run| run.benchmark_samples.len()).sum()
    };
    assert!(samples(&printed) > 0);
    assert_eq!(samples(&read(&kept)), samples(&printed), "the file holds what was printed");
}

#[test]
fn bad_arguments_are_one_sentence_and_exit_64() {
    let (_scratch, file) = scratch();
    for (words, culprit) in [
        ("sweep -b 5..7", "-b"),
        ("sweep -b 4k..x", "-b"),
        ("sweep --precision 0", "--precision"),
        ("sweep --budget never", "--budget"),
        ("sweep --strategy pread,nonsense", "nonsense"),
        ("sweep --largest-n 0", "--largest-n"),
    ] {
        let refused = run(words, &[&file]);
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(refused.stderr.contains(culprit) && refused.stderr.lines().count() == 1, "{refused:?}");
        assert!(refused.stdout.is_empty(), "{refused:?}");
        let (command, rest) = words.split_once(' ').unwrap();
        let document = run(&format!("{command} -j {rest}"), &[&file]).json();
        assert_eq!(document["error"]["exit_code"], 64, "{words}");
    }
}

/// A result with `samples` seconds at one point, made from a real one.
fn made_up(real: &SweepDocument, seconds: &[f64]) -> SweepDocument {
    let mut document = real.clone();
    for run in &mut document.runs {
        // Whatever this machine was doing meanwhile.
        run.summary.as_mut().unwrap().quiet = true;
        let like = SampleRecord { run_queue_wait_ns: Some(0), ..run.benchmark_samples[0].clone() };
        let sample = |(index, time): (u64, &f64)| {
            let mut sample = like.clone();
            (sample.time, sample.role, sample.order_index) = (*time, Some(Role::Measured), Some(index));
            sample
        };
        run.benchmark_samples = (0..).zip(seconds).map(sample).collect();
    }
    on_a_machine(document, 1.0)
}

/// The same, where the machine took `factor` times as long for its own work.
fn on_a_machine(mut document: SweepDocument, factor: f64) -> SweepDocument {
    let (system_call_ns, memory_copy_ns) = (200.0 * factor, 9000.0 * factor);
    let (processor_before_ns, processor_after_ns) = (10_000.0, 10_000.0);
    let control = |order_index| Control {
        order_index,
        processor_before_ns,
        processor_after_ns,
        system_call_ns,
        memory_copy_ns,
    };
    document.controls = (0..30).map(control).collect();
    document
}

#[test]
fn compare_tells_slower_from_same_and_from_not_comparable() {
    let (scratch, file) = scratch();
    let path = |name: &str| scratch.folder().join(name);
    let real =
        run("sweep -j -b 4k,64k --strategy pread -t 1M --precision 90% --budget 2s", &[&file]).ok().stdout;
    let real: SweepDocument = serde_json::from_str(&real).unwrap();
    let seconds: Vec<f64> = (0..30).map(|index| 1.0 + 0.001 * f64::from(index % 7)).collect();
    let slower: Vec<f64> = seconds.iter().map(|seconds| seconds * 1.10).collect();
    let write = |name: &str, document: &SweepDocument| {
        std::fs::write(path(name), serde_json::to_vec(document).unwrap()).unwrap();
    };
    write("old", &made_up(&real, &seconds));
    write("slower", &made_up(&real, &slower));
    let mut waiting = made_up(&real, &slower);
    for sample in waiting.runs.iter_mut().flat_map(|run| &mut run.benchmark_samples) {
        sample.run_queue_wait_ns = Some((sample.time / 11.0 * 1e9) as u64);
    }
    write("waiting", &waiting);
    let mut disturbed = made_up(&real, &slower);
    for run in &mut disturbed.runs {
        for sample in &mut run.benchmark_samples {
            sample.role = Some(Role::Disturbed);
            sample.order_index = sample.order_index.map(|index| index + 30);
        }
        run.benchmark_samples.extend(made_up(&real, &seconds).runs[0].benchmark_samples.clone());
    }
    disturbed.controls.extend(
        on_a_machine(real.clone(), 2.0)
            .controls
            .into_iter()
            .map(|control| Control { order_index: control.order_index + 30, ..control }),
    );
    write("disturbed", &disturbed);
    write("slower machine", &on_a_machine(made_up(&real, &slower), 1.10));
    let mut elsewhere = made_up(&real, &seconds);
    elsewhere.host_configuration.identity.machine = Some("abacus".to_owned());
    elsewhere.runs[0].benchmark_configuration.totalsize *= 2;
    write("elsewhere", &elsewhere);

    let compared = |old: &str, new: &str, code: i32| {
        let outcome = run("compare -j", &[&path(old), &path(new)]);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert_valid(&schema::<Comparison>().to_value(), &outcome.json());
        let verdicts = outcome.json()["points"].as_array().unwrap().clone();
        (outcome.json(), verdicts.iter().map(|point| point["verdict"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(compared("old", "old", 0).1, ["same", "same"]);
    assert_eq!(compared("old", "slower", 1).1, ["slower", "slower"]);
    assert_eq!(compared("slower", "old", 0).1, ["faster", "faster"]);
    let (document, verdicts) = compared("old", "disturbed", 0);
    assert_eq!(verdicts, ["same", "same"]);
    assert_eq!(
        document["machine"][1]["time_ratio"], 1.0,
        "only controls beside samples that count: {document}"
    );
    assert_eq!(compared("old", "waiting", 0).1, ["inconclusive", "inconclusive"]);
    let (document, verdicts) = compared("old", "slower machine", 0);
    assert_eq!(verdicts, ["inconclusive", "inconclusive"]);
    assert_eq!(document["machine"][1]["control"], "system call");
    assert!((document["machine"][1]["time_ratio"].as_f64().unwrap() - 1.10).abs() < 1e-9, "{document}");
    let (document, verdicts) = compared("old", "elsewhere", 2);
    assert!(verdicts.is_empty() && document["obstacles"][0].as_str().unwrap().contains("total"));
    assert_eq!(document["environment"][0]["new"], "abacus");
    let text = run("compare", &[&path("old"), &path("elsewhere")]).stdout;
    let (environment, obstacle) = (text.find("abacus").unwrap(), text.find("not comparable").unwrap());
    assert!(environment < obstacle, "differences of environment come first: {text}");
    assert!(!text.contains(" slower, "), "nothing was compared: {text}");
}

#[test]
fn compare_reads_plain_documents_and_refuses_what_is_none() {
    let (scratch, file) = scratch();
    let plain = scratch.folder().join("plain.json");
    let words = "-rjv -B -n 8 -b 64k -t 1M --strategy pread";
    std::fs::write(&plain, run(words, &[&file]).ok().stdout).unwrap();
    let same = run("compare", &[&plain, &plain]);
    assert_eq!(same.code, Some(0), "{same:?}");
    let bare = scratch.folder().join("bare.json");
    std::fs::write(&bare, run("-rj -B -n 8 -b 64k -t 1M", &[&file]).ok().stdout).unwrap();
    assert_eq!(run("compare", &[&plain, &bare]).code, Some(2), "without -v there is nothing to compare by");
    assert_eq!(run("compare", &[&plain, &file]).code, Some(66));
    assert_eq!(run("compare", &[&plain, Path::new("missing")]).code, Some(66));
    assert_eq!(run("compare --threshold 0", &[&plain, &plain]).code, Some(64));
}

#[test]
fn ab_interleaves_two_settings() {
    let (_scratch, file) = scratch();
    let file = file.display();
    let words = format!("ab -j -n 40 -- -r -B -b 1k -t 1M {file} -- -r -B -b 64k -t 1M {file}");
    let outcome = run(&words, &[]);
    assert!([Some(0), Some(1)].contains(&outcome.code), "{outcome:?}");
    assert_valid(&schema::<Comparison>().to_value(), &outcome.json());
    assert_eq!(outcome.json()["points"].as_array().unwrap().len(), 1);
    assert!(outcome.json()["points"][0]["time_ratio_interval"].is_array());
    let text = run(&words.replace("-j ", ""), &[]).stdout;
    for words in ["A: -r -B -b 1k", "B: -r -B -b 64k", "time ratio B/A", "B against A"] {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(run(&format!("ab -- -r {file}"), &[]).code, Some(64), "one setting is not two");
}

#[test]
fn rerun_repeats_the_points_with_their_totals() {
    let (scratch, file) = scratch();
    let (first, second) = (scratch.folder().join("first.json"), scratch.folder().join("second.json"));
    run("sweep -b 256,4k,64k --strategy direct,pread --precision 90% --budget 2s -o", &[&first, &file]).ok();
    let outcome = run("rerun -o", &[&second, &first]);
    assert!([Some(0), Some(1)].contains(&outcome.code), "{outcome:?}");
    let points = |path: &Path| {
        let runs = read(path).runs.into_iter().filter(|run| run.error.is_none());
        let point = |run: iobench::report::sweep::SweepRun| {
            let configuration = run.benchmark_configuration;
            (configuration.strategy, configuration.buffersize, configuration.totalsize)
        };
        runs.map(point).collect::<Vec<_>>()
    };
    assert_eq!(points(&first), points(&second));
    assert_eq!(points(&first).len(), 5, "direct cannot do 256 bytes");
    assert_eq!(read(&first).sweep_configuration.seed, read(&second).sweep_configuration.seed);
}

#[test]
fn a_rerun_that_is_interrupted_says_so() {
    let (scratch, file) = scratch();
    let (first, second) = (scratch.folder().join("first.json"), scratch.folder().join("second.json"));
    long_sweep_ended(&first, &file);
    let child = iobench("rerun -o", &[&second, &first]).stdout(Stdio::piped()).spawn().unwrap();
    wait_for_a_round(&second);
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(outcome(child.wait_with_output().unwrap()).code, Some(130));
}

/// The result of a sweep that was killed after a round.
fn long_sweep_ended(kept: &Path, file: &Path) {
    let mut child = long_sweep(kept, file);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_point_without_samples_is_a_point_that_is_not_there() {
    let (scratch, file) = scratch();
    let (whole, part) = (scratch.folder().join("whole.json"), scratch.folder().join("part.json"));
    run("sweep -b 4k,64k --strategy pread --precision 90% --budget 2s -o", &[&whole, &file]).ok();
    let mut document = read(&whole);
    document.runs[1].benchmark_samples.clear();
    std::fs::write(&part, serde_json::to_vec(&document).unwrap()).unwrap();
    let refused = run("compare", &[&whole, &part]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stdout.contains("the points differ"), "{refused:?}");
}

#[test]
fn create_makes_a_missing_file_and_leaves_an_existing_one_alone() {
    let (scratch, file) = scratch();
    let missing = scratch.folder().join("missing");
    run("sweep --create -b 1M --strategy pread --precision 90% --budget 2s", &[&missing]).ok();
    assert_eq!(std::fs::metadata(&missing).unwrap().len(), 16 << 20);
    let before = std::fs::read(&file).unwrap();
    run("sweep --create -b 64k --strategy pread --precision 90% --budget 2s", &[&file]).ok();
    assert_eq!(before, std::fs::read(&file).unwrap());
    assert_eq!(run("sweep -b 1M", &[&scratch.folder().join("none")]).code, Some(66));
}

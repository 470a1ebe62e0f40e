//! Black-box tests of `iobench trace`: the system calls between the brackets for every strategy and
//! filesystem, every tracer and output format, and every failure of a tracer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use iobench::engine::operation::Direction;
use iobench::engine::strategy::Strategy;
use iobench::engine::support::{Limits, Support};
use iobench::engine::target::Target;
use iobench::engine::workload::Workload;
use iobench::report::document::Document;
use iobench::report::json::schema;
use iobench::strategies::ALL;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::common::{
    FILESYSTEM_BYTES, Filesystem, Outcome, assert_valid, data_file, iobench, outcome, own_cpu,
};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [BPFTRACE, EXT4] => samples_hold_only_their_own_operations_on_ext4,
        [BPFTRACE, XFS] => samples_hold_only_their_own_operations_on_xfs,
        [BPFTRACE, TMPFS] => samples_hold_only_their_own_operations_on_tmpfs,
        [] => the_known_strategies_make_the_known_calls,
        [BPFTRACE, EXT4, IO_URING] => each_part_shows_its_own_figures_only,
        [BPFTRACE, EXT4] => cold_reads_enter_the_page_cache,
        [STRACE] => strace_shows_the_same_calls_without_root,
        [DTRACE] => dtrace_shows_the_same_calls,
        [BPFTRACE, STRACE] => the_calls_of_several_workers_add_up,
        [BPFTRACE] => text_output_shows_the_kernel_record_below_each_sample,
        [] => the_script_is_printed,
        [BPFTRACE] => the_tracer_accepts_the_printed_script,
        [BPFTRACE] => the_users_script_is_run_and_its_output_printed,
        [] => a_missing_script_is_reported_in_one_sentence,
        [BPFTRACE] => an_invalid_script_is_reported_in_one_sentence,
        [BPFTRACE] => the_probe_effect_has_an_interval,
        [] => invalid_arguments_are_refused_before_a_tracer_starts,
        [ROOT, BTF] => a_tracer_that_loses_events_is_reported_and_the_samples_are_printed,
        [ROOT, BTF] => a_tracer_that_did_not_see_every_bracket_is_reported,
        [ROOT, BTF] => a_tracer_that_exits_early_is_reported_and_the_samples_are_printed,
        [ROOT, BTF] => a_tracer_that_cannot_attach_is_reported_in_one_sentence,
        [SETPRIV] => missing_root_is_reported_with_a_remedy,
        [ROOT, BTF] => a_missing_tracer_is_reported_with_a_remedy,
        [ROOT, BTF, UNSHARE] => missing_btf_or_events_are_reported_with_a_remedy,
        [BPFTRACE] => killing_the_tracer_loses_no_sample,
        [BPFTRACE] => ctrl_c_reports_the_samples_so_far_and_stops_the_tracer,
    ]
}

const TOTAL_BYTES: u64 = 1 << 20;
const BLOCKS: u64 = 256;

/// `iobench trace OPTIONS -- BENCHMARK file`; options and benchmark are split at spaces.
fn command(options: &str, benchmark: &str, file: &Path) -> Command {
    let mut command = iobench();
    command.arg("trace").args(options.split_whitespace()).arg("--").args(benchmark.split_whitespace());
    command.arg(file).stdin(Stdio::null());
    command
}

fn trace(options: &str, benchmark: &str, file: &Path) -> Outcome {
    outcome(command(options, benchmark, file).output().unwrap())
}

/// The document of an outcome, checked against the schema.
fn valid(outcome: &Outcome) -> Value {
    let document = outcome.json();
    assert_valid(schema::<Document>().as_value(), &document);
    document
}

/// The samples of a run whose trace is complete.
fn samples(outcome: Outcome) -> Vec<Value> {
    let document = valid(&outcome.ok());
    assert_eq!(document["trace"]["complete"], true, "{document:#}");
    document["benchmark_samples"].as_array().unwrap().clone()
}

/// Asserts the exit code and that standard error is one sentence with all of these words.
fn assert_sentence(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    assert!(outcome.stderr.starts_with("iobench: "), "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "no {word:?} in {:?}", outcome.stderr);
    }
}

/// Describes a wrong record of one sample of `-b 4096`: it must have the declared calls, one per block, and
/// no others.
fn wrong(strategy: &dyn Strategy, kernel: &Value) -> Option<String> {
    let info = strategy.info();
    let limits =
        Limits { alignment: None, max_iodepth: info.max_iodepth, max_block_bytes: info.max_block_bytes };
    let declared = strategy.calls(&Workload::new(Direction::Read, 4096, TOTAL_BYTES).within(&limits));
    let seen = kernel["syscalls"].as_object().unwrap();
    let in_range = |call: &iobench::engine::strategy::Call| {
        let count = seen.get(call.name).map_or(0, |count| count.as_u64().unwrap());
        (call.at_least..=call.at_most).contains(&count)
    };
    let undeclared = seen.keys().any(|name| declared.iter().all(|call| call.name != name));
    let queued = strategy.info().max_iodepth > 1;
    let operations = match (queued, declared.is_empty()) {
        (true, _) => kernel["uring"]["submitted"] == BLOCKS && kernel["uring"]["completed"] == BLOCKS,
        (false, false) => seen.values().filter_map(Value::as_u64).sum::<u64>() == BLOCKS,
        (false, true) => seen.is_empty(),
    };
    (undeclared || !declared.iter().all(in_range) || !operations)
        .then(|| format!("{}: {kernel}", strategy.info().name))
}

/// Acceptance test of `iobench trace`: three samples, each with exactly one operation per block.
fn every_strategy_on(filesystem: &Filesystem) {
    let file = data_file(filesystem.folder(), TOTAL_BYTES);
    let target = Target::open(&file, Direction::Read, false).unwrap();
    let runs_here = |strategy: &&&dyn Strategy| matches!(strategy.probe(&target, false), Support::Yes(_));
    let strategies: Vec<_> = ALL.iter().filter(runs_here).copied().collect();
    assert!(strategies.len() >= 4, "{} of {} strategies", strategies.len(), ALL.len());
    scope(|scope| {
        for strategy in &strategies {
            let file = &file;
            scope.spawn(move || {
                let name = strategy.info().name;
                let benchmark = format!("--strategy {name} -r -B -b 4096 -t 1M -n 3");
                let samples = samples(trace("-j", &benchmark, file));
                assert_eq!(samples.len(), 3, "{name}");
                let found: Vec<String> =
                    samples.iter().filter_map(|sample| wrong(*strategy, &sample["kernel"])).collect();
                assert!(found.is_empty(), "{} on {}", found.join("\n"), filesystem.name);
            });
        }
    });
}

fn every_strategy_on_a(name: &'static str) {
    every_strategy_on(&Filesystem::mount(name, FILESYSTEM_BYTES));
}

fn samples_hold_only_their_own_operations_on_ext4() {
    every_strategy_on_a("ext4");
}

fn samples_hold_only_their_own_operations_on_xfs() {
    every_strategy_on_a("xfs");
}

fn samples_hold_only_their_own_operations_on_tmpfs() {
    every_strategy_on_a("tmpfs");
}

fn the_known_strategies_make_the_known_calls() {
    let expected = |name: &str| match name {
        "readwrite" => Some(json!({"syscalls": {"read": BLOCKS}})),
        "pread" | "direct" => Some(json!({"syscalls": {"pread64": BLOCKS}})),
        "null" | "mmap" => Some(json!({"syscalls": {}})),
        _ => None,
    };
    for strategy in ALL {
        let Some(record) = expected(strategy.info().name) else { continue };
        assert_eq!(wrong(*strategy, &record), None);
        let mut one_more = record.clone();
        one_more["syscalls"]["lseek"] = json!(1);
        assert!(wrong(*strategy, &one_more).is_some(), "an lseek is found: {one_more}");
    }
}

/// The parts of a record that are not null.
fn shown(kernel: &Value) -> Vec<String> {
    let parts = kernel.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    parts.map(|(name, _)| name.clone()).collect()
}

fn histogram_total(histogram: &Value) -> u64 {
    histogram.as_array().unwrap().iter().filter_map(|bucket| bucket["count"].as_u64()).sum()
}

fn each_part_shows_its_own_figures_only() {
    let filesystem = Filesystem::mount("ext4", FILESYSTEM_BYTES);
    let file = data_file(filesystem.folder(), TOTAL_BYTES);
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    let check = |show: &str, benchmark: &str, parts: &[&str], figures: &dyn Fn(&Value) -> bool| {
        let benchmark = format!("{benchmark} -B -t 1M");
        for sample in samples(trace(&format!("-j --show {show}"), &benchmark, &file)) {
            assert_eq!(shown(&sample["kernel"]), parts, "--show {show}");
            assert!(figures(&sample["kernel"]), "--show {show}: {sample:#}");
        }
    };
    scope(|scope| {
        scope.spawn(|| {
            check("syscalls", "-r -b 4k", &["syscalls", "asked_bytes"], &|k| k["asked_bytes"] == TOTAL_BYTES);
            check("latency", "-r -b 4k", &["latency_ns"], &|k| {
                histogram_total(&k["latency_ns"]["read"]) == BLOCKS
            });
        });
        scope.spawn(|| {
            let fresh = |k: &Value| k["faults"]["kernel"] == 16 && k["faults"]["user"] == 0;
            check("faults", "-r -b 64k --buffer fresh", &["faults"], &fresh);
            check("faults", "-r -b 64k", &["faults"], &|k| k["faults"] == json!({"user": 0, "kernel": 0}));
        });
        scope.spawn(|| {
            let all = |k: &Value| k["uring"]["completed_bytes"] == TOTAL_BYTES && k["uring"]["punted"] == 0;
            check("uring", "-r -b 4k --strategy io_uring", &["uring"], &all);
            check("cache", "-r -b 4k", &["cache"], &|k| k["cache"]["insertions"] == 0);
        });
        scope.spawn(|| {
            let each = |k: &Value| {
                let block = &k["block"];
                // Other processes may use the disk; the bytes that this process submitted are exact.
                block["own_bytes"] == TOTAL_BYTES && block["read_bytes"].as_u64() >= Some(TOTAL_BYTES)
            };
            check("block", "-r -b 4k -d", &["block"], &each);
            check("sched", "-r -b 4k -d", &["sched"], &|k| {
                k["sched"]["voluntary_switches"].as_u64() >= Some(BLOCKS / 2) && k["sched"]["off_cpu_ns"] != 0
            });
        });
        scope.spawn(|| {
            let parts =
                ["syscalls", "asked_bytes", "latency_ns", "block", "faults", "cache", "sched", "uring"];
            check("all", "-r -b 4k", &parts, &|k| k["syscalls"] == json!({"read": BLOCKS}));
            check("faults,cache", "-r -b 4k", &["faults", "cache"], &|_| true);
        });
    });
}

fn cold_reads_enter_the_page_cache() {
    let filesystem = Filesystem::mount("ext4", FILESYSTEM_BYTES);
    let file = data_file(filesystem.folder(), TOTAL_BYTES);
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    let kernel = samples(trace("-j --show cache,block", "-r -B -b 4k -t 1M --cache cold", &file));
    let kernel = &kernel[0]["kernel"];
    assert_eq!(kernel["cache"]["inserted_bytes"], TOTAL_BYTES);
    assert!(kernel["cache"]["readahead_sync"].as_u64() >= Some(1), "{kernel}");
    assert_eq!(kernel["block"]["own_bytes"], TOTAL_BYTES);
}

fn strace_shows_the_same_calls_without_root() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    for sample in samples(trace("-j --with strace --show all", "-r -B -b 4k -t 1M -n 3", &file)) {
        assert_eq!(shown(&sample["kernel"]), ["syscalls", "latency_ns"]);
        assert_eq!(sample["kernel"]["syscalls"], json!({"read": BLOCKS}));
        assert_eq!(histogram_total(&sample["kernel"]["latency_ns"]["read"]), BLOCKS);
    }
    let refused = trace("-j --with strace --show block", "-r", &file);
    assert_sentence(&refused, 64, &["--show: strace records only syscalls and latency", "--with bpftrace"]);
    assert_eq!(valid(&refused)["error"]["kind"], "usage");
    let script = trace("--with strace --script x.bt", "-r", &file);
    assert_sentence(&script, 64, &["strace takes no scripts"]);
}

/// By every tracer: the calls of all workers add up, and histograms have a value for each.
fn the_calls_of_several_workers_add_up() {
    own_cpu::use_all();
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    for tracer in ["bpftrace", "strace"] {
        let options = format!("-j --with {tracer} --show syscalls,latency");
        let benchmark = "-r -B -b 4k -t 1M -n 3 --strategy pread --threads 2";
        for sample in samples(trace(&options, benchmark, &file)) {
            assert_eq!(sample["kernel"]["syscalls"]["pread64"], BLOCKS, "{tracer}: {sample}");
            assert_eq!(
                histogram_total(&sample["kernel"]["latency_ns"]["pread64"]),
                BLOCKS,
                "{tracer}: {sample}"
            );
        }
    }
}

fn dtrace_shows_the_same_calls() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    for sample in samples(trace("-j --with dtrace --show all", "-r -B -b 4k -t 1M -n 3", &file)) {
        assert_eq!(shown(&sample["kernel"]), ["syscalls", "latency_ns"]);
        assert_eq!(sample["kernel"]["syscalls"], json!({"read": BLOCKS}));
        assert_eq!(histogram_total(&sample["kernel"]["latency_ns"]["read"]), BLOCKS);
    }
}

fn text_output_shows_the_kernel_record_below_each_sample() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let printed = trace("", "-r -B -b 4k -t 1M -n 2", &file).ok();
    let kernel = printed.stdout.lines().filter(|line| !line.contains(": ") || line.starts_with("    "));
    let one = ["datum:", "  kernel:", "    syscalls.read: 256", "    asked_bytes: 1048576"];
    assert_eq!(kernel.collect::<Vec<_>>(), [one, one].concat());
    let mapped = trace("--show syscalls", "-r -B -b 4k -t 1M --strategy mmap", &file).ok();
    assert!(mapped.stdout.contains("    syscalls: none\n"), "{mapped:?}");
    assert_eq!(trace("", "-qr -B -b 4k -t 1M", &file).ok().stdout, "");
}

fn the_script_is_printed() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let script = trace("--print-script --show all", "-r", &file).ok().stdout;
    for probe in ["raw_syscalls:sys_enter", "block:block_rq_issue", "sched:sched_switch", "io_uring_complete"]
    {
        assert!(script.contains(probe), "{script}");
    }
    let strace = trace("--print-script --with strace", "-r", &file).ok().stdout;
    assert!(strace.starts_with("\"strace\" \"-f\" \"-e\" \"trace=all\""), "{strace}");
    let dtrace = trace("--print-script --with dtrace", "-r", &file).ok().stdout;
    assert!(dtrace.contains("rawtp:::sys_enter"), "{dtrace}");
}

fn the_tracer_accepts_the_printed_script() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let kept = scratch.folder().join("printed.bt");
    for part in ["syscalls", "latency", "block", "faults", "cache", "sched", "uring", "all"] {
        let script = trace(&format!("--print-script --show {part}"), "-r", &file).ok().stdout;
        std::fs::write(&kept, script).unwrap();
        let dry_run = Command::new("bpftrace").arg("-d").arg(&kept).output().unwrap();
        assert!(dry_run.status.success(), "{part}: {}", String::from_utf8_lossy(&dry_run.stderr));
    }
}

/// The numbers of rows such as `@syscalls[1234, 1, 0]: 251`.
fn rows(output: &str) -> Vec<[u64; 4]> {
    let row = |line: &str| {
        let (keys, count) = line.strip_prefix("@syscalls[")?.split_once("]: ")?;
        let numbers: Vec<u64> =
            keys.split(", ").chain([count]).map(|number| number.parse().unwrap()).collect();
        <[u64; 4]>::try_from(numbers).ok()
    };
    output.lines().filter_map(row).collect()
}

fn the_users_script_is_run_and_its_output_printed() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let script = concat!("--script ", env!("CARGO_MANIFEST_DIR"), "/docs/tracing/syscalls.bt");
    // The script traces every iobench process; only this one has 251 blocks.
    let benchmark = "-r -B -b 4096 -t 1028096 -n 2";
    let documented = trace(&format!("-j {script}"), benchmark, &file).ok();
    let document = valid(&documented);
    assert_eq!(document["benchmark_samples"].as_array().unwrap().len(), 2);
    let in_text = trace(script, benchmark, &file).ok().stdout;
    assert!(in_text.starts_with("datum:\n"), "{in_text}");
    for output in [document["trace"]["script_output"].as_str().unwrap(), &in_text] {
        let seen = rows(output);
        let ours = seen.iter().find(|row| row[3] == 251).unwrap()[0];
        let mut ours: Vec<[u64; 3]> =
            seen.iter().filter(|row| row[0] == ours).map(|row| [row[1], row[2], row[3]]).collect();
        ours.sort_unstable();
        let read = libc::SYS_read as u64;
        assert_eq!(ours, [[1, read, 251], [2, read, 251]], "{output}");
    }
    assert_eq!(trace(script, "-q -r -B -b 4096 -t 1028096", &file).ok().stdout, "");
}

fn a_missing_script_is_reported_in_one_sentence() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let missing = trace("-j --script missing.bt", "-r", &file);
    assert_sentence(&missing, 66, &["missing.bt: No such file"]);
    assert_eq!(valid(&missing)["error"]["exit_code"], 66);
}

fn an_invalid_script_is_reported_in_one_sentence() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let script = scratch.folder().join("wrong.bt");
    std::fs::write(&script, "tracepoint:no:such { @ = count(); }\n").unwrap();
    let wrong = trace(&format!("--script {}", script.display()), "-rB", &file);
    assert_sentence(&wrong, 71, &["bpftrace failed: it did not attach", "no:such", "--print-script"]);
    std::fs::write(&script, "BEGIN { }\n").unwrap();
    let failing = trace(&format!("-j --script {}", script.display()), "-rB -t 2M", &file);
    assert_sentence(&failing, 71, &["the benchmark failed: ", "the file holds 1048576 bytes"]);
    assert_eq!(valid(&failing)["error"]["kind"], "system");
}

fn the_probe_effect_has_an_interval() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let document = valid(&trace("-j --probe-effect", "-r -B -b 512 -t 1M -n 6", &file).ok());
    let effect = &document["probe_effect"];
    let seconds = |of: &str| -> Vec<f64> {
        effect[of].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    assert_eq!((seconds("traced_seconds").len(), seconds("untraced_seconds").len()), (6, 6));
    let (low, high) = (&effect["ratio_interval"][0], &effect["ratio_interval"][1]);
    let ratio = effect["ratio_median"].as_f64().unwrap();
    assert!(low.as_f64() <= Some(ratio) && Some(ratio) <= high.as_f64(), "{effect}");
    let samples = document["benchmark_samples"].as_array().unwrap();
    let traced: Vec<bool> = samples.iter().map(|sample| sample.get("kernel").is_some()).collect();
    assert_eq!(traced, [true, false, false, true].repeat(3), "the order within a pair alternates");
}

fn invalid_arguments_are_refused_before_a_tracer_starts() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    // An empty PATH has no tracer, but no tracer is looked for.
    let refused = |options: &str, benchmark: &str| {
        outcome(command(options, benchmark, &file).env("PATH", "").output().unwrap())
    };
    for (options, benchmark, words) in [
        ("-j", "-r --strateg", "'--strateg' found; tip: a similar argument exists: '--strategy'; see"),
        ("", "-rj --nonsense", "after --: unexpected argument '--nonsense' found"),
        ("-j", "-r -b 0", "-b: a size must be at least 1"),
        ("-j --show nonsense", "-r", "invalid value 'nonsense' for '--show"),
        ("-j --script x --show block", "-r", "cannot be used with"),
        ("-j --probe-effect --print-script", "-r", "cannot be used with"),
    ] {
        let ended = refused(options, benchmark);
        assert_sentence(&ended, 64, &[words]);
        let error = &valid(&ended)["error"];
        assert_eq!((&error["kind"], &error["exit_code"]), (&json!("usage"), &json!(64)));
        assert!(ended.stderr.contains(error["message"].as_str().unwrap()), "{ended:?}");
    }
    let ended = refused("", "-r --bathc 3");
    assert_sentence(
        &ended,
        64,
        &["after --: unexpected argument '--bathc' found", "tip: a similar argument exists: '--batch'"],
    );
    assert_eq!(ended.stdout, "");
    let help = refused("", "--help").ok();
    assert!(help.stdout.contains("--strategy") && help.stderr.is_empty(), "{help:?}");
}

/// A folder for the front of PATH, with a `bpftrace` that is this shell script. Like the `cat` of a tracer,
/// the script echoes the line that shows that it is attached.
fn fake(folder: &Path, lines: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("bpftrace");
    std::fs::write(&program, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

/// Runs `trace` with that fake in PATH.
fn faked(lines: &str, options: &str, benchmark: &str) -> Outcome {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let first = fake(scratch.folder(), lines);
    let rest = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(first).chain(std::env::split_paths(&rest))).unwrap();
    outcome(command(options, benchmark, &file).env("PATH", path).output().unwrap())
}

/// Shell script that prints the output of a tracer that has seen two samples.
const TWO_SAMPLES: &str = r#"echo '{"type": "map", "data": {"@clocks": 4}}'
echo '{"type": "map", "data": {"@syscalls": {"1,0": 256, "2,0": 256}}}'"#;

fn a_tracer_that_loses_events_is_reported_and_the_samples_are_printed() {
    let ready = "head -n 1; cat";
    let lost = r#"echo '{"type": "lost_events", "data": {"events": 7}}'"#;
    let whole = faked(&format!("{ready}\n{TWO_SAMPLES}"), "-j", "-rB -b 4k -t 1M -n 2");
    assert_eq!(samples(whole).len(), 2);
    let losing = faked(&format!("{ready}\n{lost}\n{TWO_SAMPLES}"), "-j", "-rB -b 4k -t 1M -n 2");
    assert_sentence(
        &losing,
        71,
        &["bpftrace lost 7 events", "the result of the benchmark itself is complete"],
    );
    let document = valid(&losing);
    assert_eq!(document["benchmark_samples"][1]["io_count"], BLOCKS);
    assert_eq!(document["benchmark_samples"][1]["kernel"]["syscalls"]["read"], BLOCKS);
    assert_eq!(document["trace"]["lost_events"], 7);
    assert_eq!(document["trace"]["complete"], false);
    let reporting = format!("{ready}\n{TWO_SAMPLES}\necho 'WARNING: map full; 3 keys' >&2");
    let reporting = faked(&reporting, "", "-rB -b 4k -t 1M -n 2");
    assert_sentence(&reporting, 71, &["bpftrace reported: WARNING: map full"]);
    assert_eq!(reporting.stdout.matches("datum:").count(), 2);
    // Lost events also make the output of the user's script unreliable.
    let script = concat!("--script ", env!("CARGO_MANIFEST_DIR"), "/docs/tracing/block.bt");
    let losing = faked(&format!("{ready}\necho 'Lost 5 events' >&2"), script, "-rB -b 4k -t 1M");
    assert_sentence(&losing, 71, &["bpftrace reported: Lost 5 events"]);
}

fn a_tracer_that_did_not_see_every_bracket_is_reported() {
    let lines = format!("head -n 1; cat\n{TWO_SAMPLES}");
    let missing = faked(&lines, "-j", "-rB -b 4k -t 1M -n 3");
    assert_sentence(&missing, 71, &["recorded 4 clock_gettime calls, but 3 samples make 6"]);
    let document = valid(&missing);
    let seen: Vec<bool> = document["benchmark_samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sample| sample.get("kernel").is_some())
        .collect();
    assert_eq!(seen, [true, true, false], "the third sample has no record");
}

fn a_tracer_that_exits_early_is_reported_and_the_samples_are_printed() {
    let benchmark = "-r --settle 0.1 -b 4k -t 1M -n 2";
    for (last, words) in [("kill -9 $$", "signal: 9"), ("echo out of memory >&2; exit 3", "out of memory")] {
        let early = faked(&format!("head -n 1\n{last}"), "-j", benchmark);
        assert_sentence(&early, 71, &["bpftrace exited before the benchmark ended", words]);
        let document = valid(&early);
        let samples = document["benchmark_samples"].as_array().unwrap();
        assert_eq!(samples.len(), 2);
        assert!(samples.iter().all(|sample| sample.get("kernel").is_none()), "{document:#}");
        assert_eq!(document["trace"]["complete"], false);
    }
    let at_its_end = faked("head -n 1; cat; echo out of memory >&2; exit 3", "-j", benchmark);
    assert_sentence(&at_its_end, 71, &["bpftrace exited with an error", "exit status: 3", "out of memory"]);
    assert_eq!(valid(&at_its_end)["benchmark_samples"].as_array().unwrap().len(), 2);
}

fn a_tracer_that_cannot_attach_is_reported_in_one_sentence() {
    let refused = faked("echo 'ERROR: no can do' >&2; exit 1", "-j", "-rB -b 4k -t 1M");
    assert_sentence(&refused, 71, &["bpftrace failed: it did not attach", "no can do", "--with"]);
    let document = valid(&refused);
    assert_eq!((&document["benchmark_samples"], &document["error"]["exit_code"]), (&json!([]), &json!(71)));
    let silent = faked("exit 1", "", "-rB -b 4k -t 1M");
    assert_sentence(&silent, 71, &["it printed nothing"]);
}

fn missing_root_is_reported_with_a_remedy() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let refused = if nix::unistd::geteuid().is_root() {
        through("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups"], &file)
    } else {
        trace("-j", "-rB", &file)
    };
    assert_sentence(&refused, 71, &["only root may trace", "sudo", "--with strace"]);
}

fn a_missing_tracer_is_reported_with_a_remedy() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let empty = scratch.folder().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let none = outcome(command("-j", "-rB", &file).env("PATH", &empty).output().unwrap());
    assert_sentence(&none, 71, &["bpftrace failed: it cannot be started", "install bpftrace", "--with"]);
    assert_eq!(valid(&none)["error"]["kind"], "system");
    let strace = outcome(command("--with strace", "-rB", &file).env("PATH", &empty).output().unwrap());
    assert_sentence(&strace, 71, &["strace failed: it cannot be started", "install strace"]);
    let mut dtrace = command("--with dtrace", "-rB", &file);
    dtrace.env("PATH", &empty).env("XDG_CACHE_HOME", &empty).env_remove("IOBENCH_DTRACE");
    assert_sentence(
        &outcome(dtrace.output().unwrap()),
        71,
        &["dtrace failed: it is not installed", "fetch-dtrace.sh"],
    );
}

fn missing_btf_or_events_are_reported_with_a_remedy() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let hiding = |folders: &str, words: &[&str]| {
        let hide = format!("for f in {folders}; do mount -t tmpfs none $f; done; exec \"$@\"");
        let refused = through("unshare", &["-m", "sh", "-c", &hide, "sh"], &file);
        assert_sentence(&refused, 71, words);
        assert_eq!(valid(&refused)["error"]["exit_code"], 71);
    };
    hiding("/sys/kernel/btf", &["no BTF", "CONFIG_DEBUG_INFO_BTF", "--with strace"]);
    hiding("/sys/kernel/tracing /sys/kernel/debug", &["tracefs is not mounted", "mount -t debugfs"]);
}

/// Runs `iobench trace -j -- -rB file` by way of another program. An unprivileged user may have no access to
/// the build folder, so the test runs a copy.
fn through(program: &str, options: &[&str], file: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let folder =
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = folder.path().join("iobench");
    std::fs::copy(iobench().get_program(), &copy).unwrap();
    let mut command = Command::new(program);
    command.args(options).arg(copy).args(["trace", "-j", "--", "-rB"]).arg(file);
    outcome(command.output().unwrap())
}

/// A traced run of many samples, and the processes of its tracer once it is attached.
struct LongRun {
    iobench: Child,
    tracer: i32,
    cat: i32,
}

impl LongRun {
    /// Starts a run of `samples` samples and waits until some of them are traced.
    fn start(file: &Path, samples: u32) -> LongRun {
        let benchmark = format!("-r --settle 0.05 -b 4k -t 1M -n {samples}");
        let mut command = command("-j", &benchmark, file);
        let mut iobench = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            // bpftrace executes `cat` in its child only when it is attached.
            let tracer = child_of(iobench.id() as i32, "bpftrace");
            if let Some((tracer, cat)) = tracer.and_then(|pid| Some((pid, child_of(pid, "cat")?))) {
                let attached_bytes = bytes_read(iobench.id());
                while bytes_read(iobench.id()) < attached_bytes + 3 * TOTAL_BYTES && Instant::now() < deadline
                {
                    sleep(Duration::from_millis(20));
                }
                return LongRun { iobench, tracer, cat };
            }
            sleep(Duration::from_millis(20));
        }
        iobench.kill().unwrap();
        panic!("the tracer did not attach: {:?}", iobench.wait_with_output());
    }

    fn end(self) -> Outcome {
        let ended = outcome(self.iobench.wait_with_output().unwrap());
        for pid in [self.tracer, self.cat] {
            let gone = (0..100).any(|_| {
                let gone = state_of(pid).is_none_or(|(_, _, state)| state == 'Z');
                gone || {
                    sleep(Duration::from_millis(20));
                    false
                }
            });
            assert!(gone, "process {pid} outlived the run");
        }
        ended
    }
}

/// Bytes that a process has requested with read calls: `rchar` in proc_pid_io(5).
fn bytes_read(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap()
}

/// Name, parent and state of a process.
fn state_of(pid: i32) -> Option<(String, i32, char)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let mut words = after.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((before.split_once('(')?.1.to_owned(), words.next()?.parse().ok()?, state))
}

fn child_of(parent: i32, name: &str) -> Option<i32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid| state_of(*pid).is_some_and(|(comm, of, _)| of == parent && comm == name))
}

fn killing_the_tracer_loses_no_sample() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let run = LongRun::start(&file, 40);
    kill(Pid::from_raw(run.tracer), Signal::SIGKILL).unwrap();
    let ended = run.end();
    assert_sentence(&ended, 71, &["bpftrace exited before the benchmark ended (signal: 9"]);
    let document = valid(&ended);
    assert_eq!(document["benchmark_samples"].as_array().unwrap().len(), 40);
    assert_eq!(document["trace"]["complete"], false);
}

fn ctrl_c_reports_the_samples_so_far_and_stops_the_tracer() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let run = LongRun::start(&file, 10_000);
    kill(Pid::from_raw(run.iobench.id() as i32), Signal::SIGINT).unwrap();
    let ended = run.end();
    assert_sentence(&ended, 130, &["interrupted by SIGINT"]);
    let document = valid(&ended);
    let samples = document["benchmark_samples"].as_array().unwrap();
    assert!((1..10_000).contains(&samples.len()), "{}", samples.len());
    for sample in samples {
        assert_eq!(sample["kernel"]["syscalls"], json!({"read": BLOCKS}));
    }
    assert_eq!(document["error"]["kind"], "interrupted");
    assert_eq!(document["trace"]["complete"], true, "the tracer saw every reported sample: {document:#}");
}

//! Every command that takes -j prints exactly one document, however it ends; after Ctrl-C that document holds
//! what was measured until then.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iobench::report::sweep::SweepDocument;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde_json::Value;

use crate::common::{Filesystem, Outcome, data_file, iobench, outcome};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [] => ab_keeps_the_finished_pairs,
        [] => selftest_keeps_the_finished_rows,
        [] => rerun_compares_the_points_measured_so_far,
        [] => compare_keeps_the_finished_points,
        [STRACE] => trace_keeps_the_finished_samples,
        [] => a_usage_error_is_one_document_in_every_command,
    ]
}

const TOTAL_BYTES: u64 = 1 << 20;

/// `iobench` with these words, and paths behind them.
fn command(words: &str, paths: &[&Path]) -> Command {
    let mut command = iobench();
    command.args(words.split_whitespace()).args(paths).stdin(Stdio::null());
    command
}

/// Starts a command and waits until it catches SIGINT.
fn start(words: &str, paths: &[&Path]) -> Child {
    let child = command(words, paths).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let catches = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        caught & 1 << (Signal::SIGINT as u64 - 1) != 0
    };
    while !catches() {
        assert!(Instant::now() < deadline, "{words} never caught SIGINT");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Processor time of a process and of its children that have exited, from /proc/PID/stat.
fn processor_time(child: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime, stime, cutime and cstime are the fields 14 to 17; the third is the first behind the name.
    let ticks: u64 = fields[11..15].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_secs_f64(ticks as f64 / sysconf(SysconfVar::CLK_TCK).unwrap().unwrap() as f64)
}

/// Sends SIGINT after this processor time, which a busy machine takes longer to give, and returns the outcome
/// and the one document.
fn interrupted(child: Child, after: Duration) -> (Outcome, Value) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while processor_time(&child) < after {
        assert!(Instant::now() < deadline, "the command runs for too short a time");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let ended = outcome(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "one sentence: {ended:?}");
    let document = ended.json();
    assert_eq!(document["error"]["kind"], "interrupted", "{document}");
    assert_eq!(document["error"]["exit_code"], 130, "{document}");
    (ended, document)
}

const A_WHILE: Duration = Duration::from_millis(500);

fn ab_keeps_the_finished_pairs() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let side = format!("-r -B -b 64k -t 1M {}", file.display());
    let child = start(&format!("ab -j -n 100000000 -- {side} -- {side}"), &[]);
    let (_, document) = interrupted(child, A_WHILE);
    assert!(document["pairs"].as_array().unwrap().len() > 5, "{document}");
    assert_eq!(document["points"].as_array().unwrap().len(), 1, "judged by the pairs that there are");
}

fn selftest_keeps_the_finished_rows() {
    let scratch = Filesystem::scratch();
    let child = start("selftest -j --strategy all --only data,directions,errors", &[scratch.folder()]);
    let (_, document) = interrupted(child, A_WHILE);
    assert_eq!(document["strategies"][0]["name"], "null");
    assert!(document["strategies"][0]["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "{document}");
    assert_eq!(std::fs::read_dir(scratch.folder()).unwrap().count(), 0, "nothing is left behind");
}

/// A sweep of some points, in a file.
fn swept(folder: &Path, file: &Path) -> std::path::PathBuf {
    let kept = folder.join("result.json");
    let words = "sweep -j -b 4k..64k --strategy pread --precision 0.0001% --budget 2s --largest-n 100000 -o";
    outcome(command(words, &[&kept, file]).output().unwrap()).ok();
    kept
}

fn rerun_compares_the_points_measured_so_far() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let kept = swept(scratch.folder(), &file);
    let child = start("rerun -j", &[&kept]);
    let (_, document) = interrupted(child, A_WHILE);
    assert_eq!(document["obstacles"], serde_json::json!([]), "{document}");
    assert!(!document["points"].as_array().unwrap().is_empty(), "{document}");
}

fn compare_keeps_the_finished_points() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let kept = swept(scratch.folder(), &file);
    // As many points as take a while.
    let mut document: SweepDocument = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    let point = document.runs[0].clone();
    document.runs = (1..3000)
        .map(|block_bytes| {
            let mut run = point.clone();
            run.benchmark_samples.truncate(40);
            run.benchmark_configuration.buffersize = block_bytes;
            run
        })
        .collect();
    document.controls.truncate(40);
    std::fs::write(&kept, serde_json::to_vec(&document).unwrap()).unwrap();
    let child = start("compare -j", &[&kept, &kept]);
    let (_, document) = interrupted(child, Duration::from_secs(6));
    let points = document["points"].as_array().unwrap().len();
    assert!(points < 2999, "it was not finished: {points}");
}

fn trace_keeps_the_finished_samples() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), TOTAL_BYTES);
    let words = "trace -j --with strace -- -r -B -n 1000000 -b 64k -t 1M";
    let child = start(words, &[&file]);
    let (_, document) = interrupted(child, A_WHILE);
    let samples = document["benchmark_samples"].as_array().unwrap();
    assert!(samples.len() > 1 && samples[0]["kernel"]["syscalls"]["read"] == 16, "{document}");
}

fn a_usage_error_is_one_document_in_every_command() {
    for words in [
        "-j -r -b 0 f",
        "strategies -j --bogus",
        "selftest -j --strategy nonsense",
        "sweep -j -b 0 f",
        "compare -j missing missing",
        "ab -j -- -r -b 0 f -- -r f",
        "ab -j -- -r f",
        "rerun -j missing",
        "trace -j -- -r -b 0 f",
        "trace -- -r -j -b 0 f",
    ] {
        let ended = outcome(command(words, &[]).output().unwrap());
        let document = ended.json();
        assert_eq!(document["error"]["exit_code"].as_i64().map(|code| code as i32), ended.code, "{words}");
        assert_eq!(document["warnings"], serde_json::json!([]), "{words}");
        assert_eq!(ended.stderr.lines().count(), 1, "{words}: {ended:?}");
    }
}

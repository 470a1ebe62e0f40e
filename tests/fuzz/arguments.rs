//! Random command lines over the flags of every command, with good and bad values.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Worker;
use crate::program::{run, shown};
use crate::sandbox::NAMES;

/// Flags, each with a kind of value (an empty one has none) and the commands that take it.
const FLAGS: [(&str, &str, &str); 67] = [
    ("-r", "", "run sweep"),
    ("-w", "", "run sweep rerun"),
    ("-c", "", "run"),
    ("-B", "", "run"),
    ("-d", "", "run sweep"),
    ("-g", "", "run"),
    ("-j", "", "run sweep compare ab rerun strategies selftest trace"),
    ("-q", "", "run"),
    ("-s", "", "run sweep"),
    ("-v", "", "run"),
    ("-rgj", "", "run"),
    ("-Brj", "", "run"),
    ("--json", "", "run sweep compare rerun strategies selftest"),
    ("-b", "size", "run sweep ab"),
    ("-t", "total", "run sweep ab"),
    ("-n", "count", "run ab"),
    ("--strategy", "strategy", "run sweep ab selftest"),
    ("--iodepth", "count", "run sweep ab"),
    ("--batch", "count", "run sweep ab"),
    ("--cpu", "cpu", "run sweep ab"),
    ("--create", "", "run sweep ab"),
    ("--allow-device-write", "", "run sweep ab rerun"),
    ("--noatime", "", "run sweep ab"),
    ("--buffer", "buffer", "run ab"),
    ("--settle", "settle", "run"),
    ("--cache", "cache", "run sweep ab"),
    ("--access", "access", "run sweep ab"),
    ("--seed", "count", "run sweep ab"),
    ("--explain", "", "run"),
    ("--precision", "fraction", "sweep ab"),
    ("--budget", "duration", "sweep ab"),
    ("--file-size", "total", "run sweep"),
    ("--strict", "", "run sweep ab compare rerun"),
    ("--wide", "", "sweep"),
    ("--latency", "", "run sweep ab"),
    ("--threads", "threads", "run sweep ab"),
    ("--files", "files", "run sweep ab"),
    ("--rate", "rate", "run sweep ab"),
    ("--for", "duration", "run"),
    ("--mix", "percent", "run sweep ab"),
    ("--sync-every", "count", "run sweep ab"),
    ("--open-sync", "open-sync", "run sweep ab"),
    ("--metric", "metric", "ab compare"),
    ("--iodepth", "list", "sweep"),
    ("--threads", "list", "sweep"),
    ("--direct", "switch", "sweep"),
    ("--dry-run", "", "sweep"),
    ("--precondition", "", "sweep"),
    ("--resume", "name", "sweep"),
    ("--kind", "kind", "plot"),
    ("--x", "axis", "plot"),
    ("--y", "quantity", "plot"),
    ("--series", "axis", "plot"),
    ("--to", "strategy", "plot"),
    ("--knees", "", "sweep plot"),
    ("--largest-n", "count", "sweep"),
    ("--order", "order", "sweep"),
    ("--csv", "", "sweep"),
    ("-o", "name", "sweep rerun plot"),
    ("--threshold", "fraction", "compare rerun"),
    ("--max-result-size", "size", "compare rerun plot"),
    ("--log-y", "", "plot"),
    ("--mark", "size", "plot"),
    ("--title", "text", "plot"),
    ("--only", "only", "selftest"),
    ("--within", "fraction", "selftest"),
    ("--help", "", "run sweep compare ab rerun plot strategies selftest trace"),
];

const COMMANDS: [&str; 16] = [
    "run",
    "run",
    "run",
    "run",
    "run",
    "run",
    "sweep",
    "sweep",
    "compare",
    "ab",
    "rerun",
    "plot",
    "strategies",
    "selftest",
    "trace",
    "job",
];

/// Values of --access: good ones first, then bad and extreme ones.
const ORDERS: [&str; 21] = [
    "sequential",
    "random",
    "backward",
    "stride:16k",
    "random:8k",
    "uniform",
    "zipf:0.9",
    "bogus",
    "",
    "x",
    "stride:",
    "stride:0",
    "random:3",
    "zipf:nan",
    "zipf:1e9",
    "uniform:1",
    "zipf:-1",
    "stride:8E",
    "random:8E",
    "Zipf:1",
    ":",
];

/// Values of each kind: good ones first, then bad and extreme ones.
fn values(kind: &str) -> &'static [&'static str] {
    match kind {
        "size" => &[
            "512",
            "4k",
            "4096",
            "1",
            "16k",
            "3",
            "64k",
            "0",
            "-1",
            "8E",
            "1e3",
            "4kb",
            "",
            "18446744073709551616",
        ],
        "total" => &["64k", "4k", "65536", "512", "1", "12k", "0", "-5", "128k", "99999999999999999999", "x"],
        "count" => &["1", "2", "3", "7", "0", "-1", "4294967296", "1.5", "many", ""],
        "strategy" => &[
            "null",
            "readwrite",
            "pread",
            "direct",
            "mmap",
            "io_uring",
            "all",
            "pread,mmap",
            "bogus",
            "",
            ",",
        ],
        "cpu" => &["0", "1", "none", "0-1", "0,1", "99999", "-1", "0-", "1,,0", "default"],
        "threads" => &["1", "2", "3", "16", "0", "-1", "1025", "x", "1.5"],
        "list" => {
            &["1,2", "1..4", "1..9/3", "2", "1..1000000/1", "4..1", "..", "1..2/0", "1,,2", "", "0..3", "x"]
        }
        "switch" => &["on", "off", "on,off", "both", "", ","],
        "kind" => &["curves", "samples", "cdf", "heatmap", "ratio", "pie", ""],
        "axis" => &["buffersize", "iodepth", "threads", "time", "strategy", "cache", "bogus", ""],
        "quantity" => &["bandwidth", "iops", "ns-per-io", "p50", "p99", "cpu", "p100", ""],
        "files" => &["per-thread", "shared", "own", ""],
        "rate" => &["1000000", "1000", "18446744073709551615", "1", "0", "-1", "x", "1e6", ""],
        "percent" => &["70", "0", "100", "50%", "101", "-1", "x", "", "1.5"],
        "open-sync" => &["dsync", "sync", "none", "bogus", "", "x"],
        "metric" => &["p99", "p50", "mean", "p90", "p99.9", "time", "bogus", "", "p100"],
        "buffer" => &["prefault", "fresh", "prefault", "bogus", "", "Fresh"],
        "cache" => &["warm", "cold", "as-is", "hot", "", "Warm"],
        "access" => &ORDERS,
        "order" => &["random", "ascending", "descending", "bogus", "", "x"],
        "only" => &["directions", "data", "bogus", "", ",", "x"],
        "settle" => &["0", "0.001", "0", "-1", "nan", "inf", "x"],
        "duration" => &["150ms", "300ms", "1ms", "0", "-1s", "1h", "5", "", "x"],
        "fraction" => &["2%", "0.02", "50%", "0", "-3%", "200%", "nan", "x"],
        "name" => &[
            "new",
            "sweep.json",
            "data",
            "pipe",
            "null",
            "full",
            "folder",
            "dangling",
            "link",
            "new.svg",
            "new.html",
        ],
        _ => &["plain", "<script>evil</script>", "a\x1b]0;x\x07", "line\nline", "\u{202e}", "\"'&"],
    }
}

/// Runs a random command line.
pub(crate) fn fuzz(worker: &mut Worker) -> Result<(), String> {
    let mut words = generated(worker);
    if worker.once_in(5) {
        mutate(worker, &mut words);
    }
    check(worker, &words)
}

/// Runs a command line, and checks everything that must hold.
pub(crate) fn check(worker: &mut Worker, words: &[OsString]) -> Result<(), String> {
    // Absurd values that are accepted are interrupted.
    let signals = [(Duration::from_secs(3), Signal::SIGINT), (Duration::from_secs(4), Signal::SIGTERM)];
    let (folder, temporary) = (worker.sandbox.folder(), worker.sandbox.temporary());
    let ended = run(words, &folder, &temporary, &signals);
    let answer = ended.and_then(|ended| worker.oracle.check(&ended));
    let changes = worker.sandbox.check_and_restore(words);
    answer.and(changes).map_err(|finding| format!("iobench {}: {finding}", shown(words)))
}

fn generated(worker: &mut Worker) -> Vec<OsString> {
    let command = *worker.pick(&COMMANDS);
    let mut words: Vec<OsString> = if command == "run" { vec![] } else { vec![command.into()] };
    match command {
        "run" => {
            words.push((*worker.pick(&["-r", "-w", "-rB", "-wB", "-c", "-rj", "-Bwj", "describe"])).into());
            words.extend(["--settle", "0", "-t", "64k"].map(Into::into));
        }
        "sweep" => words.extend(["--budget", "150ms", "-b", "4k"].map(Into::into)),
        "compare" => words.push("sweep.json".into()),
        "rerun" => words.push((*worker.pick(&["old.json", "run.json", "data"])).into()),
        "plot" => {
            words.extend(["-o", *worker.pick(&["new.svg", "new.html", "data.svg", "new"])].map(Into::into))
        }
        "selftest" => {
            let only = *worker.pick(&["directions", "bogus"]);
            words.extend(["--strategy", "null", "--only", only].map(Into::into));
        }
        "trace" => words.extend(["--print-script", "--", "-r"].map(Into::into)),
        "ab" => {
            words.extend(["-n", "6", "--", "-rB", "-t", "64k", "data", "--"].map(Into::into));
            words.push((*worker.pick(&["-rB", "-wB", "-r", "-w"])).into());
            words.extend(["-t", "64k", "--settle", "0"].map(Into::into));
        }
        _ => {}
    }
    for _ in 0..worker.random.below(12) {
        let (flag, kind, commands) = *worker.pick(&FLAGS);
        // Mostly flags of the command.
        if !commands.split(' ').any(|name| name == command) && !worker.once_in(30) {
            continue;
        }
        let known = values(kind);
        // Mostly good values: with a bad one, the rest of the command line is not looked at.
        let known = if worker.once_in(4) { known } else { &known[..known.len() / 3] };
        let value = if kind.is_empty() { None } else { Some(*worker.pick(known)) };
        match value {
            None => words.push(flag.into()),
            Some(value) if worker.once_in(4) => words.push(format!("{flag}={value}").into()),
            Some(value) => words.extend([flag.into(), value.into()]),
        }
    }
    if !worker.once_in(12) {
        words.push((*worker.pick(&NAMES)).into());
    }
    words
}

/// Removes, repeats, swaps or damages a word. A damaged name stays in the sandbox.
fn mutate(worker: &mut Worker, words: &mut Vec<OsString>) {
    if words.is_empty() {
        return;
    }
    let (at, other) = (worker.random.below(words.len()), worker.random.below(words.len()));
    match worker.random.below(5) {
        0 => drop(words.remove(at)),
        1 => words.insert(other, words[at].clone()),
        2 => words.swap(at, other),
        3 => words.push((*worker.pick(&NAMES)).into()),
        _ => {
            let mut bytes = words[at].as_bytes().to_vec();
            let place = worker.random.below(bytes.len() + 1);
            bytes.insert(place, *worker.pick(b"\xff\x1b\n-=,.%0x "));
            words[at] = OsString::from_vec(bytes);
        }
    }
}

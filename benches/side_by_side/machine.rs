//! The machine and the programs, one line each, without names of hosts or paths.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::SystemTime;

use crate::common;
use crate::programs::Programs;

/// Facts that a reader of the table needs.
pub(crate) fn describe(programs: &Programs) -> Vec<String> {
    let folder = programs.data.parent().unwrap_or(Path::new("/"));
    let cpus = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |n| n.to_string());
    vec![
        format!("date: {}", humantime::format_rfc3339_seconds(SystemTime::now())),
        format!("kernel: {}", printed("uname", &["-srm"])),
        format!("CPU: {}, {cpus} online", cpu_model()),
        format!("filesystem: {}", filesystem(folder)),
        "data file: in the page cache".to_owned(),
        format!("load average at the end, including this run: {}", load_average()),
        format!("iobench: {}", env!("CARGO_PKG_VERSION")),
        format!("cc: {}", printed("cc", &["--version"])),
        format!("rustc: {}", printed("rustc", &["--version"])),
        format!("fio: {}", printed("fio", &["--version"])),
    ]
}

/// True if fio is installed.
pub(crate) fn has_fio() -> bool {
    common::output(Command::new("fio").arg("--version")).is_ok()
}

fn printed(program: &str, arguments: &[&str]) -> String {
    common::output(Command::new(program).args(arguments))
        .ok()
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| "none".to_owned())
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}

/// Load over 1, 5 and 15 minutes. It is far above 1 if other programs were busy at the same time.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Type and options of the mount that holds `folder`: the one with the longest mount point above it.
fn filesystem(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?, words.next()?))
        })
        .filter(|(point, ..)| folder.starts_with(point))
        .max_by_key(|(point, ..)| point.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind, options)| format!("{kind} ({options})"))
}

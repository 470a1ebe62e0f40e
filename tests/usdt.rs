//! The static probes fire once at the start and once at the end of each sample.

#![cfg(feature = "usdt")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Stdio};

use common::{Filesystem, have, have_program, have_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn bpftrace_sees_the_start_and_the_end_of_each_sample() {
    let uprobes = std::path::Path::new("/sys/bus/event_source/devices/uprobe").is_dir();
    if !have_root() || !have_program("bpftrace") || !have("uprobe", uprobes, "a kernel with uprobes") {
        return;
    }
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    let program = env!("CARGO_BIN_EXE_iobench");
    let script = format!(
        "usdt:{program}:iobench:sample-start {{ printf(\"start %d %s %d\\n\", arg0, str(arg1), arg2); }}\n\
         usdt:{program}:iobench:sample-end {{ printf(\"end %d\\n\", arg0); }}\n"
    );
    // The tracer comes while the program runs: with -c, bpftrace 0.17 does not find the semaphores
    // of a program with two writable segments.
    let run = ["--strategy", "pread", "-r", "-q", "-n", "6", "--settle", "0.7", "-b", "4096", "-t", "1M"];
    let mut traced = Command::new(program).args(run).arg(&file).spawn().unwrap();
    let mut tracer = Command::new("bpftrace");
    tracer.args(["-p", &traced.id().to_string(), "-e", &script]);
    let tracer = tracer.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    assert!(traced.wait().unwrap().success());
    // It may have ended with the program.
    let _ = kill(Pid::from_raw(tracer.id() as i32), Signal::SIGINT);
    let printed = common::outcome(tracer.wait_with_output().unwrap()).stdout;
    let lines: Vec<&str> =
        printed.lines().filter(|line| line.starts_with("start") || line.starts_with("end")).collect();
    let first = lines.iter().find_map(|line| line.strip_prefix("start ")?.split(' ').next()?.parse().ok());
    let first: u32 = first.unwrap_or_else(|| panic!("no sample was seen: {printed}"));
    let sample = |number: u32| [format!("start {number} pread 4096"), format!("end {number}")];
    let wanted: Vec<String> = (first..6).flat_map(sample).collect();
    assert!(lines.ends_with(&wanted.iter().map(String::as_str).collect::<Vec<_>>()), "{printed}");
}

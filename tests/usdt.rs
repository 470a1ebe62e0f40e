//! The static probes fire once at the start and once at the end of each sample.

#![cfg(all(feature = "usdt", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{Filesystem, have, have_btf, have_dtrace, have_program, have_root, outcome};

const PROGRAM: &str = env!("CARGO_BIN_EXE_iobench");

/// The lines `start ...` and `end ...` that a tracer prints of a run with four samples.
fn lines_of(mut tracer: Command) -> Vec<String> {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    // A pause before each sample: the tracer may lose what a program does last.
    let run = "--strategy pread -r -q -n 5 --settle 0.2 -b 4096 -t 1M";
    let traced = format!("{PROGRAM} {run} {}", file.display());
    let ended = outcome(tracer.args(["-c", &traced]).output().unwrap()).ok();
    let lines = ended.stdout.lines().filter(|line| line.starts_with("start ") || line.starts_with("end "));
    lines.take(8).map(str::to_owned).collect()
}

/// The lines of the first four samples.
fn wanted() -> Vec<String> {
    (0..4).flat_map(|number| [format!("start {number} pread 4096"), format!("end {number}")]).collect()
}

#[test]
fn bpftrace_sees_the_start_and_the_end_of_each_sample() {
    let uprobes = std::path::Path::new("/sys/bus/event_source/devices/uprobe").is_dir();
    if !have_root() || !have_program("bpftrace") || !have("uprobe", uprobes, "a kernel with uprobes") {
        return;
    }
    let mut bpftrace = Command::new("bpftrace");
    bpftrace.arg("-e").arg(format!(
        "usdt:{PROGRAM}:iobench:sample__start {{ printf(\"start %d %s %d\\n\", arg0, str(arg1), arg2); }}\n\
         usdt:{PROGRAM}:iobench:sample__end /arg1 > 0/ {{ printf(\"end %d\\n\", arg0); }}\n"
    ));
    assert_eq!(lines_of(bpftrace), wanted());
}

#[test]
fn dtrace_sees_the_start_and_the_end_of_each_sample() {
    if !have_root() || !have_btf() || !have_dtrace() {
        return;
    }
    let mut dtrace = Command::new(iobench::trace::dtrace::find().unwrap());
    dtrace.args(["-q", "-n"]).arg(
        "iobench$target:::sample-start { printf(\"start %d %s %d\\n\", arg0, copyinstr(arg1), arg2); }
         iobench$target:::sample-end /arg1 > 0/ { printf(\"end %d\\n\", arg0); }",
    );
    assert_eq!(lines_of(dtrace), wanted());
}

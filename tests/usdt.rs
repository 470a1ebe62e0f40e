//! The static probes fire once at the start and once at the end of each sample, outside the bracket.

#![cfg(feature = "usdt")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{Filesystem, have, have_program, have_root};

#[test]
fn bpftrace_sees_the_start_and_the_end_of_each_sample_and_no_call_between_bracket_and_probe() {
    let uprobes = std::path::Path::new("/sys/bus/event_source/devices/uprobe").is_dir();
    if !have_root() || !have_program("bpftrace") || !have("uprobe", uprobes, "a kernel with uprobes") {
        return;
    }
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    let program = env!("CARGO_BIN_EXE_iobench");
    let script = format!(
        "usdt:{program}:iobench:sample-start /pid == cpid/ {{ printf(\"start %d %s %d\\n\", arg0, str(arg1), arg2); }}\n\
         usdt:{program}:iobench:sample-end /pid == cpid/ {{ printf(\"end %d\\n\", arg0); }}\n"
    );
    let run = format!("{program} --strategy pread -r -q -B -n 3 -b 4096 -t 1M {}", file.display());
    let traced = Command::new("bpftrace").args(["-e", &script, "-c", &run]).output().unwrap();
    let printed = common::outcome(traced).ok().stdout;
    let lines: Vec<&str> =
        printed.lines().filter(|line| line.starts_with("start") || line.starts_with("end")).collect();
    let sample = |number: u32| [format!("start {number} pread 4096"), format!("end {number}")];
    let wanted: Vec<String> = (0..3).flat_map(sample).collect();
    assert_eq!(lines, wanted, "{printed}");
}

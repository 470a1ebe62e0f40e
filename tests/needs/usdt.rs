//! The static probes fire once at the start and once at the end of each sample.

use std::process::Command;

use crate::common::{self, Filesystem, outcome};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [BPFTRACE, UPROBE] => bpftrace_sees_the_start_and_the_end_of_each_sample,
        [DTRACE] => dtrace_sees_the_start_and_the_end_of_each_sample,
    ]
}

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

fn bpftrace_sees_the_start_and_the_end_of_each_sample() {
    let mut bpftrace = Command::new("bpftrace");
    bpftrace.arg("-e").arg(format!(
        "usdt:{PROGRAM}:iobench:sample__start {{ printf(\"start %d %s %d\\n\", arg0, str(arg1), arg2); }}\n\
         usdt:{PROGRAM}:iobench:sample__end /arg1 > 0/ {{ printf(\"end %d\\n\", arg0); }}\n"
    ));
    assert_eq!(lines_of(bpftrace), wanted());
}

fn dtrace_sees_the_start_and_the_end_of_each_sample() {
    let mut dtrace = Command::new(iobench::trace::dtrace::find().unwrap());
    dtrace.args(["-q", "-n"]).arg(
        "iobench$target:::sample-start { printf(\"start %d %s %d\\n\", arg0, copyinstr(arg1), arg2); }
         iobench$target:::sample-end /arg1 > 0/ { printf(\"end %d\\n\", arg0); }",
    );
    assert_eq!(lines_of(dtrace), wanted());
}

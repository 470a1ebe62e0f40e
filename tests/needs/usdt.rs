//! The static probes fire once at the start and once at the end of each sample.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{self, Filesystem};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [BPFTRACE, UPROBE] => bpftrace_sees_the_start_and_the_end_of_each_sample,
    ]
}

fn bpftrace_sees_the_start_and_the_end_of_each_sample() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    let program = env!("CARGO_BIN_EXE_iobench");
    let script = format!(
        "usdt:{program}:iobench:sample-start {{ printf(\"start %d %s %d\\n\", arg0, str(arg1), arg2); }}\n\
         usdt:{program}:iobench:sample-end {{ printf(\"end %d\\n\", arg0); }}\n"
    );
    // The tracer comes while the program runs: with -c, bpftrace 0.17 does not find the semaphores
    // of a program with two writable segments. And it goes before: it may lose what a program does last.
    let run = ["--strategy", "pread", "-r", "-q", "-n", "60", "--settle", "0.3", "-b", "4096", "-t", "1M"];
    let mut traced = Command::new(program).args(run).arg(&file).spawn().unwrap();
    let mut tracer = Command::new("bpftrace");
    tracer.args(["-B", "line", "-p", &traced.id().to_string(), "-e", &script]);
    let mut tracer = tracer.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(tracer.stdout.take().unwrap()).lines().map(Result::unwrap);
    let seen: Vec<String> = lines.skip_while(|line| !line.starts_with("start")).take(8).collect();
    for process in [&mut tracer, &mut traced] {
        // It may have ended already.
        let _ = kill(Pid::from_raw(process.id() as i32), Signal::SIGINT);
        process.wait().unwrap();
    }
    let first = seen.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let first: u32 = first.unwrap_or_else(|| panic!("no sample was seen: {seen:?}"));
    let sample = |number: u32| [format!("start {number} pread 4096"), format!("end {number}")];
    let wanted: Vec<String> = (first..first + 4).flat_map(sample).collect();
    assert_eq!(seen, wanted);
}

//! `iobench trace`: a benchmark in this process, and a tracer beside it that watches this process.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::output::Output;
use super::run;
use crate::cli::{RunArgs, TraceArgs, TracedRun, TracerName};
use crate::engine::interrupt;
use crate::engine::strategy::Strategy;
use crate::error::Error;
use crate::host;
use crate::report::document::{Document, ErrorRecord};
use crate::report::explain;
use crate::trace::attach;
use crate::trace::bpftrace::{self, Counts, MAP_KEYS, Subject};
use crate::trace::process::{Finished, Tracer};
use crate::trace::record::{KernelRecord, TraceRecord};
use crate::trace::show::Show;
use crate::trace::strace;

/// Runs a benchmark under a tracer and prints one result.
///
/// # Errors
/// [`Error::System`] if the tracer cannot run or did not see everything, and those of the
/// benchmark; the benchmark's result is printed in any case.
pub fn run(args: &TraceArgs, argv: Vec<String>, strategies: &[&'static dyn Strategy]) -> Result<(), Error> {
    let mut benchmark = TracedRun::try_parse_from(&args.benchmark).map_err(|error| usage(&error))?.run;
    benchmark.json |= args.json;
    let show = shown(args, &benchmark, strategies);
    let program = Program::new(args, &show, &benchmark)?;
    if args.print_script {
        return io::stdout().write_all(program.text().as_bytes()).map_err(Error::Output);
    }
    let mut document = Document::default();
    let output = Output::deferred(&benchmark);
    let outcome = traced(&program, &show, &benchmark, argv, strategies, &mut document, &output);
    document.explanation = benchmark.explain.then(|| explain::sentences(&document));
    document.error = outcome.as_ref().err().map(ErrorRecord::new);
    let written = output.end(document);
    outcome.and(written)
}

fn traced(
    program: &Program,
    show: &BTreeSet<Show>,
    benchmark: &RunArgs,
    argv: Vec<String>,
    strategies: &[&'static dyn Strategy],
    document: &mut Document,
    output: &Output,
) -> Result<(), Error> {
    interrupt::install();
    let tracer = program.start()?;
    let outcome = run::run(benchmark, argv, strategies, document, output);
    let (records, trace) = program.finish(tracer, document.benchmark_samples.len(), show);
    for (sample, record) in document.benchmark_samples.iter_mut().zip(records) {
        sample.kernel = Some(record);
    }
    let problem = trace.problems.first().cloned();
    document.trace = Some(trace);
    outcome?;
    problem.map_or(Ok(()), |reason| {
        Err(Error::System {
            call: "the trace",
            reason,
            remedy: "the benchmark's own result is whole and is reported".to_owned(),
        })
    })
}

fn usage(error: &clap::Error) -> Error {
    let text = error.to_string();
    let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    Error::Usage(format!("behind --: {sentence}"))
}

fn shown(args: &TraceArgs, benchmark: &RunArgs, strategies: &[&'static dyn Strategy]) -> BTreeSet<Show> {
    if !args.show.is_empty() {
        return Show::expand(&args.show);
    }
    let queued = strategies
        .iter()
        .any(|strategy| strategy.info().name == benchmark.strategy && strategy.info().deepest_queue > 1);
    match queued && args.with == TracerName::Bpftrace {
        true => [Show::Syscalls, Show::Uring].into(),
        false => [Show::Syscalls].into(),
    }
}

/// What is run beside the benchmark.
enum Program {
    Bpftrace { text: String, own: bool },
    Strace { log: tempfile::TempPath },
}

impl Program {
    fn new(args: &TraceArgs, show: &BTreeSet<Show>, benchmark: &RunArgs) -> Result<Program, Error> {
        match args.with {
            TracerName::Bpftrace => match &args.script {
                Some(path) => Ok(Program::Bpftrace { text: own_script(path)?, own: true }),
                None => {
                    let subject = Subject { pid: std::process::id(), disks: disks(benchmark) };
                    Ok(Program::Bpftrace { text: bpftrace::program(show, &subject), own: false })
                }
            },
            TracerName::Strace => strace_program(args, show),
            TracerName::Dtrace => Err(Error::Usage("--with dtrace: not yet".to_owned())),
        }
    }

    fn text(&self) -> String {
        match self {
            Program::Bpftrace { text, own: true } => text.clone(),
            Program::Bpftrace { text, own: false } => bpftrace::annotated(text),
            Program::Strace { log } => format!("{:?}\n", strace::command(std::process::id(), log)),
        }
    }

    fn start(&self) -> Result<Tracer, Error> {
        match self {
            Program::Bpftrace { text, .. } => {
                check_bpf()?;
                let mut command = Command::new("bpftrace");
                command.env("BPFTRACE_MAP_KEYS_MAX", MAP_KEYS.to_string());
                command.args(["-f", "json", "-B", "line", "-e", text]);
                let mut tracer = Tracer::start("bpftrace", &mut command)?;
                tracer.wait_attached(attach::ATTACHED)?;
                Ok(tracer)
            }
            Program::Strace { log } => {
                strace::allow_attaching();
                let mut tracer = Tracer::start("strace", &mut strace::command(std::process::id(), log))?;
                tracer.wait_attached(strace::ATTACHED)?;
                Ok(tracer)
            }
        }
    }

    /// Ends the tracer and reads what it saw of `samples` samples.
    fn finish(
        &self,
        tracer: Tracer,
        samples: usize,
        show: &BTreeSet<Show>,
    ) -> (Vec<KernelRecord>, TraceRecord) {
        let finished = tracer.stop(Signal::SIGINT);
        let (name, records, clock_calls_seen, lost_events, script_output) = match self {
            Program::Bpftrace { own: true, .. } => {
                ("bpftrace", Vec::new(), 0, 0, Some(finished.output.clone()))
            }
            Program::Bpftrace { .. } => {
                let counts = Counts::parse(&finished.output);
                let records = (1..=samples as u64).map(|number| counts.sample(number, show)).collect();
                ("bpftrace", records, counts.clock_calls, counts.lost_events, None)
            }
            Program::Strace { log } => {
                let (records, clock_calls) = strace::parse(&std::fs::read_to_string(log).unwrap_or_default());
                let kept = records.into_iter().map(|record| only(record, show)).collect();
                ("strace", kept, clock_calls, 0, None)
            }
        };
        let own_script = script_output.is_some();
        let mut problems: Vec<String> = finished.problem.iter().cloned().collect();
        if !own_script {
            problems.extend(missed(name, samples, clock_calls_seen, lost_events, &finished));
        }
        let trace = TraceRecord {
            tracer: name.to_owned(),
            shown: if own_script { Vec::new() } else { show.iter().copied().collect() },
            clock_calls_seen,
            lost_events,
            complete: problems.is_empty(),
            problems,
            script_output,
        };
        (records, trace)
    }
}

/// What the tracer says, or its figures show, that it did not see.
fn missed(
    name: &str,
    samples: usize,
    clock_calls: u64,
    lost_events: u64,
    finished: &Finished,
) -> Option<String> {
    if clock_calls != 2 * samples as u64 {
        return Some(format!(
            "{name} saw {clock_calls} clock calls where {samples} samples make {}",
            2 * samples
        ));
    }
    if lost_events > 0 {
        return Some(format!("{name} lost {lost_events} events"));
    }
    // Only what concerns events: bpftrace also calls harmless things errors, such as a memlock
    // limit that a newer kernel does not look at.
    let complaint = finished.messages.lines().find(|line| line.contains("Lost") || line.contains("map full"));
    complaint.map(|line| format!("{name} complained: {}", line.trim()))
}

/// The parts of a record that were asked for.
fn only(record: KernelRecord, show: &BTreeSet<Show>) -> KernelRecord {
    KernelRecord {
        syscalls: record.syscalls.filter(|_| show.contains(&Show::Syscalls)),
        latency_ns: record.latency_ns.filter(|_| show.contains(&Show::Latency)),
        ..record
    }
}

fn own_script(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::Open {
        path: path.to_owned(),
        reason: error.to_string(),
        remedy: "name a script for the tracer".to_owned(),
    })
}

fn strace_program(args: &TraceArgs, show: &BTreeSet<Show>) -> Result<Program, Error> {
    if args.script.is_some() {
        return Err(Error::Usage("--script: strace takes no scripts; use --with bpftrace".to_owned()));
    }
    if show.iter().any(|part| !matches!(part, Show::Syscalls | Show::Latency)) {
        return Err(Error::Usage(
            "--show: strace sees system calls and their latency only; use --with bpftrace for the rest"
                .to_owned(),
        ));
    }
    let log = tempfile::NamedTempFile::new().map_err(|error| Error::System {
        call: "mkstemp",
        reason: error.to_string(),
        remedy: "set TMPDIR to a folder that can be written to".to_owned(),
    })?;
    Ok(Program::Strace { log: log.into_temp_path() })
}

/// The disks beneath the file, for the block part: those that the host names, by their numbers.
fn disks(benchmark: &RunArgs) -> Vec<(u64, u64)> {
    let Some(path) = benchmark.words.last() else { return Vec::new() };
    let names = host::configuration(Some(path)).storage.device_disks.unwrap_or_default();
    let number = |name: &String| {
        let device = std::fs::metadata(Path::new("/dev").join(name)).ok()?.rdev();
        Some((nix::sys::stat::major(device), nix::sys::stat::minor(device)))
    };
    names.iter().filter_map(number).collect()
}

/// Says in one sentence what bpftrace would say in many lines.
fn check_bpf() -> Result<(), Error> {
    let refuse = |reason: &str, remedy: &str| {
        Err(Error::System { call: "bpftrace", reason: reason.to_owned(), remedy: remedy.to_owned() })
    };
    if !geteuid().is_root() {
        return refuse("only root may trace the kernel", "run as root (sudo), or use --with strace");
    }
    let events = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];
    if !events.iter().any(|folder| Path::new(folder).is_dir()) {
        return refuse(
            "no tracing events are mounted",
            "mount them: mount -t tracefs tracefs /sys/kernel/tracing; mount -t debugfs debugfs /sys/kernel/debug",
        );
    }
    if !Path::new("/sys/kernel/btf/vmlinux").is_file() {
        return refuse(
            "the kernel has no BTF (/sys/kernel/btf/vmlinux)",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF, or --with strace",
        );
    }
    Ok(())
}

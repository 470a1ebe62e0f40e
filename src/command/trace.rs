//! `iobench trace`: runs a benchmark in this process while a tracer watches this process.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use super::context::Context;
use super::file;
use super::output::{Output, exit};
use super::request::{self, Request};
use super::run::run as run_benchmark;
use super::stdout::Stdout;
use crate::cli::{self, RunArgs, TraceArgs};
use crate::engine::interrupt;
use crate::engine::strategy::Mechanism;
use crate::error::Error;
use crate::host;
use crate::job::{Job, this_program};
use crate::process::ProcessGroup;
use crate::report::document::Document;
use crate::stats;
use crate::trace::bpftrace::Watched;
use crate::trace::program::Program;
use crate::trace::record::ProbeEffect;
use crate::trace::show::{Show, TracerName};

/// Runs a benchmark with a tracer and prints one result.
pub(crate) fn run(args: &TraceArgs, context: &Context) -> ExitCode {
    let benchmark = match cli::parse_nested(&args.benchmark) {
        Ok(Some(parsed)) => RunArgs { json: parsed.json | args.json, ..parsed },
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            let asks_for_json = |word: &std::ffi::OsString| cli::asks_for_json(&word.to_string_lossy());
            let json = args.json || args.benchmark.iter().any(asks_for_json);
            return Output::json_or_text(json).conclude(None::<Document>, Err(error));
        }
    };
    if args.print_script {
        return exit(print_script(args, &benchmark, context));
    }
    let output = Output::of_run(&benchmark, request::is_verbose(&benchmark)).deferred();
    output.run(|document| {
        let request = Request::new(&benchmark, context.strategies)?;
        let program = program(args, &request)?;
        let traced = Traced { program: &program, argv: context.argv, output: &output };
        let outcome = if args.probe_effect {
            traced.probe_effect(&request, document)
        } else {
            traced.watch(document, |document| match &args.script {
                Some(_) => run_in_child(request, document),
                None => run_benchmark(request, context.argv.to_vec(), document, &output),
            })
        };
        for warning in file::leftover_warnings(&std::env::temp_dir()) {
            output.warn(&mut document.get_or_insert_default().warnings, warning);
        }
        outcome
    })
}

fn print_script(args: &TraceArgs, benchmark: &RunArgs, context: &Context) -> Result<ExitCode, Error> {
    let program = program(args, &Request::new(benchmark, context.strategies)?)?;
    Stdout.write_all(program.text().as_bytes()).map_err(Error::output)?;
    Ok(ExitCode::SUCCESS)
}

/// The program of the tracer.
fn program(args: &TraceArgs, request: &Request) -> Result<Program, Error> {
    match &args.script {
        Some(path) => Program::own(args.with, path),
        None => Program::showing(args.with, shown_parts(args, request), &watched(&request.paths())),
    }
}

/// Benchmarks of this process with a tracer.
struct Traced<'a> {
    program: &'a Program,
    argv: &'a [String],
    output: &'a Output,
}

/// Default number of pairs of a probe effect. An interval needs at least six.
const PAIRS: u64 = 10;

impl Traced<'_> {
    /// Runs `benchmark` while the tracer watches, and adds the records of the tracer to the document.
    fn watch(
        &self,
        document: &mut Option<Document>,
        benchmark: impl FnOnce(&mut Option<Document>) -> Result<ExitCode, Error>,
    ) -> Result<ExitCode, Error> {
        let tracer = self.program.start()?;
        let outcome = benchmark(document);
        let document = document.get_or_insert_default();
        let samples = &mut document.benchmark_samples;
        let (records, trace) = self.program.finish(tracer, samples.len(), outcome.is_err());
        for (sample, record) in samples.iter_mut().zip(records) {
            sample.kernel = Some(record);
        }
        let problem = trace.problems.first().cloned();
        document.trace = Some(trace);
        let code = outcome?;
        let remedy = "the result of the benchmark itself is complete and is reported";
        problem.map_or(Ok(code), |reason| Err(Error::unavailable("the trace", reason, remedy)))
    }

    /// Measures pairs of one traced and one untraced sample. The order alternates, so that a drift of the
    /// machine affects both. The tracer is started and stopped for each traced sample, because its probes
    /// slow every process while it is attached.
    fn probe_effect(&self, request: &Request, document: &mut Option<Document>) -> Result<ExitCode, Error> {
        let pairs = if request.iterations == 1 { PAIRS } else { request.iterations };
        let single = Request { iterations: 1, ..request.clone() };
        let mut sample = |with_tracer: bool| -> Result<f64, Error> {
            let mut own = None;
            let run = |own: &mut Option<Document>| {
                run_benchmark(single.clone(), self.argv.to_vec(), own, self.output)
            };
            if with_tracer { self.watch(&mut own, run) } else { run(&mut own) }?;
            let mut own = own.unwrap_or_default();
            let seconds = own.benchmark_samples.first().map_or(f64::NAN, |sample| sample.time);
            let earlier = document.take().unwrap_or_default().benchmark_samples;
            own.benchmark_samples.splice(0..0, earlier);
            *document = Some(own);
            Ok(seconds)
        };
        let (mut traced_seconds, mut untraced_seconds) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            for with_tracer in [pair % 2 == 0, pair % 2 == 1] {
                let seconds = sample(with_tracer)?;
                if with_tracer { &mut traced_seconds } else { &mut untraced_seconds }.push(seconds);
            }
        }
        let times = traced_seconds.iter().zip(&untraced_seconds);
        let ratios: Vec<f64> = times.map(|(traced, untraced)| traced / untraced).collect();
        document.get_or_insert_default().probe_effect = Some(ProbeEffect {
            ratio_median: stats::median(&ratios).unwrap_or(f64::NAN),
            ratio_interval: stats::median_interval(&ratios),
            traced_seconds,
            untraced_seconds,
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// Time that the benchmark may take to end after a signal.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Runs the benchmark in another process, because a script follows a program from its start, by its name.
fn run_in_child(request: Request, document: &mut Option<Document>) -> Result<ExitCode, Error> {
    let failed = |reason: String| Error::unavailable("the benchmark", reason, "run it without trace first");
    let mut command = Job::Run(Box::new(request.job())).command(&this_program()?);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = ProcessGroup::spawn(&mut command).map_err(|error| failed(error.to_string()))?;
    let (stdout, stderr) = (collect(group.child().stdout.take()), collect(group.child().stderr.take()));
    let outcome = group.wait_within(Duration::MAX, interrupt::check);
    if outcome.is_err() {
        // The benchmark prints the samples that it has finished.
        group.interrupt();
        let Ok(_) = group.wait_within(END_LIMIT, || Ok::<(), Infallible>(()));
    }
    group.kill();
    let (printed, message) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    match serde_json::from_slice::<Document>(&printed) {
        Ok(printed) => {
            let error = document.insert(printed).error.take();
            outcome?;
            error.map_or(Ok(ExitCode::SUCCESS), |error| Err(failed(error.message)))
        }
        Err(_) => {
            outcome?;
            let message = String::from_utf8_lossy(&message);
            Err(failed(message.trim().trim_start_matches("iobench: ").to_owned()))
        }
    }
}

/// Reads a stream to its end on a thread, so that the child never waits for space in the pipe.
fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is used.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        bytes
    })
}

/// The parts to show. The default is system calls, and for a ring also the operations that it submits.
fn shown_parts(args: &TraceArgs, request: &Request) -> BTreeSet<Show> {
    if !args.show.is_empty() {
        return Show::expand(&args.show, args.with);
    }
    let queued = request.strategy.info().properties.mechanism == Mechanism::Queue;
    if queued && args.with == TracerName::Bpftrace {
        [Show::Syscalls, Show::Uring].into()
    } else {
        [Show::Syscalls].into()
    }
}

/// This process, and the disks that store the files.
fn watched(paths: &[PathBuf]) -> Watched {
    let disks = |path: &PathBuf| host::configuration(Some(path)).storage.device_disks.unwrap_or_default();
    let names: BTreeSet<String> = paths.iter().flat_map(disks).collect();
    let number = |name: &String| {
        let device = std::fs::metadata(Path::new("/dev").join(name)).ok()?.rdev();
        Some((libc::major(device) as u64, libc::minor(device) as u64))
    };
    Watched { pid: std::process::id(), disks: names.iter().filter_map(number).collect() }
}

//! `iobench trace`: a benchmark in this process, and a tracer beside it that watches this process.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use clap::Parser;

use super::output::{Output, print_error};
use super::request::Request;
use super::run;
use crate::cli::{self, RunArgs, TraceArgs, TracedRun};
use crate::engine::interrupt;
use crate::engine::strategy::Strategy;
use crate::error::Error;
use crate::host;
use crate::report::document::{Document, ErrorRecord};
use crate::report::explain;
use crate::stats;
use crate::trace::bpftrace::Subject;
use crate::trace::program::Program;
use crate::trace::record::ProbeEffect;
use crate::trace::show::{Show, TracerName};

/// Runs a benchmark under a tracer and prints one result.
///
/// # Errors
/// [`Error::System`] if the tracer cannot run or did not see everything, and those of the
/// benchmark; the benchmark's result is printed in any case.
pub fn run(args: &TraceArgs, argv: Vec<String>, strategies: &[&'static dyn Strategy]) -> Result<(), Error> {
    let benchmark = match TracedRun::try_parse_from(&args.benchmark) {
        Ok(parsed) => RunArgs { json: parsed.run.json | args.json, ..parsed.run },
        Err(error) if !error.use_stderr() => return error.print().map_err(Error::Output),
        Err(error) => return Err(refuse(args, Error::Usage(behind_the_dashes(&error)))),
    };
    let program = program(args, &benchmark, strategies).map_err(|error| refuse(args, error))?;
    if args.print_script {
        return io::stdout().write_all(program.text().as_bytes()).map_err(Error::Output);
    }
    let output = Output::deferred(&benchmark);
    let mut document = Document::default();
    if args.probe_effect {
        let outcome = probe_effect(&program, &benchmark, &argv, strategies, &mut document, &output);
        document.error = outcome.as_ref().err().map(ErrorRecord::new);
        let written = output.end(document);
        return outcome.and(written);
    }
    let outcome = traced(&program, &mut document, |document| match &args.script {
        Some(_) => run_apart(args, document),
        None => run::run(&benchmark, argv, strategies, document, &output),
    });
    document.explanation = benchmark.explain.then(|| explain::sentences(&document));
    document.error = outcome.as_ref().err().map(ErrorRecord::new);
    let written = output.end(document);
    outcome.and(written)
}

/// What the tracer runs, once it is clear that there is a benchmark to trace.
fn program(
    args: &TraceArgs,
    benchmark: &RunArgs,
    strategies: &[&'static dyn Strategy],
) -> Result<Program, Error> {
    Request::new(benchmark, strategies)?;
    match &args.script {
        Some(path) => Program::own(args.with, path),
        None => Program::showing(args.with, shown(args, benchmark, strategies), &subject(benchmark)),
    }
}

/// Runs `benchmark` while the tracer of `program` watches, and puts what it saw into the document.
fn traced(
    program: &Program,
    document: &mut Document,
    benchmark: impl FnOnce(&mut Document) -> Result<(), Error>,
) -> Result<(), Error> {
    interrupt::install();
    let tracer = program.start()?;
    let outcome = benchmark(document);
    let (records, trace) = program.finish(tracer, document.benchmark_samples.len(), outcome.is_err());
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

/// Pairs of a probe effect where `-n` does not say otherwise: enough for an interval.
const PAIRS: u64 = 10;

/// One traced and one untraced sample in turn, who goes first alternating, so that a drift of the
/// machine falls on both. The tracer is started and ended for each traced sample: while it is
/// attached every process pays for its probes.
fn probe_effect(
    program: &Program,
    benchmark: &RunArgs,
    argv: &[String],
    strategies: &[&'static dyn Strategy],
    document: &mut Document,
    output: &Output,
) -> Result<(), Error> {
    let pairs = cli::count(&benchmark.iterations).unwrap_or(1);
    let pairs = if pairs == 1 { PAIRS } else { pairs };
    let single = RunArgs { iterations: "1".to_owned(), ..benchmark.clone() };
    let mut sample = |with_tracer: bool| -> Result<f64, Error> {
        let mut own = Document::default();
        let run = |own: &mut Document| run::run(&single, argv.to_vec(), strategies, own, output);
        if with_tracer { traced(program, &mut own, run) } else { run(&mut own) }?;
        let seconds = own.benchmark_samples.first().map(|sample| sample.time);
        own.benchmark_samples.splice(0..0, document.benchmark_samples.drain(..));
        *document = own;
        Ok(seconds.unwrap_or(f64::NAN))
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
    document.probe_effect = Some(ProbeEffect {
        ratio_median: stats::median(&ratios).unwrap_or(f64::NAN),
        ratio_interval: stats::median_interval(&ratios),
        traced_seconds,
        untraced_seconds,
    });
    Ok(())
}

/// The benchmark as a process of its own: scripts follow a program from its start, by its name.
fn run_apart(args: &TraceArgs, document: &mut Document) -> Result<(), Error> {
    let failed = |reason: String| Error::System {
        call: "the benchmark",
        reason,
        remedy: "run it without trace first".to_owned(),
    };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let child = Command::new(program).args(&args.benchmark).args(["-j", "-v"]).output();
    interrupt::check()?;
    let child = child.map_err(|error| failed(error.to_string()))?;
    if child.status.success() && child.stdout.is_empty() {
        // -q: nothing is printed, and nothing is to be.
        return Ok(());
    }
    *document = serde_json::from_slice(&child.stdout).map_err(|_| {
        let sentence = String::from_utf8_lossy(&child.stderr);
        failed(sentence.trim().trim_start_matches("iobench: ").to_owned())
    })?;
    document.error.take().map_or(Ok(()), |error| Err(failed(error.message)))
}

fn behind_the_dashes(error: &clap::Error) -> String {
    format!("behind --: {}", cli::in_one_sentence(error))
}

/// Nothing is run for this reason: with `-j`, on either side of the dashes, that is a document too.
fn refuse(args: &TraceArgs, error: Error) -> Error {
    if args.json || args.benchmark.iter().any(|word| cli::asks_for_json(&word.to_string_lossy())) {
        print_error(&error);
    }
    error
}

/// What is shown if nothing was asked for: system calls, and the operations behind those of a ring.
fn shown(args: &TraceArgs, benchmark: &RunArgs, strategies: &[&'static dyn Strategy]) -> BTreeSet<Show> {
    if !args.show.is_empty() {
        return Show::expand(&args.show, args.with);
    }
    let queued = strategies
        .iter()
        .any(|strategy| strategy.info().name == benchmark.strategy && strategy.info().deepest_queue > 1);
    match queued && args.with == TracerName::Bpftrace {
        true => [Show::Syscalls, Show::Uring].into(),
        false => [Show::Syscalls].into(),
    }
}

/// This process, and the disks beneath the file that it will use.
fn subject(benchmark: &RunArgs) -> Subject {
    let storage = benchmark.words.last().map(|path| host::configuration(Some(path)).storage);
    let names = storage.and_then(|storage| storage.device_disks).unwrap_or_default();
    let number = |name: &String| {
        let device = std::fs::metadata(Path::new("/dev").join(name)).ok()?.rdev();
        Some((libc::major(device) as u64, libc::minor(device) as u64))
    };
    Subject { pid: std::process::id(), disks: names.iter().filter_map(number).collect() }
}

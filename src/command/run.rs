//! `-c`, `-r`, `-w` and `describe`: the benchmark of the lab, with any strategy.

use std::process::ExitCode;

use super::output::Output;
use super::prepared::{self, Prepared};
use super::request::Request;
use crate::engine::affinity;
use crate::engine::buffer::BufferPool;
use crate::engine::cache::CacheState;
use crate::engine::create;
use crate::engine::extents;
use crate::engine::interrupt;
use crate::engine::iteration::{Iteration, Sample};
use crate::engine::operation::Mode;
use crate::engine::prepare;
use crate::engine::target::Target;
use crate::error::{Error, ErrorKind};
use crate::host;
use crate::report::document::{Document, SampleRecord, Warning, WarningKind};

/// Measures a run. The document is filled in step by step, so it is valid after an error.
///
/// # Errors
/// The first error. The document holds the samples that were measured before it.
pub(crate) fn run(
    request: Request,
    argv: Vec<String>,
    document: &mut Option<Document>,
    output: &Output,
) -> Result<ExitCode, Error> {
    interrupt::install();
    // The CPU is checked before a file is created or truncated, so that a refused run changes nothing.
    let cpu = affinity::pin(request.workload.cpu)?;
    let created = prepared::make_file(&request)?;
    let target = Target::open(&request.path, request.workload.direction, request.allow_device_write)?;
    let creates = request.mode == Mode::Create;
    if !creates {
        target.check_holds(request.file_bytes(), request.workload.block_bytes)?;
    }
    let prepared = Prepared::new(request, &target, cpu)?;
    prepare::touch_program();

    let document = document.insert(Document::default());
    let unstored = if creates { None } else { extents::unstored(&target, prepared.request.file_bytes()) };
    for warning in prepared.warnings(unstored) {
        output.warn(&mut document.warnings, warning);
    }
    let mut configuration = prepared::configuration(&prepared.request, argv, created);
    prepared::describe_extents(&mut configuration, unstored);
    document.host_configuration = Some(host::configuration(Some(target.path())));
    // Only -v prints the conditions. Without -v they are not read, because the lab's D script still counts
    // the calls after the closing bracket.
    document.conditions_before = output.is_verbose().then(host::conditions);
    document.benchmark_configuration = Some(configuration);
    let mut benchmark = Benchmark { prepared: &prepared, target: &target, document, output };
    let outcome = match prepared.request.mode {
        Mode::Describe => output.begin(benchmark.document),
        Mode::Create => benchmark.create_file(),
        Mode::Read | Mode::Write => benchmark.iterate(),
    };
    document.conditions_after = output.is_verbose().then(host::conditions);
    outcome.map(|()| ExitCode::SUCCESS)
}

/// A run that has passed all checks.
struct Benchmark<'a> {
    prepared: &'a Prepared,
    target: &'a Target,
    document: &'a mut Document,
    output: &'a Output,
}

impl Benchmark<'_> {
    fn iterate(&mut self) -> Result<(), Error> {
        let Prepared { request, plan, .. } = self.prepared;
        for number in 0..request.iterations {
            if request.mode == Mode::Create {
                create::truncate(&request.path, request.workload.total_bytes)?;
            }
            let mut pool = BufferPool::default();
            let iteration = Iteration::open(request.strategy, self.target, plan, &mut pool)?;
            if number == 0 {
                self.begin(&iteration)?;
            }
            let sample = iteration.measure()?;
            self.report(&sample)?;
        }
        Ok(())
    }

    /// Prints the configuration, before the preparation of the first sample.
    fn begin(&mut self, iteration: &Iteration) -> Result<(), Error> {
        if let Some(configuration) = &mut self.document.benchmark_configuration {
            configuration.granted = Some(self.prepared.granted(iteration.effective()));
        }
        self.output.begin(self.document)
    }

    fn report(&mut self, sample: &Sample) -> Result<(), Error> {
        if sample.cache_reached == Some(false) {
            let warning = cache_warning(self.prepared.plan.preparation.cache, sample);
            self.output.warn(&mut self.document.warnings, warning);
        }
        let record = SampleRecord::from(sample);
        self.output.sample(&record)?;
        self.document.benchmark_samples.push(record);
        Ok(())
    }

    /// Create mode: first the timed writes of the lab, then the position-dependent pattern. The bracket
    /// therefore encloses the same calls as in write mode, and the file does not hold zeros.
    fn create_file(&mut self) -> Result<(), Error> {
        let Request { path, workload, .. } = &self.prepared.request;
        let is_output = |error: &Error| error.kind() == ErrorKind::Output;
        let measured = self.iterate();
        let made = match &measured {
            // The file is also a result: it is completed even if standard output is closed.
            Err(error) if !is_output(error) => measured,
            _ => create::lay_pattern(path, workload.total_bytes).and(measured),
        };
        made.map_err(|error| if is_output(&error) { error } else { create::half_made(path, error) })
    }
}

fn cache_warning(requested: CacheState, sample: &Sample) -> Warning {
    let state = if requested == CacheState::Cold { "cold" } else { "warm" };
    let percent = sample.resident_fraction_before.unwrap_or(0.0) * 100.0;
    let message =
        format!("the sample did not start {state}: {percent:.1} % of the range was in the page cache");
    Warning::new(WarningKind::CacheNotReached, message)
}

//! `-c`, `-r`, `-w` and `describe`: the benchmark of the lab through any strategy.

use std::path::Path;

use super::output::Output;
use super::prepared::{self, Prepared};
use super::request::{self, Mode, Request};
use crate::cli::RunArgs;
use crate::engine::affinity;
use crate::engine::cache::CacheState;
use crate::engine::create;
use crate::engine::extents;
use crate::engine::interrupt;
use crate::engine::iteration::{self, Sample};
use crate::engine::prepare;
use crate::engine::probes;
use crate::engine::strategy::{Direction, Effective, Strategy};
use crate::engine::target::Target;
use crate::error::Error;
use crate::host;
use crate::report::document::{BenchmarkConfiguration, Document, SampleRecord};

/// Carries out a run. What is known at any time, up to an error, is in `document`.
///
/// # Errors
/// The first error; the samples before it are in the document.
pub fn run(
    args: &RunArgs,
    argv: Vec<String>,
    strategies: &[&'static dyn Strategy],
    document: &mut Document,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::new(args, strategies)?;
    interrupt::install();
    // Before a file is made or truncated: a run that is refused leaves everything as it was.
    let cpu = affinity::pin(request.cpu)?;
    let created = prepared::make_file(&request)?;
    let target = Target::open(&request.path, request.mode.direction(), request.allow_device_write)?;
    if request.mode != Mode::Create {
        target.check_holds(request.file_bytes(), request.block_bytes)?;
    }
    let prepared = Prepared::new(request, &target, cpu)?;
    probes::register();
    prepare::touch_program();

    let mut configuration = prepared::configuration(&prepared.request, argv, created);
    warn_of_iodepth(&prepared, output);
    warn_of_buffered_writes(&prepared.request, output);
    describe_extents(&prepared.request, &target, &mut configuration, output);
    document.host_configuration = Some(host::configuration(Some(target.path())));
    // Printed with -v only; without it, nothing is read behind the bracket, where the lab's D script
    // goes on counting.
    let verbose = request::is_verbose(args);
    document.conditions_before = verbose.then(host::conditions);
    document.benchmark_configuration = Some(configuration);
    let mut benchmark = Benchmark { prepared: &prepared, target: &target, document, output };
    let outcome = match prepared.request.mode {
        Mode::Describe => output.begin(benchmark.document),
        Mode::Create => benchmark.create_file(),
        Mode::Read | Mode::Write => benchmark.iterate(),
    };
    document.conditions_after = verbose.then(host::conditions);
    outcome
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
        for iteration in 0..request.iterations {
            if request.mode == Mode::Create {
                create::truncate(&request.path, request.total_bytes)?;
            }
            let (prepared, document, output) = (self.prepared, &mut *self.document, self.output);
            let opened = |effective: &Effective| {
                if iteration > 0 {
                    return Ok(());
                }
                if let Some(configuration) = &mut document.benchmark_configuration {
                    configuration.granted = Some(prepared.granted(effective));
                }
                output.begin(document)
            };
            let sample = iteration::run(request.strategy, self.target, plan, opened)?;
            self.report(&sample)?;
        }
        Ok(())
    }

    fn report(&mut self, sample: &Sample) -> Result<(), Error> {
        if sample.cache_reached == Some(false) {
            warn_of_cache(self.prepared.plan.cache, sample.resident_fraction_before, self.output);
        }
        self.document.benchmark_samples.push(SampleRecord::from(sample));
        self.document.benchmark_samples.last().map_or(Ok(()), |record| self.output.sample(record))
    }

    /// Create mode: the lab's timed writes, then the pattern over them. The bracket thus encloses
    /// what it encloses in write mode, and the file still holds no zeros.
    fn create_file(&mut self) -> Result<(), Error> {
        let Request { path, total_bytes, .. } = &self.prepared.request;
        let measured = self.iterate();
        let made = match &measured {
            // The file was asked for too: it is made even if its description is not read to the end.
            Ok(()) | Err(Error::Output(_)) => create::lay_pattern(path, *total_bytes).and(measured),
            Err(_) => measured,
        };
        made.map_err(|error| match error {
            Error::Output(_) => error,
            error => create::half_made(path, error),
        })
    }
}

fn warn_of_iodepth(prepared: &Prepared, output: &Output) {
    let Prepared { request, limits, .. } = prepared;
    if let Some(depth) = request.iodepth.filter(|depth| *depth > limits.deepest_queue) {
        output.warn(&format!(
            "--iodepth {depth} has no meaning for {}: one operation is in flight at a time",
            request.strategy.info().name
        ));
    }
}

/// Reading what was never written is not reading: say so, and put the figures into the result.
fn describe_extents(
    request: &Request,
    target: &Target,
    configuration: &mut BenchmarkConfiguration,
    output: &Output,
) {
    if request.mode == Mode::Create {
        return;
    }
    prepared::describe_extents(configuration, extents::unstored(target, request.file_bytes()));
    if let Some(sentence) = configuration.never_written() {
        output.warn(&sentence);
    }
}

/// btrfs takes O_DIRECT for writing and still copies into the page cache when the
/// file has data checksums (seen on Linux 6.18): nothing that the program can ask for tells.
fn warn_of_buffered_writes(request: &Request, output: &Output) {
    let writes = request.direct && request.mode.direction() == Direction::Write;
    if writes && host::filesystem(&request.path).is_some_and(|filesystem| filesystem.kind == "btrfs") {
        output.warn(&format!(
            "{}: btrfs may write through the page cache in spite of O_DIRECT, because it checksums data; \
             chattr +C on an empty file switches that off",
            request.path.display()
        ));
    }
}

fn warn_of_cache(asked: CacheState, resident_fraction: Option<f64>, output: &Output) {
    let state = if asked == CacheState::Cold { "cold" } else { "warm" };
    let percent = resident_fraction.unwrap_or(0.0) * 100.0;
    output.warn(&format!(
        "the sample did not start {state}: {percent:.1} % of the range was in the page cache"
    ));
}

/// The name a program was started by, for usage texts.
pub fn is_lab_name(program: &str) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == "io-benchmark")
}

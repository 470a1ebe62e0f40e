//! `-c`, `-r`, `-w` and `describe`: the benchmark of the lab, with any strategy.

use std::process::ExitCode;

use super::output::Output;
use super::prepared::{self, Prepared};
use super::request::Request;
use crate::engine::affinity;
use crate::engine::bracket::Elapsed;
use crate::engine::buffer::BufferPool;
use crate::engine::cache::CacheState;
use crate::engine::create::DataFile;
use crate::engine::iteration::{Iteration, Sample};
use crate::engine::operation::Mode;
use crate::engine::prepare;
use crate::error::{Error, ErrorKind};
use crate::host;
use crate::report::document::{Document, SampleRecord, TargetRecord, Warning, WarningKind};

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
    // The CPU is checked before a file is created or truncated, so that a refused run changes nothing.
    let cpu = affinity::pin(request.workload.cpu)?;
    if request.mode != Mode::Create {
        return measure(request, cpu, None, argv, document, output);
    }
    prepared::check_memory(&request.workload)?;
    let Request { ref path, workload, allow_device_write, .. } = request;
    let mut file = DataFile::open(path, workload.total_bytes, allow_device_write)?;
    let outcome = measure(request, cpu, Some(&mut file), argv, document, output);
    // The file is also a result: it is complete even if standard output is closed.
    outcome.map_err(|error| if error.kind() == ErrorKind::Output { error } else { file.abandon(error) })
}

/// Checks the request against its target, and measures it. Create mode has a `file`.
fn measure(
    request: Request,
    cpu: Option<usize>,
    file: Option<&mut DataFile>,
    argv: Vec<String>,
    document: &mut Option<Document>,
    output: &Output,
) -> Result<ExitCode, Error> {
    let created = prepared::make_missing_files(&request)?;
    let targets = request.open_targets()?;
    let prepared = Prepared::new(request, targets, cpu)?;
    let creates = file.is_some();
    if !creates {
        prepared.check_hold()?;
    }
    let target = prepared.targets.first();
    prepare::touch_program();

    let document = document.insert(Document::default());
    let unstored = if creates { None } else { prepared.unstored() };
    let former_bytes = file.as_ref().and_then(|file| file.former_bytes());
    let created = created || (creates && former_bytes.is_none());
    let mut configuration = prepared::configuration(&prepared.request, argv, created);
    configuration.truncated_bytes = former_bytes;
    configuration.target = Some(TargetRecord::from(target));
    configuration.offsets_digest = prepared.plan.offsets_digest.map(|digest| format!("{digest:016x}"));
    prepared::describe_extents(&mut configuration, unstored);
    let warnings = prepared
        .warnings(&configuration)
        .into_iter()
        .chain(prepared::shared_cpu_warning(&prepared.request.workload));
    for warning in warnings {
        output.warn(&mut document.warnings, warning);
    }
    document.host_configuration = Some(host::configuration(Some(target.path())));
    // Only -v prints the conditions. Without -v they are not read, because the lab's D script still counts
    // the calls after the closing bracket.
    document.conditions_before = output.is_verbose().then(host::conditions);
    document.benchmark_configuration = Some(configuration);
    let mut benchmark = Benchmark { prepared: &prepared, document, output };
    let outcome = match (prepared.request.mode, file) {
        (Mode::Describe, _) => output.begin(benchmark.document),
        (_, Some(file)) => benchmark.create_file(file),
        (_, None) => benchmark.measure_file(),
    };
    document.conditions_after = output.is_verbose().then(host::conditions);
    outcome.map(|()| ExitCode::SUCCESS)
}

/// A run that has passed all checks.
struct Benchmark<'a> {
    prepared: &'a Prepared,
    document: &'a mut Document,
    output: &'a Output,
}

impl Benchmark<'_> {
    /// Read and write mode: all iterations, and a last look at the file.
    fn measure_file(&mut self) -> Result<(), Error> {
        let outcome = self.iterate(|| Ok(()));
        // Any other error says what became of the file.
        let ended = outcome.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Interrupted);
        if let Some(warning) = self.prepared.resized_warning().filter(|_| ended) {
            self.output.warn(&mut self.document.warnings, warning);
        }
        outcome.and_then(|()| self.prepared.finish())
    }

    /// All iterations, each after `before`.
    fn iterate(&mut self, mut before: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let Prepared { request, .. } = self.prepared;
        let (mut number, mut first_ns, mut spent_ns) = (0, None, 0);
        // By the clock of the brackets. Another reading could be a system call, which tracers take for a
        // bracket.
        let goes_on = |number, spent_ns: u64| match request.for_seconds {
            Some(seconds) => (spent_ns as f64) < seconds * 1e9,
            None => number < request.iterations,
        };
        while goes_on(number, spent_ns) {
            before()?;
            let mut pool = BufferPool::default();
            let iteration = self.prepared.open(&mut pool)?;
            if number == 0 {
                self.begin(&iteration)?;
            }
            let sample = iteration.measure()?;
            self.report(&sample)?;
            let Elapsed { opened_ns, total_ns, .. } = sample.elapsed;
            spent_ns = opened_ns + total_ns - *first_ns.get_or_insert(opened_ns);
            number += 1;
            if let Some(configuration) = &mut self.document.benchmark_configuration {
                configuration.iterations = configuration.iterations.max(number);
            }
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
        let cache = self.prepared.plan.preparation.cache;
        let record = SampleRecord::from(sample);
        let is_first = self.document.benchmark_samples.is_empty();
        if let Some(warning) = cache_warning(cache, &record, is_first) {
            self.output.warn(&mut self.document.warnings, warning);
        }
        let warned = self.document.warnings.iter().any(|warning| warning.kind == WarningKind::RateNotReached);
        if let Some(warning) = self.rate_warning(&record).filter(|_| !warned) {
            self.output.warn(&mut self.document.warnings, warning);
        }
        if let Some(configuration) = &mut self.document.benchmark_configuration {
            let known = configuration.direct_from_memory().is_some();
            configuration.add_evidence(&record);
            if let Some(warning) = configuration.direct_from_memory().filter(|_| !known) {
                self.output.warn(&mut self.document.warnings, warning);
            }
        }
        let printed = self.output.sample(&record);
        self.document.benchmark_samples.push(record);
        printed
    }

    /// The warning about a sample that did not reach the requested rate, if it did not. Only the first has
    /// one.
    fn rate_warning(&self, sample: &SampleRecord) -> Option<Warning> {
        let (rate, achieved) = (self.prepared.request.workload.rate? as f64, sample.achieved_rate?);
        let message = format!(
            "the rate was not reached: {achieved:.0} of {rate:.0} I/Os per second; latencies count from the \
             time at which each I/O was due"
        );
        (achieved < REACHED_FRACTION * rate).then(|| Warning::new(WarningKind::RateNotReached, message))
    }

    /// Create mode: first the timed writes of the lab, then the position-dependent pattern. The bracket
    /// therefore encloses the same calls as in write mode, and the file does not hold zeros.
    fn create_file(&mut self, file: &mut DataFile) -> Result<(), Error> {
        let measured = self.iterate(|| file.truncate());
        match &measured {
            Err(error) if error.kind() != ErrorKind::Output => measured,
            _ => file.lay_pattern(self.prepared.request.workload.total_bytes).and(measured),
        }
    }
}

/// Fraction of the requested rate that counts as reached.
const REACHED_FRACTION: f64 = 0.99;

/// The warning about a sample that did not start in the requested state. If the state cannot be checked, only
/// the first sample has a warning.
fn cache_warning(requested: CacheState, sample: &SampleRecord, is_first: bool) -> Option<Warning> {
    if requested == CacheState::AsIs {
        return None;
    }
    let state = requested.name();
    let message = match (sample.cache_reached, sample.resident_fraction_before) {
        (Some(true), _) => return None,
        (_, None) if !is_first => return None,
        (_, None) => format!("whether the samples started {state} could not be checked here"),
        (_, Some(resident)) => format!(
            "the sample did not start {state}: {:.1} % of the range was in the page cache{}",
            100.0 * resident,
            sample.device_read_bytes.map_or(String::new(), |bytes| format!(
                ", and {bytes} of {} bytes came from a device",
                sample.transferred_bytes
            ))
        ),
    };
    Some(Warning::new(WarningKind::CacheNotReached, message))
}

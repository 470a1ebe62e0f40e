//! `iobench ab`: compares two settings in one process. It measures pairs, with one sample of each setting per
//! pair.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::compare::exit_code;
use super::context::Context;
use super::prepared::{self, Prepared};
use super::request::Request;
use crate::cli::{self, AbArgs, RunArgs};
use crate::engine::affinity;
use crate::engine::buffer::BufferPool;
use crate::engine::cache::CacheState;
use crate::engine::interrupt::{self, Deadline};
use crate::engine::iteration::Sample;
use crate::engine::operation::Mode;
use crate::engine::prepare;
use crate::engine::workload::Workload;
use crate::error::{Error, ErrorKind};
use crate::random::Random;
use crate::report::comparison::{Comparison, PairRecord, judge_pairs};
use crate::report::document::{BenchmarkConfiguration, SampleRecord, TargetRecord, Warning};
use crate::report::latency::Metric;
use crate::stats;

/// Runs both settings, and compares them.
///
/// # Errors
/// The errors of either setting. The document holds the pairs that were measured before the error.
pub(crate) fn run(
    args: &AbArgs,
    context: &Context,
    document: &mut Option<Comparison>,
) -> Result<ExitCode, Error> {
    let (first, second) = split(&args.settings)?;
    // Both settings are checked before a file is created.
    let setting = |arguments| Setting::new(arguments, args.metric, context);
    let (first_request, second_request) = (setting(first)?, setting(second)?);
    let (mut old, mut new) = (Side::new(first_request)?, Side::new(second_request)?);
    fit_totals(&mut old, &mut new, args.metric)?;
    let threshold = args.comparison.threshold;
    let comparison = document.insert(Comparison {
        warnings: [old.warnings(), new.warnings()].concat(),
        old: old.name.clone(),
        new: new.name.clone(),
        threshold,
        seed: Some(args.seed),
        metric: args.metric,
        ..Comparison::default()
    });
    prepare::touch_program();
    let outcome = pairs(&mut old, &mut new, args, &mut comparison.pairs);
    let outcome = outcome.and_then(|()| old.finish()).and_then(|()| new.finish());
    let resized = [&old, &new].into_iter().find_map(|side| side.prepared.resized_warning());
    comparison.warnings.extend(resized);
    comparison.warnings.extend([old.evidence(), new.evidence()].concat());
    judge_pairs(comparison, &new.configuration);
    comparison.configurations = vec![old.configuration, new.configuration];
    outcome?;
    Ok(exit_code(comparison))
}

/// Measures the pairs. On an error, `pairs` holds those before it.
fn pairs(old: &mut Side, new: &mut Side, args: &AbArgs, pairs: &mut Vec<PairRecord>) -> Result<(), Error> {
    // The first sample of each setting does not count, because caches and branch predictors are cold.
    for sample in [old.sample()?, new.sample()?] {
        check_metric(&sample, args.metric)?;
    }
    let budget = if args.pairs.is_some() { NO_BUDGET } else { args.budget };
    let (started, _deadline) = (Instant::now(), Deadline::after(budget));
    let mut random = Random::new(args.seed);
    let mut next_look = stats::FIRST_LOOK;
    let mut ratios = Vec::new();
    while args.pairs.is_none_or(|most| (pairs.len() as u64) < most) && started.elapsed() < budget {
        match random.pair(|| old.sample(), || new.sample()) {
            Ok((old, new)) => pairs.push(PairRecord::new(&old, &new, args.metric)),
            Err(error) if error.kind() == ErrorKind::Interrupted && interrupt::is_time_up() => break,
            Err(error) => return Err(error),
        }
        ratios.extend(pairs.last().filter(|pair| !pair.disturbed).map(PairRecord::ratio));
        if args.pairs.is_some() || ratios.len() < next_look {
            continue;
        }
        match stats::decide(&ratios, next_look, args.precision, usize::MAX) {
            stats::Decision::Continue { until_n } => next_look = until_n,
            stats::Decision::Precise | stats::Decision::LargestN => break,
        }
    }
    Ok(())
}

/// Refuses a percentile for which the samples have too few I/Os.
fn check_metric(sample: &SampleRecord, metric: Metric) -> Result<(), Error> {
    if metric == Metric::Time || metric.of(&sample.latencies).is_some() {
        return Ok(());
    }
    let (name, ios) = (metric.name(), sample.io_count);
    Err(Error::usage(format!("--metric {name}: a sample of {ios} I/Os has no {name}; use a larger -t")))
}

/// A number of pairs may take any time: a year.
const NO_BUDGET: Duration = Duration::from_secs(365 * 24 * 3600);

/// The arguments before and after the second `--`.
fn split(settings: &[OsString]) -> Result<(&[OsString], &[OsString]), Error> {
    let mut sides = settings.split(|word| word == "--").filter(|side| !side.is_empty());
    match (sides.next(), sides.next(), sides.next()) {
        (Some(first), Some(second), None) => Ok((first, second)),
        _ => Err(Error::usage("ab: give two settings, as in: iobench ab -- -r -b 4k FILE -- -r -b 64k FILE")),
    }
}

/// The arguments of one setting.
struct Setting {
    name: String,
    request: Request,
    /// True if the arguments give the total.
    total_is_given: bool,
}

impl Setting {
    fn new(arguments: &[OsString], metric: Metric, context: &Context) -> Result<Setting, Error> {
        let no_help = || Error::usage("ab: give the arguments of a benchmark; see iobench --help");
        let parsed = cli::parse_nested(arguments)?.ok_or_else(no_help)?;
        let without_pause = RunArgs { settle: Some(parsed.settle.unwrap_or_default()), ..parsed };
        let mut request = Request::new(&without_pause, context.strategies)?;
        if !matches!(request.mode, Mode::Read | Mode::Write) {
            return Err(Error::usage("ab: give -r or -w in both settings"));
        }
        // A write with O_DIRECT would invalidate cached pages within its sample.
        if request.workload.direct && request.preparation.cache == CacheState::AsIs {
            request.preparation.cache = CacheState::Cold;
        }
        request.usage = true;
        request.workload.latency |= metric != Metric::Time;
        let name = arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Ok(Setting { name, request, total_is_given: without_pause.total_bytes.is_some() })
    }
}

/// One of the two settings, ready to be measured.
struct Side {
    name: String,
    prepared: Prepared,
    total_is_given: bool,
    configuration: BenchmarkConfiguration,
    /// Number of samples that did not start in the requested cache state.
    cache_missed: u64,
    samples: u64,
}

/// Maximum duration of a sample. Short samples are disturbed less often, and many of them are precise.
const LONGEST_SAMPLE: Duration = Duration::from_millis(1);

/// Number of I/Os of a trial that estimates the time per I/O.
const TRIAL_IOS: u64 = 64;

impl Side {
    fn new(setting: Setting) -> Result<Side, Error> {
        let Setting { name, request, total_is_given } = setting;
        let cpu = affinity::pin(request.workload.cpu)?;
        prepared::make_missing_files(&request)?;
        let targets = request.open_targets()?;
        let prepared = Prepared::new(request, targets, cpu)?;
        prepared.check_hold()?;
        let mut configuration = prepared::configuration(&prepared.request, Vec::new(), false);
        configuration.target = Some(TargetRecord::from(prepared.targets.first()));
        Ok(Side { name, prepared, total_is_given, configuration, cache_missed: 0, samples: 0 })
    }

    /// Bytes that a sample of [`LONGEST_SAMPLE`] moves: a power of two of blocks.
    fn fitting_bytes(&mut self) -> Result<u64, Error> {
        let Workload { block_bytes, total_bytes, .. } = self.prepared.request.workload;
        self.set_total(total_bytes.min(TRIAL_IOS * block_bytes))?;
        let seconds =
            self.sample()?.time.min(self.sample()?.time) / self.prepared.plan.workload.blocks() as f64;
        let ios = LONGEST_SAMPLE.as_secs_f64() / seconds.max(f64::MIN_POSITIVE);
        let ios = (ios as u64).clamp(1, (total_bytes / block_bytes).max(1));
        // A sample must fill the queue of each worker at least once.
        let Workload { threads, .. } = self.prepared.plan.workload;
        let ios = ios.max(u64::from(self.prepared.plan.workload.depth()) * u64::from(threads));
        Ok((block_bytes << ios.ilog2()).min(total_bytes))
    }

    fn set_total(&mut self, total_bytes: u64) -> Result<(), Error> {
        self.prepared = self.prepared.with_total(total_bytes)?;
        let workload = self.prepared.request.workload;
        (self.configuration.totalsize, self.configuration.requested.total_bytes) = (total_bytes, total_bytes);
        self.configuration.blockcount = workload.blocks();
        Ok(())
    }

    /// Warnings that are known before the first sample.
    fn warnings(&mut self) -> Vec<Warning> {
        prepared::describe_extents(&mut self.configuration, self.prepared.unstored());
        let shared_cpu = prepared::shared_cpu_warning(&self.prepared.request.workload);
        let warnings = self.prepared.warnings(&self.configuration).into_iter().chain(shared_cpu);
        self.named(warnings.collect())
    }

    /// Warnings that the samples gave cause for.
    fn evidence(&self) -> Vec<Warning> {
        let cache = self.prepared.request.preparation.cache;
        let missed = prepared::cache_missed(cache, self.cache_missed, self.samples);
        self.named([missed, self.configuration.direct_from_memory()].into_iter().flatten().collect())
    }

    fn named(&self, warnings: Vec<Warning>) -> Vec<Warning> {
        let named =
            |warning: Warning| Warning { message: format!("{}: {}", self.name, warning.message), ..warning };
        warnings.into_iter().map(named).collect()
    }

    fn finish(&self) -> Result<(), Error> {
        self.prepared.finish()
    }

    /// Measures one sample on the CPU of this setting.
    fn sample(&mut self) -> Result<SampleRecord, Error> {
        affinity::pin(self.prepared.request.workload.cpu)?;
        let iteration = self.prepared.open(&mut BufferPool::default())?;
        let effective = iteration.effective();
        self.configuration.granted.get_or_insert_with(|| self.prepared.granted(effective));
        let sample: Sample = iteration.measure()?;
        let record = SampleRecord::from(&sample);
        self.configuration.add_evidence(&record);
        self.samples += 1;
        self.cache_missed += u64::from(record.cache_reached == Some(false));
        Ok(record)
    }
}

/// Fits the totals that are not given to [`LONGEST_SAMPLE`]. Both settings move the same number of bytes,
/// unless one of them waits for the device: then a sample is as long as its total. A cold sample must not be
/// shorter, because it would end in the slow start of readahead.
fn fit_totals(old: &mut Side, new: &mut Side, metric: Metric) -> Result<(), Error> {
    let is_fitted =
        |side: &Side| !side.total_is_given && side.prepared.request.preparation.cache != CacheState::Cold;
    if !is_fitted(old) || !is_fitted(new) {
        return Ok(());
    }
    let most_bytes = [&*old, &*new].map(|side| side.prepared.request.workload.total_bytes);
    let most_bytes = most_bytes[0].min(most_bytes[1]);
    let block_bytes = [&*old, &*new].map(|side| side.prepared.request.workload.block_bytes);
    let fitting = old.fitting_bytes()?.min(new.fitting_bytes()?);
    let [one, other] = block_bytes;
    // A percentile needs many I/Os. The totals of the settings are the limit.
    let needed = one.max(other).saturating_mul(metric.least_ios().next_power_of_two());
    let total_bytes = fitting.max(needed.min(most_bytes)).max(one).max(other);
    old.set_total(total_bytes / one * one)?;
    new.set_total(total_bytes / other * other)
}

//! A point of a sweep: one strategy at one buffer size.

use std::time::{Duration, Instant};

use super::super::prepared::{self, Prepared};
use super::super::request::Request;
use super::plan::Totals;
use crate::engine::buffer::BufferPool;
use crate::engine::cache::CacheState;
use crate::engine::extents::Unstored;
use crate::engine::iteration::Sample;
use crate::engine::operation::Direction;
use crate::engine::strategy::Effective;
use crate::engine::target::Kind;
use crate::engine::targets::Targets;
use crate::engine::workload::Workload;
use crate::error::Error;
use crate::report::document::{ErrorRecord, Role, SampleRecord, measured_bandwidths};
use crate::report::latency::{LatencyRecords, LatencySummaries, RunningLatencies};
use crate::report::sweep::{FiveNumbers, SteadyState, StopReason, Summary, SweepRun};
use crate::stats;

/// Approximate maximum duration of a sample. Short samples allow for many of them, and the state of the
/// machine changes less during each.
const LONGEST_SAMPLE: Duration = Duration::from_millis(5);
/// The same for buffered I/O from a cold cache, which must not end in the slow start of readahead.
const LONGEST_COLD_SAMPLE: Duration = Duration::from_millis(50);
/// Maximum number of pairs of trials from a cold cache.
const COLD_TRIALS: u32 = 4;
/// Number of I/Os of each of the two trials that estimate the time per I/O.
const TRIAL_IOS: u64 = 64;
/// Number of I/Os of a sample with latencies: a steady 99th percentile needs 3,000, rounded up to a power of
/// two.
const LATENCY_IOS: u64 = 4096;
/// The longest sample for that.
const LONGEST_LATENCY_SAMPLE: Duration = Duration::from_millis(500);
/// Fraction of [`LONGEST_SAMPLE`] that the total is fitted to, because the estimate of a trial is rough.
const TARGET_FRACTION: f64 = 0.8;

/// Largest offset: `off_t` is signed.
const MAX_OFFSET_BYTES: u64 = i64::MAX as u64;

/// One strategy at one buffer size, with its samples.
pub(crate) struct SweepPoint {
    pub(crate) prepared: Prepared,
    pub(crate) samples: Vec<SampleRecord>,
    pub(crate) stop: Option<StopReason>,
    next_look: usize,
    effective: Option<Effective>,
    /// Time that all samples of the point took, including their preparation and control readings.
    pub(crate) spent: Duration,
    /// Bytes of the range that are not stored in the files.
    unstored: Option<Unstored>,
    error: Option<ErrorRecord>,
    /// False if disturbed samples count, because too few others are left.
    quiet: bool,
    /// Estimated time of a sample with its preparation, from the trials.
    expected: Option<Duration>,
    /// Number of samples before each round.
    round_starts: Vec<usize>,
    steady_state: Option<SteadyState>,
    /// Latencies of each sample with their histograms, which the samples themselves do not have.
    latencies: Vec<LatencyRecords>,
    /// Latencies of the samples that count together.
    running_latencies: RunningLatencies,
}

/// Speed of the processor during the sweep.
pub(crate) struct Machine {
    /// For each sample of the sweep, true if the processor was slowed at that time.
    pub(crate) slowed: Vec<bool>,
    /// True if the processor was slowed for most of the sweep, so that slow and fast samples cannot be told
    /// apart.
    pub(crate) hardly_left_alone: bool,
}

/// A point that cannot run, with the reason.
pub(crate) struct RefusedPoint {
    pub(crate) request: Request,
    pub(crate) error: ErrorRecord,
    /// True if only the end of the budget prevented it.
    pub(crate) is_late: bool,
}

impl RefusedPoint {
    /// The point for the document.
    pub(crate) fn run(&self, argv: &[String], created: bool) -> SweepRun {
        SweepRun {
            benchmark_configuration: prepared::configuration(&self.request, argv.to_vec(), created),
            benchmark_samples: Vec::new(),
            summary: None,
            error: Some(self.error.clone()),
            unprepared: self.is_late,
        }
    }
}

impl SweepPoint {
    /// Prepares a point. With [`Totals::Fitted`], the total is reduced so that a sample is not too long.
    ///
    /// # Errors
    /// The request with the reason why it cannot run.
    pub(crate) fn new(
        request: Request,
        targets: &Targets,
        cpu: Option<usize>,
        totals: Totals,
    ) -> Result<SweepPoint, Box<(Request, Error)>> {
        match prepare(request.clone(), targets, cpu, totals) {
            Ok((prepared, expected)) => Ok(SweepPoint {
                unstored: prepared.unstored(),
                prepared,
                expected,
                round_starts: Vec::new(),
                steady_state: None,
                latencies: Vec::new(),
                running_latencies: RunningLatencies::default(),
                samples: Vec::new(),
                stop: None,
                next_look: stats::FIRST_LOOK,
                effective: None,
                spent: Duration::ZERO,
                error: None,
                quiet: true,
            }),
            Err(error) => Err(Box::new((request, error))),
        }
    }

    /// Continues a point that an earlier part of the sweep measured. Its samples took `spent`.
    pub(crate) fn continue_from(&mut self, earlier: &SweepRun, spent: Duration) {
        self.samples.clone_from(&earlier.benchmark_samples);
        self.latencies = self.samples.iter().map(|sample| sample.latencies.clone()).collect();
        self.effective =
            earlier.benchmark_configuration.granted.as_ref().map(|granted| granted.effective.clone());
        let summary = earlier.summary.as_ref();
        self.running_latencies =
            summary.map(|summary| RunningLatencies::after(&summary.latencies)).unwrap_or_default();
        self.spent = spent;
        self.error.clone_from(&earlier.error);
        self.stop = self.error.as_ref().map(|_| StopReason::Failed);
    }

    /// True if this is a point of this size that runs as fast as the page cache lets it.
    pub(crate) fn is_served_from_cache(&self, block_bytes: u64) -> bool {
        let Request { workload, preparation, strategy, .. } = &self.prepared.request;
        let waits = workload.direct
            || preparation.cache == CacheState::Cold
            || workload.rate.is_some()
            || workload.syncs();
        workload.block_bytes == block_bytes && strategy.info().properties.performs_io && !waits
    }

    /// Notes that a round begins.
    pub(crate) fn begin_round(&mut self) {
        if self.round_starts.last() != Some(&self.samples.len()) {
            self.round_starts.push(self.samples.len());
        }
    }

    /// Changes the total before the first sample. It stays as it is if the strategy refuses the new one,
    /// which is the total of another strategy and within the file.
    pub(crate) fn set_total(&mut self, total_bytes: u64) {
        if let Ok(prepared) = self.prepared.with_total(total_bytes) {
            self.unstored = prepared.unstored();
            self.prepared = prepared;
        }
    }

    /// Measures one more sample, the `order_index`-th of the sweep, with a buffer from `pool`.
    ///
    /// # Errors
    /// The errors of an iteration.
    pub(crate) fn sample(&mut self, pool: &mut BufferPool, order_index: u64) -> Result<(), Error> {
        let iteration = self.prepared.open(pool)?;
        self.effective.get_or_insert_with(|| iteration.effective());
        let record = SampleRecord::from(&iteration.measure()?);
        let (order_index, role) = (Some(order_index), Some(Role::Measured));
        let latencies = record.latencies.without_histograms();
        self.latencies.push(record.latencies);
        self.samples.push(SampleRecord { role, order_index, latencies, ..record });
        Ok(())
    }

    /// Labels the samples, and decides whether the point is done.
    ///
    /// A closed point is opened again if later readings show that some of its samples do not count. A point
    /// without quiet samples stays open until the budget or the maximum number of samples ends it.
    pub(crate) fn review(&mut self, machine: &Machine, precision: f64, largest_n: usize) {
        self.quiet = label(&mut self.samples, &machine.slowed) && !machine.hardly_left_alone;
        if self.writes_to_a_device() {
            self.steady_state = Some(label_steady_state(&mut self.samples, &self.round_starts));
        }
        let counted = (0..).zip(&self.samples).filter(|(_, sample)| sample.counts());
        self.running_latencies.add(counted.map(|(number, _)| number).collect(), &self.latencies);
        let bandwidths = measured_bandwidths(&self.samples);
        match self.stop {
            Some(StopReason::Failed) => return,
            Some(StopReason::Precision) if self.quiet && stats::precise(&bandwidths, precision) => return,
            Some(StopReason::LargestN) if bandwidths.len() >= largest_n => return,
            _ => self.stop = None,
        }
        // No interval reaches a precision that is not a number.
        let precision = if self.quiet { precision } else { f64::NAN };
        match stats::decide(&bandwidths, self.next_look, precision, largest_n) {
            stats::Decision::Continue { until_n } => self.next_look = until_n,
            stats::Decision::Precise => self.stop = Some(StopReason::Precision),
            stats::Decision::LargestN => self.stop = Some(StopReason::LargestN),
        }
    }

    fn writes_to_a_device(&self) -> bool {
        let Prepared { request, targets, .. } = &self.prepared;
        let writes = request.workload.direction == Direction::Write;
        writes && request.strategy.info().properties.performs_io && targets.first().kind() == Kind::Block
    }

    /// Estimated time until the point is done, in seconds, from the time per sample so far. `None` if there
    /// are too few samples for an estimate, or if there may be enough already.
    pub(crate) fn seconds_to_go(&self, precision: f64, largest_n: usize) -> Option<f64> {
        let bandwidths = measured_bandwidths(&self.samples);
        let end = stats::foreseen_look(&bandwidths, self.next_look, precision, largest_n)?;
        let more = end.checked_sub(bandwidths.len()).filter(|more| *more > 0)?;
        Some(self.spent.as_secs_f64() * more as f64 / bandwidths.len() as f64)
    }

    /// True if the samples so far are quiet and have the precision.
    pub(crate) fn is_precise(&self, precision: f64) -> bool {
        self.quiet && stats::precise(&measured_bandwidths(&self.samples), precision)
    }

    /// Mean time of a sample, with its preparation and control readings, in seconds. Without samples it is
    /// the estimate of the trials, if there is one.
    pub(crate) fn seconds_per_sample(&self) -> Option<f64> {
        match self.samples.len() {
            0 => self.expected.map(|expected| expected.as_secs_f64()),
            count => Some(self.spent.as_secs_f64() / count as f64),
        }
    }

    /// Closes the point after an error of its strategy.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.stop = Some(StopReason::Failed);
        self.error = Some(ErrorRecord::from(error));
    }

    /// The point for the document. `unfinished` is the stop reason of an open point.
    pub(crate) fn run(
        &self,
        argv: &[String],
        created: bool,
        unfinished: StopReason,
        precision: f64,
    ) -> SweepRun {
        let mut configuration = prepared::configuration(&self.prepared.request, argv.to_vec(), created);
        configuration.iterations = self.samples.len() as u64;
        configuration.granted = self.effective.clone().map(|effective| self.prepared.granted(effective));
        prepared::describe_extents(&mut configuration, self.unstored);
        for sample in &self.samples {
            configuration.add_evidence(sample);
        }
        let counted: Vec<&LatencyRecords> =
            self.samples.iter().filter(|sample| sample.counts()).map(|sample| &sample.latencies).collect();
        let latencies = LatencySummaries::new(&counted, &self.running_latencies);
        let stop_reason = self.stop.unwrap_or(unfinished);
        let summary = summary(&measured_bandwidths(&self.samples), stop_reason, precision, self.quiet);
        SweepRun {
            benchmark_configuration: configuration,
            summary: summary.map(|it| Summary { latencies, steady_state: self.steady_state, ..it }),
            benchmark_samples: self.samples.clone(),
            error: self.error.clone(),
            unprepared: false,
        }
    }
}

/// Minimum number of quiet samples with which the disturbed ones do not count: as many as an interval needs.
const MIN_QUIET: usize = 6;

/// Labels the samples of a point, and returns true if no disturbed sample counts.
///
/// A sample is disturbed if other threads ran on its CPU, or if the processor was slowed, unless the point
/// itself slows the processor. Slow samples at the start of the others are warm-up. If too few samples are
/// quiet, the disturbed ones count, because a point needs a value.
fn label(samples: &mut [SampleRecord], slowed: &[bool]) -> bool {
    let is_slowed = |sample: &SampleRecord| {
        let reading = sample.order_index.and_then(|index| slowed.get(index as usize));
        reading.is_some_and(|slowed| *slowed)
    };
    let own: Vec<bool> = samples.iter().map(is_slowed).collect();
    let disturbs_itself = stats::self_inflicted(&own, slowed);
    let is_disturbed =
        |sample: &SampleRecord| sample.was_preempted() || (is_slowed(sample) && !disturbs_itself);
    let disturbed_count = samples.iter().filter(|sample| is_disturbed(sample)).count();
    let sets_aside = samples.len() - disturbed_count >= MIN_QUIET;
    let (disturbed, mut others): (Vec<_>, Vec<_>) =
        samples.iter_mut().partition(|sample| sets_aside && is_disturbed(sample));
    let times: Vec<f64> = others.iter().map(|sample| sample.time).collect();
    let (warmup, measured) = others.split_at_mut(stats::warmup_length(&times));
    disturbed.into_iter().for_each(|sample| sample.role = Some(Role::Disturbed));
    warmup.iter_mut().for_each(|sample| sample.role = Some(Role::Warmup));
    measured.iter_mut().for_each(|sample| sample.role = Some(Role::Measured));
    sets_aside || disturbed_count == 0
}

/// Judges whether a device under writes is in steady state, by the median bandwidths of the rounds that start
/// at these samples. The samples before it do not count.
fn label_steady_state(samples: &mut [SampleRecord], round_starts: &[usize]) -> SteadyState {
    let bounds: Vec<usize> = round_starts.iter().copied().chain([samples.len()]).collect();
    let rounds = bounds.windows(2).filter(|bounds| bounds[0] < bounds[1]);
    let median = |bounds: &[usize]| {
        let bandwidths: Vec<f64> =
            samples[bounds[0]..bounds[1]].iter().map(|sample| sample.bandwidth).collect();
        Some((bounds[0], stats::median(&bandwidths)?))
    };
    let (starts, medians): (Vec<usize>, Vec<f64>) = rounds.filter_map(median).unzip();
    let before = stats::steady_from(&medians).map(|first| starts[first]);
    for sample in &mut samples[..before.unwrap_or(0)] {
        sample.role = Some(Role::Warmup);
    }
    SteadyState { reached: before.is_some(), samples_before: before.map(|count| count as u64) }
}

/// Statistics of bandwidths in KiB/s; `None` if there are none.
fn summary(bandwidths: &[f64], stop_reason: StopReason, precision: f64, quiet: bool) -> Option<Summary> {
    Some(Summary {
        numbers: FiveNumbers::of(bandwidths)?,
        stop_reason,
        converged: quiet && stats::precise(bandwidths, precision),
        quiet,
        latencies: LatencySummaries::default(),
        steady_state: None,
    })
}

/// Checks a request against its targets, and fits the total if requested. Also estimates the time of a sample
/// with its preparation.
fn prepare(
    request: Request,
    targets: &Targets,
    cpu: Option<usize>,
    totals: Totals,
) -> Result<(Prepared, Option<Duration>), Error> {
    request.check_sizes()?;
    let targets = targets.of(&request.workload);
    let prepared = Prepared::new(request, targets, cpu)?;
    prepared.check_hold()?;
    match totals {
        Totals::Fitted => fit_total(&prepared).map(|(prepared, expected)| (prepared, Some(expected))),
        Totals::Known => Ok((prepared, None)),
        Totals::Given => {
            let ios = prepared.request.workload.blocks();
            // A point that fails here fails again in its first sample, with a record of the error.
            let expected = Trial::of(&prepared, ios.min(least_ios(&prepared.request))).ok();
            Ok((prepared, expected.map(|trial| trial.duration(ios))))
        }
    }
}

/// Smallest number of I/Os of a trial: every worker has one.
fn least_ios(request: &Request) -> u64 {
    TRIAL_IOS.max(u64::from(request.workload.threads))
}

/// Two short samples of a point.
struct Trial {
    seconds_per_io: f64,
    /// Time around a sample: opening, preparation and clean-up.
    around: Duration,
}

impl Trial {
    fn of(prepared: &Prepared, ios: u64) -> Result<Trial, Error> {
        let trial = with_ios(prepared, ios)?;
        // Like the samples, the second finds a buffer of the first.
        let mut pool = BufferPool::default();
        let mut run = || trial.open(&mut pool)?.measure();
        let (first, started) = (run()?, Instant::now());
        let second = run()?;
        Ok(Trial {
            seconds_per_io: seconds_per_io(&first).min(seconds_per_io(&second)),
            around: started.elapsed().saturating_sub(Duration::from_nanos(second.elapsed.total_ns)),
        })
    }

    /// Estimated time of a sample of `ios` I/Os.
    fn duration(&self, ios: u64) -> Duration {
        let sample = Duration::try_from_secs_f64(self.seconds_per_io * ios as f64);
        sample.unwrap_or(Duration::MAX).saturating_add(self.around).saturating_add(CONTROLS)
    }
}

/// Approximate time of the control readings around a sample.
const CONTROLS: Duration = Duration::from_micros(300);

/// Fits the total to the maximum duration of a sample. The faster of two short trials gives the time per I/O.
///
/// Short trials from a cold cache only see the slow start of readahead, so longer ones follow while the total
/// still grows.
fn fit_total(prepared: &Prepared) -> Result<(Prepared, Duration), Error> {
    let Request { workload, preparation, .. } = &prepared.request;
    let is_cold = preparation.cache == CacheState::Cold && !workload.direct;
    let (longest, trials) = if is_cold { (LONGEST_COLD_SAMPLE, COLD_TRIALS) } else { (LONGEST_SAMPLE, 1) };
    let max_ios = max_ios(&prepared.request);
    let mut ios = max_ios.min(least_ios(&prepared.request));
    let mut trial = Trial::of(prepared, ios)?;
    for number in 1..=trials {
        let fitting = |time: Duration| {
            (time.as_secs_f64() * TARGET_FRACTION / trial.seconds_per_io.max(f64::MIN_POSITIVE)) as u64
        };
        // A percentile needs many I/Os.
        let for_latency = if workload.latency { LATENCY_IOS.min(fitting(LONGEST_LATENCY_SAMPLE)) } else { 0 };
        let wanted = fitting(longest).max(for_latency);
        let fitted = if wanted >= max_ios { max_ios } else { power_of_two_below(wanted.max(1)) };
        // A sample must fill the queue of each worker at least once; with fewer I/Os, the depth would be
        // lower than requested.
        let Workload { threads, .. } = prepared.plan.workload;
        let queues = u64::from(with_ios(prepared, ios)?.plan.workload.depth()) * u64::from(threads);
        let longer = fitted.max(queues).min(max_ios);
        let is_final = longer <= ios;
        ios = longer;
        if is_final || number == trials {
            break;
        }
        trial = Trial::of(prepared, ios)?;
    }
    Ok((with_ios(prepared, ios)?, trial.duration(ios)))
}

/// Maximum number of I/Os per sample: the number of blocks in the file. For the null strategy it is the
/// number of offsets, because a few I/Os of that strategy take no longer than reading the clock.
fn max_ios(request: &Request) -> u64 {
    let Workload { total_bytes, block_bytes, .. } = request.workload;
    let performs_io = request.strategy.info().properties.performs_io;
    let most_bytes = if performs_io { total_bytes } else { MAX_OFFSET_BYTES };
    most_bytes / block_bytes
}

/// Seconds per I/O of the sample.
pub(crate) fn seconds_per_io(sample: &Sample) -> f64 {
    sample.elapsed.total_ns.max(1) as f64 / 1e9 / sample.tally.io_count.max(1) as f64
}

fn power_of_two_below(number: u64) -> u64 {
    1 << (63 - number.leading_zeros())
}

/// The same point over `ios` I/Os.
fn with_ios(prepared: &Prepared, ios: u64) -> Result<Prepared, Error> {
    prepared.with_total(ios * prepared.request.workload.block_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples with these times, in the order of the sweep.
    fn samples(times: &[f64]) -> Vec<SampleRecord> {
        let sample = |(index, time): (u64, &f64)| {
            let known = serde_json::json!({
                "bandwidth": 1.0 / time, "time": time, "io_count": 1, "transferred_bytes": 1,
                "interrupted_calls": 0, "order_index": index,
            });
            serde_json::from_value(known).unwrap()
        };
        (0..).zip(times).map(sample).collect()
    }

    #[test]
    fn slowed_samples_are_disturbed_and_the_first_slow_ones_of_the_others_warm_up() {
        use Role::{Disturbed, Measured, Warmup};
        let mut own = samples(&[9.0, 5.0, 1.0, 1.1, 7.0, 1.0, 0.9, 1.0, 1.1, 1.0]);
        let mut slowed = [false; 20];
        (slowed[0], slowed[4]) = (true, true);
        label(&mut own, &slowed);
        let roles: Vec<Role> = own.iter().filter_map(|sample| sample.role).collect();
        let rest = [Measured; 5];
        assert_eq!(roles, [&[Disturbed, Warmup, Measured, Measured, Disturbed], &rest[..]].concat());
        assert!(label(&mut own, &slowed), "no disturbed sample counts");
        // Later readings can remove a label.
        label(&mut own, &[false; 20]);
        assert!(own.iter().all(|sample| sample.role != Some(Disturbed)));
    }

    #[test]
    fn samples_before_the_steady_state_of_a_device_do_not_count() {
        // Two samples in each of seven rounds: the device becomes slower for two rounds, and then is steady.
        let times = [1.0, 1.0, 1.5, 1.5, 2.0, 2.1, 2.0, 2.0, 2.1, 2.0, 2.0, 2.0, 2.0, 2.1];
        let mut own = samples(&times);
        let starts: Vec<usize> = (0..14).step_by(2).collect();
        let state = label_steady_state(&mut own, &starts);
        assert_eq!(state, SteadyState { reached: true, samples_before: Some(4) });
        let warmup: Vec<bool> = own.iter().map(|sample| sample.role == Some(Role::Warmup)).collect();
        assert_eq!(warmup, (0..14).map(|index| index < 4).collect::<Vec<_>>());
        let mut few = samples(&times[..12]);
        let state = label_steady_state(&mut few, &starts[..6]);
        assert_eq!(state, SteadyState { reached: false, samples_before: None });
        assert!(few.iter().all(|sample| sample.role != Some(Role::Warmup)), "all count");
    }

    #[test]
    fn disturbed_samples_count_if_too_few_others_are_left() {
        let mut own = samples(&[1.0; 8]);
        let slowed = [true, true, true, false, false, false, false, false];
        assert!(!label(&mut own, &slowed), "five quiet samples are too few");
        assert!(own.iter().all(SampleRecord::counts));
        assert!(label(&mut own, &slowed[1..]), "six are enough");
        assert_eq!(own.iter().filter(|sample| sample.counts()).count(), 6);
        assert!(summary(&[1.0; 10], StopReason::Budget, 0.02, true).unwrap().converged);
        assert!(!summary(&[1.0; 10], StopReason::Budget, 0.02, false).unwrap().converged);
    }

    #[test]
    fn a_sample_that_other_threads_interrupted_is_disturbed_unless_it_slept() {
        let sample = |wait_ns: u64, slept: i64| {
            let known = serde_json::json!({
                "bandwidth": 1.0, "time": 0.001, "io_count": 1, "transferred_bytes": 1,
                "interrupted_calls": 0, "run_queue_wait_ns": wait_ns, "utime": 0.0, "stime": 0.0004,
                "nvcsw": slept, "nivcsw": 1,
                "inblock": 0, "oublock": 0, "outblock": 0,
            });
            serde_json::from_value::<SampleRecord>(known).unwrap()
        };
        assert!(!sample(50_000, 0).was_preempted(), "5 % of the time");
        assert!(sample(51_000, 0).was_preempted());
        assert!(!sample(51_000, 1).was_preempted());
        let off_cpu_seconds = sample(9_000_000, 0).off_cpu_seconds().unwrap();
        assert!((off_cpu_seconds - 0.0006).abs() < 1e-12, "it ran for 0.4 of 1 ms: {off_cpu_seconds}");
    }

    #[test]
    fn a_point_that_the_budget_ends_between_two_looks_has_converged_if_it_is_precise() {
        let converged = |n: usize, excess: f64| {
            let bandwidths: Vec<f64> =
                (0..n).map(|i| if i % 2 == 0 { 100.0 } else { 100.0 + excess }).collect();
            summary(&bandwidths, StopReason::Budget, 0.02, true).unwrap().converged
        };
        assert!(converged(12, 3.0));
        assert!(!converged(12, 5.0));
        assert!(!converged(9, 0.0));
    }

    #[test]
    fn a_point_that_slows_the_processor_itself_is_not_disturbed() {
        let mut own = samples(&[1.0; 10]);
        let slowed: Vec<bool> = (0..100).map(|index| index < 10).collect();
        label(&mut own, &slowed);
        assert!(own.iter().all(|sample| sample.counts()));
    }
}

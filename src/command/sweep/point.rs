//! A point of a sweep: one strategy at one buffer size.

use std::time::Duration;

use super::super::prepared::{self, Prepared};
use super::super::request::Request;
use super::plan::Totals;
use crate::engine::buffer::BufferPool;
use crate::engine::extents::{self, Unstored};
use crate::engine::iteration::{self, Iteration, Sample};
use crate::engine::strategy::Effective;
use crate::engine::target::Target;
use crate::engine::workload::Workload;
use crate::error::Error;
use crate::report::document::{ErrorRecord, Role, SampleRecord, measured_bandwidths};
use crate::report::sweep::{FiveNumbers, StopReason, Summary, SweepRun};
use crate::stats;

/// Approximate maximum duration of a sample. Short samples allow for many of them, and the state of the
/// machine changes less during each.
const LONGEST_SAMPLE: Duration = Duration::from_millis(5);
/// Number of I/Os of each of the two trials that estimate the time per I/O.
const TRIAL_IOS: u64 = 64;
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
    /// Bytes of the range that are not stored in the file.
    unstored: Option<Unstored>,
    error: Option<ErrorRecord>,
}

/// A point that cannot run, with the reason.
pub(crate) struct RefusedPoint {
    pub(crate) request: Request,
    pub(crate) error: ErrorRecord,
}

impl RefusedPoint {
    /// The point for the document.
    pub(crate) fn run(&self, argv: &[String], created: bool) -> SweepRun {
        SweepRun {
            benchmark_configuration: prepared::configuration(&self.request, argv.to_vec(), created),
            benchmark_samples: Vec::new(),
            summary: None,
            error: Some(self.error.clone()),
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
        target: &Target,
        cpu: Option<usize>,
        totals: Totals,
    ) -> Result<SweepPoint, Box<(Request, Error)>> {
        match prepare(request.clone(), target, cpu, totals) {
            Ok(prepared) => Ok(SweepPoint {
                unstored: extents::unstored(target, prepared.request.file_bytes()),
                prepared,
                samples: Vec::new(),
                stop: None,
                next_look: stats::FIRST_LOOK,
                effective: None,
                spent: Duration::ZERO,
                error: None,
            }),
            Err(error) => Err(Box::new((request, error))),
        }
    }

    /// Measures one more sample, the `order_index`-th of the sweep, with a buffer from `pool`.
    ///
    /// # Errors
    /// The errors of an iteration.
    pub(crate) fn sample(
        &mut self,
        target: &Target,
        pool: &mut BufferPool,
        order_index: u64,
    ) -> Result<(), Error> {
        let Prepared { request, plan, .. } = &self.prepared;
        let iteration = Iteration::open(request.strategy, target, plan, pool)?;
        self.effective.get_or_insert_with(|| iteration.effective());
        let record = SampleRecord::from(&iteration.measure()?);
        let order_index = Some(order_index);
        self.samples.push(SampleRecord { role: Some(Role::Measured), order_index, ..record });
        Ok(())
    }

    /// Labels the samples, and decides whether the point is done. `slowed` holds, for each sample of the
    /// sweep, whether the processor was slowed at that time.
    ///
    /// A closed point is opened again if later readings show that some of its samples do not count.
    pub(crate) fn review(&mut self, slowed: &[bool], precision: f64, largest_n: usize) {
        label(&mut self.samples, slowed);
        let bandwidths = measured_bandwidths(&self.samples);
        match self.stop {
            Some(StopReason::Failed) => return,
            Some(StopReason::Precision) if stats::precise(&bandwidths, precision) => return,
            Some(StopReason::LargestN) if bandwidths.len() >= largest_n => return,
            _ => self.stop = None,
        }
        match stats::decide(&bandwidths, self.next_look, precision, largest_n) {
            stats::Decision::Continue { until_n } => self.next_look = until_n,
            stats::Decision::Precise => self.stop = Some(StopReason::Precision),
            stats::Decision::LargestN => self.stop = Some(StopReason::LargestN),
        }
    }

    /// Estimated time until the point is done, in seconds, from the time per sample so far. `None` if there
    /// are too few samples for an estimate, or if there may be enough already.
    pub(crate) fn seconds_to_go(&self, precision: f64, largest_n: usize) -> Option<f64> {
        let bandwidths = measured_bandwidths(&self.samples);
        let end = stats::foreseen_look(&bandwidths, self.next_look, precision, largest_n)?;
        let more = end.checked_sub(bandwidths.len()).filter(|more| *more > 0)?;
        Some(self.spent.as_secs_f64() * more as f64 / bandwidths.len() as f64)
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
        SweepRun {
            benchmark_configuration: configuration,
            summary: summary(&measured_bandwidths(&self.samples), self.stop.unwrap_or(unfinished), precision),
            benchmark_samples: self.samples.clone(),
            error: self.error.clone(),
        }
    }
}

/// Labels the samples of a point. A sample is disturbed if the processor was slowed, unless the point itself
/// slows the processor. Slow samples at the start of the others are warm-up.
fn label(samples: &mut [SampleRecord], slowed: &[bool]) {
    let is_slowed = |sample: &SampleRecord| {
        let reading = sample.order_index.and_then(|index| slowed.get(index as usize));
        reading.is_some_and(|slowed| *slowed)
    };
    let own: Vec<bool> = samples.iter().map(is_slowed).collect();
    let disturbs_itself = stats::self_inflicted(&own, slowed);
    let (disturbed, mut quiet): (Vec<_>, Vec<_>) =
        samples.iter_mut().partition(|sample| is_slowed(sample) && !disturbs_itself);
    let times: Vec<f64> = quiet.iter().map(|sample| sample.time).collect();
    let (warmup, measured) = quiet.split_at_mut(stats::warmup_length(&times));
    disturbed.into_iter().for_each(|sample| sample.role = Some(Role::Disturbed));
    warmup.iter_mut().for_each(|sample| sample.role = Some(Role::Warmup));
    measured.iter_mut().for_each(|sample| sample.role = Some(Role::Measured));
}

/// Statistics of bandwidths in KiB/s; `None` if there are none.
fn summary(bandwidths: &[f64], stop_reason: StopReason, precision: f64) -> Option<Summary> {
    Some(Summary {
        numbers: FiveNumbers::of(bandwidths)?,
        stop_reason,
        converged: stats::precise(bandwidths, precision),
    })
}

/// Checks a request against the target, and fits the total if requested.
fn prepare(request: Request, target: &Target, cpu: Option<usize>, totals: Totals) -> Result<Prepared, Error> {
    request.check_sizes()?;
    target.check_holds(request.file_bytes(), request.workload.block_bytes)?;
    let prepared = Prepared::new(request, target, cpu)?;
    if totals == Totals::Fitted { fit_total(prepared, target) } else { Ok(prepared) }
}

/// Fits the total to the maximum duration of a sample. The faster of two short trials gives the time per I/O.
fn fit_total(prepared: Prepared, target: &Target) -> Result<Prepared, Error> {
    let max_ios = max_ios(&prepared.request);
    let trial = with_ios(prepared, max_ios.min(TRIAL_IOS), target)?;
    let run = || iteration::sample(trial.request.strategy, target, &trial.plan);
    let seconds = seconds_per_io(&run()?).min(seconds_per_io(&run()?));
    let fitting = (LONGEST_SAMPLE.as_secs_f64() * TARGET_FRACTION / seconds.max(f64::MIN_POSITIVE)) as u64;
    let ios = if fitting >= max_ios { max_ios } else { power_of_two_below(fitting.max(1)) };
    // A sample must fill the queue at least once; with fewer I/Os, the depth would be lower than requested.
    let queue_ios = u64::from(trial.plan.workload.depth());
    with_ios(trial, ios.max(queue_ios), target)
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
fn with_ios(prepared: Prepared, ios: u64, target: &Target) -> Result<Prepared, Error> {
    let Request { workload, .. } = prepared.request;
    let workload = Workload { total_bytes: ios * workload.block_bytes, ..workload };
    Prepared::new(Request { workload, ..prepared.request }, target, prepared.cpu)
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
        // Later readings can remove a label.
        label(&mut own, &[false; 20]);
        assert!(own.iter().all(|sample| sample.role != Some(Disturbed)));
    }

    #[test]
    fn a_point_that_the_budget_ends_between_two_looks_has_converged_if_it_is_precise() {
        let converged = |n: usize, excess: f64| {
            let bandwidths: Vec<f64> =
                (0..n).map(|i| if i % 2 == 0 { 100.0 } else { 100.0 + excess }).collect();
            summary(&bandwidths, StopReason::Budget, 0.02).unwrap().converged
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

//! The document of a sweep. Each point has the same configuration and samples as the document of a run, and
//! statistics.
//!
//! `docs/sweep.schema.json` is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axes::{self, Axis};
use super::document::{BenchmarkConfiguration, ErrorRecord, SampleRecord, SchemaVersion, Warning};
use super::latency::LatencySummaries;
use crate::engine::cache::CacheState;
use crate::engine::operation::Direction;
use crate::host;
use crate::stats::{self, Estimate};

/// The result of a sweep.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Result of an iobench sweep")]
pub struct SweepDocument {
    /// Version of the document format.
    pub schema_version: SchemaVersion,
    /// Configuration of the machine.
    pub host_configuration: host::Configuration,
    /// Load and pressure at the start of the sweep.
    pub conditions_before: host::Conditions,
    /// Load and pressure at the end of the sweep, or at the end of the last finished round.
    pub conditions_after: host::Conditions,
    /// Configuration of the sweep.
    pub sweep_configuration: SweepConfiguration,
    /// One object per point (strategy and buffer size), ordered by strategy and size.
    pub runs: Vec<SweepRun>,
    /// Cost of the harness, of a system call and of a memory copy on this machine.
    pub floors: Floors,
    /// Control readings, one per sample, in the order of measurement.
    pub controls: Vec<Control>,
    /// Cost models, one per strategy for which the fit succeeded.
    pub models: Vec<CostModel>,
    /// Knees of the curves.
    pub knees: Vec<Knee>,
    /// Conclusions in sentences that the intervals support.
    #[serde(default)]
    pub conclusions: Vec<String>,
    /// Warnings about the sweep: holes, a cache state that was not reached, a slowed processor, drift, cost
    /// of the harness.
    pub warnings: Vec<Warning>,
    /// Error that ended the sweep or a point early; null if there was none.
    pub error: Option<ErrorRecord>,
}

/// Configuration of a sweep.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepConfiguration {
    /// File or device.
    pub path: String,
    /// Direction of the transfers.
    pub direction: Direction,
    /// Axes with more than one value. The runs have the values.
    #[serde(default = "axes_of_version_1")]
    pub axes: Vec<Axis>,
    /// Strategies, in order.
    pub strategies: Vec<String>,
    /// Buffer sizes in bytes, ascending.
    pub block_sizes_bytes: Vec<u64>,
    /// Bytes per sample; null if the points have different totals.
    pub total_bytes: Option<u64>,
    /// Half-width of the interval, as a fraction of the median, at which a point is done.
    pub precision: f64,
    /// Time limit of the sweep, in seconds.
    pub budget_seconds: f64,
    /// Maximum number of samples per point.
    pub largest_n: u64,
    /// Order of the points within a round.
    pub order: Order,
    /// Seed of that order.
    pub seed: u64,
    /// Cache state before each sample, or the first of several.
    pub cache: CacheState,
    /// Bytes that were written twice before the sweep (--precondition); null without it.
    #[serde(default)]
    pub preconditioned_bytes: Option<u64>,
    /// Number of times that the sweep was continued (--resume).
    #[serde(default)]
    pub resumed: u64,
    /// Version of iobench.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// Start of the sweep, as RFC 3339 in UTC.
    pub start_time: String,
    /// Duration of the sweep, in seconds.
    pub elapsed_seconds: f64,
    /// Number of finished rounds. A round visits every open point at least once.
    pub rounds: u64,
}

/// Sweeps of earlier versions had two axes.
fn axes_of_version_1() -> Vec<Axis> {
    vec![Axis::Strategy, Axis::Buffersize]
}

/// Order of the points within a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// A new random order in each round, which turns drift into noise.
    Random,
    /// By size, smallest first.
    Ascending,
    /// By size, largest first.
    Descending,
}

/// A point of a sweep.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepRun {
    /// Configuration of the point, as in the document of `iobench -jv`.
    pub benchmark_configuration: BenchmarkConfiguration,
    /// One object per sample, in order. Samples that do not count are included and labelled.
    pub benchmark_samples: Vec<SampleRecord>,
    /// Statistics of the samples that count; null if there are none.
    pub summary: Option<Summary>,
    /// Error that prevented or ended the point; null if there was none.
    pub error: Option<ErrorRecord>,
    /// True if the sweep ended before the point was prepared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unprepared: bool,
}

impl SweepRun {
    /// True if the point could run, even if it failed later.
    pub fn could_run(&self) -> bool {
        self.error.is_none() || !self.benchmark_samples.is_empty()
    }
}

/// Statistics of the bandwidth over the samples of a point that count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Summary {
    /// Five-number summary.
    #[serde(flatten)]
    pub numbers: FiveNumbers,
    /// Reason why no more samples were measured.
    pub stop_reason: StopReason,
    /// True if at least ten samples count and the half-width of the interval is within the requested
    /// precision. It does not depend on the stop reason.
    pub converged: bool,
    /// True if no disturbed sample counts. Disturbed samples count only if fewer than six others are left.
    #[serde(default = "yes")]
    pub quiet: bool,
    /// Latencies over the samples.
    #[serde(flatten)]
    pub latencies: LatencySummaries,
    /// Steady state of writes to a device; null for other points.
    #[serde(default)]
    pub steady_state: Option<SteadyState>,
}

/// Steady state as in the Performance Test Specification of SNIA (v2.0.1, 2018): in five rounds, the median
/// bandwidths of the rounds lie within 20 % of their mean, and their regression line changes by at most 10 %
/// of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SteadyState {
    /// True if it was reached.
    pub reached: bool,
    /// Number of samples before it, which do not count; null if it was not reached, and then all count.
    pub samples_before: Option<u64>,
}

/// Results of earlier versions never counted disturbed samples.
fn yes() -> bool {
    true
}

/// Five-number summary of bandwidths, with the interval of the median, in KiB per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FiveNumbers {
    /// Number of bandwidths.
    pub n: u64,
    /// Minimum, in KiB/s.
    pub min_kib_per_second: f64,
    /// First quartile, in KiB/s.
    pub q1_kib_per_second: f64,
    /// Median, in KiB/s.
    pub median_kib_per_second: f64,
    /// Order-statistic interval of the median with at least 95 % confidence, in KiB/s, widened if consecutive
    /// bandwidths are correlated, at most to the whole range; null with fewer than six bandwidths.
    pub interval_kib_per_second: Option<(f64, f64)>,
    /// Third quartile, in KiB/s.
    pub q3_kib_per_second: f64,
    /// Maximum, in KiB/s.
    pub max_kib_per_second: f64,
}

impl FiveNumbers {
    /// The summary of these bandwidths, in KiB/s and in the order of measurement; `None` if there are none.
    pub fn of(kib_per_second: &[f64]) -> Option<FiveNumbers> {
        Some(FiveNumbers {
            n: kib_per_second.len() as u64,
            min_kib_per_second: stats::quantile(kib_per_second, 0.0)?,
            q1_kib_per_second: stats::quantile(kib_per_second, 0.25)?,
            median_kib_per_second: stats::median(kib_per_second)?,
            interval_kib_per_second: stats::series_interval(kib_per_second),
            q3_kib_per_second: stats::quantile(kib_per_second, 0.75)?,
            max_kib_per_second: stats::quantile(kib_per_second, 1.0)?,
        })
    }
}

/// Reason why no more samples of a point were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The interval reached the requested precision.
    Precision,
    /// The maximum number of samples was reached.
    LargestN,
    /// The time budget was spent.
    Budget,
    /// A signal or the end of the program interrupted the sweep. A file that was written between rounds has
    /// this reason.
    Interrupted,
    /// The strategy failed; see the error.
    Failed,
}

/// Floors: costs on this machine that do not depend on an I/O path, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Time per call of the null strategy, which is the cost of the harness itself; null if the strategy
    /// could not run.
    #[serde(default)]
    pub harness_call_ns: Option<f64>,
    /// Time of an empty bracket, which every sample includes.
    #[serde(default)]
    pub bracket_ns: Option<f64>,
    /// Time of the loop of [`Control::processor_before_ns`] at the nominal frequency of the processor; null
    /// if that is unknown.
    #[serde(default)]
    pub nominal_processor_ns: Option<f64>,
    /// Time of a minimal system call, getppid(2).
    pub system_call_ns: Option<f64>,
    /// Time of a copy in memory, for each buffer size of the sweep: (bytes, nanoseconds).
    pub memory_copy_ns: Vec<(u64, f64)>,
}

impl Floors {
    /// The minimum of each value, because interference only increases a time.
    #[must_use]
    pub fn min(self, other: &Floors) -> Floors {
        let min = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::min);
        let copies = self.memory_copy_ns.into_iter().map(|(bytes, ns)| {
            let same = other.memory_copy_ns.iter().find(|copy| copy.0 == bytes);
            (bytes, same.map_or(ns, |copy| ns.min(copy.1)))
        });
        Floors {
            memory_copy_ns: copies.collect(),
            harness_call_ns: min(self.harness_call_ns, other.harness_call_ns),
            bracket_ns: min(self.bracket_ns, other.bracket_ns),
            nominal_processor_ns: min(self.nominal_processor_ns, other.nominal_processor_ns),
            system_call_ns: min(self.system_call_ns, other.system_call_ns),
        }
    }
}

/// Control reading: times of reference work that does not use an I/O path. They enclose a sample, its
/// preparation and its clean-up. If they change, the speed of the machine changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Position of the sample in the order of measurement.
    pub order_index: u64,
    /// Time of an empty loop of 40,000 iterations before the sample, in nanoseconds.
    pub processor_before_ns: f64,
    /// Time of the same loop after the sample, in nanoseconds.
    pub processor_after_ns: f64,
    /// Mean time of 200 getppid(2) calls after the sample, in nanoseconds.
    pub system_call_ns: f64,
    /// Time of a copy of 128 KiB within 4 MiB of memory after the sample, in nanoseconds.
    pub memory_copy_ns: f64,
}

impl Control {
    /// The longer of the two processor times, in nanoseconds.
    pub fn processor_ns(&self) -> f64 {
        self.processor_before_ns.max(self.processor_after_ns)
    }
}

/// Cost model of a strategy: time = calls x per_call + bytes x per_byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostModel {
    /// Name of the strategy.
    pub strategy: String,
    /// Values on the axes other than strategy and buffer size, in words; empty without other axes.
    #[serde(default)]
    pub setting: String,
    /// Cost per call, in nanoseconds.
    pub per_call_ns: Estimate,
    /// Cost per byte, in nanoseconds.
    pub per_byte_ns: Estimate,
    /// Relative error of the model, averaged over the points; null in results of earlier versions.
    #[serde(default)]
    pub misfit_mean_fraction: Option<f64>,
    /// Relative error at the point that the model fits worst. Above 0.1, nothing should be derived from the
    /// model.
    #[serde(default)]
    pub misfit_worst_fraction: Option<f64>,
}

/// Knee of a curve: a change of the slope of log bandwidth over log buffer size that the cost model does not
/// explain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Knee {
    /// Name of the strategy.
    pub strategy: String,
    /// Values on the axes other than strategy and buffer size, in words; empty without other axes.
    #[serde(default)]
    pub setting: String,
    /// Buffer size at the knee, in bytes.
    pub block_bytes: Estimate,
    /// Slope below the knee. With slope 1, bandwidth is proportional to the buffer size; with slope 0, it is
    /// constant.
    pub slope_before: f64,
    /// Slope above the knee.
    pub slope_after: f64,
    /// The constant of this host that is nearest to the knee, if it lies within the interval and that is
    /// narrower than a factor of 4. It is a possible cause, not a proven one.
    pub candidates: Vec<HostConstant>,
}

/// A constant of the host, such as its page size, that can cause a knee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostConstant {
    /// Name of the constant, such as page or L2 cache.
    pub name: String,
    /// Value of the constant, in bytes.
    pub bytes: u64,
}

/// Points that differ in their buffer size.
pub(super) struct Curve<'a> {
    pub(super) strategy: &'a str,
    /// Values on the further axes, in words.
    pub(super) setting: String,
    pub(super) runs: Vec<&'a SweepRun>,
}

impl SweepDocument {
    /// The points of one strategy, ordered by size.
    pub fn runs_of<'a>(&'a self, strategy: &'a str) -> impl Iterator<Item = &'a SweepRun> {
        self.runs.iter().filter(move |run| run.benchmark_configuration.strategy == strategy)
    }

    /// The axes other than strategy and buffer size.
    pub fn further_axes(&self) -> Vec<Axis> {
        let axes = self.sweep_configuration.axes.iter().copied();
        axes.filter(|axis| ![Axis::Strategy, Axis::Buffersize].contains(axis)).collect()
    }

    /// The points by strategy and by the values on the further axes, in the order of the document.
    pub(super) fn curves(&self) -> Vec<Curve<'_>> {
        let axes = self.further_axes();
        let mut curves: Vec<Curve> = Vec::new();
        for run in &self.runs {
            let strategy = run.benchmark_configuration.strategy.as_str();
            let setting = axes::words(&axes, &run.benchmark_configuration);
            match curves.iter_mut().find(|it| it.strategy == strategy && it.setting == setting) {
                Some(curve) => curve.runs.push(run),
                None => curves.push(Curve { strategy, setting, runs: vec![run] }),
            }
        }
        curves
    }

    /// True if this strategy performs no I/O, so that it measures the floor.
    pub fn is_floor(&self, strategy: &str) -> bool {
        self.runs_of(strategy).any(|run| run.benchmark_configuration.is_floor())
    }
}

impl SweepRun {
    /// The samples that count.
    pub fn measured(&self) -> impl Iterator<Item = &SampleRecord> {
        self.benchmark_samples.iter().filter(|sample| sample.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_numbers_are_ascending_and_need_one_value() {
        assert_eq!(FiveNumbers::of(&[]), None);
        let numbers = FiveNumbers::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        let FiveNumbers { min_kib_per_second: min, max_kib_per_second: max, .. } = numbers;
        let FiveNumbers { q1_kib_per_second: q1, median_kib_per_second: median, .. } = numbers;
        assert_eq!([min, q1, median, numbers.q3_kib_per_second, max], [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!((numbers.n, numbers.interval_kib_per_second), (5, None));
    }

    #[test]
    fn floors_are_combined_by_their_minimum() {
        let floors = |harness_call_ns, system_call_ns, copies: &[(u64, f64)]| Floors {
            harness_call_ns,
            system_call_ns,
            memory_copy_ns: copies.to_vec(),
            ..Floors::default()
        };
        let first = floors(None, Some(200.0), &[(1, 3.0), (2, 9.0), (4, 5.0)]);
        let second = floors(Some(0.5), Some(170.0), &[(1, 4.0), (2, 3.5)]);
        let minimum = floors(Some(0.5), Some(170.0), &[(1, 3.0), (2, 3.5), (4, 5.0)]);
        assert_eq!(first.min(&second), minimum);
    }
}

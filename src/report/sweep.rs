//! The document of a sweep: every run is a document of the lab, with what the statistics say of it.
//!
//! `docs/sweep.schema.json` is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{BenchmarkConfiguration, ErrorRecord, SampleRecord, SchemaVersion, Warning};
use crate::engine::cache::CacheState;
use crate::engine::operation::Direction;
use crate::host;
use crate::stats::{self, Estimate};

/// The result of a sweep.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Result of an iobench sweep")]
pub struct SweepDocument {
    /// Version of this document's form.
    pub schema_version: SchemaVersion,
    /// The machine.
    pub host_configuration: host::Configuration,
    /// Load and pressure when the sweep began.
    pub conditions_before: host::Conditions,
    /// Load and pressure when it ended, or when the last finished round was written.
    pub conditions_after: host::Conditions,
    /// What was swept.
    pub sweep_configuration: SweepConfiguration,
    /// One object a point (strategy x buffer size), in the order strategy, size.
    pub runs: Vec<SweepRun>,
    /// What a bare system call and a memory copy cost here, for the sizes of the sweep.
    pub floors: Floors,
    /// What the machine did meanwhile: readings beside each sample, in order.
    pub controls: Vec<Control>,
    /// The cost model of each strategy that could be fitted.
    pub models: Vec<CostModel>,
    /// Knees of the curves.
    pub knees: Vec<Knee>,
    /// Warnings about the whole: a drift, a slowed processor, samples that were not cold, points near the floor.
    pub warnings: Vec<Warning>,
    /// What ended the sweep or a point of it early; null if nothing did.
    pub error: Option<ErrorRecord>,
}

/// What was swept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepConfiguration {
    /// The file or device.
    pub path: String,
    /// Which way the bytes move.
    pub direction: Direction,
    /// Strategies, in order.
    pub strategies: Vec<String>,
    /// Buffer sizes in bytes, ascending.
    pub block_sizes_bytes: Vec<u64>,
    /// Bytes a sample covers; null if each point has its own.
    pub total_bytes: Option<u64>,
    /// Half-width of the interval by the median at which a point is done.
    pub precision: f64,
    /// Time that the sweep may take, in seconds.
    pub budget_seconds: f64,
    /// Samples that count of a point, at the most.
    pub largest_n: u64,
    /// Order of the points within a round.
    pub order: Order,
    /// Seed of that order.
    pub seed: u64,
    /// Cache state before each sample.
    pub cache: CacheState,
    /// Version of iobench.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// When the sweep began: RFC 3339, UTC.
    pub start_time: String,
    /// How long it took, in seconds.
    pub elapsed_seconds: f64,
    /// Finished rounds: each visits every open point, and those that the budget suffices for several times.
    pub rounds: u64,
}

/// Order of the points within a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// A fresh random order each round: drift becomes noise.
    Random,
    /// By size, small first.
    Ascending,
    /// By size, large first.
    Descending,
}

/// A point of the sweep.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepRun {
    /// What was run, as `iobench -jv` writes it.
    pub benchmark_configuration: BenchmarkConfiguration,
    /// One object an iteration, in order; warm-up and disturbed ones included and labelled.
    pub benchmark_samples: Vec<SampleRecord>,
    /// What the measured samples say; null if the point could not run or has no sample.
    pub summary: Option<Summary>,
    /// Why the point could not run, or why it got no further; null if nothing went wrong.
    pub error: Option<ErrorRecord>,
}

impl SweepRun {
    /// Whether the point could run at all; it may have failed later.
    #[must_use]
    pub fn could_run(&self) -> bool {
        self.error.is_none() || !self.benchmark_samples.is_empty()
    }
}

/// Statistics of the bandwidth over the measured samples of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Summary {
    /// Numbers of the distribution.
    #[serde(flatten)]
    pub numbers: FiveNumbers,
    /// Why no more samples were taken.
    pub stop_reason: StopReason,
    /// True if there are at least ten measured samples and the half-width of their interval is within the requested
    /// precision, whatever ended the point.
    pub converged: bool,
}

/// Five-number summary of bandwidths, with the interval of the median, in KiB per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FiveNumbers {
    /// Number of bandwidths.
    pub n: u64,
    /// Smallest, in KiB/s.
    pub min_kib_per_second: f64,
    /// First quartile, in KiB/s.
    pub q1_kib_per_second: f64,
    /// Median, in KiB/s.
    pub median_kib_per_second: f64,
    /// Order-statistic interval of the median, at least 95 %, in KiB/s; null below six bandwidths.
    pub interval_kib_per_second: Option<(f64, f64)>,
    /// Third quartile, in KiB/s.
    pub q3_kib_per_second: f64,
    /// Largest, in KiB/s.
    pub max_kib_per_second: f64,
}

impl FiveNumbers {
    /// The summary of these bandwidths, in KiB/s; `None` if there are none.
    #[must_use]
    pub fn of(kib_per_second: &[f64]) -> Option<FiveNumbers> {
        Some(FiveNumbers {
            n: kib_per_second.len() as u64,
            min_kib_per_second: stats::quantile(kib_per_second, 0.0)?,
            q1_kib_per_second: stats::quantile(kib_per_second, 0.25)?,
            median_kib_per_second: stats::median(kib_per_second)?,
            interval_kib_per_second: stats::median_interval(kib_per_second),
            q3_kib_per_second: stats::quantile(kib_per_second, 0.75)?,
            max_kib_per_second: stats::quantile(kib_per_second, 1.0)?,
        })
    }
}

/// Why a point got no more samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The interval is narrow enough.
    Precision,
    /// As many samples as are ever taken.
    LargestN,
    /// The time budget was spent.
    Budget,
    /// A signal, or the end of the program: a file that was written between rounds says so, too.
    Interrupted,
    /// The strategy failed: see the error.
    Failed,
}

/// Floors beside the results, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// A call of the strategy that moves nothing: what the harness itself costs; null if it could not run.
    #[serde(default)]
    pub harness_call_ns: Option<f64>,
    /// A raw system call that does nothing (getppid(2)).
    pub system_call_ns: Option<f64>,
    /// Copying a block in memory: for each buffer size of the sweep, (bytes, nanoseconds).
    pub memory_copy_ns: Vec<(u64, f64)>,
}

impl Floors {
    /// The smaller of each: whatever else happened while one was measured only added to it.
    #[must_use]
    pub fn smaller(self, other: &Floors) -> Floors {
        let least = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::min);
        let copies = self.memory_copy_ns.into_iter().map(|(bytes, ns)| {
            let same = other.memory_copy_ns.iter().find(|copy| copy.0 == bytes);
            (bytes, same.map_or(ns, |copy| ns.min(copy.1)))
        });
        Floors {
            memory_copy_ns: copies.collect(),
            harness_call_ns: least(self.harness_call_ns, other.harness_call_ns),
            system_call_ns: least(self.system_call_ns, other.system_call_ns),
        }
    }
}

/// Readings of work that is none of any I/O path, taken around a sample, its preparation and its clean-up:
/// where they changed, the machine did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The sample.
    pub order_index: u64,
    /// An empty loop of 40,000 turns before it, in nanoseconds.
    pub processor_before_ns: f64,
    /// The same after it, in nanoseconds.
    pub processor_after_ns: f64,
    /// A getppid(2) after it, in nanoseconds: the mean of 200.
    pub system_call_ns: f64,
    /// Copying 128 KiB within 4 MiB of memory after it, in nanoseconds.
    pub memory_copy_ns: f64,
}

impl Control {
    /// The slower of the two readings of the processor, in nanoseconds.
    #[must_use]
    pub fn processor_ns(&self) -> f64 {
        self.processor_before_ns.max(self.processor_after_ns)
    }
}

/// time = calls x per_call + bytes x per_byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostModel {
    /// The strategy.
    pub strategy: String,
    /// Nanoseconds a call.
    pub per_call_ns: Estimate,
    /// Nanoseconds a byte.
    pub per_byte_ns: Estimate,
}

/// A change of slope of a curve of bandwidth over buffer size, both as logarithms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Knee {
    /// The strategy.
    pub strategy: String,
    /// Buffer size at the knee, in bytes.
    pub block_bytes: Estimate,
    /// Slope below it (1: bandwidth grows with the size; 0: it does not).
    pub slope_before: f64,
    /// Slope above it.
    pub slope_after: f64,
    /// Constants of this host that lie within the interval: name and bytes. A suggestion, not a finding.
    pub candidates: Vec<HostConstant>,
}

/// A size that this host treats in a special way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostConstant {
    /// What it is: page size, L2 cache, readahead ...
    pub name: String,
    /// How large, in bytes.
    pub bytes: u64,
}

impl SweepDocument {
    /// The points of one strategy, by size.
    pub fn runs_of<'a>(&'a self, strategy: &'a str) -> impl Iterator<Item = &'a SweepRun> {
        self.runs.iter().filter(move |run| run.benchmark_configuration.strategy == strategy)
    }

    /// True if this strategy performs no I/O: it is the floor.
    #[must_use]
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
    fn of_floors_the_smaller_counts() {
        let floors = |harness_call_ns, system_call_ns, copies: &[(u64, f64)]| Floors {
            harness_call_ns,
            system_call_ns,
            memory_copy_ns: copies.to_vec(),
        };
        let first = floors(None, Some(200.0), &[(1, 3.0), (2, 9.0), (4, 5.0)]);
        let second = floors(Some(0.5), Some(170.0), &[(1, 4.0), (2, 3.5)]);
        let smaller = floors(Some(0.5), Some(170.0), &[(1, 3.0), (2, 3.5), (4, 5.0)]);
        assert_eq!(first.smaller(&second), smaller);
    }
}

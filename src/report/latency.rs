//! The latencies of a sample in a document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::latency::Latencies;
use crate::engine::observer::Recorded;
use crate::engine::stamp::Source;
use crate::engine::workload::Workload;

/// The latencies of one sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyRecords {
    /// Of all I/Os (--latency).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<LatencyRecord>,
    /// Of the reads (--latency and --mix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_latency_ns: Option<LatencyRecord>,
    /// Of the writes (--latency and --mix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_latency_ns: Option<LatencyRecord>,
    /// Of the syncs (--sync-every).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_latency_ns: Option<LatencyRecord>,
    /// From the start of the write before a sync to the end of the sync (--sync-every).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_latency_ns: Option<LatencyRecord>,
}

impl LatencyRecords {
    /// The recorded latencies that the workload requests.
    pub fn new(workload: &Workload, recorded: &Recorded) -> LatencyRecords {
        let Recorded { reads, writes, syncs, commits } = recorded;
        let if_asked = |asked: bool, latencies: &Latencies| asked.then(|| LatencyRecord::from(latencies));
        let is_mix = workload.latency && workload.mix.is_some();
        let is_synced = workload.sync_every.is_some();
        LatencyRecords {
            latency_ns: workload.latency.then(|| LatencyRecord::from(&recorded.of_all())),
            read_latency_ns: if_asked(is_mix, reads),
            write_latency_ns: if_asked(is_mix, writes),
            sync_latency_ns: if_asked(is_synced, syncs),
            commit_latency_ns: if_asked(is_synced, commits),
        }
    }
}

/// Quantity that `ab` compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Time per byte.
    #[default]
    Time,
    /// Mean latency.
    Mean,
    /// Median latency.
    P50,
    /// 90th percentile of the latency.
    P90,
    /// 99th percentile of the latency.
    P99,
    /// 99.9th percentile of the latency.
    #[serde(rename = "p99.9")]
    #[cfg_attr(feature = "cli", value(name = "p99.9"))]
    P999,
}

impl Metric {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Time => "time",
            Metric::Mean => "mean",
            Metric::P50 => "p50",
            Metric::P90 => "p90",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
        }
    }

    /// Its value in nanoseconds. `None` for the time, or if there are too few I/Os.
    pub fn of(self, latencies: &LatencyRecords) -> Option<f64> {
        let latency = latencies.latency_ns.as_ref()?;
        match self {
            Metric::Time => None,
            Metric::Mean => latency.mean,
            Metric::P50 => latency.p50,
            Metric::P90 => latency.p90,
            Metric::P99 => latency.p99,
            Metric::P999 => latency.p99_9,
        }
    }

    /// Number of I/Os of a sample with which the value is steady: thirty above the percentile.
    pub fn least_ios(self) -> u64 {
        match self {
            Metric::Time => 1,
            Metric::Mean | Metric::P50 => 60,
            Metric::P90 => 300,
            Metric::P99 => 3_000,
            Metric::P999 => 30_000,
        }
    }
}

/// Latencies of operations, in nanoseconds, each from the call to its return, or from the push of an
/// operation to the reaping of its completion. With --rate they count from the time at which the operation
/// was due. A percentile is null if there are too few I/Os: p90 needs 29, p99 299, p99.9 2995, and p99.99
/// 29956.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyRecord {
    /// Number of I/Os.
    pub count: u64,
    /// Smallest latency; null without I/Os.
    pub min: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p99_9: Option<f64>,
    /// 99.99th percentile.
    pub p99_99: Option<f64>,
    /// Largest latency.
    pub max: Option<f64>,
    /// Buckets that are not empty: first latency, first latency above the bucket, number of I/Os.
    pub histogram: Vec<(f64, f64, u64)>,
    /// Clock of the time stamps.
    pub clock: Source,
    /// Smallest difference of two stamps.
    pub resolution_ns: f64,
    /// Time of one stamp, which is part of each latency and of the sample.
    pub stamp_ns: f64,
}

impl From<&Latencies> for LatencyRecord {
    fn from(latencies: &Latencies) -> LatencyRecord {
        let ends = latencies.min_mean_max_ns();
        let clock = latencies.clock();
        LatencyRecord {
            count: latencies.count(),
            min: ends.map(|(min, _, _)| min),
            mean: ends.map(|(_, mean, _)| mean),
            p50: latencies.percentile_ns(0.5),
            p90: latencies.percentile_ns(0.9),
            p99: latencies.percentile_ns(0.99),
            p99_9: latencies.percentile_ns(0.999),
            p99_99: latencies.percentile_ns(0.9999),
            max: ends.map(|(_, _, max)| max),
            histogram: latencies.buckets_ns(),
            clock: clock.source,
            resolution_ns: clock.resolution_ns,
            stamp_ns: clock.stamp_ns,
        }
    }
}

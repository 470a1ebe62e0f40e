//! The latencies of a sample in a document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::latency::Latencies;
use crate::engine::stamp::Source;

/// Latencies of the I/Os of one sample, in nanoseconds, each from the call to its return, or from the push of
/// an operation to the reaping of its completion. A percentile is null if there are too few I/Os: p90 needs
/// 29, p99 299, p99.9 2995, and p99.99 29956.
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

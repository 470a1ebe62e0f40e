//! The latencies of a sample in a document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::latency::{self, Latencies};
use crate::engine::observer::Recorded;
use crate::engine::stamp::Source;
use crate::engine::workload::Workload;
use crate::stats;

/// Something for each kind of latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct LatencyKinds<T> {
    /// Of all I/Os (--latency).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<T>,
    /// Of the reads (--latency and --mix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_latency_ns: Option<T>,
    /// Of the writes (--latency and --mix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_latency_ns: Option<T>,
    /// Of the syncs (--sync-every).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_latency_ns: Option<T>,
    /// From the start of the write before a sync to the end of the sync (--sync-every).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_latency_ns: Option<T>,
}

/// The latencies of one sample, or of several together.
pub type LatencyRecords = LatencyKinds<LatencyRecord>;

/// The latencies of the samples of a point that count.
pub type LatencySummaries = LatencyKinds<LatencySummary>;

impl<T> Default for LatencyKinds<T> {
    fn default() -> LatencyKinds<T> {
        LatencyKinds {
            latency_ns: None,
            read_latency_ns: None,
            write_latency_ns: None,
            sync_latency_ns: None,
            commit_latency_ns: None,
        }
    }
}

impl<T> LatencyKinds<T> {
    /// The value of each kind, in the order of the fields.
    fn each(&self) -> [Option<&T>; 5] {
        [
            self.latency_ns.as_ref(),
            self.read_latency_ns.as_ref(),
            self.write_latency_ns.as_ref(),
            self.sync_latency_ns.as_ref(),
            self.commit_latency_ns.as_ref(),
        ]
    }

    /// The values that `of` gives for each kind: for the number of a field in [`LatencyKinds::each`].
    fn from_each(mut of: impl FnMut(usize) -> Option<T>) -> LatencyKinds<T> {
        LatencyKinds {
            latency_ns: of(0),
            read_latency_ns: of(1),
            write_latency_ns: of(2),
            sync_latency_ns: of(3),
            commit_latency_ns: of(4),
        }
    }
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

    /// The same without histograms. A sweep keeps those of each point together, because its samples are many.
    #[must_use]
    pub fn without_histograms(&self) -> LatencyRecords {
        LatencyKinds::from_each(|kind| self.each()[kind].map(LatencyRecord::without_histogram))
    }

    /// All latencies of these records that have a histogram.
    fn merged(records: &[&LatencyRecords]) -> LatencyRecords {
        LatencyKinds::from_each(|kind| {
            let records = records.iter().filter_map(|records| records.each()[kind]);
            merged(records.filter(|record| !record.histogram.is_empty()))
        })
    }
}

/// The latencies of the samples of a point that count, added up as the samples come: adding up all of them
/// again in each round takes a tenth of a sweep.
#[derive(Debug, Clone, Default)]
pub struct RunningLatencies {
    /// Those that were added up before the first sample.
    earlier: LatencyRecords,
    /// Numbers of the samples that are added up.
    added: Vec<usize>,
    merged: LatencyRecords,
}

impl RunningLatencies {
    /// Continues from the I/Os of samples that have no histogram of their own any more, because an earlier
    /// part of the sweep measured them.
    pub fn after(earlier: &LatencySummaries) -> RunningLatencies {
        let merged: LatencyRecords =
            LatencyKinds::from_each(|kind| earlier.each()[kind].map(|summary| summary.merged.clone()));
        RunningLatencies { earlier: merged.clone(), added: Vec::new(), merged }
    }

    /// Adds the samples with these numbers, ascending. Starts again if one that was added does not count any
    /// more.
    pub fn add(&mut self, counted: Vec<usize>, samples: &[LatencyRecords]) {
        if !counted.starts_with(&self.added) {
            (self.added, self.merged) = (Vec::new(), self.earlier.clone());
        }
        let new = counted[self.added.len()..].iter().filter_map(|number| samples.get(*number));
        self.merged = LatencyRecords::merged(&[&self.merged].into_iter().chain(new).collect::<Vec<_>>());
        self.added = counted;
    }
}

/// Latencies of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencySummary {
    /// Means of the samples.
    pub mean: Option<OverSamples>,
    /// Medians of the samples.
    pub p50: Option<OverSamples>,
    /// 90th percentiles of the samples.
    pub p90: Option<OverSamples>,
    /// 99th percentiles of the samples.
    pub p99: Option<OverSamples>,
    /// 99.9th percentiles of the samples.
    pub p99_9: Option<OverSamples>,
    /// All I/Os of these samples together.
    pub merged: LatencyRecord,
}

/// A value that each sample has: its median over the samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverSamples {
    /// Number of samples that have the value.
    pub n: u64,
    /// Median, in nanoseconds.
    pub median: f64,
    /// Interval of the median with at least 95 % confidence, in nanoseconds; null with fewer than six
    /// samples.
    pub interval: Option<(f64, f64)>,
}

impl OverSamples {
    /// Of these values, in the order of measurement. `None` without values.
    pub(super) fn of(values: &[f64]) -> Option<OverSamples> {
        let (n, interval) = (values.len() as u64, stats::series_interval(values));
        Some(OverSamples { n, median: stats::median(values)?, interval })
    }
}

impl LatencySummaries {
    /// Of these samples, whose I/Os have been added up.
    pub fn new(samples: &[&LatencyRecords], running: &RunningLatencies) -> LatencySummaries {
        LatencyKinds::from_each(|kind| {
            let records: Vec<&LatencyRecord> =
                samples.iter().filter_map(|sample| sample.each()[kind]).collect();
            Some(LatencySummary::new(&records, running.merged.each()[kind]?.clone()))
        })
    }
}

impl LatencySummary {
    fn new(records: &[&LatencyRecord], merged: LatencyRecord) -> LatencySummary {
        let over = |value: fn(&LatencyRecord) -> Option<f64>| {
            let values: Vec<f64> = records.iter().filter_map(|record| value(record)).collect();
            OverSamples::of(&values)
        };
        LatencySummary {
            mean: over(|it| it.mean),
            p50: over(|it| it.p50),
            p90: over(|it| it.p90),
            p99: over(|it| it.p99),
            p99_9: over(|it| it.p99_9),
            merged,
        }
    }
}

/// All latencies of these records. `None` without any.
pub(super) fn merged<'a>(records: impl Iterator<Item = &'a LatencyRecord>) -> Option<LatencyRecord> {
    let records: Vec<&LatencyRecord> = records.collect();
    let first = records.first()?;
    // The bits of numbers above zero have the order of the numbers.
    let mut buckets: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (low, high, count) in records.iter().flat_map(|record| &record.histogram) {
        *buckets.entry((low.to_bits(), high.to_bits())).or_default() += count;
    }
    let bounds =
        |((low, high), count): (&(u64, u64), &u64)| (f64::from_bits(*low), f64::from_bits(*high), *count);
    let histogram: Vec<(f64, f64, u64)> = buckets.iter().map(bounds).collect();
    let count: u64 = histogram.iter().map(|bucket| bucket.2).sum();
    let min = records.iter().filter_map(|record| record.min).reduce(f64::min);
    let max = records.iter().filter_map(|record| record.max).reduce(f64::max);
    let total: f64 = records.iter().map(|record| record.mean.unwrap_or(0.0) * record.count as f64).sum();
    let percentile = |fraction: f64| {
        let counts = histogram.iter().map(|(_, _, in_bucket)| *in_bucket);
        let (low, high, _) = histogram[latency::bucket_at(fraction, count, counts)?];
        Some(((low + high) / 2.0).clamp(min?, max?))
    };
    Some(LatencyRecord {
        count,
        min,
        mean: (count > 0).then(|| total / count as f64),
        p50: percentile(0.5),
        p90: percentile(0.9),
        p99: percentile(0.99),
        p99_9: percentile(0.999),
        p99_99: percentile(0.9999),
        max,
        histogram,
        clock: first.clock,
        resolution_ns: first.resolution_ns,
        stamp_ns: first.stamp_ns,
    })
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
    /// Buckets that are not empty: first latency, first latency above the bucket, number of I/Os. Empty in
    /// the samples of a sweep, whose points have one histogram each.
    pub histogram: Vec<(f64, f64, u64)>,
    /// Clock of the time stamps.
    pub clock: Source,
    /// Smallest difference of two stamps.
    pub resolution_ns: f64,
    /// Time of one stamp, which is part of each latency and of the sample.
    pub stamp_ns: f64,
}

impl LatencyRecord {
    fn without_histogram(&self) -> LatencyRecord {
        LatencyRecord { histogram: Vec::new(), ..*self }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stamp::StampClock;

    fn record(values: impl Iterator<Item = u64>) -> LatencyRecord {
        let clock = StampClock { source: Source::Vdso, ns_per_tick: 1.0, resolution_ns: 1.0, stamp_ns: 1.0 };
        let mut latencies = Latencies::new(clock);
        values.for_each(|value| latencies.record(value));
        LatencyRecord::from(&latencies)
    }

    #[test]
    fn the_merged_record_of_samples_is_that_of_all_values() {
        let parts = [record(1000..3000), record((2500..9000).rev())];
        let whole = record((1000..3000).chain(2500..9000));
        let merged = merged(parts.iter()).unwrap();
        assert_eq!(merged.histogram, whole.histogram);
        assert_eq!((merged.count, merged.min, merged.max), (whole.count, whole.min, whole.max));
        let close = |one: Option<f64>, other: Option<f64>| (one.unwrap() / other.unwrap() - 1.0).abs() < 1e-3;
        assert!(close(merged.mean, whole.mean) && close(merged.p50, whole.p50), "{merged:?}");
        assert!(close(merged.p99, whole.p99) && close(merged.p99_9, whole.p99_9), "{merged:?}");
        assert_eq!(merged.p99_99, None, "8,500 values are too few");
    }

    /// The summaries of samples that all count.
    fn summaries(samples: &[&LatencyRecords], mut running: RunningLatencies) -> LatencySummaries {
        let all: Vec<LatencyRecords> = samples.iter().map(|sample| (*sample).clone()).collect();
        running.add((0..all.len()).collect(), &all);
        LatencySummaries::new(samples, &running)
    }

    #[test]
    fn samples_without_a_histogram_count_with_what_was_merged_before() {
        let records =
            |record: LatencyRecord| LatencyRecords { latency_ns: Some(record), ..LatencyRecords::default() };
        let (first, second) = (records(record(1000..3000)), records(record(4000..6000)));
        let before = summaries(&[&first], RunningLatencies::default());
        let whole = summaries(&[&first, &second], RunningLatencies::default());
        let bare = first.without_histograms();
        assert_eq!(summaries(&[&bare, &second], RunningLatencies::after(&before)), whole);
        let p50 = whole.latency_ns.unwrap().p50.unwrap();
        assert_eq!((p50.n, p50.interval), (2, None));
        assert!((1990.0..5010.0).contains(&p50.median));
    }

    #[test]
    fn a_sample_that_does_not_count_any_more_is_taken_out() {
        let records =
            |record: LatencyRecord| LatencyRecords { latency_ns: Some(record), ..LatencyRecords::default() };
        let samples = [records(record(0..10)), records(record(20..40)), records(record(50..80))];
        let mut running = RunningLatencies::default();
        let mut count = |counted: &[usize]| {
            running.add(counted.to_vec(), &samples);
            running.merged.latency_ns.as_ref().map(|record| record.count)
        };
        assert_eq!(count(&[0]), Some(10));
        assert_eq!(count(&[0, 1]), Some(30));
        assert_eq!(count(&[0, 1, 2]), Some(60));
        assert_eq!(count(&[1, 2]), Some(50));
        assert_eq!(count(&[]), None);
    }
}

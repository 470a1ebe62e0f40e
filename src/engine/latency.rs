//! Latencies of the I/Os of one sample: a histogram with buckets of constant relative width.
//!
//! Each power of two is divided into 64 buckets, as in HdrHistogram, so a bucket is at most 1/64 (1.6 %) as
//! wide as its values. The histogram holds every 64-bit number of ticks, so nothing saturates. It is
//! allocated and written before the bracket.

use std::hint::black_box;

use super::stamp::StampClock;

/// Logarithm of the number of buckets per power of two.
const SUB_BITS: u32 = 6;
const SUBS: u64 = 1 << SUB_BITS;
/// Number of buckets: that of the largest value, and one.
const BUCKETS: usize = bucket(u64::MAX) + 1;

/// The bucket of a number of ticks.
#[inline(always)]
const fn bucket(ticks: u64) -> usize {
    let shift = u64::BITS - 1 - SUB_BITS - (ticks | SUBS).leading_zeros();
    ((shift as u64 * SUBS) + (ticks >> shift)) as usize
}

/// The first number of ticks of a bucket, and the first above it.
fn bounds(bucket: usize) -> (f64, f64) {
    let (octave, sub) = (bucket as u64 / SUBS, bucket as u64 % SUBS);
    match octave {
        0 => (sub as f64, sub as f64 + 1.0),
        octave => {
            let width = (octave as f64 - 1.0).exp2();
            ((SUBS + sub) as f64 * width, (SUBS + sub + 1) as f64 * width)
        }
    }
}

/// The latencies of a sample, in ticks of its clock.
#[derive(Debug, Clone)]
pub struct Latencies {
    clock: StampClock,
    counts: Box<[u64]>,
    total_ticks: u64,
    min_ticks: u64,
    max_ticks: u64,
}

impl Latencies {
    /// An empty histogram. Its pages are present.
    pub fn new(clock: StampClock) -> Latencies {
        let mut counts = vec![0; BUCKETS].into_boxed_slice();
        black_box(&mut counts).fill(0);
        Latencies { clock, counts, total_ticks: 0, min_ticks: u64::MAX, max_ticks: 0 }
    }

    /// Its clock.
    pub fn clock(&self) -> StampClock {
        self.clock
    }

    /// Counts one I/O.
    #[inline(always)]
    pub(crate) fn record(&mut self, ticks: u64) {
        self.counts[bucket(ticks)] += 1;
        self.total_ticks = self.total_ticks.wrapping_add(ticks);
        self.min_ticks = self.min_ticks.min(ticks);
        self.max_ticks = self.max_ticks.max(ticks);
    }

    /// Adds the latencies of another worker, by the same clock.
    pub(super) fn merge(&mut self, other: &Latencies) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total_ticks = self.total_ticks.wrapping_add(other.total_ticks);
        self.min_ticks = self.min_ticks.min(other.min_ticks);
        self.max_ticks = self.max_ticks.max(other.max_ticks);
    }

    /// Number of I/Os.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The smallest, mean and largest latency, in nanoseconds. `None` without I/Os.
    pub fn min_mean_max_ns(&self) -> Option<(f64, f64, f64)> {
        let (count, ns) = (self.count(), self.clock.ns_per_tick);
        let mean = self.total_ticks as f64 / count as f64;
        (count > 0).then_some((self.min_ticks as f64 * ns, mean * ns, self.max_ticks as f64 * ns))
    }

    /// The latency, in nanoseconds, that at least `fraction` of the I/Os do not exceed: the middle of its
    /// bucket. `None` if there are too few I/Os: p99 needs 299, p99.9 2,995 and p99.99 29,956.
    pub fn percentile_ns(&self, fraction: f64) -> Option<f64> {
        let bucket = bucket_at(fraction, self.count(), self.counts.iter().copied())?;
        let (low, high) = bounds(bucket);
        let middle = (low + high - 1.0) / 2.0;
        Some(middle.clamp(self.min_ticks as f64, self.max_ticks as f64) * self.clock.ns_per_tick)
    }

    /// The buckets that are not empty: bounds in nanoseconds, and number of I/Os.
    pub fn buckets_ns(&self) -> Vec<(f64, f64, u64)> {
        let ns = self.clock.ns_per_tick;
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled
            .map(|(bucket, count)| {
                let (low, high) = bounds(bucket);
                (low * ns, high * ns, *count)
            })
            .collect()
    }
}

/// Number of the bucket of the latency that at least `fraction` of `count` I/Os do not exceed, where `counts`
/// are the I/Os in each bucket. `None` if there are so few I/Os that the largest is below this percentile in
/// more than 5 % of all samples: 299 for p99, 2,995 for p99.9 and 29,956 for p99.99.
pub(crate) fn bucket_at(fraction: f64, count: u64, mut counts: impl Iterator<Item = u64>) -> Option<usize> {
    if fraction.powf(count as f64) > 0.05 {
        return None;
    }
    let rank = (fraction * count as f64).ceil() as u64;
    let mut below = 0;
    counts.position(|in_bucket| {
        below += in_bucket;
        below >= rank
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stamp::Source;
    use crate::random::Random;

    const CLOCK: StampClock =
        StampClock { source: Source::Vdso, ns_per_tick: 1.0, resolution_ns: 1.0, stamp_ns: 1.0 };

    fn latencies(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new(CLOCK);
        values.into_iter().for_each(|value| latencies.record(value));
        latencies
    }

    #[test]
    fn every_value_is_in_a_bucket_of_at_most_a_sixty_fourth_of_it() {
        let powers = (0..64).flat_map(|power| [(1_u64 << power) - 1, 1 << power, (1 << power) + 1]);
        for value in powers.chain(0..5000).chain([u64::MAX, 3_600_000_000_000]) {
            let (low, high) = bounds(bucket(value));
            assert!(low <= value as f64 && value as f64 <= high, "{value}: {low} {high}");
            assert!(high - low <= (low / 64.0).max(1.0), "{value}: {low} {high}");
        }
        assert_eq!(bounds(bucket(63)), (63.0, 64.0));
        assert_eq!(bounds(bucket(128)), (128.0, 130.0));
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    /// Nearest rank, as `numpy.percentile(values, q, method="inverted_cdf")`.
    #[test]
    fn percentiles_are_those_of_the_values_within_a_hundredth() {
        let mut random = Random::new(3);
        let mut values: Vec<u64> =
            (0..40_000).map(|_| (1000.0 * (random.normal() * 0.7).exp()) as u64).collect();
        let latencies = latencies(values.iter().copied());
        values.sort_unstable();
        for fraction in [0.5, 0.9, 0.99, 0.999, 0.9999] {
            let rank = (fraction * values.len() as f64).ceil() as usize;
            let (exact, found) = (values[rank - 1] as f64, latencies.percentile_ns(fraction).unwrap());
            assert!((found / exact - 1.0).abs() < 0.01, "{fraction}: {found} {exact}");
        }
        let (min, mean, max) = latencies.min_mean_max_ns().unwrap();
        let exact = values.iter().sum::<u64>() as f64 / values.len() as f64;
        assert_eq!((min, max), (values[0] as f64, values[values.len() - 1] as f64));
        assert!((mean - exact).abs() < 1e-6);
        assert_eq!(latencies.buckets_ns().iter().map(|bucket| bucket.2).sum::<u64>(), 40_000);
    }

    #[test]
    fn merging_equals_recording_at_once() {
        let mut random = Random::new(5);
        let values: Vec<u64> = (0..9000).map(|_| random.next_u64() >> 40).collect();
        let mut merged = latencies(values[..4000].iter().copied());
        merged.merge(&latencies(values[4000..].iter().copied()));
        let whole = latencies(values);
        assert_eq!(merged.buckets_ns(), whole.buckets_ns());
        assert_eq!(merged.min_mean_max_ns(), whole.min_mean_max_ns());
        let mut with_none = whole.clone();
        with_none.merge(&latencies([]));
        assert_eq!(with_none.min_mean_max_ns(), whole.min_mean_max_ns());
    }

    #[test]
    fn a_percentile_needs_enough_values() {
        for (fraction, needed) in [(0.9, 29), (0.99, 299), (0.999, 2_995), (0.9999, 29_956)] {
            assert_eq!(latencies(0..needed - 1).percentile_ns(fraction), None, "{fraction}");
            assert!(latencies(0..needed).percentile_ns(fraction).is_some(), "{fraction}");
        }
        assert_eq!(latencies([]).min_mean_max_ns(), None);
    }
}

//! A series of pairs and its evaluation.

use std::fmt;

use iobench::stats;

/// Measurements of the pairs of one case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) ours_ns_per_io: Vec<f64>,
    pub(crate) theirs_ns_per_io: Vec<f64>,
}

impl Pairs {
    /// Throughput of iobench divided by that of the other program, one value per pair. Both moved blocks of
    /// one size, so this is the inverse ratio of the times.
    pub(crate) fn throughput_ratios(&self) -> Vec<f64> {
        let times = self.ours_ns_per_io.iter().zip(&self.theirs_ns_per_io);
        times.map(|(ours_ns, theirs_ns)| theirs_ns / ours_ns).collect()
    }
}

/// A median with its 95 % order-statistic interval, if there are enough values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) n: usize,
    pub(crate) median: f64,
    pub(crate) interval: Option<(f64, f64)>,
}

impl Estimate {
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let interval = stats::median_interval(values);
        stats::median(values).map(|median| Self { n: values.len(), median, interval })
    }

    /// Verdict on the quantity being at least `target`.
    pub(crate) fn at_least(&self, target: f64) -> Verdict {
        match self.interval {
            Some((low, _)) if low >= target => Verdict::Holds,
            Some((_, high)) if high < target => Verdict::Missed,
            _ => Verdict::Open,
        }
    }

    /// Verdict on the quantity being at most `target`.
    pub(crate) fn at_most(&self, target: f64) -> Verdict {
        match self.interval {
            Some((_, high)) if high <= target => Verdict::Holds,
            Some((low, _)) if low > target => Verdict::Missed,
            _ => Verdict::Open,
        }
    }
}

/// A target holds or is missed only if the whole interval lies on one side of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Holds,
    Missed,
    Open,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "yes",
            Self::Missed => "no",
            Self::Open => "open",
        })
    }
}

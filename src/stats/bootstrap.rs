//! The bootstrap: estimates the sampling variation of a statistic by resampling.
//!
//! Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 6 and 13. The intervals are
//! percentile intervals: they stay within the range of the parameter, and inverting the statistic inverts the
//! interval. BCa intervals would correct the percentiles by a jackknife estimate, but the jackknife fails for
//! the median (same book, section 11.6), which is the statistic bootstrapped here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::median::quantile;
use crate::random::Random;

/// Minimum number of samples of a bootstrap: five samples have no 95 % interval of the median either.
pub(super) const MIN_SAMPLES: usize = 6;

/// Parameters of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    /// Number of resamples: Efron & Tibshirani recommend 1,000 or more for percentiles.
    pub resamples: usize,
    /// Seed of the random numbers; the same seed gives the same interval.
    pub seed: u64,
    /// Confidence level of the interval, between 0 and 1.
    pub confidence: f64,
}

/// A value with its bootstrap interval, in the unit of the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Value computed from the samples.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// The estimate in a unit that is `factor` times smaller.
    pub fn scaled(self, factor: f64) -> Estimate {
        Estimate { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// `value` with the percentile interval of its `replicates`.
    pub(super) fn new(value: f64, replicates: &[f64], confidence: f64) -> Option<Self> {
        let (low, high) = percentile_interval(replicates, confidence)?;
        Some(Self { value, low, high })
    }
}

/// True if there are enough `samples` to resample, and all of them are positive and finite.
pub(super) fn is_resamplable(samples: &[f64]) -> bool {
    samples.len() >= MIN_SAMPLES && all_positive(samples)
}

/// True if all `values` are positive and finite.
pub(super) fn all_positive(values: &[f64]) -> bool {
    values.iter().all(|&value| value > 0.0 && value.is_finite())
}

/// The percentile interval of `statistic` over independent `groups` of samples.
///
/// Each resample draws as many values from every group as the group has, with replacement, and passes the
/// drawn groups to `statistic` in the order of `groups`. A resample for which `statistic` returns `None` is
/// skipped. Returns `None` if every resample is skipped, or if the confidence is not between 0 and 1.
pub(super) fn bootstrap_interval(
    groups: &[&[f64]],
    statistic: impl FnMut(&[Vec<f64>]) -> Option<f64>,
    resampling: &Resampling,
) -> Option<(f64, f64)> {
    percentile_interval(&replicates(groups, statistic, resampling), resampling.confidence)
}

/// The result of `statistic` for each resample, in the order drawn. The statistic may consist of several
/// numbers.
pub(super) fn replicates<T>(
    groups: &[&[f64]],
    mut statistic: impl FnMut(&[Vec<f64>]) -> Option<T>,
    resampling: &Resampling,
) -> Vec<T> {
    let mut random = Random::new(resampling.seed);
    let mut drawn: Vec<Vec<f64>> = groups.iter().map(|group| group.to_vec()).collect();
    let mut resample = || {
        for (group, drawn) in groups.iter().zip(&mut drawn) {
            drawn.fill_with(|| group[random.below(group.len())]);
        }
        statistic(&drawn)
    };
    (0..resampling.resamples).filter_map(|_| resample()).collect()
}

fn percentile_interval(replicates: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    Some((quantile(replicates, tail)?, quantile(replicates, 1.0 - tail)?))
}

#[cfg(test)]
mod tests {
    use super::super::median::median;
    use super::*;

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    const RESAMPLING: Resampling = Resampling { resamples: 2_000, seed: 1, confidence: 0.95 };

    /// Treated mice of Efron & Tibshirani 1993, table 2.1.
    const MICE: [f64; 7] = [94.0, 197.0, 16.0, 38.0, 99.0, 141.0, 23.0];

    /// The bootstrap standard error of the mean is known exactly: sigma / sqrt(n), 23.36, with the divisor n
    /// (Efron & Tibshirani, chapter 5).
    #[test]
    fn standard_error_of_the_mean_matches_the_exact_one() {
        let resampling = Resampling { resamples: 20_000, ..RESAMPLING };
        let means = replicates(&[&MICE], |drawn| Some(mean(&drawn[0])), &resampling);
        let centre = mean(&means);
        let variance = means.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / means.len() as f64;
        assert!((variance.sqrt() - 23.36).abs() < 0.4, "{}", variance.sqrt());
    }

    /// The bootstrap distribution of a median of seven values is known without drawing: it is at most 16 with
    /// probability 0.0102, 23 with 0.1083, 99 with 0.8917, and 141 with 0.9898. The exact 84 % percentile
    /// interval is therefore 23 to 141.
    #[test]
    fn interval_of_the_median_matches_the_exact_one() {
        let resampling = Resampling { confidence: 0.84, ..RESAMPLING };
        let interval = bootstrap_interval(&[&MICE], |drawn| median(&drawn[0]), &resampling);
        assert_eq!(interval, Some((23.0, 141.0)));
    }

    #[test]
    fn only_the_same_seed_gives_the_same_interval() {
        let interval = |seed| {
            let resampling = Resampling { seed, ..RESAMPLING };
            bootstrap_interval(&[&MICE], |drawn| Some(mean(&drawn[0])), &resampling)
        };
        assert_eq!(interval(7), interval(7));
        assert_ne!(interval(7), interval(8));
    }

    #[test]
    fn each_group_is_resampled_from_its_own_values() {
        let (a, b) = ([1.0, 2.0, 3.0], [10.0, 20.0]);
        let drawn = |groups: &[Vec<f64>]| {
            let apart = groups[0].iter().all(|x| a.contains(x)) && groups[1].iter().all(|x| b.contains(x));
            (apart && groups[0].len() == 3 && groups[1].len() == 2).then_some(())
        };
        assert_eq!(replicates(&[&a, &b], drawn, &RESAMPLING).len(), 2_000);
    }

    #[test]
    fn no_samples_or_invalid_confidence_give_no_interval() {
        let interval = |confidence, values: &[f64]| {
            let resampling = Resampling { confidence, ..RESAMPLING };
            bootstrap_interval(&[values], |drawn| median(&drawn[0]), &resampling)
        };
        assert_eq!(interval(0.95, &[]), None);
        assert_eq!(interval(1.5, &MICE), None);
        assert_eq!(interval(f64::NAN, &MICE), None);
    }

    #[test]
    fn a_smaller_unit_scales_value_and_interval() {
        let seconds = Estimate { value: 2.0, low: 1.5, high: 3.0 };
        assert_eq!(seconds.scaled(1e3), Estimate { value: 2e3, low: 1.5e3, high: 3e3 });
    }
}

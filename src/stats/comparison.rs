//! Comparison of two sets of samples: is one of them slower, and by how much?
//!
//! Each of the two questions has its own tool. *Is there a difference?* is answered by a rank test: its
//! p-value is exact for ten samples of any distribution and can be as small as 1e-5, which Holm's correction
//! over a hundred points needs. A bootstrap cannot do that, because the bootstrap distribution of the median
//! of ten samples ends at the extremes of the sample. *How large is it?* is answered by the ratio of medians
//! with its interval. The verdicts faster and slower require both, and a difference that is large enough to
//! matter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autocorrelation::series_interval;
use super::bootstrap::{MIN_SAMPLES, Resampling, all_positive, bootstrap_interval};
use super::correlation::{student_p, student_quantile};
use super::median::median;
use super::multiple::holm;
use super::rank_tests::{mann_whitney_p, signed_rank_p};

/// The ratio of one set of samples to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// New divided by old.
    pub ratio: f64,
    /// Interval of the ratio; `None` with five samples or fewer on a side.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p-value of a rank test: the probability of a difference at least this clear if both
    /// sets have the same distribution.
    pub p_value: f64,
}

/// The ratio of the medians of two independent sets of positive samples, `new` divided by `old`, in the same
/// unit.
///
/// The p-value is that of the Mann-Whitney test. Returns `None` if a set is empty or a value is not positive
/// and finite.
pub fn ratio_of_medians(old: &[f64], new: &[f64], resampling: &Resampling) -> Option<Ratio> {
    let ratio = |old: &[f64], new: &[f64]| Some(median(new)? / median(old)?);
    if !all_positive(old) || !all_positive(new) {
        return None;
    }
    let enough = old.len().min(new.len()) >= MIN_SAMPLES;
    let interval = || bootstrap_interval(&[old, new], |drawn| ratio(&drawn[0], &drawn[1]), resampling);
    Some(Ratio {
        ratio: ratio(old, new)?,
        interval: enough.then(interval).flatten(),
        p_value: mann_whitney_p(old, new)?,
    })
}

/// The median of the ratios of pairs (old, new) whose two samples were taken one after the other.
///
/// A disturbance of both samples of a pair cancels out. The interval is the order-statistic interval of a
/// median, which allows for correlated neighbours: for one set of values it is exact, whereas the bootstrap
/// of ten values covers only 93 %. The p-value is that of Wilcoxon's signed-rank test of the logarithms. They
/// are symmetric around 0 if exchanging the two samples changes nothing, so the order within each pair must
/// be random. Returns `None` without pairs, or if a value is not positive and finite.
pub fn paired_ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let ratios: Vec<f64> = pairs.iter().map(|(old, new)| new / old).collect();
    if !pairs.iter().all(|&(old, new)| all_positive(&[old, new])) {
        return None;
    }
    let logarithms: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let p_value = signed_rank_p(&logarithms)?;
    Some(Ratio { ratio: median(&ratios)?, interval: series_interval(&ratios), p_value })
}

/// Result of a comparison of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Takes less time, by more than the threshold.
    Faster,
    /// Takes more time, by more than the threshold.
    Slower,
    /// No difference larger than the threshold.
    Same,
    /// The samples allow no conclusion.
    Inconclusive,
}

/// The verdict on each of `time_ratios` (new divided by old), compared together.
///
/// `threshold` is the smallest difference that matters (0.03 is 3 %): ratios below 1 / (1 + threshold) or
/// above 1 + threshold exceed it. *Slower* and *faster* require an interval entirely beyond the threshold,
/// and a p-value of at most `alpha` after Holm's correction over all ratios. If nothing differs, the
/// probability that any point is called slower or faster is therefore at most `alpha`. *Same* requires an
/// interval within the threshold. Everything else is *inconclusive*.
///
/// `allowances[i]` is the range of ratios, around 1, that a change of the machine itself explains for ratio
/// i. It is not attributed to a point: *slower* and *faster* require an interval beyond the threshold and
/// this range together.
///
/// Holm's guarantee holds if both sets of samples have the same distribution. A rank test also finds a change
/// of spread between equal medians; the interval and the threshold suppress most of these false alarms, but
/// not all.
pub fn verdicts(
    time_ratios: &[Ratio],
    allowances: &[(f64, f64)],
    threshold: f64,
    alpha: f64,
) -> Vec<Verdict> {
    let p_values: Vec<f64> = time_ratios.iter().map(|ratio| ratio.p_value).collect();
    let (least, most) = (1.0 / (1.0 + threshold), 1.0 + threshold);
    let verdict = |((time_ratio, allowance), adjusted_p): ((&Ratio, &(f64, f64)), f64)| {
        let (machine_low, machine_high) = *allowance;
        match time_ratio.interval {
            Some((low, high)) if least <= low && high <= most => Verdict::Same,
            Some((low, _)) if adjusted_p <= alpha && low > most * machine_high => Verdict::Slower,
            Some((_, high)) if adjusted_p <= alpha && high < least * machine_low => Verdict::Faster,
            _ => Verdict::Inconclusive,
        }
    };
    time_ratios.iter().zip(allowances).zip(holm(&p_values)).map(verdict).collect()
}

/// The range of ratios, around 1, that a change of the machine explains if these controls (times of other
/// work, taken beside each set of samples) changed by these ratios.
pub fn allowance(controls: impl Iterator<Item = Ratio>) -> (f64, f64) {
    let intervals = controls.filter_map(|control| control.interval);
    intervals.fold((1.0, 1.0), |range: (f64, f64), (low, high)| (range.0.min(low), range.1.max(high)))
}

impl Ratio {
    /// The smallest slowdown, as a fraction, that could have been called slower with this width of the
    /// interval. `None` without an interval.
    pub fn smallest_detectable(&self, allowance: (f64, f64), threshold: f64) -> Option<f64> {
        let (low, _) = self.interval.filter(|(low, _)| *low > 0.0)?;
        Some((1.0 + threshold) * allowance.1 * self.ratio / low - 1.0)
    }
}

/// The ratio of two settings of which each was measured in several runs, from the median of each run.
///
/// Runs differ from each other by more than their samples show (Kalibera & Jones, "Rigorous benchmarking in
/// reasonable time", ISMM 2013), so a run is one value, and its samples are not pooled with those of others.
/// The interval and the p-value are those of Welch's t-test of the logarithms (Biometrika 34, 1947), with the
/// degrees of freedom rounded down. Returns `None` with fewer than two runs on a side, or if a value is not
/// positive and finite.
pub fn ratio_of_runs(old: &[f64], new: &[f64]) -> Option<Ratio> {
    if old.len() < 2 || new.len() < 2 || !all_positive(old) || !all_positive(new) {
        return None;
    }
    let moments = |values: &[f64]| {
        let (n, logarithms) = (values.len() as f64, values.iter().map(|value| value.ln()));
        let mean = logarithms.clone().sum::<f64>() / n;
        let variance = logarithms.map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n, n)
    };
    let ((old_mean, old_square, old_n), (new_mean, new_square, new_n)) = (moments(old), moments(new));
    let (difference, square) = (new_mean - old_mean, old_square + new_square);
    let ratio = difference.exp();
    if square == 0.0 {
        let p_value = if difference == 0.0 { 1.0 } else { 0.0 };
        return Some(Ratio { ratio, interval: Some((ratio, ratio)), p_value });
    }
    let freedom = square.powi(2) / (old_square.powi(2) / (old_n - 1.0) + new_square.powi(2) / (new_n - 1.0));
    let freedom = (freedom as usize).max(1);
    let half_width = student_quantile(freedom) * square.sqrt();
    let p_value = student_p(difference.abs() / square.sqrt(), freedom);
    let interval = Some(((difference - half_width).exp(), (difference + half_width).exp()));
    Some(Ratio { ratio, interval, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const OLD: [f64; 10] = [10.1, 10.4, 9.9, 10.0, 10.6, 10.2, 12.9, 10.3, 10.05, 10.15];
    const NEW: [f64; 10] = [11.2, 11.5, 10.9, 11.1, 11.4, 11.9, 11.3, 11.0, 14.0, 11.25];

    /// The allowance of a machine that did not change.
    const NONE: (f64, f64) = (1.0, 1.0);

    /// Few resamples, for tests that make many comparisons.
    const QUICK: Resampling = Resampling { resamples: 200, seed: 1, confidence: 0.95 };

    fn assert_ratio(got: Ratio, ratio: f64, interval: (f64, f64), p_value: f64) {
        let (low, high) = got.interval.unwrap();
        assert!((got.ratio - ratio).abs() < 1e-12, "{got:?}");
        assert!((low - interval.0).abs() < 0.002 && (high - interval.1).abs() < 0.002, "{got:?}");
        assert!((got.p_value / p_value - 1.0).abs() < 1e-9, "{got:?}");
    }

    /// SciPy 1.17.1 `bootstrap(method="percentile", n_resamples=200_000)`; the p-value is from an enumeration
    /// of all 184,756 assignments of the ranks.
    #[test]
    fn ratio_of_medians_matches_scipy() {
        let resampling = Resampling { resamples: 20_000, ..QUICK };
        let got = ratio_of_medians(&OLD, &NEW, &resampling).unwrap();
        assert_ratio(got, 1.108_108_108_108_108_1, (1.075_426, 1.142_145), 0.001_050_033_557_773_496);
    }

    /// SciPy 1.17.1 `wilcoxon(method="exact")` of the logarithms; the interval ends at the second and the
    /// ninth of the ten ratios.
    #[test]
    fn paired_ratio_matches_scipy() {
        let pairs: Vec<(f64, f64)> = OLD.into_iter().zip(NEW).collect();
        let got = paired_ratio(&pairs).unwrap();
        assert_ratio(got, 1.107_071_807_502_842_8, (11.0 / 10.3, 11.9 / 10.2), 0.048_828_125);
    }

    #[test]
    fn invalid_samples_have_no_ratio_and_few_samples_no_interval() {
        assert_eq!(ratio_of_medians(&[], &NEW, &QUICK), None);
        assert_eq!(ratio_of_medians(&[0.0; 6], &NEW, &QUICK), None);
        assert_eq!(paired_ratio(&[]), None);
        assert_eq!(paired_ratio(&[(1.0, f64::NAN)]), None);
        assert_eq!(ratio_of_medians(&OLD[..5], &NEW, &QUICK).unwrap().interval, None);
        assert_eq!(paired_ratio(&[(1.0, 2.0); 5]).unwrap().interval, None);
    }

    #[test]
    fn a_verdict_depends_on_interval_threshold_and_significance() {
        let judge = |ratio, interval, p_value| {
            verdicts(&[Ratio { ratio, interval, p_value }], &[NONE], 0.03, 0.05)[0]
        };
        assert_eq!(judge(1.10, Some((1.05, 1.15)), 0.01), Verdict::Slower);
        assert_eq!(judge(0.90, Some((0.85, 0.95)), 0.01), Verdict::Faster);
        assert_eq!(judge(1.01, Some((1.005, 1.02)), 0.01), Verdict::Same);
        assert_eq!(judge(1.00, Some((0.98, 1.02)), 0.9), Verdict::Same);
        // Not significant, significant but too small, medians that may be equal, and no interval.
        assert_eq!(judge(1.10, Some((1.05, 1.15)), 0.06), Verdict::Inconclusive);
        assert_eq!(judge(1.02, Some((1.01, 1.04)), 0.01), Verdict::Inconclusive);
        assert_eq!(judge(1.10, Some((0.99, 1.15)), 0.01), Verdict::Inconclusive);
        assert_eq!(judge(1.10, None, 0.01), Verdict::Inconclusive);
    }

    #[test]
    fn a_change_that_the_machine_explains_is_inconclusive() {
        let slower = Ratio { ratio: 1.1, interval: Some((1.08, 1.12)), p_value: 0.001 };
        let control = |low, high| Ratio { ratio: 1.0, interval: Some((low, high)), p_value: 0.5 };
        let faster = Ratio { ratio: 1.0 / 1.1, interval: Some((1.0 / 1.12, 1.0 / 1.08)), p_value: 0.001 };
        let judge = |point: Ratio, machine: &[Ratio]| {
            let allowance = allowance(machine.iter().copied());
            let detectable = point.smallest_detectable(allowance, 0.03).unwrap();
            // The smallest change that can be called slower leads to a lower end just at the limit.
            let least = point.interval.unwrap().0 * (1.0 + detectable) / point.ratio;
            assert!((least / (1.03 * allowance.1) - 1.0).abs() < 1e-12);
            verdicts(&[point], &[allowance], 0.03, 0.05)[0]
        };
        assert_eq!(judge(slower, &[control(0.99, 1.01), control(0.8, 0.9)]), Verdict::Slower);
        assert_eq!(judge(slower, &[control(0.99, 1.01), control(1.02, 1.06)]), Verdict::Inconclusive);
        assert_eq!(judge(faster, &[control(0.9, 1.1)]), Verdict::Inconclusive);
        assert_eq!(judge(faster, &[control(0.99, 1.1)]), Verdict::Faster);
        assert_eq!(judge(slower, &[Ratio { interval: None, ..slower }]), Verdict::Slower);
    }

    /// By hand: the variances of the logarithms are equal, so there are exactly four degrees of freedom.
    /// Their 97.5 % quantile is 2.776445, and the p-value is 1 - sin a (1 + cos^2 a / 2) with tan a = t / 2.
    #[test]
    fn ratio_of_runs_matches_welch() {
        let got = ratio_of_runs(&[100.0, 102.0, 104.0], &[110.0, 112.2, 114.4]).unwrap();
        assert_ratio(got, 1.1, (1.052169, 1.150006), 0.003997461899945);
        assert_eq!(ratio_of_runs(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(ratio_of_runs(&[1.0, -1.0], &[1.0, 2.0]), None);
        let constant = ratio_of_runs(&[2.0, 2.0], &[3.0, 3.0]).unwrap();
        assert!((constant.ratio - 1.5).abs() < 1e-12 && constant.p_value == 0.0, "{constant:?}");
    }

    #[test]
    fn one_small_p_value_among_many_points_is_not_significant() {
        let clear = Ratio { ratio: 1.1, interval: Some((1.05, 1.15)), p_value: 0.01 };
        let same = Ratio { ratio: 1.0, interval: Some((0.9, 1.1)), p_value: 0.8 };
        let points = [clear, same, same, same, same, same];
        assert_eq!(verdicts(&points, &[NONE; 6], 0.03, 0.05)[0], Verdict::Inconclusive);
        assert_eq!(verdicts(&points[..1], &[NONE], 0.03, 0.05)[0], Verdict::Slower);
    }

    /// Compares two sweeps of 25 points with ten skewed samples each; the second takes `factor` times as
    /// long.
    fn compare_sweeps(random: &mut Random, sigma: f64, factor: f64) -> Vec<Verdict> {
        let mut point = || {
            let (old, new) = (random.lognormal(10, 1.0, sigma), random.lognormal(10, factor, sigma));
            ratio_of_medians(&old, &new, &QUICK).unwrap()
        };
        verdicts(&(0..25).map(|_| point()).collect::<Vec<_>>(), &[NONE; 25], 0.03, 0.05)
    }

    /// A/A: 40 comparisons of 25 points with 8 % noise. At most one in twenty should find a difference
    /// anywhere; the bound is three standard deviations above that.
    #[test]
    fn the_same_program_is_not_slower_than_itself() {
        let mut random = Random::new(21);
        let differs = |verdict: &Verdict| matches!(verdict, Verdict::Slower | Verdict::Faster);
        let runs: Vec<_> = (0..40).map(|_| compare_sweeps(&mut random, 0.08, 1.0)).collect();
        let alarms = runs.iter().filter(|run| run.iter().any(differs)).count();
        let points = runs.iter().flatten().filter(|verdict| differs(verdict)).count();
        println!("A/A: {alarms} of 40 comparisons, {points} of 1000 points");
        assert!(alarms <= 6, "{alarms} of 40 comparisons");
        assert!(points < 50, "{points} of 1000 points");
    }

    /// With 2 % noise, the interval of the ratio of ten samples extends about 2 % to either side.
    #[test]
    fn ten_percent_slower_is_found_at_every_point() {
        let mut random = Random::new(22);
        for _ in 0..10 {
            assert_eq!(compare_sweeps(&mut random, 0.02, 1.10), [Verdict::Slower; 25]);
            assert_eq!(compare_sweeps(&mut random, 0.02, 1.0 / 1.10), [Verdict::Faster; 25]);
        }
    }

    #[test]
    fn samples_of_the_same_program_with_little_noise_are_the_same() {
        let mut random = Random::new(23);
        assert_eq!(compare_sweeps(&mut random, 0.005, 1.0), [Verdict::Same; 25]);
    }

    /// 600 bootstrap intervals of the ratio of medians of ten samples each.
    #[test]
    fn interval_of_the_ratio_covers_the_true_ratio() {
        let mut random = Random::new(24);
        let covers = |random: &mut Random| {
            let (old, new) = (random.lognormal(10, 1.0, 0.1), random.lognormal(10, 1.2, 0.1));
            let (low, high) = ratio_of_medians(&old, &new, &QUICK).unwrap().interval.unwrap();
            low <= 1.2 && 1.2 <= high
        };
        let count = (0..600).filter(|_| covers(&mut random)).count();
        println!("interval of the ratio: {count} of 600");
        assert!((555..=597).contains(&count), "{count} of 600");
    }
}

//! Rank tests of the difference between two sets of samples of any distribution.

use std::f64::consts::SQRT_2;

use super::ranks::{doubled_midranks, subset_sums, two_sided};

/// Largest number of samples, in both sets together, for which the Mann-Whitney test is exact: its time grows
/// with n^4.
const LARGEST_EXACT_UNPAIRED: usize = 60;

/// Largest number of pairs for which the signed-rank test is exact: its time grows with n^3.
const LARGEST_EXACT_PAIRED: usize = 200;

/// Two-sided p-value of the Mann-Whitney U test of two independent sets of samples.
///
/// If both sets come from the same distribution, whatever its shape, the p-value is at most p with a
/// probability of at most p. The test is exact for up to 60 samples in total, ties included. Above, it is the
/// normal approximation with corrections for ties and continuity. Mann & Whitney, Annals of Mathematical
/// Statistics 18(1), 1947; Lehmann, "Nonparametrics", 1975, sections 1.2 to 1.4. Returns `None` if a set is
/// empty or a value is not a number.
pub(super) fn mann_whitney_p(a: &[f64], b: &[f64]) -> Option<f64> {
    let both = [a, b].concat();
    if a.is_empty() || b.is_empty() || both.iter().any(|value| value.is_nan()) {
        return None;
    }
    let ranks = doubled_midranks(&both);
    let sum = ranks[..a.len()].iter().sum();
    if both.len() <= LARGEST_EXACT_UNPAIRED {
        return Some(two_sided(&subset_sums(&ranks, Some(a.len())), sum));
    }
    let (n, part) = (both.len() as f64, a.len() as f64 / both.len() as f64);
    let mean = n + 1.0;
    let squares: f64 = ranks.iter().map(|&rank| (rank as f64 - mean).powi(2)).sum();
    // Drawing without replacement: the variance of the ranks accounts for ties.
    let variance = n * part * (1.0 - part) * squares / (n - 1.0);
    Some(normal_p(sum as f64 - n * part * mean, variance))
}

/// Two-sided p-value of Wilcoxon's signed-rank test of paired `differences` against zero.
///
/// If exchanging the two samples of any pair changes nothing, a value at most this small occurs with at most
/// this probability. Differences of zero are ignored. The test is exact for up to 200 pairs, ties included.
/// Above, it is the normal approximation with corrections for ties and continuity. Wilcoxon, Biometrics
/// Bulletin 1(6), 1945; Lehmann, "Nonparametrics", 1975, section 3.2. Returns 1 if no pair differs, and
/// `None` without pairs or if a value is not a number.
pub(super) fn signed_rank_p(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() || differences.iter().any(|value| value.is_nan()) {
        return None;
    }
    let nonzero: Vec<f64> = differences.iter().copied().filter(|&value| value != 0.0).collect();
    let sizes: Vec<f64> = nonzero.iter().map(|value| value.abs()).collect();
    let ranks = doubled_midranks(&sizes);
    let sum = ranks.iter().zip(&nonzero).filter(|&(_, &value)| value > 0.0).map(|(rank, _)| rank).sum();
    if ranks.len() <= LARGEST_EXACT_PAIRED {
        return Some(two_sided(&subset_sums(&ranks, None), sum));
    }
    let mean = ranks.iter().sum::<usize>() as f64 / 2.0;
    let variance = ranks.iter().map(|&rank| (rank as f64).powi(2)).sum::<f64>() / 4.0;
    Some(normal_p(sum as f64 - mean, variance))
}

/// Two-sided p-value of a sum of doubled ranks at `distance` from its mean.
///
/// The continuity correction subtracts half a rank: 1 in doubled ranks.
fn normal_p(distance: f64, variance: f64) -> f64 {
    let distance = (distance.abs() - 1.0).max(0.0);
    if distance == 0.0 { 1.0 } else { libm::erfc(distance / variance.sqrt() / SQRT_2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: Option<f64>, expected: f64) {
        let got = got.unwrap();
        assert!((got / expected - 1.0).abs() < 1e-9, "{got} instead of {expected}");
    }

    /// Hollander & Wolfe, "Nonparametric Statistical Methods", 1973, page 69 (permeability of a
    /// membrane), an example of R's `wilcox.test`; the value by SciPy 1.17.1 `mannwhitneyu(method="exact")`.
    #[test]
    fn mann_whitney_matches_hollander_and_wolfe() {
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        assert_close(mann_whitney_p(&term, &early), 0.254_412_254_412_254_4);
        assert_close(mann_whitney_p(&early, &term), 0.254_412_254_412_254_4);
    }

    /// Enumeration of all 6,435 assignments of the ranks in Python (`itertools.combinations`).
    #[test]
    fn mann_whitney_with_ties_matches_enumeration() {
        let (a, b) = ([1., 2., 2., 3., 5., 5., 7.], [2., 4., 5., 6., 8., 8., 9., 9.]);
        assert_close(mann_whitney_p(&a, &b), 0.052_836_052_836_052_83);
    }

    /// SciPy 1.17.1 `mannwhitneyu(method="asymptotic", use_continuity=True)`, without and with ties.
    #[test]
    fn mann_whitney_of_many_samples_matches_scipy() {
        let fine = |n: u32, a: u32, b: u32| {
            move |low: f64| -> Vec<f64> { (0..n).map(|i| f64::from(i * a % b) / 10.0 + low).collect() }
        };
        let (x, y) = (fine(40, 7919, 101)(0.0), fine(35, 6007, 103)(1.0));
        assert_close(mann_whitney_p(&x, &y), 0.099_720_334_643_644_67);
        let whole = |values: Vec<f64>, more: f64| -> Vec<f64> {
            values.iter().map(|value| value.floor() + more).collect()
        };
        let (x, y) = (whole(x, 0.0), whole(y, 1.0));
        assert_close(mann_whitney_p(&x, &y), 0.005_553_036_073_202_98);
    }

    /// Hollander & Wolfe, page 29 (Hamilton depression scale), an example of R's `wilcox.test`: one-sided
    /// 0.01953. SciPy 1.17.1 `wilcoxon(method="exact")` gives the same.
    #[test]
    fn signed_rank_matches_hollander_and_wolfe() {
        let differences = [0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01];
        assert_close(signed_rank_p(&differences), 0.039_062_5);
    }

    /// Enumeration of all 1,024 assignments of the signs in Python (`itertools.product`).
    #[test]
    fn signed_rank_with_ties_and_a_zero_matches_enumeration() {
        let differences = [1., 2., 2., -1., 3., -4., 5., 5., 6., 0., 7.];
        assert_close(signed_rank_p(&differences), 0.041_015_625);
    }

    /// SciPy 1.17.1 `wilcoxon(method="asymptotic", correction=True)`.
    #[test]
    fn signed_rank_of_many_pairs_matches_scipy() {
        let differences: Vec<f64> = (0..250).map(|i| f64::from(i * 7919 % 601) - 260.0).collect();
        assert_close(signed_rank_p(&differences), 8.323_802_274_816_711e-5);
    }

    #[test]
    fn equal_samples_have_p_value_one_and_invalid_ones_have_none() {
        assert_eq!(mann_whitney_p(&[1.0; 10], &[1.0; 10]), Some(1.0));
        assert_eq!(mann_whitney_p(&[1.0; 100], &[1.0; 100]), Some(1.0));
        assert_eq!(signed_rank_p(&[0.0; 10]), Some(1.0));
        assert_eq!(mann_whitney_p(&[], &[1.0]), None);
        assert_eq!(mann_whitney_p(&[f64::NAN], &[1.0]), None);
        assert_eq!(signed_rank_p(&[]), None);
    }
}

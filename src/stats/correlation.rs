//! Rank correlation, and the drift of samples during a sweep.

use super::median::median;
use super::ranks::doubled_midranks;

/// The correlation of two sequences.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Correlation {
    /// Coefficient, from -1 (one sequence falls as the other rises) to 1.
    rho: f64,
    /// Two-sided p-value: the probability of a rho at least this far from 0 if the order is random.
    p_value: f64,
}

/// The drift of samples during a sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Rank correlation of the samples with their order.
    pub rho: f64,
    /// Its two-sided p-value.
    pub p_value: f64,
    /// Change from the first to the last third of the samples, as a fraction.
    pub change: f64,
}

/// Spearman's rank correlation of `x` and `y`; the values at each index form a pair.
///
/// Spearman, American Journal of Psychology 15(1), 1904. The p-value is that of Student's t with n - 2
/// degrees of freedom (Kendall & Stuart, "The Advanced Theory of Statistics", volume 2, chapter 31), as in
/// `scipy.stats.spearmanr`: accurate from n = 10 on. Returns `None` for fewer than three pairs, for different
/// lengths, or if a sequence is constant or has a value that is not a number.
fn spearman(x: &[f64], y: &[f64]) -> Option<Correlation> {
    if x.len() != y.len() || x.len() < 3 || x.iter().chain(y).any(|value| value.is_nan()) {
        return None;
    }
    let mean = x.len() as f64 + 1.0;
    let centred = |values| doubled_midranks(values).into_iter().map(move |rank| rank as f64 - mean);
    let (xx, yy, xy) = centred(x)
        .zip(centred(y))
        .fold((0.0, 0.0, 0.0), |(xx, yy, xy), (x, y)| (xx + x * x, yy + y * y, xy + x * y));
    if xx == 0.0 || yy == 0.0 {
        return None;
    }
    let rho = (xy / f64::sqrt(xx * yy)).clamp(-1.0, 1.0);
    let freedom = x.len() - 2;
    let t = rho.abs() * (freedom as f64 / (1.0 - rho * rho)).sqrt();
    Some(Correlation { rho, p_value: student_p(t, freedom) })
}

/// The rank correlation of samples with the order in which they were taken: positive if they grow during a
/// sweep.
///
/// `points[i]` holds (order index within the sweep, value) of each sample of point i, in any unit. The order
/// index is correlated with the relative residual, value / median of its point - 1, so that points of any
/// magnitude can be combined. Returns `None` for fewer than three samples, if all residuals are equal, or if
/// a median is 0.
pub fn drift(points: &[&[(u64, f64)]]) -> Option<Drift> {
    let (mut order, mut residuals) = (Vec::new(), Vec::new());
    for point in points.iter().filter(|point| !point.is_empty()) {
        let values: Vec<f64> = point.iter().map(|&(_, value)| value).collect();
        let centre = median(&values).filter(|&centre| centre != 0.0)?;
        order.extend(point.iter().map(|&(index, _)| index as f64));
        residuals.extend(values.iter().map(|value| value / centre - 1.0));
    }
    let Correlation { rho, p_value } = spearman(&order, &residuals)?;
    Some(Drift { rho, p_value, change: change(&order, &residuals)? })
}

/// The difference of the medians of the last and the first third in this order.
fn change(order: &[f64], residuals: &[f64]) -> Option<f64> {
    let mut sorted: Vec<(f64, f64)> = order.iter().copied().zip(residuals.iter().copied()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let residuals: Vec<f64> = sorted.into_iter().map(|(_, residual)| residual).collect();
    let third = residuals.len() / 3;
    Some(median(&residuals[residuals.len() - third..])? - median(&residuals[..third])?)
}

/// The probability that Student's t with a whole number of degrees of `freedom` lies beyond `t` or -`t`.
///
/// Abramowitz & Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4: for whole degrees of freedom
/// the probability is a finite sum, so no incomplete beta function is needed. The absolute error is about
/// 1e-14.
pub(super) fn student_p(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2;
    // Terms cos^j for every second j below the degrees of freedom, each computed from the one before.
    let (mut term, mut sum) = (if odd == 1 { cosine } else { 1.0 }, 0.0);
    for j in (odd..freedom.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= (j + 1) as f64 / (j + 2) as f64 * cosine * cosine;
    }
    let within = if odd == 1 { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum };
    (1.0 - within).clamp(0.0, 1.0)
}

/// The distance that Student's t exceeds, on either side, with a probability of 5 %.
pub(super) fn student_quantile(freedom: usize) -> f64 {
    // That of one degree of freedom is 12.7, and it falls with their number.
    let (mut low, mut high) = (0.0_f64, 13.0_f64);
    while high - low > 1e-12 {
        let middle = (low + high) / 2.0;
        if student_p(middle, freedom) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn assert_close(got: Correlation, rho: f64, p_value: f64) {
        assert!((got.rho - rho).abs() < 1e-12, "{got:?}");
        assert!((got.p_value - p_value).abs() < 1e-12, "{got:?}");
    }

    /// The expected values are those of `spearmanr` in SciPy 1.17.1. The first ten pairs are the example in
    /// the Wikipedia article "Spearman's rank correlation coefficient" (rho = -29/165, p = 0.627188).
    #[test]
    fn matches_scipy() {
        let iq = [106., 100., 86., 101., 99., 103., 97., 113., 112., 110.];
        let hours = [7., 27., 2., 50., 28., 29., 20., 12., 6., 17.];
        assert_close(spearman(&iq, &hours).unwrap(), -29.0 / 165.0, 0.627_188_344_776_484_6);
        let order = [1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11.];
        let tied = [1., 3., 2., 2., 5., 4., 4., 8., 9., 7., 12.];
        assert_close(spearman(&order, &tied).unwrap(), 0.913_251_529_954_446_3, 8.605_135_269_084_894e-5);
    }

    /// Twice `scipy.stats.t.sf(t, freedom)` (SciPy 1.17.1).
    #[test]
    fn student_matches_scipy() {
        let expected = [
            (1.0, 1, 0.5),
            (2.228_138_852, 10, 0.049_999_999_998_836_47),
            (3.5, 7, 0.009_993_040_881_885_549),
            (12.0, 24, 1.249_869_155_033_815_8e-11),
            (0.3, 101, 0.764_793_723_074_511),
            (f64::INFINITY, 8, 0.0),
        ];
        for (t, freedom, p) in expected {
            assert!((student_p(t, freedom) - p).abs() < 1e-13, "t = {t}, {freedom} degrees of freedom");
        }
    }

    /// `scipy.stats.t.ppf(0.975, freedom)` (SciPy 1.17.1).
    #[test]
    fn quantiles_match_scipy() {
        for (freedom, quantile) in [
            (1, 12.706_204_736_432_095),
            (2, 4.302_652_729_696_142),
            (4, 2.776_445_105_197_793_3),
            (30, 2.042_272_456_301_237_3),
        ] {
            assert!((student_quantile(freedom) - quantile).abs() < 1e-9, "{}", student_quantile(freedom));
        }
    }

    #[test]
    fn invalid_sequences_have_no_correlation() {
        assert_eq!(spearman(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, f64::NAN], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 2.0]), None);
    }

    /// Points whose magnitudes differ a thousandfold, ten rounds with 1 % noise; the last round is slower by
    /// `slope`.
    fn sweep(random: &mut Random, slope: f64) -> Option<Drift> {
        let sample = |point: u64, round: u64, noise: f64| {
            let slower = 1.0 + slope * round as f64 / 9.0;
            (round * 20 + point, 1.5_f64.powi(point as i32) * slower * noise)
        };
        let noise: Vec<Vec<f64>> = (0..20).map(|_| random.lognormal(10, 1.0, 0.01)).collect();
        let point =
            |p: usize| noise[p].iter().zip(0..).map(|(&n, round)| sample(p as u64, round, n)).collect();
        let points: Vec<Vec<_>> = (0..20).map(point).collect();
        drift(&points.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn a_drift_of_two_percent_is_detected_and_noise_is_not() {
        let mut random = Random::new(5);
        let slower = sweep(&mut random, 0.02).unwrap();
        assert!(slower.p_value < 1e-6 && (0.008..0.018).contains(&slower.change), "{slower:?}");
        assert!(sweep(&mut random, -0.02).unwrap().rho < -0.3);
        let alarms = (0..200).filter(|_| sweep(&mut random, 0.0).unwrap().p_value < 0.05).count();
        assert!((2..=20).contains(&alarms), "{alarms} of 200");
    }

    #[test]
    fn three_pairs_are_the_fewest() {
        assert!(
            spearman(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]).is_some_and(|found| (found.rho - 0.5).abs() < 1e-12)
        );
        assert!(spearman(&[1.0, 2.0], &[1.0, 3.0]).is_none());
    }
}

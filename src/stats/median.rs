//! The median, its distribution-free interval, and quantiles.

/// Minimum confidence of an interval of the median.
const CONFIDENCE: f64 = 0.95;

/// Weights below this fraction of the largest one cannot change a sum of doubles.
const NEGLIGIBLE_WEIGHT: f64 = 1e-20;

/// The median: the middle value, or the mean of the two middle values. `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The `q` quantile (0 to 1) by linear interpolation between the two nearest values.
///
/// Type 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50(4),
/// 1996: the default of `numpy.quantile` and of R's `quantile`. Returns `None` without values, or if `q` lies
/// outside 0 to 1.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let sorted = sorted(values);
    let position = q * sorted.len().checked_sub(1)? as f64;
    let low = *sorted.get(position.floor() as usize)?;
    let high = *sorted.get(position.ceil() as usize)?;
    let part = position.fract();
    // Interpolated from the nearer end, as numpy does, so that rounding cannot miss either end.
    Some(if part < 0.5 { low + (high - low) * part } else { high - (high - low) * (1.0 - part) })
}

/// The interval that contains the median of the population with at least 95 % confidence, for any
/// distribution of the values. `None` for five values or fewer, which have no such interval.
pub fn median_interval(values: &[f64]) -> Option<(f64, f64)> {
    let (low, high) = median_interval_ranks(values.len())?;
    let sorted = sorted(values);
    Some((*sorted.get(low - 1)?, *sorted.get(high - 1)?))
}

/// The ranks, counted from 1, of the two order statistics that bound [`median_interval`]: the narrowest
/// symmetric pair that reaches 95 %.
///
/// The number of values below the median is binomial (n, 1/2). The l-th smallest and the l-th largest of n
/// values therefore enclose the median with the probability that this number lies in l ..= n - l. David &
/// Nagaraja, "Order Statistics", 3rd edition, 2003, section 7.1.
pub(super) fn median_interval_ranks(n: usize) -> Option<(usize, usize)> {
    let total: f64 = symmetric_weights(n).map(|(_, weight)| weight).sum();
    let mut covered = 0.0;
    symmetric_weights(n).take_while(|&(successes, _)| successes > 0).find_map(|(successes, weight)| {
        covered += weight;
        (covered >= CONFIDENCE * total).then_some((successes, n + 1 - successes))
    })
}

/// The combined weight of k and n - k in binomial (n, 1/2), for k from the middle down to 0.
///
/// Weights are relative to that of the middle, so that nothing overflows for any n and the ratio of
/// neighbours is enough to compute them. The tail ends where weights become negligible.
fn symmetric_weights(n: usize) -> impl Iterator<Item = (usize, f64)> {
    std::iter::successors(Some((n / 2, 1.0)), move |&(k, weight)| {
        (k > 0).then(|| (k - 1, weight * k as f64 / (n - k + 1) as f64))
    })
    .take_while(|&(_, weight)| weight > NEGLIGIBLE_WEIGHT)
    .map(move |(k, weight)| (k, if 2 * k == n { weight } else { 2.0 * weight }))
}

/// The values in ascending order.
pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The published ranks that docs/method.md lists.
    const PUBLISHED_RANKS: [(usize, usize, usize); 9] = [
        (6, 1, 6),
        (8, 1, 8),
        (9, 2, 8),
        (10, 2, 9),
        (12, 3, 10),
        (15, 4, 12),
        (20, 6, 15),
        (30, 10, 21),
        (50, 18, 33),
    ];

    #[test]
    fn ranks_match_the_published_ones() {
        for (n, low, high) in PUBLISHED_RANKS {
            assert_eq!(median_interval_ranks(n), Some((low, high)), "n = {n}");
        }
    }

    #[test]
    fn five_values_have_no_interval() {
        for n in 0..=5 {
            assert_eq!(median_interval_ranks(n), None, "n = {n}");
        }
        assert_eq!(median_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]), None);
    }

    /// The largest l with `2 * P(B <= l - 1) <= 5 %`, in integer arithmetic.
    fn exact_ranks(n: u32) -> Option<(usize, usize)> {
        let (mut choose, mut tail, mut low) = (1_u128, 0_u128, 0_u32);
        while 40 * (tail + choose) <= 1 << n {
            tail += choose;
            choose = choose * u128::from(n - low) / u128::from(low + 1);
            low += 1;
        }
        (low > 0).then_some((low as usize, (n + 1 - low) as usize))
    }

    #[test]
    fn ranks_match_integer_arithmetic() {
        for n in 0..=100 {
            assert_eq!(median_interval_ranks(n as usize), exact_ranks(n), "n = {n}");
        }
    }

    #[test]
    fn ranks_of_a_million_values_match_the_normal_approximation() {
        let n = 1_000_000;
        let (low, high) = median_interval_ranks(n).unwrap();
        let expected_low = n as f64 / 2.0 - 1.959_964 * (n as f64).sqrt() / 2.0;
        assert!((low as f64 - expected_low).abs() < 2.0, "{low}");
        assert_eq!(low + high, n + 1);
    }

    #[test]
    fn interval_does_not_depend_on_the_order_of_the_values() {
        let values = [9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0];
        assert_eq!(median_interval(&values), Some((2.0, 8.0)));
    }

    #[test]
    fn median_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    /// Values of `numpy.quantile([15, 20, 35, 40, 50], q)`.
    #[test]
    fn quantiles_match_numpy() {
        let values = [40.0, 15.0, 50.0, 20.0, 35.0];
        for (q, expected) in [(0.0, 15.0), (0.25, 20.0), (0.4, 29.0), (0.9, 46.0), (1.0, 50.0)] {
            let got = quantile(&values, q).unwrap();
            assert!((got - expected).abs() < 1e-12, "q = {q}: {got}");
        }
    }

    #[test]
    fn quantile_outside_the_unit_interval_is_none() {
        assert_eq!(quantile(&[1.0], -0.1), None);
        assert_eq!(quantile(&[1.0], 1.1), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
    }

    /// The interval contains the median of a lognormal distribution (skewness 6.2) with the binomial
    /// probability: 97.9 % for ten values and 95.9 % for twenty.
    #[test]
    fn interval_covers_the_median_of_skewed_values() {
        let mut random = Random::new(1);
        let repetitions = 20_000;
        for (n, expected) in [(10, 0.978_5), (20, 0.958_6)] {
            let covers = |(low, high): (f64, f64)| low <= 1.0 && 1.0 <= high;
            let covered = |_: &u32| covers(median_interval(&random.lognormal(n, 1.0, 1.0)).unwrap());
            let coverage = (0..repetitions).filter(covered).count() as f64 / f64::from(repetitions);
            println!("n = {n}: coverage {coverage}");
            assert!((0.94..=0.99).contains(&coverage), "n = {n}: {coverage}");
            // Three standard deviations of the simulation.
            assert!((coverage - expected).abs() < 0.004_5, "n = {n}: {coverage}");
        }
    }
}

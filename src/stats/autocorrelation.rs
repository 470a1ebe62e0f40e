//! The interval of a median that allows for correlated neighbours.

use super::batches::batch_medians;
use super::median::{median_interval, median_interval_ranks, sorted};
use super::ranks::doubled_midranks;

/// Minimum number of values for the interval of batches. Fewer cannot be divided into ten batches of at least
/// two.
const MIN_BATCHED: usize = 22;

/// Highest assumed correlation of neighbours: the effective number of values is then a nineteenth.
const MAX_CORRELATION: f64 = 0.9;

/// The interval of the median of `values`, which are in the order of measurement, with about 95 % confidence:
/// that of `certain_interval`, or else the range of all values. `None` for five values or fewer.
pub fn series_interval(values: &[f64]) -> Option<(f64, f64)> {
    let range = || median_interval(values).and(ends(values));
    certain_interval(values).or_else(range)
}

/// The interval of the median of `values`, which are in the order of measurement, with about 95 % confidence.
/// `None` for five values or fewer, and for fewer than 22 if they are so correlated that no two of them
/// enclose the median with enough confidence.
///
/// The ranks of [`median_interval`] assume independent values. The correlation `r` of neighbours is estimated
/// from their ranks, and the distance of the two ranks from the middle is widened by sqrt((1 + r) / (1 - r)),
/// as for the mean of an autoregressive series (Law, "Simulation Modeling and Analysis", 5th edition 2015,
/// section 4.4). An estimate from few values is too low, by about (1 + 4 r) / n (Kendall, Biometrika 41,
/// 1954), so 1.5 / n is added, or 3 / n if they are clearly correlated. From 22 values on, the interval is
/// widened only if `r` exceeds 0.7 of its standard error 1 / sqrt(n); it then also encloses the interval of
/// ten batches. `cargo bench --bench coverage` simulates the coverage together with the stopping rule.
pub(super) fn certain_interval(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let independent = median_interval(values)?;
    let correlation = neighbour_correlation(values);
    if values.len() < MIN_BATCHED {
        return widened(values, correlation + 1.5 / n);
    }
    if correlation <= 0.7 / n.sqrt() {
        return Some(independent);
    }
    let (widened_low, widened_high) = widened(values, correlation + 3.0 / n).or_else(|| ends(values))?;
    let (batched_low, batched_high) = median_interval(&batch_medians(values))?;
    Some((widened_low.min(batched_low), widened_high.max(batched_high)))
}

/// The correlation of the ranks of neighbours, -1 to 1; 0 for constant values.
fn neighbour_correlation(values: &[f64]) -> f64 {
    let mean = values.len() as f64 + 1.0;
    let centred: Vec<f64> = doubled_midranks(values).into_iter().map(|rank| rank as f64 - mean).collect();
    let squares: f64 = centred.iter().map(|value| value * value).sum();
    let products: f64 = centred.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if squares > 0.0 { products / squares } else { 0.0 }
}

/// The interval between the ranks of [`median_interval`], moved outwards for this correlation of neighbours.
fn widened(values: &[f64], correlation: f64) -> Option<(f64, f64)> {
    let correlation = correlation.clamp(0.0, MAX_CORRELATION);
    let factor = ((1.0 + correlation) / (1.0 - correlation)).sqrt();
    let (low, _) = median_interval_ranks(values.len())?;
    let middle = (values.len() as f64 + 1.0) / 2.0;
    let rank = (middle - (middle - low as f64) * factor).floor();
    let sorted = sorted(values);
    let below = (rank >= 1.0).then(|| rank as usize - 1)?;
    Some((*sorted.get(below)?, *sorted.get(values.len() - 1 - below)?))
}

/// The smallest and the largest value.
fn ends(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    Some((*sorted.first()?, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// `n` values with median 0, each of which keeps `rho` of the one before.
    fn autoregressive(random: &mut Random, n: usize, rho: f64) -> Vec<f64> {
        let mut value = random.normal();
        let mut next = || {
            value = rho * value + (1.0 - rho * rho).sqrt() * random.normal();
            value
        };
        (0..n).map(|_| next()).collect()
    }

    /// Lag-1 autocorrelation of 1, 2, 3, 4, 5: (-2)(-1) + (-1)(0) + 0 + 2 = 4, divided by 10.
    #[test]
    fn the_correlation_of_neighbours_is_that_of_their_ranks() {
        assert!((neighbour_correlation(&[1.0, 2.0, 3.0, 4.0, 500.0]) - 0.4).abs() < 1e-12);
        assert!(neighbour_correlation(&[1.0, 9.0, 2.0, 8.0, 3.0, 7.0]) < -0.5);
        assert_eq!(neighbour_correlation(&[7.0; 5]), 0.0);
    }

    #[test]
    fn few_values_that_rise_steadily_have_no_interval_and_many_have_a_wide_one() {
        let rising: Vec<f64> = (0..15).map(f64::from).collect();
        assert_eq!(certain_interval(&rising), None);
        assert_eq!(series_interval(&rising), Some((0.0, 14.0)), "the whole range");
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(median_interval(&rising), Some((39.0, 60.0)));
        let (low, high) = series_interval(&rising).unwrap();
        assert!(low < 15.0 && high > 85.0, "{low} {high}");
        assert_eq!(series_interval(&[1.0; 10]), Some((1.0, 1.0)));
        assert_eq!(series_interval(&[1.0; 5]), None);
    }

    #[test]
    fn the_interval_covers_the_median_of_correlated_values() {
        let mut random = Random::new(7);
        for n in [33, 100, 400] {
            let mut coverage = |rho, interval: fn(&[f64]) -> Option<(f64, f64)>| {
                let covers = |_: &usize| {
                    let values = autoregressive(&mut random, n, rho);
                    interval(&values).is_some_and(|(low, high)| low <= 0.0 && 0.0 <= high)
                };
                (0..1000_usize).filter(covers).count()
            };
            let (plain, allowing) = (coverage(0.5, median_interval), coverage(0.5, series_interval));
            let independent = coverage(0.0, series_interval);
            println!("n = {n}: rho 0.5: {plain} and {allowing} of 1000; independent: {independent}");
            assert!(
                plain < 830 && allowing > 915 && independent > 930,
                "{n} {plain} {allowing} {independent}"
            );
        }
    }
}

//! Knees of a curve of bandwidth over block size: changes of its slope on logarithmic axes.

use super::bootstrap::{Estimate, Resampling, is_resamplable, replicates};
use super::median::median;

/// Maximum number of knees.
const MAX_KNEES: usize = 3;

/// Maximum number of points at which the search for knees starts: 4,960 placements of three.
const MAX_PLACES: usize = 32;

/// Minimum number of points per segment.
const MIN_POINTS: usize = 3;

/// Unknowns of the largest fit: height, first slope, and one change of slope per knee.
const MAX_UNKNOWNS: usize = 2 + MAX_KNEES;

/// Deviations below 1 % do not justify a knee: log2(1.01).
const NEGLIGIBLE: f64 = 0.014_355_292_977_070_055;

/// Smallest step by which a knee is shifted, as a fraction of the mean distance between points.
const FINEST_STEP: f64 = 1.0 / 64.0;

/// Fraction of the resamples that must agree on a knee.
const AGREEING: f64 = 0.8;

/// Distance of two knees, as log2 of the factor between their sizes, that still counts as the same place.
const NEAR: f64 = 1.0;

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint<'a> {
    /// Block size, in bytes.
    pub block_bytes: u64,
    /// Bandwidth of each sample, in any unit.
    pub bandwidths: &'a [f64],
}

/// A change of slope. With slope 1, bandwidth grows in proportion to the block size; with slope 0, it is
/// constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedKnee {
    /// Block size at the knee, in bytes, with its interval.
    pub block_bytes: Estimate,
    /// Slope below the knee.
    pub slope_before: f64,
    /// Slope above the knee.
    pub slope_after: f64,
}

/// Finds the knees of the curve through the medians of `points`, in ascending order. A straight curve has
/// none.
///
/// A continuous line of straight segments is fitted to log2(bandwidth) over log2(block size) by least squares
/// (Hudson, JASA 61, 1966; Muggeo, Statistics in Medicine 22, 2003). The search starts with the best
/// placement of the knees on points and shifts the knees by ever smaller steps. The number of knees, up to
/// three with at least three points per segment, is the one with the smallest Bayesian information criterion.
/// It counts three unknowns per knee (Kim & Kim, J. Statistical Planning and Inference 170, 2016); with two,
/// as Schwarz proposed, too many knees are found. Deviations below 1 % are left unexplained. The intervals
/// are percentile bootstrap intervals for that number of knees; the samples are resampled within every point.
/// The intervals are valid only if the curve really consists of straight segments. A knee counts only if at
/// least four of five resamples also have it, within a factor of 2 of its place.
///
/// The cost model ([`super::fit_cost_model`]) bends gently over many sizes. That bend is not a knee, but a
/// fit of straight segments places knees in it. To find only the knees that the model does not explain, pass
/// the bandwidths divided by those that the model predicts.
///
/// Points with five samples or fewer, or with values that are not positive and finite, are ignored. Returns
/// `None` if fewer than three points remain, if two have the same size, or once `stop` returns true.
pub fn find_knees(
    points: &[CurvePoint],
    resampling: &Resampling,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<FittedKnee>> {
    let is_usable = |point: &&CurvePoint| point.block_bytes > 0 && is_resamplable(point.bandwidths);
    let mut points: Vec<&CurvePoint> = points.iter().filter(is_usable).collect();
    points.sort_by_key(|point| point.block_bytes);
    let twice = points.windows(2).any(|pair| pair[0].block_bytes == pair[1].block_bytes);
    if points.len() < MIN_POINTS || twice {
        return None;
    }
    let x: Vec<f64> = points.iter().map(|point| (point.block_bytes as f64).log2()).collect();
    let samples: Vec<&[f64]> = points.iter().map(|point| point.bandwidths).collect();
    let y = log_medians(&samples)?;
    let fit = |count| best_fit(&x, &y, &placements(&x, count), stop);
    let fits = (0..=MAX_KNEES).filter_map(fit);
    let criterion = |fit: &Fit| information_criterion(fit, x.len());
    let chosen = fits.min_by(|a, b| criterion(a).total_cmp(&criterion(b)))?;
    if chosen.knees.is_empty() {
        return Some(Vec::new());
    }
    let starts = placements(&x, chosen.knees.len());
    let refit = |drawn: &[Vec<f64>]| {
        let y = log_medians(drawn).filter(|_| !stop())?;
        let fit = best_fit(&x, &y, &starts, stop)?;
        let supported = (0..fit.knees.len()).map(|index| is_supported(&x, &y, &fit, index, stop)).collect();
        Some((fit.knees, supported))
    };
    let (knees, supported): (Vec<Vec<f64>>, Vec<Vec<bool>>) =
        replicates(&samples, refit, resampling).into_iter().unzip();
    if stop() {
        return None;
    }
    let agrees = |index: usize| {
        let is_near = |knees: &Vec<f64>| (knees[index] - chosen.knees[index]).abs() <= NEAR;
        let agreeing = knees.iter().zip(&supported).filter(|(knees, it)| it[index] && is_near(knees)).count();
        agreeing as f64 >= AGREEING * knees.len() as f64
    };
    let found = chosen.with_intervals(&knees, resampling.confidence)?;
    Some(found.into_iter().enumerate().filter(|(index, _)| agrees(*index)).map(|(_, knee)| knee).collect())
}

/// True if the fit is worse without this knee, by the same criterion that chose the number of knees.
fn is_supported(x: &[f64], y: &[f64], fit: &Fit, index: usize, stop: &dyn Fn() -> bool) -> bool {
    let mut others = fit.knees.clone();
    others.remove(index);
    let without = best_fit(x, y, &[others], stop);
    without
        .is_none_or(|without| information_criterion(fit, x.len()) < information_criterion(&without, x.len()))
}

/// The constant (name, bytes) within the interval of a knee, both ends included, that is nearest to the knee.
/// It suggests a cause and proves nothing. In an interval of a factor of 4 or more lies some constant of
/// every host, so none is named.
pub fn candidate<'a, N>(block_bytes: &Estimate, constants: &'a [(N, u64)]) -> Option<&'a (N, u64)> {
    let Estimate { value, low, high } = *block_bytes;
    let distance = |bytes: u64| (bytes as f64 / value).ln().abs();
    let within = constants.iter().filter(|constant| (low..=high).contains(&(constant.1 as f64)));
    within.filter(|_| high < MAX_NAMED * low).min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))
}

/// Width of an interval, as a factor, from which no constant is named.
const MAX_NAMED: f64 = 4.0;

fn log_medians<T: AsRef<[f64]>>(groups: &[T]) -> Option<Vec<f64>> {
    groups.iter().map(|group| median(group.as_ref()).map(f64::log2)).collect()
}

/// A line of straight segments.
#[derive(Debug, Clone, PartialEq)]
struct Fit {
    /// Positions on the x axis, ascending.
    knees: Vec<f64>,
    /// Slopes of the segments, one more than knees.
    slopes: Vec<f64>,
    /// Sum of the squared deviations.
    squares: f64,
}

impl Fit {
    /// The knees, with the intervals of their positions in `replicates`.
    fn with_intervals(&self, replicates: &[Vec<f64>], confidence: f64) -> Option<Vec<FittedKnee>> {
        let fitted_knee = |index: usize| {
            let sizes: Vec<f64> = replicates.iter().map(|knees| knees[index].exp2()).collect();
            Some(FittedKnee {
                block_bytes: Estimate::new(self.knees[index].exp2(), &sizes, confidence)?,
                slope_before: self.slopes[index],
                slope_after: self.slopes[index + 1],
            })
        };
        (0..self.knees.len()).map(fitted_knee).collect()
    }
}

/// The Bayesian information criterion of Schwarz, Annals of Statistics 6(2), 1978, with the penalty of Kim &
/// Kim per knee.
fn information_criterion(fit: &Fit, n: usize) -> f64 {
    let n = n as f64;
    let variance = (fit.squares / n).max(NEGLIGIBLE * NEGLIGIBLE);
    n * variance.ln() + (2 + 3 * fit.knees.len()) as f64 * n.ln()
}

/// All ways to place `count` knees on points of ascending `x`. Of more than [`MAX_PLACES`] points, every
/// second, third and so on is a place: the search then shifts the knees in finer steps.
fn placements(x: &[f64], count: usize) -> Vec<Vec<f64>> {
    let step = x.len().div_ceil(MAX_PLACES);
    let extend = |knees: Vec<f64>| {
        let from = knees.last().copied().unwrap_or(f64::NEG_INFINITY);
        let longer = move |&knee: &f64| [knees.as_slice(), &[knee]].concat();
        x.iter().step_by(step).filter(move |&&knee| knee > from).map(longer)
    };
    let every = (0..count).fold(vec![Vec::new()], |sets, _| sets.into_iter().flat_map(extend).collect());
    every.into_iter().filter(|knees| has_long_segments(x, knees)).collect()
}

/// True if every segment, from one knee up to the next, has at least [`MIN_POINTS`] points.
fn has_long_segments(x: &[f64], knees: &[f64]) -> bool {
    let below = |end: f64| x.partition_point(|&x| x < end);
    let ends = knees.iter().map(|&knee| below(knee)).chain([x.len()]);
    let starts = [0].into_iter().chain(knees.iter().map(|&knee| below(knee)));
    starts.zip(ends).all(|(start, end)| end >= start + MIN_POINTS)
}

/// The best of `starts`, with its knees shifted to the positions of the best fit.
fn best_fit(x: &[f64], y: &[f64], starts: &[Vec<f64>], stop: &dyn Fn() -> bool) -> Option<Fit> {
    let fits = starts.iter().filter_map(|knees| least_squares(x, y, knees));
    let mut best = fits.min_by(|a, b| a.squares.total_cmp(&b.squares))?;
    let spacing = (x.last()? - x.first()?) / (x.len() - 1) as f64;
    let mut step = 0.5;
    while step >= FINEST_STEP {
        if stop() {
            return None;
        }
        match better_neighbour(x, y, &best, step * spacing) {
            Some(better) => best = better,
            None => step /= 2.0,
        }
    }
    Some(best)
}

/// One step of a pattern search (Hooke & Jeeves, J. ACM 8(2), 1961): the best fit with one knee shifted by
/// `step` to either side, if it is an improvement.
fn better_neighbour(x: &[f64], y: &[f64], fit: &Fit, step: f64) -> Option<Fit> {
    let shift = |(index, by): (usize, f64)| {
        let mut knees = fit.knees.clone();
        knees[index] += by;
        has_long_segments(x, &knees).then(|| least_squares(x, y, &knees)).flatten()
    };
    let shifted = (0..fit.knees.len()).flat_map(|index| [(index, step), (index, -step)]).filter_map(shift);
    // An improvement must exceed rounding errors; otherwise the search would not end.
    shifted
        .filter(|new| new.squares < fit.squares * (1.0 - 1e-9))
        .min_by(|a, b| a.squares.total_cmp(&b.squares))
}

/// The segments with these knees and the smallest sum of squares.
fn least_squares(x: &[f64], y: &[f64], knees: &[f64]) -> Option<Fit> {
    let origin = *x.first()?;
    let unknowns = 2 + knees.len();
    // 1, x, and for each knee the distance of x beyond it.
    let terms = |x: f64| {
        let mut terms = [0.0; MAX_UNKNOWNS];
        (terms[0], terms[1]) = (1.0, x - origin);
        terms[2..].iter_mut().zip(knees).for_each(|(term, knee)| *term = (x - knee).max(0.0));
        terms
    };
    let mut equations = [[0.0; MAX_UNKNOWNS + 1]; MAX_UNKNOWNS];
    for (&x, &y) in x.iter().zip(y) {
        let terms = terms(x);
        for (equation, &left) in equations.iter_mut().zip(&terms[..unknowns]) {
            equation.iter_mut().zip(&terms[..unknowns]).for_each(|(sum, right)| *sum += left * right);
            equation[MAX_UNKNOWNS] += left * y;
        }
    }
    let solution = solve(&mut equations[..unknowns])?;
    let fitted = |x: f64| terms(x).iter().zip(&solution).map(|(term, factor)| term * factor).sum::<f64>();
    let squares = x.iter().zip(y).map(|(&x, &y)| (y - fitted(x)).powi(2)).sum();
    let slopes = (2..=unknowns).map(|end| solution[1..end].iter().sum()).collect();
    Some(Fit { knees: knees.to_vec(), slopes, squares })
}

/// Solves the normal equations by Gauss-Jordan elimination. They are symmetric and positive definite, so no
/// pivoting is needed. The last column holds the right-hand side. Returns `None` if the equations are
/// singular.
fn solve(equations: &mut [[f64; MAX_UNKNOWNS + 1]]) -> Option<[f64; MAX_UNKNOWNS]> {
    for column in 0..equations.len() {
        let pivot_row = equations[column];
        let pivot = pivot_row[column];
        if pivot.abs() < f64::EPSILON {
            return None;
        }
        let others = equations.iter_mut().enumerate().filter(|(row, _)| *row != column);
        for (_, equation) in others {
            let factor = equation[column] / pivot;
            equation.iter_mut().zip(&pivot_row).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut solution = [0.0; MAX_UNKNOWNS];
    for (index, equation) in equations.iter().enumerate() {
        solution[index] = equation[MAX_UNKNOWNS] / equation[index];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const QUICK: Resampling = Resampling { resamples: 40, seed: 1, confidence: 0.95 };

    /// log2 of the bandwidth at log2 size `x`: the slope is `slopes[0]` first and changes to the next one at
    /// each knee.
    fn curve(x: f64, knees: &[f64], slopes: &[f64]) -> f64 {
        let changes = knees.iter().zip(slopes.windows(2));
        20.0 + slopes[0] * x + changes.map(|(knee, s)| (s[1] - s[0]) * (x - knee).max(0.0)).sum::<f64>()
    }

    /// The knees found in that curve at 25 powers of two, ten samples per point with noise `sigma`.
    fn knees_of(random: &mut Random, knees: &[f64], slopes: &[f64], sigma: f64) -> Vec<FittedKnee> {
        let samples = |x: u32| random.lognormal(10, curve(f64::from(x), knees, slopes).exp2(), sigma);
        let samples: Vec<Vec<f64>> = (0..=24).map(samples).collect();
        let points = samples.iter().zip(0..);
        let points = points.map(|(bandwidths, x)| CurvePoint { block_bytes: 1 << x, bandwidths });
        find_knees(&points.collect::<Vec<_>>(), &QUICK, &|| false).unwrap()
    }

    fn assert_recovered(found: &[FittedKnee], knees: &[f64], slopes: &[f64]) {
        assert_eq!(found.len(), knees.len(), "{found:?}");
        for ((found, knee), slopes) in found.iter().zip(knees).zip(slopes.windows(2)) {
            let Estimate { low, high, .. } = found.block_bytes;
            assert!(low <= knee.exp2() && knee.exp2() <= high, "2^{knee} in {found:?}");
            assert!(high < 4.0 * low, "a narrow interval: {found:?}");
            assert!((found.slope_before - slopes[0]).abs() < 0.05, "{found:?}");
            assert!((found.slope_after - slopes[1]).abs() < 0.05, "{found:?}");
        }
    }

    #[test]
    fn one_knee_is_recovered_from_five_percent_noise() {
        let (knees, slopes) = ([12.3], [0.9, 0.1]);
        assert_recovered(&knees_of(&mut Random::new(1), &knees, &slopes, 0.05), &knees, &slopes);
    }

    #[test]
    fn two_knees_are_recovered_from_five_percent_noise() {
        let (knees, slopes) = ([11.6, 20.0], [1.0, 0.1, -0.4]);
        assert_recovered(&knees_of(&mut Random::new(2), &knees, &slopes, 0.05), &knees, &slopes);
    }

    #[test]
    fn three_knees_are_recovered_from_five_percent_noise() {
        let (knees, slopes) = ([6.0, 12.5, 18.0], [1.0, 0.5, 0.0, -0.5]);
        assert_recovered(&knees_of(&mut Random::new(3), &knees, &slopes, 0.05), &knees, &slopes);
    }

    #[test]
    fn exact_knees_are_found_to_the_finest_step() {
        let (knees, slopes) = ([6.25, 12.5, 18.875], [1.0, 0.5, 0.0, -0.5]);
        let found = knees_of(&mut Random::new(4), &knees, &slopes, 0.0);
        assert_eq!(found.len(), 3);
        for (found, knee) in found.iter().zip(knees) {
            assert!((found.block_bytes.value.log2() - knee).abs() <= FINEST_STEP, "{found:?}");
        }
    }

    #[test]
    fn a_straight_line_has_no_knee() {
        let mut random = Random::new(5);
        assert!(knees_of(&mut random, &[], &[0.8], 0.0).is_empty());
        let bent = (0..40).filter(|_| !knees_of(&mut random, &[], &[0.8], 0.05).is_empty()).count();
        println!("straight lines with a knee: {bent} of 40");
        assert!(bent <= 4, "{bent} of 40");
    }

    #[test]
    fn a_deviation_below_one_percent_is_not_a_knee() {
        let found = knees_of(&mut Random::new(6), &[12.0], &[0.5, 0.503], 0.0);
        assert!(found.is_empty(), "{found:?}");
    }

    /// Blocks at 172 ns per call and 0.041 ns per byte; from 1 MiB on, beyond a cache, bytes cost more.
    #[test]
    fn the_bend_of_the_cost_model_is_not_a_knee() {
        let expected = |bytes: f64| bytes / (172.0 + 0.041 * bytes);
        let cache = |x: f64| (-0.5 * (x - 20.0).max(0.0)).exp2();
        let samples = |random: &mut Random, of: &dyn Fn(f64) -> f64| -> Vec<Vec<f64>> {
            (0..=24).map(|x| random.lognormal(10, of(f64::from(x)), 0.02)).collect()
        };
        let knees = |samples: Vec<Vec<f64>>| {
            let points = samples.iter().zip(0..);
            let points = points.map(|(bandwidths, x)| CurvePoint { block_bytes: 1 << x, bandwidths });
            find_knees(&points.collect::<Vec<_>>(), &QUICK, &|| false).unwrap()
        };
        let mut random = Random::new(7);
        assert_eq!(knees(samples(&mut random, &|x| expected(x.exp2()))).len(), 3);
        // Divided by the model, only noise remains, or only the cache.
        assert!(knees(samples(&mut random, &|_| 1.0)).is_empty());
        assert_recovered(&knees(samples(&mut random, &cache)), &[20.0], &[0.0, -0.5]);
    }

    #[test]
    fn few_points_have_few_knees() {
        let samples: Vec<[f64; 10]> =
            (0..8).map(|x| [curve(f64::from(x), &[4.0], &[1.0, 0.0]); 10]).collect();
        let points = |n: usize| -> Vec<CurvePoint> {
            let point = |x: usize| CurvePoint { block_bytes: 1 << x, bandwidths: &samples[x] };
            (0..n).map(point).collect()
        };
        assert_eq!(find_knees(&points(2), &QUICK, &|| false), None);
        assert_eq!(find_knees(&points(5), &QUICK, &|| false).map(|knees| knees.len()), Some(0));
        assert!(find_knees(&points(8), &QUICK, &|| false).is_some_and(|knees| knees.len() <= 1));
        assert_eq!(find_knees(&[points(3), points(3)].concat(), &QUICK, &|| false), None);
    }

    #[test]
    fn points_without_enough_valid_samples_are_ignored() {
        let point = |block_bytes, bandwidths| CurvePoint { block_bytes, bandwidths };
        let points =
            [point(1, &[1.0; 10][..]), point(2, &[1.0; 5]), point(4, &[0.0; 10]), point(8, &[1.0; 10])];
        assert_eq!(find_knees(&points, &QUICK, &|| false), None);
    }

    #[test]
    fn segments_have_at_least_three_points() {
        let x: Vec<f64> = (0..7).map(f64::from).collect();
        assert_eq!(placements(&x, 1), [[3.0], [4.0]]);
        assert_eq!(placements(&x, 0), [[0.0; 0]]);
        assert!(placements(&x, 2).is_empty());
        assert_eq!(placements(&(0..9).map(f64::from).collect::<Vec<_>>(), 2), [[3.0, 6.0]]);
    }

    #[test]
    fn the_nearest_constant_is_named_if_the_interval_is_narrow() {
        let constants = [("page size", 4096), ("L1d", 32768), ("pipe", 65536), ("L2", 1 << 20)];
        let named = |value, low, high| candidate(&Estimate { value, low, high }, &constants).map(|it| it.0);
        assert_eq!(named(50_000.0, 32768.0, 65536.0), Some("pipe"));
        assert_eq!(named(40_000.0, 32768.0, 65536.0), Some("L1d"));
        assert_eq!(named(50_000.0, 32769.0, 65535.0), None, "none lies within");
        assert_eq!(named(50_000.0, 30_000.0, 120_000.0), None, "the interval spans a factor of four");
    }

    #[test]
    fn three_sizes_are_the_fewest_and_a_size_of_zero_does_not_count() {
        let bandwidths = [1.0; 10];
        let point = |block_bytes| CurvePoint { block_bytes, bandwidths: &bandwidths };
        let knees = |sizes: &[u64]| {
            let points: Vec<CurvePoint> = sizes.iter().copied().map(point).collect();
            find_knees(&points, &QUICK, &|| false)
        };
        assert_eq!(knees(&[1, 2, 4]), Some(Vec::new()));
        assert_eq!(knees(&[0, 2, 4]), None);
    }

    /// n ln(variance) + (2 + 3 knees) ln(n), with a variance of 0.01 and 20 points.
    #[test]
    fn the_criterion_counts_two_unknowns_and_three_per_knee() {
        let fit = |knees: usize| Fit { knees: vec![0.0; knees], slopes: Vec::new(), squares: 0.2 };
        let expected = |unknowns: f64| 20.0 * 0.01_f64.ln() + unknowns * 20.0_f64.ln();
        for (knees, unknowns) in [(0, 2.0), (1, 5.0), (2, 8.0)] {
            assert!((information_criterion(&fit(knees), 20) - expected(unknowns)).abs() < 1e-9);
        }
    }
}

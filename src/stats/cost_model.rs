//! The cost model: time = calls x cost per call + bytes x cost per byte.

use super::bootstrap::{Estimate, Resampling, is_resamplable, replicates};
use super::median::median;

/// A point of the curve: repeated samples of the same work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostPoint<'a> {
    /// Calls per sample.
    pub calls: u64,
    /// Bytes moved per sample.
    pub bytes: u64,
    /// Time of each sample, in seconds.
    pub seconds: &'a [f64],
}

/// The fitted model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedCostModel {
    /// Seconds per call, never negative.
    pub per_call_seconds: Estimate,
    /// Seconds per byte, never negative.
    pub per_byte_seconds: Estimate,
    /// Relative error of the model at the median of a point, averaged over the points. The intervals are
    /// valid only if the model is; a large error shows that it is not.
    pub mean_error: f64,
    /// The largest of these errors.
    pub worst_error: f64,
}

impl FittedCostModel {
    /// Seconds that the model expects for so many calls and bytes.
    pub fn seconds(&self, calls: u64, bytes: u64) -> f64 {
        calls as f64 * self.per_call_seconds.value + bytes as f64 * self.per_byte_seconds.value
    }
}

/// Fits the model to the medians of `points`: the non-negative costs with the smallest sum of absolute
/// relative errors.
///
/// Errors are relative, so that a point of a microsecond counts as much as one of a second. They are not
/// squared, so that a few points that follow another law (a full cache, for example) hardly affect the fit
/// (Bloomfield & Steiger, "Least Absolute Deviations", 1983). The intervals are percentile bootstrap
/// intervals; the samples are resampled within every point.
///
/// Points with five samples or fewer, without calls or bytes, or with times that are not positive and finite
/// are ignored. Returns `None` if fewer than three points remain, if all have the same number of bytes per
/// call, or once `stop` returns true.
pub fn fit_cost_model(
    points: &[CostPoint],
    resampling: &Resampling,
    stop: &dyn Fn() -> bool,
) -> Option<FittedCostModel> {
    let is_usable = |point: &&CostPoint| point.calls > 0 && point.bytes > 0 && is_resamplable(point.seconds);
    let points: Vec<&CostPoint> = points.iter().filter(is_usable).collect();
    let block_bytes = |point: &CostPoint| point.bytes as f64 / point.calls as f64;
    let alike = points.windows(2).all(|pair| block_bytes(pair[0]) == block_bytes(pair[1]));
    if points.len() < 3 || alike {
        return None;
    }
    let samples: Vec<&[f64]> = points.iter().map(|point| point.seconds).collect();
    let fit = |seconds: Vec<f64>| {
        let rows = points.iter().zip(seconds);
        least_absolute(
            &rows.map(|(point, t)| (point.calls as f64 / t, point.bytes as f64 / t)).collect::<Vec<_>>(),
            stop,
        )
    };
    let centres = medians(&samples)?;
    let (per_call, per_byte, mean_error) = fit(centres.clone())?;
    let error = |(point, seconds): (&&CostPoint, f64)| {
        (1.0 - (point.calls as f64 * per_call + point.bytes as f64 * per_byte) / seconds).abs()
    };
    let worst_error = points.iter().zip(centres).map(error).fold(0.0, f64::max);
    let fits = replicates(&samples, |drawn| fit(medians(drawn)?), resampling);
    let estimate = |value, replicates: Vec<f64>| Estimate::new(value, &replicates, resampling.confidence);
    Some(FittedCostModel {
        per_call_seconds: estimate(per_call, fits.iter().map(|fit| fit.0).collect())?,
        per_byte_seconds: estimate(per_byte, fits.iter().map(|fit| fit.1).collect())?,
        mean_error,
        worst_error,
    })
}

fn medians<T: AsRef<[f64]>>(groups: &[T]) -> Option<Vec<f64>> {
    groups.iter().map(|group| median(group.as_ref())).collect()
}

/// The non-negative `a` and `b` with the smallest mean of |1 - a x - b y| over the rows (x, y), and that
/// mean.
///
/// The sum is convex, and linear between the lines on which a row fits exactly. Its minimum therefore lies
/// where two of these lines cross, or where one crosses an axis; all of these points are tried.
pub(super) fn least_absolute(rows: &[(f64, f64)], stop: &dyn Fn() -> bool) -> Option<(f64, f64, f64)> {
    let on_axes = rows.iter().flat_map(|&(x, y)| [(1.0 / x, 0.0), (0.0, 1.0 / y)]);
    let in_time = rows.iter().enumerate().take_while(|_| !stop());
    let pairs = in_time.flat_map(|(i, &p)| rows[..i].iter().map(move |&q| (p, q)));
    let crossings = pairs.filter_map(|(p, q)| crossing(p, q));
    let with_error = |(a, b): (f64, f64)| {
        let error: f64 = rows.iter().map(|(x, y)| (1.0 - a * x - b * y).abs()).sum();
        (a, b, error / rows.len() as f64)
    };
    let best = on_axes.chain(crossings).map(with_error).min_by(|p, q| p.2.total_cmp(&q.2));
    best.filter(|_| !stop())
}

/// The point where a x + b y = 1 holds for both rows, if neither `a` nor `b` is negative there.
fn crossing((x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Option<(f64, f64)> {
    let determinant = x1 * y2 - x2 * y1;
    let (a, b) = ((y2 - y1) / determinant, (x1 - x2) / determinant);
    // Parallel lines cross at infinity or nowhere.
    (a >= 0.0 && b >= 0.0 && a.is_finite() && b.is_finite()).then_some((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const PER_CALL: f64 = 172e-9;
    const PER_BYTE: f64 = 0.041e-9;
    const QUICK: Resampling = Resampling { resamples: 100, seed: 1, confidence: 0.95 };

    /// 25 powers of two over at most 16 MiB and 65,536 calls, ten samples per point, noise `sigma`.
    struct Sweep(Vec<(u64, u64, Vec<f64>)>);

    impl Sweep {
        fn new(random: &mut Random, per_call: f64, per_byte: f64, sigma: f64) -> Self {
            let point = |power: u32| {
                let (calls, bytes) =
                    if power < 8 { (1 << 16, 1 << (16 + power)) } else { (1 << (24 - power), 1 << 24) };
                let time = calls as f64 * per_call + bytes as f64 * per_byte;
                (calls, bytes, random.lognormal(10, time, sigma))
            };
            Self((0..=24).map(point).collect())
        }

        fn fit(&self) -> Option<FittedCostModel> {
            let point = |(calls, bytes, seconds)| CostPoint { calls, bytes, seconds };
            let points = self.0.iter().map(|(calls, bytes, seconds)| point((*calls, *bytes, seconds)));
            fit_cost_model(&points.collect::<Vec<_>>(), &QUICK, &|| false)
        }
    }

    fn assert_near(got: Estimate, expected: f64, relative: f64) {
        assert!((got.value / expected - 1.0).abs() <= relative, "{got:?} instead of {expected}");
        assert!(got.low <= got.value && got.value <= got.high, "{got:?}");
    }

    #[test]
    fn exact_times_give_the_exact_costs() {
        let model = Sweep::new(&mut Random::new(1), PER_CALL, PER_BYTE, 0.0).fit().unwrap();
        assert_near(model.per_call_seconds, PER_CALL, 1e-9);
        assert_near(model.per_byte_seconds, PER_BYTE, 1e-9);
        assert!(model.mean_error < 1e-9);
        let expected = 1e3 * model.per_call_seconds.value + 1_048_576.0 * model.per_byte_seconds.value;
        assert!((expected / 0.000_214_991_616 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn five_percent_noise_moves_the_costs_by_less_than_three_percent() {
        let model = Sweep::new(&mut Random::new(2), PER_CALL, PER_BYTE, 0.05).fit().unwrap();
        assert_near(model.per_call_seconds, PER_CALL, 0.03);
        assert_near(model.per_byte_seconds, PER_BYTE, 0.03);
        assert!((0.002..0.05).contains(&model.mean_error), "{model:?}");
    }

    /// The four largest blocks take three times as long, as they do beyond the last cache.
    #[test]
    fn a_few_points_that_follow_another_law_hardly_affect_the_fit() {
        let mut sweep = Sweep::new(&mut Random::new(3), PER_CALL, PER_BYTE, 0.01);
        sweep.0[21..].iter_mut().flat_map(|point| &mut point.2).for_each(|time| *time *= 3.0);
        let model = sweep.fit().unwrap();
        assert_near(model.per_call_seconds, PER_CALL, 0.02);
        assert_near(model.per_byte_seconds, PER_BYTE, 0.02);
    }

    #[test]
    fn an_absent_cost_is_zero_and_not_negative() {
        let model = Sweep::new(&mut Random::new(4), PER_CALL, 0.0, 0.05).fit().unwrap();
        assert!(
            model.per_byte_seconds.low >= 0.0 && model.per_byte_seconds.value < PER_BYTE / 100.0,
            "{model:?}"
        );
        assert_near(model.per_call_seconds, PER_CALL, 0.03);
    }

    #[test]
    fn intervals_contain_the_true_costs() {
        let mut random = Random::new(5);
        let contains =
            |estimate: Estimate, cost: f64| u32::from(estimate.low <= cost && cost <= estimate.high);
        let (mut calls, mut bytes) = (0, 0);
        for _ in 0..30 {
            let model = Sweep::new(&mut random, PER_CALL, PER_BYTE, 0.05).fit().unwrap();
            calls += contains(model.per_call_seconds, PER_CALL);
            bytes += contains(model.per_byte_seconds, PER_BYTE);
        }
        println!("cost intervals: {calls} and {bytes} of 30");
        assert!(calls >= 25 && bytes >= 25, "{calls} and {bytes} of 30");
    }

    #[test]
    fn costs_that_cannot_be_separated_are_not_fitted() {
        let seconds = [1.0; 10];
        let same_blocks = [1, 2, 4].map(|n| CostPoint { calls: n, bytes: 4096 * n, seconds: &seconds });
        assert_eq!(fit_cost_model(&same_blocks, &QUICK, &|| false), None);
        let few = [1, 2, 4].map(|n| CostPoint { calls: n, bytes: 4096, seconds: &seconds[..5] });
        assert_eq!(fit_cost_model(&few, &QUICK, &|| false), None);
        let untimed = [1, 2, 4].map(|n| CostPoint { calls: n, bytes: 4096, seconds: &[0.0; 10] });
        assert_eq!(fit_cost_model(&untimed, &QUICK, &|| false), None);
    }

    /// `scipy.optimize.linprog` (SciPy 1.17.1, HiGHS) for the same problem.
    #[test]
    fn least_absolute_matches_linear_programming() {
        let rows = [(1.03, 0.21), (0.88, 0.33), (0.52, 0.47), (0.23, 0.91), (0.11, 1.37)];
        let (a, b, error) = least_absolute(&rows, &|| false).unwrap();
        assert!((a - 0.889421021124).abs() < 1e-9 && (b - 0.658513640640).abs() < 1e-9, "{a} {b}");
        assert!((error - 0.095715385273).abs() < 1e-9, "{error}");
    }

    /// Every two rows cross at a negative b, so the best fit lies on the axis and is that of the middle row.
    #[test]
    fn the_best_fit_may_lie_on_an_axis() {
        let (a, b, error) = least_absolute(&[(1.0, 0.2), (1.1, 0.5), (1.2, 1.0)], &|| false).unwrap();
        assert_eq!((a, b), (1.0 / 1.1, 0.0));
        assert!((error - 0.2 / 3.3).abs() < 1e-12, "{error}");
    }

    #[test]
    fn three_points_are_the_fewest() {
        let seconds = [[2e-6; 10], [3e-6; 10], [5e-6; 10]];
        let point = |n: usize| CostPoint { calls: 1, bytes: 1 << n, seconds: &seconds[n] };
        assert!(fit_cost_model(&[0, 1, 2].map(point), &QUICK, &|| false).is_some());
        assert_eq!(fit_cost_model(&[0, 1].map(point), &QUICK, &|| false), None);
    }

    #[test]
    fn a_stopped_fit_has_no_result() {
        let sweep = Sweep::new(&mut Random::new(1), PER_CALL, PER_BYTE, 0.0);
        let points =
            sweep.0.iter().map(|(calls, bytes, seconds)| CostPoint { calls: *calls, bytes: *bytes, seconds });
        assert_eq!(fit_cost_model(&points.collect::<Vec<_>>(), &QUICK, &|| true), None);
    }

    /// The same with calls and bytes exchanged.
    #[test]
    fn the_best_fit_may_lie_on_the_other_axis() {
        let (a, b, _) = least_absolute(&[(0.2, 1.0), (0.5, 1.1), (1.0, 1.2)], &|| false).unwrap();
        assert_eq!((a, b), (0.0, 1.0 / 1.1));
    }

    #[test]
    fn points_without_calls_or_bytes_are_ignored() {
        let seconds = [[2e-6; 10], [3e-6; 10], [5e-6; 10]];
        let point = |n: usize| CostPoint { calls: 1, bytes: 1 << n, seconds: &seconds[n] };
        let points = [0, 1, 2].map(point);
        let fit = |more: CostPoint| fit_cost_model(&[&points[..], &[more]].concat(), &QUICK, &|| false);
        let expected = fit_cost_model(&points, &QUICK, &|| false);
        assert_eq!(fit(CostPoint { calls: 0, bytes: 4096, seconds: &[1.0; 10] }), expected);
        assert_eq!(fit(CostPoint { calls: 7, bytes: 0, seconds: &[1.0; 10] }), expected);
    }
}

//! A block size from which all blocks take longer, or less long, than the cost model of the smaller ones
//! says: the edge of a cache, for example.
//!
//! The model of all points bends towards both sides of such an edge and hides it. So the model is fitted to
//! the smaller blocks only, and the larger ones get a factor. It is a change-point problem with one change:
//! Hinkley, "Inference about the change-point in a sequence of random variables", Biometrika 57(1), 1970.

use super::bootstrap::{Estimate, Resampling, is_resamplable, replicates};
use super::cost_model::{CostPoint, least_absolute};
use super::knees::FittedKnee;
use super::median::median;

/// Minimum number of points below the change: enough for both costs of the model.
const MIN_BELOW: usize = 6;
/// Minimum number of points above the change.
const MIN_ABOVE: usize = 3;
/// Smallest change of level that counts, as a natural logarithm: about 10 %.
const MIN_CHANGE: f64 = 0.1;
/// Deviations below 1 % do not justify a change.
const NEGLIGIBLE: f64 = 0.01;
/// Fraction of the resamples that must agree.
const AGREEING: f64 = 0.8;

/// A change between two neighbouring points.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    /// log2 of the block size in the middle.
    place: f64,
    /// Natural logarithm of the factor of the time.
    level: f64,
    /// log2 of the factor between the neighbouring sizes.
    spacing: f64,
}

/// The change of level, if there is one and at least four of five resamples have it within a factor of 2. The
/// slopes are those of the bandwidth relative to the model: 0 before, and that of the step.
pub(super) fn find(
    points: &[CostPoint],
    resampling: &Resampling,
    stop: &dyn Fn() -> bool,
) -> Option<FittedKnee> {
    let is_usable = |point: &&CostPoint| point.calls > 0 && point.bytes > 0 && is_resamplable(point.seconds);
    let mut points: Vec<&CostPoint> = points.iter().filter(is_usable).collect();
    points.sort_by(|a, b| block_bytes(a).total_cmp(&block_bytes(b)));
    let samples: Vec<&[f64]> = points.iter().map(|point| point.seconds).collect();
    let change_of = |groups: &[Vec<f64>]| {
        let medians: Option<Vec<f64>> = groups.iter().map(|group| median(group)).collect();
        best_change(&points, &medians.filter(|_| !stop())?, stop)
    };
    let own: Vec<Vec<f64>> = samples.iter().map(|group| group.to_vec()).collect();
    let found = change_of(&own)?;
    let same = |change: &Change| (change.place - found.place).abs() <= 1.0;
    let others = replicates(&samples, |drawn| Some(change_of(drawn)), resampling);
    let agreeing: Vec<f64> =
        others.iter().flatten().filter(|it| same(it)).map(|it| it.place.exp2()).collect();
    if (agreeing.len() as f64) < AGREEING * others.len() as f64 || stop() {
        return None;
    }
    Some(FittedKnee {
        block_bytes: Estimate::new(found.place.exp2(), &agreeing, resampling.confidence)?,
        slope_before: 0.0,
        slope_after: -found.level / std::f64::consts::LN_2 / found.spacing,
    })
}

fn block_bytes(point: &CostPoint) -> f64 {
    point.bytes as f64 / point.calls as f64
}

/// The change with the smallest Bayesian information criterion, if that is smaller than without a change.
fn best_change(points: &[&CostPoint], seconds: &[f64], stop: &dyn Fn() -> bool) -> Option<Change> {
    let n = points.len() as f64;
    let criterion =
        |squares: f64, unknowns: f64| n * (squares / n).max(NEGLIGIBLE * NEGLIGIBLE).ln() + unknowns * n.ln();
    let without = criterion(deviations(points, seconds, points.len(), stop)?.1, 2.0);
    let last = points.len().checked_sub(MIN_ABOVE)?;
    let candidates = (MIN_BELOW..=last).filter_map(|below| {
        let (level, squares) = deviations(points, seconds, below, stop)?;
        let (low, high) = (block_bytes(points[below - 1]).log2(), block_bytes(points[below]).log2());
        let change = Change { place: (low + high) / 2.0, level, spacing: high - low };
        (level.abs() >= MIN_CHANGE && high > low).then_some((change, criterion(squares, 5.0)))
    });
    let (change, with) = candidates.min_by(|a, b| a.1.total_cmp(&b.1))?;
    (with < without).then_some(change)
}

/// The level above the first `below` points, and the sum of squared deviations of the logarithms from the
/// model of these points and from that level.
fn deviations(
    points: &[&CostPoint],
    seconds: &[f64],
    below: usize,
    stop: &dyn Fn() -> bool,
) -> Option<(f64, f64)> {
    let row =
        |(point, seconds): (&&CostPoint, &f64)| (point.calls as f64 / seconds, point.bytes as f64 / seconds);
    let rows: Vec<(f64, f64)> = points.iter().zip(seconds).map(row).collect();
    let (per_call, per_byte, _) = least_absolute(&rows[..below], stop)?;
    let excess = |(calls, bytes): &(f64, f64)| -(calls * per_call + bytes * per_byte).ln();
    let above: Vec<f64> = rows[below..].iter().map(excess).collect();
    let level = median(&above).unwrap_or(0.0);
    let squares = rows[..below].iter().map(|row| excess(row).powi(2)).sum::<f64>()
        + above.iter().map(|excess| (excess - level).powi(2)).sum::<f64>();
    squares.is_finite().then_some((level, squares))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const QUICK: Resampling = Resampling { resamples: 50, seed: 1, confidence: 0.95 };

    /// The change in 25 powers of two of a model of 440 ns per call and 0.096 ns per byte with 1 % noise,
    /// whose times are `factor` times as long from 2^`power` bytes on.
    fn found(power: u32, factor: f64) -> Option<FittedKnee> {
        let mut random = Random::new(3);
        let mut point = |size: u32| {
            let (calls, bytes) = (1_u64 << (24 - size), 1_u64 << 24);
            let seconds = calls as f64 * 440e-9 + bytes as f64 * 0.096e-9;
            let seconds = if size >= power { seconds * factor } else { seconds };
            (calls, bytes, random.lognormal(10, seconds, 0.01))
        };
        let points: Vec<(u64, u64, Vec<f64>)> = (0..=24).map(&mut point).collect();
        let points: Vec<CostPoint> = points
            .iter()
            .map(|(calls, bytes, seconds)| CostPoint { calls: *calls, bytes: *bytes, seconds })
            .collect();
        find(&points, &QUICK, &|| false)
    }

    #[test]
    fn a_change_of_level_is_found_between_its_neighbours_and_a_pure_model_has_none() {
        for power in [14, 17, 20] {
            let knee = found(power, 1.3).unwrap();
            assert!(
                (knee.block_bytes.value.log2() - (f64::from(power) - 0.5)).abs() < 0.6,
                "{power}: {knee:?}"
            );
            assert!((knee.slope_after + 1.3_f64.log2()).abs() < 0.05, "{knee:?}");
        }
        assert!(found(17, 1.0 / 1.3).unwrap().slope_after > 0.3, "faster from there on");
        assert_eq!(found(17, 1.0), None);
        assert_eq!(found(17, 1.05), None, "5 % are no knee");
    }
}

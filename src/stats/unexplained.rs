//! The part of a curve that the cost model does not explain.

use super::bootstrap::Resampling;
use super::cost_model::{CostPoint, FittedCostModel};
use super::knees::{CurvePoint, FittedKnee, find_knees};
use super::level_change;

/// The knees that a cost model of the same points does not explain: a change of the level of the bandwidth
/// (`level_change.rs`), or else the knees of the bandwidth divided by that of the model. Their slopes are
/// relative to the model.
///
/// # Errors
/// `None` as in [`find_knees`].
pub fn find_unexplained_knees(
    points: &[CostPoint],
    model: &FittedCostModel,
    resampling: &Resampling,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<FittedKnee>> {
    if let Some(knee) = level_change::find(points, resampling, stop) {
        return Some(vec![knee]);
    }
    let usable = || points.iter().filter(|point| point.calls > 0);
    let ratios: Vec<Vec<f64>> = usable()
        .map(|point| {
            let expected = model.seconds(point.calls, point.bytes);
            point.seconds.iter().map(|seconds| expected / seconds).collect()
        })
        .collect();
    let curve: Vec<CurvePoint> = usable()
        .zip(&ratios)
        .map(|(point, ratios)| CurvePoint { block_bytes: point.bytes / point.calls, bandwidths: ratios })
        .collect();
    find_knees(&curve, resampling, stop)
}

//! `sweep --dry-run`: what a sweep would do.

use std::collections::BTreeMap;

use super::super::prepared;
use super::super::request::{DEFAULT_TOTAL_BYTES, Request};
use super::experiment::{CONVERGING, USUAL_SAMPLE_SECONDS};
use super::plan::{SweepPlan, Totals};
use crate::engine::operation::Direction;
use crate::report::axes::{self, Axis};
use crate::units;

/// The plan as text: the values on each axis, the points, the bytes that would be written, and the time.
/// Nothing is measured, so the time is that of usual samples.
pub(super) fn text(plan: &SweepPlan) -> String {
    let configuration = |request: &Request| prepared::configuration(request, Vec::new(), false);
    let points: Vec<_> = plan.requests.iter().map(configuration).collect();
    let mut lines = Vec::new();
    for axis in Axis::ALL {
        let values = axes::values(axis, points.iter());
        let is_listed = plan.axes.contains(&axis) || [Axis::Strategy, Axis::Buffersize].contains(&axis);
        if is_listed {
            let words: Vec<String> = values.into_iter().map(|value| value.words).collect();
            lines.push(format!("{}: {}", axis.name(), words.join(", ")));
        }
    }
    let mut per_strategy: BTreeMap<&str, u64> = BTreeMap::new();
    for request in &plan.requests {
        *per_strategy.entry(request.strategy.info().name).or_default() += 1;
    }
    let counts: Vec<String> = per_strategy.iter().map(|(name, count)| format!("{count} of {name}")).collect();
    lines.push(format!("{}: {}", units::counted(points.len() as u64, "point"), counts.join(", ")));
    lines.push(written(plan));
    lines.push(time(plan));
    lines.join("\n") + "\n"
}

/// The bytes of ten samples of each point.
fn written(plan: &SweepPlan) -> String {
    let is_written = |request: &&Request| {
        request.workload.direction == Direction::Write && request.strategy.info().properties.performs_io
    };
    let total = |request: &Request| match plan.totals {
        Totals::Given | Totals::Known => request.workload.total_bytes,
        Totals::Fitted => request.workload.total_bytes.max(DEFAULT_TOTAL_BYTES),
    };
    let bytes: u64 =
        plan.requests.iter().filter(is_written).map(|it| total(it).saturating_mul(CONVERGING)).sum();
    if bytes == 0 {
        return "bytes to be written: none".to_owned();
    }
    let size = units::size(bytes as f64);
    format!(
        "bytes to be written: at most {size} for {CONVERGING} samples of each point; each writes over the \
         same range"
    )
}

fn time(plan: &SweepPlan) -> String {
    let seconds = plan.requests.len() as f64 * (CONVERGING + 2) as f64 * USUAL_SAMPLE_SECONDS;
    format!(
        "time: about {seconds:.0} s for {CONVERGING} samples of each point if a sample takes {:.0} ms; the \
         budget is {} s",
        1e3 * USUAL_SAMPLE_SECONDS,
        plan.settings.budget.as_secs_f64()
    )
}

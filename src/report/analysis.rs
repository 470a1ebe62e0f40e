//! Analysis of a sweep: cost models, knees, and warnings.

use std::collections::BTreeMap;

use super::document::{Role, SampleRecord, Warning, WarningKind, measured_bandwidths};
use super::figure::constants;
use super::sweep::{Control, CostModel, HostConstant, Knee, Order, SweepDocument, SweepRun};
use crate::engine::cache::CacheState;
use crate::stats::{self, CostPoint, CurvePoint, Resampling};
use crate::units;

/// Bootstrap settings of all intervals in this file. The seed is fixed, so that the analysis is reproducible.
const RESAMPLING: Resampling = Resampling { resamples: 1000, seed: 1, confidence: 0.95 };
/// Fraction of the measured time above which the floor causes a warning (method.md, rule 8).
const FLOOR_LIMIT: f64 = 0.05;
/// Fraction of disturbed samples above which a warning is added.
const DISTURBED_LIMIT: f64 = 0.1;
/// p-value below which a rank correlation with time counts as a drift.
const DRIFT_P: f64 = 0.01;

/// Adds models, knees and warnings to a document that holds its runs. Models and knees that are not found
/// before `stop` returns true are left out.
pub fn add(document: &mut SweepDocument, stop: &dyn Fn() -> bool) {
    let constants = constants::of_host(&document.host_configuration);
    let (mut models, mut found_knees) = (Vec::new(), Vec::new());
    for strategy in &document.sweep_configuration.strategies {
        // The floor has no bandwidth to model.
        if document.is_floor(strategy) {
            continue;
        }
        let runs: Vec<&SweepRun> = document.runs_of(strategy).collect();
        models.extend(model(strategy, &runs, stop));
        found_knees.extend(knees(strategy, &runs, &constants, stop));
    }
    let warnings = [
        hole_warning(document),
        cache_missed(document).map(|message| Warning::new(WarningKind::CacheNotReached, message)),
        disturbance_warning(document),
        drift_warning(document),
        floor_warning(document),
        stop().then(|| {
            let message = "the time ended during the analysis: cost models and knees may be missing";
            Warning::new(WarningKind::AnalysisIncomplete, message)
        }),
    ];
    document.warnings.extend(warnings.into_iter().flatten());
    (document.models, document.knees) = (models, found_knees);
}

fn model(strategy: &str, runs: &[&SweepRun], stop: &dyn Fn() -> bool) -> Option<CostModel> {
    let times: Vec<Vec<f64>> =
        runs.iter().map(|run| run.measured().map(|sample| sample.time).collect()).collect();
    let points: Vec<CostPoint> = runs
        .iter()
        .zip(&times)
        .filter(|(_, seconds)| !seconds.is_empty())
        .map(|(run, seconds)| CostPoint {
            calls: run.benchmark_configuration.blockcount,
            bytes: run.benchmark_configuration.totalsize,
            seconds,
        })
        .collect();
    let fit = stats::fit_cost_model(&points, &RESAMPLING, stop)?;
    Some(CostModel {
        strategy: strategy.to_owned(),
        per_call_ns: fit.per_call_seconds.scaled(1e9),
        per_byte_ns: fit.per_byte_seconds.scaled(1e9),
    })
}

fn knees(
    strategy: &str,
    runs: &[&SweepRun],
    constants: &[(String, u64)],
    stop: &dyn Fn() -> bool,
) -> Vec<Knee> {
    let bandwidths: Vec<Vec<f64>> =
        runs.iter().map(|run| measured_bandwidths(&run.benchmark_samples)).collect();
    let points: Vec<CurvePoint> = runs
        .iter()
        .zip(&bandwidths)
        .filter(|(_, bandwidths)| !bandwidths.is_empty())
        .map(|(run, bandwidths)| CurvePoint {
            block_bytes: run.benchmark_configuration.buffersize,
            bandwidths,
        })
        .collect();
    let found = stats::find_knees(&points, &RESAMPLING, stop).unwrap_or_default();
    let knee = |knee: &stats::FittedKnee| Knee {
        strategy: strategy.to_owned(),
        block_bytes: knee.block_bytes,
        slope_before: knee.slope_before,
        slope_after: knee.slope_after,
        candidates: stats::candidates(&knee.block_bytes, constants)
            .into_iter()
            .map(|(name, bytes)| HostConstant { name: name.clone(), bytes: *bytes })
            .collect(),
    };
    found.iter().map(knee).collect()
}

/// The warning for the largest range with bytes that were never written.
fn hole_warning(document: &SweepDocument) -> Option<Warning> {
    let configurations = document.runs.iter().map(|run| &run.benchmark_configuration);
    let with_holes = configurations.filter(|configuration| configuration.never_written().is_some());
    with_holes.max_by_key(|configuration| configuration.totalsize)?.never_written()
}

/// A sentence about the samples that did not start in the requested cache state, if there are any.
pub(super) fn cache_missed(document: &SweepDocument) -> Option<String> {
    let asked = document.sweep_configuration.cache;
    let samples: Vec<&SampleRecord> = document.runs.iter().flat_map(|run| &run.benchmark_samples).collect();
    let missed = samples.iter().filter(|sample| sample.cache_reached == Some(false)).count();
    let state = if asked == CacheState::Cold { "cold" } else { "warm" };
    (missed > 0).then(|| format!("{missed} of {} samples did not start {state}", samples.len()))
}

/// A warning if the processor was slowed for a large part of the sweep.
fn disturbance_warning(document: &SweepDocument) -> Option<Warning> {
    let samples = || document.runs.iter().flat_map(|run| &run.benchmark_samples);
    let disturbed = samples().filter(|sample| sample.role == Some(Role::Disturbed)).count();
    let all = samples().count();
    let readings: Vec<f64> = document.controls.iter().map(Control::processor_ns).collect();
    let message = if stats::hardly_left_alone(&readings) {
        "the processor was slowed for most of the sweep; slow and fast periods could not be separated; \
         medians mix both"
            .to_owned()
    } else if disturbed as f64 > DISTURBED_LIMIT * all as f64 {
        format!(
            "the processor was slowed, by other work or a lower clock rate, during {disturbed} of {all} \
             samples; these samples are labelled disturbed and excluded from the medians"
        )
    } else {
        return None;
    };
    Some(Warning::new(WarningKind::SlowedProcessor, message))
}

/// A warning if the times of all points drifted together with the order of the samples.
fn drift_warning(document: &SweepDocument) -> Option<Warning> {
    let points: Vec<Vec<(u64, f64)>> = document
        .runs
        .iter()
        .map(|run| run.measured().filter_map(|sample| Some((sample.order_index?, sample.time))).collect())
        .collect();
    let slices: Vec<&[(u64, f64)]> = points.iter().map(Vec::as_slice).collect();
    let drift = stats::drift(&slices).filter(|drift| drift.p_value < DRIFT_P)?;
    let direction = if drift.rho > 0.0 { "slower" } else { "faster" };
    let effect = match document.sweep_configuration.order {
        Order::Random => "points that finished early were measured under different conditions",
        Order::Ascending | Order::Descending => {
            "this may distort the curves; --order random turns the drift into noise"
        }
    };
    let message = format!(
        "the machine became {direction} during the sweep (rank correlation {:.2}, p < {DRIFT_P}): {effect}",
        drift.rho
    );
    Some(Warning::new(WarningKind::Drift, message))
}

/// A warning if the harness takes a large part of the time of some points.
fn floor_warning(document: &SweepDocument) -> Option<Warning> {
    let median_ns_per_io = |run: &SweepRun| {
        let times: Vec<f64> = run.measured().map(|sample| sample.time).collect();
        Some(stats::median(&times)? * 1e9 / run.benchmark_configuration.blockcount as f64)
    };
    let block_bytes = |run: &SweepRun| run.benchmark_configuration.buffersize;
    let (floors, others): (Vec<&SweepRun>, Vec<&SweepRun>) =
        document.runs.iter().partition(|run| run.benchmark_configuration.is_floor());
    let floors: BTreeMap<u64, f64> =
        floors.iter().filter_map(|run| Some((block_bytes(run), median_ns_per_io(run)?))).collect();
    let high = |run: &&&SweepRun| {
        let floor = floors.get(&block_bytes(run)).copied().or(document.floors.harness_call_ns);
        floor.zip(median_ns_per_io(run)).is_some_and(|(floor, measured)| floor > FLOOR_LIMIT * measured)
    };
    let names: Vec<String> = others
        .iter()
        .filter(high)
        .map(|run| {
            format!("{} at {}", run.benchmark_configuration.strategy, units::size(block_bytes(run) as f64))
        })
        .collect();
    let message = format!("the harness takes more than 5 % of the measured time for {}", names.join(", "));
    (!names.is_empty()).then(|| Warning::new(WarningKind::HarnessCost, message))
}

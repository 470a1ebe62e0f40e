//! Analysis of a sweep: cost models, knees, and warnings.

use std::collections::BTreeMap;

use super::conclusions;
use super::document::{BenchmarkConfiguration, Role, SampleRecord, Warning, WarningKind};
use super::figure::constants;
use super::sweep::{Control, CostModel, Curve, HostConstant, Knee, Order, Summary, SweepDocument, SweepRun};
use crate::engine::cache::CacheState;
use crate::stats::{self, CostPoint, FittedCostModel, Resampling};
use crate::units;

/// Bootstrap settings of all intervals in this file. The seed is fixed, so that the analysis is reproducible.
const RESAMPLING: Resampling = Resampling { resamples: 1000, seed: 1, confidence: 0.95 };
/// Fraction of the measured time above which the floor causes a warning (method.md, rule 8).
const FLOOR_LIMIT: f64 = 0.05;
/// Fraction of disturbed samples above which a warning is added.
const DISTURBED_LIMIT: f64 = 0.1;
/// p-value below which a rank correlation with time counts as a drift.
const DRIFT_P: f64 = 0.01;

/// Bootstrap settings of the knees, each of which is fitted again in every resample.
const KNEE_RESAMPLING: Resampling = Resampling { resamples: 200, ..RESAMPLING };

/// Adds models, knees, conclusions and warnings to a document that holds its runs. Models and knees that are
/// not found before `stop` returns true are left out.
pub fn add(document: &mut SweepDocument, stop: &dyn Fn() -> bool) {
    let constants = constants::of_host(&document.host_configuration);
    let (mut models, mut found_knees) = (Vec::new(), Vec::new());
    for Curve { strategy, setting, runs } in document.curves() {
        // The floor has no bandwidth to model.
        if document.is_floor(strategy) {
            continue;
        }
        let times = times(&runs);
        let points = cost_points(&times);
        let Some(fit) = stats::fit_cost_model(&points, &RESAMPLING, stop) else { continue };
        models.push(CostModel {
            strategy: strategy.to_owned(),
            setting: setting.clone(),
            per_call_ns: fit.per_call_seconds.scaled(1e9),
            per_byte_ns: fit.per_byte_seconds.scaled(1e9),
            misfit_mean_fraction: Some(fit.mean_error),
            misfit_worst_fraction: Some(fit.worst_error),
        });
        let curve = (strategy, setting.as_str());
        found_knees.extend(knees(curve, &points, &fit, &constants, stop));
    }
    let warnings = [
        first(document, BenchmarkConfiguration::lower_caches),
        hole_warning(document).filter(|warning| !document.warnings.iter().any(|it| it.kind == warning.kind)),
        first(document, BenchmarkConfiguration::direct_from_memory),
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
    document.conclusions = conclusions::sentences(document);
}

/// The first warning of this kind that a point has, with the number of other points that have one.
fn first(
    document: &SweepDocument,
    warning: fn(&BenchmarkConfiguration) -> Option<Warning>,
) -> Option<Warning> {
    let runs = document.runs.iter().filter(|run| run.could_run());
    let mut warnings = runs.filter_map(|run| warning(&run.benchmark_configuration));
    let first = warnings.next()?;
    let message = match warnings.count() {
        0 => first.message,
        count => format!("{} (and {count} more of {} points)", first.message, document.runs.len()),
    };
    Some(Warning { message, ..first })
}

/// Times of the samples that count, for each point that has some.
fn times<'a>(runs: &[&'a SweepRun]) -> Vec<(&'a BenchmarkConfiguration, Vec<f64>)> {
    let measured = |run: &&'a SweepRun| {
        (&run.benchmark_configuration, run.measured().map(|sample| sample.time).collect::<Vec<f64>>())
    };
    runs.iter().map(measured).filter(|(_, seconds)| !seconds.is_empty()).collect()
}

fn cost_points<'a>(times: &'a [(&BenchmarkConfiguration, Vec<f64>)]) -> Vec<CostPoint<'a>> {
    let point = |(configuration, seconds): &'a (&BenchmarkConfiguration, Vec<f64>)| CostPoint {
        calls: configuration.blockcount,
        bytes: configuration.totalsize,
        seconds,
    };
    times.iter().map(point).collect()
}

/// The knees that the model does not explain, with the slopes of the bandwidth itself.
fn knees(
    (strategy, setting): (&str, &str),
    points: &[CostPoint],
    fit: &FittedCostModel,
    constants: &[(String, u64)],
    stop: &dyn Fn() -> bool,
) -> Vec<Knee> {
    let found = stats::find_unexplained_knees(points, fit, &KNEE_RESAMPLING, stop).unwrap_or_default();
    let knee = |knee: &stats::FittedKnee| {
        // Slope of the model: the part of the cost per call in the cost of a block.
        let call = fit.per_call_seconds.value;
        let slope = call / (call + fit.per_byte_seconds.value * knee.block_bytes.value);
        Knee {
            strategy: strategy.to_owned(),
            setting: setting.to_owned(),
            block_bytes: knee.block_bytes,
            slope_before: slope + knee.slope_before,
            slope_after: slope + knee.slope_after,
            candidates: stats::candidate(&knee.block_bytes, constants)
                .into_iter()
                .map(|(name, bytes)| HostConstant { name: name.clone(), bytes: *bytes })
                .collect(),
        }
    };
    found.iter().map(knee).collect()
}

/// The warning for the largest range with bytes that were never written.
fn hole_warning(document: &SweepDocument) -> Option<Warning> {
    let configurations = document.runs.iter().map(|run| &run.benchmark_configuration);
    let with_holes = configurations.filter(|configuration| configuration.never_written().is_some());
    with_holes.max_by_key(|configuration| configuration.totalsize)?.never_written()
}

/// A clause about the samples that did not start in the requested cache state, or of which that is unknown;
/// `None` if all did.
pub(super) fn cache_missed(document: &SweepDocument) -> Option<String> {
    let clause = |state: CacheState| {
        let name = state.name();
        let runs = document.runs.iter().filter(|run| run.benchmark_configuration.preparation.cache == state);
        let samples: Vec<&SampleRecord> = runs
            .filter(|run| !run.benchmark_configuration.is_floor())
            .flat_map(|run| &run.benchmark_samples)
            .collect();
        let count = |reached| samples.iter().filter(|sample| sample.cache_reached == reached).count();
        match (count(Some(false)), count(None)) {
            (0, 0) => None,
            (0, unknown) => {
                Some(format!("whether {unknown} of {} samples started {name} is unknown", samples.len()))
            }
            (missed, _) => Some(format!("{missed} of {} samples did not start {name}", samples.len())),
        }
    };
    let clauses = [CacheState::Warm, CacheState::Cold].into_iter().filter_map(clause);
    Some(clauses.collect::<Vec<_>>().join("; ")).filter(|clauses| !clauses.is_empty())
}

/// A warning if disturbed samples count, or if many were set aside.
fn disturbance_warning(document: &SweepDocument) -> Option<Warning> {
    let samples: Vec<&SampleRecord> = document.runs.iter().flat_map(|run| &run.benchmark_samples).collect();
    let set_aside = samples.iter().filter(|sample| sample.role == Some(Role::Disturbed)).count();
    let summaries: Vec<&Summary> = document.runs.iter().filter_map(|run| run.summary.as_ref()).collect();
    let unquiet = summaries.iter().filter(|summary| !summary.quiet).count();
    let causes = causes_of_disturbance(document, &samples);
    if unquiet > 0 {
        let message = format!(
            "{unquiet} of {} were not measured under quiet conditions: {causes}; their medians include these \
             samples, because too few others are left",
            units::counted(summaries.len() as u64, "point")
        );
        return Some(Warning::new(WarningKind::NotQuiet, message));
    }
    let many = set_aside as f64 > DISTURBED_LIMIT * samples.len() as f64;
    let message = format!("{set_aside} of {} samples do not count: {causes}", samples.len());
    many.then(|| Warning::new(WarningKind::SlowedProcessor, message))
}

/// The number of samples with each kind of disturbance: a clause.
fn causes_of_disturbance(document: &SweepDocument, samples: &[&SampleRecord]) -> String {
    let readings: Vec<f64> = document.controls.iter().map(Control::processor_ns).collect();
    let nominal_ns = document.floors.nominal_processor_ns;
    let slowed = stats::disturbed(&readings, nominal_ns);
    let slowed_count = slowed.iter().filter(|slowed| **slowed).count();
    let preempted_count = samples.iter().filter(|sample| sample.was_preempted()).count();
    let speed = if stats::hardly_left_alone(&readings) {
        "the processor was slowed for most of the sweep".to_owned()
    } else {
        let never = nominal_ns.is_some() && slowed_count == readings.len();
        let never = if never { ", and was never seen at its nominal speed" } else { "" };
        format!("the processor was slowed during {slowed_count}{never}")
    };
    format!("other threads ran on the CPU during {preempted_count} of {} samples, and {speed}", samples.len())
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
    let percent = 100.0 * drift.change.abs();
    // A change within the precision of the points does not matter.
    if drift.change.abs() <= document.sweep_configuration.precision {
        return None;
    }
    let message = format!(
        "the machine became {direction} by {percent:.1} % during the sweep (rank correlation {:.2}, p < \
         {DRIFT_P}): {effect}",
        drift.rho
    );
    Some(Warning::new(WarningKind::Drift, message))
}

/// A warning if the harness takes a large part of the time of some points: its loop, and the clock calls of
/// the bracket.
fn floor_warning(document: &SweepDocument) -> Option<Warning> {
    let median_ns = |run: &SweepRun| {
        let times: Vec<f64> = run.measured().map(|sample| sample.time).collect();
        Some(stats::median(&times)? * 1e9)
    };
    let bracket_ns = document.floors.bracket_ns.unwrap_or(0.0);
    let block_bytes = |run: &SweepRun| run.benchmark_configuration.buffersize;
    let blocks = |run: &SweepRun| run.benchmark_configuration.blockcount as f64;
    let (floors, others): (Vec<&SweepRun>, Vec<&SweepRun>) =
        document.runs.iter().partition(|run| run.benchmark_configuration.is_floor());
    let floors: BTreeMap<u64, f64> =
        floors.iter().filter_map(|run| Some((block_bytes(run), median_ns(run)? / blocks(run)))).collect();
    let floor_ns = |run: &SweepRun| {
        let call_ns = floors.get(&block_bytes(run)).copied().or(document.floors.harness_call_ns);
        call_ns.unwrap_or(0.0) * blocks(run) + bracket_ns
    };
    let high = |run: &&&SweepRun| {
        median_ns(run).is_some_and(|measured_ns| floor_ns(run) > FLOOR_LIMIT * measured_ns)
    };
    let names: Vec<String> = others
        .iter()
        .filter(high)
        .map(|run| {
            format!("{} at {}", run.benchmark_configuration.strategy, units::size(block_bytes(run) as f64))
        })
        .collect();
    let message = format!(
        "the harness (its loop and the two clock calls) takes more than 5 % of the measured time for {}",
        names.join(", ")
    );
    (!names.is_empty()).then(|| Warning::new(WarningKind::HarnessCost, message))
}

//! Computes a figure from results.

use std::path::Path;

use super::super::document::{BenchmarkConfiguration, measured_bandwidths};
use super::super::sweep::{FiveNumbers, Knee};
use super::style;
use super::{Figure, FigureOptions, Input, Point, Reference, Series, Vertical, VerticalKind};
use super::{caption, constants};
use crate::engine::workload::Workload;
use crate::error::Error;
use crate::units;

/// Knees whose sizes differ by less than this factor share a line. It is a quarter of a power of two, about
/// the width of a printed letter.
const SAME_LINE_FACTOR: f64 = 1.19;

/// Nanoseconds per second.
const NS_PER_SECOND: f64 = 1e9;

/// Points that were measured with the same setting.
struct Setting<'a> {
    /// File of the first result with the setting.
    path: &'a Path,
    /// Key that is equal for runs with the same setting; `None` for a sweep, which is never joined with other
    /// results.
    key: Option<String>,
    /// Points and their configurations, in the order of the documents.
    points: Vec<(&'a BenchmarkConfiguration, Point)>,
}

/// A series without its style.
struct Curve {
    /// Index of its setting.
    setting: usize,
    strategy: String,
    is_floor: bool,
    name: String,
    points: Vec<Point>,
}

/// Computes the figure of these results.
///
/// # Errors
/// An open error for a result without a measured sample.
pub(crate) fn figure(inputs: &[Input], options: FigureOptions) -> Result<Figure, Error> {
    let settings = settings(inputs)?;
    let setting_count = settings.len();
    let (floors, curves): (Vec<Curve>, Vec<Curve>) =
        curves(settings).into_iter().partition(|curve| curve.is_floor);
    // If only the floor was measured, the floor is drawn as a series.
    let (curves, floors) = if curves.is_empty() { (floors, curves) } else { (curves, floors) };
    let mut figure = Figure {
        title: options.title.unwrap_or_else(|| caption::title(inputs)),
        caption: Vec::new(),
        log_y: options.log_y,
        series: styled(curves, setting_count),
        references: Vec::new(),
        verticals: Vec::new(),
    };
    figure.references = references(inputs, floors.first(), &figure);
    figure.verticals = verticals(inputs, &figure, &options.marks_bytes, options.knees);
    figure.caption = caption::sentences(inputs, &figure);
    Ok(figure)
}

/// The settings of the results. Runs with the same setting are joined, so that a shell loop over buffer sizes
/// gives one curve.
fn settings(inputs: &[Input]) -> Result<Vec<Setting<'_>>, Error> {
    let mut settings: Vec<Setting> = Vec::new();
    for input in inputs {
        let setting = setting(input)?;
        match settings.iter_mut().find(|earlier| joins(earlier, &setting)) {
            Some(earlier) => earlier.points.extend(setting.points),
            None => settings.push(setting),
        }
    }
    Ok(settings)
}

fn setting(input: &Input) -> Result<Setting<'_>, Error> {
    let refused = |reason: &str, remedy: &str| Error::unusable(&input.path, reason, remedy);
    let is_run = input.result.sweep().is_none();
    let runs = input.result.runs();
    if is_run && runs.is_empty() {
        return Err(refused("has no configuration", "measure it with -j -v"));
    }
    let points = runs.into_iter().filter_map(|(configuration, samples)| {
        let samples_kib_per_second = measured_bandwidths(samples);
        let numbers = FiveNumbers::of(&samples_kib_per_second)?;
        Some((
            configuration,
            Point {
                block_bytes: configuration.buffersize,
                numbers,
                samples_kib_per_second,
                total_bytes: configuration.totalsize,
                quiet: is_quiet(input, configuration),
            },
        ))
    });
    let points: Vec<(&BenchmarkConfiguration, Point)> = points.collect();
    let Some((first, _)) = points.first() else {
        return Err(refused("has no measured sample", "check its error, and measure again"));
    };
    Ok(Setting { path: &input.path, key: is_run.then(|| key(first)), points })
}

/// False if disturbed samples of this point of a sweep count.
fn is_quiet(input: &Input, configuration: &BenchmarkConfiguration) -> bool {
    let mut runs = input.result.sweep().into_iter().flat_map(|sweep| &sweep.runs);
    let own = runs.find(|run| std::ptr::eq(&raw const run.benchmark_configuration, configuration));
    own.and_then(|run| run.summary.as_ref()).is_none_or(|summary| summary.quiet)
}

/// The parts of a configuration that are equal for all runs of one curve, as text.
fn key(configuration: &BenchmarkConfiguration) -> String {
    let BenchmarkConfiguration { operation, path, preparation, requested, .. } = configuration;
    let requested = Workload { block_bytes: 0, total_bytes: 0, ..*requested };
    format!("{operation:?} {path} {:?} {requested:?}", preparation.cache)
}

/// True if `later` has the same setting as `earlier`, and `earlier` has no point of it.
fn joins(earlier: &Setting, later: &Setting) -> bool {
    let exists = |(configuration, point): &(&BenchmarkConfiguration, Point)| {
        let same = |other: &(&BenchmarkConfiguration, Point)| {
            other.0.strategy == configuration.strategy && other.1.block_bytes == point.block_bytes
        };
        earlier.points.iter().any(same)
    };
    later.key.is_some() && earlier.key == later.key && !later.points.iter().any(exists)
}

/// The curves of all settings, in the order in which the strategies first appear.
fn curves(settings: Vec<Setting>) -> Vec<Curve> {
    let paths: Vec<&Path> = settings.iter().map(|setting| setting.path).collect();
    let mut curves: Vec<Curve> = Vec::new();
    for (number, setting) in settings.into_iter().enumerate() {
        for (configuration, point) in setting.points {
            let strategy = &configuration.strategy;
            match curves.iter_mut().find(|curve| curve.setting == number && curve.strategy == *strategy) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve {
                    setting: number,
                    strategy: strategy.clone(),
                    is_floor: configuration.is_floor(),
                    name: match paths.len() {
                        1 => strategy.clone(),
                        _ => format!("{}: {strategy}", caption::short_name(setting.path, &paths)),
                    },
                    points: vec![point],
                }),
            }
        }
    }
    curves.iter_mut().for_each(|curve| curve.points.sort_by_key(|point| point.block_bytes));
    curves
}

/// The series of these curves. With several results, the style encodes the strategy and the result.
fn styled(curves: Vec<Curve>, setting_count: usize) -> Vec<Series> {
    let mut strategies: Vec<String> = Vec::new();
    let series = |Curve { setting, strategy, name, points, .. }| {
        let number = strategies.iter().position(|known| *known == strategy).unwrap_or(strategies.len());
        if number == strategies.len() {
            strategies.push(String::clone(&strategy));
        }
        let style = match setting_count {
            1 => style::of_strategy(number),
            _ => style::of_result(number, setting),
        };
        Series { name, strategy, style, points }
    };
    curves.into_iter().map(series).collect()
}

/// Floors and ceilings of the first sweep. The harness is shown by the null strategy if it was measured,
/// otherwise by its cost per call in that sweep.
fn references(inputs: &[Input], floor: Option<&Curve>, figure: &Figure) -> Vec<Reference> {
    // The bandwidth in KiB/s of `bytes` in `ns` nanoseconds.
    let bandwidth = |bytes: f64, ns: f64| (bytes, bytes / 1024.0 * NS_PER_SECOND / ns);
    let sizes = fine_sizes(figure);
    let of_calls = |ns: f64| sizes.iter().map(|&bytes| bandwidth(bytes, ns)).collect();
    let floors = inputs.iter().find_map(|input| input.result.sweep()).map(|sweep| &sweep.floors);
    let copies = floors.into_iter().flat_map(|floors| &floors.memory_copy_ns);
    let harness = match floor {
        Some(curve) => {
            let place = |point: &Point| (point.block_bytes as f64, point.numbers.median_kib_per_second);
            Some(curve.points.iter().map(place).collect())
        }
        None => floors.and_then(|floors| floors.harness_call_ns).map(of_calls),
    };
    let system_calls = floors.and_then(|floors| floors.system_call_ns).map(of_calls);
    let curves: [(&'static str, Vec<(f64, f64)>); 3] = [
        ("memory copy", copies.map(|&(bytes, ns)| bandwidth(bytes as f64, ns)).collect()),
        ("one bare system call per block", system_calls.unwrap_or_default()),
        ("null strategy (harness)", harness.unwrap_or_default()),
    ];
    let drawn = curves.into_iter().filter(|(_, points)| !points.is_empty()).enumerate();
    drawn
        .map(|(index, (name, points))| Reference { name, style: style::of_reference(index), points })
        .collect()
}

/// Sizes in bytes from the smallest to the largest that is drawn, eight per power of two. A curve needs
/// intermediate points, because a line that is straight on a logarithmic axis is curved on a linear axis.
fn fine_sizes(figure: &Figure) -> Vec<f64> {
    let sizes = figure.points().map(|point| point.block_bytes as f64);
    let (least, most) = sizes.fold((f64::MAX, 1.0), |(least, most), size| (size.min(least), size.max(most)));
    let steps = ((most / least).log2() * 8.0).max(0.0) as i32;
    (0..=steps).map(|step| least * (f64::from(step) / 8.0).exp2()).collect()
}

/// The labelled sizes within the axis, ascending.
fn verticals(inputs: &[Input], figure: &Figure, marks_bytes: &[u64], shows_knees: bool) -> Vec<Vertical> {
    let mut all = constants(inputs);
    let marks: Vec<Vertical> = marks_bytes.iter().map(|&bytes| mark(bytes, &all)).collect();
    // The label of a mark includes the constants of the same size.
    all.retain(|constant| marks.iter().all(|mark| mark.block_bytes != constant.block_bytes));
    all.extend(marks);
    if shows_knees {
        all.extend(knees(inputs, &figure.series));
    }
    let axis = figure.sizes(1.0);
    all.retain(|vertical| axis.shows(vertical.block_bytes));
    all.sort_by(|a, b| a.block_bytes.total_cmp(&b.block_bytes).then(a.kind.cmp(&b.kind)));
    all
}

/// A mark at this size. Its label includes the constants of the same size.
fn mark(bytes: u64, constants: &[Vertical]) -> Vertical {
    let block_bytes = bytes as f64;
    let same = constants.iter().find(|constant| constant.block_bytes == block_bytes);
    let names = same.map_or(String::new(), |constant| format!(", {}", constant.label));
    let label = units::size(block_bytes) + &names;
    Vertical { kind: VerticalKind::Mark, block_bytes, label, series: Vec::new() }
}

/// Constants of the hosts. Constants of the same size share a label.
fn constants(inputs: &[Input]) -> Vec<Vertical> {
    let mut places: Vec<(u64, Vec<String>)> = Vec::new();
    for (name, bytes) in inputs.iter().filter_map(|input| input.result.host()).flat_map(constants::of_host) {
        match places.iter_mut().find(|(known, _)| *known == bytes) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => places.push((bytes, vec![name])),
        }
    }
    let vertical = |(bytes, names): (u64, Vec<String>)| Vertical {
        kind: VerticalKind::Constant,
        block_bytes: bytes as f64,
        label: names.join(", "),
        series: Vec::new(),
    };
    places.into_iter().map(vertical).collect()
}

/// Knees of the drawn series. Knees at nearly the same size share a line.
fn knees(inputs: &[Input], series: &[Series]) -> Vec<Vertical> {
    // With several results, a reader could not tell which curve a knee belongs to.
    let [input] = inputs else { return Vec::new() };
    let place = |knee: &Knee| {
        let owner = series.iter().position(|series| series.strategy == knee.strategy)?;
        Some((knee.block_bytes.value, owner))
    };
    let knees = input.result.sweep().into_iter().flat_map(|sweep| &sweep.knees);
    let mut all: Vec<(f64, usize)> = knees.filter_map(place).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = |near: &[(f64, usize)]| {
        let block_bytes = near[near.len() / 2].0;
        Vertical {
            kind: VerticalKind::Knee,
            block_bytes,
            label: format!("≈ {}", units::size(block_bytes)),
            series: near.iter().map(|&(_, owner)| owner).collect(),
        }
    };
    all.chunk_by(|a, b| b.0 / a.0 < SAME_LINE_FACTOR).map(line).collect()
}

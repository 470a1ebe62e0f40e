//! Computes a figure from results.

use std::path::{Path, PathBuf};

use super::super::document::{BenchmarkConfiguration, Document, measured_bandwidths};
use super::super::read::Kept;
use super::super::sweep::{Knee, Summary, SweepDocument, SweepRun};
use super::axis::bytes_label;
use super::caption::{self, short_name};
use super::constants;
use super::style;
use super::{Figure, Input, Point, Reference, Series, Vertical, VerticalKind, Wishes, host_of};
use crate::error::Error;
use crate::report::document::FLOOR_STRATEGY;
use crate::stats;

/// Knees whose sizes differ by less than this factor share a line: a quarter of a power of two, which
/// is about the width of a letter in print.
const SAME_PLACE: f64 = 1.19;

/// Nanoseconds in a second.
const NS: f64 = 1e9;

/// The points that belong together, because they were measured in one setting.
struct Group {
    /// The (first) file.
    path: PathBuf,
    /// What must be the same for another run to join; `None`: nothing joins a sweep.
    setting: Option<String>,
    /// Strategy and point, in the order of the documents.
    points: Vec<(String, Point)>,
}

impl Figure {
    /// The figure of these results.
    ///
    /// # Errors
    /// [`Error::Open`] for a result that has nothing to draw.
    pub fn new(inputs: &[Input], wishes: &Wishes) -> Result<Figure, Error> {
        let groups = groups(inputs)?;
        let (curves, floors): (Vec<Curve>, Vec<Curve>) =
            split(&groups).into_iter().partition(|curve| curve.strategy != FLOOR_STRATEGY);
        // A figure of nothing but the floor shows the floor.
        let (curves, floors) = if curves.is_empty() { (floors, curves) } else { (curves, floors) };
        let series = styled(curves, groups.len());
        let mut figure = Figure {
            title: wishes.title.clone().unwrap_or_else(|| caption::title(inputs)),
            caption: Vec::new(),
            log_y: wishes.log_y,
            references: references(inputs, &floors, &series),
            series,
            verticals: Vec::new(),
        };
        figure.verticals = verticals(inputs, &figure, &wishes.marks_bytes);
        figure.caption = caption::sentences(inputs, &figure);
        Ok(figure)
    }
}

/// A series without its look.
struct Curve {
    /// Number of the group that it comes from.
    group: usize,
    strategy: String,
    name: String,
    points: Vec<Point>,
}

/// The series of these curves: one of several results looks like its strategy and its result.
fn styled(curves: Vec<Curve>, group_count: usize) -> Vec<Series> {
    let mut strategies: Vec<String> = Vec::new();
    let mut series = Vec::new();
    for Curve { group, strategy, name, points } in curves {
        let known = strategies.iter().position(|other| *other == strategy);
        let number = known.unwrap_or(strategies.len());
        if known.is_none() {
            strategies.push(strategy.clone());
        }
        let style =
            if group_count == 1 { style::of_strategy(number) } else { style::of_result(number, group) };
        series.push(Series { name, strategy, style, points });
    }
    series
}

/// The results, runs of one setting joined: a shell loop over buffer sizes is a curve.
fn groups(inputs: &[Input]) -> Result<Vec<Group>, Error> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, kept) in inputs {
        let nothing = |reason: &str, remedy: &str| Error::Open {
            path: path.clone(),
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        let group = match kept {
            Kept::Sweep(sweep) => group_of_sweep(path, sweep),
            Kept::Run(run) => group_of_run(path, run)
                .ok_or_else(|| nothing("does not say what was run", "make it with -j and -v"))?,
        };
        if group.points.is_empty() {
            return Err(nothing("has no measured sample", "look at its error, and measure again"));
        }
        match groups.iter_mut().find(|earlier| joins(earlier, &group)) {
            Some(earlier) => earlier.points.extend(group.points),
            None => groups.push(group),
        }
    }
    Ok(groups)
}

/// Whether the one point of `later` belongs to `earlier`: the same setting, and a point not yet there.
fn joins(earlier: &Group, later: &Group) -> bool {
    let key = |(strategy, point): &(String, Point)| (strategy.clone(), point.block_bytes);
    let there = |point| earlier.points.iter().any(|other| key(other) == key(point));
    later.setting.is_some() && earlier.setting == later.setting && !later.points.iter().any(there)
}

fn group_of_sweep(path: &Path, sweep: &SweepDocument) -> Group {
    let point = |run: &SweepRun| {
        let configuration = &run.benchmark_configuration;
        let summary = run.summary.as_ref()?;
        let point = point(configuration.buffersize, summary, measured_bandwidths(&run.benchmark_samples));
        Some((configuration.strategy.clone(), point))
    };
    Group { path: path.to_owned(), setting: None, points: sweep.runs.iter().filter_map(point).collect() }
}

fn group_of_run(path: &Path, run: &Document) -> Option<Group> {
    let configuration = run.benchmark_configuration.as_ref()?;
    let samples = measured_bandwidths(&run.benchmark_samples);
    let summary = Point::from_samples(configuration.buffersize, samples);
    let points = summary.map(|point| (configuration.strategy.clone(), point));
    let setting = Some(setting(configuration));
    Some(Group { path: path.to_owned(), setting, points: points.into_iter().collect() })
}

/// What makes runs comparable, as one word for comparing.
fn setting(configuration: &BenchmarkConfiguration) -> String {
    let BenchmarkConfiguration { operation, path, access, cache, sync, requested, .. } = configuration;
    format!("{operation} {path} {access:?} {cache:?} {sync} {requested:?}")
}

fn point(block_bytes: u64, summary: &Summary, samples: Vec<f64>) -> Point {
    Point {
        block_bytes,
        n: summary.n,
        median_kib_per_second: summary.median_kib_per_second,
        interval_kib_per_second: summary.interval_kib_per_second,
        q1_kib_per_second: summary.q1_kib_per_second,
        q3_kib_per_second: summary.q3_kib_per_second,
        samples_kib_per_second: samples,
    }
}

impl Point {
    /// The point of these samples, in KiB/s; `None` without samples.
    fn from_samples(block_bytes: u64, samples: Vec<f64>) -> Option<Point> {
        Some(Point {
            block_bytes,
            n: samples.len() as u64,
            median_kib_per_second: stats::median(&samples)?,
            interval_kib_per_second: stats::median_interval(&samples),
            q1_kib_per_second: stats::quantile(&samples, 0.25)?,
            q3_kib_per_second: stats::quantile(&samples, 0.75)?,
            samples_kib_per_second: samples,
        })
    }
}

/// The curves of every group, in the order in which the strategies first come.
fn split(groups: &[Group]) -> Vec<Curve> {
    let paths: Vec<&Path> = groups.iter().map(|group| group.path.as_path()).collect();
    let name = |group: &Group, strategy: &str| match paths.len() {
        1 => strategy.to_owned(),
        _ => format!("{}: {strategy}", short_name(&group.path, &paths)),
    };
    let mut curves: Vec<Curve> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        for (strategy, point) in &group.points {
            let same = |curve: &&mut Curve| curve.group == number && curve.strategy == *strategy;
            match curves.iter_mut().find(same) {
                Some(curve) => curve.points.push(point.clone()),
                None => curves.push(Curve {
                    group: number,
                    strategy: strategy.clone(),
                    name: name(group, strategy),
                    points: vec![point.clone()],
                }),
            }
        }
    }
    for curve in &mut curves {
        curve.points.sort_by_key(|point| point.block_bytes);
    }
    curves
}

/// Floors and ceilings: of the first sweep that has them, and the first null strategy, swept or as the floor.
fn references(inputs: &[Input], floors: &[Curve], series: &[Series]) -> Vec<Reference> {
    // KiB/s of this many bytes in this many nanoseconds.
    let bandwidth = |bytes: f64, ns: f64| (bytes, bytes / 1024.0 * NS / ns);
    let of_calls = |ns: Option<f64>| -> Vec<(f64, f64)> {
        let sizes = |ns| fine_sizes(series).into_iter().map(move |bytes| bandwidth(bytes, ns));
        ns.into_iter().flat_map(sizes).collect()
    };
    let of_sweep = inputs.iter().find_map(|(_, kept)| sweep(kept)).map(|sweep| sweep.floors.clone());
    let of_sweep = of_sweep.unwrap_or_default();
    let copy = of_sweep.memory_copy_ns.iter().map(|&(bytes, ns)| bandwidth(bytes as f64, ns));
    let point = |point: &Point| (point.block_bytes as f64, point.median_kib_per_second);
    let harness = match floors.first() {
        Some(floor) => floor.points.iter().map(point).collect(),
        None => of_calls(of_sweep.harness_call_ns),
    };
    let curves = [
        ("memory copy", copy.collect()),
        ("one bare system call a block", of_calls(of_sweep.system_call_ns)),
        ("null strategy (harness)", harness),
    ];
    let drawn = curves.into_iter().filter(|(_, points)| !points.is_empty()).enumerate();
    drawn
        .map(|(index, (name, points))| Reference {
            name: name.to_owned(),
            dash: style::of_reference(index),
            points,
        })
        .collect()
}

/// Sizes in bytes from the smallest to the largest drawn, eight to a power of two: what is straight
/// on one kind of axis is bent on another.
fn fine_sizes(series: &[Series]) -> Vec<f64> {
    let sizes = series.iter().flat_map(|series| &series.points).map(|point| point.block_bytes as f64);
    let (least, most) = sizes.fold((f64::MAX, 1.0), |(least, most), size| (size.min(least), size.max(most)));
    let steps = ((most / least).log2() * 8.0).max(0.0) as i32;
    (0..=steps).map(|step| least * (f64::from(step) / 8.0).exp2()).collect()
}

fn sweep(kept: &Kept) -> Option<&SweepDocument> {
    match kept {
        Kept::Sweep(sweep) => Some(sweep),
        Kept::Run(_) => None,
    }
}

/// The labelled sizes that lie on the axis, ascending.
fn verticals(inputs: &[Input], figure: &Figure, marks_bytes: &[u64]) -> Vec<Vertical> {
    let mut all = constants(inputs);
    let marks: Vec<Vertical> = marks_bytes.iter().map(|&bytes| mark(bytes, &all)).collect();
    // A mark says what the constant of its size would.
    all.retain(|constant| marks.iter().all(|mark| mark.block_bytes != constant.block_bytes));
    all.extend(marks);
    all.extend(knees(inputs, &figure.series));
    let axis = figure.sizes(1.0);
    all.retain(|vertical| axis.shows(vertical.block_bytes));
    all.sort_by(|a, b| a.block_bytes.total_cmp(&b.block_bytes).then(a.kind.cmp(&b.kind)));
    all
}

/// A mark at this size, with the names of the constants of the same size.
fn mark(bytes: u64, constants: &[Vertical]) -> Vertical {
    let same = constants.iter().find(|constant| constant.block_bytes == bytes as f64);
    let subjects = same.map_or(Vec::new(), |constant| constant.subjects.clone());
    let size = bytes_label(bytes as f64);
    let words: Vec<&str> =
        std::iter::once(size.as_str()).chain(subjects.iter().map(String::as_str)).collect();
    let label = words.join(", ");
    Vertical { kind: VerticalKind::Mark, block_bytes: bytes as f64, label, subjects, colour: None }
}

/// Sizes that the hosts treat in a special way, those of one size with one label.
fn constants(inputs: &[Input]) -> Vec<Vertical> {
    let hosts = inputs.iter().filter_map(|(_, kept)| host_of(kept));
    let mut places: Vec<(u64, Vec<String>)> = Vec::new();
    for (name, bytes) in hosts.flat_map(constants::of_host) {
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
        subjects: names,
        colour: None,
    };
    places.into_iter().map(vertical).collect()
}

/// Knees of the drawn series; those at nearly the same size share a line.
fn knees(inputs: &[Input], series: &[Series]) -> Vec<Vertical> {
    // With several results the curves are already many; whose knee it is could not be told.
    let [(_, Kept::Sweep(sweep))] = inputs else { return Vec::new() };
    let owner = |knee: &Knee| series.iter().find(|series| series.strategy == knee.strategy);
    let mut all: Vec<(f64, &Series)> =
        sweep.knees.iter().filter_map(|knee| Some((knee.block_bytes.value, owner(knee)?))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bunches = all.chunk_by(|a, b| b.0 / a.0 < SAME_PLACE);
    bunches.map(knee_line).collect()
}

/// One line for knees at nearly the same size: at the middle one.
fn knee_line(bunch: &[(f64, &Series)]) -> Vertical {
    let names = bunch.iter().map(|(_, series)| series.name.clone()).collect();
    let bytes = bunch[bunch.len() / 2].0;
    Vertical {
        kind: VerticalKind::Knee,
        block_bytes: bytes,
        label: format!("≈ {}", bytes_label(bytes)),
        subjects: names,
        colour: (bunch.len() == 1).then_some(bunch[0].1.style.colour),
    }
}

//! Curves: medians with their intervals over an axis, or their ratios to those of one series.

use super::super::axes::{Axis, Layout};
use super::super::sweep::Knee;
use super::group::{Curve, Grouped, Measured};
use super::quantity::Quantity;
use super::scale::{Scale, number};
use super::style::{self, Style};
use super::{Dot, Figure, FigureOptions, Input, Panel, Point, Reference, Series, Vertical, VerticalKind};
use super::{caption, constants};
use crate::error::Error;
use crate::stats::{self, Resampling};
use crate::units;

/// Knees whose sizes differ by less than this factor share a line. It is a quarter of a power of two, about
/// the width of a printed letter.
const SAME_LINE_FACTOR: f64 = 1.19;
/// Nanoseconds per second.
const NS_PER_SECOND: f64 = 1e9;
/// Bytes per MiB.
const MIB: f64 = 1_048_576.0;
/// Most labels of the horizontal axis, given the width of the figure.
const MOST_LABELS: f64 = 12.0;
/// Most labels of the vertical axis, given its height.
const MOST_VALUES: f64 = 9.0;
/// Bootstrap settings of the ratios.
const RESAMPLING: Resampling = Resampling { resamples: 1000, seed: 1, confidence: 0.95 };

/// Medians of a quantity over an axis.
///
/// # Errors
/// A usage error if no point has the quantity.
pub(super) fn figure(inputs: &[Input], grouped: Grouped, options: &FigureOptions) -> Result<Figure, Error> {
    let Grouped { layout, panels } = grouped;
    let quantity = options.y;
    let mut drawn = Vec::new();
    let mut floors = Vec::new();
    for (heading, curves) in panels {
        let (floor, curves): (Vec<Curve>, Vec<Curve>) = curves.into_iter().partition(|curve| curve.is_floor);
        floors.extend(floor);
        let series = curves.iter().map(|curve| series(curve, layout.x, quantity));
        let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
        // A panel of the floor alone has nothing to draw.
        if !series.is_empty() {
            drawn.push(Panel { heading, series, ..Panel::default() });
        }
    }
    if drawn.is_empty() {
        return Err(without(quantity));
    }
    let mut figure = over(&layout, drawn, quantity);
    figure.title = format!("{} by {}", quantity.name(), caption::lower(figure.x.quantity()));
    if layout.x == Axis::Buffersize && quantity == Quantity::Bandwidth {
        let references = || references(inputs, floors.first(), &figure);
        let all: Vec<Vec<Reference>> = figure.panels.iter().map(|_| references()).collect();
        figure.panels.iter_mut().zip(all).for_each(|(panel, references)| panel.references = references);
    }
    if layout.x == Axis::Threads && quantity.scales() {
        figure.panels.iter_mut().for_each(|panel| panel.references = ideal(&panel.series));
    }
    if layout.x == Axis::Buffersize {
        let all: Vec<Vec<Vertical>> =
            figure.panels.iter().map(|panel| verticals(inputs, &figure, panel, options)).collect();
        figure.panels.iter_mut().zip(all).for_each(|(panel, verticals)| panel.verticals = verticals);
    }
    (figure.y, figure.log) = scales(&figure, quantity);
    figure.caption = vec![caption::drawing(&figure), caption::precision(&figure)];
    figure.caption.extend(caption::knees(&figure));
    Ok(figure)
}

/// The error if no point has the quantity.
pub(super) fn without(quantity: Quantity) -> Error {
    let remedy = if quantity.is_latency() {
        "measure with --latency, and a total of 300 I/Os or more"
    } else {
        "measure with -g"
    };
    Error::usage(format!("plot: no sample has the {}; {remedy}", quantity.name()))
}

/// A figure with these panels over the axis of a layout, without scales of y.
fn over(layout: &Layout, panels: Vec<Panel>, quantity: Quantity) -> Figure {
    let x = {
        let places = panels.iter().flat_map(|panel| &panel.series).flat_map(|it| &it.points).map(|it| it.x);
        horizontal(layout.x, places)
    };
    let unit = quantity.unit();
    let columns = [
        column_title(layout.x).to_owned(),
        "Bytes per sample".to_owned(),
        "n".to_owned(),
        format!("Median ({unit})"),
        format!("95 % interval ({unit})"),
        format!("First quartile ({unit})"),
        format!("Third quartile ({unit})"),
        "Quiet".to_owned(),
    ];
    Figure {
        title: String::new(),
        caption: Vec::new(),
        y: x.clone(),
        x,
        log: None,
        log_y: false,
        panels,
        columns: columns.to_vec(),
        shades: None,
    }
}

/// The scale of an axis of a sweep.
pub(super) fn horizontal(axis: Axis, places: impl Iterator<Item = f64>) -> Scale {
    match axis {
        Axis::Buffersize => Scale::of_sizes(places, MOST_LABELS),
        axis => Scale::of_counts(axis_title(axis), places, MOST_LABELS),
    }
}

/// Title of an axis of a sweep in a figure.
pub(super) fn axis_title(axis: Axis) -> &'static str {
    match axis {
        Axis::Buffersize => "Buffer size",
        Axis::Iodepth => "Depth (operations in flight per worker)",
        Axis::Threads => "Threads",
        axis => axis.name(),
    }
}

/// Title of an axis of a sweep in a table.
fn column_title(axis: Axis) -> &'static str {
    match axis {
        Axis::Buffersize => "Buffer size (bytes)",
        Axis::Iodepth => "Depth",
        axis => axis_title(axis),
    }
}

/// Linear and logarithmic scale of the values. Some floors and ceilings are a thousand times higher than the
/// data. A logarithmic scale shows them up to twice the data; a linear scale is fitted to the data alone.
fn scales(figure: &Figure, quantity: Quantity) -> (Scale, Option<Scale>) {
    let series = || figure.panels.iter().flat_map(|panel| &panel.series);
    let dots = || series().flat_map(|series| &series.dots).map(|dot| dot.y);
    let points = series().flat_map(|series| &series.points).map(|point| point.y);
    let values: Vec<f64> = dots().chain(points).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    let has_references = figure.panels.iter().any(|panel| !panel.references.is_empty());
    let room = has_references.then_some(2.0 * most);
    let title = quantity.title();
    let linear = Scale::from_zero(&title, values.iter().copied(), MOST_VALUES);
    let log = Scale::log(&title, values.iter().copied().chain(room), MOST_VALUES);
    (linear, Some(log))
}

fn series(curve: &Curve, x: Axis, quantity: Quantity) -> Series {
    let (mut points, mut dots) = (Vec::new(), Vec::new());
    for measured in &curve.points {
        let values = measured.values(quantity);
        let Some(place) = x.value(measured.configuration).number else { continue };
        points.extend(point(measured, x, place, &values, quantity));
        dots.extend(values.into_iter().map(|y| Dot { x: place, y, counts: true }));
    }
    let path = points.iter().map(|point| (point.x, point.y)).collect();
    Series { number: curve.number, name: curve.name.clone(), style: curve.style, path, points, dots }
}

/// The point of these values; `None` if there are none.
fn point(measured: &Measured, x: Axis, place: f64, values: &[f64], quantity: Quantity) -> Option<Point> {
    let median = stats::median(values)?;
    let interval = stats::series_interval(values);
    let unit = quantity.unit();
    let with_unit = |value: f64| format!("{} {unit}", number(value));
    let quartile = |fraction| stats::quantile(values, fraction).map_or(String::new(), number);
    let at = match x {
        Axis::Buffersize => format!("buffer size {} ({place} bytes)", units::size(place)),
        axis => axis.value(measured.configuration).words,
    };
    let spread = match interval {
        Some((low, high)) => format!("95 % interval {} to {}", with_unit(low), with_unit(high)),
        None => "no interval: too few samples".to_owned(),
    };
    let (n, total_bytes) = (values.len(), measured.configuration.totalsize);
    let quiet = measured.is_quiet();
    let note = if quiet { "" } else { "\nnot measured under quiet conditions" };
    let total = units::size(total_bytes as f64);
    let interval_text = interval.map(|(low, high)| format!("{} to {}", number(low), number(high)));
    Some(Point {
        x: place,
        y: median,
        interval,
        open: !quiet,
        words: format!("{at}\nmedian {}\n{spread}\nn = {n}, {total} per sample{note}", with_unit(median)),
        values: vec![
            format!("{place}"),
            total_bytes.to_string(),
            n.to_string(),
            number(median),
            interval_text.unwrap_or_else(|| "none".to_owned()),
            quartile(0.25),
            quartile(0.75),
            if quiet { "yes" } else { "no" }.to_owned(),
        ],
    })
}

/// The lines of workers that do not wait for each other: as many times the first value as there are workers.
fn ideal(series: &[Series]) -> Vec<Reference> {
    let line = |series: &Series| {
        let first = series.points.first()?;
        let last = series.points.last().filter(|last| last.x > first.x)?;
        // Intermediate points, because the line is curved on a logarithmic axis.
        let steps = (0..=32).map(|step| first.x * (last.x / first.x).powf(f64::from(step) / 32.0));
        let path = steps.map(|x| (x, first.y * x / first.x)).collect();
        let style = Style { dash: "1.5 2.5", marker: "", ..series.style };
        Some(Reference { name: "ideal scaling".to_owned(), style, path })
    };
    series.iter().filter_map(line).collect()
}

/// Ratios of a quantity to that of the series `--to`.
///
/// # Errors
/// A usage error without `--to`, if no series has that name, or if no point has the quantity.
pub(super) fn ratio(grouped: Grouped, options: &FigureOptions) -> Result<Figure, Error> {
    let Grouped { layout, panels } = grouped;
    let mut names: Vec<String> = Vec::new();
    for curve in panels.iter().flat_map(|(_, curves)| curves).filter(|curve| !curve.is_floor) {
        if !names.contains(&curve.value) {
            names.push(curve.value.clone());
        }
    }
    let known = options.to.as_ref().filter(|to| names.contains(to));
    let Some(to) = known else {
        let given = options.to.as_ref().map_or_else(
            || "--kind ratio needs --to".to_owned(),
            |to| format!("--to {to}: there is no such series"),
        );
        return Err(Error::usage(format!("plot: {given}; use one of {}", names.join(", "))));
    };
    let mut drawn = Vec::new();
    for (heading, curves) in panels {
        let Some(base) = curves.iter().find(|curve| curve.value == *to) else { continue };
        let others = curves.iter().filter(|curve| !curve.is_floor && curve.value != *to);
        let series = others.map(|curve| relative(curve, base, layout.x, options.y));
        let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
        if series.is_empty() {
            continue;
        }
        let places = || series.iter().flat_map(|series| &series.points).map(|point| point.x);
        let (low, high) = (places().fold(f64::MAX, f64::min) / 2.0, 2.0 * places().fold(0.0, f64::max));
        let path = [low, high].into_iter().chain(places()).map(|x| (x, 1.0)).collect();
        let line = Reference { name: format!("{to} (1)"), style: style::of_reference(0), path };
        drawn.push(Panel { heading, series, references: vec![line], ..Panel::default() });
    }
    if drawn.is_empty() {
        return Err(without(options.y));
    }
    let mut figure = over(&layout, drawn, options.y);
    figure.title =
        format!("{} as a multiple of {to} by {}", options.y.name(), caption::lower(figure.x.quantity()));
    let title = format!("{} as a multiple of {to}", options.y.heading());
    let values: Vec<f64> =
        figure.points().flat_map(|point| [point.y, point.interval.map_or(1.0, |it| it.1), 1.0]).collect();
    figure.y = Scale::from_zero(&title, values.iter().copied(), MOST_VALUES);
    figure.log =
        Some(Scale::log(&title, values.iter().copied().chain(figure.points().map(|it| it.y)), MOST_VALUES));
    figure.columns = ["Ratio", "95 % interval"].iter().map(|title| (*title).to_owned()).collect();
    figure.columns.insert(0, column_title(layout.x).to_owned());
    figure.caption = vec![format!(
        "Markers are ratios of the medians of the {} to those of {to}, and bars are their 95 % bootstrap \
         intervals.",
        options.y.name()
    )];
    Ok(figure)
}

/// The ratios of a curve to another at the same places.
fn relative(curve: &Curve, base: &Curve, x: Axis, quantity: Quantity) -> Series {
    let place = |measured: &Measured| x.value(measured.configuration).number;
    let point = |measured: &Measured| {
        // A path without a queue has one depth, with which all depths are compared.
        let only = base.points.first().filter(|_| x == Axis::Iodepth && base.points.len() == 1);
        let other = base.points.iter().find(|other| place(other) == place(measured)).or(only)?;
        let (own, other) = (measured.values(quantity), other.values(quantity));
        let ratio = stats::median(&own)? / stats::median(&other)?;
        let batches = (stats::batch_medians(&other), stats::batch_medians(&own));
        let interval =
            stats::ratio_of_medians(&batches.0, &batches.1, &RESAMPLING).and_then(|it| it.interval);
        let interval_text = interval.map_or_else(
            || "no interval: too few samples".to_owned(),
            |(low, high)| format!("{low:.3} to {high:.3}"),
        );
        let at = x.value(measured.configuration).words;
        Some(Point {
            x: place(measured)?,
            y: ratio,
            interval,
            open: !measured.is_quiet(),
            words: format!("{at}\nratio {ratio:.3}\n95 % interval {interval_text}"),
            values: vec![format!("{}", place(measured)?), format!("{ratio:.3}"), interval_text],
        })
    };
    let points: Vec<Point> = curve.points.iter().filter_map(point).collect();
    let path = points.iter().map(|point| (point.x, point.y)).collect();
    Series {
        number: curve.number,
        name: curve.name.clone(),
        style: curve.style,
        path,
        points,
        dots: Vec::new(),
    }
}

/// Floors and ceilings of the first sweep. The harness is shown by the null strategy if it was measured,
/// otherwise by its cost per call in that sweep.
fn references(inputs: &[Input], floor: Option<&Curve>, figure: &Figure) -> Vec<Reference> {
    // The bandwidth in MiB/s of `bytes` in `ns` nanoseconds.
    let bandwidth = |bytes: f64, ns: f64| (bytes, bytes / MIB * NS_PER_SECOND / ns);
    let sizes = fine_sizes(figure);
    let of_calls = |ns: f64| sizes.iter().map(|&bytes| bandwidth(bytes, ns)).collect();
    let floors = inputs.iter().find_map(|input| input.result.sweep()).map(|sweep| &sweep.floors);
    let copies = floors.into_iter().flat_map(|floors| &floors.memory_copy_ns);
    let harness = match floor {
        Some(curve) => {
            let of_floor = series(curve, Axis::Buffersize, Quantity::Bandwidth);
            Some(of_floor.path)
        }
        None => floors.and_then(|floors| floors.harness_call_ns).map(of_calls),
    };
    let system_calls = floors.and_then(|floors| floors.system_call_ns).map(of_calls);
    let curves: [(&'static str, Vec<(f64, f64)>); 3] = [
        ("memory copy", copies.map(|&(bytes, ns)| bandwidth(bytes as f64, ns)).collect()),
        ("one bare system call per block", system_calls.unwrap_or_default()),
        ("null strategy (harness)", harness.unwrap_or_default()),
    ];
    let drawn = curves.into_iter().filter(|(_, path)| !path.is_empty()).enumerate();
    drawn
        .map(|(index, (name, path))| Reference {
            name: name.to_owned(),
            style: style::of_reference(index),
            path,
        })
        .collect()
}

/// Sizes in bytes from the smallest to the largest that is drawn, eight per power of two. A curve needs
/// intermediate points, because a line that is straight on a logarithmic axis is curved on a linear axis.
fn fine_sizes(figure: &Figure) -> Vec<f64> {
    let sizes = figure.points().map(|point| point.x);
    let (least, most) = sizes.fold((f64::MAX, 1.0), |(least, most), size| (size.min(least), size.max(most)));
    let steps = ((most / least).log2() * 8.0).max(0.0) as i32;
    (0..=steps).map(|step| least * (f64::from(step) / 8.0).exp2()).collect()
}

/// The labelled sizes within the axis, ascending.
fn verticals(inputs: &[Input], figure: &Figure, panel: &Panel, options: &FigureOptions) -> Vec<Vertical> {
    let mut all = constants(inputs);
    let marks: Vec<Vertical> = options.marks_bytes.iter().map(|&bytes| mark(bytes, &all)).collect();
    // The label of a mark includes the constants of the same size.
    all.retain(|constant| marks.iter().all(|mark| mark.x != constant.x));
    all.extend(marks);
    if options.knees {
        all.extend(knees(inputs, panel));
    }
    all.retain(|vertical| figure.x.shows(vertical.x));
    all.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.kind.cmp(&b.kind)));
    all
}

/// A mark at this size. Its label includes the constants of the same size.
fn mark(bytes: u64, constants: &[Vertical]) -> Vertical {
    let x = bytes as f64;
    let same = constants.iter().find(|constant| constant.x == x);
    let names = same.map_or(String::new(), |constant| format!(", {}", constant.label));
    Vertical { kind: VerticalKind::Mark, x, label: units::size(x) + &names, series: Vec::new() }
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
        x: bytes as f64,
        label: names.join(", "),
        series: Vec::new(),
    };
    places.into_iter().map(vertical).collect()
}

/// Knees of the drawn series. Knees at nearly the same size share a line.
fn knees(inputs: &[Input], panel: &Panel) -> Vec<Vertical> {
    // With several results, a reader could not tell which curve a knee belongs to.
    let [input] = inputs else { return Vec::new() };
    let place = |knee: &Knee| {
        let is_owner = |series: &&Series| series.name == knee.strategy && panel.heading == knee.setting;
        Some((knee.block_bytes.value, panel.series.iter().find(is_owner)?.number))
    };
    let knees = input.result.sweep().into_iter().flat_map(|sweep| &sweep.knees);
    let mut all: Vec<(f64, usize)> = knees.filter_map(place).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = |near: &[(f64, usize)]| {
        let x = near[near.len() / 2].0;
        Vertical {
            kind: VerticalKind::Knee,
            x,
            label: format!("≈ {}", units::size(x)),
            series: near.iter().map(|&(_, owner)| owner).collect(),
        }
    };
    all.chunk_by(|a, b| b.0 / a.0 < SAME_LINE_FACTOR).map(line).collect()
}

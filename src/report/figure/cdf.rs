//! Distributions of latencies, with a logarithmic tail.

use super::super::axes::{Axis, Layout, NUMERIC};
use super::super::latency::{LatencyRecord, merged};
use super::curves::without;
use super::group::{Grouped, Measured};
use super::quantity::Quantity;
use super::scale::{Scale, nines, number};
use super::{Figure, FigureOptions, Panel, Point, Series};
use crate::error::Error;

/// The layout of distributions: a curve per value of the numeric axis, unless another is given.
pub(super) fn layout(layout: &Layout, varying: &[Axis], options: &FigureOptions) -> Layout {
    let numeric = NUMERIC.contains(&layout.x) && varying.contains(&layout.x);
    let series = options.series.unwrap_or(if numeric { layout.x } else { layout.series });
    let panels = varying.iter().copied().filter(|axis| *axis != series).collect();
    Layout { x: layout.x, series, panels }
}

/// The latencies of a point: those of its summary, or else of all its samples.
fn latencies(measured: &Measured) -> Option<LatencyRecord> {
    let summary = measured.summary.and_then(|summary| summary.latencies.latency_ns.as_ref());
    match summary {
        Some(summary) => Some(summary.merged.clone()),
        None => merged(measured.counted().filter_map(|sample| sample.latencies.latency_ns.as_ref())),
    }
    .filter(|record| !record.histogram.is_empty())
}

/// The distributions of the latencies of all points.
///
/// # Errors
/// A usage error if no point has latencies.
pub(super) fn figure(grouped: Grouped) -> Result<Figure, Error> {
    let Grouped { panels, .. } = grouped;
    let mut drawn: Vec<Panel> = Vec::new();
    for (heading, curves) in panels {
        let mut series = Vec::new();
        for curve in curves.iter().filter(|curve| !curve.is_floor) {
            let records = curve.points.iter().filter_map(latencies);
            series.extend(records.map(|record| Series {
                number: curve.number,
                name: curve.name.clone(),
                style: curve.style,
                path: steps(&record),
                points: percentiles(&record),
                dots: Vec::new(),
            }));
        }
        if !series.is_empty() {
            drawn.push(Panel { heading, series, ..Panel::default() });
        }
    }
    let places = || drawn.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.path);
    if places().next().is_none() {
        return Err(without(Quantity::P50));
    }
    let most = places().map(|(_, y)| *y).fold(0.0, f64::max);
    Ok(Figure {
        title: "latencies".to_owned(),
        caption: vec![
            "Each curve tells the fraction of the I/Os that took at most so long. Each further nine has \
             the same height, and a curve ends at its longest I/O."
                .to_owned(),
        ],
        x: Scale::log("Latency (us)", places().map(|(x, _)| *x), 12.0),
        y: Scale::of_nines("Fraction of the I/Os", most),
        log: None,
        log_y: false,
        panels: drawn,
        columns: ["Percentile", "Latency (us)", "I/Os"].map(str::to_owned).to_vec(),
        shades: None,
    })
}

/// The distribution as a line of (us, nines). The longest I/O has half of a further one above it, because
/// nothing is above it.
fn steps(record: &LatencyRecord) -> Vec<(f64, f64)> {
    let count = record.count as f64;
    let mut below = 0.0;
    let mut path: Vec<(f64, f64)> = Vec::new();
    for (low, high, in_bucket) in &record.histogram {
        if path.is_empty() {
            path.push((low.max(record.min.unwrap_or(*low)).max(0.1) / 1e3, 0.0));
        }
        below += *in_bucket as f64;
        let end = record.max.map_or(*high, |max| high.min(max));
        path.push((end / 1e3, nines((below / count).min(1.0 - 0.5 / count))));
    }
    path
}

/// Markers at the percentiles that the number of I/Os supports.
fn percentiles(record: &LatencyRecord) -> Vec<Point> {
    let all = [
        (0.5, "p50", record.p50),
        (0.9, "p90", record.p90),
        (0.99, "p99", record.p99),
        (0.999, "p99.9", record.p99_9),
        (0.9999, "p99.99", record.p99_99),
    ];
    let point = |(fraction, name, ns): (f64, &str, Option<f64>)| {
        let us = ns? / 1e3;
        Some(Point {
            x: us,
            y: nines(fraction),
            interval: None,
            open: false,
            words: format!("{name} {} us\n{} I/Os", number(us), record.count),
            values: vec![name.to_owned(), number(us), record.count.to_string()],
        })
    };
    all.into_iter().filter_map(point).collect()
}

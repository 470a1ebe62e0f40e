//! Every sample in time order, with its role.

use super::super::axes::Layout;
use super::super::document::SampleRecord;
use super::curves::without;
use super::group::{Curve, Grouped, Measured};
use super::quantity::Quantity;
use super::scale::Scale;
use super::{Dot, Figure, FigureOptions, Panel, Series};
use crate::error::Error;

/// The layout of a time series: one panel, which shows that all points share a machine.
pub(super) fn layout(layout: &Layout, options: &FigureOptions) -> Layout {
    let series = options.series.unwrap_or(layout.series);
    Layout { x: layout.x, series, panels: Vec::new() }
}

/// The samples of all points over the time since the first.
///
/// # Errors
/// A usage error if no sample has the quantity.
pub(super) fn figure(grouped: Grouped, options: &FigureOptions) -> Result<Figure, Error> {
    let Grouped { panels, .. } = grouped;
    let curves = || panels.iter().flat_map(|(_, curves)| curves).filter(|curve| !curve.is_floor);
    let samples = || curves().flat_map(|curve| &curve.points).flat_map(|point| point.samples);
    let first_ns = samples().filter_map(|sample| sample.started_ns).min();
    let panels: Vec<Panel> = panels
        .iter()
        .map(|(heading, curves)| Panel {
            heading: heading.clone(),
            series: curves
                .iter()
                .filter(|curve| !curve.is_floor)
                .map(|curve| series(curve, options.y, first_ns))
                .filter(|series| !series.dots.is_empty())
                .collect(),
            ..Panel::default()
        })
        .collect();
    let dots = || panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.dots);
    if dots().next().is_none() {
        return Err(without(options.y));
    }
    let set_aside = dots().filter(|dot| !dot.counts).count();
    let count = dots().count();
    let open = match set_aside {
        0 => String::new(),
        _ => format!(
            " Open dots ({set_aside}) do not count: they are warm-up, or something else disturbed them."
        ),
    };
    let sentence = format!("Each dot is a sample ({count}).{open}");
    let title = options.y.title();
    let x_title = if first_ns.is_some() { "Time since the first sample (s)" } else { "Sample" };
    Ok(Figure {
        title: format!("{} over time", options.y.name()),
        caption: vec![sentence],
        x: Scale::from_zero(x_title, dots().map(|dot| dot.x), 12.0),
        y: Scale::from_zero(&title, dots().map(|dot| dot.y), 9.0),
        log: Some(Scale::log(&title, dots().map(|dot| dot.y), 9.0)),
        log_y: false,
        columns: Vec::new(),
        shades: None,
        panels,
    })
}

fn series(curve: &Curve, quantity: Quantity, first_ns: Option<u64>) -> Series {
    let place = |sample: &SampleRecord| match (first_ns, sample.started_ns) {
        (Some(first_ns), Some(started_ns)) => Some(started_ns.saturating_sub(first_ns) as f64 / 1e9),
        (None, _) => sample.order_index.map(|index| index as f64),
        _ => None,
    };
    let dots = curve.points.iter().flat_map(|point: &Measured| {
        let configuration = point.configuration;
        point.samples.iter().filter_map(move |sample| {
            Some(Dot { x: place(sample)?, y: quantity.of(sample, configuration)?, counts: sample.counts() })
        })
    });
    Series {
        number: curve.number,
        name: curve.name.clone(),
        style: curve.style,
        path: Vec::new(),
        points: Vec::new(),
        dots: dots.collect(),
    }
}

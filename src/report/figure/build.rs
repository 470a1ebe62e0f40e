//! Chooses the axes of a figure, and makes the figure of its kind.

use super::super::axes::Layout;
use super::super::document::BenchmarkConfiguration;
use super::group::{grouped, settings, varying};
use super::{Figure, FigureOptions, Horizontal, Input, Kind, caption, cdf, curves, heatmap, samples};
use crate::error::Error;

/// Most panels of a figure.
const MOST_PANELS: usize = 24;

/// Computes the figure of these results.
///
/// # Errors
/// An open error for a result without a measured sample; a usage error if the results do not have what the
/// options ask for.
pub(crate) fn figure(inputs: &[Input], options: &FigureOptions) -> Result<Figure, Error> {
    let settings = settings(inputs)?;
    let varying = varying(inputs);
    let points = || settings.iter().flat_map(|setting| &setting.points);
    let configurations: Vec<&BenchmarkConfiguration> = points().map(|point| point.configuration).collect();
    let kind = if options.x == Some(Horizontal::Time) { Kind::Samples } else { options.kind };
    let x = options.x.and_then(Horizontal::axis);
    let layout = Layout::new(&varying, &configurations, x, options.series);
    let layout = match kind {
        Kind::Curves | Kind::Ratio => layout,
        Kind::Heatmap => heatmap::layout(&layout, &varying, options)?,
        Kind::Samples => samples::layout(&layout, options),
        Kind::Cdf => cdf::layout(&layout, &varying, options),
    };
    let grouped = grouped(&settings, layout);
    if grouped.panels.len() > MOST_PANELS {
        return Err(Error::usage(format!(
            "plot: the figure would have {} panels, and at most {MOST_PANELS} fit; choose --x or --series, \
             or draw a sweep over fewer values",
            grouped.panels.len()
        )));
    }
    let mut figure = match kind {
        Kind::Curves => curves::figure(inputs, grouped, options)?,
        Kind::Ratio => curves::ratio(grouped, options)?,
        Kind::Samples => samples::figure(grouped, options)?,
        Kind::Cdf => cdf::figure(grouped)?,
        Kind::Heatmap => heatmap::figure(&grouped, options)?,
    };
    let title = options.title.clone();
    figure.title = title.unwrap_or_else(|| caption::title(inputs, &figure.title, &varying));
    let mut sentences = caption::sentences(inputs);
    sentences.splice(1..1, std::mem::take(&mut figure.caption));
    figure.caption = sentences;
    figure.log_y = options.log_y && figure.log.is_some();
    Ok(figure)
}

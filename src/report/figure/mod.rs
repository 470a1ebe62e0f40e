//! A figure as data, independent of the format that it is drawn in.
//!
//! `build` chooses axes, and `group` groups the points of the results by them. `curves`, `samples`, `cdf` and
//! `heatmap` make the panels of one kind of figure each, with the texts of `caption`. `svg` draws them, `png`
//! converts the drawing, and `html` embeds it in a page.

pub(crate) mod build;
pub(super) mod caption;
mod cdf;
pub(super) mod constants;
mod curves;
mod group;
mod heatmap;
pub(crate) mod html;
#[cfg(feature = "png")]
pub(crate) mod png;
pub(crate) mod quantity;
mod samples;
mod scale;
mod style;
pub(crate) mod svg;

use std::path::PathBuf;

use quantity::Quantity;
use scale::Scale;
use style::Style;

use super::axes::Axis;
use super::read::ResultFile;

/// A figure.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Title above the panels.
    title: String,
    /// Sentences of the caption below them.
    caption: Vec<String>,
    /// Scale from left to right.
    x: Scale,
    /// Scale from bottom to top.
    y: Scale,
    /// The same as a logarithmic scale, if the figure has one.
    log: Option<Scale>,
    /// True if the picture has the logarithmic scale.
    log_y: bool,
    /// The parts, from top to bottom.
    panels: Vec<Panel>,
    /// Headings of the values of a point, for a table.
    columns: Vec<String>,
    /// Colours of the cells of a heatmap.
    shades: Option<Shades>,
}

/// A part of a figure with axes of its own.
#[derive(Debug, Default)]
struct Panel {
    /// Setting of its points in words; empty for a single panel.
    heading: String,
    series: Vec<Series>,
    references: Vec<Reference>,
    verticals: Vec<Vertical>,
    cells: Vec<Cell>,
}

/// A curve.
#[derive(Debug)]
struct Series {
    /// Number in the legend. Series of several panels with the same name share it.
    number: usize,
    /// Name in the legend.
    name: String,
    /// Colour, marker and dash pattern.
    style: Style,
    /// The line, as (x, y).
    path: Vec<(f64, f64)>,
    /// Points with a marker, from left to right.
    points: Vec<Point>,
    /// Single samples.
    dots: Vec<Dot>,
}

/// A point with a marker.
#[derive(Debug)]
struct Point {
    x: f64,
    y: f64,
    /// Interval of y, which is drawn as a bar.
    interval: Option<(f64, f64)>,
    /// True for an open marker: the point was not measured under quiet conditions.
    open: bool,
    /// The values of the point in words, one per line, after the name of the series.
    words: String,
    /// The values for a table, one per column of the figure.
    values: Vec<String>,
}

/// A sample.
#[derive(Debug)]
struct Dot {
    x: f64,
    y: f64,
    /// True if the sample counts.
    counts: bool,
}

/// A line that shows what the series are compared with.
#[derive(Debug)]
struct Reference {
    /// Name in the legend.
    name: String,
    /// Colour and dash pattern; no marker.
    style: Style,
    /// The line, as (x, y).
    path: Vec<(f64, f64)>,
}

/// A vertical line with a label.
#[derive(Debug)]
struct Vertical {
    /// Reason for the line.
    kind: VerticalKind,
    /// Place of the line.
    x: f64,
    /// Label of the line.
    label: String,
    /// Numbers of the series with this knee; empty if it is not a knee.
    series: Vec<usize>,
}

/// Reason for a vertical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum VerticalKind {
    /// Constant of the host.
    Constant,
    /// Fitted knee of a curve.
    Knee,
    /// Size given with `--mark`.
    Mark,
}

/// A coloured cell of a heatmap around (x, y).
#[derive(Debug)]
struct Cell {
    x: (f64, f64),
    y: (f64, f64),
    /// Its value, and how it is written.
    value: f64,
    label: String,
    words: String,
}

/// The values that the colours of a heatmap stand for.
#[derive(Debug)]
struct Shades {
    low: f64,
    high: f64,
    /// The quantity.
    name: &'static str,
    unit: &'static str,
}

/// Kind of a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub(crate) enum Kind {
    /// Medians with intervals over an axis.
    #[default]
    Curves,
    /// Every sample in time order, with its role.
    Samples,
    /// Distribution of the latencies, with a logarithmic tail.
    Cdf,
    /// Medians over two axes as colours.
    Heatmap,
    /// Medians relative to those of one series (`--to`).
    Ratio,
}

/// Axis from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub(crate) enum Horizontal {
    Buffersize,
    Iodepth,
    Threads,
    /// Time since the first sample; the same as `--kind samples`.
    Time,
}

impl Horizontal {
    /// The axis of a sweep; `None` for the time.
    pub(super) fn axis(self) -> Option<Axis> {
        match self {
            Horizontal::Buffersize => Some(Axis::Buffersize),
            Horizontal::Iodepth => Some(Axis::Iodepth),
            Horizontal::Threads => Some(Axis::Threads),
            Horizontal::Time => None,
        }
    }
}

/// Options of the figure on the command line.
#[derive(Debug)]
pub(crate) struct FigureOptions {
    /// Kind of the figure.
    pub(crate) kind: Kind,
    /// Axis from left to right; `None` for the default.
    pub(crate) x: Option<Horizontal>,
    /// Quantity on the vertical axis.
    pub(crate) y: Quantity,
    /// Axis with a curve per value; `None` for the default.
    pub(crate) series: Option<Axis>,
    /// The series of which [`Kind::Ratio`] shows multiples.
    pub(crate) to: Option<String>,
    /// True if the knees are drawn.
    pub(crate) knees: bool,
    /// True for a logarithmic vertical axis.
    pub(crate) log_y: bool,
    /// Sizes to mark, in bytes.
    pub(crate) marks_bytes: Vec<u64>,
    /// Title; `None` for the default title.
    pub(crate) title: Option<String>,
}

/// A result and the file that it was read from.
#[derive(Debug)]
pub(crate) struct Input {
    /// The file.
    pub(crate) path: PathBuf,
    /// The result.
    pub(crate) result: ResultFile,
}

/// An entry of the legend.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a str,
    style: &'a Style,
    /// Number of the series; `None` for a reference.
    series: Option<usize>,
    /// True if it is visible with the linear scale, and with the logarithmic one.
    visible: (bool, bool),
}

impl Figure {
    /// The vertical scale of one kind. A figure that has only one is drawn with that.
    fn scale(&self, log: bool) -> &Scale {
        self.log.as_ref().filter(|_| log).unwrap_or(&self.y)
    }

    /// The entries of the legend: first the series, then the references, each name once.
    fn legend(&self) -> Vec<Entry<'_>> {
        let mut entries: Vec<Entry> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if entries.iter().all(|entry| entry.series != Some(series.number)) {
                let (name, style) = (series.name.as_str(), &series.style);
                entries.push(Entry { name, style, series: Some(series.number), visible: (true, true) });
            }
        }
        entries.sort_by_key(|entry| entry.series);
        for reference in self.panels.iter().flat_map(|panel| &panel.references) {
            let shows =
                |scale: &Scale| reference.path.iter().any(|(x, y)| self.x.shows(*x) && scale.shows(*y));
            let visible = (shows(&self.y), self.log.as_ref().is_some_and(shows));
            match entries.iter_mut().find(|entry| entry.name == reference.name) {
                // Lines of several colours have one entry.
                Some(entry) if entry.style.colour != reference.style.colour => entry.style = &style::DOTTED,
                Some(_) => {}
                None if visible.0 || visible.1 => {
                    entries.push(Entry {
                        name: &reference.name,
                        style: &reference.style,
                        series: None,
                        visible,
                    });
                }
                None => {}
            }
        }
        entries
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points)
    }
}

//! A figure as data: bandwidth over buffer size, independent of the format that it is drawn in.
//!
//! `build` computes the figure from results, with the texts of `caption`. `svg` draws it, `png` converts the
//! drawing, and `html` embeds it in a page.

mod axis;
pub(crate) mod build;
pub(super) mod caption;
pub(super) mod constants;
pub(crate) mod html;
#[cfg(feature = "png")]
pub(crate) mod png;
mod style;
pub(crate) mod svg;

use std::path::PathBuf;

use axis::Axis;
use style::Style;

use super::read::ResultFile;
use super::sweep::FiveNumbers;

/// Bandwidth over buffer size.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Title above the plot.
    title: String,
    /// Sentences of the caption below the plot.
    caption: Vec<String>,
    /// True if the bandwidth axis is logarithmic.
    log_y: bool,
    /// The curves.
    series: Vec<Series>,
    /// Floors and ceilings.
    references: Vec<Reference>,
    /// Labelled sizes, ascending.
    verticals: Vec<Vertical>,
}

/// The points of one strategy in one result.
#[derive(Debug)]
struct Series {
    /// Name in the legend.
    name: String,
    /// Name of the strategy.
    strategy: String,
    /// Colour, marker and dash pattern.
    style: Style,
    /// Points with at least one measured sample, ordered by size.
    points: Vec<Point>,
}

/// The measured samples of one strategy with one buffer size.
#[derive(Debug)]
struct Point {
    /// Buffer size in bytes.
    block_bytes: u64,
    /// Median, interval and quartiles of the samples.
    numbers: FiveNumbers,
    /// Every measured sample, in KiB/s.
    samples_kib_per_second: Vec<f64>,
    /// Bytes per sample.
    total_bytes: u64,
    /// False if disturbed samples count.
    quiet: bool,
}

/// A floor or ceiling: the bandwidth of an operation that is needed for each block, without any other work.
#[derive(Debug)]
struct Reference {
    /// Name in the legend.
    name: &'static str,
    /// Colour and dash pattern; no marker.
    style: Style,
    /// Points as (bytes, KiB/s), ordered by size.
    points: Vec<(f64, f64)>,
}

/// A buffer size with a vertical line and a label.
#[derive(Debug)]
struct Vertical {
    /// Reason for the line.
    kind: VerticalKind,
    /// Buffer size, in bytes.
    block_bytes: f64,
    /// Label of the line.
    label: String,
    /// Indices of the series with this knee; empty if it is not a knee.
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

/// Options of the figure on the command line.
#[derive(Debug)]
pub(crate) struct FigureOptions {
    /// True if the knees are drawn.
    pub(crate) knees: bool,
    /// True for a logarithmic bandwidth axis.
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

impl Figure {
    /// The axis of buffer sizes, with at most `most_labels` labels.
    fn sizes(&self, most_labels: f64) -> Axis {
        Axis::of_sizes(self.points().map(|point| point.block_bytes), most_labels)
    }

    /// The axis of bandwidths. Some floors and ceilings are a thousand times higher than the data. A
    /// logarithmic axis shows them up to twice the data; a linear axis is fitted to the data alone.
    fn bandwidths(&self, log: bool) -> Axis {
        let most = self.points().map(|point| point.numbers.max_kib_per_second).fold(0.0, f64::max);
        let room = (log && !self.references.is_empty()).then_some(2.0 * most);
        let least = self.points().map(|point| point.numbers.min_kib_per_second);
        Axis::of_bandwidths(least.chain([most]).chain(room), log)
    }

    /// Name and style of each legend entry: first the series, then the references.
    fn legend(&self) -> impl Iterator<Item = (&str, &Style)> {
        let series = self.series.iter().map(|series| (series.name.as_str(), &series.style));
        series.chain(self.references.iter().map(|reference| (reference.name, &reference.style)))
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|series| &series.points)
    }
}

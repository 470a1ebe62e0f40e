//! A figure as data: bandwidth over buffer size, independent of the format that it is drawn in.
//!
//! `build` computes the figure from results with the sentences of `caption`; `svg` draws it, `png` converts
//! that drawing, and `html` embeds it in a page.

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
    /// Heading.
    title: String,
    /// Sentences below the plot: what was measured, how, where and when.
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

/// The points of one strategy of one result.
#[derive(Debug)]
struct Series {
    /// Name in the legend.
    name: String,
    /// Name of the strategy.
    strategy: String,
    /// Colour, marker and dashes.
    style: Style,
    /// Points with at least one measured sample, ascending by size.
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
}

/// A floor or ceiling: the bandwidth if this alone were done for each block.
#[derive(Debug)]
struct Reference {
    /// Name in the legend.
    name: &'static str,
    /// Colour and dashes; no marker.
    style: Style,
    /// (bytes, KiB/s), ascending by size.
    points: Vec<(f64, f64)>,
}

/// A buffer size with a vertical line and a label.
#[derive(Debug)]
struct Vertical {
    /// Why the size is marked.
    kind: VerticalKind,
    /// The size, in bytes.
    block_bytes: f64,
    /// Label of the line.
    label: String,
    /// Indices of the series whose knee it is; empty if it is not a knee.
    series: Vec<usize>,
}

/// Why a size is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum VerticalKind {
    /// A size that this host treats in a special way.
    Constant,
    /// A fitted knee of a curve.
    Knee,
    /// A size named with `--mark`.
    Mark,
}

/// What the command line says about the figure.
#[derive(Debug)]
pub(crate) struct FigureOptions {
    /// True for a logarithmic bandwidth axis.
    pub(crate) log_y: bool,
    /// Sizes to mark, in bytes.
    pub(crate) marks_bytes: Vec<u64>,
    /// Heading; `None` for the default one.
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
    /// The axis of buffer sizes, with room for `most_labels` labels.
    fn sizes(&self, most_labels: f64) -> Axis {
        Axis::of_sizes(self.points().map(|point| point.block_bytes), most_labels)
    }

    /// The axis of bandwidths. Some floors and ceilings are a thousand times higher than the data: a logarithmic axis
    /// has room for those up to twice the data, a linear axis for none.
    fn bandwidths(&self, log: bool) -> Axis {
        let most = self.points().map(|point| point.numbers.max_kib_per_second).fold(0.0, f64::max);
        let room = (log && !self.references.is_empty()).then_some(2.0 * most);
        let least = self.points().map(|point| point.numbers.min_kib_per_second);
        Axis::of_bandwidths(least.chain([most]).chain(room), log)
    }

    /// Name and look of every legend entry: series, then references.
    fn legend(&self) -> impl Iterator<Item = (&str, &Style)> {
        let series = self.series.iter().map(|series| (series.name.as_str(), &series.style));
        series.chain(self.references.iter().map(|reference| (reference.name, &reference.style)))
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|series| &series.points)
    }
}

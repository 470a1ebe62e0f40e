//! A figure as data: bandwidth over buffer size, independent of the format that it is drawn in.
//!
//! `build` computes the figure from results with the sentences of `caption`; `svg` draws it, `pdf` and `png` convert
//! that drawing, and `html` shows it in a page.

pub mod axis;
pub mod build;
pub mod caption;
pub mod constants;
pub mod html;
#[cfg(feature = "plot")]
pub mod pdf;
#[cfg(feature = "plot")]
pub mod png;
pub mod style;
pub mod svg;

use std::path::PathBuf;

use axis::Axis;
use serde::Serialize;
use style::Style;

use super::read::Kept;
use crate::host;

/// Bandwidth over buffer size.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Heading.
    pub title: String,
    /// Sentences beneath: what was measured, how, where and when.
    pub caption: Vec<String>,
    /// Whether the bandwidth axis is logarithmic.
    pub log_y: bool,
    /// The curves.
    pub series: Vec<Series>,
    /// Floors and ceilings.
    pub references: Vec<Reference>,
    /// Labelled sizes.
    pub verticals: Vec<Vertical>,
}

/// The points of one strategy of one result, by size.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// The strategy.
    pub strategy: String,
    /// Colour, marker and dashes.
    pub style: Style,
    /// Points with at least one measured sample, ascending.
    pub points: Vec<Point>,
}

/// What the measured samples of one strategy with one buffer size say.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// Buffer size in bytes.
    pub block_bytes: u64,
    /// Measured samples.
    pub n: u64,
    /// Median, in KiB/s.
    pub median_kib_per_second: f64,
    /// 95 % interval of the median, in KiB/s; null below six samples.
    pub interval_kib_per_second: Option<(f64, f64)>,
    /// First quartile, in KiB/s.
    pub q1_kib_per_second: f64,
    /// Third quartile, in KiB/s.
    pub q3_kib_per_second: f64,
    /// Every measured sample, in KiB/s.
    pub samples_kib_per_second: Vec<f64>,
}

/// A floor or ceiling: what a block would move at if nothing but this were done for it.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    /// What the legend says.
    pub name: String,
    /// Dashes, as SVG's `stroke-dasharray`.
    pub dash: &'static str,
    /// (bytes, KiB/s), ascending by size.
    pub points: Vec<(f64, f64)>,
}

/// A buffer size with a line and a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Vertical {
    /// Why it is marked.
    pub kind: VerticalKind,
    /// Where, in bytes.
    pub block_bytes: f64,
    /// What the label says.
    pub label: String,
    /// The constants, or the series, that it stands for.
    pub subjects: Vec<String>,
    /// Colour of the one series that it belongs to; null if it is not one.
    pub colour: Option<&'static str>,
}

/// Why a size is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerticalKind {
    /// A size that this host treats in a special way.
    Constant,
    /// A fitted knee of a curve.
    Knee,
    /// Asked for with `--mark`.
    Mark,
}

/// What the command line says about the figure.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Logarithmic bandwidth axis.
    pub log_y: bool,
    /// Sizes to mark, in bytes.
    pub marks_bytes: Vec<u64>,
    /// Heading; `None`: one is made.
    pub title: Option<String>,
}

/// A result with the file that it was read from.
pub type Input = (PathBuf, Kept);

impl Figure {
    /// The axis of buffer sizes, with room for `most_labels` labels.
    pub fn sizes(&self, most_labels: f64) -> Axis {
        Axis::of_sizes(self.points().map(|point| point.block_bytes), most_labels)
    }

    /// The axis of bandwidths. Of floors and ceilings, some are a thousand times higher: a
    /// logarithmic axis has room for those up to twice the data, a linear one for none.
    pub fn bandwidths(&self) -> Axis {
        let samples = self.points().flat_map(|point| point.samples_kib_per_second.iter().copied());
        let samples: Vec<f64> = samples.collect();
        let most = samples.iter().copied().fold(0.0, f64::max);
        let room = (self.log_y && !self.references.is_empty()).then_some(2.0 * most);
        Axis::of_bandwidths(samples.into_iter().chain(room), self.log_y)
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|series| &series.points)
    }
}

/// The host of a result.
pub fn host_of(kept: &Kept) -> Option<&host::Configuration> {
    match kept {
        Kept::Sweep(sweep) => Some(&sweep.host_configuration),
        Kept::Run(run) => run.host_configuration.as_ref(),
    }
}

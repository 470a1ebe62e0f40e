//! The axes of a sweep: the settings whose values it visits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::BenchmarkConfiguration;
use crate::engine::strategy::Mechanism;
use crate::engine::workload::Workload;
use crate::units;

/// An axis of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// `--strategy`.
    Strategy,
    /// `-b`, in bytes.
    Buffersize,
    /// `--iodepth`.
    Iodepth,
    /// `--threads`.
    Threads,
    /// `--access`.
    Access,
    /// `--cache`.
    Cache,
    /// `--mix`, in percent of reads.
    Mix,
    /// `--rate`, in I/Os per second.
    Rate,
    /// `--direct`.
    Direct,
}

/// The value of a point on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    /// The value as a number; `None` if values have no order.
    pub(crate) number: Option<f64>,
    /// The value in words that need no name of the axis.
    pub(crate) words: String,
}

impl Axis {
    /// All axes, in the order in which they are named.
    pub(crate) const ALL: [Axis; 9] = [
        Axis::Strategy,
        Axis::Buffersize,
        Axis::Iodepth,
        Axis::Threads,
        Axis::Access,
        Axis::Cache,
        Axis::Mix,
        Axis::Rate,
        Axis::Direct,
    ];

    /// The name in texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Axis::Strategy => "strategy",
            Axis::Buffersize => "buffersize",
            Axis::Iodepth => "iodepth",
            Axis::Threads => "threads",
            Axis::Access => "access",
            Axis::Cache => "cache",
            Axis::Mix => "mix",
            Axis::Rate => "rate",
            Axis::Direct => "O_DIRECT",
        }
    }

    /// The value of a point.
    pub(crate) fn value(self, configuration: &BenchmarkConfiguration) -> Value {
        let Workload { block_bytes, threads, access, mix, rate, direct, .. } = configuration.requested;
        let number = |number: u64, words: String| Value { number: Some(number as f64), words };
        let word = |words: String| Value { number: None, words };
        match self {
            Axis::Strategy => word(configuration.strategy.clone()),
            Axis::Buffersize => number(block_bytes, units::size(block_bytes as f64)),
            Axis::Iodepth => {
                let depth = iodepth(configuration);
                number(depth.into(), format!("depth {depth}"))
            }
            Axis::Threads => number(threads.into(), units::counted(threads.into(), "thread")),
            Axis::Access => word(access.to_string()),
            Axis::Cache => word(configuration.preparation.cache.name().to_owned()),
            Axis::Mix => mix.map_or_else(
                || word(format!("{}s only", configuration.requested.direction.name())),
                |percent| number(percent.into(), format!("{percent} % reads")),
            ),
            Axis::Rate => rate.map_or_else(
                || word("no rate".to_owned()),
                |rate| number(rate, format!("{rate} I/Os per second")),
            ),
            Axis::Direct => word(if direct { "O_DIRECT" } else { "buffered" }.to_owned()),
        }
    }
}

/// The depth of a point. A path without a queue has one operation in flight, whatever was requested.
fn iodepth(configuration: &BenchmarkConfiguration) -> u32 {
    if configuration.properties.mechanism != Mechanism::Queue {
        return 1;
    }
    let granted = configuration.granted.as_ref().map(|granted| granted.effective.iodepth);
    configuration.requested.iodepth.or(granted).unwrap_or(1)
}

/// The values of a point on these axes, in words.
pub(super) fn words(axes: &[Axis], configuration: &BenchmarkConfiguration) -> String {
    let words: Vec<String> = axes.iter().map(|axis| axis.value(configuration).words).collect();
    words.join(", ")
}

/// The distinct values on an axis: numbers ascending, others in the order of the points.
pub(crate) fn values<'a>(axis: Axis, points: impl Iterator<Item = &'a BenchmarkConfiguration>) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for value in points.map(|point| axis.value(point)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    // Stable, and values without a number come first.
    values.sort_by(|one, other| one.number.unwrap_or(f64::MIN).total_cmp(&other.number.unwrap_or(f64::MIN)));
    values
}

/// Choice of the axes of a picture or table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// From left to right, or from row to row.
    pub(super) x: Axis,
    /// A curve or column per value.
    pub(super) series: Axis,
    /// A panel or table per combination of values.
    pub(super) panels: Vec<Axis>,
}

/// Axes that can run from left to right.
pub(super) const NUMERIC: [Axis; 3] = [Axis::Buffersize, Axis::Iodepth, Axis::Threads];

impl Layout {
    /// The default: x is the numeric axis with the most values, the axis with the most of the others is the
    /// series, and the rest become panels. `x` and `series` replace the choice.
    pub(super) fn new(
        varying: &[Axis],
        points: &[&BenchmarkConfiguration],
        x: Option<Axis>,
        series: Option<Axis>,
    ) -> Layout {
        let count = |axis: Axis| values(axis, points.iter().copied()).len();
        // Of several with the same count the first counts.
        let largest = |axes: Vec<Axis>| {
            axes.into_iter().reduce(|best, axis| if count(axis) > count(best) { axis } else { best })
        };
        let is_free = |axis: &Axis| varying.contains(axis) && Some(*axis) != series;
        let x = x.or_else(|| largest(NUMERIC.into_iter().filter(is_free).collect()));
        let x = x.unwrap_or(Axis::Buffersize);
        let others = varying.iter().copied().filter(|axis| *axis != x);
        let series = series.or_else(|| largest(others.collect())).unwrap_or(Axis::Strategy);
        let panels = varying.iter().copied().filter(|axis| ![x, series].contains(axis)).collect();
        Layout { x, series, panels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_with_the_most_values_is_x_and_the_next_the_series() {
        let none: [&BenchmarkConfiguration; 0] = [];
        let layout = |varying: &[Axis]| Layout::new(varying, &none, None, None);
        let of = |x, series, panels: &[Axis]| Layout { x, series, panels: panels.to_vec() };
        assert_eq!(layout(&[]), of(Axis::Buffersize, Axis::Strategy, &[]));
        assert_eq!(layout(&[Axis::Strategy, Axis::Iodepth]), of(Axis::Iodepth, Axis::Strategy, &[]));
        let three = [Axis::Strategy, Axis::Buffersize, Axis::Cache];
        assert_eq!(layout(&three), of(Axis::Buffersize, Axis::Strategy, &[Axis::Cache]));
        let given = Layout::new(&three, &none, None, Some(Axis::Cache));
        assert_eq!(given, of(Axis::Buffersize, Axis::Cache, &[Axis::Strategy]));
    }
}

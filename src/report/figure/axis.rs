//! Axes of a figure: range, labelled ticks, and the position of a value.

use crate::units;

/// An axis from `low` to `high`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Smallest value shown.
    pub(super) low: f64,
    /// Largest value shown.
    pub(super) high: f64,
    /// True if the axis is logarithmic.
    pub(super) log: bool,
    /// Labelled ticks, ascending.
    pub(super) ticks: Vec<Tick>,
    /// Values of the small ticks, which have no label.
    pub(super) minor: Vec<f64>,
    /// Title: the quantity, and its unit unless the labels have units.
    pub(super) title: String,
}

/// A labelled tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Value of the tick.
    pub(super) value: f64,
    /// Text of the label.
    pub(super) label: String,
}

/// Maximum number of labels on a bandwidth axis, given the height of the figure.
const MOST_LABELS: f64 = 9.0;

impl Axis {
    /// An axis of buffer sizes in bytes, in powers of two. It exceeds the sizes by half a power on both
    /// sides, and has at most `most_labels` labels.
    pub(super) fn of_sizes(sizes_bytes: impl Iterator<Item = u64>, most_labels: f64) -> Axis {
        let (first, last) = range(sizes_bytes.map(|bytes| bytes as f64)).unwrap_or((1.0, 1.0));
        let (low, high) = (first.log2() - 0.5, last.log2() + 0.5);
        Axis { title: "Buffer size".to_owned(), ..powers(low, high, most_labels, units::size) }
    }

    /// An axis of bandwidths, given in KiB/s and labelled in MiB/s: linear from zero, or in powers of two.
    pub(super) fn of_bandwidths(kib_per_second: impl Iterator<Item = f64>, log: bool) -> Axis {
        let (least, most) = range(kib_per_second.filter(|value| *value > 0.0)).unwrap_or((1.0, 1.0));
        if !log {
            return from_zero(most * 1.05);
        }
        let (low, high) = (least.log2() - 0.3, most.log2() + 0.3);
        Axis { title: BANDWIDTH_TITLE.to_owned(), ..powers(low, high, MOST_LABELS, mib) }
    }

    /// The position of a value: 0 at `low`, 1 at `high`, and less or more outside of the axis.
    pub(super) fn position(&self, value: f64) -> f64 {
        match self.log {
            // A logarithmic axis has no zero, so zero is drawn far below it.
            true if value <= 0.0 => -1e3,
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    /// True if the value is within the axis.
    pub(super) fn shows(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Minimum and maximum; `None` without values.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// A logarithmic axis between two powers of two. The distance of the labels is 1, 2, 5 or 10 powers, counted
/// from 2^0, so that 1 KiB, 1 MiB and 1 GiB are labelled if possible.
fn powers(low: f64, high: f64, most_labels: f64, label: impl Fn(f64) -> String) -> Axis {
    let fits = |step: &i32| (high - low) / f64::from(*step) <= most_labels;
    let step = [1, 2, 5].into_iter().find(fits).unwrap_or(10);
    let whole = low.ceil() as i32..=high.floor() as i32;
    let (labelled, minor): (Vec<i32>, Vec<i32>) = whole.partition(|power| power % step == 0);
    let value = |power: i32| f64::from(power).exp2();
    Axis {
        low: low.exp2(),
        high: high.exp2(),
        log: true,
        ticks: labelled
            .into_iter()
            .map(|power| Tick { value: value(power), label: label(value(power)) })
            .collect(),
        minor: minor.into_iter().map(value).collect(),
        title: String::new(),
    }
}

const BANDWIDTH_TITLE: &str = "Bandwidth (MiB/s)";

/// A linear axis of bandwidth from zero.
fn from_zero(most_kib: f64) -> Axis {
    let most = most_kib / KIB_PER_MIB;
    let step = round_step(most / (MOST_LABELS - 1.0));
    let count = (most / step).floor() as usize;
    let decimals = if step < 1.0 { (-step.log10()).ceil() as usize } else { 0 };
    let tick = |number: usize| Tick {
        value: number as f64 * step * KIB_PER_MIB,
        label: format!("{:.decimals$}", number as f64 * step),
    };
    Axis {
        low: 0.0,
        high: most_kib,
        log: false,
        ticks: (0..=count).map(tick).collect(),
        minor: Vec::new(),
        title: BANDWIDTH_TITLE.to_owned(),
    }
}

/// The smallest step of at least `least` that is 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least);
    factor.unwrap_or(10.0) * power
}

/// KiB per MiB, the unit of bandwidths.
const KIB_PER_MIB: f64 = 1024.0;

/// A bandwidth in KiB/s as text, such as `7444 MiB/s`: four significant digits, and all before the decimal
/// point.
pub(super) fn bandwidth_label(kib_per_second: f64) -> String {
    format!("{} MiB/s", mib(kib_per_second))
}

/// A bandwidth in KiB/s as a number of MiB/s with four significant digits.
pub(super) fn mib(kib_per_second: f64) -> String {
    let value = kib_per_second / KIB_PER_MIB;
    let decimals = if value > 0.0 { (3 - value.log10().floor() as i32).clamp(0, 9) as usize } else { 0 };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn sizes_are_powers_of_two_with_byte_labels() {
        let axis = Axis::of_sizes((0..25).map(|power| 1 << power), 14.0);
        let expected = "1 B|4 B|16 B|64 B|256 B|1 KiB|4 KiB|16 KiB|64 KiB|256 KiB|1 MiB|4 MiB|16 MiB";
        assert_eq!(labels(&axis).join("|"), expected);
        assert_eq!(axis.minor.len(), 12);
        assert!((axis.position(4096.0) - 12.5 / 25.0).abs() < 1e-12);
    }

    #[test]
    fn a_single_size_has_an_axis() {
        assert_eq!(labels(&Axis::of_sizes([4096].into_iter(), 14.0)), ["4 KiB"]);
    }

    #[test]
    fn bandwidths_have_readable_labels_on_either_kind_of_axis() {
        let linear = Axis::of_bandwidths([5.0, 7.3 * 1048576.0].into_iter(), false);
        assert_eq!(labels(&linear), ["0", "1000", "2000", "3000", "4000", "5000", "6000", "7000"]);
        let small = Axis::of_bandwidths([0.35 * 1024.0].into_iter(), false);
        assert_eq!(labels(&small), ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30", "0.35"]);
        let log = Axis::of_bandwidths([2048.0, 7.3 * 1048576.0].into_iter(), true);
        assert_eq!(labels(&log), ["4", "16", "64", "256", "1024", "4096"]);
        for axis in [linear, small, log] {
            assert_eq!(axis.title, "Bandwidth (MiB/s)", "one unit for all");
        }
        for (kib_per_second, text) in [(7.27 * 1048576.0, "7444"), (512.0, "0.5"), (1.0, "0.0009766")] {
            assert_eq!(bandwidth_label(kib_per_second), format!("{text} MiB/s"));
        }
    }
}

//! Scales of a figure: range, labelled ticks, and the position of a value.

use crate::units;

/// A scale from `low` to `high`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// Smallest value shown.
    pub(super) low: f64,
    /// Largest value shown.
    pub(super) high: f64,
    /// True if the scale is logarithmic.
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

impl Scale {
    /// A scale of buffer sizes in bytes, in powers of two. It exceeds the sizes by half a power on both
    /// sides, and has at most `most_labels` labels.
    pub(super) fn of_sizes(sizes_bytes: impl Iterator<Item = f64>, most_labels: f64) -> Scale {
        let (first, last) = range(sizes_bytes).unwrap_or((1.0, 1.0));
        let (low, high) = (first.log2() - 0.5, last.log2() + 0.5);
        Scale { title: "Buffer size".to_owned(), ..powers(low, high, most_labels, units::size) }
    }

    /// A logarithmic scale of numbers such as depths, with a label at each of them if they fit.
    pub(super) fn of_counts(title: &str, counts: impl Iterator<Item = f64>, most_labels: f64) -> Scale {
        let mut counts: Vec<f64> = counts.filter(|count| *count > 0.0).collect();
        counts.sort_by(f64::total_cmp);
        counts.dedup();
        let (first, last) = range(counts.iter().copied()).unwrap_or((1.0, 1.0));
        let label = |count: f64| format!("{count}");
        let scale = powers(first.log2() - 0.5, last.log2() + 0.5, most_labels, label);
        let title = title.to_owned();
        if counts.len() as f64 > most_labels {
            return Scale { title, ..scale };
        }
        let ticks = counts.into_iter().map(|value| Tick { value, label: label(value) }).collect();
        Scale { title, ticks, minor: Vec::new(), ..scale }
    }

    /// A linear scale of values from zero, with at most `most_labels` labels.
    pub(super) fn from_zero(title: &str, values: impl Iterator<Item = f64>, most_labels: f64) -> Scale {
        let (_, most) = range(values.filter(|value| *value > 0.0)).unwrap_or((1.0, 1.0));
        let high = most * 1.05;
        let step = round_step(high / (most_labels - 1.0));
        let count = (high / step).floor() as usize;
        let decimals = if step < 1.0 { (-step.log10()).ceil() as usize } else { 0 };
        let tick = |number: usize| Tick {
            value: number as f64 * step,
            label: format!("{:.decimals$}", number as f64 * step),
        };
        Scale {
            low: 0.0,
            high,
            log: false,
            ticks: (0..=count).map(tick).collect(),
            minor: Vec::new(),
            title: title.to_owned(),
        }
    }

    /// A logarithmic scale of values, with labels at powers of two.
    pub(super) fn log(title: &str, values: impl Iterator<Item = f64>, most_labels: f64) -> Scale {
        let (least, most) = range(values.filter(|value| *value > 0.0)).unwrap_or((1.0, 1.0));
        let (low, high) = (least.log2() - 0.3, most.log2() + 0.3);
        Scale { title: title.to_owned(), ..powers(low, high, most_labels, number) }
    }

    /// A logarithmic scale of fractions that approach 1, such as percentiles: a value is the number of nines,
    /// -log10(1 - fraction).
    pub(super) fn of_nines(title: &str, most: f64) -> Scale {
        let fractions = [(0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")];
        let more = [(0.9999, "99.99 %"), (0.99999, "99.999 %"), (0.999999, "99.9999 %")];
        let ticks = fractions.into_iter().chain(more);
        let high = most.max(1.1) * 1.02;
        let ticks = ticks.map(|(fraction, label)| Tick { value: nines(fraction), label: label.to_owned() });
        Scale {
            low: 0.0,
            high,
            log: false,
            ticks: ticks.filter(|tick| tick.value <= high).collect(),
            minor: Vec::new(),
            title: title.to_owned(),
        }
    }

    /// The title without its unit.
    pub(super) fn quantity(&self) -> &str {
        self.title.split(" (").next().unwrap_or_default()
    }

    /// The position of a value: 0 at `low`, 1 at `high`, and less or more outside of the scale.
    pub(super) fn position(&self, value: f64) -> f64 {
        match self.log {
            // A logarithmic scale has no zero, so zero is drawn far below it.
            true if value <= 0.0 => -1e3,
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    /// True if the value is within the scale.
    pub(super) fn shows(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The number of nines of a fraction: 1 for 0.9, 2 for 0.99.
pub(super) fn nines(fraction: f64) -> f64 {
    -(1.0 - fraction).log10()
}

/// Minimum and maximum; `None` without values.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// A logarithmic scale between two powers of two. The distance of the labels is 1, 2, 5 or 10 powers, counted
/// from 2^0, so that 1 KiB, 1 MiB and 1 GiB are labelled if possible.
fn powers(low: f64, high: f64, most_labels: f64, label: impl Fn(f64) -> String) -> Scale {
    let fits = |step: &i32| (high - low) / f64::from(*step) <= most_labels;
    let step = [1, 2, 5].into_iter().find(fits).unwrap_or(10);
    let whole = low.ceil() as i32..=high.floor() as i32;
    let (labelled, minor): (Vec<i32>, Vec<i32>) = whole.partition(|power| power % step == 0);
    let value = |power: i32| f64::from(power).exp2();
    Scale {
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

/// The smallest step of at least `least` that is 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least);
    factor.unwrap_or(10.0) * power
}

/// A number with four significant digits, and all before the decimal point.
pub(super) fn number(value: f64) -> String {
    let decimals = if value > 0.0 { (3 - value.log10().floor() as i32).clamp(0, 9) as usize } else { 0 };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn sizes_are_labelled_in_powers_of_two_within_the_room() {
        let sizes = || (0..25).map(|power| f64::from(power).exp2());
        let scale = Scale::of_sizes(sizes(), 14.0);
        assert_eq!(labels(&scale)[..4], ["1 B", "4 B", "16 B", "64 B"]);
        assert_eq!(scale.minor.len(), 12);
        assert!((scale.position(4096.0) - 12.5 / 25.0).abs() < 1e-12);
        assert_eq!(labels(&Scale::of_sizes([4096.0].into_iter(), 14.0)), ["4 KiB"]);
    }

    #[test]
    fn counts_are_labelled_where_they_are() {
        let scale = Scale::of_counts("Threads", [1.0, 2.0, 3.0, 6.0, 2.0].into_iter(), 9.0);
        assert_eq!(labels(&scale), ["1", "2", "3", "6"]);
        assert_eq!(labels(&Scale::of_counts("Depth", (1..=64).map(f64::from), 9.0)).len(), 7);
    }

    #[test]
    fn values_have_readable_labels_on_either_kind_of_scale() {
        let linear = |most: f64| Scale::from_zero("x", [most].into_iter(), 9.0);
        let thousands = ["0", "1000", "2000", "3000", "4000", "5000", "6000", "7000"];
        assert_eq!(labels(&linear(7475.2)), thousands);
        let small = ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30", "0.35"];
        assert_eq!(labels(&linear(0.35)), small);
        let log = Scale::log("x", [2.0, 7475.2].into_iter(), 9.0);
        assert_eq!(labels(&log), ["4", "16", "64", "256", "1024", "4096"]);
        for (value, text) in [(7444.48, "7444"), (0.5, "0.5"), (0.0009765625, "0.0009766")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn nines_spread_the_tail() {
        assert!((nines(0.999) - 3.0).abs() < 1e-9 && nines(0.0) == 0.0);
        let scale = Scale::of_nines("x", 3.2);
        assert_eq!(labels(&scale), ["0", "50 %", "90 %", "99 %", "99.9 %"]);
        assert_eq!(labels(&Scale::of_nines("x", 0.1)), ["0", "50 %", "90 %"]);
    }
}

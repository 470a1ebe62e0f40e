//! How series are told apart: colour, marker and dashes, so that each alone is enough.

use serde::Serialize;

/// The look of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Style {
    /// Colour of line and marker.
    pub colour: &'static str,
    /// Dashes of the line, as SVG's `stroke-dasharray`; empty: a whole line.
    pub dash: &'static str,
    /// Outline of the marker about (0, 0), as SVG path data in pixels.
    pub marker: &'static str,
    /// Whether the marker is filled with its colour, or with white.
    pub filled: bool,
}

/// The palette of Okabe & Ito, "Color Universal Design", 2008, which people with any common kind of
/// colour blindness can tell apart. Its yellow is left out: too faint on white paper. The order puts
/// colours of different lightness next to one another, for printing in grey.
const COLOURS: [&str; 7] = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000"];

/// Dashes. Five against seven colours: the pair repeats after 35 series only.
const DASHES: [&str; 5] = ["", "7 2.5", "2.5 2", "9 2.5 2 2.5", "12 3"];

/// Outlines of about the same area, and whether they are filled.
const MARKERS: [(&str, bool); 8] = [
    ("M-3.4,0A3.4,3.4 0 1 1 3.4,0A3.4,3.4 0 1 1 -3.4,0Z", true),
    ("M-3.1,-3.1H3.1V3.1H-3.1Z", false),
    ("M0,-4.2L3.9,3H-3.9Z", true),
    ("M0,-4.6L4.1,0L0,4.6L-4.1,0Z", false),
    ("M0,4.2L3.9,-3H-3.9Z", true),
    ("M-3.4,0A3.4,3.4 0 1 1 3.4,0A3.4,3.4 0 1 1 -3.4,0Z", false),
    ("M-3.1,-3.1H3.1V3.1H-3.1Z", true),
    ("M-3.3,-3.3L3.3,3.3M-3.3,3.3L3.3,-3.3", true),
];

/// Dashes of the reference curves, which are all grey.
const REFERENCE_DASHES: [&str; 3] = ["", "5 3", "1.5 2.5"];

/// The look of the series with this number.
pub fn of_series(index: usize) -> Style {
    let (marker, filled) = MARKERS[index % MARKERS.len()];
    Style { colour: COLOURS[index % COLOURS.len()], dash: DASHES[index % DASHES.len()], marker, filled }
}

/// Dashes of the reference curve with this number.
pub fn of_reference(index: usize) -> &'static str {
    REFERENCE_DASHES[index % REFERENCE_DASHES.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_series_look_different_each() {
        for left in 0..40 {
            assert!((left + 1..40).all(|right| of_series(left) != of_series(right)), "{left}");
        }
    }
}

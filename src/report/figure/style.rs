//! The look of series: colour, marker and dashes, each of which is enough to tell them apart.

/// The look of a series or a reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    /// Colour of line and marker.
    pub(super) colour: &'static str,
    /// Dashes of the line, as SVG's `stroke-dasharray`; empty for a solid line.
    pub(super) dash: &'static str,
    /// Outline of the marker about (0, 0), as SVG path data in pixels; empty for no marker.
    pub(super) marker: &'static str,
    /// Fill of the marker: its colour or white.
    pub(super) fill: &'static str,
}

/// The palette of Okabe & Ito, "Color Universal Design", 2008, which people with any common kind of
/// colour blindness can tell apart. Its yellow is left out: too faint on white paper. The order puts
/// colours of different lightness next to one another, for printing in grey.
const COLOURS: [&str; 7] = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000"];

/// Dashes.
const DASHES: [&str; 5] = ["", "7 2.5", "2.5 2", "9 2.5 2 2.5", "12 3"];

/// Outlines of about the same area: circle, square, triangle, diamond, triangle on its head,
/// hourglass, bow tie.
const MARKERS: [&str; 7] = [
    "M-3.4,0A3.4,3.4 0 1 1 3.4,0A3.4,3.4 0 1 1 -3.4,0Z",
    "M-3.1,-3.1H3.1V3.1H-3.1Z",
    "M0,-4.2L3.9,3H-3.9Z",
    "M0,-4.6L4.1,0L0,4.6L-4.1,0Z",
    "M0,4.2L3.9,-3H-3.9Z",
    "M-3.6,-4H3.6L-3.6,4H3.6Z",
    "M-4,-3.6V3.6L4,-3.6V3.6Z",
];

/// Dashes of the references, which are all grey.
const REFERENCE_DASHES: [&str; 3] = ["", "5 3", "1.5 2.5"];

/// The look of the strategy with this number in a figure of one result: everything differs.
pub(super) fn of_strategy(strategy: usize) -> Style {
    let again = strategy / MARKERS.len();
    look(strategy, (strategy + again).is_multiple_of(2), DASHES[strategy % DASHES.len()])
}

/// The look in a figure of several results. A strategy keeps colour and outline, so that its curves
/// are compared at a glance; dashes and filling tell the results (by their number) apart.
pub(super) fn of_result(strategy: usize, result: usize) -> Style {
    look(strategy, result.is_multiple_of(2), DASHES[result % DASHES.len()])
}

fn look(strategy: usize, filled: bool, dash: &'static str) -> Style {
    let (colour, marker) = (COLOURS[strategy % COLOURS.len()], MARKERS[strategy % MARKERS.len()]);
    Style { colour, dash, marker, fill: if filled { colour } else { "#fff" } }
}

/// The look of the reference with this number.
pub(super) fn of_reference(index: usize) -> Style {
    let dash = REFERENCE_DASHES[index % REFERENCE_DASHES.len()];
    Style { colour: "#888", dash, marker: "", fill: "none" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_and_results_look_different_each() {
        let single: Vec<Style> = (0..35).map(of_strategy).collect();
        let several: Vec<Style> = (0..70).map(|index| of_result(index % 7, index / 7)).collect();
        for styles in [single, several] {
            for (index, style) in styles.iter().enumerate() {
                assert!(!styles[index + 1..].contains(style), "{index}");
            }
        }
    }
}

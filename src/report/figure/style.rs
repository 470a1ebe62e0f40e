//! Style of series: colour, marker and dash pattern. Each of them alone tells the series apart.

/// The style of a series or a reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    /// Colour of the line and the marker.
    pub(super) colour: &'static str,
    /// Dash pattern of the line, as `stroke-dasharray` of SVG; empty for a solid line.
    pub(super) dash: &'static str,
    /// Outline of the marker around (0, 0), as SVG path data in pixels; empty for no marker.
    pub(super) marker: &'static str,
}

/// The palette of Okabe & Ito, "Color Universal Design", 2008, whose colours are distinct with any common
/// kind of colour blindness. Its yellow is left out, because it is too faint on white paper. Neighbouring
/// colours differ in lightness, so that they are distinct in grey print.
const COLOURS: [&str; 7] = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000"];

/// Dash patterns of the series.
const DASHES: [&str; 5] = ["", "7 2.5", "2.5 2", "9 2.5 2 2.5", "12 3"];

/// Outlines of the markers, with about the same area: circle, square, triangle, diamond, inverted triangle,
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

/// Dash patterns of the references, which are all grey.
const REFERENCE_DASHES: [&str; 3] = ["", "5 3", "1.5 2.5"];

/// The style of the strategy with this index in a figure of one result. Colour, marker and dash pattern all
/// depend on the strategy; the eighth has the colour of the first with another marker and pattern.
pub(super) fn of_strategy(strategy: usize) -> Style {
    style(strategy, strategy + strategy / COLOURS.len(), strategy)
}

/// The style in a figure of several results. The colour depends on the strategy, so that its curves are easy
/// to compare. The dash pattern depends on the result, and from the sixth result on also the marker.
pub(super) fn of_result(strategy: usize, result: usize) -> Style {
    style(strategy, strategy + result / DASHES.len(), result)
}

/// The style with these indexes. All markers are filled: an open marker has a meaning of its own.
fn style(colour: usize, marker: usize, dash: usize) -> Style {
    Style {
        colour: COLOURS[colour % COLOURS.len()],
        marker: MARKERS[marker % MARKERS.len()],
        dash: DASHES[dash % DASHES.len()],
    }
}

/// A grey dotted line.
pub(super) const DOTTED: Style = Style { colour: "#888", dash: REFERENCE_DASHES[2], marker: "" };

/// The style of the reference with this index.
pub(super) fn of_reference(index: usize) -> Style {
    let dash = REFERENCE_DASHES[index % REFERENCE_DASHES.len()];
    Style { colour: "#888", dash, marker: "" }
}

/// Colours from low to high: viridis of matplotlib (van der Walt and Smith, 2015), whose lightness rises
/// evenly, also in grey print and with any kind of colour blindness.
const VIRIDIS: [(u8, u8, u8); 5] =
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)];

/// The colour at a position from 0 to 1.
pub(super) fn shade(position: f64) -> String {
    let place = position.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let index = (place as usize).min(VIRIDIS.len() - 2);
    let part = place - index as f64;
    let (one, other) = (VIRIDIS[index], VIRIDIS[index + 1]);
    let mix =
        |one: u8, other: u8| (f64::from(one) + part * (f64::from(other) - f64::from(one))).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(one.0, other.0), mix(one.1, other.1), mix(one.2, other.2))
}

/// The colour of text that can be read on that colour.
pub(super) fn ink_on_shade(position: f64) -> &'static str {
    if position < 0.55 { "#ffffff" } else { "#111111" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_and_result_has_its_own_style() {
        let single: Vec<Style> = (0..35).map(of_strategy).collect();
        let several: Vec<Style> = (0..245).map(|index| of_result(index % 7, index / 7)).collect();
        assert_eq!(
            (shade(0.0), shade(0.5), shade(1.0)),
            ("#440154".into(), "#21918c".into(), "#fde725".into())
        );
        for styles in [single, several] {
            for (index, style) in styles.iter().enumerate() {
                assert!(!styles[index + 1..].contains(style), "{index}");
            }
        }
    }
}

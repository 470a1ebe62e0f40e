//! Draws a figure as SVG: either a stand-alone picture, which is also converted to PNG, or the plot
//! for a page.
//!
//! Lengths are CSS pixels, 96 per inch. The output depends only on the figure, not on the machine.

use super::scale::{Scale, number};
use super::style::{self, Style};
use super::{Cell, Figure, Panel, Point, Reference, Series, Shades, Vertical, VerticalKind};

/// Width of the picture. Printed 16 cm wide, text of 11 pixels is 6.5 pt high.
const WIDTH: f64 = 760.0;
/// Left end of the plot, with room for labels as long as `512 MiB/s`.
const LEFT: f64 = 90.0;
/// Right end of the plot.
const RIGHT: f64 = WIDTH - 36.0;
/// Upper end of the highest label of a vertical line, below the title.
const LABELS_TOP: f64 = 30.0;
/// Height of the labels and the title below a panel.
const BELOW: f64 = 42.0;
/// Distance of two panels.
const BETWEEN: f64 = 14.0;
/// Height of a line of small text.
const LINE: f64 = 14.0;
/// Size of the title.
const TITLE_SIZE: f64 = 15.0;
/// Size of the axis titles and the legend.
const TEXT_SIZE: f64 = 11.5;
/// Size of all other text.
const SMALL_SIZE: f64 = 10.5;
/// Length of a line in the legend.
const LEGEND_LINE: f64 = 28.0;

/// Number of dots of a series from which on those that cover each other are drawn as one.
const MANY_DOTS: usize = 300;
/// Dots this close cover each other.
const SAME_DOT: f64 = 0.7;

/// The font of the PNG, and Verdana, whose letters have the same widths.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// Colours of a dark surface. A picture is light where it is printed.
const DARK: &str = include_str!("dark.css");

/// Height of each of N panels.
fn panel_height(panels: usize) -> f64 {
    match panels {
        0 | 1 => 380.0,
        2..=4 => 230.0,
        _ => 170.0,
    }
}

/// The figure as a stand-alone picture.
pub(crate) fn picture(figure: &Figure) -> String {
    let plot = Plot::new(figure, figure.log_y);
    let title_line = text(WIDTH / 2.0, 20.0, TITLE_SIZE, "middle", "#000", &figure.title);
    let (legend, legend_end) = legend(figure, plot.bottom() + BELOW + 12.0);
    let sentences = figure.caption.join(" ");
    let (caption, height) = caption(&sentences, legend_end + 16.0);
    let (title, description, body) = (escaped(&figure.title), escaped(&sentences), plot.body());
    format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0}"
 viewBox="0 0 {WIDTH} {height:.0}" font-family="{FONT}" role="img">
<title>{title}</title>
<desc>{description}</desc>
<style>@media screen and (prefers-color-scheme: dark) {{
{DARK}}}</style>
<rect width="100%" height="100%" fill="#fff"/>
{title_line}{body}{legend}{caption}</svg>
"##
    )
}

/// The plot without title, legend and caption, for a page that has its own.
pub(super) fn plot(figure: &Figure, log_y: bool) -> String {
    let plot = Plot::new(figure, log_y);
    let (class, height, body) = (plot.class, plot.bottom() + BELOW - LABELS_TOP, plot.body());
    let table = if figure.points().next().is_some() { "; the table below has the same values" } else { "" };
    let label = escaped(&figure.title);
    format!(
        r#"<svg class="{class}" viewBox="0 {LABELS_TOP} {WIDTH} {height}" font-family="{FONT}"
 role="group" aria-label="{label}{table}">
{body}</svg>
"#
    )
}

/// Line and marker of a legend entry. The line starts at (0, 0) and is [`LEGEND_LINE`] long.
pub(super) fn legend_key(style: &Style) -> String {
    let Style { colour, marker, .. } = style;
    let (dash, middle) = (dashes(style.dash), LEGEND_LINE / 2.0);
    format!(
        r#"<path d="M0,0H{LEGEND_LINE}" stroke="{colour}" stroke-width="1.3"{dash}/><path
 transform="translate({middle})" d="{marker}" fill="{colour}" stroke="{colour}" stroke-width="1.3"/>"#
    )
}

/// The colours of a heatmap with the values of both ends, 12 pixels high.
pub(super) fn shades_key(shades: &Shades) -> String {
    const STEPS: usize = 24;
    let step = |index: usize| {
        let (x, colour) = (index as f64 * 6.0, style::shade(index as f64 / (STEPS - 1) as f64));
        format!(r#"<rect x="{x}" y="-6" width="6.3" height="12" fill="{colour}"/>"#)
    };
    let bar: String = (0..STEPS).map(step).collect();
    let Shades { low, high, name, unit } = shades;
    let ends = format!("{name} from {} to {} {unit}", number(*low), number(*high));
    format!("{bar}{}", text(STEPS as f64 * 6.0 + 8.0, 4.0, TEXT_SIZE, "start", "#000", &ends))
}

/// Escapes the markup characters of XML and HTML, and replaces the characters that XML forbids.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// The panels of a figure with one vertical scale, from top to bottom.
struct Plot<'a> {
    /// CSS class of the plot. Each kind of scale has its own.
    class: &'static str,
    figure: &'a Figure,
    panels: Vec<Frame<'a>>,
}

impl<'a> Plot<'a> {
    fn new(figure: &'a Figure, log_y: bool) -> Plot<'a> {
        let class = if log_y { "log" } else { "linear" };
        let height = panel_height(figure.panels.len());
        let mut top = LABELS_TOP;
        let mut panels = Vec::new();
        for (index, panel) in figure.panels.iter().enumerate() {
            let label_places = label_places(&panel.verticals, &figure.x);
            let heading = if panel.heading.is_empty() { 0.0 } else { LINE };
            let lanes = lane_count(&label_places) as f64 * LINE;
            top += 4.0 + heading + lanes;
            let frame = Frame {
                id: format!("plot-{class}-{index}"),
                shades: figure.shades.as_ref(),
                panel,
                x: &figure.x,
                y: figure.scale(log_y),
                top,
                height,
                heading_y: top - lanes - 5.0,
                label_places,
            };
            top = frame.bottom() + BELOW + BETWEEN;
            panels.push(frame);
        }
        Plot { class, figure, panels }
    }

    fn bottom(&self) -> f64 {
        self.panels.last().map_or(LABELS_TOP, Frame::bottom)
    }

    fn body(&self) -> String {
        self.panels.iter().map(|frame| frame.body(self.figure)).collect()
    }
}

/// A panel with its geometry.
struct Frame<'a> {
    /// Name of its clip path.
    id: String,
    panel: &'a Panel,
    x: &'a Scale,
    y: &'a Scale,
    shades: Option<&'a Shades>,
    /// Upper end of the plot.
    top: f64,
    height: f64,
    heading_y: f64,
    /// Positions of the labels of the vertical lines.
    label_places: Vec<LabelPlace>,
}

impl Frame<'_> {
    fn body(&self, figure: &Figure) -> String {
        let panel = self.panel;
        let mut body = self.frame();
        if !panel.heading.is_empty() {
            body += &text(LEFT, self.heading_y, TEXT_SIZE, "start", "#000", &panel.heading);
        }
        body.extend(panel.cells.iter().map(|cell| self.cell(cell)));
        let verticals = panel.verticals.iter().zip(&self.label_places);
        body.extend(verticals.map(|(vertical, place)| self.vertical(vertical, *place, figure)));
        body.extend(panel.references.iter().map(|reference| self.reference(reference)));
        body.extend(panel.series.iter().map(|series| self.dots(series)));
        body.extend(panel.series.iter().map(|series| self.series(series)));
        body
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.position(value) * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        // Positions outside of the plot are clipped anyway; the limit keeps the numbers small enough for
        // every renderer.
        let position = self.y.position(value).clamp(-2.0, 3.0);
        self.top + (1.0 - position) * self.height
    }

    /// SVG path data of a line through these points.
    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let step = |(index, (x, y))| {
            format!("{}{:.1},{:.1}", if index == 0 { "M" } else { "L" }, self.x(x), self.y(y))
        };
        points.enumerate().map(step).collect()
    }

    /// Axes with ticks, labels and titles, a faint grid, and the clip path of the plot.
    fn frame(&self) -> String {
        let Frame { id, top, height, .. } = self;
        let (bottom, width) = (self.bottom(), RIGHT - LEFT);
        let (mut grid, mut ticks, mut labels) = (String::new(), String::new(), String::new());
        for tick in &self.x.ticks {
            let x = self.x(tick.value);
            grid += &format!("M{x:.1},{top:.1}V{bottom:.1}");
            ticks += &format!("M{x:.1},{bottom:.1}v5");
            labels += &text(x, bottom + 18.0, SMALL_SIZE, "middle", "#000", &tick.label);
        }
        for tick in &self.y.ticks {
            let y = self.y(tick.value);
            grid += &format!("M{LEFT},{y:.1}H{RIGHT}");
            ticks += &format!("M{LEFT},{y:.1}h-5");
            labels += &text(LEFT - 8.0, y + 3.8, SMALL_SIZE, "end", "#000", &tick.label);
        }
        ticks.extend(self.x.minor.iter().map(|value| format!("M{:.1},{bottom:.1}v3", self.x(*value))));
        ticks.extend(self.y.minor.iter().map(|value| format!("M{LEFT},{:.1}h-3", self.y(*value))));
        let label_widths = self.y.ticks.iter().map(|tick| text_width(&tick.label, SMALL_SIZE));
        let title_x = LEFT - 16.0 - label_widths.fold(0.0, f64::max);
        let title_y = (top + bottom) / 2.0;
        labels += &text((LEFT + RIGHT) / 2.0, bottom + 36.0, TEXT_SIZE, "middle", "#000", &self.x.title);
        let title = text(0.0, 0.0, TEXT_SIZE, "middle", "#000", &self.y.title);
        format!(
            r##"<clipPath id="{id}">
<rect x="{LEFT}" y="{top}" width="{width}" height="{height}"/></clipPath>
<path d="{grid}" stroke="#eee" stroke-width="0.8"/>
<path d="{ticks}" stroke="#000"/>
<rect x="{LEFT}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#000"/>
{labels}<g transform="translate({title_x:.1},{title_y:.1}) rotate(-90)">{title}</g>
"##
        )
    }

    /// A vertical line, and its label in a lane above the plot.
    fn vertical(&self, vertical: &Vertical, place: LabelPlace, figure: &Figure) -> String {
        let of_series = |number: usize| {
            let all = figure.panels.iter().flat_map(|panel| &panel.series);
            all.filter(|series| series.number == number).map(|series| series.style.colour).next()
        };
        let (colour, ink, width, dash) = match (vertical.kind, vertical.series.as_slice()) {
            (VerticalKind::Constant, _) => ("#999", "#555", 0.7, "1 2"),
            (VerticalKind::Mark, _) => ("#333", "#333", 0.9, ""),
            (VerticalKind::Knee, &[one]) => {
                let colour = of_series(one).unwrap_or("#555");
                (colour, colour, 1.0, "4 2")
            }
            (VerticalKind::Knee, _) => ("#555", "#555", 1.0, "4 2"),
        };
        let owners: Vec<String> = vertical.series.iter().map(usize::to_string).collect();
        let owners =
            if owners.is_empty() { String::new() } else { format!(r#" data-series="{}""#, owners.join(" ")) };
        let (x, dash) = (self.x(vertical.x), dashes(dash));
        let base = self.top - 4.0 - place.lane as f64 * LINE;
        let (label_x, anchor) = if place.to_the_left { (x - 3.0, "end") } else { (x + 3.0, "start") };
        let label = text(label_x, base, SMALL_SIZE, anchor, ink, &vertical.label);
        let (upper, lower) = (base - 8.0, self.bottom());
        format!(
            r#"<g class="vertical"{owners}>
<path d="M{x:.1},{upper:.1}V{lower:.1}" stroke="{colour}" stroke-width="{width}"{dash}/>{label}</g>
"#
        )
    }

    /// A line to compare with, clipped to the plot.
    fn reference(&self, reference: &Reference) -> String {
        let (path, dash) = (self.path(reference.path.iter().copied()), dashes(reference.style.dash));
        format!(
            r#"<path class="reference" d="{path}" fill="none" stroke="{}"{dash}
 clip-path="url(#{})"/>
"#,
            reference.style.colour, self.id
        )
    }

    /// The samples of a series as faint dots, open if they do not count. Of many, those that cover each other
    /// are drawn as one that is as dark as all of them, which keeps pictures small.
    fn dots(&self, series: &Series) -> String {
        let (radius, opacity): (f64, f64) = if series.points.is_empty() { (2.0, 0.7) } else { (1.4, 0.3) };
        let grid = if series.dots.len() > MANY_DOTS { SAME_DOT } else { 0.0 };
        let mut places: Vec<(f64, f64, bool, i32)> = Vec::new();
        for dot in &series.dots {
            let (x, y) = (self.x(dot.x), self.y(dot.y));
            let covers = |(other_x, other_y, counts, _): &&mut (f64, f64, bool, i32)| {
                (*other_x - x).abs() < grid && (*other_y - y).abs() < grid && *counts == dot.counts
            };
            match places.iter_mut().find(covers) {
                Some(place) => place.3 += 1,
                None => places.push((x, y, dot.counts, 1)),
            }
        }
        let dot = |(x, y, counts, count): &(f64, f64, bool, i32)| {
            let open = if *counts { "" } else { r#" fill="none" stroke-width="0.8""# };
            let dark = 1.0 - (1.0 - opacity).powi(*count);
            let dark = if *count == 1 { String::new() } else { format!(r#" fill-opacity="{dark:.2}""#) };
            format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"{dark}{open}/>\n")
        };
        let (colour, dots) = (series.style.colour, places.iter().map(dot).collect::<String>());
        let number = series.number;
        format!(
            r#"<g class="samples" data-series="{number}" fill="{colour}" fill-opacity="{opacity}"
 stroke="{colour}" stroke-width="0">
{dots}</g>
"#
        )
    }

    /// The line of a series, the bars of its intervals, and its markers.
    fn series(&self, series: &Series) -> String {
        let Style { colour, dash, .. } = series.style;
        let (path, dash) = (self.path(series.path.iter().copied()), dashes(dash));
        let points: String = series.points.iter().map(|point| self.point(series, point)).collect();
        let (number, id) = (series.number, &self.id);
        format!(
            r#"<g class="series" data-series="{number}" stroke="{colour}" stroke-width="1.3" fill="none">
<path d="{path}"{dash} clip-path="url(#{id})"/>
{points}</g>
"#
        )
    }

    /// The bar of the interval, and the marker, which is open if the point was not measured under quiet
    /// conditions. Viewers show the title of the marker as a tooltip.
    fn point(&self, series: &Series, point: &Point) -> String {
        let Style { colour, marker, .. } = series.style;
        let (x, y) = (self.x(point.x), self.y(point.y));
        let fill = if point.open { "#fff" } else { colour };
        let bar = point.interval.map(|(low, high)| {
            let (left, low, high) = (x - 3.0, self.y(low), self.y(high));
            format!(
                r#"<path class="interval" d="M{left:.1},{high:.1}h6M{x:.1},{high:.1}V{low:.1}"/>
<path class="interval-end" d="M{left:.1},{low:.1}h6"/>
"#
            )
        });
        let (bar, name) = (bar.unwrap_or_default(), escaped(&series.name));
        let heading = if self.panel.heading.is_empty() {
            String::new()
        } else {
            format!(", {}", escaped(&self.panel.heading))
        };
        let words: Vec<String> = point.words.lines().map(escaped).collect();
        format!(
            r#"{bar}<path class="marker" transform="translate({x:.1},{y:.1})" d="{marker}" fill="{fill}">
<title>{name}{heading}
{}</title></path>
"#,
            words.join("\n")
        )
    }

    /// A cell of a heatmap with its value.
    fn cell(&self, cell: &Cell) -> String {
        let (left, right) = (self.x(cell.x.0), self.x(cell.x.1));
        let (upper, lower) = (self.y(cell.y.1), self.y(cell.y.0));
        let position = self.shades.map_or(0.0, |shades| shades.position(cell.value));
        let (colour, ink) = (style::shade(position), style::ink_on_shade(position));
        let (width, height) = (right - left, lower - upper);
        let label =
            text((left + right) / 2.0, (upper + lower) / 2.0 + 4.0, SMALL_SIZE, "middle", ink, &cell.label);
        let words: Vec<String> = cell.words.lines().map(escaped).collect();
        format!(
            r##"<g class="cell"><rect x="{left:.1}" y="{upper:.1}" width="{width:.1}" height="{height:.1}"
 fill="{colour}">
<title>{}</title></rect>{label}</g>
"##,
            words.join("\n")
        )
    }
}

impl Shades {
    /// Place of a value between the ends, 0 to 1; logarithmic if they are far apart.
    fn position(&self, value: f64) -> f64 {
        let Shades { low, high, .. } = self;
        let position = if *low > 0.0 && high / low > 20.0 {
            (value / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        };
        if position.is_finite() { position } else { 0.5 }
    }
}

/// The legend, starting at `y`, and its lower end.
fn legend(figure: &Figure, y: f64) -> (String, f64) {
    if let Some(shades) = &figure.shades {
        let key = format!("<g transform=\"translate({LEFT:.1},{y:.1})\">{}</g>\n", shades_key(shades));
        return (key, y + LINE);
    }
    let (mut x, mut y, mut entries) = (LEFT, y, String::new());
    let visible = |entry: &&super::Entry| if figure.log_y { entry.visible.1 } else { entry.visible.0 };
    for entry in figure.legend().iter().filter(visible) {
        let (name, style) = (entry.name, entry.style);
        let width = LEGEND_LINE + text_width(name, TEXT_SIZE) + 20.0;
        if x > LEFT && x + width > WIDTH {
            (x, y) = (LEFT, y + LINE + 4.0);
        }
        let ink = if style.marker.is_empty() { "#555" } else { "#000" };
        entries += &format!("<g transform=\"translate({x:.1},{y:.1})\">{}</g>\n", legend_key(style));
        entries += &text(x + LEGEND_LINE + 6.0, y + 4.0, TEXT_SIZE, "start", ink, name);
        x += width;
    }
    (entries, y + LINE)
}

/// The caption, starting at `y`, and its lower end.
fn caption(sentences: &str, y: f64) -> (String, f64) {
    let (mut y, mut lines) = (y, String::new());
    for line in wrapped(sentences, WIDTH - 2.0 * 14.0, SMALL_SIZE) {
        lines += &text(14.0, y, SMALL_SIZE, "start", "#333", &line);
        y += LINE;
    }
    (lines, y)
}

fn text(x: f64, y: f64, size: f64, anchor: &str, colour: &str, text: &str) -> String {
    let text = escaped(text);
    format!(
        r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{text}</text>
"#
    )
}

fn dashes(dash: &str) -> String {
    if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) }
}

/// Splits a text into lines of at most this width.
fn wrapped(text: &str, most_width: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + size <= most_width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Approximate width of a text of this size, to keep texts from overlapping.
fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(letter_width).sum::<f64>() * size
}

/// Approximate width of a letter as a fraction of its size, from the metrics of DejaVu Sans.
fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | ' ' | '.' | ',' | ':' | ';' | '|' | '\'' => 0.32,
        'f' | 'r' | 't' | '-' | '/' | '(' | ')' => 0.40,
        'm' | 'w' | 'M' | 'W' | '%' => 0.93,
        'A'..='Z' => 0.72,
        // Wide letters of other scripts are square.
        letter if u32::from(letter) >= 0x2e80 => 1.0,
        letter if u32::from(letter) >= 0x80 => 0.75,
        _ => 0.62,
    }
}

/// Position of the label of a vertical line: the lane above the plot, and the side of the line.
#[derive(Clone, Copy)]
struct LabelPlace {
    lane: usize,
    to_the_left: bool,
}

/// The position of the label of each vertical line. No label overlaps another label or the line of another
/// label.
///
/// A label is placed in a lane above the labels of all lines that it covers. The leftmost labels are to the
/// left of their lines, all others to the right. The division that needs the fewest lanes is used, among
/// those that keep the most labels within the picture.
fn label_places(verticals: &[Vertical], scale: &Scale) -> Vec<LabelPlace> {
    let start_and_width = |vertical: &Vertical| {
        let x = LEFT + scale.position(vertical.x) * (RIGHT - LEFT);
        (x, text_width(&vertical.label, SMALL_SIZE) + 6.0)
    };
    let labels: Vec<(f64, f64)> = verticals.iter().map(start_and_width).collect();
    let divided = |first_right: usize| {
        let (left, right) = labels.split_at(first_right);
        // Labels to the left are mirrored, because `lanes` expects labels to the right.
        let mirrored: Vec<(f64, f64)> = left.iter().rev().map(|&(x, width)| (WIDTH - x, width)).collect();
        let outside = mirrored.iter().chain(right).filter(|(x, width)| x + width > WIDTH).count();
        let left = lanes(&mirrored).into_iter().rev().map(|lane| LabelPlace { lane, to_the_left: true });
        let right = lanes(right).into_iter().map(|lane| LabelPlace { lane, to_the_left: false });
        (outside, left.chain(right).collect::<Vec<LabelPlace>>())
    };
    let cost = |(outside, places): &(usize, Vec<LabelPlace>)| (*outside, lane_count(places));
    let best = (0..=labels.len()).map(divided).min_by_key(cost);
    best.map(|(_, places)| places).unwrap_or_default()
}

/// The lanes of labels to the right of their lines, given the start, ascending, and the width of each.
fn lanes(labels: &[(f64, f64)]) -> Vec<usize> {
    let mut lanes = vec![0; labels.len()];
    for index in (0..labels.len()).rev() {
        let end = labels[index].0 + labels[index].1;
        let covered = (index + 1..labels.len()).filter(|&right| labels[right].0 < end);
        lanes[index] = covered.map(|right| lanes[right] + 1).max().unwrap_or(0);
    }
    lanes
}

fn lane_count(places: &[LabelPlace]) -> usize {
    places.iter().map(|place| place.lane + 1).max().unwrap_or(0)
}

//! A figure as SVG: the picture from which the other pictures are made.
//!
//! Sizes are in pixels of CSS, 96 to the inch. Nothing depends on the machine that draws: the same
//! figure is the same text.

use std::fmt::Write;

use super::axis::{Axis, bandwidth_label, bytes_label};
use super::{Figure, Point, Series, Vertical, VerticalKind};

/// Width of the picture: printed at the width of a text column of 16 cm, 11 pixels are 6.5 pt.
const WIDTH: f64 = 760.0;
/// Left end of the plot: room for labels as long as `512 MiB/s`.
const LEFT: f64 = 90.0;
/// Right end of the plot.
const RIGHT: f64 = WIDTH - 36.0;
/// Height of the plot.
const HEIGHT: f64 = 380.0;
/// Height of a line of small text.
const LINE: f64 = 14.0;
/// Size of the heading.
const TITLE_SIZE: f64 = 15.0;
/// Size of axis titles and legend.
const TEXT_SIZE: f64 = 11.5;
/// Size of all other text.
const SMALL_SIZE: f64 = 10.5;
/// Length of a line in the legend, and the gap behind it.
const LEGEND_LINE: f64 = 34.0;
/// Width of a label of the axis of sizes, with the gap behind it.
const SIZE_LABEL: f64 = 50.0;

/// The font that PNG and PDF bring along, and Verdana, which has the same widths.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// Width of a text of this size: near enough for keeping texts apart.
fn width(text: &str, size: f64) -> f64 {
    text.chars().map(letter_width).sum::<f64>() * size
}

/// Width of a letter as part of its size, after the metrics of DejaVu Sans.
fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | ' ' | '.' | ',' | ':' | ';' | '|' | '\'' => 0.32,
        'f' | 'r' | 't' | '-' | '/' | '(' | ')' => 0.40,
        'm' | 'w' | 'M' | 'W' | '%' => 0.93,
        'A'..='Z' => 0.72,
        // Wide letters of other scripts, as a square.
        letter if u32::from(letter) >= 0x2e80 => 1.0,
        letter if u32::from(letter) >= 0x80 => 0.75,
        _ => 0.62,
    }
}

/// `text` with what XML reads as markup escaped, and what it forbids left out.
fn escaped(text: &str) -> String {
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

/// Words in lines of at most this width.
fn wrapped(text: &str, most_width: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + size <= most_width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The picture of `figure`.
pub fn draw(figure: &Figure) -> String {
    let sizes = figure.sizes((RIGHT - LEFT) / SIZE_LABEL);
    let flags = flags(figure, &sizes);
    let top = 34.0 + lane_count(&flags) as f64 * LINE;
    let mut picture = Picture { body: String::new(), top, sizes, bandwidths: figure.bandwidths() };
    picture.frame();
    picture.verticals(&figure.verticals, &flags);
    picture.references(figure);
    figure.series.iter().for_each(|series| picture.samples(series));
    figure.series.iter().for_each(|series| picture.series(series));
    picture.text(WIDTH / 2.0, 20.0, TITLE_SIZE, "middle", "#000", &figure.title);
    let legend_end = picture.legend(figure, top + HEIGHT + 54.0);
    let end = picture.caption(figure, legend_end + 8.0);
    picture.finish(figure, end)
}

/// Where the label of a vertical stands: in which lane above the plot, and on which side of its line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Flag {
    lane: usize,
    to_the_left: bool,
}

/// A flag for each vertical, so that none runs into another or into another's line.
///
/// A flag to the right is hoisted above every line that it covers, which are all to its right; so
/// is a flag to the left. The first few fly to the left and the others to the right, where the
/// division is the one that needs the fewest lanes without leaving the picture.
fn flags(figure: &Figure, sizes: &Axis) -> Vec<Flag> {
    let places: Vec<(f64, f64)> = figure
        .verticals
        .iter()
        .map(|vertical| {
            let x = LEFT + sizes.place(vertical.block_bytes) * (RIGHT - LEFT);
            (x, width(&vertical.label, SMALL_SIZE) + 6.0)
        })
        .collect();
    let divided = |first_right: usize| {
        let (left, right) = places.split_at(first_right);
        // Mirrored, flags to the left are flags to the right.
        let mirrored: Vec<(f64, f64)> = left.iter().rev().map(|&(x, width)| (WIDTH - x, width)).collect();
        let outside =
            [mirrored.as_slice(), right].concat().iter().filter(|(x, width)| x + width > WIDTH).count();
        let left = lanes(&mirrored).into_iter().rev().map(|lane| Flag { lane, to_the_left: true });
        let right = lanes(right).into_iter().map(|lane| Flag { lane, to_the_left: false });
        (outside, left.chain(right).collect::<Vec<Flag>>())
    };
    let cost = |(outside, flags): &(usize, Vec<Flag>)| (*outside, lane_count(flags));
    let best = (0..=places.len()).map(divided).min_by_key(cost);
    best.map(|(_, flags)| flags).unwrap_or_default()
}

/// Lanes of flags to the right, given where each begins, ascending, and how long it is.
fn lanes(places: &[(f64, f64)]) -> Vec<usize> {
    let mut lanes = vec![0; places.len()];
    for index in (0..places.len()).rev() {
        let end = places[index].0 + places[index].1;
        let covered = (index + 1..places.len()).filter(|&right| places[right].0 < end);
        lanes[index] = covered.map(|right| lanes[right] + 1).max().unwrap_or(0);
    }
    lanes
}

fn lane_count(flags: &[Flag]) -> usize {
    flags.iter().map(|flag| flag.lane + 1).max().unwrap_or(0)
}

/// A picture that is being drawn.
struct Picture {
    body: String,
    /// Upper end of the plot.
    top: f64,
    sizes: Axis,
    bandwidths: Axis,
}

impl Picture {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    fn x(&self, bytes: f64) -> f64 {
        LEFT + self.sizes.place(bytes) * (RIGHT - LEFT)
    }

    fn y(&self, kib_per_second: f64) -> f64 {
        // Far outside is as good as a little outside, and no renderer minds the number.
        let place = self.bandwidths.place(kib_per_second).clamp(-2.0, 3.0);
        self.top + (1.0 - place) * HEIGHT
    }

    fn bottom(&self) -> f64 {
        self.top + HEIGHT
    }

    fn text(&mut self, x: f64, y: f64, size: f64, anchor: &str, colour: &str, text: &str) {
        let text = escaped(text);
        self.add(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{text}</text>"#
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64, dash: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let dash = dashes(dash);
        self.add(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"{dash}/>"#
        ));
    }

    /// Axes with ticks, labels and titles, and a faint grid.
    fn frame(&mut self) {
        let (top, bottom) = (self.top, self.bottom());
        for tick in self.sizes.ticks.clone() {
            let x = self.x(tick.value);
            self.line((x, top), (x, bottom), "#eee", 0.8, "");
            self.line((x, bottom), (x, bottom + 5.0), "#000", 1.0, "");
            self.text(x, bottom + 18.0, SMALL_SIZE, "middle", "#000", &tick.label);
        }
        for value in self.sizes.minor.clone() {
            self.line((self.x(value), bottom), (self.x(value), bottom + 3.0), "#000", 0.8, "");
        }
        for tick in self.bandwidths.ticks.clone() {
            let y = self.y(tick.value);
            self.line((LEFT, y), (RIGHT, y), "#eee", 0.8, "");
            self.line((LEFT - 5.0, y), (LEFT, y), "#000", 1.0, "");
            self.text(LEFT - 8.0, y + 3.8, SMALL_SIZE, "end", "#000", &tick.label);
        }
        for value in self.bandwidths.minor.clone() {
            self.line((LEFT - 3.0, self.y(value)), (LEFT, self.y(value)), "#000", 0.8, "");
        }
        let (plot_width, x, y) = (RIGHT - LEFT, (LEFT + RIGHT) / 2.0, (top + bottom) / 2.0);
        self.add(format_args!(
            r##"<rect x="{LEFT}" y="{top}" width="{plot_width}" height="{HEIGHT}" fill="none" stroke="#000" stroke-width="1"/>"##
        ));
        self.text(x, bottom + 36.0, TEXT_SIZE, "middle", "#000", &self.sizes.title.clone());
        let title = escaped(&self.bandwidths.title);
        let labels = self.bandwidths.ticks.iter().map(|tick| width(&tick.label, SMALL_SIZE));
        let title_x = LEFT - 16.0 - labels.fold(0.0, f64::max);
        self.add(format_args!(
            r#"<text transform="translate({title_x:.1},{y:.1}) rotate(-90)" font-size="{TEXT_SIZE}" text-anchor="middle">{title}</text>"#
        ));
    }

    /// Lines with their labels in lanes above the plot.
    fn verticals(&mut self, verticals: &[Vertical], flags: &[Flag]) {
        for (vertical, flag) in verticals.iter().zip(flags) {
            let (colour, line_width, dash) = match vertical.kind {
                VerticalKind::Constant => ("#999", 0.7, "1 2"),
                VerticalKind::Knee => (vertical.colour.unwrap_or("#555"), 1.0, "4 2"),
                VerticalKind::Mark => ("#333", 0.9, ""),
            };
            let ink = if vertical.kind == VerticalKind::Constant { "#555" } else { colour };
            let x = self.x(vertical.block_bytes);
            let base = self.top - 4.0 - flag.lane as f64 * LINE;
            self.line((x, base - 8.0), (x, self.bottom()), colour, line_width, dash);
            let (x, anchor) = if flag.to_the_left { (x - 3.0, "end") } else { (x + 3.0, "start") };
            self.text(x, base, SMALL_SIZE, anchor, ink, &vertical.label);
        }
    }

    /// Floors and ceilings: thin, grey, cut off at the frame.
    fn references(&mut self, figure: &Figure) {
        for reference in &figure.references {
            let places: Vec<(f64, f64)> =
                reference.points.iter().map(|&(bytes, kib)| (self.x(bytes), self.y(kib))).collect();
            let (path, dash) = (path(&places), dashes(reference.dash));
            self.add(format_args!(
                r##"<path class="reference" d="{path}" fill="none" stroke="#888" stroke-width="1"{dash} clip-path="url(#plot)"/>"##
            ));
        }
    }

    /// The measured samples, faintly.
    fn samples(&mut self, series: &Series) {
        let colour = series.style.colour;
        self.add(format_args!(r#"<g class="samples" fill="{colour}" fill-opacity="0.3">"#));
        for point in &series.points {
            let x = self.x(point.block_bytes as f64);
            for sample in &point.samples_kib_per_second {
                let y = self.y(*sample);
                self.add(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="1.4"/>"#));
            }
        }
        self.add(format_args!("</g>"));
    }

    /// The line through the medians, the bars of the quartiles, and the markers.
    fn series(&mut self, series: &Series) {
        let style = series.style;
        let places: Vec<(f64, f64)> = series.points.iter().map(|point| self.place(point)).collect();
        let (colour, path, dash) = (style.colour, path(&places), dashes(style.dash));
        self.add(format_args!(r#"<g class="series" stroke="{colour}" stroke-width="1.3" fill="none">"#));
        self.add(format_args!(r#"<path d="{path}"{dash}/>"#));
        for (point, &(x, median)) in series.points.iter().zip(&places) {
            let (low, high) = (self.y(point.q1_kib_per_second), self.y(point.q3_kib_per_second));
            let (left, right) = (x - 3.0, x + 3.0);
            self.add(format_args!(
                r#"<path class="quartiles" d="M{left:.1},{high:.1}H{right:.1}M{x:.1},{high:.1}V{low:.1}M{left:.1},{low:.1}H{right:.1}"/>"#
            ));
            self.marker(series, (x, median), &hint(series, point));
        }
        self.add(format_args!("</g>"));
    }

    fn place(&self, point: &Point) -> (f64, f64) {
        (self.x(point.block_bytes as f64), self.y(point.median_kib_per_second))
    }

    /// A marker with what a viewer shows when the mouse rests on it.
    fn marker(&mut self, series: &Series, (x, y): (f64, f64), hint: &str) {
        let style = series.style;
        let (outline, fill) = (style.marker, if style.filled { style.colour } else { "#fff" });
        let hint = escaped(hint);
        self.add(format_args!(
            r#"<path class="marker" transform="translate({x:.1},{y:.1})" d="{outline}" fill="{fill}"><title>{hint}</title></path>"#
        ));
    }

    /// The legend from `y` on, in as many rows as it needs; returns where it ends.
    fn legend(&mut self, figure: &Figure, y: f64) -> f64 {
        let references = figure.references.iter().map(|reference| reference.name.as_str());
        let names: Vec<&str> =
            figure.series.iter().map(|series| series.name.as_str()).chain(references).collect();
        let places = flow(&names, y);
        let (of_series, of_references) = places.split_at(figure.series.len());
        for (series, &(x, y)) in figure.series.iter().zip(of_series) {
            self.line((x, y), (x + LEGEND_LINE - 6.0, y), series.style.colour, 1.3, series.style.dash);
            let (style, middle) = (series.style, x + (LEGEND_LINE - 6.0) / 2.0);
            let fill = if style.filled { style.colour } else { "#fff" };
            self.add(format_args!(
                r#"<path transform="translate({middle:.1},{y:.1})" d="{}" fill="{fill}" stroke="{}" stroke-width="1.3"/>"#,
                style.marker, style.colour
            ));
            self.text(x + LEGEND_LINE, y + 4.0, TEXT_SIZE, "start", "#000", &series.name);
        }
        for (reference, &(x, y)) in figure.references.iter().zip(of_references) {
            self.line((x, y), (x + LEGEND_LINE - 6.0, y), "#888", 1.0, reference.dash);
            self.text(x + LEGEND_LINE, y + 4.0, TEXT_SIZE, "start", "#555", &reference.name);
        }
        places.last().map_or(y, |&(_, last)| last + LINE)
    }

    /// The caption from `y` on; returns where it ends.
    fn caption(&mut self, figure: &Figure, y: f64) -> f64 {
        let lines = wrapped(&figure.caption.join(" "), WIDTH - 2.0 * 14.0, SMALL_SIZE);
        for (number, line) in lines.iter().enumerate() {
            self.text(14.0, y + 8.0 + number as f64 * LINE, SMALL_SIZE, "start", "#333", line);
        }
        y + 8.0 + lines.len() as f64 * LINE
    }

    fn finish(self, figure: &Figure, height: f64) -> String {
        let Picture { body, top, .. } = self;
        let (title, caption) = (escaped(&figure.title), escaped(&figure.caption.join(" ")));
        let plot_width = RIGHT - LEFT;
        format!(
            r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0}" viewBox="0 0 {WIDTH} {height:.0}" font-family="{FONT}" role="img">
<title>{title}</title>
<desc>{caption}</desc>
<clipPath id="plot"><rect x="{LEFT}" y="{top}" width="{plot_width}" height="{HEIGHT}"/></clipPath>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
        )
    }
}

/// Where the entries of a legend go, row after row.
fn flow(names: &[&str], first_y: f64) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (LEFT, first_y);
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let needed = LEGEND_LINE + width(name, TEXT_SIZE) + 14.0;
        if x > LEFT && x + needed > WIDTH {
            (x, y) = (LEFT, y + LINE + 4.0);
        }
        places.push((x, y));
        x += needed;
    }
    places
}

/// Straight lines through these places, as SVG path data.
fn path(places: &[(f64, f64)]) -> String {
    let step = |(index, (x, y)): (usize, &(f64, f64))| {
        format!("{}{x:.1},{y:.1}", if index == 0 { "M" } else { "L" })
    };
    places.iter().enumerate().map(step).collect()
}

fn dashes(dash: &str) -> String {
    if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) }
}

/// `pread, 4 KiB: 7.27 GiB/s (95 %: 7.2 GiB/s to 7.3 GiB/s), n = 10`.
fn hint(series: &Series, point: &Point) -> String {
    let interval = point.interval_kib_per_second.map_or(String::new(), |(low, high)| {
        format!(" (95 %: {} to {})", bandwidth_label(low), bandwidth_label(high))
    });
    format!(
        "{}, {}: {}{interval}, n = {}",
        series.name,
        bytes_label(point.block_bytes as f64),
        bandwidth_label(point.median_kib_per_second),
        point.n
    )
}

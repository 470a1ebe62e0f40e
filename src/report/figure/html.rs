//! A figure as an HTML page: one self-contained file with the values of all points.
//!
//! [`super::svg`] draws the plot twice, once per kind of bandwidth axis. The script of the page hides series
//! and shows the values of a point next to it. Without the script, the page is still complete.

use super::super::read::ResultFile;
use super::super::text;
use super::axis::mib;
use super::style::Style;
use super::svg::{self, escaped};
use super::{Figure, Input};
use crate::units;

/// The page of `figure`, which was computed from `inputs`.
pub(crate) fn page(figure: &Figure, inputs: &[Input]) -> String {
    let checked = |log_y: bool| if figure.log_y == log_y { " checked" } else { "" };
    format!(
        include_str!("page.html"),
        style = include_str!("page.css"),
        script = include_str!("page.js"),
        title = escaped(&figure.title),
        linear_checked = checked(false),
        log_checked = checked(true),
        linear = svg::plot(figure, false),
        log = svg::plot(figure, true),
        legend = legend(figure),
        caption = escaped(&figure.caption.join(" ")),
        conclusions = conclusions(inputs),
        points = points(figure),
        environment = inputs.iter().map(environment).collect::<String>(),
    )
}

/// The legend: a button per series, and the names of the references.
fn legend(figure: &Figure) -> String {
    let entry = |(index, (name, style)): (usize, (&str, &Style))| {
        let (key, name) = (svg::legend_key(style), escaped(name));
        let key =
            format!(r#"<svg width="28" height="14" viewBox="0 -7 28 14" aria-hidden="true">{key}</svg>"#);
        if index < figure.series.len() {
            format!(
                "<button type=\"button\" aria-pressed=\"true\" data-series=\"{index}\">{key}{name}</button>\n"
            )
        } else {
            format!("<span>{key}{name}</span>\n")
        }
    };
    figure.legend().enumerate().map(entry).collect()
}

/// The conclusions of the sweeps as a list; empty if there are none.
fn conclusions(inputs: &[Input]) -> String {
    let sweeps = inputs.iter().filter_map(|input| input.result.sweep());
    let sentences = sweeps.flat_map(|sweep| &sweep.conclusions);
    let items: String = sentences.map(|sentence| format!("<li>{}</li>\n", escaped(sentence))).collect();
    if items.is_empty() { items } else { format!("<ul id=\"conclusions\">\n{items}</ul>\n") }
}

/// The rows of the table of all points.
fn points(figure: &Figure) -> String {
    let points =
        figure.series.iter().flat_map(|series| series.points.iter().map(move |point| (series, point)));
    let points = points.map(|(series, point)| {
        let numbers = &point.numbers;
        let interval = numbers.interval_kib_per_second;
        let interval = interval.map(|(low, high)| format!("{} to {}", mib(low), mib(high)));
        let cells = [
            point.block_bytes.to_string(),
            point.total_bytes.to_string(),
            numbers.n.to_string(),
            mib(numbers.median_kib_per_second),
            interval.unwrap_or_else(|| "none".to_owned()),
            mib(numbers.q1_kib_per_second),
            mib(numbers.q3_kib_per_second),
            if point.quiet { "yes" } else { "no" }.to_owned(),
        ];
        row(&series.name, &cells)
    });
    points.collect()
}

fn row(head: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escaped(head))
}

/// The tables of the conditions in which a result was measured.
fn environment(input: &Input) -> String {
    let host = input.result.host().map(text::lines).unwrap_or_default();
    let configuration = match &input.result {
        ResultFile::Sweep(sweep) => text::lines(&sweep.sweep_configuration),
        ResultFile::Run(run) => text::lines(&run.benchmark_configuration),
    };
    let warnings = input.result.warnings().iter();
    let runs = input.result.sweep().into_iter().flat_map(|sweep| &sweep.runs);
    let incomplete = runs.filter(|run| run.summary.is_none() || run.error.is_some()).map(|run| {
        let configuration = &run.benchmark_configuration;
        let point = format!("{}, {}", configuration.strategy, units::size(configuration.buffersize as f64));
        let reason = run.error.as_ref().map_or("no sample was taken", |error| error.message.as_str());
        (point, reason.to_owned())
    });
    [
        format!("<h2>Measurement conditions of {}</h2>\n", escaped(&input.path.display().to_string())),
        facts("Configuration", configuration.into_iter()),
        facts("Warnings", warnings.map(|warning| (String::new(), warning.message.clone()))),
        facts("Points without samples or with an error", incomplete),
        facts("Host", host.into_iter()),
    ]
    .concat()
}

/// A table of names and values with a heading; empty if there are no values.
fn facts(heading: &str, pairs: impl Iterator<Item = (String, String)>) -> String {
    let rows: String = pairs.map(|(name, value)| row(&name, &[value])).collect();
    if rows.is_empty() {
        rows
    } else {
        format!("<h3>{heading}</h3>\n<table class=\"facts\"><tbody>\n{rows}</tbody></table>\n")
    }
}

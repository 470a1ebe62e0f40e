//! A figure as an HTML page: one self-contained file with the values of all points.
//!
//! [`super::svg`] draws the plot twice if it has a linear and a logarithmic scale. The script of the page
//! hides series and shows the values of a point next to it. Without the script, the page is still complete.

use super::super::read::ResultFile;
use super::super::text;
use super::svg::{self, escaped};
use super::{Entry, Figure, Input};
use crate::units;

/// The page of `figure`, which was computed from `inputs`.
pub(crate) fn page(figure: &Figure, inputs: &[Input]) -> String {
    let checked = |log_y: bool| if figure.log_y == log_y { " checked" } else { "" };
    let has_dots = figure.panels.iter().flat_map(|panel| &panel.series).any(|series| !series.dots.is_empty());
    let has_both = has_dots && figure.points().next().is_some();
    let has_verticals = figure.panels.iter().any(|panel| !panel.verticals.is_empty());
    let shown = |shown: bool| if shown { "" } else { " hidden" };
    format!(
        include_str!("page.html"),
        style = include_str!("page.css"),
        dark = include_str!("dark.css"),
        script = include_str!("page.js"),
        title = escaped(&figure.title),
        y_title = escaped(figure.y.quantity()),
        scales_hidden = shown(figure.log.is_some()),
        samples_hidden = shown(has_both),
        verticals_hidden = shown(has_verticals),
        linear_checked = checked(false),
        log_checked = checked(true),
        linear = svg::plot(figure, false),
        log = figure.log.as_ref().map(|_| svg::plot(figure, true)).unwrap_or_default(),
        legend = legend(figure),
        caption = escaped(&figure.caption.join(" ")),
        conclusions = conclusions(inputs),
        points = points(figure),
        environment = inputs.iter().map(environment).collect::<String>(),
    )
}

/// The legend: a button per series, and the names of the references.
fn legend(figure: &Figure) -> String {
    if let Some(shades) = &figure.shades {
        let key = svg::shades_key(shades);
        return format!(r#"<span><svg width="420" height="16" viewBox="0 -8 420 16">{key}</svg></span>"#);
    }
    let entry = |Entry { name, style, series, visible }: &Entry| {
        let (key, name) = (svg::legend_key(style), escaped(name));
        let key =
            format!(r#"<svg width="28" height="14" viewBox="0 -7 28 14" aria-hidden="true">{key}</svg>"#);
        let class = match visible {
            (true, false) => r#" class="linear""#,
            (false, true) => r#" class="log""#,
            _ => "",
        };
        match series {
            Some(number) => format!(
                "<button type=\"button\" aria-pressed=\"true\" data-series=\"{number}\">{key}{name}\
                 </button>\n"
            ),
            None => format!("<span{class}>{key}{name}</span>\n"),
        }
    };
    figure.legend().iter().map(entry).collect()
}

/// The conclusions of the sweeps as a list; empty if there are none.
fn conclusions(inputs: &[Input]) -> String {
    let sweeps = inputs.iter().filter_map(|input| input.result.sweep());
    let sentences = sweeps.flat_map(|sweep| &sweep.conclusions);
    let items: String = sentences.map(|sentence| format!("<li>{}</li>\n", escaped(sentence))).collect();
    if items.is_empty() { items } else { format!("<ul id=\"conclusions\">\n{items}</ul>\n") }
}

/// The table of all points; empty without points.
fn points(figure: &Figure) -> String {
    let has_panels = figure.panels.len() > 1;
    let panels = figure.panels.iter();
    let all = panels.flat_map(|panel| panel.series.iter().map(move |series| (panel, series)));
    let rows: String = all
        .flat_map(|(panel, series)| series.points.iter().map(move |point| (panel, series, point)))
        .map(|(panel, series, point)| {
            let heading = has_panels.then(|| panel.heading.clone());
            let cells: Vec<String> = heading.into_iter().chain(point.values.iter().cloned()).collect();
            row(&series.name, &cells)
        })
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let setting = has_panels.then_some("Setting");
    let columns = ["Series"].into_iter().chain(setting).chain(figure.columns.iter().map(String::as_str));
    let heads: String = columns.map(|head| format!("<th scope=\"col\">{}</th>", escaped(head))).collect();
    format!(
        "<h2>All points</h2>\n<div class=\"wide\"><table id=\"points\"><thead><tr>{heads}</tr></thead>\
         <tbody>\n\
         {rows}</tbody></table></div>\n"
    )
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

//! The report, for printing and as the section of a Markdown file.

use std::fs;
use std::path::Path;

use crate::cases::Rival;
use crate::common::Result;
use crate::ratio::Estimate;
use crate::series::Series;

const BEGIN: &str = "<!-- side-by-side:begin -->";
const END: &str = "<!-- side-by-side:end -->";

const HEAD: [&str; 11] = [
    "iobench",
    "against",
    "block bytes",
    "total bytes",
    "pairs",
    "iobench ns/IO",
    "its ns/IO",
    "throughput ratio",
    "95 % interval",
    "target",
    "holds",
];

/// The table of ratios, the time of the harness, and the failures.
pub(crate) fn report(all: &[Series]) -> String {
    let rows: Vec<_> = all.iter().filter_map(ratio_row).collect();
    let mut paragraphs = Vec::new();
    if !rows.is_empty() {
        paragraphs.push(markdown_table(&rows));
    }
    paragraphs.extend(all.iter().filter_map(harness_line));
    paragraphs.extend(all.iter().filter_map(trial_list));
    paragraphs.extend(all.iter().filter_map(|series| {
        let failure = series.failure.as_ref()?;
        Some(format!("FAILED: {}: {failure}", series.case.name()))
    }));
    paragraphs.join("\n\n")
}

fn ratio_row(series: &Series) -> Option<[String; HEAD.len()]> {
    let ratio = Estimate::of(&series.pairs.throughput_ratios())?;
    let target = series.case.target;
    let work = &series.case.work;
    Some([
        work.name(),
        series.case.rival_name(),
        work.block_bytes.to_string(),
        work.total_bytes.to_string(),
        ratio.n.to_string(),
        median_text(&series.pairs.ours_ns_per_io),
        median_text(&series.pairs.theirs_ns_per_io),
        format!("{:.3}", ratio.median),
        interval_text(&ratio, 3),
        format!(">= {target:.2}"),
        ratio.at_least(target).to_string(),
    ])
}

/// Cost of iobench's loop around a strategy that does nothing.
fn harness_line(series: &Series) -> Option<String> {
    if !matches!(series.case.rival, Rival::Nobody) {
        return None;
    }
    let time_ns = Estimate::of(&series.pairs.ours_ns_per_io)?;
    let target = series.case.target;
    Some(format!(
        "The null strategy{}: {:.2} ns per I/O, 95 % interval {} over {} runs of {} iterations of {} I/Os; \
         target <= {target:.1} ns; holds: {}.",
        if series.case.work.latency { " with --latency" } else { "" },
        time_ns.median,
        interval_text(&time_ns, 2),
        time_ns.n,
        series.case.work.iterations,
        series.case.work.ios(),
        time_ns.at_most(target),
    ))
}

/// Results of each candidate of fio before the pairs began.
fn trial_list(series: &Series) -> Option<String> {
    if series.fio_trials.is_empty() {
        return None;
    }
    let lines = series.fio_trials.iter().map(|trial| {
        let chosen = if trial.options == series.fio_options { " (used)" } else { "" };
        format!("- {:.1} ns/IO: `{}`{chosen}", trial.ns_per_io, trial.options.join(" "))
    });
    let head = format!("Trials of fio for {}, {} bytes:", series.case.name(), series.case.work.total_bytes);
    Some(format!("{head}\n\n{}", lines.collect::<Vec<_>>().join("\n")))
}

fn median_text(values: &[f64]) -> String {
    Estimate::of(values).map_or_else(|| "-".to_owned(), |estimate| format!("{:.1}", estimate.median))
}

fn interval_text(estimate: &Estimate, decimals: usize) -> String {
    match estimate.interval {
        Some((low, high)) => format!("[{low:.decimals$}, {high:.decimals$}]"),
        None => format!("none (n = {})", estimate.n),
    }
}

fn markdown_table(rows: &[[String; HEAD.len()]]) -> String {
    let head = HEAD.map(str::to_owned);
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| rows.iter().map(|row| row[column].len()).chain([head[column].len()]).max().unwrap_or(0))
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} |"));
        format!("|{}", padded.collect::<String>())
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut lines = vec![line(&head), line(&rule)];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// Puts `section` between the two marker comments of `file`, and keeps the rest.
pub(crate) fn rewrite_section(file: &Path, section: &str) -> Result<()> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let missing = || format!("{}: no line {BEGIN} followed by {END}", file.display());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(file, format!("{before}{BEGIN}\n\n{section}\n\n{END}{after}"))?;
    Ok(())
}

//! The words of a figure: heading, and the sentences without which its numbers mean little.

use std::path::Path;

use super::super::analysis;
use super::super::document::BenchmarkConfiguration;
use super::super::read::Kept;
use super::{Figure, Input, Point, Vertical, VerticalKind, host_of};
use crate::engine::cache::CacheState;
use crate::host;

/// A heading: what was measured over what.
pub fn title(inputs: &[Input]) -> String {
    let operations = distinct(inputs.iter().flat_map(|(_, kept)| configurations(kept)).map(operation));
    match operations.as_slice() {
        [one] if one == "reading" => "Read bandwidth by buffer size".to_owned(),
        [one] if one == "writing" => "Write bandwidth by buffer size".to_owned(),
        _ => "Bandwidth by buffer size".to_owned(),
    }
}

/// The sentences: what is drawn, how sure it is, where it was measured and when.
pub fn sentences(inputs: &[Input], figure: &Figure) -> Vec<String> {
    let points: Vec<&Point> = figure.series.iter().flat_map(|series| &series.points).collect();
    let mut sentences = distinct(inputs.iter().map(|(_, kept)| subject(kept)));
    sentences.push(drawing(&points));
    sentences.push(certainty(&points));
    sentences.extend(knees(&figure.verticals));
    sentences.extend(missing(inputs));
    sentences.extend(cache_missed(inputs));
    sentences.extend(hosts(inputs));
    sentences
}

/// The name of a file without folder and extension; where `all` has two of that name, the path.
pub fn short_name(path: &Path, all: &[&Path]) -> String {
    let same = all.iter().filter(|other| other.file_stem() == path.file_stem()).count();
    match path.file_stem() {
        Some(stem) if same <= 1 => stem.to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    words.fold(Vec::new(), |mut known, word| {
        if !known.contains(&word) {
            known.push(word);
        }
        known
    })
}

/// What the runs of a result were asked for.
fn configurations(kept: &Kept) -> Vec<&BenchmarkConfiguration> {
    match kept {
        Kept::Sweep(sweep) => sweep.runs.iter().map(|run| &run.benchmark_configuration).collect(),
        Kept::Run(run) => run.benchmark_configuration.iter().collect(),
    }
}

fn operation(configuration: &BenchmarkConfiguration) -> String {
    match configuration.operation.as_str() {
        "read" => "reading".to_owned(),
        "write" => "writing".to_owned(),
        other => other.to_owned(),
    }
}

/// `Reading iofile, sequential, cache as is.`
fn subject(kept: &Kept) -> String {
    let clause = |configuration: &&BenchmarkConfiguration| {
        let access = format!("{:?}", configuration.access).to_lowercase();
        let sync = if configuration.sync { ", sync included" } else { "" };
        let file = &configuration.path;
        let cache = cache(configuration.cache);
        let operation = operation(configuration);
        format!("{operation} {file}, {access}, {cache}{sync}")
    };
    let clauses = distinct(configurations(kept).iter().map(clause)).join("; ");
    let mut letters = clauses.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The cache state in words.
pub(in crate::report) fn cache(state: CacheState) -> &'static str {
    match state {
        CacheState::Warm => "page cache warm",
        CacheState::Cold => "page cache cold",
        CacheState::AsIs => "page cache as the sample before left it",
    }
}

fn drawing(points: &[&Point]) -> String {
    let counts = points.iter().map(|point| point.n);
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    let n = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    format!(
        "Markers: medians; bars: first to third quartile; faint dots: the measured samples, n = {n} a point."
    )
}

/// Half of an interval as part of the median.
fn half_width(point: &Point) -> Option<f64> {
    let (low, high) = point.interval_kib_per_second?;
    Some((high - low) / 2.0 / point.median_kib_per_second)
}

fn certainty(points: &[&Point]) -> String {
    let mut widths: Vec<f64> = points.iter().filter_map(|point| half_width(point)).collect();
    widths.sort_by(f64::total_cmp);
    let Some(widest) = widths.last() else {
        return "No intervals: there is none of the median below six samples.".to_owned();
    };
    if points.len() == 1 {
        return format!("95 % order-statistic interval of the median: ±{:.1} %.", 100.0 * widest);
    }
    let without = points.len() - widths.len();
    let exception = match without {
        0 => String::new(),
        count => format!("; none at {count} points with fewer than six samples"),
    };
    format!(
        "95 % order-statistic intervals of the medians: ±{:.1} % at half of the points, ±{:.1} % at most{exception}.",
        100.0 * widths[widths.len() / 2],
        100.0 * widest
    )
}

/// Whose knees the dashed lines are.
fn knees(verticals: &[Vertical]) -> Option<String> {
    let knees = verticals.iter().filter(|vertical| vertical.kind == VerticalKind::Knee);
    let clauses: Vec<String> =
        knees.map(|knee| format!("{} {}", knee.subjects.join(", "), knee.label)).collect();
    (!clauses.is_empty()).then(|| format!("Dashed lines: fitted knees ({}).", clauses.join("; ")))
}

/// How many points could not run, if any.
fn missing(inputs: &[Input]) -> Option<String> {
    let runs = inputs.iter().filter_map(|(_, kept)| match kept {
        Kept::Sweep(sweep) => Some(&sweep.runs),
        Kept::Run(_) => None,
    });
    match runs.flatten().filter(|run| run.summary.is_none()).count() {
        0 => None,
        1 => Some("One point could not be measured; the result says why.".to_owned()),
        count => Some(format!("{count} points could not be measured; the result says why.")),
    }
}

/// How many samples did not start in the cache state that the caption names, if there are any.
fn cache_missed(inputs: &[Input]) -> Vec<String> {
    let missed = |(_, kept): &Input| match kept {
        Kept::Sweep(sweep) => analysis::cache_missed(sweep),
        Kept::Run(_) => None,
    };
    inputs.iter().filter_map(missed).map(|sentence| format!("{sentence}.")).collect()
}

/// A sentence for each host and day; with the files' names where there are several.
fn hosts(inputs: &[Input]) -> Vec<String> {
    let all: Vec<(String, &Input)> = inputs
        .iter()
        .map(|input| (format!("{}. {}.", host(host_of(&input.1)), when(&input.1)), input))
        .collect();
    let sentences = distinct(all.iter().map(|(sentence, _)| sentence.clone()));
    if sentences.len() == 1 {
        return sentences;
    }
    let paths: Vec<&Path> = inputs.iter().map(|(path, _)| path.as_path()).collect();
    let files = |sentence: &String| {
        let same = all.iter().filter(|(other, _)| other == sentence);
        same.map(|(_, (path, _))| short_name(path, &paths)).collect::<Vec<_>>().join(", ")
    };
    sentences.iter().map(|sentence| format!("{}: {sentence}", files(sentence))).collect()
}

/// `AMD EPYC (2 CPUs, KVM), Linux 6.18, ext4 on /dev/vda`.
fn host(configuration: Option<&host::Configuration>) -> String {
    let Some(configuration) = configuration else { return "Host unknown (made without -v)".to_owned() };
    let identity = &configuration.identity;
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
    let cpus = match identity.cpu_count {
        Some(1) => "1 CPU".to_owned(),
        Some(count) => format!("{count} CPUs"),
        None => "? CPUs".to_owned(),
    };
    let hypervisor = configuration.confinement.virtualization.as_deref().filter(|name| *name != "none");
    let inside = hypervisor.map_or(String::new(), |name| format!(", {name}"));
    format!(
        "{} ({cpus}{inside}), {} {}, {} on {}",
        word(&identity.model),
        word(&identity.os_type),
        word(&identity.os_release),
        word(&identity.filesystem_type),
        word(&identity.filesystem_device)
    )
}

/// `2026-11-23, iobench 0.1.0`.
fn when(kept: &Kept) -> String {
    let (start_time, version) = match kept {
        Kept::Sweep(sweep) => (&sweep.sweep_configuration.start_time, &sweep.sweep_configuration.version),
        Kept::Run(run) => match &run.benchmark_configuration {
            Some(configuration) => (&configuration.start_time, &configuration.version),
            None => return "Date unknown".to_owned(),
        },
    };
    let day = start_time.split('T').next().unwrap_or_default();
    format!("{day}, iobench {version}")
}

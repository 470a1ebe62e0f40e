//! Texts of a figure: title, names, and the caption.

use std::path::Path;

use super::super::analysis;
use super::super::axes::Axis;
use super::super::document::{BenchmarkConfiguration, SampleRecord};
use super::super::read::ResultFile;
use super::super::sweep::SweepDocument;
use super::{Figure, Input, Point, Series, Vertical, VerticalKind};
use crate::engine::cache::CacheState;
use crate::engine::operation::Mode;
use crate::host;
use crate::units;

/// A heading within a title: `Buffer size` is `buffer size`.
pub(super) fn lower(heading: &str) -> String {
    let mut letters = heading.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// The default title: the operation, `what` is shown of it, and the cache state unless that is an axis.
pub(super) fn title(inputs: &[Input], what: &str, varying: &[Axis]) -> String {
    let runs = || inputs.iter().flat_map(|input| input.result.runs()).map(|(run, _)| run);
    let operations = distinct(runs().map(|run| run.operation.name().to_owned()));
    let what = match operations.as_slice() {
        [one] => {
            let one = if one == "create" { "write" } else { one };
            format!("{} {what}", units::capitalised(one))
        }
        _ => units::capitalised(what),
    };
    let state = cache_of(runs().filter(|run| !run.is_floor())).filter(|_| !varying.contains(&Axis::Cache));
    let direct = runs().filter(|run| !run.is_floor()).all(|run| run.requested.direct);
    let direct = (direct && !varying.contains(&Axis::Direct)).then(|| "O_DIRECT".to_owned());
    [Some(what), direct, state].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The cache state of these runs in words, if those without O_DIRECT have the same.
fn cache_of<'a>(runs: impl Iterator<Item = &'a BenchmarkConfiguration>) -> Option<String> {
    let (direct, buffered): (Vec<_>, Vec<_>) = runs.partition(|run| run.requested.direct);
    let states = |runs: &[&BenchmarkConfiguration]| {
        distinct(runs.iter().map(|run| cache(run.preparation.cache).to_owned()))
    };
    match (states(&buffered).as_slice(), states(&direct).as_slice()) {
        ([one], []) | ([], [one]) => Some(one.clone()),
        ([one], [other]) if one == other => Some(one.clone()),
        ([one], [_]) => {
            let direct = direct.first().map_or("", |run| match run.preparation.cache {
                CacheState::AsIs => "not controlled",
                state => state.name(),
            });
            Some(format!("{one} ({direct} for O_DIRECT)"))
        }
        _ => None,
    }
}

/// The sentences of the caption: what was measured, where and when. The first is about the operations.
pub(super) fn sentences(inputs: &[Input]) -> Vec<String> {
    let operations = distinct(inputs.iter().map(operations)).join(" ");
    let mut sentences = vec![operations];
    sentences.extend(missing(inputs));
    let missed = inputs.iter().filter_map(|input| input.result.sweep()).filter_map(analysis::cache_missed);
    sentences.extend(missed.map(|sentence| format!("{sentence}.")));
    sentences.extend(hosts(inputs));
    sentences
}

/// The name of a file without folder and extension, or the whole path if `all` has two files with that name.
pub(super) fn short_name(path: &Path, all: &[&Path]) -> String {
    let same = all.iter().filter(|other| other.file_stem() == path.file_stem()).count();
    match path.file_stem() {
        Some(stem) if same <= 1 => stem.to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

/// The cache state as text.
pub(in crate::report) fn cache(state: CacheState) -> &'static str {
    match state {
        CacheState::Warm => "page cache warm",
        CacheState::Cold => "page cache cold",
        CacheState::AsIs => "page cache state not controlled",
    }
}

/// The cache state of a sweep as text, with the samples that did not start in it.
pub(in crate::report) fn cache_of_sweep(document: &SweepDocument) -> String {
    let asked = document.sweep_configuration.cache;
    let runs = document.runs.iter().map(|run| run.benchmark_configuration.preparation.cache);
    let direct = if runs.into_iter().any(|state| state != asked) { " (cold for O_DIRECT)" } else { "" };
    let missed = analysis::cache_missed(document);
    let missed = missed.map_or(String::new(), |missed| format!(" (requested; {missed})"));
    format!("{}{direct}{missed}", cache(asked))
}

fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    words.fold(Vec::new(), |mut known, word| {
        if !known.contains(&word) {
            known.push(word);
        }
        known
    })
}

/// The operation with its preposition, to be followed by a path.
fn operation(configuration: &BenchmarkConfiguration) -> &'static str {
    match configuration.operation {
        Mode::Read => "reads of",
        Mode::Write => "writes to",
        Mode::Create | Mode::Describe => "creation of",
    }
}

/// The measured operations, such as `Sequential reads of iofile, page cache warm.`
fn operations(input: &Input) -> String {
    let clause = |(run, _): (&BenchmarkConfiguration, &[SampleRecord])| {
        let access = run.requested.access;
        let sync = if run.requested.sync { ", including the sync" } else { "" };
        let direct = if run.requested.direct { " with O_DIRECT" } else { "" };
        format!("{access} {} {}{direct}{sync}, {}", operation(run), run.path, cache(run.preparation.cache))
    };
    let clauses = distinct(input.result.runs().into_iter().map(clause)).join("; ");
    format!("{}.", units::capitalised(&clauses))
}

/// The meaning of markers, bars and dots of curves.
pub(super) fn drawing(figure: &Figure) -> String {
    let series = || figure.panels.iter().flat_map(|panel| &panel.series);
    let count =
        |(series, point): (&Series, &Point)| series.dots.iter().filter(|dot| dot.x == point.x).count();
    let counts =
        series().flat_map(|series| series.points.iter().map(move |point| (series, point))).map(count);
    let (least, most) = counts.fold((usize::MAX, 0), |(least, most), n| (n.min(least), n.max(most)));
    let unquiet = figure.points().filter(|point| point.open).count();
    let open = match unquiet {
        0 => String::new(),
        count => format!(
            " Open markers ({count} of {}) were not measured under quiet conditions.",
            figure.points().count()
        ),
    };
    let n = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    format!(
        "Markers are medians, bars are their 95 % intervals, and faint dots are samples (n = {n} per \
         point).{open}"
    )
}

/// The width of the intervals of curves.
pub(super) fn precision(figure: &Figure) -> String {
    let percent = |(low, high): (f64, f64), median: f64| 100.0 * (high - low) / 2.0 / median;
    let numbers = || figure.points();
    let known = numbers().filter_map(|it| Some(percent(it.interval?, it.y)));
    let mut half_widths: Vec<f64> = known.collect();
    half_widths.sort_by(f64::total_cmp);
    let Some(widest) = half_widths.last() else {
        return "There are no intervals: an interval of the median needs at least six samples.".to_owned();
    };
    let point_count = numbers().count();
    if point_count == 1 {
        return format!(
            "The 95 % interval of the median (order statistics) is ±{widest:.1} % of the median."
        );
    }
    let exception = match point_count - half_widths.len() {
        0 => String::new(),
        1 => "; one point has fewer than six samples and no interval".to_owned(),
        count => format!("; {count} points have fewer than six samples and no interval"),
    };
    format!(
        "The 95 % interval of the median (order statistics) is at most ±{:.1} % of the median at half of the \
         points, and at most ±{widest:.1} % at the rest{exception}.",
        half_widths[half_widths.len() / 2],
    )
}

/// The sentence about the dashed lines and their series, if there are any.
pub(super) fn knees(figure: &Figure) -> Option<String> {
    let verticals = figure.panels.iter().flat_map(|panel| &panel.verticals);
    let knees = verticals.filter(|vertical| vertical.kind == VerticalKind::Knee);
    let series = || figure.panels.iter().flat_map(|panel| &panel.series);
    let name = |number: &usize| series().find(|it| it.number == *number).map(|it| it.name.as_str());
    let clause = |knee: &Vertical| {
        let names: Vec<&str> = knee.series.iter().filter_map(name).collect();
        format!("{} {}", names.join(", "), knee.label)
    };
    let clauses: Vec<String> = knees.map(clause).collect();
    (!clauses.is_empty()).then(|| {
        format!("Dashed lines are fitted knees, where the slope of a curve changes ({}).", clauses.join("; "))
    })
}

/// The sentence about points without a measured sample, if there are any.
fn missing(inputs: &[Input]) -> Option<String> {
    let runs = inputs.iter().filter_map(|input| input.result.sweep()).flat_map(|sweep| &sweep.runs);
    match runs.filter(|run| run.summary.is_none()).count() {
        0 => None,
        1 => Some("One point could not be measured; the result file gives the reason.".to_owned()),
        count => Some(format!("{count} points could not be measured; the result file gives the reasons.")),
    }
}

/// One sentence per host and day. It starts with the names of the files if there are several hosts or days.
fn hosts(inputs: &[Input]) -> Vec<String> {
    let sentence = |input: &Input| format!("{}. {}.", host(input.result.host()), when(input));
    let sentences = distinct(inputs.iter().map(sentence));
    if sentences.len() == 1 {
        return sentences;
    }
    let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
    let files = |text: &String| {
        let same = inputs.iter().filter(|input| sentence(input) == *text);
        same.map(|input| short_name(&input.path, &paths)).collect::<Vec<_>>().join(", ")
    };
    sentences.iter().map(|text| format!("{}: {text}", files(text))).collect()
}

/// The host as text, such as `AMD EPYC (2 CPUs, KVM), Linux 6.18, ext4 on /dev/vda`.
fn host(configuration: Option<&host::Configuration>) -> String {
    let Some(configuration) = configuration else { return "Unknown host (measured without -v)".to_owned() };
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

/// Date and version as text, such as `2026-11-23, iobench 0.1.0`.
fn when(input: &Input) -> String {
    let (start_time, version) = match &input.result {
        ResultFile::Sweep(sweep) => {
            (&sweep.sweep_configuration.start_time, &sweep.sweep_configuration.version)
        }
        ResultFile::Run(run) => match &run.benchmark_configuration {
            Some(configuration) => (&configuration.start_time, &configuration.version),
            None => return "Unknown date".to_owned(),
        },
    };
    let day = start_time.split('T').next().unwrap_or_default();
    format!("{day}, iobench {version}")
}

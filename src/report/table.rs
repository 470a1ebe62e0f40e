//! A sweep as a table for the terminal, with one row per buffer size and one column per strategy.

use std::io::{self, Write};

use super::axes::{self, Axis, Layout};
use super::document::BenchmarkConfiguration;
use super::figure::caption;
use super::latency::OverSamples;
use super::sweep::{CostModel, Floors, Summary, SweepDocument, SweepRun};
use super::winner::{Winner, winner};
use crate::error::ErrorKind;
use crate::printable::line;
use crate::stats;
use crate::units;

/// The parts of the table, and its width.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Number of columns of the terminal.
    pub columns: usize,
    /// True for whole intervals, which need more columns than most terminals have.
    pub wide: bool,
    /// True if the knees are listed.
    pub knees: bool,
}

impl Table {
    /// The table for this terminal, or for 80 columns if standard output is not a terminal.
    pub fn for_terminal() -> Table {
        // SAFETY: all zeroes is a valid winsize.
        let mut size: libc::winsize = unsafe { std::mem::zeroed() };
        // SAFETY: TIOCGWINSZ writes one winsize.
        let status = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
        let columns = usize::from(size.ws_col);
        if status == 0 && columns > 0 { Table { columns, ..Table::default() } } else { Table::default() }
    }
}

impl Default for Table {
    fn default() -> Table {
        Table { columns: 80, wide: false, knees: false }
    }
}

/// Width of the column of a strategy with the half-width of its interval, enough for `12346±12%*`.
const COLUMN: usize = 10;
/// Width of a column with the whole interval, enough for `~12345.6 [12345.6, 12345.6]`.
const WIDE_COLUMN: usize = 28;
/// Width of the columns of buffer sizes and totals.
const LABEL: usize = 5;
/// KiB per MiB, the unit of the table.
const KIB_PER_MIB: f64 = 1024.0;

/// Writes medians with their intervals in MiB/s (in ns per call for the floor), the conclusions, and the
/// results of the analysis.
///
/// # Errors
/// The errors of `output`.
pub fn write(output: &mut dyn Write, document: &SweepDocument, table: Table) -> io::Result<()> {
    let mut notes = Notes { output, columns: table.columns };
    let configuration = &document.sweep_configuration;
    let sheet = Sheet::new(document);
    let marks = sheet.layout.series == Axis::Strategy;
    notes.write(&format!(
        "Median bandwidth in MiB/s with {}{}{}. {} in {:.1} s, {}.",
        if table.wide { "its 95 % interval" } else { "the half-width of its 95 % interval" },
        if marks { "; * = fastest in its row: its interval overlaps no other" } else { "" },
        if document.runs.iter().any(is_unquiet) { "; ~ = not measured under quiet conditions" } else { "" },
        units::counted(configuration.rounds, "round"),
        configuration.elapsed_seconds,
        caption::cache_of_sweep(document)
    ))?;
    sheet.write(notes.output, Quantity::Bandwidth, table)?;
    for quantity in [Quantity::P50, Quantity::P99] {
        if document.runs.iter().any(|run| quantity.of(run).is_some()) {
            let width = if table.wide { "its 95 % interval" } else { "the half-width of its interval" };
            notes.write(&format!("Median {} of the latency in us with {width}:", quantity.name()))?;
            sheet.write(notes.output, quantity, table)?;
        }
    }
    for sentence in &document.conclusions {
        notes.write(&line(sentence))?;
    }
    self::notes(&mut notes, document, table)?;
    notes.output.flush()
}

/// Text below the table, in lines of at most so many columns.
struct Notes<'a> {
    output: &'a mut dyn Write,
    columns: usize,
}

impl Notes<'_> {
    fn write(&mut self, text: &str) -> io::Result<()> {
        paragraph(self.output, text, self.columns)
    }
}

/// Writes a text in lines of at most `columns` columns. A word that is too long gets a line of its own.
///
/// # Errors
/// The errors of `output`.
pub fn paragraph(output: &mut dyn Write, text: &str, columns: usize) -> io::Result<()> {
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let gap = match used {
            0 => "",
            used if used + 1 + length > columns => {
                writeln!(output)?;
                ""
            }
            _ => " ",
        };
        used = if gap.is_empty() { length } else { used + 1 + length };
        write!(output, "{gap}{word}")?;
    }
    writeln!(output)
}

fn is_unquiet(run: &SweepRun) -> bool {
    run.summary.as_ref().is_some_and(|summary| !summary.quiet)
}

/// Value of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Bandwidth,
    P50,
    P99,
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Quantity::Bandwidth => "bandwidth",
            Quantity::P50 => "p50",
            Quantity::P99 => "p99",
        }
    }

    /// Median and interval in the unit of the column, and the number of samples.
    fn of(self, run: &SweepRun) -> Option<OverSamples> {
        let summary = run.summary.as_ref()?;
        let latency = summary.latencies.latency_ns.as_ref();
        let us = |ns: f64| ns / 1e3;
        let of_latency = |it: OverSamples| OverSamples {
            median: us(it.median),
            interval: it.interval.map(|(low, high)| (us(low), us(high))),
            ..it
        };
        match self {
            Quantity::Bandwidth => Some(OverSamples {
                n: summary.numbers.n,
                median: in_unit_of_column(run, summary.numbers.median_kib_per_second),
                interval: summary.numbers.interval_kib_per_second.map(|(low, high)| {
                    let (one, other) = (in_unit_of_column(run, low), in_unit_of_column(run, high));
                    (one.min(other), one.max(other))
                }),
            }),
            Quantity::P50 => latency?.p50.map(of_latency),
            Quantity::P99 => latency?.p99.map(of_latency),
        }
    }
}

/// The points as tables: a row per value of the x axis, a column per value of the series, and a table per
/// combination of the other axes.
struct Sheet<'a> {
    document: &'a SweepDocument,
    layout: Layout,
    rows: Vec<String>,
    columns: Vec<String>,
    panels: Vec<String>,
}

impl<'a> Sheet<'a> {
    fn new(document: &'a SweepDocument) -> Sheet<'a> {
        let points: Vec<&BenchmarkConfiguration> =
            document.runs.iter().map(|run| &run.benchmark_configuration).collect();
        let layout = Layout::new(&document.sweep_configuration.axes, &points, None, None);
        let words = |axis: Axis| -> Vec<String> {
            axes::values(axis, points.iter().copied()).into_iter().map(|value| value.words).collect()
        };
        let mut panels: Vec<String> = Vec::new();
        for point in &points {
            let panel = axes::words(&layout.panels, point);
            if !panels.contains(&panel) {
                panels.push(panel);
            }
        }
        let (rows, columns) = (words(layout.x), words(layout.series));
        Sheet { document, layout, rows, columns, panels }
    }

    fn write(&self, output: &mut dyn Write, quantity: Quantity, table: Table) -> io::Result<()> {
        let longest = self.columns.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let column = longest.max(if table.wide { WIDE_COLUMN } else { COLUMN });
        let fitting = (table.columns.saturating_sub(2 * LABEL + 1) / (column + 1)).max(1);
        let per_block = if table.wide { self.columns.len().max(1) } else { fitting };
        for panel in &self.panels {
            if !panel.is_empty() {
                writeln!(output, "{}:", line(panel))?;
            }
            for columns in self.columns.chunks(per_block) {
                self.block(output, (panel, columns, column), quantity, table)?;
            }
        }
        Ok(())
    }

    /// Writes some of the columns of a table.
    fn block(
        &self,
        output: &mut dyn Write,
        (panel, columns, width): (&str, &[String], usize),
        quantity: Quantity,
        table: Table,
    ) -> io::Result<()> {
        let (head, label_width) = match self.layout.x {
            Axis::Buffersize => ("bytes", LABEL),
            axis => (axis.name(), self.rows.iter().map(String::len).max().unwrap_or(0).max(LABEL)),
        };
        let label_width = label_width.max(head.len());
        write!(output, "{head:>label_width$} {:>LABEL$}", "total")?;
        for name in columns {
            let is_floor = self.layout.series == Axis::Strategy && self.document.is_floor(name);
            let unit = if is_floor && quantity == Quantity::Bandwidth { " ns" } else { "" };
            write!(output, " {:>width$}", line(name) + unit)?;
        }
        writeln!(output)?;
        for row in &self.rows {
            let runs = self.runs(panel, row);
            let total = common_total(&runs).map_or("-".to_owned(), label);
            let row_label = match self.layout.x {
                Axis::Buffersize => {
                    runs.first().map_or(String::new(), |run| label(run.benchmark_configuration.buffersize))
                }
                _ => row.clone(),
            };
            write!(output, "{row_label:>label_width$} {total:>LABEL$}")?;
            let marks = quantity == Quantity::Bandwidth && self.layout.series == Axis::Strategy;
            let fastest = if marks { winner(&runs, self.document) } else { Winner::None };
            for name in columns {
                let is_of =
                    |run: &&&SweepRun| self.layout.series.value(&run.benchmark_configuration).words == *name;
                let mark = if fastest == Winner::Is(name) { "*" } else { "" };
                let text = runs.iter().find(is_of).map_or(String::new(), |run| cell(run, quantity, table));
                write!(output, " {:>width$}", text + mark)?;
            }
            writeln!(output)?;
        }
        Ok(())
    }

    /// The points of a row of a table.
    fn runs(&self, panel: &str, row: &str) -> Vec<&'a SweepRun> {
        let is_of = |run: &&SweepRun| {
            let configuration = &run.benchmark_configuration;
            self.layout.x.value(configuration).words == row
                && axes::words(&self.layout.panels, configuration) == panel
        };
        self.document.runs.iter().filter(is_of).collect()
    }
}

fn size(bytes: u64) -> String {
    units::size(bytes as f64)
}

/// A size for a narrow column, such as 64K.
fn label(bytes: u64) -> String {
    size(bytes).replace("iB", "").replace([' ', 'B'], "")
}

/// The total that most paths of a row have: all that are served from the page cache have the same.
fn common_total(runs: &[&SweepRun]) -> Option<u64> {
    let totals = || {
        let measured = runs.iter().filter(|run| run.summary.is_some());
        measured.map(|run| &run.benchmark_configuration).filter(|it| !it.is_floor()).map(|it| it.totalsize)
    };
    totals().max_by_key(|total| (totals().filter(|other| other == total).count(), *total))
}

fn cell(run: &SweepRun, quantity: Quantity, table: Table) -> String {
    let Some(value) = quantity.of(run) else { return "-".to_owned() };
    let mark = if is_unquiet(run) { "~" } else { "" };
    let median = digits(value.median);
    match value.interval {
        Some((low, high)) if table.wide => format!("{mark}{median} [{}, {}]", digits(low), digits(high)),
        Some((low, high)) => {
            let percent = (100.0 * (high - low) / 2.0 / value.median).ceil().max(1.0);
            if percent < 100.0 {
                format!("{mark}{median}±{percent:.0}%")
            } else {
                format!("{mark}{median}±>99%")
            }
        }
        None if table.wide => format!("{mark}{median} (n={})", value.n),
        None => format!("{mark}{median}±?"),
    }
}

/// The value in MiB/s, or in nanoseconds per call for the floor.
fn in_unit_of_column(run: &SweepRun, kib_per_second: f64) -> f64 {
    let configuration = &run.benchmark_configuration;
    if configuration.is_floor() {
        configuration.buffersize as f64 / (kib_per_second * 1024.0) * 1e9
    } else {
        kib_per_second / KIB_PER_MIB
    }
}

/// The value with four significant digits, and all digits before the decimal point.
fn digits(value: f64) -> String {
    match value {
        v if v >= 1000.0 => format!("{v:.0}"),
        v if v >= 100.0 => format!("{v:.1}"),
        v if v >= 10.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

fn notes(notes: &mut Notes, document: &SweepDocument, table: Table) -> io::Result<()> {
    let summaries: Vec<&Summary> = document.runs.iter().filter_map(|run| run.summary.as_ref()).collect();
    if summaries.is_empty() {
        notes.write("No point could be measured.")?;
    } else {
        notes.write(&format!(
            "{} of {} converged (half-width of the interval at most {} % of the median).",
            summaries.iter().filter(|summary| summary.converged).count(),
            units::counted(summaries.len() as u64, "point"),
            (1e6 * document.sweep_configuration.precision).round() / 1e4
        ))?;
    }
    for sentence in like_with_like(document) {
        notes.write(&line(&sentence))?;
    }
    if let Some(call_ns) = document.floors.system_call_ns {
        notes.write(&format!("A minimal system call (getppid) takes {call_ns:.0} ns."))?;
    }
    let Floors { harness_call_ns, bracket_ns, .. } = document.floors;
    if let Some(call_ns) = harness_call_ns {
        let bracket = bracket_ns.map_or(String::new(), |ns| format!(", and {ns:.0} ns per sample"));
        notes.write(&format!("The harness itself takes {call_ns:.2} ns per call{bracket}."))?;
    }
    for strategy in &document.sweep_configuration.strategies {
        sync(notes, document, strategy)?;
    }
    for model in &document.models {
        notes.write(&format!("{}: {}", curve_name(&model.strategy, &model.setting), costs(model)))?;
    }
    if table.knees {
        knees(notes, document)?;
    }
    for warning in &document.warnings {
        notes.write(&format!("Warning: {}", line(&warning.message)))?;
    }
    not_run(notes, document)
}

/// The name of a curve: its strategy, and its values on further axes.
fn curve_name(strategy: &str, setting: &str) -> String {
    if setting.is_empty() { line(strategy).into_owned() } else { format!("{} ({setting})", line(strategy)) }
}

/// Sentences about what differs between the paths of a row: totals, and buffers that exceed a cache.
fn like_with_like(document: &SweepDocument) -> Vec<String> {
    let configuration = &document.sweep_configuration;
    let of_size = |bytes: u64| -> Vec<&SweepRun> {
        document.runs.iter().filter(|run| run.benchmark_configuration.buffersize == bytes).collect()
    };
    let mut sentences = Vec::new();
    // With more axes, the total is a column.
    let strategies = if document.further_axes().is_empty() { &configuration.strategies[..] } else { &[] };
    for strategy in strategies {
        let runs = || document.runs_of(strategy).filter(|run| run.summary.is_some());
        let other: Vec<String> = runs()
            .map(|run| &run.benchmark_configuration)
            .filter(|it| !it.is_floor() && common_total(&of_size(it.buffersize)) != Some(it.totalsize))
            .map(|it| format!("{} at {}", size(it.totalsize), size(it.buffersize)))
            .collect();
        if !other.is_empty() {
            sentences.push(format!("{strategy} has other totals: {}.", other.join(", ")));
        }
        sentences.extend(footprint(document, strategy));
    }
    sentences
}

/// A sentence about the sizes at which the buffers of a queue exceed the level-2 cache.
fn footprint(document: &SweepDocument, strategy: &str) -> Option<String> {
    let l2_bytes = document.host_configuration.processor.cpu_cache_l2_bytes?;
    let queued = |run: &&SweepRun| {
        let granted = run.benchmark_configuration.granted.as_ref();
        granted.is_some_and(|granted| granted.effective.iodepth > 1 && granted.buffer_bytes > l2_bytes)
    };
    let runs: Vec<&SweepRun> = document.runs_of(strategy).filter(queued).collect();
    let largest =
        runs.iter().filter_map(|run| run.benchmark_configuration.granted.as_ref()).map(|it| it.buffer_bytes);
    let largest = size(largest.max()?);
    let sizes: Vec<u64> = runs.iter().map(|run| run.benchmark_configuration.buffersize).collect();
    Some(format!(
        "{strategy} at {}: the buffers of its queue (up to {largest}) exceed the L2 cache ({}).",
        size_list(&sizes, &document.sweep_configuration.block_sizes_bytes),
        size(l2_bytes)
    ))
}

fn knees(notes: &mut Notes, document: &SweepDocument) -> io::Result<()> {
    if document.knees.is_empty() {
        notes.write("Knees: none that the cost models do not explain.")?;
    }
    for knee in &document.knees {
        let cause = match knee.candidates.first() {
            Some(constant) => {
                format!("possible cause: {} ({})", constant.name, units::size(constant.bytes as f64))
            }
            None => "no size of this host (cache, page, pipe) is close enough to be named".to_owned(),
        };
        let at = knee.block_bytes;
        notes.write(&format!(
            "{}: knee at {} [{}, {}], where the slope changes from {:.2} to {:.2}; {cause}.",
            curve_name(&knee.strategy, &knee.setting),
            units::size(at.value),
            units::size(at.low),
            units::size(at.high),
            knee.slope_before,
            knee.slope_after
        ))?;
    }
    Ok(())
}

/// Misfit above which nothing is derived from a cost model.
const MISFIT_LIMIT: f64 = 0.1;

/// The costs of a model with its misfit, as a sentence. A cost that would be printed as zero was not
/// measured.
fn costs(model: &CostModel) -> String {
    let (call, byte) = (model.per_call_ns, model.per_byte_ns);
    let misfit = |fraction: Option<f64>| 100.0 * fraction.unwrap_or(0.0);
    let off = format!(
        "off by {:.0} % on average and {:.0} % at worst",
        misfit(model.misfit_mean_fraction),
        misfit(model.misfit_worst_fraction)
    );
    if model.misfit_worst_fraction.is_some_and(|worst| worst > MISFIT_LIMIT) {
        return format!("calls and bytes do not explain the times (a model of both is {off}).");
    }
    let per_call =
        format!("{} ns per call [{}, {}]", digits(call.value), digits(call.low), digits(call.high));
    let per_byte = format!("{:.4} ns per byte [{:.4}, {:.4}]", byte.value, byte.low, byte.high);
    let costs = match (call.value >= 0.0005, byte.value >= 0.000_05) {
        (true, true) => {
            let equal_at = units::size(call.value / byte.value);
            format!("{per_call}, {per_byte}; per-call and per-byte cost are equal at {equal_at}")
        }
        (false, true) => format!("{per_byte}; no per-call cost could be measured"),
        (true, false) => format!("{per_call}; no per-byte cost could be measured"),
        (false, false) => "neither a per-call nor a per-byte cost could be measured".to_owned(),
    };
    format!("{costs} ({off}).")
}

/// Writes the range, over all buffer sizes, of the part of the time that the sync takes.
fn sync(notes: &mut Notes, document: &SweepDocument, strategy: &str) -> io::Result<()> {
    let share = |run: &SweepRun| {
        let shares =
            run.measured().filter_map(|sample| Some(sample.sync_time_ns? as f64 / 1e9 / sample.time));
        stats::median(&shares.collect::<Vec<f64>>())
    };
    let percents: Vec<f64> =
        document.runs_of(strategy).filter_map(share).map(|share| 100.0 * share).collect();
    match stats::quantile(&percents, 0.0).zip(stats::quantile(&percents, 1.0)) {
        Some((least, most)) => notes.write(&format!(
            "{}: the sync took {least:.0} to {most:.0} % of the time, depending on the buffer size; JSON and \
             CSV give the times of transfer and sync separately.",
            line(strategy)
        )),
        None => Ok(()),
    }
}

/// Writes the points that did not run or failed. Points with the same strategy and kind of error share a
/// line, which gives the message of the first.
fn not_run(notes: &mut Notes, document: &SweepDocument) -> io::Result<()> {
    type Group<'a> = ((&'a str, &'a str, ErrorKind), &'a str, Vec<u64>);
    let mut groups: Vec<Group> = Vec::new();
    for run in &document.runs {
        let Some(error) = &run.error else { continue };
        let configuration = &run.benchmark_configuration;
        let state = if run.could_run() { "Failed" } else { "Not run" };
        let key = (state, configuration.strategy.as_str(), error.kind);
        match groups.iter_mut().find(|group| group.0 == key) {
            Some(group) => group.2.push(configuration.buffersize),
            None => groups.push((key, &error.message, vec![configuration.buffersize])),
        }
    }
    for ((state, strategy, _), message, sizes) in groups {
        let mut sizes = sizes;
        sizes.dedup();
        let message = message.strip_prefix(&format!("{strategy}: ")).unwrap_or(message);
        let example = match sizes[..] {
            [first, _, ..] => format!("; at {}", units::size(first as f64)),
            _ => String::new(),
        };
        let sizes = size_list(&sizes, &document.sweep_configuration.block_sizes_bytes);
        notes.write(&format!("{state}: {}.", line(&format!("{strategy} at {sizes}{example}: {message}"))))?;
    }
    Ok(())
}

/// `sizes` in words: the first and the last if they are at least three consecutive sizes of the sweep.
fn size_list(sizes: &[u64], all: &[u64]) -> String {
    let text = |size: &u64| units::size(*size as f64);
    match sizes {
        [first, _, .., last] if all.windows(sizes.len()).any(|window| window == sizes) => {
            format!("{} to {}", text(first), text(last))
        }
        _ => sizes.iter().map(text).collect::<Vec<String>>().join(", "),
    }
}

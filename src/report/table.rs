//! A sweep as a table for the terminal, with one row per buffer size and one column per strategy.

use std::io::{self, Write};

use super::analysis;
use super::figure::caption;
use super::sweep::{Summary, SweepDocument, SweepRun};
use crate::error::ErrorKind;
use crate::printable::line;
use crate::stats::{self, Estimate};
use crate::units;

/// Width of the column of a strategy, enough for `12345.6 [12345.6, 12345.6]*`.
const COLUMN: usize = 28;
/// Width of the column of buffer sizes.
const LABEL: usize = 8;
/// KiB per MiB, the unit of the table.
const KIB_PER_MIB: f64 = 1024.0;

/// Writes medians with their intervals in MiB/s (in ns per call for the floor), and the results of the
/// analysis.
///
/// # Errors
/// The errors of `output`.
pub fn write(output: &mut dyn Write, document: &SweepDocument) -> io::Result<()> {
    let configuration = &document.sweep_configuration;
    writeln!(
        output,
        "Median bandwidth in MiB/s with its 95 % interval; * = fastest in its row; its interval overlaps no \
         other. {} in {:.1} s, {}{}.",
        units::counted(configuration.rounds, "round"),
        configuration.elapsed_seconds,
        caption::cache(configuration.cache),
        analysis::cache_missed(document).map_or(String::new(), |missed| format!(" (requested; {missed})"))
    )?;
    write!(output, "{:>LABEL$}", "bytes")?;
    for strategy in &configuration.strategies {
        let unit = if document.is_floor(strategy) { " (ns per call)" } else { "" };
        write!(output, " {:>COLUMN$}", format!("{}{unit}", line(strategy)))?;
    }
    writeln!(output)?;
    for block_bytes in &configuration.block_sizes_bytes {
        row(output, document, *block_bytes)?;
    }
    notes(output, document)?;
    output.flush()
}

fn row(output: &mut dyn Write, document: &SweepDocument, block_bytes: u64) -> io::Result<()> {
    write!(output, "{:>LABEL$}", units::size(block_bytes as f64))?;
    let of_size: Vec<&SweepRun> =
        document.runs.iter().filter(|run| run.benchmark_configuration.buffersize == block_bytes).collect();
    let fastest = fastest(&of_size);
    for strategy in &document.sweep_configuration.strategies {
        let run = of_size.iter().find(|run| run.benchmark_configuration.strategy == *strategy);
        let mark = if fastest == Some(strategy) { "*" } else { "" };
        write!(output, " {:>COLUMN$}", run.map_or(String::new(), |run| cell(run) + mark))?;
    }
    writeln!(output)
}

fn cell(run: &SweepRun) -> String {
    let Some(summary) = &run.summary else { return "-".to_owned() };
    let median = digits(in_unit_of_column(run, summary.numbers.median_kib_per_second));
    match summary.numbers.interval_kib_per_second {
        Some((low, high)) => {
            let (one, other) = (in_unit_of_column(run, low), in_unit_of_column(run, high));
            format!("{median} [{}, {}]", digits(one.min(other)), digits(one.max(other)))
        }
        None => format!("{median} (n={})", summary.numbers.n),
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

/// The strategy whose interval lies above all others, if there is one.
fn fastest<'a>(runs: &[&'a SweepRun]) -> Option<&'a String> {
    let interval = |run: &&'a SweepRun| {
        let (low, high) = run.summary.as_ref()?.numbers.interval_kib_per_second?;
        let configuration = &run.benchmark_configuration;
        // The floor has no bandwidth, so it is not compared.
        (!configuration.is_floor()).then_some((&configuration.strategy, low, high))
    };
    let intervals: Vec<(&String, f64, f64)> = runs.iter().filter_map(interval).collect();
    let best = intervals.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = intervals.iter().all(|other| other.0 == best.0 || other.2 < best.1);
    (alone && intervals.len() > 1).then_some(best.0)
}

fn notes(output: &mut dyn Write, document: &SweepDocument) -> io::Result<()> {
    let summaries: Vec<&Summary> = document.runs.iter().filter_map(|run| run.summary.as_ref()).collect();
    if summaries.is_empty() {
        writeln!(output, "No point could be measured.")?;
    } else {
        writeln!(
            output,
            "{} of {} converged (half-width of the interval at most {} % of the median).",
            summaries.iter().filter(|summary| summary.converged).count(),
            units::counted(summaries.len() as u64, "point"),
            (1e6 * document.sweep_configuration.precision).round() / 1e4
        )?;
    }
    if let Some(call_ns) = document.floors.system_call_ns {
        writeln!(output, "A minimal system call (getppid) takes {call_ns:.0} ns.")?;
    }
    if let Some(call_ns) = document.floors.harness_call_ns {
        writeln!(output, "The harness itself takes {call_ns:.2} ns per call.")?;
    }
    for strategy in &document.sweep_configuration.strategies {
        sync(output, document, strategy)?;
    }
    for model in &document.models {
        writeln!(output, "{}: {}.", line(&model.strategy), costs(model.per_call_ns, model.per_byte_ns))?;
    }
    for knee in &document.knees {
        let names: Vec<String> = knee
            .candidates
            .iter()
            .map(|constant| format!("{} ({})", constant.name, units::size(constant.bytes as f64)))
            .collect();
        let causes = if names.is_empty() {
            "no known size of this host (cache, page, pipe) lies in this interval".to_owned()
        } else {
            format!("possible cause: {}", names.join(" or "))
        };
        let at = knee.block_bytes;
        writeln!(
            output,
            "{}: knee at {} [{}, {}], where the slope changes from {:.2} to {:.2}; {causes}.",
            line(&knee.strategy),
            units::size(at.value),
            units::size(at.low),
            units::size(at.high),
            knee.slope_before,
            knee.slope_after
        )?;
    }
    for warning in &document.warnings {
        writeln!(output, "Warning: {}", line(&warning.message))?;
    }
    not_run(output, document)
}

/// The costs of a model, as a clause. A cost that would be printed as zero was not measured.
fn costs(call: Estimate, byte: Estimate) -> String {
    let per_call =
        format!("{} ns per call [{}, {}]", digits(call.value), digits(call.low), digits(call.high));
    let per_byte = format!("{:.4} ns per byte [{:.4}, {:.4}]", byte.value, byte.low, byte.high);
    match (call.value >= 0.0005, byte.value >= 0.000_05) {
        (true, true) => {
            let equal_at = units::size(call.value / byte.value);
            format!("{per_call}, {per_byte}; per-call and per-byte cost are equal at {equal_at}")
        }
        (false, true) => format!("{per_byte}; no per-call cost could be measured"),
        (true, false) => format!("{per_call}; no per-byte cost could be measured"),
        (false, false) => "neither a per-call nor a per-byte cost could be measured".to_owned(),
    }
}

/// Writes the range, over all buffer sizes, of the part of the time that the sync takes.
fn sync(output: &mut dyn Write, document: &SweepDocument, strategy: &str) -> io::Result<()> {
    let share = |run: &SweepRun| {
        let shares =
            run.measured().filter_map(|sample| Some(sample.sync_time_ns? as f64 / 1e9 / sample.time));
        stats::median(&shares.collect::<Vec<f64>>())
    };
    let percents: Vec<f64> =
        document.runs_of(strategy).filter_map(share).map(|share| 100.0 * share).collect();
    match stats::quantile(&percents, 0.0).zip(stats::quantile(&percents, 1.0)) {
        Some((least, most)) => writeln!(
            output,
            "{strategy}: the sync took {least:.0} to {most:.0} % of the time, depending on the buffer size; \
             JSON and CSV give the times of transfer and sync separately."
        ),
        None => Ok(()),
    }
}

/// Writes the points that did not run or failed. Points with the same strategy and kind of error share a
/// line, which gives the message of the first.
fn not_run(output: &mut dyn Write, document: &SweepDocument) -> io::Result<()> {
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
        let message = message.strip_prefix(&format!("{strategy}: ")).unwrap_or(message);
        let example = match sizes[..] {
            [first, _, ..] => format!("; at {}", units::size(first as f64)),
            _ => String::new(),
        };
        let sizes = size_list(&sizes, &document.sweep_configuration.block_sizes_bytes);
        writeln!(output, "{state}: {}.", line(&format!("{strategy} at {sizes}{example}: {message}")))?;
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

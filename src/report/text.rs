//! Documents as the text of the lab's program, line for line; `-v` adds iobench's own lines.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::document::{BenchmarkConfiguration, Document, SampleRecord};
use crate::host;
use crate::trace::record::{KernelRecord, ProbeEffect};

/// The block that describes the machine.
///
/// # Errors
/// Those of `output`.
pub fn host(output: &mut impl Write, configuration: &host::Configuration) -> io::Result<()> {
    writeln!(output, "Host configuration:")?;
    for (key, value) in configuration.lines() {
        writeln!(output, "  {key}: {value}")?;
    }
    Ok(())
}

/// The block that describes the run.
///
/// # Errors
/// Those of `output`.
pub fn benchmark(output: &mut impl Write, configuration: &BenchmarkConfiguration) -> io::Result<()> {
    writeln!(output, "Benchmark configuration:")?;
    for (key, value) in fields(configuration)? {
        match value {
            Value::Object(inner) => {
                for (inner_key, value) in inner {
                    writeln!(output, "  {key}.{inner_key}: {}", plain(&value))?;
                }
            }
            value => writeln!(output, "  {key}: {}", plain(&value))?,
        }
    }
    Ok(())
}

/// The block of one iteration: the lab's lines; with `verbose` also what iobench adds.
///
/// # Errors
/// Those of `output`.
pub fn sample(output: &mut impl Write, sample: &SampleRecord, verbose: bool) -> io::Result<()> {
    writeln!(output, "datum:")?;
    writeln!(output, "  bandwidth: {:.2} KBytes/sec", sample.bandwidth)?;
    writeln!(output, "  time: {:.9} seconds", sample.time)?;
    if let Some(usage) = &sample.usage {
        writeln!(output, "  utime: {:.6} seconds", usage.utime)?;
        writeln!(output, "  stime: {:.6} seconds", usage.stime)?;
        writeln!(output, "  nvcsw: {} voluntary context switches", usage.nvcsw)?;
        writeln!(output, "  nivcsw: {} involuntary context switches", usage.nivcsw)?;
        writeln!(output, "  inblock: {} blocks", usage.inblock)?;
        writeln!(output, "  oublock: {} blocks", usage.oublock)?;
    }
    if verbose {
        added_lines(output, sample)?;
    }
    sample.kernel.as_ref().map_or(Ok(()), |record| kernel(output, record))
}

/// What stands behind the samples: the output of a tracer's script, and the explanation.
///
/// # Errors
/// Those of `output`.
pub fn conclusion(output: &mut impl Write, document: &Document) -> io::Result<()> {
    if let Some(script_output) = document.trace.as_ref().and_then(|trace| trace.script_output.as_ref()) {
        write!(output, "{script_output}")?;
    }
    if let Some(effect) = &document.probe_effect {
        probe_effect(output, effect)?;
    }
    for sentence in document.explanation.iter().flatten() {
        writeln!(output, "{sentence}")?;
    }
    Ok(())
}

/// What iobench adds: every key of the record that the lab's text does not have, from `io_count` on.
fn added_lines(output: &mut impl Write, sample: &SampleRecord) -> io::Result<()> {
    let fields = fields(sample)?;
    for (key, value) in fields.iter().skip_while(|(key, _)| *key != "io_count") {
        if !value.is_null() && *key != "kernel" {
            writeln!(output, "  {key}: {}", plain(value))?;
        }
    }
    Ok(())
}

fn probe_effect(output: &mut impl Write, effect: &ProbeEffect) -> io::Result<()> {
    let (pairs, ratio) = (effect.traced_seconds.len(), effect.ratio_median);
    let interval = match effect.ratio_interval {
        Some((low, high)) => format!("95 % interval [{low:.3}, {high:.3}]"),
        None => "no interval below six pairs".to_owned(),
    };
    writeln!(
        output,
        "Traced samples took {ratio:.3} times as long as untraced ones: median of {pairs} pairs, {interval}."
    )
}

/// What the kernel did between the brackets, a line a figure.
fn kernel(output: &mut impl Write, record: &KernelRecord) -> io::Result<()> {
    writeln!(output, "  kernel:")?;
    for (part, value) in fields(record)? {
        match value {
            Value::Null => {}
            Value::Object(figures) if figures.is_empty() => writeln!(output, "    {part}: none")?,
            Value::Object(figures) => {
                for (key, value) in figures {
                    writeln!(output, "    {part}.{key}: {}", histogram_or_plain(&value))?;
                }
            }
            other => writeln!(output, "    {part}: {}", plain(&other))?,
        }
    }
    Ok(())
}

/// A histogram as `min-max:count` for each bucket; anything else as it is.
fn histogram_or_plain(value: &Value) -> String {
    let bucket =
        |entry: &Value| Some(format!("{}-{}:{}", entry.get("min")?, entry.get("max")?, entry.get("count")?));
    match value.as_array().map(|entries| entries.iter().map(bucket).collect::<Option<Vec<_>>>()) {
        Some(Some(buckets)) => buckets.join(" "),
        _ => plain(value),
    }
}

fn fields(record: &impl serde::Serialize) -> io::Result<Map<String, Value>> {
    match serde_json::to_value(record)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// A value as a person writes it: no quotes, `-` for nothing.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

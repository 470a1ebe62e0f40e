//! Documents as text. The lines are those of `io-benchmark`; `-v` adds lines of iobench.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{BenchmarkConfiguration, Document, SampleRecord};
use super::latency::{LatencyRecord, LatencyRecords};
use crate::host;
use crate::printable;
use crate::trace::record::{KernelRecord, ProbeEffect};

/// Writes the configuration of the host.
///
/// # Errors
/// The errors of `output`.
pub fn host(output: &mut dyn Write, configuration: &host::Configuration) -> io::Result<()> {
    writeln!(output, "Host configuration:")?;
    for (key, value) in lines(configuration) {
        writeln!(output, "  {key}: {value}")?;
    }
    Ok(())
}

/// Writes the configuration of the run.
///
/// # Errors
/// The errors of `output`.
pub fn benchmark(output: &mut dyn Write, configuration: &BenchmarkConfiguration) -> io::Result<()> {
    writeln!(output, "Benchmark configuration:")?;
    for (key, value) in fields(configuration) {
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

/// The keys of a record with their values as text, in order. A missing value is `-`.
pub fn lines(record: &impl Serialize) -> Vec<(String, String)> {
    fields(record).iter().map(|(key, value)| (key.clone(), plain(value))).collect()
}

/// Writes one sample with the lines of the lab. With `verbose`, also writes the keys that iobench adds.
///
/// # Errors
/// The errors of `output`.
pub fn sample(output: &mut dyn Write, sample: &SampleRecord, verbose: bool) -> io::Result<()> {
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
    let LatencyRecords { latency_ns, read_latency_ns, write_latency_ns, sync_latency_ns, commit_latency_ns } =
        &sample.latencies;
    for (name, latency) in [
        ("latency", latency_ns),
        ("read latency", read_latency_ns),
        ("write latency", write_latency_ns),
        ("sync latency", sync_latency_ns),
        ("write and sync", commit_latency_ns),
    ] {
        if let Some(latency) = latency {
            writeln!(output, "  {name}: {}", latency_line(latency))?;
        }
    }
    if let Some(skew_ns) = sample.skew_ns {
        let workers = sample.workers.len();
        writeln!(output, "  threads: {workers}; the last ended {:.3} ms after the first", skew_ns / 1e6)?;
    }
    if verbose {
        added_lines(output, sample)?;
    }
    sample.kernel.as_ref().map_or(Ok(()), |record| kernel(output, record))
}

/// Writes the text after the samples: the output of a tracer's script, the probe effect, and the explanation.
///
/// # Errors
/// The errors of `output`.
pub fn conclusion(output: &mut dyn Write, document: &Document) -> io::Result<()> {
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

/// Writes the keys that the text of the lab does not have: all keys from `io_count` on.
fn added_lines(output: &mut dyn Write, sample: &SampleRecord) -> io::Result<()> {
    let fields = fields(sample);
    for (key, value) in fields.iter().skip_while(|(key, _)| *key != "io_count") {
        let is_printed_above = key.ends_with("latency_ns") || key == "skew_ns";
        if !value.is_null() && !is_printed_above && !["kernel", "workers"].contains(&key.as_str()) {
            writeln!(output, "  {key}: {}", plain(value))?;
        }
    }
    Ok(())
}

/// Percentiles in microseconds. A percentile that needs more I/Os is `-`.
fn latency_line(latency: &LatencyRecord) -> String {
    let us = |ns: Option<f64>| ns.map_or("-".to_owned(), |ns| format!("{:.2}", ns / 1000.0));
    let LatencyRecord { count, p50, p90, p99, p99_9, max, .. } = latency;
    format!(
        "p50 {}, p90 {}, p99 {}, p99.9 {}, max {} microseconds ({count} I/Os)",
        us(*p50),
        us(*p90),
        us(*p99),
        us(*p99_9),
        us(*max)
    )
}

fn probe_effect(output: &mut dyn Write, effect: &ProbeEffect) -> io::Result<()> {
    let (pairs, ratio) = (effect.traced_seconds.len(), effect.ratio_median);
    let interval = match effect.ratio_interval {
        Some((low, high)) => format!("95 % interval [{low:.3}, {high:.3}]"),
        None => "no interval with fewer than six pairs".to_owned(),
    };
    writeln!(
        output,
        "Traced samples took {ratio:.3} times as long as untraced ones: median of {pairs} pairs, {interval}."
    )
}

/// Writes the kernel activity within the measured time, one line per value.
fn kernel(output: &mut dyn Write, record: &KernelRecord) -> io::Result<()> {
    writeln!(output, "  kernel:")?;
    for (part, value) in fields(record) {
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

/// A histogram as `min-max:count` per bucket; any other value as plain text.
fn histogram_or_plain(value: &Value) -> String {
    let bucket =
        |entry: &Value| Some(format!("{}-{}:{}", entry.get("min")?, entry.get("max")?, entry.get("count")?));
    match value.as_array().map(|entries| entries.iter().map(bucket).collect::<Option<Vec<_>>>()) {
        Some(Some(buckets)) => buckets.join(" "),
        _ => plain(value),
    }
}

fn fields(record: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A value as plain text, without quotes and brackets. A missing value is `-`.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable::line(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(key, value)| format!("{key}: {}", plain(value)));
            pairs.collect::<Vec<_>>().join("; ")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_objects_and_missing_values_are_plain_text() {
        let record = serde_json::json!({
            "hw.machine": "arm64",
            "hw.pagesizes": [4096, 2_097_152],
            "hw.ncpu": null,
            "cpu_mitigations": { "mds": "Not affected", "meltdown": "Mitigation: PTI" },
        });
        let lines = lines(&record);
        let values: Vec<&str> = lines.iter().map(|line| line.1.as_str()).collect();
        assert_eq!(values, ["arm64", "4096, 2097152", "-", "mds: Not affected; meltdown: Mitigation: PTI"]);
    }
}

//! A sweep as tidy CSV, with one row per sample.

use std::io::{self, Write};

use super::axes::Axis;
use super::document::{Role, SampleRecord};
use super::latency::Metric;
use super::sweep::{SweepDocument, SweepRun};

const HEADER: &str = "strategy,operation,buffersize_bytes,totalsize_bytes,order_index,role,\
                      bandwidth_kib_per_second,time_seconds,transfer_time_ns,sync_time_ns,io_count,\
                      resident_fraction_before,resident_fraction_after,cache_reached,\
                      iodepth,threads,access,cache,mix,rate,direct,cpu_ns_per_io,\
                      latency_p50_ns,latency_p99_ns";

/// Writes a header and a row for each sample. No value contains a comma or a quote, so no value is quoted.
///
/// # Errors
/// The errors of `output`.
pub fn write(output: &mut dyn Write, document: &SweepDocument) -> io::Result<()> {
    writeln!(output, "{HEADER}")?;
    for run in &document.runs {
        for sample in &run.benchmark_samples {
            writeln!(output, "{}", row(run, sample))?;
        }
    }
    output.flush()
}

fn row(run: &SweepRun, sample: &SampleRecord) -> String {
    let configuration = &run.benchmark_configuration;
    let requested = &configuration.requested;
    let role = match sample.role {
        Some(Role::Warmup) => "warmup",
        Some(Role::Disturbed) => "disturbed",
        Some(Role::Measured) | None => "measured",
    };
    let fields = [
        configuration.strategy.clone(),
        configuration.operation.name().to_owned(),
        configuration.buffersize.to_string(),
        configuration.totalsize.to_string(),
        optional(sample.order_index),
        role.to_owned(),
        sample.bandwidth.to_string(),
        sample.time.to_string(),
        optional(sample.transfer_time_ns),
        optional(sample.sync_time_ns),
        sample.io_count.to_string(),
        optional(sample.resident_fraction_before),
        optional(sample.resident_fraction_after),
        optional(sample.cache_reached),
        Axis::Iodepth.value(configuration).number.map_or(String::new(), |depth| depth.to_string()),
        requested.threads.to_string(),
        requested.access.to_string(),
        Axis::Cache.value(configuration).words,
        optional(requested.mix),
        optional(requested.rate),
        requested.direct.to_string(),
        optional(sample.cpu_ns_per_io),
        optional(Metric::P50.of(&sample.latencies)),
        optional(Metric::P99.of(&sample.latencies)),
    ];
    fields.join(",")
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

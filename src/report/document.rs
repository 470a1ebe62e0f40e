//! The document that `-j` prints: the lab's keys under the lab's names, and what iobench adds.
//!
//! `docs/benchmark.schema.json` is generated from these types. Keys that iobench adds are always
//! there, `null` where they mean nothing; the lab's getrusage keys are there with `-g` only, as in
//! the lab's program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::iteration::Sample;
use crate::engine::operation::Mode;
use crate::engine::prepare::Preparation;
use crate::engine::strategy::{Effective, Properties};
use crate::engine::support::Alignment;
use crate::engine::usage::Usage;
use crate::engine::workload::Workload;
use crate::error::{Error, ErrorKind};
use crate::host;
use crate::trace::record::{KernelRecord, ProbeEffect, TraceRecord};

/// Version of every document. It changes when a key changes its name or meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// The version that a document states; by default that of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaVersion(u32);

impl Default for SchemaVersion {
    fn default() -> SchemaVersion {
        SchemaVersion(SCHEMA_VERSION)
    }
}

/// The result of one run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Result of an iobench run")]
pub struct Document {
    /// Version of this document's form.
    pub schema_version: SchemaVersion,
    /// The machine (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_configuration: Option<host::Configuration>,
    /// Load and pressure when the run began (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions_before: Option<host::Conditions>,
    /// Load and pressure when it ended (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions_after: Option<host::Conditions>,
    /// What was run, as asked and as granted (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub benchmark_configuration: Option<BenchmarkConfiguration>,
    /// One object an iteration, in order.
    pub benchmark_samples: Vec<SampleRecord>,
    /// Warnings about the run.
    pub warnings: Vec<Warning>,
    /// What a tracer says about the run as a whole (iobench trace).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceRecord>,
    /// What tracing costs (iobench trace --probe-effect).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_effect: Option<ProbeEffect>,
    /// Where the time went, in sentences (--explain).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Vec<String>>,
    /// What ended the run early; absent if nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
}

impl Document {
    /// Leaves out what only `-v` prints.
    pub fn without_configuration(self) -> Document {
        Document {
            host_configuration: None,
            conditions_before: None,
            conditions_after: None,
            benchmark_configuration: None,
            ..self
        }
    }
}

/// Something that the reader of a result should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Kind, for programs.
    pub kind: WarningKind,
    /// The warning in one sentence.
    pub message: String,
}

impl Warning {
    /// A warning of this kind.
    pub fn new(kind: WarningKind, message: impl Into<String>) -> Warning {
        Warning { kind, message: message.into() }
    }
}

/// Kinds of a [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// An option that has no meaning for this strategy.
    OptionWithoutEffect,
    /// Writes with O_DIRECT may go through the page cache.
    BufferedDirectWrites,
    /// Part of what is read was never written.
    NeverWritten,
    /// The requested cache state was not reached.
    CacheNotReached,
    /// The processor was slowed during the run.
    SlowedProcessor,
    /// The machine changed during the run.
    Drift,
    /// The harness is a large part of what was measured.
    HarnessCost,
    /// A warning of a document of version 1, which had no kinds.
    Unspecified,
}

/// What ended a command early.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRecord {
    /// Kind, for programs.
    pub kind: ErrorKind,
    /// The sentence that was printed on standard error.
    pub message: String,
    /// Exit code of the program.
    pub exit_code: u8,
    /// The operation or system call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The file or device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Offset of the I/O that failed, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_bytes: Option<u64>,
    /// Name of the kernel's answer: ENOSPC, for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
}

impl From<&Error> for ErrorRecord {
    fn from(error: &Error) -> ErrorRecord {
        ErrorRecord {
            kind: error.kind(),
            message: error.to_string(),
            exit_code: error.exit_code(),
            operation: error.operation().map(str::to_owned),
            path: error.path().map(|path| path.display().to_string()),
            offset_bytes: error.offset_bytes(),
            errno: error.errno().map(|errno| format!("{errno:?}")),
        }
    }
}

/// What was run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct BenchmarkConfiguration {
    /// Size of one I/O, in bytes.
    pub buffersize: u64,
    /// Number of bytes moved in one iteration.
    pub totalsize: u64,
    /// Number of I/Os in one iteration.
    pub blockcount: u64,
    /// create, describe, read or write.
    pub operation: Mode,
    /// The file or device.
    pub path: String,
    /// Number of iterations asked for.
    pub iterations: u64,
    /// Version of this object; the same as the document's.
    pub schema_version: SchemaVersion,
    /// Version of iobench.
    pub version: String,
    /// Name of the I/O path.
    pub strategy: String,
    /// Facts about that path.
    pub properties: Properties,
    /// The command line.
    pub argv: Vec<String>,
    /// Start of the run: RFC 3339, UTC.
    pub start_time: String,
    /// What was done before each bracket.
    #[serde(flatten)]
    pub preparation: Preparation,
    /// True if getrusage(2) was called around the bracket (-g).
    pub usage: bool,
    /// True if the file was made by this run (-c, or --create on a missing file).
    pub created: bool,
    /// Bytes of the range that lie in holes: reading those is not reading. Null if unknown.
    pub hole_bytes: Option<u64>,
    /// Bytes of the range that are allocated but were never written. Null if unknown.
    pub unwritten_bytes: Option<u64>,
    /// The workload as it was asked for.
    pub requested: Workload,
    /// What was granted; null if no iteration began.
    pub granted: Option<Granted>,
}

impl BenchmarkConfiguration {
    /// True if the run performs no I/O: it measures the floor and has no bandwidth.
    #[must_use]
    pub fn is_floor(&self) -> bool {
        !self.properties.performs_io
    }

    /// A warning if the run reads bytes that were never written.
    #[must_use]
    pub fn never_written(&self) -> Option<Warning> {
        let empty_bytes = self.hole_bytes?.max(self.unwritten_bytes.unwrap_or(0));
        let message = format!(
            "{}: {empty_bytes} of {} bytes were never written; reading holes reaches no device. Make the file with -c",
            self.path, self.totalsize
        );
        let reads_holes = empty_bytes > 0 && self.operation != Mode::Write;
        reads_holes.then(|| Warning::new(WarningKind::NeverWritten, message))
    }
}

/// What was granted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Granted {
    /// What the strategy was granted when it opened the file.
    #[serde(flatten)]
    pub effective: Effective,
    /// The CPU that the process was pinned to; null if it was not.
    pub cpu: Option<usize>,
    /// Alignment that O_DIRECT requires here; null if it was not used.
    pub alignment: Option<Alignment>,
}

/// What one iteration measured.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct SampleRecord {
    /// KiB (1024 bytes) per second.
    pub bandwidth: f64,
    /// Seconds between the brackets.
    pub time: f64,
    /// With -g: what getrusage(2) says.
    #[serde(flatten)]
    pub usage: Option<UsageRecord>,
    /// I/Os that moved their whole block.
    pub io_count: u64,
    /// Bytes moved.
    pub transferred_bytes: u64,
    /// Calls that a signal interrupted and that were made again.
    pub interrupted_calls: u64,
    /// Page faults that needed no I/O; null without -g.
    pub minor_faults: Option<i64>,
    /// Page faults that needed I/O; null without -g.
    pub major_faults: Option<i64>,
    /// Time between the brackets in which the thread was ready to run but others ran on its CPU, in
    /// nanoseconds; null without -g, or where the kernel does not tell.
    pub run_queue_wait_ns: Option<u64>,
    /// With -s: nanoseconds until the last block had moved; else null.
    pub transfer_time_ns: Option<u64>,
    /// With -s: nanoseconds that the sync took; else null.
    pub sync_time_ns: Option<u64>,
    /// Part of the range that was in the page cache before the bracket, 0 to 1; null if unknown.
    pub resident_fraction_before: Option<f64>,
    /// The same after the bracket.
    pub resident_fraction_after: Option<f64>,
    /// Whether the state asked for with --cache was reached; null if none was, or if unknown.
    pub cache_reached: Option<bool>,
    /// Whether the sample counts (sweep only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Place of the sample among all samples of the experiment, from 0 (sweep only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_index: Option<u64>,
    /// What the kernel did between the brackets (iobench trace).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelRecord>,
}

/// Whether a sample counts. Warm-up is kept and labelled, not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Taken before the point had settled.
    Warmup,
    /// Taken while the processor was slowed, by the controls beside it.
    Disturbed,
    /// Counts.
    Measured,
}

/// The lab's getrusage(2) keys.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UsageRecord {
    /// Seconds in user mode.
    pub utime: f64,
    /// Seconds in the kernel.
    pub stime: f64,
    /// Voluntary context switches.
    pub nvcsw: i64,
    /// Involuntary context switches.
    pub nivcsw: i64,
    /// Block input operations (Linux: units of 512 bytes).
    pub inblock: i64,
    /// Block output operations (Linux: units of 512 bytes).
    pub oublock: i64,
    /// The same under the name that the lab's text uses.
    pub outblock: i64,
}

impl From<&Usage> for UsageRecord {
    fn from(usage: &Usage) -> UsageRecord {
        UsageRecord {
            utime: usage.user_us as f64 / 1e6,
            stime: usage.system_us as f64 / 1e6,
            nvcsw: usage.voluntary_switches,
            nivcsw: usage.involuntary_switches,
            inblock: usage.blocks_in,
            oublock: usage.blocks_out,
            outblock: usage.blocks_out,
        }
    }
}

impl SampleRecord {
    /// Whether statistics are of this sample: it is neither warm-up nor disturbed.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self.role, None | Some(Role::Measured))
    }
}

/// Bandwidths of the samples that count, in KiB/s.
#[must_use]
pub fn measured_bandwidths(samples: &[SampleRecord]) -> Vec<f64> {
    samples.iter().filter(|sample| sample.counts()).map(|sample| sample.bandwidth).collect()
}

impl From<&Sample> for SampleRecord {
    fn from(sample: &Sample) -> SampleRecord {
        let time = sample.elapsed.total_ns as f64 / 1e9;
        let transfer_time_ns = sample.elapsed.transfer_ns;
        SampleRecord {
            bandwidth: bandwidth(sample.transferred_bytes, sample.elapsed.total_ns),
            time,
            usage: sample.usage.as_ref().map(UsageRecord::from),
            io_count: sample.tally.io_count,
            transferred_bytes: sample.transferred_bytes,
            interrupted_calls: sample.tally.interrupted_calls,
            minor_faults: sample.usage.map(|usage| usage.minor_faults),
            major_faults: sample.usage.map(|usage| usage.major_faults),
            run_queue_wait_ns: sample.usage.and_then(|usage| usage.run_queue_wait_ns),
            transfer_time_ns,
            sync_time_ns: transfer_time_ns
                .map(|transfer_ns| sample.elapsed.total_ns.saturating_sub(transfer_ns)),
            resident_fraction_before: sample.resident_fraction_before,
            resident_fraction_after: sample.resident_fraction_after,
            cache_reached: sample.cache_reached,
            role: None,
            order_index: None,
            kernel: None,
        }
    }
}

/// KiB per second. A time of zero is taken as one nanosecond, the clock's unit: JSON has no infinity.
fn bandwidth(transferred_bytes: u64, elapsed_ns: u64) -> f64 {
    transferred_bytes as f64 / 1024.0 / (elapsed_ns.max(1) as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_is_in_units_of_1024_bytes_per_second() {
        assert_eq!(bandwidth(1024, 1_000_000_000), 1.0);
        assert_eq!(bandwidth(16 * 1024 * 1024, 500_000_000), 32768.0);
        assert!(bandwidth(1024, 0).is_finite());
    }
}

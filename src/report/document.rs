//! The document that `-j` prints. It has the keys of `io-benchmark` under the same names, and keys that
//! iobench adds.
//!
//! `docs/benchmark.schema.json` is generated from these types. Keys that iobench adds are always present, and
//! `null` if they do not apply. The getrusage(2) keys of the lab are present only with `-g`, as in the lab's
//! program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::latency::LatencyRecords;
use crate::engine::cache::CacheState;
use crate::engine::iteration::Sample;
use crate::engine::operation::Mode;
use crate::engine::prepare::Preparation;
use crate::engine::strategy::{Effective, Properties};
use crate::engine::support::Alignment;
use crate::engine::target::Target;
use crate::engine::team::{self, WorkerPart};
use crate::engine::usage::Usage;
use crate::engine::workload::Workload;
use crate::error::{Error, ErrorKind};
use crate::host;
use crate::trace::record::{KernelRecord, ProbeEffect, TraceRecord};

/// Version of all document formats. It changes when a key changes its name or meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// Version of the format of a document. The default is the version that this program writes.
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
    /// Version of the document format.
    pub schema_version: SchemaVersion,
    /// The machine (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_configuration: Option<host::Configuration>,
    /// Load and pressure at the start of the run (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions_before: Option<host::Conditions>,
    /// Load and pressure at the end of the run (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions_after: Option<host::Conditions>,
    /// Configuration of the run, as requested and as granted (with -v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub benchmark_configuration: Option<BenchmarkConfiguration>,
    /// One object per iteration, in order.
    pub benchmark_samples: Vec<SampleRecord>,
    /// Warnings about the run.
    pub warnings: Vec<Warning>,
    /// Record of the tracer for the whole run (iobench trace).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceRecord>,
    /// Cost of tracing (iobench trace --probe-effect).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_effect: Option<ProbeEffect>,
    /// Explanation of where the time is spent, in sentences (--explain).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Vec<String>>,
    /// Error that ended the run early; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
}

impl Document {
    /// Removes the parts that only `-v` prints.
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

/// A condition that affects the interpretation of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Kind of the warning, for programs.
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
    /// An option has no effect on this strategy.
    OptionWithoutEffect,
    /// Writes with O_DIRECT may go through the page cache.
    BufferedDirectWrites,
    /// Part of the range that is read was never written.
    NeverWritten,
    /// The requested cache state was not reached, or could not be checked.
    CacheNotReached,
    /// A sample did not reach the requested rate.
    RateNotReached,
    /// Reads with O_DIRECT were served from memory.
    DirectFromMemory,
    /// Another benchmark is pinned to the same CPU.
    SharedCpu,
    /// A cache below the page cache may hold the data.
    LowerCache,
    /// The file became longer or shorter during the run.
    FileResized,
    /// A run that was killed left a temporary file.
    Leftover,
    /// Two results are not about the same file.
    OtherFile,
    /// The analysis ended early.
    AnalysisIncomplete,
    /// Many samples do not count, because something else slowed the processor or ran on its CPU.
    SlowedProcessor,
    /// Some points could only be measured while something else slowed the processor or ran on its CPU.
    NotQuiet,
    /// The speed of the machine changed during the run.
    Drift,
    /// The harness takes a large part of the measured time.
    HarnessCost,
    /// A warning from a document of version 1, which has no kinds.
    Unspecified,
}

/// Error that ended a command early.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRecord {
    /// Kind of the error, for programs.
    pub kind: ErrorKind,
    /// Message as printed on standard error.
    pub message: String,
    /// Exit code of the program.
    pub exit_code: u8,
    /// Operation or system call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// File or device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Offset of the I/O that failed, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_bytes: Option<u64>,
    /// Name of the error number, for example ENOSPC.
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

/// Identity of the file or device that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    /// Absolute path, without symbolic links.
    pub absolute_path: String,
    /// Number of the device that holds the file (`st_dev` of stat(2)).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size when the run started, in bytes; null for a character device.
    pub size_bytes: Option<u64>,
    /// Caches below the page cache that may serve what misses it: the file behind a loop device, the server
    /// of a filesystem, the layers of an overlay. The host of a virtual machine is not listed.
    #[serde(default)]
    pub lower_caches: Vec<String>,
}

impl From<&Target> for TargetRecord {
    fn from(target: &Target) -> TargetRecord {
        let path = target.path();
        let absolute_path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        TargetRecord {
            absolute_path: absolute_path.display().to_string(),
            device: target.inode().device,
            inode: target.inode().number,
            size_bytes: target.size_bytes(),
            lower_caches: host::lower_caches(path),
        }
    }
}

/// Configuration of a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct BenchmarkConfiguration {
    /// Size of one I/O, in bytes.
    pub buffersize: u64,
    /// Number of bytes moved per iteration.
    pub totalsize: u64,
    /// Number of I/Os per iteration.
    pub blockcount: u64,
    /// Mode of the run: create, describe, read or write.
    pub operation: Mode,
    /// File or device.
    pub path: String,
    /// Requested number of iterations; with --for the number that the time was enough for.
    pub iterations: u64,
    /// Version of the format, the same as in the document.
    pub schema_version: SchemaVersion,
    /// Version of iobench.
    pub version: String,
    /// Name of the strategy.
    pub strategy: String,
    /// Properties of the strategy.
    pub properties: Properties,
    /// The command line.
    pub argv: Vec<String>,
    /// Start of the run, as RFC 3339 in UTC.
    pub start_time: String,
    /// Preparation of each sample.
    #[serde(flatten)]
    pub preparation: Preparation,
    /// True if getrusage(2) was called around the measured time (-g).
    pub usage: bool,
    /// True if this run created the file (-c, or --create on a missing file).
    pub created: bool,
    /// Size of the existing file that this run truncated (-c), in bytes; null if it truncated none.
    #[serde(default)]
    pub truncated_bytes: Option<u64>,
    /// The file or device that was measured. Null if it was not opened, and in results of earlier versions.
    #[serde(default)]
    pub target: Option<TargetRecord>,
    /// Bytes of the range that are holes. Reads of holes do not reach the device. Null if unknown.
    pub hole_bytes: Option<u64>,
    /// Bytes of the range that are allocated but were never written. Null if unknown.
    pub unwritten_bytes: Option<u64>,
    /// Workload as requested.
    pub requested: Workload,
    /// Digest of the offsets in their order, the same for every strategy; null if the blocks follow each
    /// other, and in results of earlier versions.
    #[serde(default)]
    pub offsets_digest: Option<String>,
    /// Time for which samples were repeated, in seconds (--for); null for a number of samples.
    #[serde(default)]
    pub for_seconds: Option<f64>,
    /// Settings as granted; null if no iteration started.
    pub granted: Option<Granted>,
}

impl BenchmarkConfiguration {
    /// Strategy, workload and cache state, which tell the points of a sweep apart.
    pub fn point(&self) -> (&str, Workload, CacheState) {
        (&self.strategy, self.requested, self.preparation.cache)
    }

    /// True if the strategy performs no I/O. Such a run measures the floor and has no bandwidth.
    pub fn is_floor(&self) -> bool {
        !self.properties.performs_io
    }

    /// A warning if the run reads bytes that were never written, or writes where nothing is allocated.
    pub fn never_written(&self) -> Option<Warning> {
        let empty_bytes = self.hole_bytes?.max(self.unwritten_bytes.unwrap_or(0));
        let effect = match self.operation {
            Mode::Write => "so writing them includes their allocation",
            _ => "so reading them does not reach the device",
        };
        let message = format!(
            "{}: {empty_bytes} of {} bytes were never written, {effect}; create the file with -c",
            self.path, self.totalsize
        );
        (empty_bytes > 0).then(|| Warning::new(WarningKind::NeverWritten, message))
    }

    /// Counts the bytes of a sample that O_DIRECT moved. O_DIRECT is not granted if they did not come from
    /// the device.
    pub fn add_evidence(&mut self, sample: &SampleRecord) {
        let requested = self.requested.direct;
        let Some(granted) = self.granted.as_mut().filter(|_| requested) else { return };
        let Some(bytes) = sample.device_read_bytes else { return };
        let served = granted.direct_served_bytes.map_or(bytes, |before| before.min(bytes));
        granted.direct_served_bytes = Some(served);
        granted.effective.direct &= served as f64 >= SERVED_FRACTION * sample.transferred_bytes as f64;
    }

    /// A warning if reads with O_DIRECT came from memory.
    pub fn direct_from_memory(&self) -> Option<Warning> {
        let granted = self.granted.as_ref().filter(|granted| !granted.effective.direct)?;
        let bytes = granted.direct_served_bytes?;
        let message = format!(
            "{}: O_DIRECT was accepted, but only {bytes} of {} bytes came from the device; the rest came \
             from memory",
            self.path, self.totalsize
        );
        Some(Warning::new(WarningKind::DirectFromMemory, message))
    }

    /// A warning if reads that miss the page cache may be served by another cache.
    pub fn lower_caches(&self) -> Option<Warning> {
        let caches = &self.target.as_ref()?.lower_caches;
        let misses = self.preparation.cache == CacheState::Cold || self.requested.direct;
        let reads = self.operation == Mode::Read && !self.is_floor();
        let message = format!(
            "{}: what misses the page cache may come from another cache: {}",
            self.path,
            caches.join("; ")
        );
        let warns = misses && reads && !caches.is_empty();
        warns.then(|| Warning::new(WarningKind::LowerCache, message))
    }
}

/// Settings as granted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Granted {
    /// Settings that the strategy was granted when it opened the file.
    #[serde(flatten)]
    pub effective: Effective,
    /// Smallest number of bytes that a sample with O_DIRECT read from the device; null without O_DIRECT, and
    /// for writes, which no counter tells apart. If it is less than the total, `direct` is false.
    #[serde(default)]
    pub direct_served_bytes: Option<u64>,
    /// Memory of all buffers: workers times depth times block size, in bytes.
    #[serde(default)]
    pub buffer_bytes: u64,
    /// CPU that the process was pinned to; null if it was not pinned.
    pub cpu: Option<usize>,
    /// Alignment that O_DIRECT requires on this target; null if O_DIRECT was not used.
    pub alignment: Option<Alignment>,
}

/// Sample of one iteration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct SampleRecord {
    /// Bandwidth in KiB (1024 bytes) per second.
    pub bandwidth: f64,
    /// Measured time, in seconds.
    pub time: f64,
    /// Values of getrusage(2) (with -g).
    #[serde(flatten)]
    pub usage: Option<UsageRecord>,
    /// Number of I/Os that moved their whole block.
    pub io_count: u64,
    /// Number of bytes moved.
    pub transferred_bytes: u64,
    /// Number of calls that a signal interrupted and that were repeated.
    pub interrupted_calls: u64,
    /// CLOCK_MONOTONIC at the start of the measured time, in nanoseconds, as tracers also print it. Null in
    /// results of earlier versions.
    #[serde(default)]
    pub started_ns: Option<u64>,
    /// Processor time per I/O, in nanoseconds: of the process (with -g), or of the workers (with --threads).
    /// Null otherwise.
    #[serde(default)]
    pub cpu_ns_per_io: Option<f64>,
    /// Number of page faults that needed no I/O; null without -g.
    pub minor_faults: Option<i64>,
    /// Number of page faults that needed I/O; null without -g.
    pub major_faults: Option<i64>,
    /// Run queue wait within the measured time, in nanoseconds: the thread was ready to run, but other
    /// threads ran on its CPU. Null without -g, or if unknown.
    pub run_queue_wait_ns: Option<u64>,
    /// Bytes that the process read from devices (getrusage, in units of 512 bytes). Null for writes, and
    /// without -g, -d and --cache.
    pub device_read_bytes: Option<u64>,
    /// Time until the last block was moved, in nanoseconds; null without -s.
    pub transfer_time_ns: Option<u64>,
    /// Time of the sync, in nanoseconds; null without -s.
    pub sync_time_ns: Option<u64>,
    /// Fraction of the range that was in the page cache before the measured time, 0 to 1; null if unknown.
    pub resident_fraction_before: Option<f64>,
    /// Fraction of the range that was in the page cache after the measured time, 0 to 1; null if unknown.
    pub resident_fraction_after: Option<f64>,
    /// True if the sample started in the cache state requested with --cache; null if no state was requested,
    /// or if unknown.
    pub cache_reached: Option<bool>,
    /// Latencies, of the I/Os (--latency) and of the syncs (--sync-every).
    #[serde(flatten)]
    pub latencies: LatencyRecords,
    /// With --rate: I/Os per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achieved_rate: Option<f64>,
    /// With --mix: number of reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_count: Option<u64>,
    /// With --mix: number of writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_count: Option<u64>,
    /// With several workers: the part of each, the measuring thread first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerPart>,
    /// With several workers: time from the end of the first to the end of the last, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ns: Option<f64>,
    /// Role of the sample in the statistics (sweep only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Position of the sample in the order of measurement of the sweep, from 0 (sweep only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_index: Option<u64>,
    /// Kernel activity within the measured time (iobench trace).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelRecord>,
}

/// Role of a sample in the statistics. Samples that do not count stay in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Does not count: measured while the point was still warming up.
    Warmup,
    /// Does not count: other threads ran on its CPU, or the processor was slowed according to the control
    /// readings.
    Disturbed,
    /// Counts.
    Measured,
}

/// The getrusage(2) keys of the lab.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UsageRecord {
    /// CPU time in user mode, in seconds.
    pub utime: f64,
    /// CPU time in the kernel, in seconds.
    pub stime: f64,
    /// Number of voluntary context switches.
    pub nvcsw: i64,
    /// Number of involuntary context switches.
    pub nivcsw: i64,
    /// Number of block input operations (Linux: units of 512 bytes).
    pub inblock: i64,
    /// Number of block output operations (Linux: units of 512 bytes).
    pub oublock: i64,
    /// The value of oublock under the name that the text of the lab uses.
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
    /// True if the sample counts in statistics: it is neither warm-up nor disturbed.
    pub fn counts(&self) -> bool {
        matches!(self.role, None | Some(Role::Measured))
    }

    /// Time in which the thread was ready to run but another one ran on its CPU, in seconds. Results of
    /// earlier versions may hold a wait that began before the sample; it is at most the time in which the
    /// process did not run.
    pub fn off_cpu_seconds(&self) -> Option<f64> {
        let wait = self.run_queue_wait_ns? as f64 / 1e9;
        let usage = self.usage.as_ref()?;
        Some(wait.min((self.time - usage.utime - usage.stime).max(0.0)))
    }

    /// True if the sample lost more than 5 % of its time to other threads on its CPU. A sample that also
    /// slept is not judged: it may have waited for its own device.
    pub fn was_preempted(&self) -> bool {
        let never_slept = self.usage.as_ref().is_some_and(|usage| usage.nvcsw == 0);
        never_slept && self.off_cpu_seconds().is_some_and(|seconds| seconds > OFF_CPU_LIMIT * self.time)
    }
}

/// Fraction of the bytes that must come from the device. Some filesystems store a little less than they
/// return.
const SERVED_FRACTION: f64 = 0.99;

/// Fraction of its time that a sample may spend ready to run but off the CPU.
const OFF_CPU_LIMIT: f64 = 0.05;

/// Bandwidths of the samples that count, in KiB/s.
pub fn measured_bandwidths(samples: &[SampleRecord]) -> Vec<f64> {
    samples.iter().filter(|sample| sample.counts()).map(|sample| sample.bandwidth).collect()
}

impl From<&Sample> for SampleRecord {
    fn from(sample: &Sample) -> SampleRecord {
        let time = sample.elapsed.total_ns as f64 / 1e9;
        let transfer_time_ns = sample.elapsed.transfer_ns;
        let workload = &sample.workload;
        SampleRecord {
            bandwidth: bandwidth(sample.transferred_bytes, sample.elapsed.total_ns),
            time,
            usage: sample.usage.as_ref().map(UsageRecord::from),
            started_ns: Some(sample.elapsed.opened_ns),
            cpu_ns_per_io: sample.cpu_ns().map(|cpu_ns| cpu_ns / sample.tally.io_count.max(1) as f64),
            io_count: sample.tally.io_count,
            transferred_bytes: sample.transferred_bytes,
            interrupted_calls: sample.tally.interrupted_calls,
            minor_faults: sample.usage.map(|usage| usage.minor_faults),
            major_faults: sample.usage.map(|usage| usage.major_faults),
            run_queue_wait_ns: sample.usage.and_then(|usage| usage.run_queue_wait_ns),
            device_read_bytes: sample.device_read_bytes,
            transfer_time_ns,
            sync_time_ns: transfer_time_ns
                .map(|transfer_ns| sample.elapsed.total_ns.saturating_sub(transfer_ns)),
            resident_fraction_before: sample.resident_fraction_before,
            resident_fraction_after: sample.resident_fraction_after,
            cache_reached: sample.cache_reached,
            latencies: sample
                .recorded
                .as_ref()
                .map(|recorded| LatencyRecords::new(workload, recorded))
                .unwrap_or_default(),
            achieved_rate: workload.rate.map(|_| sample.tally.io_count as f64 / time.max(1e-9)),
            read_count: workload.mix.map(|_| workload.reads()),
            write_count: workload.mix.map(|_| workload.writes()),
            workers: sample.workers.clone(),
            skew_ns: team::skew_ns(&sample.workers),
            role: None,
            order_index: None,
            kernel: None,
        }
    }
}

/// Bandwidth in KiB per second. A time of zero counts as one nanosecond, because JSON has no infinity.
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

//! The results of a trace, as they are stored in a document.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::show::Show;

/// The trace of a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceRecord {
    /// bpftrace, dtrace or strace.
    pub tracer: String,
    /// Requested parts.
    pub shown: Vec<Show>,
    /// Raw clock_gettime calls that the tracer saw: two per sample if none was missed.
    pub clock_calls_seen: u64,
    /// Events that the tracer reports as lost.
    pub lost_events: u64,
    /// True if the trace is reliable: two clock calls per sample, no event lost, and no early exit of the
    /// tracer.
    pub complete: bool,
    /// Reasons why the trace is not reliable, in sentences; empty if it is.
    pub problems: Vec<String>,
    /// Output of the user's script (--script); null without one.
    pub script_output: Option<String>,
}

/// Everything that a tracer saw during a run.
#[derive(Debug, Default)]
pub struct Observation {
    /// One record per sample.
    pub records: Vec<KernelRecord>,
    /// Number of clock_gettime calls.
    pub clock_calls: u64,
    /// Number of events that the tracer reports as lost.
    pub lost_events: u64,
}

/// Cost of tracing: samples with and without the tracer, in pairs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeEffect {
    /// Seconds of each traced sample, in order.
    pub traced_seconds: Vec<f64>,
    /// Seconds of the untraced sample of each pair.
    pub untraced_seconds: Vec<f64>,
    /// Median over the pairs of traced divided by untraced time.
    pub ratio_median: f64,
    /// Order-statistic interval of that median with at least 95 % confidence; null below six pairs.
    pub ratio_interval: Option<(f64, f64)>,
}

/// Activity of the kernel between the two brackets of one sample. A part is null if it was not requested, or
/// if the tracer cannot record it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelRecord {
    /// System calls of the benchmark: name -> count.
    pub syscalls: Option<BTreeMap<String, u64>>,
    /// Bytes that read, write, pread64 and pwrite64 were asked to move; null if the tracer does not see
    /// arguments.
    pub asked_bytes: Option<u64>,
    /// Time inside each system call: name -> histogram.
    pub latency_ns: Option<BTreeMap<String, Vec<Bucket>>>,
    /// Requests of any process to the disks that carry the file while the bracket was open.
    pub block: Option<BlockRecord>,
    /// Page faults of the process.
    pub faults: Option<FaultRecord>,
    /// Pages that the process brought into the page cache.
    pub cache: Option<CacheRecord>,
    /// Context switches of the benchmark's thread.
    pub sched: Option<SchedRecord>,
    /// Operations of io_uring.
    pub uring: Option<UringRecord>,
}

impl KernelRecord {
    /// A record of a sample without system calls. Its tables are present if `show` requests them.
    pub fn without_calls(show: &BTreeSet<Show>) -> KernelRecord {
        KernelRecord {
            syscalls: show.contains(&Show::Syscalls).then(BTreeMap::new),
            latency_ns: show.contains(&Show::Latency).then(BTreeMap::new),
            ..KernelRecord::default()
        }
    }
}

/// The name of a system call as printed by a tracer: either the name itself or its number on Linux. An
/// unknown number becomes `syscall_N`.
pub fn call_name(call: &str) -> String {
    let call = call.trim();
    let Ok(number) = call.parse() else { return call.to_owned() };
    syscalls::Sysno::new(number).map_or_else(|| format!("syscall_{number}"), |call| call.name().to_owned())
}

/// A bucket of a histogram, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Smallest value of the bucket.
    pub min: u64,
    /// Largest value of the bucket.
    pub max: u64,
    /// Number of values in the bucket.
    pub count: u64,
}

/// Requests to a block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockRecord {
    /// Number of read requests.
    pub read_requests: u64,
    /// Bytes of the read requests.
    pub read_bytes: u64,
    /// Number of write requests, including flushes and discards.
    pub write_requests: u64,
    /// Bytes of the write requests.
    pub write_bytes: u64,
    /// Bytes that the process itself submitted to the block layer. Bytes of other processes and later
    /// writeback by the kernel are not included.
    pub own_bytes: u64,
    /// Sizes of the requests, in bytes.
    pub request_bytes: Vec<Bucket>,
}

/// Page faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultRecord {
    /// Faults in user mode, such as those of a copy out of a mapping.
    pub user: u64,
    /// Faults in kernel mode, such as those of a system call that copies into an untouched buffer.
    pub kernel: u64,
}

/// Insertions into the page cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheRecord {
    /// Folios inserted.
    pub insertions: u64,
    /// Bytes of those folios.
    pub inserted_bytes: u64,
    /// Reads that missed the cache and started readahead.
    pub readahead_sync: u64,
    /// Reads that reached the mark of an earlier readahead and started the next one.
    pub readahead_async: u64,
}

/// Context switches away from the benchmark's thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedRecord {
    /// Switches because the thread waited.
    pub voluntary_switches: u64,
    /// Switches because another thread got the CPU.
    pub involuntary_switches: u64,
    /// Time off the CPU, in nanoseconds.
    pub off_cpu_ns: u64,
}

/// Operations of io_uring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UringRecord {
    /// Operations taken from the submission queue.
    pub submitted: u64,
    /// Operations put into the completion queue.
    pub completed: u64,
    /// Bytes that completions reported as moved.
    pub completed_bytes: u64,
    /// Operations passed to a worker thread because they would have blocked.
    pub punted: u64,
}

//! What a tracer saw, as it goes into the result.

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
    /// What was asked for.
    pub shown: Vec<Show>,
    /// Raw clock_gettime calls that the tracer saw: two a sample if nothing was missed.
    pub clock_calls_seen: u64,
    /// Events that the tracer says it lost.
    pub lost_events: u64,
    /// Whether the trace can be relied on: two clock calls a sample, nothing lost, tracer alive.
    pub complete: bool,
    /// Why not, in sentences; empty if it can.
    pub problems: Vec<String>,
    /// What the user's own script printed (--script); null without one.
    pub script_output: Option<String>,
}

/// What a tracer saw of a run.
#[derive(Debug, Default)]
pub struct Observation {
    /// A record per sample.
    pub records: Vec<KernelRecord>,
    /// Number of clock_gettime calls.
    pub clock_calls: u64,
    /// Number of events that the tracer reports as lost.
    pub lost_events: u64,
}

/// What tracing costs: samples with and without the tracer, in pairs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeEffect {
    /// Seconds of each traced sample, in order.
    pub traced_seconds: Vec<f64>,
    /// Seconds of the untraced sample of the same pair.
    pub untraced_seconds: Vec<f64>,
    /// Median over the pairs of traced by untraced time.
    pub ratio_median: f64,
    /// Order-statistic interval of that median, at least 95 %; null below six pairs.
    pub ratio_interval: Option<(f64, f64)>,
}

/// What the kernel did between the two brackets of one sample. A part is null if it was not asked
/// for, or if the tracer cannot see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelRecord {
    /// System calls of the benchmark: name -> count.
    pub syscalls: Option<BTreeMap<String, u64>>,
    /// Bytes that read, write, pread64 and pwrite64 were asked to move; null where the tracer does
    /// not see arguments.
    pub asked_bytes: Option<u64>,
    /// Time inside each system call: name -> histogram.
    pub latency_ns: Option<BTreeMap<String, Vec<Bucket>>>,
    /// Requests issued to the disks that carry the file, by whomever, while the bracket was open.
    pub block: Option<BlockRecord>,
    /// Page faults of the process.
    pub faults: Option<FaultRecord>,
    /// What the process brought into the page cache.
    pub cache: Option<CacheRecord>,
    /// What the scheduler did to the benchmark's thread.
    pub sched: Option<SchedRecord>,
    /// Operations of io_uring.
    pub uring: Option<UringRecord>,
}

impl KernelRecord {
    /// A record of no system calls, with those of its two tables that `show` asks for.
    pub fn without_calls(show: &BTreeSet<Show>) -> KernelRecord {
        KernelRecord {
            syscalls: show.contains(&Show::Syscalls).then(BTreeMap::new),
            latency_ns: show.contains(&Show::Latency).then(BTreeMap::new),
            ..KernelRecord::default()
        }
    }
}

/// The name of a system call from what a tracer prints: either a name or a number of Linux. A number
/// that is not known becomes `syscall_N`.
pub fn call_name(call: &str) -> String {
    let call = call.trim();
    let Ok(number) = call.parse() else { return call.to_owned() };
    syscalls::Sysno::new(number).map_or_else(|| format!("syscall_{number}"), |call| call.name().to_owned())
}

/// A bucket of a histogram, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Smallest value counted here.
    pub min: u64,
    /// Largest value counted here.
    pub max: u64,
    /// How many.
    pub count: u64,
}

/// Requests to a block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockRecord {
    /// Requests that read.
    pub read_requests: u64,
    /// Bytes that they asked for.
    pub read_bytes: u64,
    /// Requests that write (flushes and discards too).
    pub write_requests: u64,
    /// Bytes that they carried.
    pub write_bytes: u64,
    /// Bytes that the process itself handed to the block layer; what others did is not in it, nor
    /// what the kernel writes back for it later.
    pub own_bytes: u64,
    /// Sizes of the requests, in bytes.
    pub request_bytes: Vec<Bucket>,
}

/// Page faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultRecord {
    /// Taken in user mode, as by a copy out of a mapping.
    pub user: u64,
    /// Taken in the kernel, as by a system call that copies into a buffer never touched.
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
    /// Times that a read found nothing and started readahead.
    pub readahead_sync: u64,
    /// Times that a read reached the mark of an earlier readahead and started the next.
    pub readahead_async: u64,
}

/// Context switches away from the benchmark's thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedRecord {
    /// Because it waited.
    pub voluntary_switches: u64,
    /// Because another thread got the CPU.
    pub involuntary_switches: u64,
    /// Time off the CPU, in nanoseconds.
    pub off_cpu_ns: u64,
}

/// Operations of io_uring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UringRecord {
    /// Taken from the submission queue.
    pub submitted: u64,
    /// Put into the completion queue.
    pub completed: u64,
    /// Bytes that completions reported as moved.
    pub completed_bytes: u64,
    /// Handed to a worker thread, because they would have blocked.
    pub punted: u64,
}

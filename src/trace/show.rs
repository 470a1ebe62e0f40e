//! What can be asked of a trace: which tracer (`--with`), and what it shows (`--show`).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum TracerName {
    /// Everything, as root.
    Bpftrace,
    /// System calls and their latency, as root.
    Dtrace,
    /// System calls and their latency, without root, slowly.
    Strace,
}

impl TracerName {
    /// The one to use unless another is asked for: the one of this system that sees most.
    pub const DEFAULT: TracerName =
        if cfg!(target_os = "linux") { TracerName::Bpftrace } else { TracerName::Dtrace };

    /// The name of its command.
    pub fn name(self) -> &'static str {
        match self {
            TracerName::Bpftrace => "bpftrace",
            TracerName::Dtrace => "dtrace",
            TracerName::Strace => "strace",
        }
    }
}

/// A part of a kernel record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// System calls by name.
    Syscalls,
    /// How long each system call took.
    Latency,
    /// Requests to the block device.
    Block,
    /// Page faults.
    Faults,
    /// Pages put into the page cache, and readahead.
    Cache,
    /// Context switches, and time off the CPU.
    Sched,
    /// Operations of io_uring.
    Uring,
    /// All of these.
    All,
}

impl Show {
    /// The parts that a list stands for: `all` is every one that the tracer can see.
    pub fn expand(list: &[Show], tracer: TracerName) -> BTreeSet<Show> {
        use Show::{All, Block, Cache, Faults, Latency, Sched, Syscalls, Uring};
        match (list.contains(&All), tracer) {
            (false, _) => list.iter().copied().collect(),
            (true, TracerName::Bpftrace) => [Syscalls, Latency, Block, Faults, Cache, Sched, Uring].into(),
            (true, _) => [Syscalls, Latency].into(),
        }
    }
}

//! Options of a trace: the tracer (`--with`) and the parts that it records (`--show`).

use std::collections::BTreeSet;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum TracerName {
    /// All events; needs root.
    Bpftrace,
    /// System calls and their latency; needs root.
    Dtrace,
    /// System calls and their latency; needs no root, but is slow.
    Strace,
}

impl TracerName {
    /// The default: the tracer of this system that records most.
    pub const DEFAULT: TracerName =
        if cfg!(target_os = "linux") { TracerName::Bpftrace } else { TracerName::Dtrace };

    /// Name of the command.
    pub fn name(self) -> &'static str {
        match self {
            TracerName::Bpftrace => "bpftrace",
            TracerName::Dtrace => "dtrace",
            TracerName::Strace => "strace",
        }
    }

    /// True if the tracer can record this part.
    pub fn sees(self, part: Show) -> bool {
        self == TracerName::Bpftrace || matches!(part, Show::Syscalls | Show::Latency)
    }
}

/// A part of a kernel record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// System calls by name.
    Syscalls,
    /// Time inside each system call.
    Latency,
    /// Requests to the block device.
    Block,
    /// Page faults.
    Faults,
    /// Insertions into the page cache, and readahead.
    Cache,
    /// Context switches, and time off the CPU.
    Sched,
    /// Operations of io_uring.
    Uring,
    /// All events.
    All,
}

impl Show {
    /// The parts that `list` selects. `all` selects every part that the tracer can record.
    pub fn expand(list: &[Show], tracer: TracerName) -> BTreeSet<Show> {
        let is_seen = |part: &&Show| **part != Show::All && tracer.sees(**part);
        if list.contains(&Show::All) {
            Show::value_variants().iter().filter(is_seen).copied().collect()
        } else {
            list.iter().copied().collect()
        }
    }
}

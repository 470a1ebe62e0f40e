//! What can be asked of a trace: which tracer (`--with`), and what it shows (`--show`).

use std::collections::BTreeSet;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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

    /// True if the tracer sees this part.
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
        let is_seen = |part: &&Show| **part != Show::All && tracer.sees(**part);
        if list.contains(&Show::All) {
            Show::value_variants().iter().filter(is_seen).copied().collect()
        } else {
            list.iter().copied().collect()
        }
    }
}

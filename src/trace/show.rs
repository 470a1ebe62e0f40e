//! What a trace can show (`--show`).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The parts that a list stands for: `all` is every one.
    pub fn expand(list: &[Show]) -> BTreeSet<Show> {
        use Show::{All, Block, Cache, Faults, Latency, Sched, Syscalls, Uring};
        match list.contains(&All) {
            true => [Syscalls, Latency, Block, Faults, Cache, Sched, Uring].into(),
            false => list.iter().copied().collect(),
        }
    }
}

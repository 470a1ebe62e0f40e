//! One I/O, and the count of those that were done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the file into the buffer.
    Read,
    /// From the buffer into the file.
    Write,
}

impl Direction {
    /// `read` or `write`, as messages and the lab's `operation` key spell it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Read => "read",
            Direction::Write => "write",
        }
    }
}

/// Mode of a run: the lab's `operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Create the file and write it inside the bracket.
    Create,
    /// Print only the configuration.
    Describe,
    /// Read.
    Read,
    /// Write.
    Write,
}

impl Mode {
    /// The lab's `operation`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Create => "create",
            Mode::Describe => "describe",
            Mode::Read => "read",
            Mode::Write => "write",
        }
    }

    /// Direction of the transfers.
    pub fn direction(self) -> Direction {
        match self {
            Mode::Create | Mode::Write => Direction::Write,
            Mode::Describe | Mode::Read => Direction::Read,
        }
    }
}

/// One I/O: its direction and its place in the file. Its length is the length of the block passed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// Direction of the transfer.
    pub direction: Direction,
    /// First byte in the file.
    pub offset_bytes: u64,
}

/// Counts of a pass over the file. The loop fills them in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// I/Os that moved their whole block.
    pub io_count: u64,
    /// Calls that a signal interrupted and that were repeated.
    pub interrupted_calls: u64,
}

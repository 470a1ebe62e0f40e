//! Support of a target by a strategy: the limits, or the reason for a refusal.

use std::path::Path;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, describe};

/// Support of a target by a strategy.
#[derive(Debug, Clone)]
pub enum Support {
    /// Supported, within these limits.
    Yes(Limits),
    /// Not supported.
    No(Refusal),
}

/// Limits of a strategy on a target.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Limits {
    /// Alignment that O_DIRECT requires; null without O_DIRECT.
    pub alignment: Option<Alignment>,
    /// Maximum number of operations in flight.
    pub max_iodepth: u32,
    /// Largest buffer size, in bytes.
    pub max_block_bytes: u64,
}

impl Limits {
    /// Buffers begin at multiples of this many bytes.
    pub fn memory_align_bytes(&self) -> u64 {
        self.alignment.map_or(1, |alignment| alignment.memory_bytes)
    }
}

/// Alignment that O_DIRECT requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alignment {
    /// Offsets and lengths are multiples of this many bytes.
    pub offset_bytes: u64,
    /// Buffers begin at multiples of this many bytes.
    pub memory_bytes: u64,
}

impl Alignment {
    /// Checks a buffer size against the alignment.
    ///
    /// # Errors
    /// A usage error that names the alignment and the nearest sizes that work.
    pub fn check(self, strategy: &str, block_bytes: u64) -> Result<(), Error> {
        let unit_bytes = self.offset_bytes;
        if block_bytes.is_multiple_of(unit_bytes) {
            return Ok(());
        }
        let below_bytes = block_bytes / unit_bytes * unit_bytes;
        let above_bytes = below_bytes.saturating_add(unit_bytes);
        let nearest = match below_bytes {
            0 => format!("{above_bytes}"),
            _ => format!("{below_bytes} or -b {above_bytes}"),
        };
        Err(Error::usage(format!(
            "{strategy}: O_DIRECT requires multiples of {unit_bytes} bytes here, but -b is {block_bytes}; \
             use -b {nearest}"
        )))
    }
}

/// Reason for which a strategy does not run here, and a remedy.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Refusal {
    /// Machine-readable reason.
    pub reason: Reason,
    /// Explanation: a clause.
    pub explanation: String,
    /// Remedy: a clause.
    pub remedy: String,
}

impl Refusal {
    /// A refusal for this reason.
    pub fn new(reason: Reason, explanation: impl Into<String>, remedy: impl Into<String>) -> Refusal {
        Refusal { reason, explanation: explanation.into(), remedy: remedy.into() }
    }

    /// The refusal of `-d` by a strategy that does not support it.
    pub fn no_direct(explanation: &str) -> Refusal {
        Refusal::new(Reason::Strategy, explanation, "leave out -d, or use another --strategy")
    }

    /// The kernel's answer to an attempt, without a more precise reason.
    pub fn system(call: &str, errno: Errno, remedy: &str) -> Refusal {
        Refusal::new(Reason::System, format!("{call} failed: {}", describe(errno)), remedy)
    }

    /// The error that ends a run of `strategy` on the file at `path` for this reason.
    pub fn error(&self, strategy: &'static str, path: &Path) -> Error {
        let Refusal { reason, explanation, remedy } = self;
        match reason {
            Reason::Filesystem => Error::unusable(path, explanation, remedy),
            Reason::Strategy => Error::usage(format!("{strategy}: {explanation}; {remedy}")),
            _ => Error::unavailable(strategy, explanation, remedy),
        }
    }
}

/// Machine-readable reasons of a [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The kernel does not have the system call or the operation.
    KernelTooOld,
    /// A seccomp filter, usually a container's, answers in place of the kernel.
    Seccomp,
    /// A sysctl disables it.
    Sysctl,
    /// RLIMIT_MEMLOCK is too small.
    Memlock,
    /// The filesystem does not support it.
    Filesystem,
    /// The strategy does not support it.
    Strategy,
    /// Any other errno.
    System,
}

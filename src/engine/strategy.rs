//! The outer, object-safe seam: what the engine knows of a strategy.
//!
//! One virtual call an iteration ([`Session::run`]) costs nothing that can be measured. Inside it,
//! the loops of [`super::blocking`] and [`super::queued`] are monomorphised for each strategy.

use std::sync::Arc;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::buffer::{Buffer, Fill};
use super::direct::Alignment;
use super::offsets::Offsets;
use super::target::Target;
use crate::error::{Error, Failure};

/// Which way the bytes move.
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

/// One I/O: which way, and where in the file. Its length is the length of the block passed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// Which way the bytes move.
    pub direction: Direction,
    /// First byte in the file.
    pub offset_bytes: u64,
}

/// What a strategy is, for every list, help text and table that names it.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// The value of `--strategy`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Whether offsets may jump (`--access random`), or only follow each other.
    pub random: bool,
    /// Whether bytes really move. Only a strategy that measures the harness itself does without:
    /// whatever looks at data passes it over.
    pub moves_data: bool,
    /// Most operations in flight at once; 1 for calls that return when the bytes have moved.
    pub deepest_queue: u32,
    /// Whether `-d` has a meaning for it.
    pub direct: DirectIo,
    /// Largest `-b`, in bytes.
    pub max_block_bytes: u64,
}

impl Info {
    /// Bytes of the file that a pass over `total_bytes` bytes needs: none where nothing moves. What needs
    /// none is not bound to the file's size, and no cache state is its own.
    pub fn file_bytes(&self, total_bytes: u64) -> u64 {
        if self.moves_data { total_bytes } else { 0 }
    }
}

/// How a strategy stands to O_DIRECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectIo {
    /// Only with `-d`.
    OnRequest,
    /// With or without `-d`.
    Always,
    /// Never; the text says why, for the message that refuses `-d`.
    Never(&'static str),
}

/// Linux moves at most this many bytes in one read(2) or write(2), whatever is asked for
/// (`MAX_RW_COUNT`; see read(2), NOTES).
pub const MAX_CALL_BYTES: u64 = 0x7fff_f000;

/// Whether a strategy runs on a target, and within which limits.
#[derive(Debug, Clone)]
pub enum Support {
    /// It runs.
    Yes(Limits),
    /// It does not.
    No(Refusal),
}

/// The limits within which a strategy runs on a target.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Limits {
    /// What O_DIRECT asks of offsets, sizes and memory; `None` where nothing is asked.
    pub alignment: Option<Alignment>,
    /// Most operations in flight at once.
    pub deepest_queue: u32,
    /// Largest buffer size.
    pub max_block_bytes: u64,
}

/// Why a strategy does not run here, and what would help.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Refusal {
    /// A word for programs.
    pub reason: Reason,
    /// A clause for people.
    pub explanation: String,
    /// What the user can do.
    pub remedy: String,
}

impl Refusal {
    /// The refusal of a strategy that has no use for O_DIRECT.
    pub fn no_direct(reason: &str) -> Refusal {
        let remedy = "leave out -d, or use another --strategy".to_owned();
        Refusal { reason: Reason::Strategy, explanation: reason.to_owned(), remedy }
    }

    /// The error that ends a run of `strategy` on `target` for this reason.
    pub fn error(&self, strategy: &'static str, target: &Target) -> Error {
        let (reason, remedy) = (self.explanation.clone(), self.remedy.clone());
        match self.reason {
            Reason::Filesystem => Error::Open { path: target.path().to_owned(), reason, remedy },
            Reason::Strategy => Error::Usage(format!("{strategy}: {reason}; {remedy}")),
            _ => Error::System { call: strategy, reason, remedy },
        }
    }
}

/// Machine-readable reasons of a [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The kernel does not have the system call or the operation.
    KernelTooOld,
    /// A seccomp filter (a container's, usually) answers in the kernel's place.
    Seccomp,
    /// A sysctl switches it off.
    Sysctl,
    /// RLIMIT_MEMLOCK is too small.
    Memlock,
    /// The filesystem cannot do it.
    Filesystem,
    /// The strategy itself has no such mode.
    Strategy,
    /// Anything else the kernel answered.
    System,
}

/// Everything a strategy needs to open a file for one iteration.
#[derive(Debug)]
pub struct OpenSpec<'a> {
    /// The file or device.
    pub target: &'a Target,
    /// Which way the bytes will move.
    pub direction: Direction,
    /// Whether to open with O_DIRECT.
    pub direct: bool,
    /// Bytes of the file that the pass covers, from offset 0.
    pub total_bytes: u64,
    /// Operations in flight; 1 for blocking strategies.
    pub depth: u32,
    /// Completions to wait for at a time, 1 to `depth`.
    pub batch: u32,
    /// The engine's buffer: `depth` blocks of the buffer size each.
    pub buffer: &'a Arc<Buffer>,
}

/// What was granted of what was asked for; part of every result.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Effective {
    /// Operations in flight.
    pub iodepth: u32,
    /// Completions waited for at a time.
    pub batch: u32,
    /// Whether the file was opened with O_DIRECT.
    pub direct: bool,
    /// Setup flags that the kernel granted a ring; `null` without a ring.
    pub ring_flags: Option<Vec<String>>,
    /// Whether file and buffers are registered with a ring; `null` without a ring.
    pub ring_registered: Option<bool>,
    /// How the buffer's pages stood when the bracket opened.
    pub buffer: Fill,
}

impl Effective {
    /// What a blocking strategy grants: one operation at a time, the rest as asked.
    pub fn blocking(spec: &OpenSpec) -> Effective {
        Effective {
            iodepth: 1,
            batch: 1,
            direct: spec.direct,
            ring_flags: None,
            ring_registered: None,
            buffer: spec.buffer.fill(),
        }
    }
}

/// What a pass over the file was made of; filled in by the loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// I/Os that moved their whole block.
    pub io_count: u64,
    /// Calls that a signal interrupted and that were made again.
    pub interrupted_calls: u64,
}

/// One pass over the file: the work of one bracket.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Which way the bytes move.
    pub direction: Direction,
    /// Where the blocks lie, in order.
    pub offsets: &'a Offsets,
    /// Where the bytes come from or go to.
    pub buffer: &'a Arc<Buffer>,
    /// What was done.
    pub tally: Tally,
}

/// The size of a pass, for [`Strategy::calls`].
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Which way the bytes move.
    pub direction: Direction,
    /// Number of I/Os.
    pub blocks: u64,
    /// Size of one I/O.
    pub block_bytes: u64,
    /// Operations in flight.
    pub depth: u32,
    /// Completions waited for at a time.
    pub batch: u32,
    /// Whether `-s` puts a sync inside the bracket.
    pub sync: bool,
}

/// A system call that a strategy declares to make between the brackets, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Call {
    /// Name as tracers print it.
    pub name: &'static str,
    /// Fewest calls.
    pub at_least: u64,
    /// Most calls.
    pub at_most: u64,
}

impl Call {
    /// `name`, exactly `count` times.
    pub fn exactly(name: &'static str, count: u64) -> Call {
        Call { name, at_least: count, at_most: count }
    }
}

/// An I/O path, as the engine sees it.
pub trait Strategy: Sync {
    /// Name, summary and abilities.
    fn info(&self) -> &'static Info;

    /// Whether it runs on `target`, opened with O_DIRECT if `direct`.
    fn probe(&self, target: &Target, direct: bool) -> Support;

    /// The system calls a tracer sees between the brackets of a pass of this size.
    fn calls(&self, work: &Work) -> Vec<Call>;

    /// Opens the file for one iteration.
    ///
    /// # Errors
    /// [`Error::Open`] if the path cannot be opened so, [`Error::System`] if the set-up fails.
    fn open(&self, spec: &OpenSpec) -> Result<Box<dyn Session>, Error>;
}

/// A file opened through a strategy, for one iteration.
pub trait Session {
    /// Moves every block of the pass. This is what the bracket encloses.
    ///
    /// # Errors
    /// The first I/O that failed or moved too little.
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure>;

    /// Brings what was written to stable storage (`-s`; inside the bracket).
    ///
    /// # Errors
    /// The kernel's answer; `EINTR` is counted and the call is made again.
    fn sync(&mut self) -> Result<(), Errno>;

    /// What was granted.
    fn effective(&self) -> Effective;
}

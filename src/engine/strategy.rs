//! The outer, object-safe interface between engine and strategy.
//!
//! One virtual call per iteration ([`Session::run`]) has no measurable cost. Inside it, the loops of
//! [`super::blocking`] and [`super::queued`] are compiled for each strategy.

use std::marker::PhantomData;
use std::sync::Arc;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::affinity;
use super::buffer::Buffer;
use super::direct;
use super::observer::Recording;
use super::operation::{Direction, Tally};
use super::schedule::Schedule;
use super::support::{Limits, Refusal, Support};
use super::target::Target;
use super::workload::{PageState, Workload};
use crate::error::{Error, Failure};

/// Linux moves at most this many bytes in one read(2) or write(2) (`MAX_RW_COUNT`; see read(2), NOTES).
pub const MAX_CALL_BYTES: u64 = 0x7fff_f000;

/// Use of O_DIRECT by a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectIo {
    /// Only with `-d`.
    OnRequest,
    /// With or without `-d`.
    Always,
    /// Never. The text is the reason in the message that refuses `-d`.
    Never(&'static str),
}

impl DirectIo {
    /// The valid settings of O_DIRECT: without, with, or both.
    pub fn modes(self) -> &'static [bool] {
        match self {
            DirectIo::OnRequest => &[false, true],
            DirectIo::Always => &[true],
            DirectIo::Never(_) => &[false],
        }
    }
}

/// Mechanism by which a strategy reaches the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// One or more system calls per block, which return when the bytes have moved.
    Call,
    /// Loads and stores on a mapping of the file; the kernel is entered by page faults.
    Mapping,
    /// A queue of operations in flight.
    Queue,
}

/// Facts about a strategy for checks and reports, which never depend on its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Properties {
    /// True if it performs I/O; false if it measures the harness itself, the floor of all others.
    pub performs_io: bool,
    /// True if a read leaves the bytes in the engine's buffer; false if it copies nothing into it.
    pub fills_buffer: bool,
    /// Mechanism by which it reaches the kernel.
    pub mechanism: Mechanism,
}

impl Properties {
    /// Bytes of the file that a pass over `total_bytes` bytes needs. A strategy without I/O needs none: it
    /// works with any size of the file and has no cache state.
    pub fn file_bytes(&self, total_bytes: u64) -> u64 {
        if self.performs_io { total_bytes } else { 0 }
    }
}

/// Description of a strategy, for every list, help text and table that names it.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// The value of `--strategy`.
    pub name: &'static str,
    /// Description of one line.
    pub summary: &'static str,
    /// True if offsets may jump (`--access random`); false if they must be consecutive.
    pub random: bool,
    /// Facts that checks and reports depend on.
    pub properties: Properties,
    /// Maximum number of operations in flight; 1 for calls that return when the bytes have moved.
    pub max_iodepth: u32,
    /// Use of O_DIRECT.
    pub direct: DirectIo,
    /// Largest `-b`, in bytes.
    pub max_block_bytes: u64,
}

/// Interface of every strategy, together with [`super::blocking::Blocking`] or [`super::queued::Queued`].
///
/// The defaults describe a typical path: its system calls take any offset and fill the engine's buffer, and
/// fsync(2) brings its data to the device.
pub trait IoPath: Sized + 'static {
    /// The value of `--strategy`, and the name of the file in `strategies/`.
    const NAME: &'static str;
    /// One line for lists and help.
    const SUMMARY: &'static str;
    /// True if offsets may jump (`--access random`).
    const RANDOM: bool = true;
    /// False only for a path that measures the harness itself.
    const PERFORMS_IO: bool = true;
    /// False for a path whose reads leave nothing in the engine's buffer.
    const FILLS_BUFFER: bool = true;
    /// Mechanism by which it reaches the kernel.
    const MECHANISM: Mechanism = Mechanism::Call;
    /// Maximum number of operations in flight.
    const MAX_IODEPTH: u32 = 1;
    /// Use of O_DIRECT.
    const DIRECT: DirectIo = DirectIo::OnRequest;
    /// Largest `-b`, in bytes.
    const MAX_BLOCK_BYTES: u64 = MAX_CALL_BYTES;
    /// The system call that `-s` adds to the bracket, as tracers print it; `None` without one.
    const SYNC_CALL: Option<&'static str> = Some("fsync");
    /// The system call of [`IoPath::flush_data`].
    const DATA_SYNC_CALL: Option<&'static str> = Self::SYNC_CALL;

    /// The constants above as a description.
    const INFO: Info = Info {
        name: Self::NAME,
        summary: Self::SUMMARY,
        random: Self::RANDOM,
        properties: Properties {
            performs_io: Self::PERFORMS_IO,
            fills_buffer: Self::FILLS_BUFFER,
            mechanism: Self::MECHANISM,
        },
        max_iodepth: Self::MAX_IODEPTH,
        direct: Self::DIRECT,
        max_block_bytes: Self::MAX_BLOCK_BYTES,
    };

    /// Support on `target`, opened with O_DIRECT if `direct`. The default checks only the requirements of
    /// O_DIRECT.
    fn probe(target: &Target, direct: bool) -> Support {
        probe_direct(&Self::INFO, target, direct)
    }

    /// The system calls between the brackets of a pass, without that of a sync.
    fn calls(workload: &Workload) -> Vec<Call>;

    /// Opens the file, outside the bracket, once per iteration.
    ///
    /// # Errors
    /// An open error if the path cannot be opened in this mode; a system error if the set-up fails.
    fn open(spec: &OpenSpec) -> Result<Self, Error>;

    /// Brings the written data to stable storage, inside the bracket with `-s`.
    ///
    /// # Errors
    /// The kernel's answer. After `EINTR` the engine counts it and calls again.
    fn flush(&mut self) -> Result<(), Errno>;

    /// Brings written data to stable storage, and only the metadata that reading them needs (`--sync-every`).
    /// The default is [`IoPath::flush`].
    ///
    /// # Errors
    /// Those of [`IoPath::flush`].
    fn flush_data(&mut self) -> Result<(), Errno> {
        self.flush()
    }

    /// Corrects `granted`, which initially holds the requested settings.
    fn grant(&self, granted: Effective) -> Effective {
        granted
    }
}

/// Support of a strategy without requirements other than those of O_DIRECT.
pub fn probe_direct(info: &Info, target: &Target, direct: bool) -> Support {
    let limits = |alignment| Limits {
        alignment,
        max_iodepth: info.max_iodepth,
        max_block_bytes: info.max_block_bytes,
    };
    match info.direct {
        DirectIo::OnRequest | DirectIo::Never(_) if !direct => return Support::Yes(limits(None)),
        DirectIo::Never(reason) => return Support::No(Refusal::no_direct(reason)),
        _ => {}
    }
    match direct::alignment(target) {
        Ok(alignment) => Support::Yes(limits(Some(alignment))),
        Err(refusal) => Support::No(refusal),
    }
}

/// Everything that a strategy needs to open a file for one iteration.
#[derive(Debug, Clone, Copy)]
pub struct OpenSpec<'a> {
    /// The file or device.
    pub target: &'a Target,
    /// The workload of all workers together, with depth and batch settled.
    pub workload: &'a Workload,
    /// Offset of the first block, for a path that has a file position.
    pub first_bytes: u64,
    /// The buffer of this worker, with one block per operation in flight.
    pub buffer: &'a Arc<Buffer>,
}

/// Granted settings. They are part of every result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effective {
    /// Operations in flight.
    pub iodepth: u32,
    /// Completions waited for at a time.
    pub batch: u32,
    /// True if the file was opened with O_DIRECT.
    pub direct: bool,
    /// True if the file was opened with O_NOATIME.
    pub noatime: bool,
    /// State of the buffer's pages when the bracket opened.
    pub buffer: PageState,
    /// Details of this strategy by name, such as the flags of a ring.
    pub details: Map<String, Value>,
}

impl Effective {
    /// The requested settings as granted. Without I/O no file was opened in any mode.
    fn as_asked<T: IoPath>(spec: &OpenSpec) -> Effective {
        let workload = spec.workload;
        Effective {
            iodepth: workload.depth(),
            batch: workload.waits_for(),
            direct: workload.direct,
            noatime: workload.noatime && T::PERFORMS_IO,
            buffer: spec.buffer.page_state(),
            details: Map::new(),
        }
    }
}

/// One pass over the file: the work of one bracket.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The operations, in order.
    pub schedule: &'a Schedule,
    /// Source or destination of the bytes.
    pub buffer: &'a Arc<Buffer>,
    /// Counts of the I/Os.
    pub tally: Tally,
    /// State of the recorder, if the pass is recorded.
    pub recording: Option<Recording>,
}

/// A system call that a strategy declares to make between the brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Call {
    /// Name as tracers print it.
    pub name: &'static str,
    /// Minimum number of calls.
    pub at_least: u64,
    /// Maximum number of calls.
    pub at_most: u64,
    /// Flags of each call, as tracers print them.
    pub flags: &'static [&'static str],
}

impl Call {
    /// Exactly `count` calls of `name`.
    pub fn exactly(name: &'static str, count: u64) -> Call {
        Call::between(name, count, count)
    }

    /// At least `at_least` and at most `at_most` calls of `name`.
    pub fn between(name: &'static str, at_least: u64, at_most: u64) -> Call {
        Call { name, at_least, at_most, flags: &[] }
    }

    /// One call per block: `reading` or `writing`, depending on the direction.
    pub fn one_per_block(workload: &Workload, reading: &'static str, writing: &'static str) -> Vec<Call> {
        let name = match workload.direction {
            Direction::Read => reading,
            Direction::Write => writing,
        };
        vec![Call::exactly(name, workload.blocks())]
    }

    /// The same call with these flags.
    #[must_use]
    pub fn with_flags(self, flags: &'static [&'static str]) -> Call {
        Call { flags, ..self }
    }
}

/// An I/O path, as the engine sees it.
pub trait Strategy: Sync {
    /// Name, summary and abilities.
    fn info(&self) -> &'static Info;

    /// Support on `target`, opened with O_DIRECT if `direct`.
    fn probe(&self, target: &Target, direct: bool) -> Support;

    /// The system calls that a tracer sees between the brackets of a pass.
    fn calls(&self, workload: &Workload) -> Vec<Call>;

    /// Opens the file for one iteration.
    ///
    /// # Errors
    /// An open error if the path cannot be opened in this mode; a system error if the set-up fails.
    fn open(&self, spec: &OpenSpec) -> Result<Box<dyn Session>, Error>;
}

/// A file opened through a strategy, for one iteration.
pub trait Session {
    /// Moves every block of the pass. The bracket encloses this call.
    ///
    /// # Errors
    /// The first I/O that failed or moved less than its block.
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure>;

    /// Brings the written data to stable storage, inside the bracket with `-s`.
    ///
    /// # Errors
    /// The kernel's answer. After `EINTR` the engine counts it and calls again.
    fn sync(&mut self) -> Result<(), Errno>;

    /// The granted settings.
    fn effective(&self) -> Effective;
}

/// The parts of a workload whose calls add up: the shares of the workers, or the reads and the writes of a
/// mix. A queue enters the kernel for operations in both directions at once.
fn parts(workload: &Workload, mechanism: Mechanism) -> impl Iterator<Item = Workload> {
    let Workload { block_bytes, threads, .. } = *workload;
    let in_one = |direction, blocks| Workload {
        direction,
        mix: None,
        total_bytes: blocks * block_bytes,
        threads: 1,
        ..*workload
    };
    let is_mix = workload.mix.is_some() && mechanism != Mechanism::Queue;
    let directions = [in_one(Direction::Read, workload.reads()), in_one(Direction::Write, workload.writes())];
    let shares = workload.shares().take(if is_mix { 0 } else { threads as usize });
    shares.chain(directions.into_iter().filter(move |part| is_mix && part.total_bytes > 0))
}

/// The calls of `--sync-every`: after every N writes of each worker.
fn data_syncs(workload: &Workload, name: &'static str) -> Option<Call> {
    let every = workload.sync_every?;
    if workload.mix.is_none() {
        let syncs = workload.shares().map(|share| share.blocks() / every).sum();
        return Some(Call::exactly(name, syncs));
    }
    // The seed decides how many writes each worker has.
    let most = workload.writes() / every;
    Some(Call::between(name, most.saturating_sub(u64::from(workload.threads) - 1), most))
}

/// The name of the call with which a thread waits for another.
#[cfg(target_os = "linux")]
const WAIT_CALL: &str = "futex";
#[cfg(not(target_os = "linux"))]
const WAIT_CALL: &str = "_umtx_op";

/// More calls than the waiting of one worker takes: it is woken at the start, wakes the others at the end,
/// and may find the lock taken each time.
const MAX_WAIT_CALLS: u64 = 64;

/// The calls with which the workers wait for each other between the brackets: none while each has a CPU of
/// its own.
pub(super) fn waiting(workload: &Workload) -> Option<Call> {
    let threads = workload.threads;
    let spins = threads == 1 || affinity::has_cpu_each(workload.cpu, threads).unwrap_or(false);
    (!spins).then(|| Call::between(WAIT_CALL, 0, MAX_WAIT_CALLS * u64::from(threads)))
}

/// Adds a call to those of the same name.
fn add(calls: &mut Vec<Call>, more: Call) {
    match calls.iter_mut().find(|call| call.name == more.name) {
        Some(call) => {
            call.at_least = call.at_least.saturating_add(more.at_least);
            call.at_most = call.at_most.saturating_add(more.at_most);
        }
        None => calls.push(more),
    }
}

/// The timed loop around an open path: that of [`super::blocking`] or of [`super::queued`].
pub trait TimedLoop<T: IoPath> {
    /// Makes a session whose passes run this loop over `io`.
    fn session(io: T, granted: Effective, workload: &Workload) -> Box<dyn Session>;
}

/// A [`Strategy`] made of an [`IoPath`] and its loop, for the registry.
pub struct Adapter<T, L>(PhantomData<fn() -> (T, L)>);

impl<T, L> Adapter<T, L> {
    pub(super) const fn new() -> Adapter<T, L> {
        Adapter(PhantomData)
    }
}

impl<T: IoPath, L: TimedLoop<T>> Strategy for Adapter<T, L> {
    fn info(&self) -> &'static Info {
        const { &T::INFO }
    }

    fn probe(&self, target: &Target, direct: bool) -> Support {
        T::probe(target, direct)
    }

    fn calls(&self, workload: &Workload) -> Vec<Call> {
        let mut calls = Vec::new();
        parts(workload, T::MECHANISM).flat_map(|part| T::calls(&part)).for_each(|call| add(&mut calls, call));
        let files = workload.per_file().count() as u64;
        let sync = T::SYNC_CALL.filter(|_| workload.sync).map(|name| Call::exactly(name, files));
        let data_syncs = T::DATA_SYNC_CALL.map(|name| data_syncs(workload, name));
        sync.into_iter().chain(data_syncs.flatten()).for_each(|call| add(&mut calls, call));
        if T::MECHANISM == Mechanism::Queue && (workload.rate.is_some() || workload.sync_every.is_some()) {
            // A ring is entered for what is due, or has to be complete, and not for whole batches.
            calls.iter_mut().for_each(|call| call.at_most = u64::MAX);
        }
        waiting(workload).into_iter().for_each(|call| add(&mut calls, call));
        calls
    }

    fn open(&self, spec: &OpenSpec) -> Result<Box<dyn Session>, Error> {
        let io = T::open(spec)?;
        let granted = io.grant(Effective::as_asked::<T>(spec));
        Ok(L::session(io, granted, spec.workload))
    }
}

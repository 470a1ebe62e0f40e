//! The inner seam for system calls that return when the bytes have moved, and their timed loop.
//!
//! Inside the clock: `blocks x transfer(op, block)`, one comparison of the result, one relaxed
//! load of the interrupt flag, one addition. Nothing else.

use std::marker::PhantomData;

use nix::errno::Errno;

use super::direct;
use super::interrupt;
use super::offsets::Offsets;
use super::strategy::{
    Call, DirectIo, Direction, Effective, Info, Limits, Op, OpenSpec, Pass, Refusal, Session, Strategy,
    Support, Tally, Work,
};
use super::target::Target;
use crate::error::{Error, Failure, Fault};

/// What the file of a blocking strategy implements.
pub trait Blocking: Sized + 'static {
    /// Name, summary and abilities.
    const INFO: Info;

    /// Whether it runs on `target`. The default asks only what O_DIRECT asks.
    fn probe(target: &Target, direct: bool) -> Support {
        probe_descriptor(&Self::INFO, target, direct)
    }

    /// The system calls between the brackets of a pass of this size.
    fn calls(work: &Work) -> Vec<Call>;

    /// Opens the file; outside the bracket.
    ///
    /// # Errors
    /// [`Error::Open`] if the path cannot be opened so, [`Error::System`] if the set-up fails.
    fn open(spec: &OpenSpec) -> Result<Self, Error>;

    /// Moves one block; inside the bracket. Returns the bytes moved.
    ///
    /// # Errors
    /// The kernel's answer; `EINTR` is counted and the call is made again.
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno>;

    /// Brings what was written to stable storage; inside the bracket with `-s`.
    ///
    /// # Errors
    /// The kernel's answer; `EINTR` is counted and the call is made again.
    fn flush(&mut self) -> Result<(), Errno>;
}

/// The probe of a strategy whose only needs are those of its descriptor.
pub fn probe_descriptor(info: &Info, target: &Target, direct: bool) -> Support {
    let limits = |alignment| Limits {
        alignment,
        deepest_queue: info.deepest_queue,
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

/// Makes a [`Strategy`] of a [`Blocking`] implementation; one entry of the registry.
pub const fn blocking<T: Blocking>() -> BlockingStrategy<T> {
    BlockingStrategy(PhantomData)
}

/// See [`blocking`].
pub struct BlockingStrategy<T>(PhantomData<fn() -> T>);

impl<T: Blocking> Strategy for BlockingStrategy<T> {
    fn info(&self) -> &'static Info {
        const { &T::INFO }
    }

    fn probe(&self, target: &Target, direct: bool) -> Support {
        T::probe(target, direct)
    }

    fn calls(&self, work: &Work) -> Vec<Call> {
        T::calls(work)
    }

    fn open(&self, spec: &OpenSpec) -> Result<Box<dyn Session>, Error> {
        let io = T::open(spec)?;
        Ok(Box::new(BlockingSession { io, effective: Effective::blocking(spec) }))
    }
}

struct BlockingSession<T> {
    io: T,
    effective: Effective,
}

impl<T: Blocking> Session for BlockingSession<T> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        // SAFETY: the engine hands the buffer to one session at a time and keeps no reference
        // to its blocks while the session runs.
        let block = unsafe { pass.buffer.block_mut(0) };
        let (io, tally) = (&mut self.io, &mut pass.tally);
        // Four calls, so that direction and kind of offsets are constants inside each loop.
        match (pass.offsets, pass.direction) {
            (Offsets::Sequential(run), Direction::Read) => {
                drive(io, Direction::Read, run.iter(), block, tally)
            }
            (Offsets::Sequential(run), Direction::Write) => {
                drive(io, Direction::Write, run.iter(), block, tally)
            }
            (Offsets::Listed(list), Direction::Read) => {
                drive(io, Direction::Read, list.iter().copied(), block, tally)
            }
            (Offsets::Listed(list), Direction::Write) => {
                drive(io, Direction::Write, list.iter().copied(), block, tally)
            }
        }
    }

    fn sync(&mut self) -> Result<(), Errno> {
        self.io.flush()
    }

    fn effective(&self) -> Effective {
        self.effective.clone()
    }
}

#[inline(always)]
fn drive<T: Blocking>(
    io: &mut T,
    direction: Direction,
    offsets: impl Iterator<Item = u64>,
    block: &mut [u8],
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut io_count = 0;
    for offset_bytes in offsets {
        let op = Op { direction, offset_bytes };
        loop {
            let moved = io.transfer(op, block);
            if moved == Ok(block.len()) {
                break;
            }
            if let Err(failure) = irregular(op, moved, block.len(), tally) {
                tally.io_count += io_count;
                return Err(failure);
            }
        }
        io_count += 1;
        if interrupt::requested() {
            tally.io_count += io_count;
            return Err(interrupted(op));
        }
    }
    tally.io_count += io_count;
    Ok(())
}

/// What to make of a transfer that did not move its whole block: `Ok` to make it again.
#[cold]
pub(super) fn irregular(
    op: Op,
    moved: Result<usize, Errno>,
    wanted_bytes: usize,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let fault = match moved {
        Err(Errno::EINTR) if !interrupt::requested() => {
            tally.interrupted_calls += 1;
            return Ok(());
        }
        Err(Errno::EINTR) => Fault::Interrupted,
        Err(errno) => Fault::Errno(errno),
        Ok(moved) => Fault::Partial { moved_bytes: moved as u64, wanted_bytes: wanted_bytes as u64 },
    };
    Err(Failure { operation: op.direction.name(), offset_bytes: Some(op.offset_bytes), fault })
}

#[cold]
pub(super) fn interrupted(op: Op) -> Failure {
    Failure { operation: op.direction.name(), offset_bytes: Some(op.offset_bytes), fault: Fault::Interrupted }
}

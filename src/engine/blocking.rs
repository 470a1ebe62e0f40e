//! The timed loop for system calls that return when the bytes have moved.
//!
//! Inside the bracket, for each block: one call of `transfer`, one comparison of its result, one addition,
//! and one relaxed load of the interrupt flag. With `--latency` also one time stamp, because the end of an
//! I/O is the beginning of the next.

use nix::errno::Errno;

use super::interrupt;
use super::latency::{Observer, Unobserved};
use super::offsets::Offsets;
use super::operation::{Direction, Op, Tally};
use super::retry::{interrupted, irregular};
use super::stamp::{Counter, Source, Vdso};
use super::strategy::{Adapter, Effective, IoPath, Pass, Session, TimedLoop};
use crate::error::Failure;

/// Interface of a strategy whose calls return when the bytes have moved.
pub trait Blocking: IoPath {
    /// Moves one block, inside the bracket. Returns the number of bytes moved.
    ///
    /// # Errors
    /// The kernel's answer. After `EINTR` the engine counts it and calls again.
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno>;
}

/// Makes a [`super::strategy::Strategy`] of a [`Blocking`] implementation, for the registry.
pub const fn blocking<T: Blocking>() -> Adapter<T, BlockingLoop> {
    Adapter::new()
}

/// The loop of [`blocking`].
pub struct BlockingLoop;

impl<T: Blocking> TimedLoop<T> for BlockingLoop {
    fn session(io: T, granted: Effective) -> Box<dyn Session> {
        Box::new(BlockingSession { io, granted })
    }
}

struct BlockingSession<T> {
    io: T,
    granted: Effective,
}

impl<T: Blocking> Session for BlockingSession<T> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        // SAFETY: the engine hands the buffer to one session at a time and keeps no reference to its blocks
        // while the session runs.
        let block = unsafe { pass.buffer.block_mut(0) };
        let io = &mut self.io;
        let Pass { direction, offsets, tally, recording, .. } = pass;
        if let Some(recording) = recording {
            let (direction, offsets) = (*direction, offsets.iter());
            return match recording.clock().source {
                Source::Tsc => {
                    drive(io, direction, offsets, block, tally, &mut recording.recorder::<Counter>())
                }
                Source::Vdso => {
                    drive(io, direction, offsets, block, tally, &mut recording.recorder::<Vdso>())
                }
            };
        }
        // Four calls make direction and kind of offsets constants inside each loop.
        match (offsets, direction) {
            (Offsets::Sequential(run), Direction::Read) => {
                drive(io, Direction::Read, run.iter(), block, tally, &mut Unobserved)
            }
            (Offsets::Sequential(run), Direction::Write) => {
                drive(io, Direction::Write, run.iter(), block, tally, &mut Unobserved)
            }
            (Offsets::Listed(list), Direction::Read) => {
                drive(io, Direction::Read, list.iter().copied(), block, tally, &mut Unobserved)
            }
            (Offsets::Listed(list), Direction::Write) => {
                drive(io, Direction::Write, list.iter().copied(), block, tally, &mut Unobserved)
            }
        }
    }

    fn sync(&mut self) -> Result<(), Errno> {
        self.io.flush()
    }

    fn effective(&self) -> Effective {
        self.granted.clone()
    }
}

#[inline(always)]
fn drive<T: Blocking>(
    io: &mut T,
    direction: Direction,
    offsets: impl Iterator<Item = u64>,
    block: &mut [u8],
    tally: &mut Tally,
    observer: &mut impl Observer,
) -> Result<(), Failure> {
    let mut io_count = 0;
    observer.begins(0);
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
        observer.completed(0);
        io_count += 1;
        if interrupt::requested() {
            tally.io_count += io_count;
            return Err(interrupted(op));
        }
    }
    tally.io_count += io_count;
    Ok(())
}

//! The timed loop for system calls that return when the bytes have moved.
//!
//! Inside the bracket, for each block: one call of `transfer`, one comparison of its result, one addition,
//! and one relaxed load of the interrupt flag. The recorded loop is the same code with a recorder
//! ([`super::observer`]): with `--latency` it also takes one time stamp per block, because the end of an I/O
//! is the beginning of the next.

use nix::errno::Errno;

use super::buffer::Buffer;
use super::interrupt;
use super::observer::{Observer, Unobserved, wait_until_due, with_recorder};
use super::offsets::Offsets;
use super::operation::{Direction, Op, Tally};
use super::retry::{interrupted, irregular, repeated};
use super::schedule::{Directions, Schedule};
use super::strategy::{Adapter, Effective, IoPath, Pass, Session, TimedLoop};
use super::workload::Workload;
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
    fn session(io: T, granted: Effective, _: &Workload) -> Box<dyn Session> {
        Box::new(BlockingSession { io, granted })
    }
}

struct BlockingSession<T> {
    io: T,
    granted: Effective,
}

impl<T: Blocking> Session for BlockingSession<T> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        let io = &mut self.io;
        let Pass { schedule, buffer, tally, recording } = pass;
        if let Some(recording) = recording {
            return with_recorder!(recording, |recorder| drive_any(
                io,
                schedule,
                buffer,
                tally,
                &mut recorder
            ));
        }
        let Directions::All(direction) = schedule.directions else {
            return drive_any(io, schedule, buffer, tally, &mut Unobserved);
        };
        // SAFETY: the engine hands the buffer to one session at a time and keeps no reference to its blocks
        // while the session runs.
        let blocks = &mut [unsafe { buffer.block_mut(0) }];
        // Four calls make direction and kind of offsets constants inside each loop.
        match (&schedule.offsets, direction) {
            (Offsets::Sequential(run), Direction::Read) => {
                drive(io, run.iter().map(read), blocks, tally, &mut Unobserved)
            }
            (Offsets::Sequential(run), Direction::Write) => {
                drive(io, run.iter().map(write), blocks, tally, &mut Unobserved)
            }
            (Offsets::Listed(list), Direction::Read) => {
                drive(io, list.iter().copied().map(read), blocks, tally, &mut Unobserved)
            }
            (Offsets::Listed(list), Direction::Write) => {
                drive(io, list.iter().copied().map(write), blocks, tally, &mut Unobserved)
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

fn read(offset_bytes: u64) -> Op {
    Op { direction: Direction::Read, offset_bytes }
}

fn write(offset_bytes: u64) -> Op {
    Op { direction: Direction::Write, offset_bytes }
}

/// The loop for any schedule, compiled once per observer. In a mix, reads go to a block of their own, so
/// writes always write the pattern.
fn drive_any<T: Blocking>(
    io: &mut T,
    schedule: &Schedule,
    buffer: &Buffer,
    tally: &mut Tally,
    observer: &mut impl Observer,
) -> Result<(), Failure> {
    // SAFETY: as in `run`, which takes no block then. The two blocks do not overlap.
    let write_block = unsafe { buffer.block_mut(0) };
    match schedule.directions {
        Directions::All(_) => drive(io, schedule.iter(), &mut [write_block], tally, observer),
        Directions::Listed(_) => {
            // SAFETY: as above.
            let read_block = unsafe { buffer.block_mut(1) };
            drive(io, schedule.iter(), &mut [write_block, read_block], tally, observer)
        }
    }
}

/// Moves every block. Reads use the last of `blocks`, writes the first.
#[inline(always)]
fn drive<T: Blocking, const N: usize>(
    io: &mut T,
    ops: impl Iterator<Item = Op>,
    blocks: &mut [&mut [u8]; N],
    tally: &mut Tally,
    observer: &mut impl Observer,
) -> Result<(), Failure> {
    let mut io_count = 0;
    for op in ops {
        let block = &mut *blocks[if op.direction == Direction::Read { N - 1 } else { 0 }];
        wait_until_due(observer);
        observer.follows(op.direction);
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
        observer.completed(0, op.direction);
        io_count += 1;
        if observer.is_sync_due() {
            observer.sync_begins();
            repeated(tally, || io.flush_data())?;
            observer.synced();
        }
        if interrupt::requested() {
            tally.io_count += io_count;
            return Err(interrupted(op));
        }
    }
    tally.io_count += io_count;
    Ok(())
}

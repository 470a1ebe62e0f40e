//! The timed loop for rings: operations are pushed, and their completions are reaped later.
//!
//! Inside the bracket: push while a slot is free, then one `reap` that submits and waits. Each completion
//! costs one comparison and the return of its slot. Nothing is allocated: slots and operations are set up
//! when the session opens. With `--latency` an operation has two time stamps: at its push and when its
//! completion is reaped.

use nix::errno::Errno;

use super::interrupt;
use super::latency::{Observer, Unobserved};
use super::offsets::Offsets;
use super::operation::{Direction, Op, Tally};
use super::retry::{interrupted, irregular};
use super::stamp::{Counter, Source, Vdso};
use super::strategy::{Adapter, Effective, IoPath, Pass, Session, TimedLoop};
use crate::error::Failure;

/// One block of the engine's buffer. It cannot be copied: pushed with an operation, it belongs to the ring
/// until the completion returns it.
#[derive(Debug)]
pub struct Slot {
    index: u32,
}

impl Slot {
    /// Index of the block in the buffer.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The slot of a completion.
    ///
    /// # Safety
    /// `index` must be that of a slot that was pushed, and this must be its completion. Otherwise two
    /// operations could use the same memory.
    pub unsafe fn returned(index: u32) -> Slot {
        Slot { index }
    }
}

/// A finished operation.
#[derive(Debug)]
pub struct Completion {
    /// The block, which belongs to the engine again.
    pub slot: Slot,
    /// Number of bytes moved, or the kernel's answer.
    pub moved: Result<usize, Errno>,
}

/// Interface of a strategy with a queue of operations.
pub trait Queued: IoPath {
    /// Queues one operation on the block of `slot`. The engine never has more operations in flight than the
    /// depth of the workload.
    fn push(&mut self, op: Op, slot: Slot);

    /// Submits the pushed operations, waits until at least `min` operations have completed, and hands every
    /// completion to `sink`.
    ///
    /// # Errors
    /// The kernel's answer to the call as a whole. After `EINTR` the engine counts it and calls again.
    fn reap(&mut self, min: u32, sink: &mut impl FnMut(Completion)) -> Result<(), Errno>;
}

/// Makes a [`super::strategy::Strategy`] of a [`Queued`] implementation, for the registry.
pub const fn queued<T: Queued>() -> Adapter<T, QueuedLoop> {
    Adapter::new()
}

/// The loop of [`queued`].
pub struct QueuedLoop;

impl<T: Queued> TimedLoop<T> for QueuedLoop {
    fn session(ring: T, granted: Effective) -> Box<dyn Session> {
        assert!((1..=granted.iodepth).contains(&granted.batch), "the batch is 1 to the depth");
        let idle = Op { direction: Direction::Read, offset_bytes: 0 };
        let depth = granted.iodepth;
        Box::new(QueuedSession {
            ring,
            granted,
            // Slots are popped from the end, so the first operation gets slot 0.
            free: (0..depth).rev().map(|index| Slot { index }).collect(),
            ops: vec![idle; depth as usize],
            again: Vec::with_capacity(depth as usize),
        })
    }
}

struct QueuedSession<T> {
    ring: T,
    granted: Effective,
    free: Vec<Slot>,
    /// The operation in flight on each slot, for messages and for its repetition.
    ops: Vec<Op>,
    /// Slots whose operation a signal interrupted.
    again: Vec<Slot>,
}

impl<T: Queued> Session for QueuedSession<T> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        let block_bytes = pass.buffer.block_bytes();
        let Pass { direction, offsets, tally, recording, .. } = pass;
        let direction = *direction;
        if let Some(recording) = recording {
            let offsets = offsets.iter();
            return match recording.clock().source {
                Source::Tsc => {
                    self.drive(direction, offsets, block_bytes, tally, &mut recording.recorder::<Counter>())
                }
                Source::Vdso => {
                    self.drive(direction, offsets, block_bytes, tally, &mut recording.recorder::<Vdso>())
                }
            };
        }
        match offsets {
            Offsets::Sequential(run) => {
                self.drive(direction, run.iter(), block_bytes, tally, &mut Unobserved)
            }
            Offsets::Listed(list) => {
                self.drive(direction, list.iter().copied(), block_bytes, tally, &mut Unobserved)
            }
        }
    }

    fn sync(&mut self) -> Result<(), Errno> {
        self.ring.flush()
    }

    fn effective(&self) -> Effective {
        self.granted.clone()
    }
}

impl<T: Queued> QueuedSession<T> {
    fn drive(
        &mut self,
        direction: Direction,
        mut offsets: impl Iterator<Item = u64>,
        block_bytes: usize,
        tally: &mut Tally,
        observer: &mut impl Observer,
    ) -> Result<(), Failure> {
        let mut first_failure = None;
        loop {
            if interrupt::requested() && first_failure.is_none() {
                first_failure = Some(interrupted(Op { direction, offset_bytes: 0 }));
            }
            if first_failure.is_none() {
                self.fill(direction, &mut offsets, observer);
            } else {
                self.free.append(&mut self.again);
            }
            debug_assert!(self.free.len() <= self.ops.len(), "a slot came back twice");
            let in_flight = self.ops.len() - self.free.len();
            if in_flight == 0 {
                return first_failure.map_or(Ok(()), Err);
            }
            // Also after a failure: nothing may be in flight when the bracket closes.
            let min = self.granted.batch.min(in_flight as u32);
            self.reap(min, block_bytes, tally, &mut first_failure, observer)?;
        }
    }

    /// Pushes operations until no slot or no work is left.
    fn fill(
        &mut self,
        direction: Direction,
        offsets: &mut impl Iterator<Item = u64>,
        observer: &mut impl Observer,
    ) {
        while let Some(slot) = self.again.pop() {
            self.ring.push(self.ops[slot.index as usize], slot);
        }
        while let Some(slot) = self.free.pop() {
            let Some(offset_bytes) = offsets.next() else {
                self.free.push(slot);
                return;
            };
            let op = Op { direction, offset_bytes };
            self.ops[slot.index as usize] = op;
            observer.begins(slot.index);
            self.ring.push(op, slot);
        }
    }

    fn reap(
        &mut self,
        min: u32,
        block_bytes: usize,
        tally: &mut Tally,
        first_failure: &mut Option<Failure>,
        observer: &mut impl Observer,
    ) -> Result<(), Failure> {
        let Self { ring, free, ops, again, .. } = self;
        let mut io_count = 0;
        let mut interrupted_calls = 0;
        let reaped = ring.reap(min, &mut |Completion { slot, moved }| {
            if moved == Ok(block_bytes) {
                io_count += 1;
                observer.completed(slot.index);
                return free.push(slot);
            }
            let mut retried = Tally::default();
            match irregular(ops[slot.index as usize], moved, block_bytes, &mut retried) {
                Ok(()) if first_failure.is_none() => again.push(slot),
                Ok(()) => free.push(slot),
                Err(failure) => {
                    first_failure.get_or_insert(failure);
                    free.push(slot);
                }
            }
            interrupted_calls += retried.interrupted_calls;
        });
        tally.io_count += io_count;
        tally.interrupted_calls += interrupted_calls;
        match reaped {
            Ok(()) => Ok(()),
            Err(Errno::EINTR) => {
                tally.interrupted_calls += 1;
                Ok(())
            }
            Err(errno) => Err(Failure::of("submission", errno)),
        }
    }
}

//! The timed loop for rings: operations are pushed, and their completions are reaped later.
//!
//! Inside the bracket: push while fewer operations than the depth are in flight, then one `reap` that submits
//! and waits. Each completion costs one comparison and the return of its slot. Nothing is allocated: slots
//! and operations are set up when the session opens. With `--latency` an operation has two time stamps: at
//! its push, or when it was due, and when its completion is reaped. While operations wait for their time
//! (`--rate`), `reap` does not wait. Before a sync (`--sync-every`) everything in flight completes.

use std::ops::Range;

use nix::errno::Errno;

use super::interrupt;
use super::observer::{Observer, Unobserved, wait_until_due, with_recorder};
use super::offsets::Offsets;
use super::operation::{Direction, Op, Tally};
use super::retry::{interrupted, irregular, repeated};
use super::schedule::Directions;
use super::strategy::{Adapter, Effective, IoPath, Pass, Session, TimedLoop};
use super::workload::Workload;
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

    /// Submits the pushed operations without waiting, so that the device begins with them while others are
    /// pushed. Without an implementation, `reap` submits them.
    ///
    /// # Errors
    /// As for [`Queued::reap`].
    fn submit(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    /// Submits the pushed operations, waits until at least `min` operations have completed, and hands every
    /// completion to `sink`. A `min` of 0 only looks for completions.
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
    fn session(ring: T, granted: Effective, workload: &Workload) -> Box<dyn Session> {
        assert!((1..=granted.iodepth).contains(&granted.batch), "the batch is 1 to the depth");
        let idle = Op { direction: Direction::Read, offset_bytes: 0 };
        let depth = granted.iodepth;
        Box::new(QueuedSession {
            ring,
            granted,
            slots: Slots::new(depth, workload.mix.is_some()),
            ops: vec![idle; workload.slots() as usize],
            has_more: true,
            again: Vec::with_capacity(depth as usize),
        })
    }
}

/// The slots that are free.
struct Slots {
    depth: u32,
    is_mix: bool,
    free: Vec<Slot>,
    /// In a mix, reads have slots of their own, from the depth on. So writes always write the pattern.
    free_for_reads: Vec<Slot>,
    in_flight: u32,
}

impl Slots {
    fn new(depth: u32, is_mix: bool) -> Slots {
        // They are popped from the end, so the first operation gets slot 0.
        let slots = |range: Range<u32>| range.rev().map(|index| Slot { index }).collect();
        let for_reads = if is_mix { depth..2 * depth } else { 0..0 };
        Slots { depth, is_mix, free: slots(0..depth), free_for_reads: slots(for_reads), in_flight: 0 }
    }

    /// A slot for an operation. `None` if as many as the depth are in flight.
    #[inline(always)]
    fn take(&mut self, direction: Direction) -> Option<Slot> {
        let for_reads = self.is_mix && direction == Direction::Read;
        let slot = if for_reads { self.free_for_reads.pop() } else { self.free.pop() };
        self.in_flight += u32::from(slot.is_some());
        slot
    }

    #[inline(always)]
    fn release(&mut self, slot: Slot) {
        self.in_flight -= 1;
        if slot.index < self.depth { self.free.push(slot) } else { self.free_for_reads.push(slot) }
    }
}

struct QueuedSession<T> {
    ring: T,
    granted: Effective,
    slots: Slots,
    /// The operation in flight on each slot, for messages and for its repetition.
    ops: Vec<Op>,
    /// False once every operation of the pass has been pushed.
    has_more: bool,
    /// Slots whose operation a signal interrupted.
    again: Vec<Slot>,
}

impl<T: Queued> Session for QueuedSession<T> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        let block_bytes = pass.buffer.block_bytes();
        let Pass { schedule, tally, recording, .. } = pass;
        if let Some(recording) = recording {
            let ops = schedule.iter();
            return with_recorder!(recording, |recorder| self.drive(ops, block_bytes, tally, &mut recorder));
        }
        match (&schedule.offsets, &schedule.directions) {
            (Offsets::Sequential(run), Directions::All(direction)) => {
                let ops = run.iter().map(|offset_bytes| Op { direction: *direction, offset_bytes });
                self.drive(ops, block_bytes, tally, &mut Unobserved)
            }
            (Offsets::Listed(list), Directions::All(direction)) => {
                let op = |offset_bytes: &u64| Op { direction: *direction, offset_bytes: *offset_bytes };
                self.drive(list.iter().map(op), block_bytes, tally, &mut Unobserved)
            }
            (_, Directions::Listed(_)) => self.drive(schedule.iter(), block_bytes, tally, &mut Unobserved),
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
        mut ops: impl Iterator<Item = Op>,
        block_bytes: usize,
        tally: &mut Tally,
        observer: &mut impl Observer,
    ) -> Result<(), Failure> {
        let mut first_failure = None;
        self.has_more = true;
        loop {
            if interrupt::requested() && first_failure.is_none() {
                first_failure = Some(interrupted(self.ops[0]));
            }
            if first_failure.is_none() {
                self.fill(&mut ops, tally, observer)?;
            } else {
                self.again.drain(..).for_each(|slot| self.slots.release(slot));
            }
            if self.slots.in_flight > 0 {
                // Also after a failure: nothing may be in flight when the bracket closes.
                let min = self.wanted(observer);
                self.reap(min, block_bytes, tally, &mut first_failure, observer)?;
            } else if let Some(failure) = first_failure {
                return Err(failure);
            } else if observer.is_sync_due() {
                observer.sync_begins();
                repeated(tally, || self.ring.flush_data())?;
                observer.synced();
            } else if self.has_more {
                wait_until_due(observer);
            } else {
                return Ok(());
            }
        }
    }

    /// Pushes operations until no slot or no work is left, a sync is due, or the next has to wait for its
    /// time. With a batch of 1, each is submitted before the next is pushed.
    fn fill(
        &mut self,
        ops: &mut impl Iterator<Item = Op>,
        tally: &mut Tally,
        observer: &mut impl Observer,
    ) -> Result<(), Failure> {
        let mut is_pushed = false;
        while let Some(slot) = self.again.pop() {
            self.ring.push(self.ops[slot.index as usize], slot);
        }
        while self.slots.in_flight < self.slots.depth && !observer.is_sync_due() && observer.is_due() {
            let Some(op) = ops.next() else {
                self.has_more = false;
                break;
            };
            if is_pushed && self.granted.batch == 1 {
                entered(self.ring.submit(), tally)?;
            }
            let Some(slot) = self.slots.take(op.direction) else { break };
            self.ops[slot.index as usize] = op;
            observer.begins(slot.index, op.direction);
            self.ring.push(op, slot);
            is_pushed = true;
        }
        Ok(())
    }

    /// Number of completions to wait for: all of them before a sync, and none while other operations wait for
    /// their time.
    fn wanted(&self, observer: &impl Observer) -> u32 {
        let in_flight = self.slots.in_flight;
        if observer.is_sync_due() {
            in_flight
        } else if observer.keeps_a_rate() && self.has_more {
            0
        } else {
            self.granted.batch.min(in_flight)
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
        let Self { ring, slots, ops, again, .. } = self;
        let mut io_count = 0;
        let mut interrupted_calls = 0;
        let reaped = ring.reap(min, &mut |Completion { slot, moved }| {
            let op = ops[slot.index as usize];
            if moved == Ok(block_bytes) {
                io_count += 1;
                observer.completed(slot.index, op.direction);
                return slots.release(slot);
            }
            let mut retried = Tally::default();
            match irregular(op, moved, block_bytes, &mut retried) {
                Ok(()) if first_failure.is_none() => again.push(slot),
                Ok(()) => slots.release(slot),
                Err(failure) => {
                    first_failure.get_or_insert(failure);
                    slots.release(slot);
                }
            }
            interrupted_calls += retried.interrupted_calls;
        });
        tally.io_count += io_count;
        tally.interrupted_calls += interrupted_calls;
        entered(reaped, tally)
    }
}

/// The kernel's answer to a submission. An interrupted call is counted, and the loop continues.
fn entered(answer: Result<(), Errno>, tally: &mut Tally) -> Result<(), Failure> {
    match answer {
        Ok(()) => Ok(()),
        Err(Errno::EINTR) => {
            tally.interrupted_calls += 1;
            Ok(())
        }
        Err(errno) => Err(Failure::of("submission", errno)),
    }
}

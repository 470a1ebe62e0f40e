//! The inner seam for rings: operations are pushed, and their completions reaped later.
//!
//! Inside the clock: push while a slot is free, then one `reap` that submits and waits; for each
//! completion one comparison and the return of its slot. No allocation: slots and operations are
//! laid out when the session opens.

use std::marker::PhantomData;

use nix::errno::Errno;

use super::blocking::{interrupted, irregular};
use super::interrupt;
use super::offsets::Offsets;
use super::strategy::{
    Call, Direction, Effective, Info, Op, OpenSpec, Pass, Session, Strategy, Support, Tally, Work,
};
use super::target::Target;
use crate::error::{Error, Failure, Fault};

/// One block of the engine's buffer. It cannot be copied: pushed with an operation it belongs to
/// the ring, and comes back with the completion.
#[derive(Debug)]
pub struct Slot {
    index: u32,
}

impl Slot {
    /// Which block of the buffer.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The slot that a completion names.
    ///
    /// # Safety
    /// `index` must be that of a slot that was pushed and whose completion this is; otherwise
    /// two operations could write the same memory.
    pub unsafe fn returned(index: u32) -> Slot {
        Slot { index }
    }
}

/// A finished operation.
#[derive(Debug)]
pub struct Completion {
    /// The block, back in the engine's hands.
    pub slot: Slot,
    /// Bytes moved, or the kernel's answer.
    pub moved: Result<usize, Errno>,
}

/// What the file of a queued strategy implements.
pub trait Queued: Sized + 'static {
    /// Name, summary and abilities.
    const INFO: Info;

    /// Whether it runs on `target`.
    fn probe(target: &Target, direct: bool) -> Support;

    /// The system calls between the brackets of a pass of this size.
    fn calls(work: &Work) -> Vec<Call>;

    /// Opens the file and sets up the ring; outside the bracket.
    ///
    /// # Errors
    /// [`Error::Open`] if the path cannot be opened so, [`Error::System`] if the set-up fails.
    fn open(spec: &OpenSpec) -> Result<Self, Error>;

    /// Queues one operation on the block that `slot` names. The engine never has more than
    /// the depth of [`OpenSpec`] in flight.
    fn push(&mut self, op: Op, slot: Slot);

    /// Submits what was pushed, waits until at least `min` have completed, and hands every
    /// completion to `sink`.
    ///
    /// # Errors
    /// The kernel's answer to the call as a whole; `EINTR` is counted and the call is made again.
    fn reap(&mut self, min: u32, sink: &mut impl FnMut(Completion)) -> Result<(), Errno>;

    /// Brings what was written to stable storage; inside the bracket with `-s`.
    ///
    /// # Errors
    /// The kernel's answer; `EINTR` is counted and the call is made again.
    fn flush(&mut self) -> Result<(), Errno>;

    /// What was granted.
    fn effective(&self) -> Effective;
}

/// Makes a [`Strategy`] of a [`Queued`] implementation; one entry of the registry.
pub const fn queued<T: Queued>() -> QueuedStrategy<T> {
    QueuedStrategy(PhantomData)
}

/// See [`queued`].
pub struct QueuedStrategy<T>(PhantomData<fn() -> T>);

impl<T: Queued> Strategy for QueuedStrategy<T> {
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
        let ring = T::open(spec)?;
        let idle = Op { direction: spec.direction, offset_bytes: 0 };
        Ok(Box::new(QueuedSession {
            ring,
            batch: spec.batch,
            // Popped from the end: the first operation gets slot 0.
            free: (0..spec.depth).rev().map(|index| Slot { index }).collect(),
            ops: vec![idle; spec.depth as usize],
            again: Vec::with_capacity(spec.depth as usize),
        }))
    }
}

struct QueuedSession<T> {
    ring: T,
    batch: u32,
    free: Vec<Slot>,
    /// The operation in flight on each slot, for messages and for making it again.
    ops: Vec<Op>,
    /// Slots whose operation a signal interrupted.
    again: Vec<Slot>,
}

impl<T: Queued> Session for QueuedSession<T> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        let block_bytes = pass.buffer.block_bytes();
        let (direction, tally) = (pass.direction, &mut pass.tally);
        match pass.offsets {
            Offsets::Sequential(run) => self.drive(direction, run.iter(), block_bytes, tally),
            Offsets::Listed(list) => self.drive(direction, list.iter().copied(), block_bytes, tally),
        }
    }

    fn sync(&mut self) -> Result<(), Errno> {
        self.ring.flush()
    }

    fn effective(&self) -> Effective {
        self.ring.effective()
    }
}

impl<T: Queued> QueuedSession<T> {
    fn drive(
        &mut self,
        direction: Direction,
        mut offsets: impl Iterator<Item = u64>,
        block_bytes: usize,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut first_failure = None;
        loop {
            if interrupt::requested() && first_failure.is_none() {
                first_failure = Some(interrupted(Op { direction, offset_bytes: 0 }));
            }
            if first_failure.is_none() {
                self.fill(direction, &mut offsets);
            } else {
                self.free.append(&mut self.again);
            }
            let in_flight = self.ops.len() - self.free.len();
            if in_flight == 0 {
                return first_failure.map_or(Ok(()), Err);
            }
            // After a failure too: nothing may be left in flight when the bracket closes.
            self.reap(self.batch.min(in_flight as u32), block_bytes, tally, &mut first_failure)?;
        }
    }

    /// Pushes operations until no slot or no work is left.
    fn fill(&mut self, direction: Direction, offsets: &mut impl Iterator<Item = u64>) {
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
            self.ring.push(op, slot);
        }
    }

    fn reap(
        &mut self,
        min: u32,
        block_bytes: usize,
        tally: &mut Tally,
        first_failure: &mut Option<Failure>,
    ) -> Result<(), Failure> {
        let Self { ring, free, ops, again, .. } = self;
        let mut io_count = 0;
        let mut interrupted_calls = 0;
        let reaped = ring.reap(min, &mut |Completion { slot, moved }| {
            if moved == Ok(block_bytes) {
                io_count += 1;
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
            Err(errno) => {
                Err(Failure { operation: "submission", offset_bytes: None, fault: Fault::Errno(errno) })
            }
        }
    }
}

//! Other work of a timed loop than moving blocks: recording latencies, keeping a rate, and syncing after some
//! writes.
//!
//! A loop is compiled once with an observer that does nothing and costs nothing, and once per clock with a
//! recorder.

use std::hint::{black_box, spin_loop};
use std::marker::PhantomData;

use super::interrupt;
use super::latency::Latencies;
use super::operation::Direction;
use super::stamp::{Source, Stamp, StampClock};
use super::workload::Workload;
use crate::error::Error;

/// Actions of a timed loop at the beginning and the end of each operation.
pub(super) trait Observer {
    /// True if the next operation may begin: always without `--rate`.
    fn is_due(&self) -> bool;
    /// An operation of a queue begins on the block of this slot.
    fn begins(&mut self, slot: u32, direction: Direction);
    /// An operation begins at the end of the one before, or when it is due.
    fn follows(&mut self, direction: Direction);
    /// The operation on the block of this slot has completed.
    fn completed(&mut self, slot: u32, direction: Direction);
    /// True if a sync follows the last write (`--sync-every`).
    fn is_sync_due(&self) -> bool;
    /// The sync begins, with nothing in flight.
    fn sync_begins(&mut self);
    /// The sync has completed.
    fn synced(&mut self);
    /// True if operations wait for their time, so that a loop must not wait for completions.
    fn keeps_a_rate(&self) -> bool;
}

/// Waits in memory until the next operation is due, or until a signal requests the end of the run.
#[inline(always)]
pub(super) fn wait_until_due(observer: &impl Observer) {
    while !observer.is_due() && !interrupt::requested() {
        spin_loop();
    }
}

/// The observer of the throughput loop.
pub(super) struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn is_due(&self) -> bool {
        true
    }
    #[inline(always)]
    fn begins(&mut self, _: u32, _: Direction) {}
    #[inline(always)]
    fn follows(&mut self, _: Direction) {}
    #[inline(always)]
    fn completed(&mut self, _: u32, _: Direction) {}
    #[inline(always)]
    fn is_sync_due(&self) -> bool {
        false
    }
    #[inline(always)]
    fn sync_begins(&mut self) {}
    #[inline(always)]
    fn synced(&mut self) {}
    #[inline(always)]
    fn keeps_a_rate(&self) -> bool {
        false
    }
}

/// Latencies that are recorded in a pass.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Of the reads.
    pub reads: Latencies,
    /// Of the writes.
    pub writes: Latencies,
    /// Of the syncs (`--sync-every`).
    pub syncs: Latencies,
    /// From the beginning of the write before a sync to the end of the sync.
    pub commits: Latencies,
}

impl Recorded {
    fn new(clock: StampClock) -> Recorded {
        let new = || Latencies::new(clock);
        Recorded { reads: new(), writes: new(), syncs: new(), commits: new() }
    }

    /// The latencies of reads and writes together.
    pub fn of_all(&self) -> Latencies {
        let mut all = self.reads.clone();
        all.merge(&self.writes);
        all
    }

    /// Adds the latencies of another worker.
    pub(super) fn merge(&mut self, other: &Recorded) {
        self.reads.merge(&other.reads);
        self.writes.merge(&other.writes);
        self.syncs.merge(&other.syncs);
        self.commits.merge(&other.commits);
    }
}

/// The times at which operations are to begin: one every `interval` ticks.
#[derive(Debug, Clone, Copy)]
struct Pace {
    next: f64,
    interval: f64,
}

/// The state of a recorder during a pass.
#[derive(Debug)]
pub struct Recording {
    /// The latencies.
    pub recorded: Recorded,
    clock: StampClock,
    /// Beginning of the operation on each slot, in ticks. A loop without a queue uses the first.
    began: Vec<u64>,
    write_began: u64,
    sync_began: u64,
    writes_since_sync: u64,
    /// Number of writes per sync; 0 for never.
    sync_every: u64,
    pace: Option<Pace>,
    /// The first operation of this worker is due this many intervals after the start.
    phase: f64,
}

impl Recording {
    /// A recording for the worker with this number, if the workload needs one. Its pages are present.
    ///
    /// # Errors
    /// A usage error if no clock can be read without a system call.
    pub(super) fn of(workload: &Workload, worker: u32) -> Result<Option<Recording>, Error> {
        if !workload.is_recorded() {
            return Ok(None);
        }
        let clock = StampClock::get().ok_or_else(|| {
            Error::usage(
                "--latency, --rate, --sync-every: on this machine a time stamp is a system call, which \
                 tracers take for a bracket; use the clock source tsc, or leave these options out",
            )
        })?;
        let mut began = vec![0; workload.slots() as usize];
        black_box(&mut began).fill(0);
        let threads = f64::from(workload.threads);
        let pace = workload.rate.map(|rate| {
            let interval = threads * 1e9 / rate as f64 / clock.ns_per_tick;
            Pace { next: 0.0, interval }
        });
        Ok(Some(Recording {
            recorded: Recorded::new(clock),
            clock,
            began,
            write_began: 0,
            sync_began: 0,
            writes_since_sync: 0,
            sync_every: workload.sync_every.unwrap_or(0),
            pace,
            phase: f64::from(worker) / threads,
        }))
    }

    /// The clock of the stamps.
    pub(super) fn source(&self) -> Source {
        self.clock.source
    }

    /// The observer by stamps of the clock `S`, which is that of the recording. The pass begins now.
    pub(super) fn recorder<S: Stamp>(&mut self) -> impl Observer {
        let now = S::ticks();
        self.began[0] = now;
        if let Some(pace) = &mut self.pace {
            pace.next = now as f64 + self.phase * pace.interval;
        }
        Recorder::<S> { recording: self, clock: PhantomData }
    }

    /// Counts a write that began at this time. A sync follows the last of some.
    #[inline(always)]
    fn count_write(&mut self, direction: Direction, began: u64) {
        if direction == Direction::Write {
            self.write_began = began;
            self.writes_since_sync += 1;
        }
    }
}

/// Calls a loop with the recorder for the clock of this machine.
macro_rules! with_recorder {
    ($recording:expr, |$recorder:ident| $run:expr) => {
        match $recording.source() {
            $crate::engine::stamp::Source::Tsc => {
                let mut $recorder = $recording.recorder::<$crate::engine::stamp::Counter>();
                $run
            }
            $crate::engine::stamp::Source::Vdso => {
                let mut $recorder = $recording.recorder::<$crate::engine::stamp::Vdso>();
                $run
            }
        }
    };
}
pub(super) use with_recorder;

struct Recorder<'a, S> {
    recording: &'a mut Recording,
    clock: PhantomData<S>,
}

impl<S: Stamp> Recorder<'_, S> {
    /// The beginning of the next operation: the time at which it is due, or else `now`.
    #[inline(always)]
    fn beginning(&mut self, now: impl Fn() -> u64) -> u64 {
        match &mut self.recording.pace {
            None => now(),
            Some(pace) => {
                let due = pace.next as u64;
                pace.next += pace.interval;
                due
            }
        }
    }
}

impl<S: Stamp> Observer for Recorder<'_, S> {
    #[inline(always)]
    fn is_due(&self) -> bool {
        self.recording.pace.is_none_or(|pace| S::ticks() as f64 >= pace.next)
    }

    #[inline(always)]
    fn begins(&mut self, slot: u32, direction: Direction) {
        let began = self.beginning(S::ticks);
        self.recording.began[slot as usize] = began;
        self.recording.count_write(direction, began);
    }

    #[inline(always)]
    fn follows(&mut self, direction: Direction) {
        let end_of_last = self.recording.began[0];
        let began = self.beginning(|| end_of_last);
        self.recording.began[0] = began;
        self.recording.count_write(direction, began);
    }

    #[inline(always)]
    fn completed(&mut self, slot: u32, direction: Direction) {
        let now = S::ticks();
        let Recording { recorded, began, .. } = &mut *self.recording;
        let latency = now.saturating_sub(began[slot as usize]);
        match direction {
            Direction::Read => recorded.reads.record(latency),
            Direction::Write => recorded.writes.record(latency),
        }
        began[slot as usize] = now;
    }

    #[inline(always)]
    fn is_sync_due(&self) -> bool {
        let Recording { sync_every, writes_since_sync, .. } = *self.recording;
        sync_every > 0 && writes_since_sync >= sync_every
    }

    fn sync_begins(&mut self) {
        self.recording.sync_began = S::ticks();
    }

    fn synced(&mut self) {
        let now = S::ticks();
        let Recording { recorded, sync_began, write_began, began, writes_since_sync, .. } =
            &mut *self.recording;
        recorded.syncs.record(now.saturating_sub(*sync_began));
        recorded.commits.record(now.saturating_sub(*write_began));
        *writes_since_sync = 0;
        began[0] = now;
    }

    #[inline(always)]
    fn keeps_a_rate(&self) -> bool {
        self.recording.pace.is_some()
    }
}

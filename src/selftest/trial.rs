//! One session on one file, run pass by pass, for the checks.

use std::sync::Arc;

use super::data_file::DataFile;
use super::subject::Subject;
use crate::engine::access::Access;
use crate::engine::buffer::{Buffer, BufferPool};
use crate::engine::offsets::Offsets;
use crate::engine::operation::{Direction, Tally};
use crate::engine::schedule::Schedule;
use crate::engine::strategy::{OpenSpec, Pass, Session};
use crate::engine::target::Target;
use crate::engine::workload::Workload;
use crate::error::{Error, Failure};

/// Workload of a trial, in either direction, and the size of its file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    workload: Workload,
    /// Number of blocks of the file after the last one that is visited.
    margin_blocks: u64,
}

impl Shape {
    /// One operation at a time, from the first block to the last.
    pub(super) fn plain(block_bytes: u64, blocks: u64) -> Shape {
        let workload = Workload::new(Direction::Read, block_bytes, block_bytes * blocks);
        Shape { workload, margin_blocks: 0 }.queued(1, 1)
    }

    /// The same with this depth and batch.
    pub(super) fn queued(self, depth: u32, batch: u32) -> Shape {
        Shape { workload: Workload { iodepth: Some(depth), batch: Some(batch), ..self.workload }, ..self }
    }

    /// The same blocks in random order. Their number is the seed.
    pub(super) fn shuffled(self) -> Shape {
        let (access, seed) = (Access::Random, self.blocks());
        Shape { workload: Workload { access, seed, ..self.workload }, ..self }
    }

    /// The same with more blocks in the file.
    pub(super) fn with_margin(self, margin_blocks: u64) -> Shape {
        Shape { margin_blocks, ..self }
    }

    /// The workload in this direction, with O_DIRECT if `direct`.
    pub(super) fn workload(&self, direction: Direction, direct: bool) -> Workload {
        Workload { direction, direct, ..self.workload }
    }

    pub(super) fn block_bytes(&self) -> u64 {
        self.workload.block_bytes
    }

    pub(super) fn blocks(&self) -> u64 {
        self.workload.blocks()
    }

    pub(super) fn depth(&self) -> u32 {
        self.workload.depth()
    }

    pub(super) fn is_sequential(&self) -> bool {
        self.workload.access == Access::Sequential
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.workload.total_bytes
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.block_bytes() * (self.blocks() + self.margin_blocks)
    }

    /// The offsets of all blocks, in the order of the access.
    pub(super) fn offsets(&self) -> Offsets {
        let Workload { access, total_bytes, block_bytes, seed, .. } = self.workload;
        Offsets::cover(access, total_bytes, block_bytes, seed)
    }

    /// The blocks in the same order, in passes of `depth` blocks. A shorter last pass is left out, because it
    /// would not use every slot of the buffer.
    pub(super) fn passes(&self) -> Vec<Vec<u64>> {
        self.places().chunks_exact(self.depth() as usize).map(<[u64]>::to_vec).collect()
    }

    /// Offsets that a pass over all blocks visits.
    pub(super) fn places(&self) -> Vec<u64> {
        match self.offsets() {
            Offsets::Sequential(run) => run.iter().collect(),
            Offsets::Listed(list) => list,
        }
    }

    /// The offsets of one such pass, in the form that the engine uses.
    pub(super) fn offsets_of(&self, places: &[u64]) -> Offsets {
        match (self.workload.access, places.first()) {
            (Access::Sequential, Some(first)) => {
                Offsets::run(*first, self.block_bytes(), places.len() as u64)
            }
            _ => Offsets::Listed(places.to_vec()),
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (blocks, block_bytes, batch) = (self.blocks(), self.block_bytes(), self.workload.waits_for());
        let access = if self.is_sequential() { "sequential" } else { "random" };
        write!(f, "{blocks} blocks of {block_bytes} bytes, {access}, depth {}, batch {batch}", self.depth())
    }
}

/// An open session with its buffer.
pub(super) struct Trial {
    // Dropped before buffer and target, as in a run.
    session: Box<dyn Session>,
    buffer: Arc<Buffer>,
    pub(super) target: Target,
    shape: Shape,
    direction: Direction,
}

impl Trial {
    /// Opens `file` through the strategy.
    pub(super) fn open(
        subject: &Subject,
        file: &DataFile,
        shape: Shape,
        direction: Direction,
    ) -> Result<Trial, String> {
        let target = file.target(direction)?;
        Trial::open_target(subject, target, shape, direction)?.map_err(|error| error.to_string())
    }

    /// Opens a target. The inner error is the strategy's own.
    pub(super) fn open_target(
        subject: &Subject,
        target: Target,
        shape: Shape,
        direction: Direction,
    ) -> Result<Result<Trial, Error>, String> {
        let workload = shape.workload(direction, subject.direct);
        let buffer = BufferPool::default().buffer(&workload, subject.limits.memory_align_bytes());
        let buffer = buffer.map_err(|error| error.to_string())?;
        let opened = subject.strategy.open(&OpenSpec {
            target: &target,
            workload: &workload,
            first_bytes: 0,
            buffer: &buffer,
        });
        Ok(opened.map(|session| Trial { session, buffer, target, shape, direction }))
    }

    /// The session itself.
    pub(super) fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// One pass, with the result that the engine would see.
    pub(super) fn attempt(&mut self, offsets: &Offsets) -> (Result<(), Failure>, Tally) {
        let tally = Tally::default();
        let schedule = Schedule::all(self.direction, offsets.clone());
        let mut pass = Pass { schedule: &schedule, buffer: &self.buffer, tally, recording: None };
        let outcome = self.session.run(&mut pass);
        (outcome, pass.tally)
    }

    /// One pass over `places`, which must succeed and be counted correctly.
    pub(super) fn pass(&mut self, places: &[u64]) -> Result<(), String> {
        self.succeed(&self.shape.offsets_of(places), places.len() as u64)
    }

    /// One pass over every block, which must succeed and be counted correctly.
    pub(super) fn pass_over_all(&mut self) -> Result<(), String> {
        self.succeed(&self.shape.offsets(), self.shape.blocks())
    }

    fn succeed(&mut self, offsets: &Offsets, blocks: u64) -> Result<(), String> {
        let (outcome, tally) = self.attempt(offsets);
        outcome.map_err(|failure| failure.to_string())?;
        let Tally { io_count, interrupted_calls } = tally;
        if io_count != blocks {
            return Err(format!("{io_count} I/Os were counted, but {blocks} were requested"));
        }
        // A signal from outside may interrupt a call, but not more often than calls were made.
        if interrupted_calls > io_count {
            return Err(format!("{interrupted_calls} interrupted calls were counted in {io_count} I/Os"));
        }
        Ok(())
    }

    /// Contents of each slot of the buffer.
    pub(super) fn slots(&self) -> Vec<Vec<u8>> {
        // SAFETY: no pass is running, so nothing else refers to the block while it is copied.
        (0..self.shape.depth()).map(|index| unsafe { self.buffer.block_mut(index) }.to_vec()).collect()
    }

    /// Fills each slot by its index.
    pub(super) fn fill(&mut self, mut contents: impl FnMut(usize, &mut [u8])) {
        for index in 0..self.shape.depth() {
            // SAFETY: no pass is running, so nothing else refers to the block while it is filled.
            contents(index as usize, unsafe { self.buffer.block_mut(index) });
        }
    }
}

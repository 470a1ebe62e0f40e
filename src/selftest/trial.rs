//! One session on one file, run pass by pass: the machinery of the checks.

use std::sync::Arc;

use super::Subject;
use super::said;
use super::scratch::DataFile;
use crate::engine::buffer::{Buffer, Fill};
use crate::engine::offsets::{Access, Offsets};
use crate::engine::strategy::{Direction, OpenSpec, Pass, Session, Tally};
use crate::engine::target::Target;
use crate::error::{Error, Failure};

/// Size and shape of a trial.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) block_bytes: u64,
    pub(super) blocks: u64,
    pub(super) depth: u32,
    pub(super) batch: u32,
    pub(super) access: Access,
    /// Blocks of the file behind the last one that is visited.
    pub(super) margin_blocks: u64,
}

impl Shape {
    /// One operation at a time, from the first block to the last.
    pub(super) fn plain(block_bytes: u64, blocks: u64) -> Shape {
        let (depth, batch, access, margin_blocks) = (1, 1, Access::Sequential, 0);
        Shape { block_bytes, blocks, depth, batch, access, margin_blocks }
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.block_bytes * self.blocks
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.block_bytes * (self.blocks + self.margin_blocks)
    }

    /// All blocks, in the order of the access.
    pub(super) fn offsets(&self) -> Offsets {
        Offsets::cover(self.access, self.total_bytes(), self.block_bytes, self.blocks)
    }

    /// The blocks in the same order, in passes of `depth` blocks; a last pass that would not use
    /// every slot of the buffer is left out.
    pub(super) fn passes(&self) -> Vec<Vec<u64>> {
        self.places().chunks_exact(self.depth as usize).map(<[u64]>::to_vec).collect()
    }

    /// Every place that a pass over all blocks visits.
    pub(super) fn places(&self) -> Vec<u64> {
        match self.offsets() {
            Offsets::Sequential(run) => run.iter().collect(),
            Offsets::Listed(list) => list,
        }
    }

    /// The offsets of one such pass, as the engine would give them.
    pub(super) fn offsets_of(&self, places: &[u64]) -> Offsets {
        match (self.access, places.first()) {
            (Access::Sequential, Some(first)) => Offsets::run(*first, self.block_bytes, places.len() as u64),
            _ => Offsets::Listed(places.to_vec()),
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shape { block_bytes, blocks, depth, batch, .. } = self;
        let access = if self.access == Access::Random { "random" } else { "sequential" };
        write!(f, "{blocks} blocks of {block_bytes} bytes, {access}, depth {depth}, batch {batch}")
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
        Trial::open_target(subject, target, shape, direction)?.map_err(said)
    }

    /// Opens a target; the inner error is the strategy's own answer.
    pub(super) fn open_target(
        subject: &Subject,
        target: Target,
        shape: Shape,
        direction: Direction,
    ) -> Result<Result<Trial, Error>, String> {
        let align_bytes = subject.memory_align_bytes();
        let buffer = Buffer::map(direction, shape.block_bytes, shape.depth, align_bytes, Fill::Prefault)
            .map_err(said)?;
        let opened = subject.strategy.open(&OpenSpec {
            target: &target,
            direction,
            direct: subject.direct,
            total_bytes: shape.total_bytes(),
            depth: shape.depth,
            batch: shape.batch,
            buffer: &buffer,
        });
        Ok(opened.map(|session| Trial { session, buffer, target, shape, direction }))
    }

    /// The session itself.
    pub(super) fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// One pass; what the engine would get to see of it.
    pub(super) fn attempt(&mut self, offsets: &Offsets) -> (Result<(), Failure>, Tally) {
        let tally = Tally::default();
        let mut pass = Pass { direction: self.direction, offsets, buffer: &self.buffer, tally };
        let outcome = self.session.run(&mut pass);
        (outcome, pass.tally)
    }

    /// One pass over `places` that must succeed and be counted right.
    pub(super) fn pass(&mut self, places: &[u64]) -> Result<(), String> {
        self.succeed(&self.shape.offsets_of(places), places.len() as u64)
    }

    /// One pass over every block, which must succeed and be counted right.
    pub(super) fn pass_over_all(&mut self) -> Result<(), String> {
        self.succeed(&self.shape.offsets(), self.shape.blocks)
    }

    fn succeed(&mut self, offsets: &Offsets, blocks: u64) -> Result<(), String> {
        let (outcome, tally) = self.attempt(offsets);
        outcome.map_err(|failure| failure.to_string())?;
        let Tally { io_count, interrupted_calls } = tally;
        if io_count != blocks {
            return Err(format!("{io_count} I/Os were counted, and {blocks} asked for"));
        }
        // A signal of the outside may interrupt a call, but not more often than calls were made.
        if interrupted_calls > io_count {
            return Err(format!("{interrupted_calls} interrupted calls were counted in {io_count} I/Os"));
        }
        Ok(())
    }

    /// What each slot of the buffer holds.
    pub(super) fn slots(&self) -> Vec<Vec<u8>> {
        // SAFETY: no pass is running, so nothing else refers to the block while it is copied.
        (0..self.shape.depth).map(|index| unsafe { self.buffer.block_mut(index) }.to_vec()).collect()
    }

    /// Fills each slot by its index.
    pub(super) fn fill(&mut self, mut contents: impl FnMut(usize, &mut [u8])) {
        for index in 0..self.shape.depth {
            // SAFETY: no pass is running, so nothing else refers to the block while it is filled.
            contents(index as usize, unsafe { self.buffer.block_mut(index) });
        }
    }
}

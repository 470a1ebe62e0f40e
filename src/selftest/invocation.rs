//! One run of one strategy in a process of its own, for tracers.

use std::path::Path;

use super::subject::Subject;
use crate::engine::operation::{Direction, Mode};
use crate::engine::prepare::Preparation;
use crate::engine::strategy::{Call, Strategy};
use crate::engine::support::Limits;
use crate::engine::workload::Workload;
use crate::job::{Job, RunJob};

/// One run of one strategy.
#[derive(Clone, Copy)]
pub struct Invocation {
    /// The I/O path.
    pub strategy: &'static dyn Strategy,
    /// Its limits on the file.
    pub limits: Limits,
    /// The workload of each sample.
    pub workload: Workload,
    /// Number of samples.
    pub iterations: usize,
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Workload { direction, block_bytes, direct, sync, .. } = self.workload;
        let (name, depth) = (self.strategy.info().name, self.granted().depth());
        let flags = if direct { " -d" } else { "" };
        let sync = if sync { " -s" } else { "" };
        write!(f, "{name} {} -b {block_bytes}{flags}{sync} --iodepth {depth}", direction.name())
    }
}

impl Invocation {
    /// Two samples of this subject in one direction: `blocks` blocks of `block_bytes` bytes.
    pub(super) fn of(subject: &Subject, direction: Direction, block_bytes: u64, blocks: u64) -> Invocation {
        let Subject { strategy, direct, limits, .. } = *subject;
        let workload = Workload { direct, ..Workload::new(direction, block_bytes, block_bytes * blocks) };
        Invocation { strategy, limits, workload, iterations: 2 }
    }

    /// The same with this many operations in flight, if the strategy has a queue.
    #[must_use]
    pub fn with_depth(self, depth: u32) -> Self {
        Invocation { workload: Workload { iodepth: Some(depth), ..self.workload }, ..self }
    }

    /// The same by two workers.
    #[must_use]
    pub(super) fn on_two_threads(self) -> Self {
        Invocation { workload: Workload { threads: 2, ..self.workload }, ..self }
    }

    /// The same with as many reads as writes.
    #[must_use]
    pub(super) fn mixed(self) -> Self {
        Invocation { workload: Workload { mix: Some(50), ..self.workload }, ..self }
    }

    /// The same with a sync inside the bracket. A queue then waits for all of its operations at a time, so
    /// the last call is always that of the sync.
    #[must_use]
    pub fn with_sync(self) -> Self {
        let batch = Some(self.granted().depth());
        Invocation { workload: Workload { sync: true, batch, ..self.workload }, ..self }
    }

    /// This run on `file` as a job.
    pub(super) fn job(&self, file: &Path) -> Job {
        let Workload { direction, sync, .. } = self.workload;
        Job::Run(Box::new(RunJob {
            strategy: self.strategy.info().name.to_owned(),
            mode: if direction == Direction::Read { Mode::Read } else { Mode::Write },
            path: file.to_owned(),
            workload: self.workload,
            preparation: Preparation::NONE,
            // getrusage(2) is called outside the bracket. It must not add a call inside.
            usage: sync,
            iterations: self.iterations as u64,
            for_seconds: None,
            create_missing: false,
            file_size_bytes: None,
            allow_device_write: false,
        }))
    }

    /// The workload of one sample, with depth and batch settled.
    pub fn granted(&self) -> Workload {
        self.workload.within(&self.limits)
    }

    /// The calls that the strategy declares for one sample.
    pub fn declared(&self) -> Vec<Call> {
        self.strategy.calls(&self.granted())
    }

    /// Declared calls that a sync adds or makes more frequent.
    pub fn syncing(&self) -> Vec<Call> {
        let with = |sync| self.strategy.calls(&Workload { sync, ..self.granted() });
        let without = with(false);
        with(true).into_iter().filter(|call| !without.contains(call)).collect()
    }
}

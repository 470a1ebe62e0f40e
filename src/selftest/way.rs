//! One way to run one strategy as a program of its own: what a tracer is started on.

use super::Subject;
use crate::engine::strategy::{Call, DirectIo, Direction, Strategy, Work};

/// One way to run one strategy.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The I/O path.
    pub strategy: &'a dyn Strategy,
    /// Which way the bytes move.
    pub direction: Direction,
    /// Whether the file is opened with O_DIRECT.
    pub direct: bool,
    /// Whether a sync belongs to the bracket.
    pub sync: bool,
    /// Size of one I/O.
    pub block_bytes: u64,
    /// I/Os of one sample.
    pub blocks: u64,
    /// Operations in flight, where the strategy has a queue.
    pub depth: u32,
    /// Samples.
    pub iterations: usize,
}

impl std::fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.args().join(" "))
    }
}

impl Way<'_> {
    /// The way of this subject in one direction: `blocks` blocks of `block_bytes` bytes, twice.
    pub(super) fn of<'a>(
        subject: &Subject<'a>,
        direction: Direction,
        block_bytes: u64,
        blocks: u64,
    ) -> Way<'a> {
        let Subject { strategy, direct, .. } = *subject;
        Way { strategy, direction, direct, sync: false, block_bytes, blocks, depth: 32, iterations: 2 }
    }

    /// The arguments of the program: all but the path.
    pub fn args(&self) -> Vec<String> {
        let info = self.strategy.info();
        let Work { block_bytes, depth, batch, .. } = self.work();
        let flag = if self.direction == Direction::Read { "-r" } else { "-w" };
        let mut args: Vec<String> = ["--strategy", info.name, flag, "-B", "-j"].map(str::to_owned).into();
        let mut option = |flag: &str, number: u64| args.extend([flag.to_owned(), number.to_string()]);
        option("-n", self.iterations as u64);
        option("-b", block_bytes);
        option("-t", self.total_bytes());
        if info.deepest_queue > 1 {
            option("--iodepth", depth.into());
            option("--batch", batch.into());
        }
        args.extend((self.direct && info.direct != DirectIo::Always).then(|| "-d".to_owned()));
        // getrusage(2) is outside the bracket, where it must add no call.
        args.extend(self.sync.then_some(["-s", "-g"]).into_iter().flatten().map(str::to_owned));
        args
    }

    /// Bytes of one sample.
    pub fn total_bytes(&self) -> u64 {
        self.block_bytes * self.blocks
    }

    /// The size of one sample. A queue waits for all of itself at a time, so that the last call is
    /// the sync's in every run; with O_DIRECT and without a sync for one, so that others are in
    /// flight when a call fails.
    pub fn work(&self) -> Work {
        let Way { direction, block_bytes, blocks, sync, .. } = *self;
        let depth = self.depth.min(self.strategy.info().deepest_queue);
        let depth = depth.min(u32::try_from(blocks).unwrap_or(u32::MAX));
        let batch = if self.direct && !sync { 1 } else { depth };
        Work { direction, blocks, block_bytes, depth, batch, sync }
    }

    /// The calls that the strategy declares for one sample.
    pub fn declared(&self) -> Vec<Call> {
        self.strategy.calls(&self.work())
    }

    /// Declared calls that a sync adds, or makes more often.
    pub fn syncing(&self) -> Vec<Call> {
        let with = |sync| Way { sync, ..*self }.strategy.calls(&Work { sync, ..self.work() });
        let without = with(false);
        with(true).into_iter().filter(|call| !without.contains(call)).collect()
    }
}

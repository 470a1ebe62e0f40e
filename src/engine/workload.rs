//! The workload of a sample. This is its only description, from the command line to the timed loop and to the
//! document.
//!
//! A new option is a field here. docs/architecture.md shows the other places that it needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::affinity::CpuChoice;
use super::offsets::share_start;
use super::operation::Direction;
use super::support::Limits;

/// Default number of operations in flight.
pub(crate) const DEFAULT_IODEPTH: u32 = 32;

/// State of the buffer's pages when the bracket opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum PageState {
    /// All pages are present: they are written before the sample starts. For writes the buffer holds a
    /// pseudo-random pattern, which no filesystem can compress.
    Prefault,
    /// The pages are not present: the sample includes the page faults, as in `io-benchmark`.
    Fresh,
}

/// The workload of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Direction of the transfers.
    pub direction: Direction,
    /// Size of one I/O, in bytes (-b).
    pub block_bytes: u64,
    /// Bytes of the file that one sample covers, from offset 0 (-t); a multiple of `block_bytes`.
    pub total_bytes: u64,
    /// Order of the blocks (--access).
    pub access: Access,
    /// Seed of a random order (--seed).
    pub seed: u64,
    /// Operations in flight per worker (--iodepth); null for the default.
    pub iodepth: Option<u32>,
    /// Completions to wait for at a time (--batch); null for the default.
    pub batch: Option<u32>,
    /// True if the file is to be opened with O_DIRECT (-d).
    pub direct: bool,
    /// True if the file is to be opened with O_NOATIME (--noatime).
    pub noatime: bool,
    /// True if the bracket includes a sync (-s).
    pub sync: bool,
    /// State of the buffer's pages when the bracket opens (--buffer).
    pub buffer: PageState,
    /// CPUs to run on (--cpu).
    pub cpu: CpuChoice,
    /// True if the latency of each I/O is recorded (--latency).
    #[serde(default)]
    pub latency: bool,
    /// Number of workers, each on a thread of its own (--threads).
    #[serde(default = "one")]
    pub threads: u32,
    /// Percentage of reads, where `direction` is write (--mix); null for one direction.
    #[serde(default)]
    pub mix: Option<u32>,
    /// Number of writes of a worker after which it syncs its data (--sync-every); null for never.
    #[serde(default)]
    pub sync_every: Option<u64>,
    /// Sync of each write (--open-sync).
    #[serde(default)]
    pub open_sync: OpenSync,
    /// I/Os per second of all workers together (--rate); null for as fast as possible.
    #[serde(default)]
    pub rate: Option<u64>,
    /// Files of the workers (--files).
    #[serde(default)]
    pub files: Files,
}

/// Files of the workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// All workers use the same file.
    #[default]
    Shared,
    /// Each worker has a file of its own, with its share of the total from offset 0: `path.0`, `path.1` and
    /// so on.
    PerThread,
}

/// Flags of open(2) that make each write synchronous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum OpenSync {
    /// None.
    #[default]
    None,
    /// O_DSYNC: a write returns when its data is on stable storage, as if fdatasync(2) followed.
    Dsync,
    /// O_SYNC: as if fsync(2) followed.
    Sync,
}

fn one() -> u32 {
    1
}

impl Workload {
    /// Blocks of `block_bytes` bytes in order, through the page cache, with defaults for everything else.
    pub fn new(direction: Direction, block_bytes: u64, total_bytes: u64) -> Workload {
        Workload {
            direction,
            block_bytes,
            total_bytes,
            access: Access::Sequential,
            seed: 0,
            iodepth: None,
            batch: None,
            direct: false,
            noatime: false,
            sync: false,
            buffer: PageState::Prefault,
            cpu: CpuChoice::Default,
            latency: false,
            threads: 1,
            mix: None,
            sync_every: None,
            open_sync: OpenSync::None,
            rate: None,
            files: Files::Shared,
        }
    }

    /// Number of I/Os.
    pub fn blocks(&self) -> u64 {
        self.total_bytes / self.block_bytes
    }

    /// The same workload with the depth and the batch that it gets within `limits`.
    ///
    /// The depth is the requested one or 32. It is at most the strategy's maximum, and at most the number of
    /// I/Os of each worker, because more slots would only take memory. The batch is the requested one, and at
    /// most the depth. On the page cache its default is the depth, so that one system call moves the whole
    /// queue. With O_DIRECT its default is 1, so that the device's queue stays full.
    #[must_use]
    pub fn within(self, limits: &Limits) -> Workload {
        let blocks = u32::try_from(self.blocks() / u64::from(self.threads)).unwrap_or(u32::MAX);
        let depth = self.iodepth.unwrap_or(DEFAULT_IODEPTH).min(limits.max_iodepth).min(blocks).max(1);
        let batch = self.batch.unwrap_or(if self.direct { 1 } else { depth }).clamp(1, depth);
        Workload { iodepth: Some(depth), batch: Some(batch), ..self }
    }

    /// Number of reads: with `--mix` the percentage, rounded to a whole number.
    pub fn reads(&self) -> u64 {
        let blocks = self.blocks();
        match self.mix {
            Some(percent) => ((u128::from(blocks) * u128::from(percent) + 50) / 100) as u64,
            None if self.direction == Direction::Read => blocks,
            None => 0,
        }
    }

    /// Number of writes.
    pub fn writes(&self) -> u64 {
        self.blocks() - self.reads()
    }

    /// Number of blocks of a worker's buffer: one per operation in flight, and in a mix as many again,
    /// because reads must not change what writes write.
    pub fn slots(&self) -> u32 {
        let kinds = if self.mix.is_some() { 2 } else { 1 };
        self.depth().saturating_mul(kinds)
    }

    /// True if samples contain syncs.
    pub fn syncs(&self) -> bool {
        self.sync || self.sync_every.is_some() || self.open_sync != OpenSync::None
    }

    /// True if the loop takes time stamps.
    pub fn is_recorded(&self) -> bool {
        self.latency || self.rate.is_some() || self.sync_every.is_some()
    }

    /// The share of each worker, in order.
    pub fn shares(self) -> impl Iterator<Item = Workload> {
        let start = move |worker| share_start(self.blocks(), self.threads, worker);
        (0..self.threads).map(move |worker| Workload {
            total_bytes: (start(worker + 1) - start(worker)) * self.block_bytes,
            threads: 1,
            ..self
        })
    }

    /// Bytes of the total in each file.
    pub fn per_file(&self) -> impl Iterator<Item = u64> {
        let (whole, own) = match self.files {
            Files::Shared => (Some(self.total_bytes), 0),
            Files::PerThread => (None, self.threads as usize),
        };
        whole.into_iter().chain(self.shares().take(own).map(|share| share.total_bytes))
    }

    /// Operations in flight of a worker; 1 until [`Workload::within`] has settled it.
    pub fn depth(&self) -> u32 {
        self.iodepth.unwrap_or(1)
    }

    /// Completions to wait for at a time, 1 to [`Workload::depth`].
    pub fn waits_for(&self) -> u32 {
        self.batch.unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(workload: Workload, max_iodepth: u32) -> (u32, u32) {
        let limits = Limits { alignment: None, max_iodepth, max_block_bytes: u64::MAX };
        let workload = workload.within(&limits);
        (workload.depth(), workload.waits_for())
    }

    #[test]
    fn depth_and_batch_stay_within_request_limits_and_blocks() {
        let plain = Workload::new(Direction::Read, 4096, 1 << 20);
        let asked = |iodepth, batch| Workload { iodepth, batch, ..plain };
        assert_eq!(granted(plain, 4096), (32, 32));
        assert_eq!(granted(plain, 1), (1, 1));
        assert_eq!(granted(asked(Some(8), None), 4096), (8, 8));
        assert_eq!(granted(asked(Some(8), Some(3)), 4096), (8, 3));
        assert_eq!(granted(asked(Some(8), Some(9)), 4096), (8, 8));
        assert_eq!(granted(asked(Some(8), None), 4), (4, 4));
        assert_eq!(granted(Workload { direct: true, ..plain }, 4096), (32, 1));
        assert_eq!(granted(Workload { total_bytes: 3 * 4096, ..plain }, 4096), (3, 3));
        assert_eq!(granted(Workload { threads: 100, ..plain }, 4096), (2, 2));
    }

    #[test]
    fn the_shares_of_the_workers_are_the_whole() {
        let workload = Workload { threads: 3, ..Workload::new(Direction::Read, 10, 110) };
        let totals: Vec<u64> = workload.shares().map(|share| share.total_bytes).collect();
        assert_eq!(totals, [40, 40, 30]);
    }
}

//! One iteration, in the order of the lab's contract: open, prepare, measure, check. The order is the same
//! for every strategy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::affinity;
use super::bracket::{Elapsed, Enclosed, enclose};
use super::buffer::{Buffer, BufferPool};
use super::cache::CacheState;
use super::interrupt;
use super::observer::{Recorded, Recording};
use super::offsets::{self, Offsets};
use super::operation::{Direction, Tally};
use super::prepare::Preparation;
use super::retry;
use super::schedule::Schedule;
use super::strategy::{Effective, OpenSpec, Pass, Session, Strategy};
use super::support::Limits;
use super::targets::{self, Targets};
use super::team::{Assignment, Team, WorkerPart};
use super::usage::Usage;
use super::usdt;
use super::workload::{Files, Workload};
use crate::error::{Error, Failure, Fault};

/// Plan of every iteration of a run: a workload within its limits, and the work around it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The workload, with depth and batch settled.
    pub workload: Workload,
    /// Preparation before the bracket.
    pub preparation: Preparation,
    /// True if the resources of each pass are reported (`-g`).
    pub usage: bool,
    /// The operations of each worker.
    shares: Vec<Arc<Schedule>>,
    /// Digest of the offsets; `None` if the blocks follow each other.
    pub offsets_digest: Option<u64>,
    /// The CPUs of the workers, in turn; empty without pinning.
    cpus: Vec<usize>,
    memory_align_bytes: u64,
}

impl Plan {
    /// A plan for `workload` within these limits, without preparation (`-B`).
    ///
    /// # Panics
    /// If the total is not a multiple of the block size, or a worker has no block. Every caller checks this
    /// first.
    pub fn new(workload: Workload, limits: &Limits) -> Plan {
        let Workload { total_bytes, block_bytes, threads, .. } = workload;
        assert!(total_bytes.is_multiple_of(block_bytes), "the total is a multiple of the block size");
        assert!(u64::from(threads) <= workload.blocks(), "every worker has a block");
        let shares: Vec<Arc<Schedule>> = Schedule::shares(&workload).into_iter().map(Arc::new).collect();
        let offsets: Vec<&Offsets> = shares.iter().map(|share| &share.offsets).collect();
        Plan {
            offsets_digest: offsets::digest(&offsets),
            shares,
            // A choice that is not allowed is refused when the process is pinned.
            cpus: affinity::cpus(workload.cpu).unwrap_or_default(),
            workload: workload.within(limits),
            preparation: Preparation::NONE,
            usage: false,
            memory_align_bytes: limits.memory_align_bytes(),
        }
    }

    /// CPU of a worker; `None` without pinning.
    fn cpu(&self, worker: usize) -> Option<usize> {
        self.cpus.get(worker % self.cpus.len().max(1)).copied()
    }

    /// The workload for which a worker opens its session: with a file of its own, only its share.
    fn workload_of(&self, worker: usize) -> Workload {
        let share = || self.workload.shares().nth(worker);
        let own = (self.workload.files == Files::PerThread).then(share).flatten();
        own.unwrap_or(self.workload)
    }

    /// The work of a worker.
    fn assignment(&self, worker: usize, targets: &Targets) -> Assignment {
        Assignment {
            workload: self.workload,
            target: targets.of_worker(worker).clone(),
            opened: self.workload_of(worker),
            number: worker as u32,
            schedule: Arc::clone(&self.shares[worker]),
            cpu: self.cpu(worker),
            align_bytes: self.memory_align_bytes,
        }
    }

    /// True if getrusage(2) is called around the bracket. Only its counters prove that the bytes came from
    /// the device.
    fn counts(&self) -> bool {
        self.usage || self.workload.direct || self.preparation.cache != CacheState::AsIs
    }

    /// Ends a run after its last iteration.
    ///
    /// # Errors
    /// An I/O error of writing out what the last sample wrote.
    pub fn finish(&self, targets: &Targets) -> Result<(), Error> {
        let mut targets = targets.iter();
        targets.try_for_each(|target| self.preparation.finish(target, self.workload.direction))
    }
}

/// Measurements of one iteration.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Time between the brackets.
    pub elapsed: Elapsed,
    /// Number of I/Os and of interrupted calls.
    pub tally: Tally,
    /// Number of bytes moved.
    pub transferred_bytes: u64,
    /// With `-g`: resources that the process used.
    pub usage: Option<Usage>,
    /// Bytes that the process read from devices, as getrusage(2) counts them; `None` if they were not
    /// counted, and for writes.
    pub device_read_bytes: Option<u64>,
    /// Fraction of the range in the page cache before the bracket, 0 to 1.
    pub resident_fraction_before: Option<f64>,
    /// The same after it.
    pub resident_fraction_after: Option<f64>,
    /// True if the requested cache state was reached before the bracket. `None` if unknown or not requested.
    pub cache_reached: Option<bool>,
    /// The workload, with depth and batch settled.
    pub workload: Workload,
    /// Latencies, if the pass was recorded.
    pub recorded: Option<Recorded>,
    /// With several workers: the part of each, the measuring thread first.
    pub workers: Vec<WorkerPart>,
}

impl Sample {
    /// Processor time: that of the workers, or else that of the process. `None` if neither was read.
    pub fn cpu_ns(&self) -> Option<f64> {
        if self.workers.is_empty() {
            return self.usage.map(|usage| (usage.user_us + usage.system_us) as f64 * 1000.0);
        }
        self.workers.iter().map(|part| part.cpu_ns).sum()
    }
}

/// Number of samples started in this process, for the static probes.
static SAMPLES: AtomicU64 = AtomicU64::new(0);

/// An iteration whose file is open and whose bracket has not been opened yet.
pub struct Iteration<'a> {
    // Dropped before the buffer, because a ring may still refer to its blocks.
    session: Box<dyn Session>,
    buffer: Arc<Buffer>,
    /// The other workers.
    team: Option<Team>,
    strategy: &'static dyn Strategy,
    targets: &'a Targets,
    plan: &'a Plan,
}

impl<'a> Iteration<'a> {
    /// Maps the buffer and opens the file through the strategy, once per worker.
    ///
    /// # Errors
    /// A system error for the buffer, those of [`Strategy::open`], and an interruption after a signal.
    pub fn open(
        strategy: &'static dyn Strategy,
        targets: &'a Targets,
        plan: &'a Plan,
        pool: &mut BufferPool,
    ) -> Result<Iteration<'a>, Error> {
        interrupt::check()?;
        let workload = &plan.workload;
        let buffer = pool.buffer(workload, plan.memory_align_bytes)?;
        let (target, opened) = (targets.first(), plan.workload_of(0));
        let spec = OpenSpec { target, workload: &opened, first_bytes: 0, buffer: &buffer };
        let session = strategy.open(&spec)?;
        let others = 1..plan.shares.len();
        let team = (!others.is_empty()).then(|| {
            let pools = others.clone().map(|worker| pool.of_worker(worker)).collect();
            Team::open(strategy, others.map(|worker| plan.assignment(worker, targets)).collect(), pools)
        });
        Ok(Iteration { session, buffer, team: team.transpose()?, strategy, targets, plan })
    }

    /// The granted settings.
    pub fn effective(&self) -> Effective {
        self.session.effective()
    }

    /// Prepares, runs the pass between the brackets, and verifies that every block was moved.
    ///
    /// # Errors
    /// Those of the preparation, an I/O error of the pass, an error if the file became too short or was
    /// replaced, and an interruption after a signal.
    pub fn measure(mut self) -> Result<Sample, Error> {
        let Plan { workload, preparation, usage, shares, .. } = self.plan;
        let Workload { direction, block_bytes, total_bytes, .. } = *workload;
        let info = self.strategy.info();
        let ranges = self.targets.with_bytes(workload, &info.properties);
        preparation.carry_out(&ranges)?;
        let resident_fraction_before = targets::resident_fraction(&ranges);
        let (buffer, tally, recording) = (&self.buffer, Tally::default(), Recording::of(workload, 0)?);
        let mut pass = Pass { schedule: &shares[0], buffer, tally, recording };
        if let Some(team) = &self.team {
            team.muster();
        }
        let number = SAMPLES.fetch_add(1, Ordering::Relaxed);
        usdt::sample_start(number, info.name, block_bytes);
        let usage_before = self.plan.counts().then(|| Usage::before_pass(*usage));
        let session = self.session.as_mut();
        let target = self.targets.first();
        let (elapsed, outcome, workers) = match self.team {
            None => {
                let Enclosed { elapsed, outcome } = enclose(session, &mut pass, workload.sync);
                (elapsed, outcome.map_err(|failure| retry::error(target, failure)), Vec::new())
            }
            Some(team) => team.enclose(session, target, self.plan.cpu(0), &mut pass, workload),
        };
        let used =
            usage_before.map(|before| Usage::after_pass(*usage).since(before).within(elapsed.total_ns));
        usdt::sample_end(number, elapsed.total_ns);
        let Pass { tally, recording, .. } = pass;
        outcome.and_then(|()| verify(workload, tally).map_err(|failure| retry::error(target, failure)))?;
        ranges.iter().try_for_each(|(target, bytes)| target.check_after_pass(*bytes, block_bytes))?;
        let reads = direction == Direction::Read && info.properties.performs_io;
        let device_read_bytes = used.filter(|_| reads).map(|used| used.device_read_bytes());
        // O_DIRECT reads from the device in any cache state.
        let expected = preparation.cache == CacheState::Cold || !workload.direct;
        let from_device =
            device_read_bytes.filter(|_| expected).map(|bytes| bytes as f64 / total_bytes as f64);
        Ok(Sample {
            elapsed,
            tally,
            transferred_bytes: tally.io_count * block_bytes,
            usage: used.filter(|_| *usage),
            device_read_bytes,
            resident_fraction_before,
            resident_fraction_after: targets::resident_fraction(&ranges),
            workload: *workload,
            cache_reached: preparation.cache.reached(resident_fraction_before, from_device),
            recorded: recording.map(|recording| recording.recorded),
            workers,
        })
    }
}

/// One iteration with a buffer of its own.
///
/// # Errors
/// Those of [`Iteration::open`] and [`Iteration::measure`].
pub fn sample(strategy: &'static dyn Strategy, targets: &Targets, plan: &Plan) -> Result<Sample, Error> {
    Iteration::open(strategy, targets, plan, &mut BufferPool::default())?.measure()
}

/// A pass that did not move every block has no bandwidth, even if the strategy reports success.
fn verify(workload: &Workload, tally: Tally) -> Result<(), Failure> {
    let (io_count, blocks) = (tally.io_count, workload.blocks());
    if io_count == blocks {
        return Ok(());
    }
    let fault = Fault::Incomplete { io_count, blocks };
    Err(Failure { operation: workload.direction.name(), offset_bytes: None, fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_with_a_file_of_its_own_opens_it_for_its_share() {
        let limits = Limits { alignment: None, max_iodepth: 8, max_block_bytes: u64::MAX };
        let opened = |files| {
            let workload = Workload { threads: 2, files, ..Workload::new(Direction::Read, 10, 50) };
            let plan = Plan::new(workload, &limits);
            [0, 1].map(|worker| (plan.workload_of(worker).total_bytes, plan.workload_of(worker).depth()))
        };
        assert_eq!(opened(Files::Shared), [(50, 2); 2]);
        assert_eq!(opened(Files::PerThread), [(30, 2), (20, 2)]);
    }
}

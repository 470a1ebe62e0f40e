//! One iteration, in the order of the lab's contract: open, prepare, measure, check. The order is the same
//! for every strategy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bracket::{Elapsed, Enclosed, enclose};
use super::buffer::{Buffer, BufferPool};
use super::cache::CacheState;
use super::interrupt;
use super::latency::{Latencies, Recording};
use super::offsets::Offsets;
use super::operation::{Direction, Tally};
use super::prepare::Preparation;
use super::residency;
use super::stamp::StampClock;
use super::strategy::{Effective, OpenSpec, Pass, Session, Strategy};
use super::support::Limits;
use super::target::Target;
use super::usage::Usage;
use super::usdt;
use super::workload::Workload;
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
    offsets: Arc<Offsets>,
    memory_align_bytes: u64,
}

impl Plan {
    /// A plan for `workload` within these limits, without preparation (`-B`).
    ///
    /// # Panics
    /// If the total is not a multiple of the block size. Every caller checks this first.
    pub fn new(workload: Workload, limits: &Limits) -> Plan {
        let Workload { access, total_bytes, block_bytes, seed, .. } = workload;
        assert!(total_bytes.is_multiple_of(block_bytes), "the total is a multiple of the block size");
        Plan {
            offsets: Arc::new(Offsets::cover(access, total_bytes, block_bytes, seed)),
            workload: workload.within(limits),
            preparation: Preparation::NONE,
            usage: false,
            memory_align_bytes: limits.memory_align_bytes(),
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
    pub fn finish(&self, target: &Target) -> Result<(), Error> {
        self.preparation.finish(target, self.workload.direction)
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
    /// Latencies of the I/Os (`--latency`).
    pub latencies: Option<Latencies>,
}

/// Number of samples started in this process, for the static probes.
static SAMPLES: AtomicU64 = AtomicU64::new(0);

/// An iteration whose file is open and whose bracket has not been opened yet.
pub struct Iteration<'a> {
    // Dropped before the buffer, because a ring may still refer to its blocks.
    session: Box<dyn Session>,
    buffer: Arc<Buffer>,
    strategy: &'a dyn Strategy,
    target: &'a Target,
    plan: &'a Plan,
}

impl<'a> Iteration<'a> {
    /// Maps the buffer and opens the file through the strategy.
    ///
    /// # Errors
    /// A system error for the buffer, those of [`Strategy::open`], and an interruption after a signal.
    pub fn open(
        strategy: &'a dyn Strategy,
        target: &'a Target,
        plan: &'a Plan,
        pool: &mut BufferPool,
    ) -> Result<Iteration<'a>, Error> {
        interrupt::check()?;
        let buffer = pool.buffer(&plan.workload, plan.memory_align_bytes)?;
        let session = strategy.open(&OpenSpec { target, workload: &plan.workload, buffer: &buffer })?;
        Ok(Iteration { session, buffer, strategy, target, plan })
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
        let Plan { workload, preparation, usage, offsets, .. } = self.plan;
        let Workload { direction, block_bytes, total_bytes, .. } = *workload;
        let (info, target) = (self.strategy.info(), self.target);
        let file_bytes = info.properties.file_bytes(total_bytes);
        preparation.carry_out(target, file_bytes)?;
        let resident_fraction_before = residency::fraction(target, file_bytes);
        let recording = workload.latency.then(|| recording(workload)).transpose()?;
        let (buffer, tally) = (&self.buffer, Tally::default());
        let mut pass = Pass { direction, offsets, buffer, tally, recording };
        let number = SAMPLES.fetch_add(1, Ordering::Relaxed);
        usdt::sample_start(number, info.name, block_bytes);
        let usage_before = self.plan.counts().then(|| Usage::before_pass(*usage));
        let Enclosed { elapsed, outcome } = enclose(self.session.as_mut(), &mut pass, workload.sync);
        let used =
            usage_before.map(|before| Usage::after_pass(*usage).since(before).within(elapsed.total_ns));
        usdt::sample_end(number, elapsed.total_ns);
        let Pass { tally, recording, .. } = pass;
        outcome.and_then(|()| verify(workload, tally)).map_err(|failure| match failure.fault {
            Fault::Interrupted => interrupt::error(),
            _ => Error::io(target.path(), failure),
        })?;
        target.check_after_pass(file_bytes, block_bytes)?;
        let reads = direction == Direction::Read && info.properties.performs_io;
        let device_read_bytes = used.filter(|_| reads).map(|used| used.device_read_bytes());
        // O_DIRECT reads from the device in any cache state.
        let expected = preparation.cache == CacheState::Cold || !workload.direct;
        let from_device =
            device_read_bytes.filter(|_| expected).map(|bytes| bytes as f64 / file_bytes as f64);
        Ok(Sample {
            elapsed,
            tally,
            transferred_bytes: tally.io_count * block_bytes,
            usage: used.filter(|_| *usage),
            device_read_bytes,
            resident_fraction_before,
            resident_fraction_after: residency::fraction(target, file_bytes),
            cache_reached: preparation.cache.reached(resident_fraction_before, from_device),
            latencies: recording.map(|recording| recording.latencies),
        })
    }
}

/// One iteration with a buffer of its own.
///
/// # Errors
/// Those of [`Iteration::open`] and [`Iteration::measure`].
pub fn sample(strategy: &dyn Strategy, target: &Target, plan: &Plan) -> Result<Sample, Error> {
    Iteration::open(strategy, target, plan, &mut BufferPool::default())?.measure()
}

/// Room for the latencies of a pass.
fn recording(workload: &Workload) -> Result<Recording, Error> {
    let clock = StampClock::get().ok_or_else(|| {
        Error::usage(
            "--latency: on this machine a time stamp is a system call, which tracers take for a bracket; \
             use the clock source tsc, or leave --latency out",
        )
    })?;
    Ok(Recording::new(clock, workload.depth()))
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

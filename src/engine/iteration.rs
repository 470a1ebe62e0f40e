//! One iteration, in the order of the lab's contract, the same for every strategy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::bracket::{Elapsed, Enclosed, enclose};
use super::buffer::{Fill, Memory};
use super::cache::CacheState;
use super::interrupt;
use super::offsets::{Access, Offsets};
use super::prepare;
use super::probes;
use super::residency;
use super::strategy::{Direction, Effective, OpenSpec, Pass, Strategy, Tally, Work};
use super::target::Target;
use super::usage::Usage;
use crate::error::{Error, Failure, Fault};

/// What every iteration of a run does. Sizes are checked: `total_bytes` is a multiple of
/// `block_bytes`, and the target holds it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which way the bytes move.
    pub direction: Direction,
    /// Size of one I/O.
    pub block_bytes: u64,
    /// Bytes of the file that one iteration covers.
    pub total_bytes: u64,
    /// Order of the blocks.
    pub offsets: Arc<Offsets>,
    /// Whether the file is opened with O_DIRECT.
    pub direct: bool,
    /// Where buffers must begin: multiples of this many bytes.
    pub memory_align_bytes: u64,
    /// Operations in flight.
    pub depth: u32,
    /// Completions to wait for at a time.
    pub batch: u32,
    /// How the buffer's pages stand.
    pub fill: Fill,
    /// Whether files are written out before the bracket (not with `-B`).
    pub write_out: bool,
    /// Pause before the bracket.
    pub settle: Duration,
    /// Cache state to start from.
    pub cache: CacheState,
    /// Whether a sync belongs to the bracket (`-s`).
    pub sync: bool,
    /// Whether to ask getrusage(2) around it (`-g`).
    pub usage: bool,
}

impl Plan {
    /// Every block in order, one at a time, through the page cache as it is, without preparation: what
    /// `-B` means. Other plans say what differs.
    #[must_use]
    pub fn bare(direction: Direction, block_bytes: u64, total_bytes: u64) -> Plan {
        Plan {
            direction,
            block_bytes,
            total_bytes,
            offsets: Arc::new(Offsets::cover(Access::Sequential, total_bytes, block_bytes, 0)),
            direct: false,
            memory_align_bytes: 1,
            depth: 1,
            batch: 1,
            fill: Fill::Prefault,
            write_out: false,
            settle: Duration::ZERO,
            cache: CacheState::AsIs,
            sync: false,
            usage: false,
        }
    }

    /// Number of I/Os in one iteration.
    pub fn blocks(&self) -> u64 {
        self.total_bytes / self.block_bytes
    }

    /// The size of a pass, for [`Strategy::calls`].
    pub fn work(&self) -> Work {
        Work {
            direction: self.direction,
            blocks: self.blocks(),
            block_bytes: self.block_bytes,
            depth: self.depth,
            batch: self.batch,
            sync: self.sync,
        }
    }
}

/// What one iteration measured.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The time between the brackets.
    pub elapsed: Elapsed,
    /// I/Os and interrupted calls.
    pub tally: Tally,
    /// Bytes moved.
    pub transferred_bytes: u64,
    /// With `-g`: what the process used.
    pub usage: Option<Usage>,
    /// Fraction of the range in the page cache before the bracket, 0 to 1.
    pub resident_fraction_before: Option<f64>,
    /// The same after it.
    pub resident_fraction_after: Option<f64>,
    /// Whether the cache state that was asked for was reached before the bracket.
    pub cache_reached: Option<bool>,
}

/// Samples begun in this process, for the static probes.
static SAMPLES: AtomicU64 = AtomicU64::new(0);

/// Runs one iteration: map the buffer, open, prepare, bracket, and only then look at the result.
/// `opened` is told what was granted, before the preparation: the time for output that comes first.
///
/// # Errors
/// [`Error::Open`] and [`Error::System`] from the set-up, [`Error::Io`] from the pass,
/// [`Error::Short`] if the file shrank meanwhile, [`Error::Interrupted`] after a signal.
pub fn run(
    strategy: &dyn Strategy,
    target: &Target,
    plan: &Plan,
    opened: impl FnOnce(&Effective) -> Result<(), Error>,
) -> Result<Sample, Error> {
    run_in(&mut Memory::default(), strategy, target, plan, opened)
}

/// As [`run`], with the buffer in memory that other iterations use before and after.
///
/// # Errors
/// Those of [`run`].
pub fn run_in(
    memory: &mut Memory,
    strategy: &dyn Strategy,
    target: &Target,
    plan: &Plan,
    opened: impl FnOnce(&Effective) -> Result<(), Error>,
) -> Result<Sample, Error> {
    interrupt::check()?;
    let file_bytes = strategy.info().file_bytes(plan.total_bytes);
    let buffer =
        memory.buffer(plan.direction, plan.block_bytes, plan.depth, plan.memory_align_bytes, plan.fill)?;
    let mut session = strategy.open(&OpenSpec {
        target,
        direction: plan.direction,
        direct: plan.direct,
        total_bytes: plan.total_bytes,
        depth: plan.depth,
        batch: plan.batch,
        buffer: &buffer,
    })?;
    opened(&session.effective())?;
    if plan.write_out {
        prepare::write_out(target);
    }
    prepare::settle(target, plan.cache, file_bytes, plan.settle)?;
    let resident_fraction_before = residency::fraction(target, file_bytes);
    let mut pass =
        Pass { direction: plan.direction, offsets: &plan.offsets, buffer: &buffer, tally: Tally::default() };
    let number = SAMPLES.fetch_add(1, Ordering::Relaxed);
    probes::sample_start(number, strategy.info().name, plan.block_bytes);
    let usage_before = plan.usage.then(Usage::now);
    let Enclosed { elapsed, outcome } = enclose(session.as_mut(), &mut pass, plan.sync);
    let usage = usage_before.map(|before| Usage::now().since(before));
    probes::sample_end(number, elapsed.total_ns);
    outcome.map_err(|failure| run_error(target, failure))?;
    target.check_still_holds(file_bytes, plan.block_bytes)?;
    Ok(Sample {
        elapsed,
        tally: pass.tally,
        transferred_bytes: pass.tally.io_count * plan.block_bytes,
        usage,
        resident_fraction_before,
        resident_fraction_after: residency::fraction(target, file_bytes),
        cache_reached: plan.cache.reached(resident_fraction_before),
    })
}

fn run_error(target: &Target, failure: Failure) -> Error {
    match failure.fault {
        Fault::Interrupted => interrupt::error(),
        _ => Error::Io { path: target.path().to_owned(), failure },
    }
}

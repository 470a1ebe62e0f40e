//! The other workers of a pass than the measuring thread (`--threads`).
//!
//! Each opens its own session on its own thread, because a ring may only be used by the thread that made it.
//! Around a bracket the threads go through the same phases together. While every worker has a CPU of its own,
//! they wait for each other in memory, so the bracket contains no system call of the harness. With more
//! workers than CPUs a waiting thread would take the CPU from a working one; then they wait with futex(2),
//! which is declared like the calls of a strategy. No thread ends, unmaps or frees anything before the
//! closing clock call.
//!
//! The threads have no names of their own, because scripts of tracers match on the name of the process.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affinity;
use super::bracket::{self, Elapsed, Enclosed};
use super::buffer::{Buffer, WorkerPool};
use super::observer::Recording;
use super::operation::Tally;
use super::prepare;
use super::retry;
use super::schedule::Schedule;
use super::stamp::StampClock;
use super::strategy::{self, Effective, OpenSpec, Pass, Session, Strategy};
use super::target::Target;
use super::usage;
use super::workload::{Files, Workload};
use crate::error::{Error, Failure, errno_of};

/// Phases that the measuring thread announces, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
enum Phase {
    /// Workers open their sessions and sleep.
    Opening,
    /// They get ready, for the bracket is about to open.
    Mustering,
    /// They move their blocks.
    Running,
    /// Each syncs its own file. Left out if they share a file, which the measuring thread syncs.
    Syncing,
    /// The bracket is closed: they report and end.
    Over,
}

/// The meeting point of all threads of a pass.
#[derive(Debug)]
struct Gate {
    phase: AtomicU32,
    /// Number of workers that have done the work of the phase.
    arrived: AtomicU32,
    /// True if threads wait in memory from [`Phase::Mustering`] on.
    spins: bool,
    sleepers: Mutex<()>,
    /// Workers wait for a phase here.
    announced: Condvar,
    /// The measuring thread waits for the workers here, so that one that arrives wakes no other.
    arrival: Condvar,
}

impl Gate {
    fn new(spins: bool) -> Gate {
        let (phase, arrived) = (AtomicU32::new(Phase::Opening as u32), AtomicU32::new(0));
        let (announced, arrival) = (Condvar::new(), Condvar::new());
        Gate { phase, arrived, spins, sleepers: Mutex::new(()), announced, arrival }
    }

    fn sleepers(&self) -> MutexGuard<'_, ()> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_past(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) >= phase as u32
    }

    /// Begins a phase.
    fn announce(&self, phase: Phase) {
        let everybody_spins = self.spins && self.is_past(Phase::Mustering);
        self.arrived.store(0, Ordering::Relaxed);
        self.phase.store(phase as u32, Ordering::Release);
        if !everybody_spins {
            drop(self.sleepers());
            self.announced.notify_all();
        }
    }

    /// Waits until the phase has begun.
    fn wait_for(&self, phase: Phase) {
        let spins = self.spins && phase > Phase::Mustering;
        self.wait_until(spins, &self.announced, || self.is_past(phase));
    }

    /// Reports that a worker has done the work of the phase.
    fn arrive(&self) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        if !self.spins {
            drop(self.sleepers());
            self.arrival.notify_one();
        }
    }

    /// Waits until so many workers have arrived.
    fn wait_for_workers(&self, count: u32) {
        self.wait_until(self.spins, &self.arrival, || self.arrived.load(Ordering::Acquire) >= count);
    }

    fn wait_until(&self, spins: bool, changed: &Condvar, reached: impl Fn() -> bool) {
        if spins {
            while !reached() {
                spin_loop();
            }
            return;
        }
        let mut guard = self.sleepers();
        while !reached() {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The work of one worker.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    /// The workload of all workers together.
    pub workload: Workload,
    /// The file of this worker.
    pub target: Target,
    /// The workload on that file.
    pub opened: Workload,
    /// Number of the worker, from 1: the measuring thread is number 0.
    pub number: u32,
    /// The operations of this worker.
    pub schedule: Arc<Schedule>,
    /// CPU to run on; `None` without pinning.
    pub cpu: Option<usize>,
    /// Alignment of the blocks in memory.
    pub align_bytes: u64,
}

/// The part of one worker in a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerPart {
    /// CPU that the worker was pinned to; null if it was not pinned.
    pub cpu: Option<usize>,
    /// Number of bytes that it moved.
    pub transferred_bytes: u64,
    /// Time from the start of the measured time to the start of its work, in nanoseconds. Null if no clock
    /// can be read without a system call.
    pub started_ns: Option<f64>,
    /// The same to the end of its work.
    pub ended_ns: Option<f64>,
    /// Processor time between the two, in nanoseconds. The kernel counts it in ticks on some systems.
    pub cpu_ns: Option<f64>,
}

/// Time from the end of the first worker to the end of the last, in nanoseconds. `None` without workers.
pub(crate) fn skew_ns(parts: &[WorkerPart]) -> Option<f64> {
    let ends: Option<Vec<f64>> = parts.iter().map(|part| part.ended_ns).collect();
    let ends = ends.filter(|ends| !ends.is_empty())?;
    Some(ends.iter().copied().fold(f64::MIN, f64::max) - ends.iter().copied().fold(f64::MAX, f64::min))
}

/// Result of a worker.
struct Report {
    cpu: Option<usize>,
    outcome: Result<(), Error>,
    tally: Tally,
    recording: Option<Recording>,
    times: Option<Times>,
}

/// Stamps of a worker, in ticks, and its processor time from the first to the last.
#[derive(Debug, Clone, Copy)]
struct Times {
    clock: StampClock,
    mustered: u64,
    started: u64,
    ended: u64,
    over: u64,
    cpu_ns: f64,
}

impl Times {
    /// The processor time between start and end: the rest was spent waiting in memory.
    fn working_ns(&self) -> f64 {
        let Times { clock, mustered, started, ended, over, cpu_ns } = *self;
        let waited_ns = clock.ns_between(mustered, started) + clock.ns_between(ended, over);
        (cpu_ns - waited_ns).clamp(0.0, clock.ns_between(started, ended))
    }
}

/// Takes the stamps of a worker.
struct Stopwatch {
    clock: Option<StampClock>,
    stamps: [u64; 4],
    taken: usize,
    cpu_ns: f64,
}

impl Stopwatch {
    /// Starts with the stamp of a worker that is ready.
    fn start() -> Stopwatch {
        let mut watch =
            Stopwatch { clock: StampClock::get(), stamps: [0; 4], taken: 0, cpu_ns: usage::thread_cpu_ns() };
        watch.stamp();
        watch
    }

    /// Takes the next stamp.
    fn stamp(&mut self) {
        if let (Some(clock), Some(stamp)) = (&self.clock, self.stamps.get_mut(self.taken)) {
            *stamp = clock.ticks();
        }
        self.taken += 1;
    }

    /// Takes the last stamp, after the bracket.
    fn stop(mut self) -> Option<Times> {
        self.stamp();
        let [mustered, started, ended, over] = self.stamps;
        let cpu_ns = usage::thread_cpu_ns() - self.cpu_ns;
        self.clock.map(|clock| Times { clock, mustered, started, ended, over, cpu_ns })
    }
}

/// The other workers than the measuring thread, with open sessions.
pub(super) struct Team {
    gate: Arc<Gate>,
    workers: Vec<JoinHandle<Option<Report>>>,
}

impl Team {
    /// Starts a worker for each assignment, and waits until all have opened their sessions.
    ///
    /// # Errors
    /// The first error of opening a session. The other workers have ended then.
    pub(super) fn open(
        strategy: &'static dyn Strategy,
        assignments: Vec<Assignment>,
        pools: Vec<WorkerPool>,
    ) -> Result<Team, Error> {
        let spins = assignments.first().is_none_or(|first| strategy::waiting(&first.workload).is_none());
        let mut team = Team { gate: Arc::new(Gate::new(spins)), workers: Vec::new() };
        let (sender, opened) = channel();
        for (assignment, pool) in assignments.into_iter().zip(pools) {
            let (gate, sender) = (Arc::clone(&team.gate), sender.clone());
            let work = move || work(strategy, &assignment, &pool, &gate, sender);
            let worker = std::thread::Builder::new().spawn(work).map_err(|error| {
                Error::system("starting a thread", errno_of(&error), "use fewer --threads")
            })?;
            team.workers.push(worker);
        }
        drop(sender);
        for _ in 0..team.workers.len() {
            match opened.recv() {
                Ok(answer) => answer?,
                // A worker panicked.
                Err(RecvError) => drop(std::mem::take(&mut team.workers).into_iter().map(joined).count()),
            }
        }
        Ok(team)
    }

    /// Gets the workers ready for a bracket that opens at once.
    pub(super) fn muster(&self) {
        self.gate.announce(Phase::Mustering);
        self.wait_for_all();
    }

    /// Waits until all workers have done the work of the phase.
    fn wait_for_all(&self) {
        self.gate.wait_for_workers(self.workers.len() as u32);
    }

    /// Runs a pass of all workers between the two clock calls; `own` is the session of the measuring thread
    /// on `target` and `cpu`. The counts and latencies of the others are added to those of `pass`. Returns
    /// the time of the bracket, the first error, and the part of each worker.
    pub(super) fn enclose(
        self,
        own: &mut dyn Session,
        target: &Target,
        cpu: Option<usize>,
        pass: &mut Pass,
        workload: &Workload,
    ) -> (Elapsed, Result<(), Error>, Vec<WorkerPart>) {
        let watch = Stopwatch::start();
        let all_sync = workload.files == Files::PerThread;
        let mut led = Led { own, team: &self, watch, all_sync };
        let Enclosed { elapsed, outcome } = bracket::enclose(&mut led, pass, workload.sync);
        let mut outcome = outcome.map_err(|failure| retry::error(target, failure));
        let times = led.watch.stop();
        let own = Report { cpu, outcome: Ok(()), tally: pass.tally, recording: None, times };
        let opened_ticks = times.map(|times| times.started);
        let block_bytes = pass.buffer.block_bytes() as u64;
        let mut parts = vec![own.part(opened_ticks, block_bytes)];
        for report in self.reports() {
            parts.push(report.part(opened_ticks, block_bytes));
            pass.tally.io_count += report.tally.io_count;
            pass.tally.interrupted_calls += report.tally.interrupted_calls;
            if let Some((recording, more)) = pass.recording.as_mut().zip(report.recording) {
                recording.recorded.merge(&more.recorded);
            }
            outcome = outcome.and(report.outcome);
        }
        (elapsed, outcome, parts)
    }

    /// Ends the workers after the bracket.
    fn reports(mut self) -> Vec<Report> {
        self.gate.announce(Phase::Over);
        std::mem::take(&mut self.workers).into_iter().filter_map(joined).collect()
    }
}

/// The report of a worker. Its panic becomes that of this thread.
fn joined(worker: JoinHandle<Option<Report>>) -> Option<Report> {
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The session of the measuring thread, which leads the others.
struct Led<'a> {
    own: &'a mut dyn Session,
    team: &'a Team,
    watch: Stopwatch,
    /// True if each worker syncs its own file.
    all_sync: bool,
}

impl Session for Led<'_> {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        self.watch.stamp();
        self.team.gate.announce(Phase::Running);
        let outcome = self.own.run(pass);
        self.watch.stamp();
        self.team.wait_for_all();
        outcome
    }

    fn sync(&mut self) -> Result<(), Errno> {
        if self.all_sync && !self.team.gate.is_past(Phase::Syncing) {
            self.team.gate.announce(Phase::Syncing);
        }
        self.own.sync()?;
        if self.all_sync {
            self.team.wait_for_all();
        }
        Ok(())
    }

    fn effective(&self) -> Effective {
        self.own.effective()
    }
}

impl Drop for Team {
    /// A team that did not come to a pass ends without one.
    fn drop(&mut self) {
        self.gate.announce(Phase::Over);
        for worker in self.workers.drain(..) {
            // A panic of a worker has been printed, and the pass fails for another reason.
            let _ = worker.join();
        }
    }
}

impl Report {
    fn part(&self, opened_ticks: Option<u64>, block_bytes: u64) -> WorkerPart {
        let since_opened = |stamp: fn(&Times) -> u64| {
            let times = self.times.as_ref()?;
            Some(times.clock.ns_between(opened_ticks?, stamp(times)))
        };
        WorkerPart {
            cpu: self.cpu,
            transferred_bytes: self.tally.io_count * block_bytes,
            started_ns: since_opened(|times| times.started),
            ended_ns: since_opened(|times| times.ended),
            cpu_ns: self.times.as_ref().map(Times::working_ns),
        }
    }
}

/// The thread of a worker: opens a session, does its share between the brackets, and reports. Returns `None`
/// if there was no pass.
fn work(
    strategy: &'static dyn Strategy,
    assignment: &Assignment,
    pool: &WorkerPool,
    gate: &Gate,
    opened: Sender<Result<(), Error>>,
) -> Option<Report> {
    let worker = Worker::open(strategy, assignment, pool);
    let (worker, answer) = match worker {
        Ok(worker) => (Some(worker), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // The receiver is gone if another worker failed first.
    let _ = opened.send(answer);
    drop(opened);
    let _leaving = Leaving(gate);
    worker?.pass(gate)
}

/// Arrives when it is dropped, so that no thread waits for a worker that panicked.
struct Leaving<'a>(&'a Gate);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.arrive();
    }
}

/// A worker with an open session.
struct Worker<'a> {
    // Dropped before the buffer, because a ring may still refer to its blocks.
    session: Box<dyn Session>,
    buffer: Arc<Buffer>,
    recording: Option<Recording>,
    assignment: &'a Assignment,
}

impl<'a> Worker<'a> {
    fn open(
        strategy: &dyn Strategy,
        assignment: &'a Assignment,
        pool: &WorkerPool,
    ) -> Result<Worker<'a>, Error> {
        let Assignment { workload, target, opened, number, schedule, cpu, align_bytes } = assignment;
        affinity::pin_to(*cpu)?;
        let buffer = pool.buffer(workload, *align_bytes)?;
        let first_bytes = schedule.offsets.first_bytes();
        let session = strategy.open(&OpenSpec { target, workload: opened, first_bytes, buffer: &buffer })?;
        Ok(Worker { session, buffer, recording: Recording::of(workload, *number)?, assignment })
    }

    fn pass(mut self, gate: &Gate) -> Option<Report> {
        let Assignment { schedule, cpu, target, .. } = self.assignment;
        let (buffer, tally, recording) = (&self.buffer, Tally::default(), self.recording.take());
        let mut pass = Pass { schedule, buffer, tally, recording };
        prepare::touch_stack();
        gate.wait_for(Phase::Mustering);
        let mut watch = Stopwatch::start();
        gate.arrive();
        gate.wait_for(Phase::Running);
        if gate.is_past(Phase::Over) {
            return None;
        }
        watch.stamp();
        let mut outcome = self.session.run(&mut pass);
        watch.stamp();
        gate.arrive();
        gate.wait_for(Phase::Syncing);
        if !gate.is_past(Phase::Over) {
            outcome = outcome.and_then(|()| retry::repeated(&mut pass.tally, || self.session.sync()));
            gate.arrive();
            gate.wait_for(Phase::Over);
        }
        let times = watch.stop();
        let outcome = outcome.map_err(|failure| retry::error(target, failure));
        let Pass { tally, recording, .. } = pass;
        Some(Report { cpu: *cpu, outcome, tally, recording, times })
    }
}

//! The kernel's answers reach the user: errors, interruptions and short transfers. strace injects them into
//! the calls that a strategy declares.

use std::path::Path;

use serde_json::Value;

use super::bracket::{moves, other_path};
use super::data_file::DataFile;
use super::invocation::Invocation;
use super::subject::{CheckResult, Outcome, Subject};
use super::traced::{self, Trace, Traced, Watch};
use crate::engine::operation::Direction;
use crate::engine::pattern;
use crate::engine::strategy::Call;

const BLOCK_BYTES: u64 = 4096;
const BLOCKS: u64 = 16;

/// The call to hit, among those of one name inside one bracket.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// The second, or the only one.
    Second,
    /// The last.
    Last,
}

/// The answer (`error=EIO`, `retval=1`) that one call gets, and which other calls are in the trace.
#[derive(Debug, Clone, Copy)]
pub enum Inject<'a> {
    /// Those of the same name.
    Tracing(&'a str),
    /// Every call.
    TracingAll(&'a str),
}

/// Maximum number of attempts to hit one call by its number. A busy machine needs several.
const ATTEMPTS: usize = 20;

/// Runs with an answer injected into one call inside the bracket of the last sample.
/// Returns `None` if no such call is made there. `lay` creates the file before each run.
///
/// If the call is also made outside the bracket, its number there may differ between runs, for example when
/// another process mounts a filesystem. The run is repeated then.
///
/// # Errors
/// A sentence, if strace cannot run or never hits the bracket.
pub fn injected(
    program: &Path,
    invocation: &Invocation,
    (name, which): (&str, Which),
    inject: Inject,
    file: &Path,
    lay: &dyn Fn(),
) -> Result<Option<Traced>, String> {
    for _ in 0..ATTEMPTS {
        lay();
        let trace = traced::run(program, invocation, file, Watch::Only(name))?.trace;
        let Some((when, line)) = chosen(&trace, name, which, invocation.iterations - 1) else {
            return Ok(None);
        };
        lay();
        let watch = match inject {
            Inject::Tracing(answer) => Watch::Inject(name, answer, when),
            Inject::TracingAll(answer) => Watch::InjectAmongAll(name, answer, when),
        };
        let run = traced::run(program, invocation, file, watch)?;
        let hit = run.trace.injected().and_then(|line| run.trace.place(name, line));
        if hit == trace.place(name, line) {
            return Ok(Some(run));
        }
    }
    Err(format!("{invocation:?}: no injection into {name} hit the bracket; try again on a quieter machine"))
}

fn chosen(trace: &Trace, name: &str, which: Which, sample: usize) -> Option<(usize, usize)> {
    let calls = trace.inside(name, sample);
    match which {
        Which::Second => calls.get(1).or(calls.first()).copied(),
        Which::Last => calls.last().copied(),
    }
}

/// The runs of one subject: the program, and a file that is filled with zeros before each run.
struct Bench<'a> {
    program: &'a Path,
    file: &'a Path,
    invocation: Invocation,
}

impl Bench<'_> {
    fn inject(&self, name: &str, which: Which, inject: Inject) -> Result<Option<Traced>, String> {
        let zeros = vec![0; self.invocation.workload.total_bytes as usize];
        let lay = || drop(std::fs::write(self.file, &zeros));
        injected(self.program, &self.invocation, (name, which), inject, self.file, &lay)
    }

    fn direction(&self) -> Direction {
        self.invocation.workload.direction
    }

    /// EIO in `name` must end the run, and the error must name it.
    fn fails(&self, name: &str, which: Which) -> Result<(), String> {
        let Some(run) = self.inject(name, which, Inject::Tracing("error=EIO"))? else { return Ok(()) };
        let (direction, said) = (self.direction().name(), run.said());
        match run.output.status.code() {
            Some(74) if said.contains("EIO") => Ok(()),
            Some(74) => Err(format!("{name} failed with EIO in a {direction}, but the error is: {said}")),
            Some(0) => Err(format!("{name} failed with EIO in a {direction}, but the run continued")),
            _ => Err(format!(
                "{name} failed with EIO in a {direction}, but the run ended with {}",
                ending(&run)
            )),
        }
    }

    /// EINTR in `name` must be counted, and the call must be repeated.
    fn retries(&self, name: &str, which: Which) -> Result<(), String> {
        let Some(run) = self.inject(name, which, Inject::Tracing("error=EINTR"))? else { return Ok(()) };
        let direction = self.direction().name();
        if !run.output.status.success() {
            let ending = ending(&run);
            return Err(format!(
                "a signal interrupted {name} in a {direction}, but the run ended with {ending}"
            ));
        }
        let document: Value = serde_json::from_slice(&run.output.stdout).unwrap_or_default();
        let counted = document["benchmark_samples"]
            .as_array()
            .and_then(|samples| samples.last()?["interrupted_calls"].as_u64());
        if counted != Some(1) {
            return Err(format!(
                "a signal interrupted {name} in a {direction}, but {} interrupted calls were counted",
                counted.unwrap_or(0)
            ));
        }
        if self.direction() == Direction::Write && !self.holds_the_buffer()? {
            Err(format!("a signal interrupted {name}, and some blocks were not written afterwards"))
        } else {
            Ok(())
        }
    }

    /// Each block of the file must equal a block of the buffer, which holds the pattern.
    fn holds_the_buffer(&self) -> Result<bool, String> {
        let bytes = std::fs::read(self.file).map_err(|error| format!("std::fs cannot read: {error}"))?;
        let length = self.invocation.workload.block_bytes as usize;
        let mut slots = vec![0; length * self.invocation.granted().depth() as usize];
        pattern::fill(&mut slots, 0);
        Ok(bytes.chunks(length).all(|block| slots.chunks(length).any(|slot| slot == block)))
    }

    /// A short transfer must end the run or be continued.
    fn notices_short(&self, name: &str) -> Result<(), String> {
        let calls = |trace: &Trace| trace.inside(name, self.invocation.iterations - 1).len();
        let usual_calls =
            calls(&traced::run(self.program, &self.invocation, self.file, Watch::Only(name))?.trace);
        for moved_bytes in
            [0, 1, self.invocation.workload.block_bytes / 2, self.invocation.workload.block_bytes - 1]
        {
            let answer = format!("retval={moved_bytes}");
            let Some(run) = self.inject(name, Which::Second, Inject::Tracing(&answer))? else {
                return Ok(());
            };
            let taken_up = calls(&run.trace) > usual_calls;
            let direction = self.direction().name();
            match run.output.status.code() {
                Some(0) if !taken_up => {
                    let block_bytes = self.invocation.workload.block_bytes;
                    return Err(format!(
                        "a {direction} by {name} moved {moved_bytes} of {block_bytes} bytes, but was counted"
                    ));
                }
                Some(0 | 74) => {}
                _ => {
                    let ending = ending(&run);
                    return Err(format!("{name} moved {moved_bytes} bytes, but the run ended with {ending}"));
                }
            }
        }
        Ok(())
    }

    /// If the kernel refuses a call, no other call may move the bytes in its place.
    fn keeps_its_path(&self, name: &str) -> Result<(), String> {
        for errno in ["EOPNOTSUPP", "EINVAL", "EAGAIN"] {
            let answer = format!("error={errno}");
            let Some(run) = self.inject(name, Which::Second, Inject::TracingAll(&answer))? else {
                return Ok(());
            };
            let declared = self.invocation.declared();
            if let Some(other) = run.trace.samples().iter().find_map(|seen| other_path(&declared, seen)) {
                return Err(format!(
                    "{name} was refused with {errno}, and {other} moved the bytes in its place"
                ));
            }
        }
        Ok(())
    }

    /// If the kernel refuses to open the file, the run must end.
    fn opens_or_ends(&self) -> Result<(), String> {
        let path = self.file.display().to_string();
        let chosen = |trace: &Trace| trace.last_before_the_bracket("openat", &format!("\"{path}\""));
        for _ in 0..ATTEMPTS {
            let trace = traced::run(self.program, &self.invocation, self.file, Watch::Only("openat"))?.trace;
            let Some((when, _)) = chosen(&trace) else { return Ok(()) };
            let inject = Watch::Inject("openat", "error=EINVAL", when);
            let run = traced::run(self.program, &self.invocation, self.file, inject)?;
            let hit = run.trace.injected();
            if hit.is_none_or(|line| !run.trace.is_open_of(line, &path)) {
                continue;
            }
            return match (run.output.status.success(), self.invocation.workload.direct) {
                (false, _) => Ok(()),
                (true, true) => Err(refused("with O_DIRECT", "the strategy opened it without O_DIRECT")),
                (true, false) => Err(refused("at all", "the run continued without opening it")),
            };
        }
        Err("no injection into openat hit the file; try again on a quieter machine".to_owned())
    }
}

fn refused(how: &str, but: &str) -> String {
    format!("the kernel refused to open the file {how} (EINVAL), but {but}")
}

fn ending(run: &Traced) -> String {
    format!("{}: {}", run.output.status, run.said())
}

/// Failures, interruptions and short transfers of every declared call.
pub(super) fn errors(subject: &Subject) -> CheckResult {
    on_each_invocation(subject, |bench| {
        for call in bench.invocation.declared() {
            bench.fails(call.name, Which::Second)?;
            bench.retries(call.name, Which::Second)?;
        }
        if let Some(call) = whole_block(&bench.invocation) {
            bench.notices_short(call.name)?;
        }
        if bench.direction() == Direction::Write {
            let syncing = Bench { invocation: bench.invocation.with_sync(), ..*bench };
            for call in bench.invocation.syncing() {
                syncing.fails(call.name, Which::Last)?;
                syncing.retries(call.name, Which::Last)?;
            }
        }
        Ok(())
    })
}

/// The call that moves a whole block by itself and returns its length. strace only changes the result, and
/// the call moves nothing. With two calls per block, the second would wait for missing bytes.
pub fn whole_block(invocation: &Invocation) -> Option<Call> {
    let declared = invocation.declared();
    let mut movers = declared.iter().filter(|call| moves(call.name));
    let alone = movers.next().filter(|_| movers.next().is_none());
    let blocks = invocation.workload.blocks();
    let once_a_block = |call: &&Call| (call.at_least, call.at_most) == (blocks, blocks);
    // The result of a ring's call is not a number of bytes.
    alone.copied().filter(|call| once_a_block(&call) && invocation.limits.max_iodepth == 1)
}

/// Refusals of the declared calls and of the open.
pub(super) fn no_replacement(subject: &Subject) -> CheckResult {
    on_each_invocation(subject, |bench| {
        bench.opens_or_ends()?;
        bench.invocation.declared().iter().try_for_each(|call| bench.keeps_its_path(call.name))
    })
}

fn on_each_invocation(subject: &Subject, check: impl Fn(&Bench) -> Result<(), String>) -> CheckResult {
    let Some(program) = subject.program else {
        return Ok(Outcome::NotChecked("there is no program to trace".to_owned()));
    };
    if let Some(obstacle) = traced::obstacle() {
        return Ok(Outcome::NotChecked(obstacle));
    }
    let block_bytes = BLOCK_BYTES.next_multiple_of(subject.unit_bytes());
    let file = DataFile::new(subject.folder, block_bytes * BLOCKS)?;
    for direction in subject.directions.iter().copied() {
        // The queue is shallower than the pass, so the ring is entered more than once.
        let invocation = Invocation::of(subject, direction, block_bytes, BLOCKS).with_depth(4);
        check(&Bench { program, file: file.path(), invocation })?;
    }
    Ok(Outcome::Passed)
}

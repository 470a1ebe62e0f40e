//! The two adapters over fakes in memory that misbehave on purpose: what the engine makes of
//! interruptions, short transfers, errors, and completions in any order.

use std::cell::RefCell;
use std::collections::VecDeque;

use iobench::Errno;
use iobench::engine::access::Access;
use iobench::engine::blocking::{Blocking, blocking};
use iobench::engine::buffer::BufferPool;
use iobench::engine::iteration::{self, Plan};
use iobench::engine::offsets::Offsets;
use iobench::engine::operation::{Direction, Op, Tally};
use iobench::engine::queued::{Completion, Queued, Slot, queued};
use iobench::engine::schedule::Schedule;
use iobench::engine::strategy::{
    Call, DirectIo, Effective, Info, IoPath, Mechanism, OpenSpec, Pass, Session, Strategy,
};
use iobench::engine::support::{Limits, Support};
use iobench::engine::target::Target;
use iobench::engine::workload::Workload;
use iobench::error::{Error, ErrorKind, Failure, Fault};

use crate::common::{self, Filesystem};

const BLOCK_BYTES: u64 = 64;

/// The answers of a fake, and the requests that it received. Each test runs in its own thread.
#[derive(Default)]
struct Script {
    /// Answers by offset, each used once; an operation without one moves its whole block.
    answers: Vec<(u64, Result<usize, Errno>)>,
    /// Answers to the calls of `reap` as a whole, used once each, then `Ok`.
    reaps: VecDeque<Result<(), Errno>>,
    /// True if completions come back in the reverse order.
    reversed: bool,
    /// At most this many completions a call beyond those that are waited for.
    surplus: usize,
    /// Offsets in the order in which they were requested.
    asked: Vec<u64>,
    /// Offsets that moved whole.
    done: Vec<u64>,
    /// Operations that were pushed and not handed back.
    in_flight: usize,
    deepest: usize,
    /// Smallest and largest number of completions that were waited for.
    waits: Vec<u32>,
}

thread_local! {
    static SCRIPT: RefCell<Script> = RefCell::default();
}

fn script<R>(use_it: impl FnOnce(&mut Script) -> R) -> R {
    SCRIPT.with(|script| use_it(&mut script.borrow_mut()))
}

impl Script {
    fn answer(&mut self, op: Op, wanted: usize) -> Result<usize, Errno> {
        let scripted = self.answers.iter().position(|(offset, _)| *offset == op.offset_bytes);
        let answer = scripted.map_or(Ok(wanted), |index| self.answers.remove(index).1);
        if answer == Ok(wanted) {
            self.done.push(op.offset_bytes);
        }
        answer
    }
}

struct FakeCall;

impl IoPath for FakeCall {
    const NAME: &'static str = "fake call";
    const SUMMARY: &'static str = "answers as it is told";
    const PERFORMS_IO: bool = false;
    const DIRECT: DirectIo = DirectIo::Never("it has no file");

    fn calls(_: &Workload) -> Vec<Call> {
        Vec::new()
    }

    fn open(_: &OpenSpec) -> Result<Self, Error> {
        Ok(FakeCall)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Blocking for FakeCall {
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        script(|script| {
            script.asked.push(op.offset_bytes);
            script.answer(op, block.len())
        })
    }
}

struct FakeRing {
    queue: Vec<(Op, Slot)>,
}

impl IoPath for FakeRing {
    const NAME: &'static str = "fake ring";
    const SUMMARY: &'static str = "completes as it is told";
    const PERFORMS_IO: bool = false;
    const MECHANISM: Mechanism = Mechanism::Queue;
    const MAX_IODEPTH: u32 = 64;
    const DIRECT: DirectIo = DirectIo::Never("it has no file");

    fn calls(_: &Workload) -> Vec<Call> {
        Vec::new()
    }

    fn open(_: &OpenSpec) -> Result<Self, Error> {
        Ok(FakeRing { queue: Vec::new() })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Queued for FakeRing {
    fn push(&mut self, op: Op, slot: Slot) {
        assert!(
            self.queue.iter().all(|(_, other)| other.index() != slot.index()),
            "slot {} is pushed while it is in flight",
            slot.index()
        );
        self.queue.push((op, slot));
        script(|script| {
            script.asked.push(op.offset_bytes);
            script.in_flight += 1;
            script.deepest = script.deepest.max(script.in_flight);
        });
    }

    fn reap(&mut self, min: u32, sink: &mut impl FnMut(Completion)) -> Result<(), Errno> {
        script(|script| script.waits.push(min));
        script(|script| script.reaps.pop_front()).unwrap_or(Ok(()))?;
        assert!(min as usize <= self.queue.len(), "waits for {min} of {}: for ever", self.queue.len());
        for _ in 0..self.queue.len().min(min as usize + script(|script| script.surplus)) {
            let last = script(|script| script.reversed);
            let (op, slot) = self.queue.remove(if last { self.queue.len() - 1 } else { 0 });
            let moved = script(|script| {
                script.in_flight -= 1;
                script.answer(op, BLOCK_BYTES as usize)
            });
            sink(Completion { slot, moved });
        }
        Ok(())
    }
}

/// One pass of a fake over `blocks` blocks.
fn pass(
    strategy: &dyn Strategy,
    blocks: u64,
    (depth, batch): (u32, u32),
    access: Access,
) -> (Result<(), Failure>, Tally) {
    let scratch = Filesystem::scratch();
    let target = Target::open(&common::data_file(scratch.folder(), 1), Direction::Read, false).unwrap();
    let total_bytes = blocks * BLOCK_BYTES;
    let plain = Workload::new(Direction::Read, BLOCK_BYTES, total_bytes);
    let workload = Workload { iodepth: Some(depth), batch: Some(batch), ..plain };
    let buffer = BufferPool::default().buffer(&workload, 1).unwrap();
    let spec = OpenSpec { target: &target, workload: &workload, first_bytes: 0, buffer: &buffer };
    let mut session = strategy.open(&spec).unwrap();
    let offsets = Offsets::cover(access, total_bytes, BLOCK_BYTES, 1);
    let schedule = Schedule::all(Direction::Read, offsets);
    let mut pass = Pass { schedule: &schedule, buffer: &buffer, tally: Tally::default(), recording: None };
    let outcome = session.run(&mut pass);
    (outcome, pass.tally)
}

fn call(blocks: u64) -> (Result<(), Failure>, Tally) {
    pass(&blocking::<FakeCall>(), blocks, (1, 1), Access::Sequential)
}

fn ring(blocks: u64, depth: u32, batch: u32) -> (Result<(), Failure>, Tally) {
    pass(&queued::<FakeRing>(), blocks, (depth, batch), Access::Sequential)
}

fn at(block: u64) -> u64 {
    block * BLOCK_BYTES
}

fn failure(block: u64, fault: Fault) -> Result<(), Failure> {
    Err(Failure { operation: "read", offset_bytes: Some(at(block)), fault })
}

fn partial(moved_bytes: u64) -> Fault {
    Fault::Partial { moved_bytes, wanted_bytes: BLOCK_BYTES }
}

/// Each of `blocks` blocks moved once, no more and no less.
fn assert_all_done(blocks: u64) {
    let mut done = script(|script| std::mem::take(&mut script.done));
    done.sort_unstable();
    assert_eq!(done, (0..blocks).map(at).collect::<Vec<_>>());
    assert_eq!(script(|script| script.in_flight), 0, "something was left in flight");
}

#[test]
fn a_call_is_made_once_a_block_in_order() {
    assert_eq!(call(5), (Ok(()), Tally { io_count: 5, interrupted_calls: 0 }));
    assert_eq!(script(|script| script.asked.clone()), (0..5).map(at).collect::<Vec<_>>());
    assert_all_done(5);
}

#[test]
fn an_interrupted_call_is_made_again_at_the_same_offset() {
    let interrupted = Err(Errno::EINTR);
    script(|script| script.answers = vec![(at(1), interrupted), (at(1), interrupted), (at(4), interrupted)]);
    assert_eq!(call(5), (Ok(()), Tally { io_count: 5, interrupted_calls: 3 }));
    assert_eq!(script(|script| script.asked.clone()), [0, 1, 1, 1, 2, 3, 4, 4].map(at));
    assert_all_done(5);
}

#[test]
fn a_short_call_ends_the_pass_and_what_was_before_is_counted() {
    for moved in [0, 1, BLOCK_BYTES - 1] {
        script(|script| script.answers = vec![(at(3), Ok(moved as usize))]);
        assert_eq!(
            call(5),
            (failure(3, partial(moved)), Tally { io_count: 3, interrupted_calls: 0 }),
            "{moved}"
        );
    }
}

#[test]
fn a_failed_call_ends_the_pass_with_its_errno() {
    script(|script| script.answers = vec![(at(0), Err(Errno::EINTR)), (at(2), Err(Errno::ENOSPC))]);
    let tally = Tally { io_count: 2, interrupted_calls: 1 };
    assert_eq!(call(5), (failure(2, Fault::Errno(Errno::ENOSPC)), tally));
    assert_eq!(script(|script| script.asked.clone()), [0, 0, 1, 2].map(at), "nothing is asked for after it");
}

#[test]
fn a_ring_moves_every_block_once_whatever_the_depth_and_order() {
    for (blocks, depth, batch) in [
        (1, 1, 1),
        (1, 1, 1),
        (7, 1, 1),
        (7, 3, 1),
        (7, 3, 2),
        (7, 3, 3),
        (64, 64, 64),
        (65, 64, 64),
        (200, 64, 7),
    ] {
        for reversed in [false, true] {
            for surplus in [0, 1, 64] {
                for access in [Access::Sequential, Access::Random] {
                    script(|script| *script = Script { reversed, surplus, ..Script::default() });
                    let ran = pass(&queued::<FakeRing>(), blocks, (depth, batch), access);
                    assert_eq!(ran, (Ok(()), Tally { io_count: blocks, interrupted_calls: 0 }));
                    assert_all_done(blocks);
                    script(|script| {
                        assert_eq!(script.deepest as u64, u64::from(depth).min(blocks), "the queue is used");
                        assert!(
                            script.waits.iter().all(|min| (1..=batch).contains(min)),
                            "{:?}",
                            script.waits
                        );
                    });
                }
            }
        }
    }
}

#[test]
fn an_interrupted_operation_is_pushed_again() {
    for (depth, batch) in [(1, 1), (4, 1), (4, 4)] {
        for reversed in [false, true] {
            let answers = [0, 3, 3, 8, 9].map(|block| (at(block), Err(Errno::EINTR))).to_vec();
            script(|script| *script = Script { answers, reversed, surplus: 1, ..Script::default() });
            assert_eq!(ring(10, depth, batch), (Ok(()), Tally { io_count: 10, interrupted_calls: 5 }));
            assert_all_done(10);
            assert_eq!(script(|script| script.asked.len()), 15);
        }
    }
}

#[test]
fn an_interrupted_wait_is_made_again_and_nothing_is_pushed_twice() {
    let reaps = VecDeque::from([Err(Errno::EINTR), Ok(()), Err(Errno::EINTR), Err(Errno::EINTR)]);
    script(|script| script.reaps = reaps);
    assert_eq!(ring(10, 4, 2), (Ok(()), Tally { io_count: 10, interrupted_calls: 3 }));
    assert_all_done(10);
    assert_eq!(script(|script| script.asked.len()), 10);
}

#[test]
fn a_short_completion_ends_the_pass_and_the_rest_is_drained() {
    for reversed in [false, true] {
        let answers = vec![(at(5), Ok(7))];
        script(|script| *script = Script { answers, reversed, ..Script::default() });
        let (outcome, tally) = ring(100, 4, 1);
        assert_eq!(outcome, failure(5, partial(7)));
        assert_drained(tally);
    }
}

#[test]
fn the_first_of_several_failures_is_the_one_that_is_told_and_all_are_drained() {
    let answers = vec![(at(4), Err(Errno::EIO)), (at(5), Err(Errno::ENOSPC)), (at(6), Ok(0))];
    script(|script| *script = Script { answers, ..Script::default() });
    let (outcome, tally) = ring(100, 4, 4);
    assert_eq!(outcome, failure(4, Fault::Errno(Errno::EIO)));
    assert_drained(tally);
    assert_eq!(tally.io_count, 5, "blocks 0 to 3, and 7 of the second wave");
}

#[test]
fn after_a_failure_an_interrupted_operation_is_not_pushed_again() {
    let answers = vec![(at(0), Err(Errno::EINTR)), (at(1), Err(Errno::EIO)), (at(2), Err(Errno::EINTR))];
    script(|script| *script = Script { answers, ..Script::default() });
    let (outcome, tally) = ring(100, 4, 4);
    assert_eq!(outcome, failure(1, Fault::Errno(Errno::EIO)));
    assert_drained(tally);
    assert_eq!(script(|script| script.asked.len()), 4, "one wave, and nothing after the failure");
}

/// Nothing is in flight, and what moved is what was counted.
fn assert_drained(tally: Tally) {
    script(|script| {
        assert_eq!(script.in_flight, 0, "something was left in flight");
        assert_eq!(script.done.len() as u64, tally.io_count);
        let mut asked = script.asked.clone();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), script.asked.len(), "something was asked for twice");
    });
}

#[test]
fn a_ring_that_cannot_submit_ends_the_pass_at_once() {
    script(|script| script.reaps = VecDeque::from([Ok(()), Err(Errno::EBADF)]));
    let (outcome, tally) = ring(10, 4, 4);
    let fault = Fault::Errno(Errno::EBADF);
    assert_eq!(outcome, Err(Failure { operation: "submission", offset_bytes: None, fault }));
    assert_eq!(tally.io_count, 4);
}

/// A strategy that says that it is done before it is.
struct Early;

impl Strategy for Early {
    fn info(&self) -> &'static Info {
        &FakeCall::INFO
    }

    fn probe(&self, _: &Target, _: bool) -> Support {
        Support::Yes(LIMITS)
    }

    fn calls(&self, _: &Workload) -> Vec<Call> {
        Vec::new()
    }

    fn open(&self, spec: &OpenSpec) -> Result<Box<dyn Session>, Error> {
        let whole = blocking::<FakeCall>().open(spec)?;
        Ok(Box::new(EarlySession(whole)))
    }
}

struct EarlySession(Box<dyn Session>);

impl Session for EarlySession {
    fn run(&mut self, pass: &mut Pass) -> Result<(), Failure> {
        let offsets = Offsets::run(0, BLOCK_BYTES, 3);
        let schedule = Schedule::all(Direction::Read, offsets);
        let mut part = Pass { schedule: &schedule, buffer: pass.buffer, tally: pass.tally, recording: None };
        let outcome = self.0.run(&mut part);
        pass.tally = part.tally;
        outcome
    }

    fn sync(&mut self) -> Result<(), Errno> {
        self.0.sync()
    }

    fn effective(&self) -> Effective {
        self.0.effective()
    }
}

const LIMITS: Limits = Limits { alignment: None, max_iodepth: 1, max_block_bytes: u64::MAX };

#[test]
fn a_pass_that_succeeds_without_every_block_is_an_error() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1);
    let targets = Target::open(&file, Direction::Read, false).unwrap().into();
    let plan = Plan::new(Workload::new(Direction::Read, BLOCK_BYTES, 5 * BLOCK_BYTES), &LIMITS);
    let error = iteration::sample(&Early, &targets, &plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(error.failure().unwrap().fault, Fault::Incomplete { io_count: 3, blocks: 5 });
    assert_eq!(
        iteration::sample(const { &blocking::<FakeCall>() }, &targets, &plan).unwrap().tally.io_count,
        5
    );
}

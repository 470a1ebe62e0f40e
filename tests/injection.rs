//! What the kernel answers reaches the user: errors, interruptions and short transfers, injected by
//! strace into the calls that each strategy declares; and a device that fails on its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Filesystem, Outcome, have, have_program, have_root};
use iobench::engine::strategy::{Call, DirectIo, Direction, Strategy, Support, Work};
use iobench::engine::target::Target;
use iobench::selftest::modes;
use iobench::strategies::ALL;

const BLOCK_BYTES: u64 = 4096;
const BLOCKS: u64 = 16;
const DEPTH: u32 = 4;

/// One way to run one strategy.
#[derive(Clone, Copy)]
struct Way {
    strategy: &'static dyn Strategy,
    direction: Direction,
    direct: bool,
    /// A queue then waits for all of itself at a time, so that the last call is the sync's in
    /// every run. Without, and with O_DIRECT, others are in flight when a call fails.
    sync: bool,
    iterations: usize,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.args())
    }
}

impl Way {
    /// Every strategy that runs here, both directions, with and without O_DIRECT.
    fn all(file: &Path, iterations: usize, sync: bool) -> Vec<Way> {
        let target = Target::open(file, Direction::Read, false).unwrap();
        let mut ways = Vec::new();
        for strategy in ALL.iter().copied() {
            for direct in modes(strategy.info()).iter().copied() {
                let runs = matches!(strategy.probe(&target, direct), Support::Yes(_));
                if have(strategy.info().name, runs, "probe refuses it here") {
                    let directions = [Direction::Read, Direction::Write];
                    ways.extend(directions.map(|direction| Way {
                        strategy,
                        direction,
                        direct,
                        sync,
                        iterations,
                    }));
                }
            }
        }
        ways
    }

    fn args(&self) -> Vec<String> {
        let info = self.strategy.info();
        let flag = if self.direction == Direction::Read { "-r" } else { "-w" };
        let numbers =
            [self.iterations.to_string(), (BLOCKS * BLOCK_BYTES).to_string(), BLOCK_BYTES.to_string()];
        let [iterations, total, block] = &numbers;
        let mut args = vec![flag, "-B", "-j", "-n", iterations, "-t", total, "-b", block];
        args.extend(["--strategy", info.name]);
        if self.direct && info.direct != DirectIo::Always {
            args.push("-d");
        }
        if self.sync {
            args.push("-s");
        }
        let depth = DEPTH.to_string();
        if info.deepest_queue > 1 {
            args.extend(["--iodepth", &depth]);
            if self.sync {
                args.extend(["--batch", &depth]);
            }
        }
        args.into_iter().map(str::to_owned).collect()
    }

    /// The calls that the strategy declares for a pass of this way, with or without a sync.
    fn declared(&self, sync: bool) -> Vec<Call> {
        let depth = DEPTH.min(self.strategy.info().deepest_queue);
        let batch = if self.direct && !self.sync { 1 } else { depth };
        let Way { direction, .. } = *self;
        let (blocks, block_bytes) = (BLOCKS, BLOCK_BYTES);
        self.strategy.calls(&Work { direction, blocks, block_bytes, depth, batch, sync })
    }

    /// Calls that move data.
    fn moving(&self) -> Vec<Call> {
        self.declared(false)
    }

    /// Calls that a sync adds, or makes more often.
    fn syncing(&self) -> Vec<Call> {
        let without = self.declared(false);
        self.declared(true).into_iter().filter(|call| !without.contains(call)).collect()
    }
}

/// Which of the calls of one name inside one bracket.
#[derive(Clone, Copy)]
enum Which {
    Second,
    Last,
}

/// A run under strace; `inject` is what strace(1) wants behind `-e inject=`.
fn traced(way: &Way, name: &str, file: &Path, inject: Option<&str>) -> (Outcome, Vec<String>) {
    let log = file.with_extension("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "signal=none", "-e", &format!("trace={name},clock_gettime"), "-o"]).arg(&log);
    if let Some(inject) = inject {
        strace.args(["-e", &format!("inject={inject}")]);
    }
    let outcome =
        strace.arg(env!("CARGO_BIN_EXE_iobench")).args(way.args()).arg(file).output().map(common::outcome);
    let log = std::fs::read_to_string(log).unwrap();
    (outcome.unwrap(), log.lines().map(str::to_owned).collect())
}

/// Whether a line of a trace is the call `name`.
fn is_call(line: &str, name: &str) -> bool {
    line.split_once(' ').is_some_and(|(_, call)| call.trim_start().starts_with(&format!("{name}(")))
}

/// The bracket that a line lies in, if any: the lines before it hold two clock calls a sample.
fn sample_of(trace: &[String], line: usize) -> Option<usize> {
    let clocks = trace[..line].iter().filter(|line| is_call(line, "clock_gettime")).count();
    (clocks % 2 == 1).then_some(clocks / 2)
}

/// How many calls `name` were made before a line in its bracket; `None` outside brackets.
fn place_inside(trace: &[String], name: &str, line: usize) -> Option<(usize, usize)> {
    let sample = sample_of(trace, line)?;
    let before = (0..line).filter(|earlier| is_call(&trace[*earlier], name));
    Some((sample, before.filter(|earlier| sample_of(trace, *earlier) == Some(sample)).count()))
}

/// The call that is to be hit in the last sample: counted from 1 over the whole run, as strace's
/// `when=` does, and its place inside the bracket.
fn ordinal(way: &Way, name: &str, which: Which, trace: &[String]) -> (usize, Option<(usize, usize)>) {
    let calls: Vec<usize> = (0..trace.len()).filter(|line| is_call(&trace[*line], name)).collect();
    let inside = |line: &usize| sample_of(trace, *line) == Some(way.iterations - 1);
    let hits: Vec<usize> = (1..=calls.len()).filter(|ordinal| inside(&calls[ordinal - 1])).collect();
    let hit = match which {
        Which::Second => hits.get(1),
        Which::Last => hits.last(),
    };
    let hit = *hit.unwrap_or_else(|| panic!("{way:?}: {name} is declared and not seen: {trace:#?}"));
    (hit, place_inside(trace, name, calls[hit - 1]))
}

/// Tries to hit one call by its number; a busy machine needs several.
const ATTEMPTS: usize = 20;

/// Runs with `answer` (`error=EIO`, `retval=1`) injected into one call inside the last bracket.
/// Where the call is also made outside the bracket, the count differs from run to run, with every
/// filesystem that something else mounts meanwhile: then again.
fn injected(way: &Way, name: &str, which: Which, answer: &str, file: &Path) -> Outcome {
    for _ in 0..ATTEMPTS {
        let (_, trace) = traced(way, name, file, None);
        let (when, wanted) = ordinal(way, name, which, &trace);
        lay_zeros(file);
        let (outcome, trace) = traced(way, name, file, Some(&format!("{name}:{answer}:when={when}")));
        let hit = trace.iter().position(|line| line.contains("(INJECTED)"));
        if hit.and_then(|line| place_inside(&trace, name, line)) == wanted {
            return outcome;
        }
    }
    panic!("{way:?}: no injection hit the bracket");
}

/// The file is all zeros before each run: what is written through a strategy is not.
fn lay_zeros(file: &Path) {
    std::fs::write(file, vec![0; (BLOCKS * BLOCK_BYTES) as usize]).unwrap();
}

/// A scratch file, if strace is there.
fn ready() -> Option<(Filesystem, PathBuf)> {
    if !have_program("strace") {
        return None;
    }
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    lay_zeros(&file);
    Some((scratch, file))
}

/// Asserts exit 74, one sentence that names the path and `words`, and a document that says the
/// same and holds the samples before.
fn assert_failed(way: &Way, outcome: &Outcome, file: &Path, words: &[&str]) {
    assert_eq!(outcome.code, Some(74), "{way:?}: {outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{way:?}: one sentence: {outcome:?}");
    for word in words.iter().chain([&file.to_str().unwrap()]) {
        assert!(outcome.stderr.contains(word), "{way:?}: no '{word}' in {outcome:?}");
    }
    let document = outcome.json();
    assert_eq!(document["error"]["kind"], "io", "{way:?}");
    assert_eq!(document["error"]["exit_code"], 74, "{way:?}");
    assert!(outcome.stderr.contains(document["error"]["message"].as_str().unwrap()), "{way:?}");
    let samples = document["benchmark_samples"].as_array().unwrap();
    assert_eq!(samples.len(), way.iterations - 1, "{way:?}: the samples so far");
    assert!(samples.iter().all(|sample| sample["io_count"] == BLOCKS), "{way:?}: {samples:?}");
}

/// The place of a failure in the second call, where each call moves one block.
fn place(way: &Way, call: &Call) -> String {
    match call.at_least == BLOCKS && call.at_most == BLOCKS {
        true => format!("{} at offset {BLOCK_BYTES}", way.direction.name()),
        false => "failed".to_owned(),
    }
}

#[test]
fn an_error_ends_the_run_and_names_its_place() {
    let Some((_scratch, file)) = ready() else { return };
    for way in Way::all(&file, 2, false) {
        for call in way.moving() {
            let outcome = injected(&way, call.name, Which::Second, "error=EIO", &file);
            assert_failed(&way, &outcome, &file, &["EIO", &place(&way, &call)]);
        }
    }
}

#[test]
fn an_interrupted_call_is_made_again_and_counted() {
    let Some((_scratch, file)) = ready() else { return };
    for way in Way::all(&file, 1, false) {
        for call in way.moving() {
            let outcome = injected(&way, call.name, Which::Second, "error=EINTR", &file).ok();
            let sample = &outcome.json()["benchmark_samples"][0];
            assert_eq!(sample["interrupted_calls"], 1, "{way:?}: {sample}");
            assert_eq!(sample["io_count"], BLOCKS, "{way:?}: {sample}");
            assert_eq!(sample["transferred_bytes"], BLOCKS * BLOCK_BYTES, "{way:?}: {sample}");
            if way.direction == Direction::Write {
                assert_written(&way, &file);
            }
        }
    }
}

/// Every block of the file is one of the buffer's, which holds the pattern.
fn assert_written(way: &Way, file: &Path) {
    let slots: Vec<Vec<u8>> =
        (0..u64::from(DEPTH)).map(|slot| common::pattern(slot * BLOCK_BYTES, BLOCK_BYTES as usize)).collect();
    let bytes = std::fs::read(file).unwrap();
    assert_eq!(bytes.len() as u64, BLOCKS * BLOCK_BYTES, "{way:?}");
    for (index, block) in bytes.chunks(BLOCK_BYTES as usize).enumerate() {
        assert!(slots.iter().any(|slot| slot == block), "{way:?}: block {index} was not written");
    }
}

#[test]
fn a_short_transfer_is_an_error_that_says_how_short() {
    let Some((_scratch, file)) = ready() else { return };
    for way in Way::all(&file, 2, false) {
        // Only where the call's own result is the number of bytes.
        for call in way.moving().into_iter().filter(|call| call.at_least == BLOCKS && call.at_most == BLOCKS)
        {
            if way.strategy.info().deepest_queue > 1 {
                continue;
            }
            for moved_bytes in [0, 1, BLOCK_BYTES / 2, BLOCK_BYTES - 1] {
                let answer = format!("retval={moved_bytes}");
                let outcome = injected(&way, call.name, Which::Second, &answer, &file);
                let partial = format!("partial {}: {moved_bytes} of {BLOCK_BYTES} bytes", place(&way, &call));
                assert_failed(&way, &outcome, &file, &[&partial]);
            }
        }
    }
}

#[test]
fn an_error_of_the_sync_ends_the_run() {
    let Some((_scratch, file)) = ready() else { return };
    for way in Way::all(&file, 2, true).into_iter().filter(|way| way.direction == Direction::Write) {
        for call in way.syncing() {
            let outcome = injected(&way, call.name, Which::Last, "error=EIO", &file);
            assert_failed(&way, &outcome, &file, &["sync failed", "EIO"]);
        }
    }
}

#[test]
fn an_interrupted_sync_is_made_again_and_counted() {
    let Some((_scratch, file)) = ready() else { return };
    for way in Way::all(&file, 1, true).into_iter().filter(|way| way.direction == Direction::Write) {
        for call in way.syncing() {
            let outcome = injected(&way, call.name, Which::Last, "error=EINTR", &file).ok();
            let sample = &outcome.json()["benchmark_samples"][0];
            assert_eq!(sample["interrupted_calls"], 1, "{way:?}: {sample}");
        }
    }
}

#[test]
fn every_strategy_that_moves_data_adds_a_call_for_its_sync() {
    let Some((_scratch, file)) = ready() else { return };
    for way in Way::all(&file, 1, true).into_iter().filter(|way| way.strategy.info().moves_data) {
        assert!(!way.syncing().is_empty(), "{way:?}: nothing to inject an error of the sync into");
    }
}

/// A loop device whose backing file has lost its second half: reads there fail with EIO, and no
/// call of the strategy is touched for it. Detached when dropped.
struct FailingDevice {
    path: PathBuf,
    _scratch: Filesystem,
}

impl FailingDevice {
    fn new(size_bytes: u64, left_bytes: u64) -> Option<FailingDevice> {
        if !have_root() || !have_program("losetup") {
            return None;
        }
        let scratch = Filesystem::scratch();
        let image = scratch.folder().join("image");
        std::fs::write(&image, common::pattern(0, size_bytes as usize)).unwrap();
        let attached = Command::new("losetup").args(["--find", "--show"]).arg(&image).output().unwrap();
        let reason = String::from_utf8_lossy(&attached.stderr).into_owned();
        if !have("loop", attached.status.success(), &reason) {
            return None;
        }
        let path = PathBuf::from(String::from_utf8(attached.stdout).unwrap().trim());
        std::fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(left_bytes).unwrap();
        Some(FailingDevice { path, _scratch: scratch })
    }
}

impl Drop for FailingDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

#[test]
fn a_failing_device_is_an_error_at_the_block_that_failed() {
    const SIZE_BYTES: u64 = 1 << 20;
    const LEFT_BYTES: u64 = SIZE_BYTES / 2;
    let Some(device) = FailingDevice::new(SIZE_BYTES, LEFT_BYTES) else { return };
    let path = device.path.to_str().unwrap();
    let target = Target::open(&device.path, Direction::Read, false).unwrap();
    for strategy in ALL.iter().filter(|strategy| strategy.info().moves_data) {
        for direct in modes(strategy.info()) {
            let name = strategy.info().name;
            let runs = matches!(strategy.probe(&target, *direct), Support::Yes(_));
            if !have(name, runs, "probe refuses it here") {
                continue;
            }
            let args = ["-r", "-j", "-B", "-t", "1M", "-b", "4k", "--strategy", name, path];
            let outcome = common::run(args.iter().chain(direct.then_some(&"-d")));
            assert_eq!(outcome.code, Some(74), "{name}: {outcome:?}");
            assert_eq!(outcome.json()["error"]["kind"], "io");
            for word in [path, "read at offset ", "EIO"] {
                assert!(outcome.stderr.contains(word), "{name}: no '{word}' in {outcome:?}");
            }
            let offset = outcome.stderr.split("read at offset ").nth(1).unwrap().split(' ').next().unwrap();
            let offset: u64 = offset.parse().unwrap();
            let exact = strategy.info().deepest_queue == 1;
            assert!(offset == LEFT_BYTES || (!exact && offset > LEFT_BYTES), "{name}: {outcome:?}");
        }
    }
}

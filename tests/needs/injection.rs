//! Answers of the kernel reach the user: errors, interruptions and short transfers that strace injects into
//! the declared calls of each strategy, and a device that fails by itself.

use std::path::{Path, PathBuf};

use iobench::engine::operation::Direction;
use iobench::engine::strategy::Call;
use iobench::engine::support::Support;
use iobench::engine::target::Target;
use iobench::engine::workload::Workload;
use iobench::selftest::injection::{self, Inject, Which, whole_block};
use iobench::selftest::invocation::Invocation;
use iobench::strategies::ALL;

use crate::common::{self, Filesystem, LoopDevice, Outcome, runs_here};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => an_error_ends_the_run_and_names_its_place,
        [STRACE] => an_interrupted_call_is_made_again_and_counted,
        [STRACE] => a_short_transfer_is_an_error_that_says_how_short,
        [STRACE] => an_error_of_the_sync_ends_the_run,
        [STRACE] => an_interrupted_sync_is_made_again_and_counted,
        [STRACE] => every_strategy_that_moves_data_adds_a_call_for_its_sync,
        [LOOP] => a_failing_device_is_an_error_at_the_block_that_failed,
    ]
}

const BLOCK_BYTES: u64 = 4096;
const BLOCKS: u64 = 16;
const DEPTH: u32 = 4;

/// Every strategy that runs here, both directions, with and without O_DIRECT.
fn invocations(file: &Path, iterations: usize, sync: bool) -> Vec<Invocation> {
    let target = Target::open(file, Direction::Read, false).unwrap();
    let mut invocations = Vec::new();
    for strategy in ALL.iter().copied() {
        for direct in strategy.info().direct.modes().iter().copied() {
            let Support::Yes(limits) = strategy.probe(&target, direct) else { continue };
            invocations.extend([Direction::Read, Direction::Write].map(|direction| {
                let workload = Workload::new(direction, BLOCK_BYTES, BLOCK_BYTES * BLOCKS);
                let workload = Workload { direct, ..workload };
                let plain = Invocation { strategy, limits, workload, iterations }.with_depth(DEPTH);
                if sync { plain.with_sync() } else { plain }
            }));
        }
    }
    invocations
}

/// The run with `answer` injected into one declared call of the last bracket.
fn injected(invocation: &Invocation, name: &str, which: Which, answer: &str, file: &Path) -> Outcome {
    let program = Path::new(env!("CARGO_BIN_EXE_iobench"));
    let run = injection::injected(program, invocation, (name, which), Inject::Tracing(answer), file, &|| {
        lay_zeros(file)
    })
    .unwrap();
    let run = run.unwrap_or_else(|| panic!("{invocation:?}: {name} is declared and not seen"));
    common::outcome(run.output)
}

/// The file is all zeros before each run: what is written through a strategy is not.
fn lay_zeros(file: &Path) {
    std::fs::write(file, vec![0; (BLOCKS * BLOCK_BYTES) as usize]).unwrap();
}

/// A scratch file.
fn ready() -> (Filesystem, PathBuf) {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    lay_zeros(&file);
    (scratch, file)
}

/// Asserts exit 74, one sentence that names the path and `words`, and a document that says the
/// same and holds the samples before.
fn assert_failed(invocation: &Invocation, outcome: &Outcome, file: &Path, words: &[&str]) {
    assert_eq!(outcome.code, Some(74), "{invocation:?}: {outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{invocation:?}: one sentence: {outcome:?}");
    for word in words.iter().chain([&file.to_str().unwrap()]) {
        assert!(outcome.stderr.contains(word), "{invocation:?}: no '{word}' in {outcome:?}");
    }
    let document = outcome.json();
    assert_eq!(document["error"]["kind"], "io", "{invocation:?}");
    assert_eq!(document["error"]["exit_code"], 74, "{invocation:?}");
    assert!(outcome.stderr.contains(document["error"]["message"].as_str().unwrap()), "{invocation:?}");
    let samples = document["benchmark_samples"].as_array().unwrap();
    assert_eq!(samples.len(), invocation.iterations - 1, "{invocation:?}: the samples so far");
    assert!(samples.iter().all(|sample| sample["io_count"] == BLOCKS), "{invocation:?}: {samples:?}");
}

/// The place of a failure in the second call, where each call moves one block.
fn place(invocation: &Invocation, call: &Call) -> String {
    if call.at_least == BLOCKS && call.at_most == BLOCKS {
        format!("{} at offset {BLOCK_BYTES}", invocation.workload.direction.name())
    } else {
        "failed".to_owned()
    }
}

fn an_error_ends_the_run_and_names_its_place() {
    let (_scratch, file) = ready();
    for invocation in invocations(&file, 2, false) {
        for call in invocation.declared() {
            let outcome = injected(&invocation, call.name, Which::Second, "error=EIO", &file);
            assert_failed(&invocation, &outcome, &file, &["EIO", &place(&invocation, &call)]);
        }
    }
}

fn an_interrupted_call_is_made_again_and_counted() {
    let (_scratch, file) = ready();
    for invocation in invocations(&file, 1, false) {
        for call in invocation.declared() {
            let outcome = injected(&invocation, call.name, Which::Second, "error=EINTR", &file).ok();
            let sample = &outcome.json()["benchmark_samples"][0];
            assert_eq!(sample["interrupted_calls"], 1, "{invocation:?}: {sample}");
            assert_eq!(sample["io_count"], BLOCKS, "{invocation:?}: {sample}");
            assert_eq!(sample["transferred_bytes"], BLOCKS * BLOCK_BYTES, "{invocation:?}: {sample}");
            if invocation.workload.direction == Direction::Write {
                assert_written(&invocation, &file);
            }
        }
    }
}

/// Every block of the file is one of the buffer's, which holds the pattern.
fn assert_written(invocation: &Invocation, file: &Path) {
    let slots: Vec<Vec<u8>> =
        (0..u64::from(DEPTH)).map(|slot| common::pattern(slot * BLOCK_BYTES, BLOCK_BYTES as usize)).collect();
    let bytes = std::fs::read(file).unwrap();
    assert_eq!(bytes.len() as u64, BLOCKS * BLOCK_BYTES, "{invocation:?}");
    for (index, block) in bytes.chunks(BLOCK_BYTES as usize).enumerate() {
        assert!(slots.iter().any(|slot| slot == block), "{invocation:?}: block {index} was not written");
    }
}

fn a_short_transfer_is_an_error_that_says_how_short() {
    let (_scratch, file) = ready();
    for invocation in invocations(&file, 2, false) {
        if let Some(call) = whole_block(&invocation) {
            for moved_bytes in [0, 1, BLOCK_BYTES / 2, BLOCK_BYTES - 1] {
                let answer = format!("retval={moved_bytes}");
                let outcome = injected(&invocation, call.name, Which::Second, &answer, &file);
                let partial =
                    format!("{} moved {moved_bytes} of {BLOCK_BYTES} bytes", place(&invocation, &call));
                assert_failed(&invocation, &outcome, &file, &[&partial]);
            }
        }
    }
}

fn an_error_of_the_sync_ends_the_run() {
    let (_scratch, file) = ready();
    for invocation in invocations(&file, 2, true)
        .into_iter()
        .filter(|invocation| invocation.workload.direction == Direction::Write)
    {
        for call in invocation.syncing() {
            let outcome = injected(&invocation, call.name, Which::Last, "error=EIO", &file);
            assert_failed(&invocation, &outcome, &file, &["sync failed", "EIO"]);
        }
    }
}

fn an_interrupted_sync_is_made_again_and_counted() {
    let (_scratch, file) = ready();
    for invocation in invocations(&file, 1, true)
        .into_iter()
        .filter(|invocation| invocation.workload.direction == Direction::Write)
    {
        for call in invocation.syncing() {
            let outcome = injected(&invocation, call.name, Which::Last, "error=EINTR", &file).ok();
            let sample = &outcome.json()["benchmark_samples"][0];
            assert_eq!(sample["interrupted_calls"], 1, "{invocation:?}: {sample}");
        }
    }
}

fn every_strategy_that_moves_data_adds_a_call_for_its_sync() {
    let (_scratch, file) = ready();
    for invocation in invocations(&file, 1, true)
        .into_iter()
        .filter(|invocation| invocation.strategy.info().properties.performs_io)
    {
        assert!(
            !invocation.syncing().is_empty(),
            "{invocation:?}: nothing to inject an error of the sync into"
        );
    }
}

/// A loop device whose backing file loses its second half: reads there fail with EIO, and no call of the
/// strategy is touched for it.
fn a_failing_device_is_an_error_at_the_block_that_failed() {
    const SIZE_BYTES: u64 = 1 << 20;
    const LEFT_BYTES: u64 = SIZE_BYTES / 2;
    let device = LoopDevice::attach(SIZE_BYTES).unwrap();
    std::fs::OpenOptions::new().write(true).open(&device.image).unwrap().set_len(LEFT_BYTES).unwrap();
    let path = device.path.to_str().unwrap();
    for strategy in ALL.iter().filter(|strategy| strategy.info().properties.performs_io) {
        for direct in strategy.info().direct.modes() {
            let name = strategy.info().name;
            if !runs_here(name) {
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
            let exact = strategy.info().max_iodepth == 1;
            assert!(offset == LEFT_BYTES || (!exact && offset > LEFT_BYTES), "{name}: {outcome:?}");
        }
    }
}

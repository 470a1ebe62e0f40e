//! Every strategy keeps every promise on every filesystem: the checks of `iobench::selftest` over
//! the registry, and what takes the whole program to see.

use std::ffi::OsStr;
use std::path::Path;

use iobench::engine::direct;
use iobench::engine::operation::Direction;
use iobench::engine::strategy::Strategy;
use iobench::engine::support::Reason;
use iobench::engine::target::Target;
use iobench::selftest::checks::CHECKS;
use iobench::selftest::subject::{Probed, Subject};
use iobench::strategies::ALL;

use crate::common::{self, FILESYSTEM_BYTES, Filesystem, Outcome, runs_here};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [] => every_strategy_conforms_where_the_build_is,
        [EXT4] => every_strategy_conforms_on_ext4,
        [XFS] => every_strategy_conforms_on_xfs,
        [BTRFS] => every_strategy_conforms_on_btrfs,
        [TMPFS] => every_strategy_conforms_on_tmpfs,
        [] => random_offsets_are_refused_by_strategies_that_follow_the_position,
        [O_DIRECT] => a_size_that_o_direct_does_not_take_is_refused_with_the_alignment_named,
        [] => a_file_that_shrinks_under_a_run_ends_it_with_exit_74,
    ]
}

/// The faults of one strategy on one filesystem.
fn faults(strategy: &'static dyn Strategy, filesystem: &Filesystem, direct: bool) -> Vec<String> {
    let name = strategy.info().name;
    let place = format!("{name}{} on {}", if direct { " -d" } else { "" }, filesystem.name);
    let subject = match Subject::probe(strategy, filesystem.folder(), direct) {
        Ok(Probed::Runs(subject)) => subject,
        // That a filesystem has no O_DIRECT is its nature; that this machine has no such strategy is reported
        // by tests/needs/strategies.rs.
        Ok(Probed::Refused(refusal)) if refusal.reason == Reason::Filesystem || !runs_here(name) => {
            return Vec::new();
        }
        Ok(Probed::Refused(refusal)) => return vec![format!("{place}: {}", refusal.explanation)],
        Err(fault) => return vec![format!("{place}: {fault}")],
    };
    let verdicts = CHECKS.iter().map(|check| (check.name, check.verdict(&subject)));
    verdicts.filter_map(|(check, verdict)| Some(format!("{place}: {check}: {}", verdict.err()?))).collect()
}

/// Runs everything on one filesystem.
fn conforms(filesystem: &Filesystem) {
    let mut all = Vec::new();
    for strategy in ALL {
        for direct in strategy.info().direct.modes() {
            all.extend(faults(*strategy, filesystem, *direct));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

fn every_strategy_conforms_where_the_build_is() {
    conforms(&Filesystem::scratch());
}

fn every_strategy_conforms_on_ext4() {
    conforms(&Filesystem::mount("ext4", FILESYSTEM_BYTES));
}

fn every_strategy_conforms_on_xfs() {
    conforms(&Filesystem::mount("xfs", FILESYSTEM_BYTES));
}

fn every_strategy_conforms_on_btrfs() {
    conforms(&Filesystem::mount("btrfs", FILESYSTEM_BYTES));
}

fn every_strategy_conforms_on_tmpfs() {
    conforms(&Filesystem::mount("tmpfs", FILESYSTEM_BYTES));
}

/// The program with `-B -j` and these arguments on a file.
fn run(file: &Path, args: &[&str]) -> Outcome {
    let args = args.iter().map(OsStr::new).chain([OsStr::new("-B"), OsStr::new("-j"), file.as_os_str()]);
    common::run(args)
}

/// Asserts that a run was refused for a reason that names `word`, and moved nothing.
fn assert_refused(outcome: &Outcome, word: &str) {
    assert_eq!(outcome.code, Some(64), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "one sentence: {outcome:?}");
    assert!(outcome.stderr.contains(word), "{word}: {outcome:?}");
    let document = outcome.json();
    assert_eq!(document["error"]["kind"], "usage");
    assert_eq!(document["benchmark_samples"], serde_json::json!([]));
}

fn random_offsets_are_refused_by_strategies_that_follow_the_position() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 16);
    for strategy in ALL {
        let info = strategy.info();
        let (cannot_run, word) = (!runs_here(info.name), "--access random");
        let outcome =
            run(&file, &["-r", "-t", "64k", "-b", "4k", "--access", "random", "--strategy", info.name]);
        if info.random {
            assert!(outcome.code == Some(0) || cannot_run, "{outcome:?}");
        } else {
            assert_refused(&outcome, word);
        }
    }
}

fn a_size_that_o_direct_does_not_take_is_refused_with_the_alignment_named() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    let target = Target::open(&file, Direction::Read, false).unwrap();
    let unit_bytes = direct::alignment(&target).unwrap().offset_bytes;
    for strategy in ALL.iter().filter(|strategy| strategy.info().direct.modes().contains(&true)) {
        if !runs_here(strategy.info().name) {
            continue;
        }
        for (mode, block_bytes) in [("-r", unit_bytes + 1), ("-w", unit_bytes / 2), ("-r", 1)] {
            let (block, total) = (block_bytes.to_string(), (block_bytes * 16).to_string());
            let args = [mode, "-d", "-b", &block, "-t", &total, "--strategy", strategy.info().name];
            assert_refused(&run(&file, &args), &format!("multiples of {unit_bytes} bytes"));
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), common::pattern(0, 1 << 20), "nothing was written");
}

/// Runs the program with a pause before the bracket, and cuts the file off in that pause: the
/// description of the run is printed when the file is open.
fn cut_while_running(name: &str, file: &Path, left_bytes: u64) -> Outcome {
    use std::io::Read;
    let mut child = common::iobench()
        .args(["-r", "-v", "-t", "1M", "-b", "64k", "--settle", "1", "--strategy", name])
        .arg(file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(left_bytes).unwrap();
    common::outcome(child.wait_with_output().unwrap())
}

fn a_file_that_shrinks_under_a_run_ends_it_with_exit_74() {
    let faulty = |strategy: &&'static dyn Strategy| {
        let scratch = Filesystem::scratch();
        let file = common::data_file(scratch.folder(), 1 << 20);
        let name = strategy.info().name;
        if !strategy.info().properties.performs_io || !runs_here(name) {
            return None;
        }
        let outcome = cut_while_running(name, &file, 1 << 19);
        let right = outcome.code == Some(74)
            && outcome.stderr.lines().count() == 1
            && outcome.stderr.contains(file.to_str().unwrap())
            // Of a queue any operation behind the end may be the first to come back.
            && (outcome.stderr.contains("at offset 524288") || strategy.info().max_iodepth > 1);
        (!right).then(|| format!("{name}: {outcome:?}"))
    };
    // Side by side, for each waits out the pause.
    let found: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = ALL.iter().map(|strategy| scope.spawn(move || faulty(strategy))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

//! The teaching material: the code cells of the lab's notebook as they are written, our own notebooks, the
//! Python packages with their types, and the exercise. Python is that of the virtual environment that
//! `.ci/run` makes.
//!
//! The lab's cells take six minutes, and the rest runs meanwhile, in order: our notebooks first, because they
//! run io-benchmark in their first cells, and at the end the lab's D script counts whatever has that name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod exercise;
mod flawed;
mod python;
#[path = "../../examples/skeleton.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example is a program of its own")]
mod skeleton;
#[path = "../common/trials.rs"]
mod trials;

use std::process::{Command, ExitCode};
use std::sync::Once;

use common::{Outcome, outcome};
use libtest_mimic::Arguments;
use trials::tests;

fn main() -> ExitCode {
    if let Some(code) = exercise::as_program() {
        return code;
    }
    let own = tests![
        [LAB, MAKE, CC] => the_labs_cells_run,
        [LAB, MAKE, CC] => our_notebooks_run,
        [LAB] => the_package_passes_its_tests_and_its_types_hold,
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    let tests = own.into_iter().chain(python::tests()).chain(exercise::tests());
    trials::run(&arguments, tests.collect())
}

const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lab");
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// Runs a module of that Python in `folder`. No caches are left in the sources.
fn run(folder: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(trials::lab_python().unwrap());
    command.args(["-B", "-m"]).args(arguments).current_dir(folder);
    command.env("IOBENCH", env!("CARGO_BIN_EXE_iobench"));
    let ended = outcome(command.output().unwrap()).ok();
    print_skipped(&ended);
    ended
}

/// Prints the tests that pytest skipped, with their reasons.
fn print_skipped(pytest: &Outcome) {
    pytest
        .stdout
        .lines()
        .filter(|line| line.starts_with("SKIPPED"))
        .for_each(|line| println!("pytest: {line}"));
}

const PYTEST: [&str; 5] = ["pytest", "-p", "no:cacheprovider", "-v", "-rs"];

fn the_package_passes_its_tests_and_its_types_hold() {
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/mypy");
    run(PACKAGE, &["mypy", "--cache-dir", cache]);
    let ended = run(PACKAGE, &PYTEST);
    if trials::STRACE.is_present() {
        assert!(!ended.stdout.contains("SKIPPED"), "{ended:?}");
    }
}

/// Runs the tests of a file of the lab, after `make -C io`, which two at a time would wait for each other.
fn run_tests(file: &str) -> Outcome {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        outcome(Command::new("make").args(["-C", &format!("{LAB}/io")]).output().unwrap()).ok();
    });
    run(LAB, &[&PYTEST[..], &["--durations=5", file]].concat())
}

fn the_labs_cells_run() {
    let ended = run_tests("tests/test_lab1_cells.py");
    if trials::DTRACE.is_present() {
        let passed = |line: &&str| line.contains("test_dtrace_counts_every_read") && line.contains("PASSED");
        assert_eq!(ended.stdout.lines().filter(passed).count(), 2, "with one thread and with two: {ended:?}");
    }
}

fn our_notebooks_run() {
    run_tests("tests/test_notebooks.py");
}

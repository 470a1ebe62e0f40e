//! The Python package `iobench` in python/ with its types; and docs/lab: the code cells of the lab's notebook
//! as they are written, and our own notebooks. Python is that of the virtual environment that `.ci/run`
//! makes. The lab's cells take three to six minutes, most of them asleep.

use std::process::Command;

use crate::common::{Outcome, outcome};
use crate::trials::{self, Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [LAB, MAKE, CC] => the_labs_cells_and_our_notebooks_run,
        [LAB] => the_package_passes_its_tests_and_its_types_hold,
    ]
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
pub(crate) fn print_skipped(pytest: &Outcome) {
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

/// Runs the tests of a file of the lab.
fn run_tests(file: &str) -> Outcome {
    run(LAB, &[&PYTEST[..], &["--durations=5", file]].concat())
}

/// The lab's D script counts at the end, and our notebooks run io-benchmark in their first cells alone.
fn the_labs_cells_and_our_notebooks_run() {
    outcome(Command::new("make").args(["-C", &format!("{LAB}/io")]).output().unwrap()).ok();
    std::thread::scope(|scope| {
        scope.spawn(|| run_tests("tests/test_notebooks.py"));
        let ended = run_tests("tests/test_lab1_cells.py");
        if trials::DTRACE.is_present() {
            assert!(ended.stdout.contains("test_dtrace_counts_every_read PASSED"), "{ended:?}");
        }
    });
}

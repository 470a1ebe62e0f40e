//! The Python package `iobench` in python/ with its types; and docs/lab: the code cells of the lab's notebook as they
//! are written, and our own notebooks. Python is that of the virtual environment that `.ci/run` makes. The lab's cells
//! take three to six minutes, most of them asleep, and ours run meanwhile: the lab's D script counts whatever is named
//! io-benchmark, but only at the end, and ours run that program in their first cells alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use common::{Outcome, have, have_btf, have_dtrace, have_program, have_root, outcome};

const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lab");
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// The environment's Python: `IOBENCH_LAB_PYTHON`, else that of the environment that `.ci/run` makes.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("IOBENCH_LAB_PYTHON").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    let python = named.or_else(|| Some(cache?.join("iobench/lab-venv/bin/python")))?;
    let reason = format!("{} is missing, see `venv` in .ci/run", python.display());
    have("lab", python.is_file(), &reason).then_some(python)
}

/// Runs a module of that Python in `folder`. No caches are left in the sources.
fn run(python: &Path, folder: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(python);
    command.args(["-B", "-m"]).args(arguments).current_dir(folder);
    command.env("IOBENCH", env!("CARGO_BIN_EXE_iobench"));
    let ended = outcome(command.output().unwrap());
    println!("{}", ended.stdout);
    ended.ok()
}

const PYTEST: [&str; 5] = ["pytest", "-p", "no:cacheprovider", "-v", "-rs"];

#[test]
fn the_package_passes_its_tests_and_its_types_hold() {
    let Some(python) = python() else { return };
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/mypy");
    run(&python, PACKAGE, &["mypy", "--cache-dir", cache]);
    let ended = run(&python, PACKAGE, &PYTEST);
    if have_program("strace") {
        assert!(!ended.stdout.contains("SKIPPED"), "{ended:?}");
    }
}

/// Runs the tests of a file of the lab, after `make -C io`, which two at a time would wait for each other.
fn run_tests(python: &Path, file: &str) -> Outcome {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        outcome(Command::new("make").args(["-C", &format!("{LAB}/io")]).output().unwrap()).ok();
    });
    run(python, LAB, &[&PYTEST[..], &["--durations=5", file]].concat())
}

#[test]
fn the_labs_cells_run() {
    let Some(python) = python() else { return };
    let ended = run_tests(&python, "tests/test_lab1_cells.py");
    if have_root() && have_btf() && have_dtrace() {
        assert!(ended.stdout.contains("test_dtrace_counts_every_read PASSED"), "{ended:?}");
    }
}

#[test]
fn our_notebooks_run() {
    let Some(python) = python() else { return };
    run_tests(&python, "tests/test_notebooks.py");
}

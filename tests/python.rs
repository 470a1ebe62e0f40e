//! The Python module in docs/tracing/python: its own tests, and through them the lab's D script, which runs
//! byte for byte on our program and counts 32768 reads. It counts whatever is named io-benchmark, so it has
//! a test program of its own: nothing else may run then.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{have, have_btf, have_dtrace, have_root, outcome};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tracing/python");

#[test]
fn the_python_module_passes_its_tests_and_the_labs_script_counts_every_read() {
    let mut found = Command::new("python3");
    let found = found.args(["-c", "import pytest"]).output().is_ok_and(|ended| ended.status.success());
    if !have("pytest", found, "install pytest (python3-pytest)") {
        return;
    }
    // No caches are left in the sources.
    let mut command = Command::new("python3");
    command.args(["-B", "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rs", MODULE]);
    command.env("IO_BENCHMARK", env!("CARGO_BIN_EXE_io-benchmark"));
    let ended = outcome(command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()).ok();
    println!("{}", ended.stdout);
    if have_root() && have_btf() && have_dtrace() {
        let lab = "test_consumer.py::test_lab_script_counts_every_read PASSED";
        assert!(ended.stdout.contains(lab), "{ended:?}");
        assert!(!ended.stdout.contains("skipped"), "{ended:?}");
    }
}

#[test]
fn the_labs_script_is_the_labs() {
    let script = std::fs::read_to_string(Path::new(MODULE).join("tests/lab.d")).unwrap();
    assert_eq!(script, LAB);
}

/// `io_syscall_script` of the notebook of lab 1.
const LAB: &str = r#"
syscall::clock_gettime:return
/execname == "io-benchmark" && !in_benchmark/
{
    in_benchmark = 1;
}

syscall::clock_gettime:entry
/execname == "io-benchmark" && in_benchmark/
{
    in_benchmark = 0;
}

syscall:::entry
/execname == "io-benchmark" && in_benchmark && probefunc != "clock_gettime"/
{
    @a[probefunc] = count();
}
"#;

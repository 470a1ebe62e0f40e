//! The Python module in docs/tracing/python: its own tests, on a stand-in for DTrace and on the real one. The lab's D
//! script runs through it in the lab's notebook (tests/lab.rs).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{have, have_btf, have_dtrace, have_root, outcome};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tracing/python");

#[test]
fn the_python_module_passes_its_tests() {
    let mut found = Command::new("python3");
    let found = found.args(["-c", "import pytest"]).output().is_ok_and(|ended| ended.status.success());
    if !have("pytest", found, "install pytest (python3-pytest)") {
        return;
    }
    // No caches are left in the sources.
    let mut command = Command::new("python3");
    command.args(["-B", "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rs", MODULE]);
    let ended = outcome(command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()).ok();
    println!("{}", ended.stdout);
    if have_root() && have_btf() && have_dtrace() {
        assert!(!ended.stdout.contains("skipped"), "{ended:?}");
    }
}

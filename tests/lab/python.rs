//! The Python module in docs/tracing/python: its own tests, on a stand-in for DTrace and on the real one. The
//! lab's D script runs through it in the lab's notebook (tests/lab/main.rs).

use std::process::Command;

use crate::common::outcome;
use crate::print_skipped;
use crate::trials::{self, Test, tests};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tracing/python");

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [PYTEST] => the_python_module_passes_its_tests,
    ]
}

fn the_python_module_passes_its_tests() {
    // No caches are left in the sources.
    let mut command = Command::new("python3");
    command.args(["-B", "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rs", MODULE]);
    let ended = outcome(command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()).ok();
    print_skipped(&ended);
    if trials::DTRACE.is_present() {
        assert!(!ended.stdout.contains("skipped"), "{ended:?}");
    }
}

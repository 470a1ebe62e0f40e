//! A test whose capability is missing is reported as ignored with the reason and counted in the summary.
//! Where `IOBENCH_REQUIRE` names the capability, it fails. Proved on a test of this program that needs
//! strace.

use std::process::Command;

use crate::common::{Outcome, finish};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [] => a_test_without_its_capability_is_ignored_with_the_reason,
        [] => a_required_capability_that_is_missing_is_a_failure,
    ]
}

const TEST: &str = "bracket::behind_the_bracket_nothing_is_read";

/// Runs the test in a program of its own that finds no strace.
fn without_strace(required: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST]).args(arguments);
    finish(command.env("PATH", "").env("IOBENCH_REQUIRE", required))
}

fn a_test_without_its_capability_is_ignored_with_the_reason() {
    for (required, arguments) in [("", &[][..]), ("root,chromium", &[]), ("", &["--include-ignored"])] {
        let ended = without_strace(required, arguments).ok();
        for expected in [
            &format!("test {TEST} ... ignored (no strace: install strace)\n"),
            "0 passed; 0 failed; 1 ignored;",
            &format!("skipped 1:\n    no strace (install strace): {TEST}\n"),
        ] {
            assert!(ended.stdout.contains(expected), "no {expected:?} in {ended:?}");
        }
    }
}

fn a_required_capability_that_is_missing_is_a_failure() {
    for required in ["strace", "all", "root,strace"] {
        let ended = without_strace(required, &[]);
        assert_eq!(ended.code, Some(101), "{ended:?}");
        for expected in [
            &format!("test {TEST} ... FAILED\n"),
            "IOBENCH_REQUIRE asks for strace: no strace: install strace\n",
            "0 passed; 1 failed; 0 ignored;",
        ] {
            assert!(ended.stdout.contains(expected), "no {expected:?} in {ended:?}");
        }
        assert!(!ended.stdout.contains("skipped"), "{ended:?}");
    }
}

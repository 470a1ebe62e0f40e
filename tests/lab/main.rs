//! Tests of the tools that students use: `iobench selftest`, the notebooks and the Python modules.
//!
//! This program is also a student's own program: with [`AS_PROGRAM`] set it is `main_with` over the
//! strategies of the handout and over those that are wrong in one thing each. Without, it is the tests, which
//! run it so.
//!
//! The lab's D script counts whatever is named io-benchmark, so no other test may run that program meanwhile,
//! and `sync`, which it calls before each sample, waits for what other tests write.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod exercise;
mod flawed;
mod notebooks;
mod python;
#[path = "../../examples/skeleton.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example is a program of its own")]
mod skeleton;
#[path = "../common/trials.rs"]
mod trials;

use std::process::ExitCode;
use std::thread::available_parallelism;

use iobench::engine::blocking::blocking;
use iobench::strategies;
use libtest_mimic::Arguments;

const AS_PROGRAM: &str = "IOBENCH_TEST_AS_PROGRAM";

fn main() -> ExitCode {
    if std::env::var_os(AS_PROGRAM).is_some() {
        let own = [&const { blocking::<skeleton::Mine>() } as _];
        return iobench::main_with(&[strategies::ALL, &own, &flawed::ALL].concat());
    }
    let mut arguments = Arguments::from_args();
    // One more than processors: the lab's cells are mostly asleep.
    arguments.test_threads.get_or_insert(available_parallelism().map_or(1, |count| count.get()) + 1);
    let tests = [notebooks::tests(), exercise::tests(), python::tests()];
    trials::run(&arguments, tests.into_iter().flatten().collect())
}

//! Tests that not every machine can run: they need root, a filesystem, a tracer, a browser. The list at the
//! head of each module declares the needs of each test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/refusal.rs"]
mod refusal;
#[path = "../common/running.rs"]
mod running;
#[path = "../common/trials.rs"]
mod trials;

mod bad_input;
mod bracket;
mod browser;
mod command_line;
mod conformance;
mod ending;
mod explain;
#[cfg(target_os = "linux")]
mod fault_matrix;
#[cfg(target_os = "linux")]
mod host_device_users;
mod injection;
#[cfg(target_os = "linux")]
mod numbers;
mod reports;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod safety;
#[cfg(target_os = "linux")]
mod setup;
mod skipping;
mod strategies;
#[cfg(target_os = "linux")]
mod trace;
#[cfg(target_os = "linux")]
mod tracing_scripts;
#[cfg(all(feature = "usdt", target_os = "linux"))]
mod usdt;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use trials::Test;

fn main() -> ExitCode {
    let modules: &[fn() -> Vec<Test>] = &[
        #[cfg(target_os = "linux")]
        fault_matrix::tests,
        skipping::tests,
        #[cfg(target_os = "linux")]
        safety::tests,
        strategies::tests,
        #[cfg(target_os = "linux")]
        trace::tests,
        #[cfg(target_os = "linux")]
        tracing_scripts::tests,
        #[cfg(all(feature = "usdt", target_os = "linux"))]
        usdt::tests,
        bad_input::tests,
        bracket::tests,
        browser::tests,
        command_line::tests,
        conformance::tests,
        ending::tests,
        explain::tests,
        #[cfg(target_os = "linux")]
        host_device_users::tests,
        injection::tests,
        #[cfg(target_os = "linux")]
        numbers::tests,
        reports::tests,
        #[cfg(target_os = "linux")]
        ring::tests,
    ];
    trials::run(&Arguments::from_args(), modules.iter().flat_map(|tests| tests()).collect())
}

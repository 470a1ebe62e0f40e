//! Bad input, as a black box: each kind with the contract's exit code, one clear sentence on
//! standard error, nothing or one JSON document on standard output, and no file lost on the way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod devices;
#[cfg(target_os = "linux")]
mod ending;
mod filesystems;
mod memory;
mod paths;
mod refusal;
mod uring;
mod usage;

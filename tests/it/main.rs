//! Tests that every machine can run. Those that need more are in `tests/needs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/refusal.rs"]
mod refusal;
#[path = "../common/running.rs"]
mod running;

mod adapters;
mod architecture;
mod bad_input;
mod bracket;
mod command_line;
mod explain;
mod foreign;
mod latency;
mod numbers;
mod operations;
mod plot;
mod plot_axes;
mod properties;
mod registry;
mod safety;
mod schema;
mod sweep;
mod sweep_axes;
mod version1;
mod workers;

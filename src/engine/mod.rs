//! The engine measures; a strategy only moves bytes.
//!
//! [`workload`] describes a sample, and [`strategy`] is the interface between engine and strategy.
//! [`blocking`] and [`queued`] hold the timed loops, [`bracket`] makes the only clock calls that a tracer
//! sees, and [`iteration`] takes one sample in the order of the lab's contract.

pub mod access;
pub mod affinity;
pub mod blocking;
pub mod bracket;
pub mod buffer;
pub mod cache;
pub mod create;
pub mod descriptor;
pub mod direct;
pub mod extents;
pub mod floors;
pub mod inode;
pub mod interrupt;
pub mod iteration;
pub mod latency;
pub mod mapping_guard;
pub mod observer;
pub mod offsets;
pub mod operation;
pub mod pattern;
pub mod prepare;
pub mod queued;
pub mod residency;
mod retry;
pub mod schedule;
pub mod stamp;
pub mod strategy;
pub mod support;
pub mod target;
pub mod targets;
pub mod team;
mod tsc;
pub mod usage;
pub mod usdt;
pub mod workload;

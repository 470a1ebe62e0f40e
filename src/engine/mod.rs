//! The engine measures; a strategy only moves bytes.
//!
//! [`strategy`] is the seam between the two, [`blocking`] and [`queued`] hold the timed loops,
//! [`bracket`] is the one place where the clock is read, and [`iteration`] puts one sample
//! together in the order of the lab's contract.

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
pub mod interrupt;
pub mod iteration;
pub mod mapping_guard;
pub mod offsets;
pub mod pattern;
pub mod prepare;
pub mod probes;
pub mod queued;
pub mod residency;
pub mod strategy;
pub mod target;
pub mod usage;

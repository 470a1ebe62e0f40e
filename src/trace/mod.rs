//! Kernel truth: what the kernel did between the brackets, seen by a tracer.
//!
//! A *program* is written for a tracer ([`bpftrace`], [`dtrace`], [`strace`]), a [`process`] runs it,
//! waits until it is attached and ends it, and what it printed becomes one [`record`] a sample.

pub mod bpftrace;
pub mod dtrace;
pub mod process;
pub mod program;
pub mod record;
pub mod show;
pub mod strace;

//! Tracers that record the activity of the kernel between the brackets.
//!
//! A [`program`] is written for a tracer ([`bpftrace`], [`dtrace`], [`strace`]). A [`process`] runs the
//! tracer, waits until it is attached, and stops it. Its output becomes one [`record`] per sample.

pub mod bpftrace;
pub mod dtrace;
pub mod process;
pub mod program;
pub mod record;
pub mod show;
pub mod strace;

//! What machine, kernel, filesystem and device a result was measured on.
//!
//! One file an operating system; each offers [`configuration`], [`conditions`] and
//! [`device_users`]. A value that this machine does not have is `None` (JSON `null`),
//! never an error: a description must not stop a measurement.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "freebsd")]
use freebsd as system;

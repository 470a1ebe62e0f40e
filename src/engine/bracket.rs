//! The bracket: two raw `clock_gettime` system calls around one pass.
//!
//! Only this file makes these two calls. A clock reading through the vDSO would be cheaper, but a tracer
//! cannot see it. DTrace and bpftrace scripts use the raw calls as marks: the kernel's work between them is
//! work for the benchmark.

use std::mem::MaybeUninit;

use super::retry;
use super::strategy::{Pass, Session};
use crate::error::Failure;

/// Duration of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    /// CLOCK_MONOTONIC at the opening call, in nanoseconds.
    pub opened_ns: u64,
    /// Time from the opening to the closing call, in nanoseconds. With `-s` it includes the sync.
    pub total_ns: u64,
    /// With `-s`: time from the opening call until the last block has moved, in nanoseconds.
    pub transfer_ns: Option<u64>,
}

/// Result of a bracket.
#[derive(Debug)]
pub struct Enclosed {
    /// Duration of the pass, up to the failure if there was one.
    pub elapsed: Elapsed,
    /// The first failure.
    pub outcome: Result<(), Failure>,
}

/// Runs `pass` through `session` between the two calls, and syncs it if `sync`.
///
/// The bracket encloses [`Session::run`]. With `sync` it also encloses [`Session::sync`] and one clock
/// reading through the vDSO, which is not a system call.
pub fn enclose(session: &mut dyn Session, pass: &mut Pass, sync: bool) -> Enclosed {
    let opened_ns = raw_monotonic_ns();
    let mut outcome = session.run(pass);
    let mut transferred_ns = None;
    if sync && outcome.is_ok() {
        transferred_ns = Some(vdso_monotonic_ns());
        outcome = retry::repeated(&mut pass.tally, || session.sync());
    }
    let closed_ns = raw_monotonic_ns();
    Enclosed {
        elapsed: Elapsed {
            opened_ns,
            total_ns: closed_ns.saturating_sub(opened_ns),
            transfer_ns: transferred_ns.map(|at_ns| at_ns.saturating_sub(opened_ns)),
        },
        outcome,
    }
}

/// Nanoseconds between the two calls of an empty bracket.
pub(super) fn empty_ns() -> u64 {
    let opened_ns = raw_monotonic_ns();
    raw_monotonic_ns().saturating_sub(opened_ns)
}

/// Number of clock_gettime(2). The libc crate has no name for that of FreeBSD.
#[cfg(target_os = "linux")]
const CLOCK_GETTIME: libc::c_long = libc::SYS_clock_gettime;
/// `SYS_clock_gettime` of FreeBSD's sys/syscall.h.
#[cfg(target_os = "freebsd")]
const CLOCK_GETTIME: libc::c_int = 232;

#[inline]
fn raw_monotonic_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: clock_gettime writes one timespec to the pointer, which is valid for it.
    unsafe { libc::syscall(CLOCK_GETTIME, libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid timespec, in case the call failed.
    nanoseconds(unsafe { time.assume_init() })
}

fn vdso_monotonic_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: clock_gettime writes one timespec to the pointer, which is valid for it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid timespec, in case the call failed.
    nanoseconds(unsafe { time.assume_init() })
}

fn nanoseconds(time: libc::timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

//! The bracket: two raw `clock_gettime` system calls around one pass.
//!
//! This is the only place of the program that makes them. A vDSO read would be cheaper, but no
//! tracer sees it; the raw call is the mark by which DTrace and bpftrace scripts know what the
//! kernel did for the benchmark and for nothing else.

use std::mem::MaybeUninit;

use super::operation::Tally;
use super::retry;
use super::strategy::{Pass, Session};
use crate::error::Failure;

/// How long a pass took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    /// From the opening to the closing call, in nanoseconds; with `-s` it includes the sync.
    pub total_ns: u64,
    /// With `-s`: from the opening call until the last block had moved, in nanoseconds.
    pub transfer_ns: Option<u64>,
}

/// What happened between the brackets: the time, and what ended the pass early, if anything.
#[derive(Debug)]
pub struct Enclosed {
    /// How long it took, up to the failure if there was one.
    pub elapsed: Elapsed,
    /// The first failure.
    pub outcome: Result<(), Failure>,
}

/// Runs `pass` through `session`, and syncs it if `sync`, between the two calls.
///
/// Inside: [`Session::run`]; with `sync` also one vDSO clock read (no system call) and
/// [`Session::sync`].
pub fn enclose(session: &mut dyn Session, pass: &mut Pass, sync: bool) -> Enclosed {
    let opened_ns = raw_monotonic_ns();
    let mut outcome = session.run(pass);
    let mut transferred_ns = None;
    if sync && outcome.is_ok() {
        transferred_ns = Some(vdso_monotonic_ns());
        outcome = sync_through(session, &mut pass.tally);
    }
    let closed_ns = raw_monotonic_ns();
    Enclosed {
        elapsed: Elapsed {
            total_ns: closed_ns.saturating_sub(opened_ns),
            transfer_ns: transferred_ns.map(|at_ns| at_ns.saturating_sub(opened_ns)),
        },
        outcome,
    }
}

/// [`Session::sync`], made again when a signal interrupts it, as a transfer is.
fn sync_through(session: &mut dyn Session, tally: &mut Tally) -> Result<(), Failure> {
    while let Err(errno) = session.sync() {
        retry::interrupted_call(errno, tally).map_err(|fault| Failure {
            operation: "sync",
            offset_bytes: None,
            fault,
        })?;
    }
    Ok(())
}

/// Number of clock_gettime(2); the libc crate does not name FreeBSD's.
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
    // SAFETY: all zeroes is a valid timespec, should the call have failed.
    nanoseconds(unsafe { time.assume_init() })
}

fn vdso_monotonic_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: clock_gettime writes one timespec to the pointer, which is valid for it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid timespec, should the call have failed.
    nanoseconds(unsafe { time.assume_init() })
}

fn nanoseconds(time: libc::timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

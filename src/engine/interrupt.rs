//! Signals that end a run with the samples taken so far. Further signals change nothing: the program is
//! already ending, and its last steps are to stop its children, to remove its temporary files and to print
//! its document.
//!
//! The handler stores one number. It runs inside a bracket only if a signal arrives there, and that sample is
//! not reported.

use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::error::Error;

/// Number of the last signal that arrived, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static INSTALLED: Once = Once::new();

/// Installs the handlers for SIGHUP, SIGINT, SIGQUIT and SIGTERM, once. A signal that this process inherited
/// as ignored, as nohup(1) does with SIGHUP, stays ignored.
pub fn install() {
    INSTALLED.call_once(|| {
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            if is_ignored(signal) {
                continue;
            }
            let note = move || SIGNAL.store(signal, Ordering::Relaxed);
            // SAFETY: the handler makes one atomic operation, which is allowed in a signal handler.
            let registered = unsafe { signal_hook::low_level::register(signal, note) };
            // Without a handler the signal ends the process, as it does in other programs.
            drop(registered);
        }
    });
}

/// True if the signal is ignored now, which only the parent process can have requested.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all zeroes is a valid sigaction structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only writes the present one to `action`.
    let status = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    status == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// True if a signal has requested the end of the run.
#[inline(always)]
pub fn requested() -> bool {
    SIGNAL.load(Ordering::Relaxed) != 0
}

/// The error of a run that a signal ended.
pub fn error() -> Error {
    Error::interrupted(SIGNAL.load(Ordering::Relaxed))
}

/// Returns `Err` if a signal has requested the end of the run. Called between iterations.
///
/// # Errors
/// An interruption.
pub fn check() -> Result<(), Error> {
    if requested() { Err(error()) } else { Ok(()) }
}

//! Ctrl-C: the first ends the run with the samples taken so far, the second ends the process at once.
//!
//! The handler stores one number. It runs inside a bracket only if a signal arrives there, and that sample is
//! not reported.

use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::Error;

/// Number of the signal that arrived, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static INSTALLED: Once = Once::new();

/// Installs the handlers for SIGINT and SIGTERM, once.
pub fn install() {
    INSTALLED.call_once(|| {
        for signal in [SIGINT, SIGTERM] {
            // SAFETY: the handler makes one atomic exchange and at most one _exit(2), both of
            // which are allowed in a signal handler.
            let registered = unsafe { signal_hook::low_level::register(signal, move || note(signal)) };
            // Without a handler the signal ends the process, as it does in other programs.
            drop(registered);
        }
    });
}

fn note(signal: i32) {
    if SIGNAL.swap(signal, Ordering::Relaxed) != 0 {
        signal_hook::low_level::exit(128 + signal);
    }
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

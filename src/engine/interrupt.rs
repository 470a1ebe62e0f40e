//! Signals that end a run with the samples taken so far. Further signals change nothing: the program is
//! already ending, and its last steps are to stop its children, to remove its temporary files and to print
//! its document.
//!
//! The handler stores one number. It runs inside a bracket only if a signal arrives there, and that sample is
//! not reported.

use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

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
        // Beyond the file size limit (ulimit -f), write(2) then answers EFBIG. Programs that are started do
        // not inherit a handler.
        // SAFETY: the handler does nothing.
        drop(unsafe { signal_hook::low_level::register(SIGXFSZ, || ()) });
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

/// A time at which the run ends as if a signal had arrived. Dropping it cancels it.
///
/// The kernel's timer sends SIGALRM, so a sample is abandoned in the middle, and the timed loops need no
/// clock.
#[derive(Debug)]
pub struct Deadline(());

impl Deadline {
    /// Sets the deadline. A process has one at a time.
    pub fn after(time: Duration) -> Deadline {
        static ALARM: Once = Once::new();
        ALARM.call_once(|| {
            // SAFETY: the handler makes one atomic operation, which is allowed in a signal handler.
            let registered = unsafe { signal_hook::low_level::register(SIGALRM, || exchange(0, SIGALRM)) };
            drop(registered);
        });
        set_timer(time.max(Duration::from_micros(1)));
        Deadline(())
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        set_timer(Duration::ZERO);
        exchange(SIGALRM, 0);
    }
}

/// Changes the noted signal from `from` to `to`. Leaves any other signal, which the user sent.
fn exchange(from: i32, to: i32) {
    let unless_other = |signal| (signal == from).then_some(to);
    let _unchanged = SIGNAL.fetch_update(Ordering::Relaxed, Ordering::Relaxed, unless_other);
}

/// Starts the timer of this process; a time of zero stops it.
fn set_timer(time: Duration) {
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let once = libc::timeval { tv_sec: seconds, tv_usec: i64::from(time.subsec_micros()) };
    let timer = libc::itimerval { it_interval: none, it_value: once };
    // SAFETY: the structure is valid, and the former timer is not read. The call fails only for an
    // invalid time.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

/// True if the [`Deadline`] has passed and no other signal has arrived.
pub fn is_time_up() -> bool {
    SIGNAL.load(Ordering::Relaxed) == SIGALRM
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

//! Turns SIGBUS from a mapping into an error of the transfer.
//!
//! A page of a mapped file that no longer lies inside the file cannot be read (mmap(2), ERRORS): the kernel
//! sends SIGBUS to the thread that touches it. The handler looks up the address among the guarded mappings,
//! maps an anonymous page there so that the copy can continue, and marks the mapping. The strategy checks the
//! mark after each copy.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::error::Error;
use crate::units::MAX_THREADS;

/// Maximum number of guarded mappings. A run has one per worker; tests run several runs side by side.
const SLOTS: usize = MAX_THREADS as usize + 64;

struct GuardedRange {
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    was_hit: AtomicBool,
}

static TABLE: [GuardedRange; SLOTS] = [const {
    GuardedRange {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        was_hit: AtomicBool::new(false),
    }
}; SLOTS];

/// Catches SIGBUS in its range while it exists.
pub struct MappingGuard {
    range: &'static GuardedRange,
}

impl std::fmt::Debug for MappingGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MappingGuard").field("was_hit", &self.was_hit()).finish_non_exhaustive()
    }
}

impl MappingGuard {
    /// Guards `length_bytes` bytes from `start` on.
    ///
    /// # Errors
    /// A system error if the handler cannot be installed or too many mappings are guarded.
    pub fn new(start: *const u8, length_bytes: usize) -> Result<MappingGuard, Error> {
        install()?;
        let free = TABLE.iter().find(|range| !range.taken.swap(true, Ordering::AcqRel));
        let range = free.ok_or_else(|| {
            Error::system(
                "guarding a mapping",
                Errno::EMFILE,
                format!("close one of the {SLOTS} files mapped by this process"),
            )
        })?;
        range.was_hit.store(false, Ordering::Relaxed);
        range.start.store(start as usize, Ordering::Relaxed);
        range.end.store(start as usize + length_bytes, Ordering::Release);
        Ok(MappingGuard { range })
    }

    /// True if a page of the mapping turned out not to lie inside the file.
    #[inline(always)]
    pub fn was_hit(&self) -> bool {
        self.range.was_hit.load(Ordering::Relaxed)
    }
}

impl Drop for MappingGuard {
    fn drop(&mut self) {
        self.range.end.store(0, Ordering::Relaxed);
        self.range.start.store(0, Ordering::Relaxed);
        self.range.taken.store(false, Ordering::Release);
    }
}

fn install() -> Result<(), Error> {
    static INSTALLED: Once = Once::new();
    static FAILED: AtomicBool = AtomicBool::new(false);
    INSTALLED.call_once(|| {
        let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
        let action = SigAction::new(SigHandler::SigAction(on_sigbus), flags, SigSet::empty());
        // SAFETY: the handler makes only system calls and atomic operations.
        let installed = unsafe { sigaction(Signal::SIGBUS, &action) };
        FAILED.store(installed.is_err(), Ordering::Relaxed);
    });
    if FAILED.load(Ordering::Relaxed) {
        Err(Error::system("sigaction", Errno::EINVAL, "use a strategy without a mapping"))
    } else {
        Ok(())
    }
}

extern "C" fn on_sigbus(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid structure, and SIGBUS fills its address.
    let address = unsafe { (*info).si_addr() } as usize;
    let guarded = TABLE.iter().find(|range| {
        address < range.end.load(Ordering::Acquire) && address >= range.start.load(Ordering::Relaxed)
    });
    match guarded {
        Some(range) if replace_page(address) => range.was_hit.store(true, Ordering::Relaxed),
        _ => restore_default(),
    }
}

/// Maps an anonymous page where the file no longer has one.
fn replace_page(address: usize) -> bool {
    // SAFETY: sysconf has no preconditions.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let page = (address / page_bytes * page_bytes) as *mut libc::c_void;
    // SAFETY: the page lies in a guarded mapping, whose owner only copies bytes from and to it.
    let mapped = unsafe {
        libc::mmap(
            page,
            page_bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// Restores the default action for any other address. The instruction runs again, and the process ends as it
/// would without a handler.
fn restore_default() {
    // SAFETY: signal(2) may be called in a handler.
    unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
}

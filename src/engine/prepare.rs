//! What happens before each bracket, so that it encloses the benchmark and nothing else.

use std::hint::black_box;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cache::CacheState;
use super::interrupt;
use super::target::Target;
use crate::error::Error;

/// What is done before each bracket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preparation {
    /// True if files are not written out before the bracket (-B).
    pub bare: bool,
    /// Pause before the bracket, in seconds.
    pub settle_seconds: f64,
    /// State of the page cache to start from (--cache).
    pub cache: CacheState,
}

impl Preparation {
    /// No preparation: what `-B` means.
    pub const NONE: Preparation = Preparation { bare: true, settle_seconds: 0.0, cache: CacheState::AsIs };

    /// Prepares the first `total_bytes` bytes of the target.
    ///
    /// # Errors
    /// Those of [`CacheState::establish`]; an interruption after a signal.
    pub fn carry_out(&self, target: &Target, total_bytes: u64) -> Result<(), Error> {
        if !self.bare {
            write_out(target);
        }
        self.cache.establish(target, total_bytes)?;
        // A signal may have come while files were written out: then there is nothing to settle for.
        interrupt::check()?;
        sleep(Duration::try_from_secs_f64(self.settle_seconds).unwrap_or(Duration::MAX));
        interrupt::check()
    }
}

/// The lab's preparation: fsync(2) twice, sync(2) three times. An old habit: the second call waits for what the first
/// one only started on systems where it did not wait.
///
/// Descriptors that cannot be synced (character devices) are passed over, as in the lab's program.
fn write_out(target: &Target) {
    for _ in 0..2 {
        // The error of a device that has no fsync says nothing about the benchmark.
        let _ = target.control().sync_all();
    }
    for _ in 0..3 {
        nix::unistd::sync();
    }
}

/// nanosleep(2), and not `std::thread::sleep`, which would sleep on after a signal.
fn sleep(duration: Duration) {
    if duration.is_zero() {
        return;
    }
    let time = nix::sys::time::TimeSpec::from_duration(duration);
    // SAFETY: the request is a valid timespec, and no remainder is asked for.
    unsafe { libc::nanosleep(time.as_ref(), std::ptr::null_mut()) };
}

/// Depth of stack that a timed loop may use without touching a page for the first time.
const STACK_BYTES: usize = 64 * 1024;

/// Makes present what the loop will run on: the pages of the program and of its libraries, and
/// the stack below. Without it the first sample takes page faults that are the harness's own.
pub fn touch_program() {
    black_box([0_u8; STACK_BYTES]);
    #[cfg(target_os = "linux")]
    populate_mappings();
}

/// madvise(2) MADV_POPULATE_READ (Linux 5.14) on every readable mapping of a file. A kernel
/// that does not know it leaves the pages to the first sample, which `-g` then shows.
#[cfg(target_os = "linux")]
fn populate_mappings() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(file_mapping) {
        // SAFETY: populating only brings pages in; a range that went away meanwhile is an error.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_POPULATE_READ) };
    }
}

/// Start and length in bytes of a readable mapping of a file, from a line of /proc/self/maps.
#[cfg(target_os = "linux")]
fn file_mapping(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, permissions) = (fields.next()?, fields.next()?);
    fields.nth(2).filter(|inode| *inode != "0")?;
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    permissions.starts_with('r').then(|| (start, end.saturating_sub(start)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::file_mapping;

    #[test]
    fn only_readable_mappings_of_files_are_populated() {
        let text = "7f00-7f10 r-xp 00000000 fe:00 42 /usr/lib/libc.so.6";
        assert_eq!(file_mapping(text), Some((0x7f00, 0x10)));
        assert_eq!(file_mapping("7f00-7f10 ---p 00000000 fe:00 42 /usr/lib/libc.so.6"), None);
        assert_eq!(file_mapping("7f00-7f10 rw-p 00000000 00:00 0 [heap]"), None);
        assert_eq!(file_mapping("garbage"), None);
    }
}

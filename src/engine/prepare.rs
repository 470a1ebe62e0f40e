//! Preparation before each bracket, so that it encloses only the benchmark.

use std::hint::black_box;
use std::time::Duration;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cache::CacheState;
use super::descriptor;
use super::interrupt;
use super::operation::Direction;
use super::target::{Kind, Target};
use crate::error::{Error, Failure};

/// Preparation before each bracket.
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
    /// No preparation, as with `-B`.
    pub const NONE: Preparation = Preparation { bare: true, settle_seconds: 0.0, cache: CacheState::AsIs };

    /// Prepares the first bytes of each target, as many as it comes with.
    ///
    /// # Errors
    /// An I/O error of writing out, those of [`CacheState::establish`], and an interruption after a signal.
    pub fn carry_out(&self, ranges: &[(&Target, u64)]) -> Result<(), Error> {
        if !self.bare {
            write_out(ranges)?;
        }
        ranges.iter().try_for_each(|(target, bytes)| self.cache.establish(target, *bytes))?;
        // A signal may have arrived while files were written out. The pause is skipped then.
        interrupt::check()?;
        sleep(Duration::try_from_secs_f64(self.settle_seconds).unwrap_or(Duration::MAX));
        interrupt::check()
    }

    /// Writes out what the last sample wrote, so that an error of its data is reported. `-B` writes out
    /// nothing.
    ///
    /// # Errors
    /// An I/O error of writing out.
    pub fn finish(&self, target: &Target, direction: Direction) -> Result<(), Error> {
        if self.bare || direction == Direction::Read {
            return Ok(());
        }
        sync_control(target, "fsync after the last sample")
    }
}

/// The lab's preparation: fsync(2) twice, then sync(2) three times. The repetition is an old habit: on some
/// systems the first call only started the writes, and the second waited for them.
///
/// The kernel reports an error of writing out once per descriptor, so an error that is ignored here is lost.
fn write_out(ranges: &[(&Target, u64)]) -> Result<(), Error> {
    for (target, _) in ranges {
        sync_control(target, "fsync before the sample")?;
        sync_control(target, "fsync before the sample")?;
    }
    for _ in 0..3 {
        nix::unistd::sync();
    }
    Ok(())
}

/// fsync(2) of the engine's descriptor. Character devices and pipes have no fsync, as `io-benchmark` allows.
fn sync_control(target: &Target, operation: &'static str) -> Result<(), Error> {
    match descriptor::sync(target.control()) {
        Err(Errno::EINVAL) if target.kind() == Kind::Character => Ok(()),
        answer => answer.map_err(|errno| Error::io(target.path(), Failure::of(operation, errno))),
    }
}

/// nanosleep(2) and not `std::thread::sleep`, which continues to sleep after a signal.
fn sleep(duration: Duration) {
    if duration.is_zero() {
        return;
    }
    let time = nix::sys::time::TimeSpec::from_duration(duration);
    // SAFETY: the request is a valid timespec, and no remainder is requested.
    unsafe { libc::nanosleep(time.as_ref(), std::ptr::null_mut()) };
}

/// Depth of stack that a timed loop may use without a page fault.
const STACK_BYTES: usize = 64 * 1024;

/// Makes the memory of the loop present: the pages of the program and of its libraries, and the stack below.
/// Otherwise the first sample contains page faults of the harness.
pub fn touch_program() {
    touch_stack();
    #[cfg(target_os = "linux")]
    populate_mappings();
}

/// Makes the stack below this call present: that of a new thread is not.
#[inline(never)]
pub(super) fn touch_stack() {
    black_box([0_u8; STACK_BYTES]);
}

/// Calls madvise(2) MADV_POPULATE_READ (Linux 5.14) on every readable mapping of a file. On an older kernel
/// the first sample takes these page faults, and `-g` shows them.
#[cfg(target_os = "linux")]
fn populate_mappings() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(file_mapping) {
        // SAFETY: populating only brings pages in. If a range no longer exists, the call fails.
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

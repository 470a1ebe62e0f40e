//! The cache state that a sample starts from (`--cache`), and the check that it was reached.

use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::PosixFadviseAdvice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interrupt;
use super::residency;
use super::target::Target;
use crate::error::{Error, Failure, errno_of};

/// State of the page cache when a sample starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum CacheState {
    /// All pages are cached. Missing pages are read before each sample.
    Warm,
    /// No page is cached. Dirty pages are written out; then all pages are dropped with posix_fadvise(2).
    Cold,
    /// Not controlled.
    AsIs,
}

/// A sample counts as cold if at most this fraction of its range is resident, and as warm if at most this
/// fraction is missing. One page in a hundred allows for the readahead of other processes.
const TOLERATED_FRACTION: f64 = 0.01;

impl CacheState {
    /// Brings the first `total_bytes` bytes of the target into this state.
    ///
    /// # Errors
    /// An I/O error if reading or writing out fails; an interruption after a signal.
    pub fn establish(self, target: &Target, total_bytes: u64) -> Result<(), Error> {
        match self {
            // A length of 0 means the whole file (posix_fadvise(2)).
            _ if total_bytes == 0 => Ok(()),
            CacheState::Warm => read_once(target, total_bytes),
            CacheState::Cold => drop_pages(target, total_bytes),
            CacheState::AsIs => Ok(()),
        }
    }

    /// True if a sample that started with the fraction `resident` of its range in the cache started in this
    /// state. `None` if the fraction is unknown or no state was requested.
    pub fn reached(self, resident: Option<f64>) -> Option<bool> {
        match self {
            CacheState::Warm => resident.map(|fraction| fraction >= 1.0 - TOLERATED_FRACTION),
            CacheState::Cold => resident.map(|fraction| fraction <= TOLERATED_FRACTION),
            CacheState::AsIs => None,
        }
    }
}

const CHUNK_BYTES: usize = 1 << 20;

fn read_once(target: &Target, total_bytes: u64) -> Result<(), Error> {
    if residency::fraction(target, total_bytes) == Some(1.0) {
        return Ok(());
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset_bytes = 0;
    while offset_bytes < total_bytes {
        interrupt::check()?;
        let wanted = CHUNK_BYTES.min((total_bytes - offset_bytes) as usize);
        match target.control().read_at(&mut chunk[..wanted], offset_bytes) {
            Ok(0) => return Ok(()),
            Ok(moved) => offset_bytes += moved as u64,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(target, "read for --cache warm", errno_of(&error))),
        }
    }
    Ok(())
}

fn drop_pages(target: &Target, total_bytes: u64) -> Result<(), Error> {
    let descriptor = target.control();
    // Only clean pages can be dropped.
    // SAFETY: fdatasync takes a descriptor, and the target keeps it open.
    Errno::result(unsafe { libc::fdatasync(descriptor.as_raw_fd()) })
        .map_err(|errno| failed(target, "fdatasync for --cache cold", errno))?;
    let length = i64::try_from(total_bytes).unwrap_or(0);
    nix::fcntl::posix_fadvise(descriptor, 0, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        .map_err(|errno| failed(target, "posix_fadvise for --cache cold", errno))
}

fn failed(target: &Target, operation: &'static str, errno: Errno) -> Error {
    Error::io(target.path(), Failure::of(operation, errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_reached_only_when_the_cache_says_so() {
        assert_eq!(CacheState::Cold.reached(Some(0.0)), Some(true));
        assert_eq!(CacheState::Cold.reached(Some(0.5)), Some(false));
        assert_eq!(CacheState::Warm.reached(Some(1.0)), Some(true));
        assert_eq!(CacheState::Warm.reached(Some(0.5)), Some(false));
        assert_eq!(CacheState::Cold.reached(None), None);
        assert_eq!(CacheState::AsIs.reached(Some(0.5)), None);
    }
}

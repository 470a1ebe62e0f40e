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
    /// No page is cached. Dirty pages are written out; then all pages of the file are dropped with
    /// posix_fadvise(2).
    Cold,
    /// Not controlled.
    AsIs,
}

/// A sample counts as cold if at most this fraction of its range is resident, and as warm if at most this
/// fraction is missing. One page in a hundred allows for the readahead of other processes.
const TOLERATED_FRACTION: f64 = 0.01;

impl CacheState {
    /// The value of `--cache`.
    pub fn name(self) -> &'static str {
        match self {
            CacheState::Warm => "warm",
            CacheState::Cold => "cold",
            CacheState::AsIs => "as-is",
        }
    }

    /// Brings the first `total_bytes` bytes of the target into this state.
    ///
    /// # Errors
    /// An I/O error if reading or writing out fails; an interruption after a signal.
    pub fn establish(self, target: &Target, total_bytes: u64) -> Result<(), Error> {
        match self {
            _ if total_bytes == 0 => Ok(()),
            CacheState::Warm => read_once(target, total_bytes),
            CacheState::Cold => drop_pages(target),
            CacheState::AsIs => Ok(()),
        }
    }

    /// True if a sample started in this state: the fraction `resident` of its range was in the cache, and the
    /// fraction `from_device` of its bytes came from the device. Both must agree; a `from_device` of `None`
    /// says nothing. The result is `None` if `resident` is unknown or no state was requested.
    pub fn reached(self, resident: Option<f64>, from_device: Option<f64>) -> Option<bool> {
        let (nearly_none, nearly_all) = (TOLERATED_FRACTION, 1.0 - TOLERATED_FRACTION);
        match self {
            CacheState::Warm => resident.map(|fraction| {
                fraction >= nearly_all && from_device.is_none_or(|fraction| fraction <= nearly_none)
            }),
            CacheState::Cold => resident.map(|fraction| {
                fraction <= nearly_none && from_device.is_none_or(|fraction| fraction >= nearly_all)
            }),
            CacheState::AsIs => None,
        }
    }
}

const CHUNK_BYTES: usize = 1 << 20;

fn read_once(target: &Target, total_bytes: u64) -> Result<(), Error> {
    if residency::fraction(target, total_bytes) == Some(1.0) {
        return Ok(());
    }
    // Readahead marks pages. A sample that reads a marked page makes the kernel read beyond the range.
    let advice = PosixFadviseAdvice::POSIX_FADV_RANDOM;
    // Without the advice, only the byte counter of a sample is a little higher.
    let _ = nix::fcntl::posix_fadvise(target.control(), 0, 0, advice);
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

/// Drops all pages, because a large folio that lies only partly within a range would stay.
fn drop_pages(target: &Target) -> Result<(), Error> {
    let descriptor = target.control();
    // Only clean pages can be dropped.
    // SAFETY: fdatasync takes a descriptor, and the target keeps it open.
    Errno::result(unsafe { libc::fdatasync(descriptor.as_raw_fd()) })
        .map_err(|errno| failed(target, "fdatasync for --cache cold", errno))?;
    // A length of 0 means the whole file (posix_fadvise(2)).
    nix::fcntl::posix_fadvise(descriptor, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        .map_err(|errno| failed(target, "posix_fadvise for --cache cold", errno))
}

fn failed(target: &Target, operation: &'static str, errno: Errno) -> Error {
    Error::io(target.path(), Failure::of(operation, errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_reached_only_when_residency_and_byte_counter_say_so() {
        use CacheState::{AsIs, Cold, Warm};
        for (state, resident, from_device, reached) in [
            (Cold, Some(0.0), None, Some(true)),
            (Cold, Some(0.0), Some(1.0), Some(true)),
            (Cold, Some(0.0), Some(0.0), Some(false)),
            (Cold, Some(0.5), Some(1.0), Some(false)),
            (Warm, Some(1.0), None, Some(true)),
            (Warm, Some(1.0), Some(0.0), Some(true)),
            (Warm, Some(1.0), Some(1.0), Some(false)),
            (Warm, Some(0.5), Some(0.0), Some(false)),
            (Cold, None, Some(1.0), None),
            (AsIs, Some(0.5), None, None),
        ] {
            assert_eq!(
                state.reached(resident, from_device),
                reached,
                "{state:?} {resident:?} {from_device:?}"
            );
        }
    }
}

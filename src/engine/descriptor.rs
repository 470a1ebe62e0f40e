//! Opening a descriptor for a strategy, and the sync that goes with it.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use super::strategy::{Direction, OpenSpec};
use super::target::errno_of;
use crate::error::Error;

/// Opens the target as a strategy needs it: for reading or for writing, with O_DIRECT if the
/// spec says so; never creating, never truncating.
///
/// # Errors
/// [`Error::Open`] with the kernel's answer.
pub fn open(spec: &OpenSpec) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    match spec.direction {
        Direction::Read => options.read(true),
        Direction::Write => options.write(true),
    };
    open_with(spec, &mut options)
}

/// Like [`open`], but readable when writing too, as a shared mapping needs it.
///
/// # Errors
/// [`Error::Open`] with the kernel's answer.
pub fn open_mappable(spec: &OpenSpec) -> Result<File, Error> {
    open_with(spec, OpenOptions::new().read(true).write(spec.direction == Direction::Write))
}

fn open_with(spec: &OpenSpec, options: &mut OpenOptions) -> Result<File, Error> {
    if spec.direct {
        options.custom_flags(libc::O_DIRECT);
    }
    let path = spec.target.path();
    options.open(path).map_err(|error| Error::open(path, errno_of(&error)))
}

/// fsync(2).
///
/// # Errors
/// The kernel's answer.
#[inline]
pub fn sync(file: &File) -> Result<(), Errno> {
    // SAFETY: fsync takes a descriptor, and `file` keeps it open.
    Errno::result(unsafe { libc::fsync(file.as_raw_fd()) }).map(drop)
}

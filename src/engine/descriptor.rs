//! Opening a descriptor for a strategy, and the sync that goes with it.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use super::operation::Direction;
use super::strategy::OpenSpec;
use super::workload::{OpenSync, Workload};
use crate::error::Error;

/// Opens the target for reading, for writing, or for a mix of both, with the flags of the workload. Never
/// creates or truncates a file.
///
/// # Errors
/// An open error: the kernel's answer, or the path no longer names the file that was checked.
pub fn open(spec: &OpenSpec) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    let Workload { direction, mix, .. } = *spec.workload;
    options.read(direction == Direction::Read || mix.is_some()).write(direction == Direction::Write);
    open_with(spec, &mut options)
}

/// Like [`open`], but also readable when writing, as a shared mapping requires.
///
/// # Errors
/// Those of [`open`].
pub fn open_mappable(spec: &OpenSpec) -> Result<File, Error> {
    open_with(spec, OpenOptions::new().read(true).write(spec.workload.direction == Direction::Write))
}

fn open_with(spec: &OpenSpec, options: &mut OpenOptions) -> Result<File, Error> {
    let (target, workload) = (spec.target, spec.workload);
    if workload.noatime && O_NOATIME == 0 {
        return Err(Error::usage("--noatime: this system has no O_NOATIME; leave it out"));
    }
    let opened = target.inode().open(target.path(), options, open_flags(workload));
    opened.map_err(|error| match error.errno() {
        Some(errno @ Errno::EPERM) if workload.noatime => {
            let reason = "the kernel grants O_NOATIME only to the owner of the file and to root (EPERM)";
            Error::unusable(target.path(), reason, "leave out --noatime, or run as the owner").because(errno)
        }
        _ => error,
    })
}

/// Flags of open(2) for a workload.
fn open_flags(workload: &Workload) -> libc::c_int {
    let direct = if workload.direct { libc::O_DIRECT } else { 0 };
    let sync = match workload.open_sync {
        OpenSync::None => 0,
        OpenSync::Dsync => libc::O_DSYNC,
        OpenSync::Sync => libc::O_SYNC,
    };
    direct | sync | if workload.noatime { O_NOATIME } else { 0 }
}

#[cfg(target_os = "linux")]
const O_NOATIME: libc::c_int = libc::O_NOATIME;
/// FreeBSD has no such flag.
#[cfg(not(target_os = "linux"))]
const O_NOATIME: libc::c_int = 0;

/// fsync(2).
///
/// # Errors
/// The kernel's answer.
#[inline]
pub fn sync(file: &File) -> Result<(), Errno> {
    // SAFETY: fsync takes a descriptor, and `file` keeps it open.
    Errno::result(unsafe { libc::fsync(file.as_raw_fd()) }).map(drop)
}

/// fdatasync(2): the data, and only the metadata that reading them needs.
///
/// # Errors
/// The kernel's answer.
#[inline]
pub fn sync_data(file: &File) -> Result<(), Errno> {
    // SAFETY: fdatasync takes a descriptor, and `file` keeps it open.
    Errno::result(unsafe { libc::fdatasync(file.as_raw_fd()) }).map(drop)
}

/// The system call of [`sync_data`], as tracers print it.
pub const DATA_SYNC_CALL: Option<&str> = Some("fdatasync");

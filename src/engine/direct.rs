//! The alignment that O_DIRECT requires of offsets, sizes and memory on a target.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use super::support::{Alignment, Reason, Refusal};
use super::target::Target;
use crate::error::errno_of;
use crate::host;

/// Filesystems that accept the flag but do not bypass the page cache, because the page cache is their only
/// storage (Linux mm/shmem.c).
const IGNORING_FILESYSTEMS: [&str; 2] = ["tmpfs", "ramfs"];

/// The alignment for a target, or the reason why O_DIRECT is not available there.
///
/// Sources, in order: statx(2) STATX_DIOALIGN (Linux 6.1), the block size of btrfs, and the logical block
/// size of the device. Btrfs does not report its alignment and silently buffers smaller I/O.
///
/// # Errors
/// A [`Refusal`] if the filesystem has no O_DIRECT.
pub fn alignment(target: &Target) -> Result<Alignment, Refusal> {
    let filesystem = host::filesystem(target.path()).map(|found| found.kind).unwrap_or_default();
    if IGNORING_FILESYSTEMS.contains(&filesystem.as_str()) {
        return Err(refusal(format!("{filesystem} accepts O_DIRECT but still uses the page cache")));
    }
    let own_path = format!("/proc/self/fd/{}", target.control().as_raw_fd());
    let reopened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(own_path);
    // The strategy's own open reports any other failure (no /proc, no permission to read).
    if reopened.is_err_and(|error| errno_of(&error) == Errno::EINVAL) {
        return Err(refusal(format!("{} does not support O_DIRECT on this file", name_or_this(&filesystem))));
    }
    match reported(target) {
        Some(Alignment { offset_bytes: 0, .. }) => {
            Err(refusal(format!("{} reports no O_DIRECT for this file", name_or_this(&filesystem))))
        }
        Some(alignment) => Ok(alignment),
        None => Ok(assumed(target, &filesystem)),
    }
}

fn name_or_this(filesystem: &str) -> &str {
    if filesystem.is_empty() { "this filesystem" } else { filesystem }
}

fn refusal(explanation: String) -> Refusal {
    let remedy = "leave out -d, or use a file on ext4, xfs or a block device";
    Refusal::new(Reason::Filesystem, explanation, remedy)
}

/// The alignment that statx(2) reports. `None` if the kernel or the filesystem does not report one.
#[cfg(target_os = "linux")]
fn reported(target: &Target) -> Option<Alignment> {
    // SAFETY: all zeroes is a valid statx structure.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    let descriptor = target.control().as_raw_fd();
    // SAFETY: the path is an empty C string, and `answer` is valid for the one structure written.
    let status = unsafe {
        libc::statx(descriptor, c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN, &mut answer)
    };
    if status != 0 || answer.stx_mask & libc::STATX_DIOALIGN == 0 {
        return None;
    }
    Some(Alignment {
        offset_bytes: u64::from(answer.stx_dio_offset_align),
        memory_bytes: u64::from(answer.stx_dio_mem_align),
    })
}

#[cfg(not(target_os = "linux"))]
fn reported(_: &Target) -> Option<Alignment> {
    None
}

/// If the device is unknown, the smallest sector size: 512 bytes.
const SECTOR_BYTES: u64 = 512;

fn assumed(target: &Target, filesystem: &str) -> Alignment {
    let logical_bytes = host::logical_block_bytes(target.metadata()).unwrap_or(SECTOR_BYTES);
    let filesystem_bytes = match filesystem {
        "btrfs" => nix::sys::statvfs::fstatvfs(target.control()).map_or(0, |stat| stat.block_size()),
        _ => 0,
    };
    let unit_bytes = logical_bytes.max(filesystem_bytes);
    Alignment { offset_bytes: unit_bytes, memory_bytes: unit_bytes }
}

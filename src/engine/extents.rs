//! Bytes of a file for which no data is stored. Reading them involves no device, so its speed says nothing
//! about a path.

use super::residency;
use super::target::{Kind, Target};

/// Bytes of a range for which the filesystem stores no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unstored {
    /// In holes, from lseek(2) SEEK_HOLE. Some filesystems also count unwritten extents here.
    pub hole_bytes: u64,
    /// Allocated but never written, from FIEMAP. `None` if the filesystem does not report it, or not yet: an
    /// extent counts as unwritten while its data waits in the page cache. Also `None` if the kernel does not
    /// tell whether data waits there, for example about a file of another user.
    pub unwritten_bytes: Option<u64>,
}

impl Unstored {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Unstored) -> Unstored {
        let unwritten = self.unwritten_bytes.zip(other.unwritten_bytes);
        Unstored {
            hole_bytes: self.hole_bytes + other.hole_bytes,
            unwritten_bytes: unwritten.map(|(one, other)| one + other),
        }
    }
}

/// Examines the first `total_bytes` bytes of a regular file. `None` for devices, and if the filesystem does
/// not report extents.
pub fn unstored(target: &Target, total_bytes: u64) -> Option<Unstored> {
    if target.kind() != Kind::Regular {
        return None;
    }
    let hole_bytes = hole_bytes(target, i64::try_from(total_bytes).ok()?)?;
    // This check comes first. Pages that are written out in between would make a later one wrong.
    let settled = residency::unwritten_pages(target, total_bytes).is_some_and(|pages| pages == 0);
    let unwritten_bytes = settled.then(|| fiemap::unwritten_bytes(target, total_bytes)).flatten();
    Some(Unstored { hole_bytes, unwritten_bytes })
}

fn hole_bytes(target: &Target, end: i64) -> Option<u64> {
    use nix::errno::Errno;
    use nix::unistd::{Whence, lseek};
    let mut holes = 0;
    let mut position = 0;
    while position < end {
        let data = match lseek(target.control(), position, Whence::SeekData) {
            Ok(data) => data.min(end),
            Err(Errno::ENXIO) => end,
            Err(_) => return None,
        };
        holes += data - position;
        position = if data < end { lseek(target.control(), data, Whence::SeekHole).ok()? } else { end };
    }
    u64::try_from(holes).ok()
}

#[cfg(test)]
mod tests {
    use super::Unstored;

    #[test]
    fn what_is_unknown_of_one_file_is_unknown_of_both() {
        let unstored = |hole_bytes, unwritten_bytes| Unstored { hole_bytes, unwritten_bytes };
        assert_eq!(unstored(1, Some(2)).plus(unstored(3, Some(4))), unstored(4, Some(6)));
        assert_eq!(unstored(1, Some(2)).plus(unstored(3, None)), unstored(4, None));
    }
}

#[cfg(target_os = "linux")]
mod fiemap {
    use std::os::fd::AsRawFd;

    use super::Target;

    /// Number of extents per request.
    const BATCH: usize = 64;
    /// `FIEMAP_EXTENT_LAST` of linux/fiemap.h.
    const LAST: u32 = 0x1;
    /// `FIEMAP_EXTENT_UNWRITTEN` of linux/fiemap.h.
    const UNWRITTEN: u32 = 0x800;

    /// `struct fiemap_extent` of linux/fiemap.h.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Extent {
        logical_bytes: u64,
        physical_bytes: u64,
        length_bytes: u64,
        reserved64: [u64; 2],
        flags: u32,
        reserved: [u32; 3],
    }

    /// `struct fiemap` of linux/fiemap.h, with room for a batch of extents.
    #[repr(C)]
    struct Request {
        start_bytes: u64,
        length_bytes: u64,
        flags: u32,
        mapped_extents: u32,
        extent_count: u32,
        reserved: u32,
        extents: [Extent; BATCH],
    }

    // `FS_IOC_FIEMAP`: the size in the number is that of the header without extents.
    const FIEMAP_HEADER_BYTES: usize = std::mem::offset_of!(Request, extents);
    const FS_IOC_FIEMAP: nix::sys::ioctl::ioctl_num_type =
        nix::request_code_readwrite!(b'f', 11, FIEMAP_HEADER_BYTES);

    pub(super) fn unwritten_bytes(target: &Target, total_bytes: u64) -> Option<u64> {
        let mut unwritten = 0;
        let mut start_bytes = 0;
        while start_bytes < total_bytes {
            let extents = batch(target, start_bytes, total_bytes - start_bytes)?;
            let Some(last) = extents.last() else { break };
            let inside = |extent: &Extent| {
                let end = (extent.logical_bytes + extent.length_bytes).min(total_bytes);
                end.saturating_sub(extent.logical_bytes.max(start_bytes))
            };
            unwritten +=
                extents.iter().filter(|extent| extent.flags & UNWRITTEN != 0).map(inside).sum::<u64>();
            if last.flags & LAST != 0 {
                break;
            }
            start_bytes = last.logical_bytes + last.length_bytes;
        }
        Some(unwritten)
    }

    fn batch(target: &Target, start_bytes: u64, length_bytes: u64) -> Option<Vec<Extent>> {
        let mut request = Request {
            start_bytes,
            length_bytes,
            flags: 0,
            mapped_extents: 0,
            extent_count: BATCH as u32,
            reserved: 0,
            extents: [Extent::default(); BATCH],
        };
        // SAFETY: the kernel writes at most `extent_count` extents after the header, which has room for that
        // many.
        let status = unsafe { libc::ioctl(target.control().as_raw_fd(), FS_IOC_FIEMAP as _, &mut request) };
        (status == 0).then(|| request.extents[..BATCH.min(request.mapped_extents as usize)].to_vec())
    }
}

#[cfg(not(target_os = "linux"))]
mod fiemap {
    use super::Target;

    pub(super) fn unwritten_bytes(_: &Target, _: u64) -> Option<u64> {
        None
    }
}

//! Fraction of a file in the page cache: the evidence for a cache state.
//!
//! A source is trusted on a target only after it has been seen to work there. On an overlay filesystem, for
//! example, cachestat(2) asks the overlay's own inode, which never has pages, and always reports 0.

use super::target::{Kind, Target};

pub(super) use system::Source;

/// Fraction of the first `total_bytes` bytes of `target` that is in the page cache, 0 to 1. `None` if it
/// cannot be determined, or for zero bytes.
///
/// Uses cachestat(2) (Linux 6.5) or mincore(2), whichever reports a page of the target that was just read.
/// That page is read once per target, and dropped again if it was not resident before.
pub fn fraction(target: &Target, total_bytes: u64) -> Option<f64> {
    if target.kind() == Kind::Character || total_bytes == 0 {
        return None;
    }
    system::resident_pages(target, total_bytes).map(|(resident, pages)| resident as f64 / pages as f64)
}

/// Number of pages of the first `total_bytes` bytes of `target` that are dirty or under writeback, from
/// cachestat(2) (Linux 6.5). `None` if it cannot be determined.
pub fn unwritten_pages(target: &Target, total_bytes: u64) -> Option<u64> {
    system::unwritten_pages(target, total_bytes)
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::OpenOptions;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::fs::{FileExt, MetadataExt};

    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    use nix::unistd::{AccessFlags, SysconfVar, access, geteuid, sysconf};

    use super::Target;

    /// Source of residency information.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::engine) enum Source {
        /// cachestat(2).
        Cachestat,
        /// mincore(2).
        Mincore,
    }

    const SOURCES: [Source; 2] = [Source::Cachestat, Source::Mincore];

    impl Source {
        /// The source that works on this target, if there is one.
        pub(in crate::engine) fn of(target: &Target) -> Option<Source> {
            let page_bytes = page_bytes()?;
            let reports =
                |source: &Source| source.resident(target, page_bytes).is_some_and(|pages| pages > 0);
            SOURCES.into_iter().find(reports).or_else(|| {
                read_one_byte(target)?;
                let source = SOURCES.into_iter().find(reports);
                // If the page stays, it is one page of a range that is reported as it is.
                let page = page_bytes as libc::off_t;
                let _ = posix_fadvise(target.control(), 0, page, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
                source
            })
        }

        /// Resident pages of the first `total_bytes` bytes.
        fn resident(self, target: &Target, total_bytes: u64) -> Option<u64> {
            match self {
                Source::Cachestat => cachestat(target, total_bytes).map(|counts| counts.cached),
                Source::Mincore => by_mincore(target, total_bytes),
            }
        }
    }

    /// Reads the first byte through a descriptor of its own without readahead, so that only one page is read.
    fn read_one_byte(target: &Target) -> Option<()> {
        let file = target.inode().open(target.path(), OpenOptions::new().read(true), 0).ok()?;
        posix_fadvise(file.as_fd(), 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).ok()?;
        (file.read_at(&mut [0], 0).ok()? == 1).then_some(())
    }

    /// Number of cachestat(2) on every architecture. The libc crate has no name for it.
    const SYS_CACHESTAT: libc::c_long = 451;

    /// `struct cachestat_range` of linux/mman.h, in bytes.
    #[repr(C)]
    struct Range {
        offset_bytes: u64,
        length_bytes: u64,
    }

    /// `struct cachestat` of linux/mman.h, in pages.
    #[repr(C)]
    #[derive(Default)]
    struct Counts {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }

    fn page_bytes() -> Option<u64> {
        u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()
    }

    /// Resident pages, and all pages of the range.
    pub(super) fn resident_pages(target: &Target, total_bytes: u64) -> Option<(u64, u64)> {
        let pages = total_bytes.div_ceil(page_bytes()?);
        let resident = target.residency_source()?.resident(target, total_bytes)?;
        Some((resident.min(pages), pages))
    }

    /// Dirty pages, and pages under writeback. Only cachestat(2) counts them.
    pub(super) fn unwritten_pages(target: &Target, total_bytes: u64) -> Option<u64> {
        target.residency_source().filter(|source| *source == Source::Cachestat)?;
        cachestat(target, total_bytes).map(|counts| counts.dirty + counts.writeback)
    }

    fn cachestat(target: &Target, total_bytes: u64) -> Option<Counts> {
        let range = Range { offset_bytes: 0, length_bytes: total_bytes };
        let mut counts = Counts::default();
        // SAFETY: both structures are laid out as the kernel's and live across the call.
        let status =
            unsafe { libc::syscall(SYS_CACHESTAT, target.control().as_raw_fd(), &range, &mut counts, 0) };
        (status == 0).then_some(counts)
    }

    fn by_mincore(target: &Target, total_bytes: u64) -> Option<u64> {
        // Without write permission or ownership the kernel reports every page as resident (commit
        // 134fca9063ad, Linux 5.2), which proves nothing.
        let owner = target.metadata().uid() == geteuid().as_raw();
        if !owner && access(target.path(), AccessFlags::W_OK).is_err() {
            return None;
        }
        let length = usize::try_from(total_bytes).ok()?;
        let mut flags = vec![0_u8; total_bytes.div_ceil(page_bytes()?) as usize];
        // SAFETY: the mapping is never read, so a file that shrinks does no harm.
        let map = unsafe { memmap2::MmapOptions::new().len(length).map(target.control()) }.ok()?;
        // SAFETY: the range is the mapping, and `flags` has one byte for each of its pages.
        let status =
            unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), length, flags.as_mut_ptr().cast()) };
        (status == 0).then(|| flags.iter().filter(|flag| *flag & 1 == 1).count() as u64)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Target;

    /// There is none.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::engine) enum Source {}

    impl Source {
        pub(in crate::engine) fn of(_: &Target) -> Option<Source> {
            None
        }
    }

    /// mincore(2) of FreeBSD reports mapped pages of the process, not the file's cache.
    pub(super) fn resident_pages(target: &Target, _: u64) -> Option<(u64, u64)> {
        target.residency_source().map(|source| match source {})
    }

    /// FreeBSD has no cachestat(2).
    pub(super) fn unwritten_pages(_: &Target, _: u64) -> Option<u64> {
        None
    }
}

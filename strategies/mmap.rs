//! `mmap`: the file as memory. Blocks are copied out of a shared mapping or into it.
//!
//! No system call moves the data. The first access to a page that is not mapped is a page fault: the kernel
//! finds the page in the page cache, or reads it from the device first, and maps it. It also maps some
//! neighbouring pages ("fault-around", 64 KiB on most kernels). After that the copy runs at the speed of
//! memory. Page faults take the place of system calls as the cost of entering the kernel.
//!
//! Each iteration maps the file again, so each one takes these page faults. `-g` shows their number.
//!
//! A tracer sees between the brackets: no system call, only page faults (tracepoint
//! exceptions:page_fault_user); `msync` with `-s`. Inside the bracket: the copies and their page faults,
//! without mmap(2) and munmap(2). A page without data raises SIGBUS: the file became shorter, the filesystem
//! is full, or the device failed. The run then ends, and one more system call finds the reason. Man pages:
//! mmap(2), msync(2). Fault-around: commit 8c6e50b0290c (Linux 3.15).

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::ptr;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sys::statvfs::fstatvfs;

use crate::engine::blocking::Blocking;
use crate::engine::descriptor;
use crate::engine::mapping_guard::MappingGuard;
use crate::engine::operation::{Direction, Op};
use crate::engine::strategy::{Call, DirectIo, IoPath, Mechanism, OpenSpec, probe_direct};
use crate::engine::support::{Reason, Refusal, Support};
use crate::engine::target::{Kind, Target};
use crate::engine::workload::Workload;
use crate::error::{Error, errno_of};

/// See the head of this file.
#[derive(Debug)]
pub struct Mmap {
    // Dropped first: the handler of SIGBUS must not find a mapping that no longer exists.
    guard: MappingGuard,
    map: MmapRaw,
    /// For the reason of a SIGBUS.
    file: File,
}

impl Mmap {
    /// The kernel's answer to the transfer of a block that lies on a page without data. SIGBUS does not tell
    /// whether the file became shorter, the filesystem is full or the device failed; a system call does.
    #[cold]
    fn reason(&self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let metadata = self.file.metadata().map_err(|error| errno_of(&error))?;
        let stored_bytes = metadata.len().saturating_sub(op.offset_bytes);
        // The metadata of a device has no size.
        if metadata.is_file() && stored_bytes < block.len() as u64 {
            return Ok(stored_bytes as usize);
        }
        let moved = match op.direction {
            Direction::Read => self.file.read_at(block, op.offset_bytes),
            Direction::Write => self.file.write_at(block, op.offset_bytes),
        };
        match moved {
            Ok(moved) if moved < block.len() => Ok(moved),
            // It works by now: filesystems keep some blocks for system calls. The mapping has lost the page.
            Ok(_) if self.is_space_short(op.offset_bytes) => Err(Errno::ENOSPC),
            Ok(_) => Err(Errno::EIO),
            Err(error) => Err(errno_of(&error)),
        }
    }

    /// True if the filesystem has less space than the rest of the mapping.
    fn is_space_short(&self, offset_bytes: u64) -> bool {
        let rest_bytes = (self.map.len() as u64).saturating_sub(offset_bytes);
        fstatvfs(&self.file).is_ok_and(|it| it.blocks_available() * it.fragment_size() < rest_bytes)
    }
}

impl IoPath for Mmap {
    const NAME: &'static str = "mmap";
    const SUMMARY: &'static str = "copies out of and into a shared mapping of the file";
    const MECHANISM: Mechanism = Mechanism::Mapping;
    const DIRECT: DirectIo =
        DirectIo::Never("a mapping is the page cache itself, so O_DIRECT has no meaning for mmap");
    const MAX_BLOCK_BYTES: u64 = u64::MAX;
    const SYNC_CALL: Option<&'static str> = Some("msync");

    fn probe(target: &Target, direct: bool) -> Support {
        if target.kind() != Kind::Character {
            return probe_direct(&Self::INFO, target, direct);
        }
        let remedy = "use --strategy readwrite, or a regular file";
        Support::No(Refusal::new(Reason::Filesystem, "a character device has no pages to map", remedy))
    }

    fn calls(_: &Workload) -> Vec<Call> {
        Vec::new()
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let file = descriptor::open_mappable(spec)?;
        let total_bytes = spec.workload.total_bytes;
        let length = usize::try_from(total_bytes).map_err(|_| {
            Error::usage(format!("-t {total_bytes}: exceeds the address space; use a smaller -t"))
        })?;
        let mut options = MmapOptions::new();
        options.len(length);
        let map = match spec.workload.direction {
            Direction::Read => options.map_raw_read_only(&file),
            Direction::Write => options.map_raw(&file),
        };
        let map = map.map_err(|error| {
            Error::system("mmap", errno_of(&error), "use another strategy, or a smaller -t")
        })?;
        let guard = MappingGuard::new(map.as_ptr(), map.len())?;
        Ok(Mmap { guard, map, file })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        self.map.flush().map_err(|error| errno_of(&error))
    }
}

impl Blocking for Mmap {
    #[inline(always)]
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let start = op.offset_bytes as usize;
        let length = block.len().min(self.map.len().saturating_sub(start));
        // SAFETY: `length` bytes from `start` on lie inside the mapping and inside the block, and the two do
        // not overlap. The pointers are raw, because other processes may change a shared file during the
        // copy. The guard replaces pages that no longer exist.
        unsafe {
            let mapped = self.map.as_mut_ptr().wrapping_add(start);
            match op.direction {
                Direction::Read => ptr::copy_nonoverlapping(mapped.cast_const(), block.as_mut_ptr(), length),
                Direction::Write => ptr::copy_nonoverlapping(block.as_ptr(), mapped, length),
            }
        }
        // Keeps the compiler from removing the copy, whose result is not used.
        black_box(block.as_mut_ptr());
        if self.guard.was_hit() { self.reason(op, block) } else { Ok(length) }
    }
}

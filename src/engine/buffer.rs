//! The memory that blocks are read into and written from. The engine owns it.
//!
//! It is an anonymous mapping, as in the lab's program: page-aligned, so that O_DIRECT takes it,
//! and by default present before the bracket opens, so that no page of it is touched for the first
//! time inside.

use std::ptr::NonNull;
use std::sync::Arc;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;
use super::strategy::Direction;
use crate::error::{Error, describe};
use crate::host;

/// How the pages of the buffer stand when the bracket opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Touched before the bracket. Those to write from hold a pseudo-random pattern, which no filesystem
    /// can compress.
    Prefault,
    /// Never touched, as in the lab's program: the first pass takes the page faults.
    Fresh,
}

/// `slots` blocks of equal size in one anonymous mapping.
#[derive(Debug)]
pub struct Buffer {
    base: NonNull<u8>,
    mapped_bytes: usize,
    block_bytes: usize,
    stride_bytes: usize,
    fill: Fill,
}

// SAFETY: the mapping is plain memory that belongs to this value; who may touch a block at a
// time is settled by `block_mut`'s contract, not by the thread it is called from.
unsafe impl Send for Buffer {}
// SAFETY: as above; `&Buffer` gives out only pointers and sizes.
unsafe impl Sync for Buffer {}

/// Lets the kernel make all pages present at a time, which takes less time than one page fault after another.
#[cfg(target_os = "linux")]
const POPULATE: libc::c_int = libc::MAP_POPULATE;
#[cfg(not(target_os = "linux"))]
const POPULATE: libc::c_int = 0;

/// No page is smaller.
const SMALLEST_PAGE_BYTES: usize = 4096;

/// Blocks of a ring begin on cache lines of their own.
const CACHE_LINE_BYTES: usize = 64;

impl Buffer {
    /// Maps `slots` blocks of `block_bytes` bytes, each beginning at a multiple of `align_bytes`, to move
    /// in `direction`.
    ///
    /// # Errors
    /// [`Error::System`] if that is more memory than there is.
    pub fn map(
        direction: Direction,
        block_bytes: u64,
        slots: u32,
        align_bytes: u64,
        fill: Fill,
    ) -> Result<Arc<Buffer>, Error> {
        let stride_bytes = block_bytes.next_multiple_of(align_bytes.max(CACHE_LINE_BYTES as u64));
        let mapped_bytes = check_memory(stride_bytes, slots)?;
        // SAFETY: a new private anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON | if fill == Fill::Prefault { POPULATE } else { 0 },
                -1,
                0,
            )
        };
        let base = NonNull::new(base.cast::<u8>()).filter(|_| base != libc::MAP_FAILED);
        let base = base.ok_or_else(|| {
            too_large(mapped_bytes as u64, format!("the kernel says {}", describe(Errno::last())))
        })?;
        let buffer = Buffer {
            base,
            mapped_bytes,
            block_bytes: block_bytes as usize,
            stride_bytes: stride_bytes as usize,
            fill,
        };
        // SAFETY: the whole mapping is ours and nothing else refers to it yet.
        let bytes = unsafe { std::slice::from_raw_parts_mut(base.as_ptr(), mapped_bytes) };
        match (fill, direction) {
            (Fill::Prefault, Direction::Write) => pattern::fill(bytes, 0),
            // Where the kernel did not, this makes the pages present.
            (Fill::Prefault, Direction::Read) => {
                bytes.iter_mut().step_by(SMALLEST_PAGE_BYTES).for_each(|byte| *byte = 1);
            }
            (Fill::Fresh, _) => {}
        }
        Ok(Arc::new(buffer))
    }

    /// Length of a block, in bytes.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// From the first byte of a block to that of the next, in bytes.
    pub fn stride_bytes(&self) -> usize {
        self.stride_bytes
    }

    /// How the pages were left by [`Buffer::map`].
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// First byte of block `index`.
    ///
    /// # Panics
    /// If there is no such block; never on a path that the command line reaches.
    pub fn block_ptr(&self, index: u32) -> *mut u8 {
        let start = index as usize * self.stride_bytes;
        assert!(start + self.block_bytes <= self.mapped_bytes, "the buffer has no block {index}");
        // SAFETY: the block lies inside the mapping, as just checked.
        unsafe { self.base.as_ptr().add(start) }
    }

    /// Block `index` as a slice.
    ///
    /// # Safety
    /// Until the slice is dropped nothing else may read or write the block: no other slice of it,
    /// no operation of a ring in flight.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn block_mut(&self, index: u32) -> &mut [u8] {
        // SAFETY: the block lies inside the mapping; exclusivity is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.block_ptr(index), self.block_bytes) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and this is the last owner of it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped_bytes) };
    }
}

/// No machine lacks so little, and asking takes longer than mapping it.
const ALWAYS_FREE_BYTES: u64 = 1 << 20;

/// The size of the mapping in bytes, if the machine has that much left. Asked beforehand,
/// because prefaulting more than there is ends in the out-of-memory killer, not in an error.
fn check_memory(stride_bytes: u64, slots: u32) -> Result<usize, Error> {
    let wanted_bytes = stride_bytes.saturating_mul(u64::from(slots));
    if wanted_bytes <= ALWAYS_FREE_BYTES {
        return Ok(wanted_bytes as usize);
    }
    let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
    match usize::try_from(wanted_bytes) {
        Ok(size) if wanted_bytes <= free_bytes => Ok(size),
        _ => Err(too_large(wanted_bytes, format!("{free_bytes} bytes of memory are available"))),
    }
}

fn too_large(wanted_bytes: u64, reason: String) -> Error {
    Error::System {
        call: "mmap",
        reason: format!("the buffer takes {wanted_bytes} bytes, but {reason}"),
        remedy: "use a smaller -b or --iodepth".to_owned(),
    }
}

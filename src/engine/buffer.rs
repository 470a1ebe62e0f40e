//! The memory that blocks are read into and written from. The engine owns it.
//!
//! It is an anonymous mapping, as in `io-benchmark`. It is page-aligned, as O_DIRECT requires. By default
//! all of its pages are present before the bracket opens, so the bracket contains no page fault on it.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use super::interrupt;
use super::operation::Direction;
use super::pattern;
use super::workload::{PageState, Workload};
use crate::error::{Error, describe};
use crate::host;

/// Blocks of equal size in an anonymous mapping. No other buffer uses the mapping at the same time.
#[derive(Debug)]
pub struct Buffer {
    mapping: Arc<Mapping>,
    block_bytes: usize,
    stride_bytes: usize,
    page_state: PageState,
}

/// Mappings that buffers of one size reuse. Making pages present often takes longer than the sample.
///
/// The speed of a copy also depends on the placement of its pages. Samples that all use one mapping would
/// hide this variation, so a sweep renews its pool.
#[derive(Debug, Default)]
pub struct BufferPool {
    workers: Vec<WorkerPool>,
}

/// The mappings of one worker, which makes them present on its own CPU and so in memory close to it.
#[derive(Debug, Default, Clone)]
pub(super) struct WorkerPool {
    mappings: Arc<Mutex<Vec<Arc<Mapping>>>>,
}

/// An anonymous mapping.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    mapped_bytes: usize,
}

// SAFETY: the mapping is plain memory that belongs to this value. The contract of `block_mut` decides which
// code may touch a block, in any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above. `&Mapping` gives out only pointers and sizes.
unsafe impl Sync for Mapping {}

/// Makes the kernel map all pages at once, which is faster than one page fault per page.
#[cfg(target_os = "linux")]
const POPULATE: libc::c_int = libc::MAP_POPULATE;
#[cfg(not(target_os = "linux"))]
const POPULATE: libc::c_int = 0;

/// Each block starts on a cache line of its own.
const CACHE_LINE_BYTES: usize = 64;

impl BufferPool {
    /// A buffer for the measuring thread.
    ///
    /// # Errors
    /// A system error if less memory is available.
    pub fn buffer(&mut self, workload: &Workload, align_bytes: u64) -> Result<Arc<Buffer>, Error> {
        self.of_worker(0).buffer(workload, align_bytes)
    }

    /// The mappings of a worker. The measuring thread is number 0.
    pub(super) fn of_worker(&mut self, worker: usize) -> WorkerPool {
        let workers = self.workers.len().max(worker + 1);
        self.workers.resize_with(workers, WorkerPool::default);
        self.workers[worker].clone()
    }

    /// Releases all mappings. The next buffers get new ones.
    pub fn renew(&mut self) {
        self.workers.clear();
    }
}

impl WorkerPool {
    /// A buffer for `workload`: one block per operation in flight, each at a multiple of `align_bytes`. It
    /// reuses a free mapping of the same size, except for a [`PageState::Fresh`] buffer.
    ///
    /// # Errors
    /// A system error if less memory is available.
    pub(super) fn buffer(&self, workload: &Workload, align_bytes: u64) -> Result<Arc<Buffer>, Error> {
        let Workload { block_bytes, buffer: page_state, .. } = *workload;
        let stride_bytes = block_bytes.next_multiple_of(align_bytes.max(CACHE_LINE_BYTES as u64));
        let mapping = self.mapping(stride_bytes.saturating_mul(u64::from(workload.slots())), page_state)?;
        let (block_bytes, stride_bytes) = (block_bytes as usize, stride_bytes as usize);
        let buffer = Buffer { block_bytes, stride_bytes, page_state, mapping };
        if page_state == PageState::Prefault {
            fill(&buffer.mapping, workload.direction)?;
        }
        Ok(Arc::new(buffer))
    }

    /// A free mapping of an earlier buffer, or a new one. The size must be the same, because the kernel may
    /// use larger pages for larger mappings.
    fn mapping(&self, wanted_bytes: u64, page_state: PageState) -> Result<Arc<Mapping>, Error> {
        let new = || Ok(Arc::new(Mapping::new(check_memory(wanted_bytes)?, page_state)?));
        if page_state == PageState::Fresh {
            return new();
        }
        let free = |mapping: &mut Arc<Mapping>| {
            mapping.mapped_bytes as u64 == wanted_bytes && Arc::get_mut(mapping).is_some()
        };
        let mut mappings = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        let mapping = match mappings.iter_mut().position(free) {
            Some(index) => mappings.swap_remove(index),
            None => new()?,
        };
        mappings.push(Arc::clone(&mapping));
        Ok(mapping)
    }
}

/// Bytes that are made present and filled between two looks at the signals.
const FILLED_BYTES: usize = 64 << 20;

/// Fills a mapping: with the pattern for writing, with zeros for reading.
///
/// # Errors
/// An interruption after a signal: filling gigabytes takes seconds.
fn fill(mapping: &Mapping, direction: Direction) -> Result<(), Error> {
    // SAFETY: this is the whole mapping, and no other buffer lies in it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(mapping.base.as_ptr(), mapping.mapped_bytes) };
    for (chunk, offset_bytes) in bytes.chunks_mut(FILLED_BYTES).zip((0..).step_by(FILLED_BYTES)) {
        interrupt::check()?;
        if mapping.mapped_bytes > FILLED_BYTES {
            make_present(chunk);
        }
        match direction {
            Direction::Write => pattern::fill(chunk, offset_bytes),
            Direction::Read => chunk.fill(0),
        }
    }
    Ok(())
}

/// The same for a part of a large mapping (MADV_POPULATE_WRITE, Linux 5.14). Without it, filling the chunk
/// takes the faults.
#[cfg(target_os = "linux")]
fn make_present(chunk: &mut [u8]) {
    // SAFETY: the chunk starts at a multiple of the page size in a private mapping. Populating changes no
    // byte.
    unsafe { libc::madvise(chunk.as_mut_ptr().cast(), chunk.len(), libc::MADV_POPULATE_WRITE) };
}

#[cfg(not(target_os = "linux"))]
fn make_present(_: &mut [u8]) {}

impl Mapping {
    fn new(mapped_bytes: usize, page_state: PageState) -> Result<Mapping, Error> {
        let at_once = page_state == PageState::Prefault && mapped_bytes <= FILLED_BYTES;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | if at_once { POPULATE } else { 0 };
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new private anonymous mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), mapped_bytes, protection, flags, -1, 0) };
        let base = NonNull::new(base.cast::<u8>()).filter(|_| base != libc::MAP_FAILED);
        let base = base.ok_or_else(|| {
            too_large(mapped_bytes as u64, &format!("the kernel says {}", describe(Errno::last())))
        })?;
        Ok(Mapping { base, mapped_bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and this is the last owner of it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped_bytes) };
    }
}

impl Buffer {
    /// Length of a block, in bytes.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// From the first byte of a block to that of the next, in bytes.
    pub fn stride_bytes(&self) -> usize {
        self.stride_bytes
    }

    /// State of the pages.
    pub fn page_state(&self) -> PageState {
        self.page_state
    }

    /// First byte of block `index`.
    ///
    /// # Panics
    /// If there is no such block. The command line cannot cause this.
    pub fn block_ptr(&self, index: u32) -> *mut u8 {
        let start = index as usize * self.stride_bytes;
        assert!(start + self.block_bytes <= self.mapping.mapped_bytes, "the buffer has no block {index}");
        // SAFETY: the block lies inside the mapping, as just checked.
        unsafe { self.mapping.base.as_ptr().add(start) }
    }

    /// Block `index` as a slice.
    ///
    /// # Safety
    /// Until the slice is dropped, no other slice and no ring operation in flight may use the block.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn block_mut(&self, index: u32) -> &mut [u8] {
        // SAFETY: the block lies inside the mapping. The caller promises exclusive use.
        unsafe { std::slice::from_raw_parts_mut(self.block_ptr(index), self.block_bytes) }
    }
}

/// Sizes up to this are not checked: every machine has this much memory, and the check takes longer than
/// mmap(2).
const ALWAYS_FREE_BYTES: u64 = 1 << 20;

/// The size of the mapping in bytes, if that much memory is available. The check comes before the mapping,
/// because prefaulting more memory than there is ends in the out-of-memory killer and not in an error.
fn check_memory(wanted_bytes: u64) -> Result<usize, Error> {
    if wanted_bytes <= ALWAYS_FREE_BYTES {
        return Ok(wanted_bytes as usize);
    }
    let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
    match usize::try_from(wanted_bytes) {
        Ok(size) if wanted_bytes <= free_bytes => Ok(size),
        _ => Err(too_large(wanted_bytes, &format!("{free_bytes} bytes of memory are available"))),
    }
}

fn too_large(wanted_bytes: u64, reason: &str) -> Error {
    let reason = format!("it takes {wanted_bytes} bytes, but {reason}");
    Error::unavailable("mapping the buffer", reason, "use a smaller -b or --iodepth")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(
        pool: &mut BufferPool,
        direction: Direction,
        block_bytes: u64,
        buffer: PageState,
    ) -> Arc<Buffer> {
        let workload = Workload::new(direction, block_bytes, block_bytes);
        pool.buffer(&Workload { iodepth: Some(2), buffer, ..workload }, 1).unwrap()
    }

    #[allow(clippy::mut_from_ref)]
    fn first_block(buffer: &Buffer) -> &mut [u8] {
        // SAFETY: these tests hold one slice at a time.
        unsafe { buffer.block_mut(0) }
    }

    #[test]
    fn a_buffer_lies_where_the_last_one_was_and_is_written_anew() {
        let mut pool = BufferPool::default();
        let large = buffer(&mut pool, Direction::Read, 1 << 16, PageState::Prefault);
        let place = large.block_ptr(0);
        first_block(&large).fill(7);
        drop(large);
        let again = buffer(&mut pool, Direction::Read, 1 << 16, PageState::Prefault);
        assert_eq!(again.block_ptr(0), place);
        assert!(first_block(&again).iter().all(|byte| *byte == 0));
        drop(again);
        let written = buffer(&mut pool, Direction::Write, 1 << 16, PageState::Prefault);
        assert_eq!(written.block_ptr(0), place);
        assert!(first_block(&written).iter().filter(|byte| **byte == 0).count() < 1 << 10, "a pattern");
    }

    #[test]
    fn memory_that_somebody_still_has_is_not_given_out_again() {
        let mut pool = BufferPool::default();
        let held = buffer(&mut pool, Direction::Read, 4096, PageState::Prefault);
        first_block(&held).fill(7);
        let other = buffer(&mut pool, Direction::Read, 4096, PageState::Prefault);
        assert_ne!(held.block_ptr(0), other.block_ptr(0));
        pool.renew();
        assert!(first_block(&held).iter().all(|byte| *byte == 7), "still mapped");
    }

    #[test]
    fn neither_another_size_nor_a_fresh_buffer_lies_there() {
        let mut pool = BufferPool::default();
        drop(buffer(&mut pool, Direction::Read, 4096, PageState::Prefault));
        let large = buffer(&mut pool, Direction::Read, 1 << 20, PageState::Prefault);
        first_block(&large)[(1 << 20) - 1] = 1;
        drop(large);
        let fresh = buffer(&mut pool, Direction::Read, 1 << 20, PageState::Fresh);
        assert_eq!(first_block(&fresh)[(1 << 20) - 1], 0);
    }
}

//! Costs of a system call and of a memory copy on this machine. The minima are floors beside the results. A
//! reading beside each sample is a control.

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{bracket, tsc};

/// Repetitions of each measurement. The smallest counts, because every disturbance only adds time.
const REPETITIONS: usize = 5;
const CALLS: u32 = 20_000;
/// Minimum number of bytes copied per measurement.
const COPIED_BYTES: u64 = 4 << 20;

/// Nanoseconds per system call that does nothing: getppid(2).
pub fn system_call_ns() -> f64 {
    smallest(f64::from(CALLS), || call(CALLS))
}

/// Approximate time of [`memory_copy_ns`] on a slow machine. It touches the source and the block once, and
/// copies them five times.
pub fn memory_copy_duration(block_bytes: u64) -> Duration {
    /// Most of it is page faults.
    const SLOWEST_NS_PER_BYTE: u64 = 3;
    Duration::from_nanos(block_bytes.max(COPIED_BYTES).saturating_mul(SLOWEST_NS_PER_BYTE))
}

/// Nanoseconds for copying `block_bytes` bytes into one block. The source is read sequentially, like a file.
pub fn memory_copy_ns(block_bytes: u64, total_bytes: u64) -> f64 {
    let block_bytes = block_bytes as usize;
    let blocks = (total_bytes.min(COPIED_BYTES) as usize / block_bytes).clamp(1, CALLS as usize);
    let source = Pages::new(blocks * block_bytes);
    let mut block = Pages::new(block_bytes);
    smallest(blocks as f64, || {
        for piece in source.bytes().chunks_exact(block_bytes) {
            block.copy(piece);
        }
    })
}

/// Memory that begins at a page, like the engine's buffers and mappings. Elsewhere a copy can take ten times
/// as long, because `rep movsb` of AMD's Zen is slow for some offsets (glibc bug 30994), and the offset of a
/// `Vec` depends on its size.
#[derive(Debug)]
struct Pages {
    memory: Vec<u8>,
    range: Range<usize>,
}

impl Pages {
    /// `length` bytes that have been written.
    fn new(length: usize) -> Pages {
        const PAGE_BYTES: usize = 4096;
        let memory = vec![1; length + PAGE_BYTES];
        let start = memory.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        Pages { memory, range: start..start + length }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.range.clone()]
    }

    /// Copies `piece` to the beginning.
    fn copy(&mut self, piece: &[u8]) {
        let block = &mut self.memory[self.range.clone()][..piece.len()];
        block.copy_from_slice(black_box(piece));
        black_box(block.as_mut_ptr());
    }
}

/// Work that belongs to no I/O path, timed beside each sample. If its time changed, the machine changed.
#[derive(Debug)]
pub struct ReferenceWork {
    source: Pages,
    block: Pages,
    next: usize,
}

/// Size of one reading: turns of a loop, calls, and bytes copied. Each takes some tens of microseconds.
const CONTROL_TURNS: u32 = 40_000;
const CONTROL_CALLS: u32 = 200;
const CONTROL_BLOCK_BYTES: usize = 128 << 10;

/// One reading of a [`ReferenceWork`].
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Nanoseconds per getppid(2).
    pub system_call_ns: f64,
    /// Nanoseconds for copying 128 KiB, from consecutive places in 4 MiB.
    pub memory_copy_ns: f64,
}

impl ReferenceWork {
    /// Touches the memory that readings copy.
    pub fn new() -> ReferenceWork {
        let (source, block) = (Pages::new(COPIED_BYTES as usize), Pages::new(CONTROL_BLOCK_BYTES));
        ReferenceWork { source, block, next: 0 }
    }

    /// Takes a reading.
    pub fn read(&mut self) -> Reading {
        let start = Instant::now();
        call(CONTROL_CALLS);
        let called = start.elapsed();
        self.block.copy(&self.source.bytes()[self.next..self.next + CONTROL_BLOCK_BYTES]);
        let copied = start.elapsed() - called;
        self.next = (self.next + CONTROL_BLOCK_BYTES) % COPIED_BYTES as usize;
        Reading {
            system_call_ns: called.as_nanos() as f64 / f64::from(CONTROL_CALLS),
            memory_copy_ns: copied.as_nanos() as f64,
        }
    }
}

impl Default for ReferenceWork {
    fn default() -> Self {
        ReferenceWork::new()
    }
}

/// Nanoseconds of an empty loop of 40,000 turns. It uses neither the caches nor the kernel. Only a different
/// clock frequency, or a busy hardware thread on the same core, makes it slower.
///
/// A turn is little more than a jump, because two hardware threads of a core always share the units that
/// fetch and jump. On an AMD EPYC (Zen 4) this loop took 11 us alone and 16 to 21 us beside a busy neighbour.
/// A loop of dependent arithmetic, which uses other units, took about the same time in both cases.
pub fn processor_ns() -> f64 {
    let start = Instant::now();
    jumps::repeat(CONTROL_TURNS);
    start.elapsed().as_nanos() as f64
}

/// Nanoseconds of [`processor_ns`] at the nominal frequency of the processor: a turn takes one cycle. `None`
/// if that frequency is unknown.
///
/// An invariant time stamp counter ticks at the nominal frequency. A processor that is slower than that is
/// shared with another hardware thread, or its clock is lowered. Without such a counter, only the best
/// reading is a reference.
pub fn nominal_processor_ns() -> Option<f64> {
    tsc::ns_per_tick().map(|ns| ns * f64::from(CONTROL_TURNS))
}

/// The smallest time of an empty bracket, in nanoseconds: the part of the two clock calls that lies between
/// them. It belongs to every sample.
pub fn bracket_ns() -> f64 {
    const BRACKETS: usize = 1000;
    (0..BRACKETS).map(|_| bracket::empty_ns()).min().unwrap_or(0) as f64
}

#[cfg(target_arch = "x86_64")]
mod jumps {
    /// Jumps `turns` times, one cycle each, however the compiler optimises.
    pub(super) fn repeat(turns: u32) {
        // SAFETY: the loop changes one register and the flags, and ends after `turns` turns.
        unsafe {
            std::arch::asm!(
                "2:",
                "dec {turns:e}",
                "jnz 2b",
                turns = inout(reg) turns => _,
                options(nomem, nostack),
            );
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod jumps {
    pub(super) fn repeat(turns: u32) {
        for turn in 0..turns {
            std::hint::black_box(turn);
        }
    }
}

/// Calls getppid(2) `calls` times. No library caches its answer.
fn call(calls: u32) {
    for _ in 0..calls {
        // SAFETY: getppid takes no argument and cannot fail.
        black_box(unsafe { libc::getppid() });
    }
}

/// The smallest time of a repetition divided by `count`, in nanoseconds.
fn smallest(count: f64, mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_nanos() as f64 / count
    };
    (0..REPETITIONS).map(time).fold(f64::INFINITY, f64::min)
}

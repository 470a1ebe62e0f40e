//! What a system call and a memory copy cost here: at the least, as floors beside the results, and in
//! the moment, as a control beside each sample.

use std::hint::black_box;
use std::time::Instant;

/// Repetitions of each measurement; the smallest counts, because everything else only adds.
const REPETITIONS: usize = 5;
const CALLS: u32 = 20_000;
/// Bytes copied in one measurement, at the least.
const COPIED_BYTES: u64 = 4 << 20;

/// Nanoseconds of a system call that does nothing: getppid(2).
pub fn system_call_ns() -> f64 {
    smallest(f64::from(CALLS), || call(CALLS))
}

/// Nanoseconds of copying `block_bytes` bytes from memory that is read in turn, as a file is, into
/// one block.
pub fn memory_copy_ns(block_bytes: u64, total_bytes: u64) -> f64 {
    let block_bytes = block_bytes as usize;
    let blocks = (total_bytes.min(COPIED_BYTES) as usize / block_bytes).clamp(1, CALLS as usize);
    let source = vec![1_u8; blocks * block_bytes];
    let mut block = vec![0_u8; block_bytes];
    smallest(blocks as f64, || {
        for piece in source.chunks_exact(block_bytes) {
            block.copy_from_slice(black_box(piece));
            black_box(block.as_mut_ptr());
        }
    })
}

/// Work that belongs to no I/O path, timed beside each sample: where its time changed, the machine did.
#[derive(Debug)]
pub struct ReferenceWork {
    source: Vec<u8>,
    block: Vec<u8>,
    next: usize,
}

/// Turns of a loop, calls, and the block that is copied in one reading: each some tens of microseconds.
const CONTROL_TURNS: u32 = 40_000;
const CONTROL_CALLS: u32 = 200;
const CONTROL_BLOCK_BYTES: usize = 128 << 10;

/// One reading of a [`ReferenceWork`].
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Nanoseconds of a getppid(2).
    pub system_call_ns: f64,
    /// Nanoseconds of copying 128 KiB out of 4 MiB that are copied in turn.
    pub memory_copy_ns: f64,
}

impl ReferenceWork {
    /// Touches the memory that readings copy.
    #[must_use]
    pub fn new() -> ReferenceWork {
        ReferenceWork { source: vec![1; COPIED_BYTES as usize], block: vec![0; CONTROL_BLOCK_BYTES], next: 0 }
    }

    /// Takes a reading.
    pub fn read(&mut self) -> Reading {
        let start = Instant::now();
        call(CONTROL_CALLS);
        let called = start.elapsed();
        let piece = &self.source[self.next..self.next + CONTROL_BLOCK_BYTES];
        self.block.copy_from_slice(black_box(piece));
        black_box(self.block.as_mut_ptr());
        let copied = start.elapsed() - called;
        self.next = (self.next + CONTROL_BLOCK_BYTES) % self.source.len();
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

/// Nanoseconds of an empty loop of 40,000 turns, that no cache and no kernel has a part in: only a
/// clock at another speed, or whoever shares the core, makes it slower.
///
/// A turn is a jump and next to nothing else, because the units that fetch and jump are what two hardware
/// threads of a core always share. On an AMD EPYC (Zen 4) this loop took 11 us alone and 16 to 21 us beside a
/// busy neighbour; one of chains of arithmetic, which use other units, hardly told the two apart.
pub fn processor_ns() -> f64 {
    let start = Instant::now();
    for turn in 0..CONTROL_TURNS {
        black_box(turn);
    }
    start.elapsed().as_nanos() as f64
}

/// So many getppid(2), of which no library keeps the answer.
fn call(calls: u32) {
    for _ in 0..calls {
        // SAFETY: getppid takes no argument and cannot fail.
        black_box(unsafe { libc::getppid() });
    }
}

/// The smallest time of a repetition, by `count`, in nanoseconds.
fn smallest(count: f64, mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_nanos() as f64 / count
    };
    (0..REPETITIONS).map(time).fold(f64::INFINITY, f64::min)
}

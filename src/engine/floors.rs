//! What a system call and a memory copy cost here at the least: floors beside the results.

use std::hint::black_box;
use std::time::Instant;

/// Repetitions of each measurement; the smallest counts, because everything else only adds.
const REPETITIONS: usize = 5;
const CALLS: u32 = 20_000;
/// Bytes copied in one measurement, at the least.
const COPIED_BYTES: u64 = 4 << 20;

/// Nanoseconds of a system call that does nothing: getppid(2), raw, so that no library caches it.
pub fn system_call_ns() -> f64 {
    smallest(f64::from(CALLS), || {
        for _ in 0..CALLS {
            // SAFETY: getppid takes no argument and cannot fail.
            black_box(unsafe { libc::getppid() });
        }
    })
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

/// The smallest time of a repetition, by `count`, in nanoseconds.
fn smallest(count: f64, mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_nanos() as f64 / count
    };
    (0..REPETITIONS).map(time).fold(f64::INFINITY, f64::min)
}

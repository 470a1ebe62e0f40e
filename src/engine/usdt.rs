//! Static probes (USDT) at the start and end of each sample. They identify the sample to a tracer:
//!
//! ```text
//! bpftrace -e 'usdt:./iobench:iobench:sample__start { printf("%d %s\n", arg0, str(arg1)); }' \
//!     -c './iobench ...'
//! dtrace -n 'iobench$target:::sample-start { printf("%d %s", arg0, copyinstr(arg1)); }' -c './iobench ...'
//! ```
//!
//! Both probes are outside the bracket. On Linux each is one `nop` and a SystemTap note in the program; a
//! tracer that attaches replaces the `nop` with a breakpoint. On other systems, and without the feature
//! `usdt`, they compile to nothing.

/// Longest strategy name that a tracer sees, with the NUL that ends it.
#[cfg(feature = "usdt")]
const NAME_BYTES: usize = 32;

/// Marks the start of a sample: its number in this process, the strategy, and the block size.
#[cfg(feature = "usdt")]
#[inline(never)] // One place in the program per probe.
pub fn sample_start(sample: u64, strategy: &str, block_bytes: u64) {
    // Tracers read a string up to its NUL.
    let mut name = [0_u8; NAME_BYTES];
    let length = strategy.len().min(NAME_BYTES - 1);
    name[..length].copy_from_slice(&strategy.as_bytes()[..length]);
    probe::probe!(iobench, sample__start, sample, name.as_ptr(), block_bytes);
}

/// Marks the end of a sample, with the time between its brackets.
#[cfg(feature = "usdt")]
#[inline(never)]
pub fn sample_end(sample: u64, elapsed_ns: u64) {
    probe::probe!(iobench, sample__end, sample, elapsed_ns);
}

/// Does nothing without the feature `usdt`.
#[cfg(not(feature = "usdt"))]
pub fn sample_start(_: u64, _: &str, _: u64) {}

/// Does nothing without the feature `usdt`.
#[cfg(not(feature = "usdt"))]
pub fn sample_end(_: u64, _: u64) {}

//! Static probes (USDT) at the start and end of each sample. They tell a tracer which sample it is in:
//!
//! ```text
//! bpftrace -e 'usdt:./iobench:iobench:sample__start { printf("%d %s\n", arg0, str(arg1)); }' -c './iobench ...'
//! dtrace -n 'iobench$target:::sample-start { printf("%d %s", arg0, copyinstr(arg1)); }' -c './iobench ...'
//! ```
//!
//! Both probes are outside the bracket. On Linux each is one `nop` and a SystemTap note in the program; a tracer that
//! attaches replaces the `nop` by a breakpoint. On other systems, and without the feature `usdt`, they are nothing.

/// Longest strategy name that a tracer sees, with the NUL that ends it.
#[cfg(feature = "usdt")]
const NAME_BYTES: usize = 32;

/// A sample is about to start: its number in this process, the strategy, and the size of a block.
#[cfg(feature = "usdt")]
#[inline(never)] // One place in the program per probe.
pub fn sample_start(sample: u64, strategy: &str, block_bytes: u64) {
    // Tracers read a string up to its NUL.
    let mut name = [0_u8; NAME_BYTES];
    let length = strategy.len().min(NAME_BYTES - 1);
    name[..length].copy_from_slice(&strategy.as_bytes()[..length]);
    probe::probe!(iobench, sample__start, sample, name.as_ptr(), block_bytes);
}

/// A sample has ended after `elapsed_ns` between its brackets.
#[cfg(feature = "usdt")]
#[inline(never)]
pub fn sample_end(sample: u64, elapsed_ns: u64) {
    probe::probe!(iobench, sample__end, sample, elapsed_ns);
}

/// A sample is about to start; without the feature `usdt` no tracer is told.
#[cfg(not(feature = "usdt"))]
pub fn sample_start(_: u64, _: &str, _: u64) {}

/// A sample has ended; without the feature `usdt` no tracer is told.
#[cfg(not(feature = "usdt"))]
pub fn sample_end(_: u64, _: u64) {}

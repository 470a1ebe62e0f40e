//! Static probes (USDT) at the start and end of each sample, for tracers that want to know which
//! sample they are in:
//!
//! ```text
//! bpftrace -e 'usdt:./iobench:iobench:sample-start { printf("%d %s\n", arg0, str(arg1)); }' -c './iobench ...'
//! ```
//!
//! They lie outside the bracket, and none in the loop. Without a tracer a probe is a test of a
//! semaphore: 0.5 ns, once a sample. Without the feature `usdt` they are nothing.

#[cfg(all(feature = "usdt", not(all(target_os = "freebsd", target_arch = "aarch64"))))]
mod provider {
    #![allow(missing_docs, unreachable_pub, reason = "what the macro makes")]

    #[usdt::provider]
    mod iobench {
        fn sample__start(sample: u64, strategy: &str, block_bytes: u64) {}
        fn sample__end(sample: u64, elapsed_ns: u64) {}
    }

    pub(super) fn register() {
        // A system without such tracers has nobody to tell.
        let _ = usdt::register_probes();
    }

    pub(super) fn sample_start(sample: u64, strategy: &str, block_bytes: u64) {
        self::iobench::sample__start!(|| (sample, strategy, block_bytes));
    }

    pub(super) fn sample_end(sample: u64, elapsed_ns: u64) {
        self::iobench::sample__end!(|| (sample, elapsed_ns));
    }
}

/// Nobody is told: without the feature, and on FreeBSD for ARM, where the crate does not compile.
#[cfg(not(all(feature = "usdt", not(all(target_os = "freebsd", target_arch = "aarch64")))))]
mod provider {
    pub(super) fn register() {}
    pub(super) fn sample_start(_: u64, _: &str, _: u64) {}
    pub(super) fn sample_end(_: u64, _: u64) {}
}

/// Makes the probes known to the kernel's tracers where that takes a call (DTrace); once a process.
pub fn register() {
    provider::register();
}

/// A sample is about to start: its number in this process, the strategy, and the size of a block.
pub fn sample_start(sample: u64, strategy: &str, block_bytes: u64) {
    provider::sample_start(sample, strategy, block_bytes);
}

/// A sample has ended after `elapsed_ns` between its brackets.
pub fn sample_end(sample: u64, elapsed_ns: u64) {
    provider::sample_end(sample, elapsed_ns);
}

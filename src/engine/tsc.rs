//! The invariant time stamp counter, which ticks at the nominal frequency of the processor (Intel SDM volume
//! 3, "Time-Stamp Counter"; AMD64 APM volume 2, "Time-Stamp Counter").

#[cfg(target_arch = "x86_64")]
mod counter {
    use std::arch::x86_64::{__cpuid, _rdtsc};
    use std::time::{Duration, Instant};

    /// The counter.
    #[inline(always)]
    pub(in crate::engine) fn ticks() -> u64 {
        // SAFETY: the instruction changes only registers; Linux and FreeBSD allow it in user mode.
        unsafe { _rdtsc() }
    }

    /// Nanoseconds per tick, measured against the clock. `None` if the counter is not invariant.
    pub(in crate::engine) fn ns_per_tick() -> Option<f64> {
        const TIME: Duration = Duration::from_millis(5);
        is_invariant().then(|| {
            let (start, first) = (Instant::now(), ticks());
            while start.elapsed() < TIME {}
            let last = ticks();
            start.elapsed().as_nanos() as f64 / last.wrapping_sub(first) as f64
        })
    }

    /// CPUID leaf 8000_0007h, EDX bit 8.
    #[allow(unused_unsafe, reason = "__cpuid became safe after the oldest supported Rust")]
    fn is_invariant() -> bool {
        // SAFETY: every x86-64 processor has CPUID, and it changes only registers.
        let (largest, power) = unsafe { (__cpuid(0x8000_0000).eax, __cpuid(0x8000_0007).edx) };
        largest >= 0x8000_0007 && power & (1 << 8) != 0
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    /// There is none that is known to have the nominal frequency.
    pub(in crate::engine) fn ns_per_tick() -> Option<f64> {
        None
    }

    /// Never called.
    pub(in crate::engine) fn ticks() -> u64 {
        0
    }
}

pub(super) use counter::{ns_per_tick, ticks};

//! Time stamps of single I/Os: the clock of the recorded loop.
//!
//! A stamp is never a system call, because a tracer would take it for a bracket. It is a reading of the time
//! stamp counter where the kernel itself keeps time by it, otherwise of CLOCK_MONOTONIC through the vDSO.
//! Sources: Intel SDM volume 3, "Time-Stamp Counter"; vdso(7), and the kernel's `include/vdso/clocksource.h`.

use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tsc;

/// A clock that is read once or twice per I/O.
pub(super) trait Stamp {
    /// The present time, in ticks.
    fn ticks() -> u64;
}

/// The time stamp counter.
pub(super) struct Counter;

impl Stamp for Counter {
    #[inline(always)]
    fn ticks() -> u64 {
        tsc::ticks()
    }
}

/// CLOCK_MONOTONIC through the vDSO; a tick is a nanosecond.
pub(super) struct Vdso;

impl Stamp for Vdso {
    #[inline(always)]
    fn ticks() -> u64 {
        let mut time = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: clock_gettime writes one timespec to the pointer, which is valid for it.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
        // SAFETY: all zeroes is a valid timespec, in case the call failed.
        let time = unsafe { time.assume_init() };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// Clock of the time stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The time stamp counter of the processor.
    Tsc,
    /// CLOCK_MONOTONIC through the vDSO.
    Vdso,
}

/// The clock of the time stamps of this process, and what a stamp costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StampClock {
    /// The clock.
    pub source: Source,
    /// Nanoseconds of a tick.
    pub ns_per_tick: f64,
    /// The smallest difference of two stamps that is not 0, in nanoseconds.
    pub resolution_ns: f64,
    /// Time of a stamp, in nanoseconds.
    pub stamp_ns: f64,
}

impl StampClock {
    /// The clock of this process, measured once. `None` if every clock costs a system call.
    pub fn get() -> Option<StampClock> {
        static CLOCK: OnceLock<Option<StampClock>> = OnceLock::new();
        *CLOCK.get_or_init(|| {
            let kernel = kernels_clock();
            let kernel_uses =
                |names: &[&str]| kernel.as_ref().is_none_or(|name| names.contains(&name.as_str()));
            match tsc::ns_per_tick() {
                Some(ns_per_tick) if kernel_uses(&BY_COUNTER) => {
                    Some(StampClock::measured::<Counter>(Source::Tsc, ns_per_tick))
                }
                _ if kernel_uses(&IN_VDSO) => Some(StampClock::measured::<Vdso>(Source::Vdso, 1.0)),
                _ => None,
            }
        })
    }

    /// The present time, in ticks of this clock.
    pub(super) fn ticks(&self) -> u64 {
        match self.source {
            Source::Tsc => Counter::ticks(),
            Source::Vdso => Vdso::ticks(),
        }
    }

    /// Nanoseconds from `earlier_ticks` to `ticks`; 0 if it is earlier.
    pub(super) fn ns_between(&self, earlier_ticks: u64, ticks: u64) -> f64 {
        ticks.saturating_sub(earlier_ticks) as f64 * self.ns_per_tick
    }

    fn measured<S: Stamp>(source: Source, ns_per_tick: f64) -> StampClock {
        const STAMPS: u32 = 10_000;
        let start = Instant::now();
        let mut last = S::ticks();
        let mut resolution = u64::MAX;
        for _ in 0..STAMPS {
            let now = S::ticks();
            if now != last {
                resolution = resolution.min(now.wrapping_sub(last));
            }
            last = now;
        }
        StampClock {
            source,
            ns_per_tick,
            resolution_ns: resolution as f64 * ns_per_tick,
            stamp_ns: start.elapsed().max(Duration::from_nanos(1)).as_nanos() as f64 / f64::from(STAMPS),
        }
    }
}

/// Clocks of the kernel that are the time stamp counter, or are computed from it.
const BY_COUNTER: [&str; 3] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"];
/// Clocks of the kernel that the vDSO reads without a system call.
const IN_VDSO: [&str; 5] =
    ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource"];

/// The clock by which the kernel keeps time; `None` if unknown. It does not use a counter that is unreliable.
fn kernels_clock() -> Option<String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(path).ok().map(|name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_clock_agree() {
        let Some(clock) = StampClock::get() else { return };
        let ticks = match clock.source {
            Source::Tsc => Counter::ticks,
            Source::Vdso => Vdso::ticks,
        };
        let (start, first) = (Instant::now(), ticks());
        std::thread::sleep(Duration::from_millis(50));
        let last = ticks();
        let (elapsed, by_ticks) =
            (start.elapsed().as_nanos() as f64, (last - first) as f64 * clock.ns_per_tick);
        assert!((by_ticks / elapsed - 1.0).abs() < 0.01, "{by_ticks} {elapsed} {clock:?}");
        assert!(clock.resolution_ns > 0.0 && clock.stamp_ns > 0.0);
    }
}

//! Resources that a pass used (`-g`), from getrusage(2), and the time that it waited for a CPU.

use nix::sys::resource::{Usage as Rusage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Unit of the block counters of Linux.
const BLOCK_BYTES: u64 = 512;

/// Resources of the process and its children: the difference of two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Time in user mode, in microseconds. Many kernels sample it with the timer interrupt.
    pub user_us: i64,
    /// Time in the kernel, in microseconds.
    pub system_us: i64,
    /// Voluntary context switches.
    pub voluntary_switches: i64,
    /// Involuntary context switches.
    pub involuntary_switches: i64,
    /// Block input operations; Linux counts units of 512 bytes.
    pub blocks_in: i64,
    /// Block output operations; Linux counts units of 512 bytes.
    pub blocks_out: i64,
    /// Page faults that needed no I/O.
    pub minor_faults: i64,
    /// Page faults that needed I/O.
    pub major_faults: i64,
    /// Time in which the thread was runnable but waited for a CPU, in nanoseconds. `None` if it was not read,
    /// or if the kernel does not report it.
    pub run_queue_wait_ns: Option<u64>,
}

impl Usage {
    /// A reading of this process and its children, as in `io-benchmark`, just before a bracket. With
    /// `run_queue_wait` it reads a file.
    pub fn before_pass(run_queue_wait: bool) -> Usage {
        let run_queue_wait_ns = run_queue_wait.then(run_queue_wait_ns).flatten();
        let children = reading(UsageWho::RUSAGE_CHILDREN);
        // Last, so that as little as possible of the harness lies between this call and the bracket.
        let own = reading(UsageWho::RUSAGE_SELF);
        Usage { run_queue_wait_ns, ..own.combine(children, i64::wrapping_add) }
    }

    /// The same reading just after a bracket.
    pub fn after_pass(run_queue_wait: bool) -> Usage {
        let own = reading(UsageWho::RUSAGE_SELF);
        let children = reading(UsageWho::RUSAGE_CHILDREN);
        let run_queue_wait_ns = run_queue_wait.then(run_queue_wait_ns).flatten();
        Usage { run_queue_wait_ns, ..own.combine(children, i64::wrapping_add) }
    }

    /// Resources used since `earlier`.
    pub fn since(self, earlier: Usage) -> Usage {
        let waits = self.run_queue_wait_ns.zip(earlier.run_queue_wait_ns);
        let run_queue_wait_ns = waits.map(|(now_ns, earlier_ns)| now_ns.saturating_sub(earlier_ns));
        Usage { run_queue_wait_ns, ..self.combine(earlier, i64::wrapping_sub) }
    }

    /// Bytes that were read from devices.
    pub fn device_read_bytes(&self) -> u64 {
        u64::try_from(self.blocks_in).unwrap_or(0).saturating_mul(BLOCK_BYTES)
    }

    /// The same with the run queue wait that can lie within a pass of `elapsed_ns`: at most the part of it in
    /// which the process did not run. The readings enclose the bracket, so they may also see waits outside
    /// it.
    #[must_use]
    pub fn within(self, elapsed_ns: u64) -> Usage {
        let running_us = u64::try_from(self.user_us + self.system_us).unwrap_or(0);
        let off_cpu_ns = elapsed_ns.saturating_sub(running_us.saturating_mul(1000));
        Usage { run_queue_wait_ns: self.run_queue_wait_ns.map(|wait_ns| wait_ns.min(off_cpu_ns)), ..self }
    }

    fn combine(self, other: Usage, operation: impl Fn(i64, i64) -> i64) -> Usage {
        Usage {
            user_us: operation(self.user_us, other.user_us),
            system_us: operation(self.system_us, other.system_us),
            voluntary_switches: operation(self.voluntary_switches, other.voluntary_switches),
            involuntary_switches: operation(self.involuntary_switches, other.involuntary_switches),
            blocks_in: operation(self.blocks_in, other.blocks_in),
            blocks_out: operation(self.blocks_out, other.blocks_out),
            minor_faults: operation(self.minor_faults, other.minor_faults),
            major_faults: operation(self.major_faults, other.major_faults),
            run_queue_wait_ns: None,
        }
    }
}

/// Processor time of the calling thread, in nanoseconds.
pub(super) fn thread_cpu_ns() -> f64 {
    let own = reading(UsageWho::RUSAGE_THREAD);
    (own.user_us + own.system_us) as f64 * 1000.0
}

/// getrusage(2) fails only for an invalid `who` or pointer.
fn reading(who: UsageWho) -> Usage {
    getrusage(who).map_or(Usage::default(), |usage| from_rusage(&usage))
}

fn from_rusage(usage: &Rusage) -> Usage {
    Usage {
        user_us: usage.user_time().num_microseconds(),
        system_us: usage.system_time().num_microseconds(),
        voluntary_switches: usage.voluntary_context_switches(),
        involuntary_switches: usage.involuntary_context_switches(),
        blocks_in: usage.block_reads(),
        blocks_out: usage.block_writes(),
        minor_faults: usage.minor_page_faults(),
        major_faults: usage.major_page_faults(),
        run_queue_wait_ns: None,
    }
}

/// The second number of /proc/thread-self/schedstat (Linux, Documentation/scheduler/sched-stats.rst).
fn run_queue_wait_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_at_most_the_time_in_which_the_process_did_not_run() {
        let wait = |run_queue_wait_ns, user_us, system_us, elapsed_ns| {
            let usage = Usage { run_queue_wait_ns, user_us, system_us, ..Usage::default() };
            usage.within(elapsed_ns).run_queue_wait_ns
        };
        assert_eq!(wait(Some(400), 0, 0, 1_000), Some(400));
        assert_eq!(wait(Some(4_000_000), 0, 0, 1_000), Some(1_000), "a wait before the bracket");
        assert_eq!(wait(Some(9_000), 1, 3, 10_000), Some(6_000));
        assert_eq!(wait(Some(9_000), 8, 9, 10_000), Some(0), "the process ran all the time");
        assert_eq!(wait(None, 0, 0, 1_000), None);
    }
}

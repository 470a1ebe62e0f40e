//! Resources that a pass used (`-g`), from getrusage(2), and the time that it waited for a CPU.

use nix::sys::resource::{Usage as Rusage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

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
    /// Time in which the thread was runnable but waited for a CPU, in nanoseconds. `None` if the kernel does
    /// not report it.
    pub run_queue_wait_ns: Option<u64>,
}

impl Usage {
    /// A reading of this process and its children, as in `io-benchmark`.
    pub fn now() -> Usage {
        let own = reading(UsageWho::RUSAGE_SELF);
        let children = reading(UsageWho::RUSAGE_CHILDREN);
        Usage { run_queue_wait_ns: run_queue_wait_ns(), ..own.combine(children, i64::wrapping_add) }
    }

    /// Resources used since `earlier`.
    pub fn since(self, earlier: Usage) -> Usage {
        let waits = self.run_queue_wait_ns.zip(earlier.run_queue_wait_ns);
        let run_queue_wait_ns = waits.map(|(now_ns, earlier_ns)| now_ns.saturating_sub(earlier_ns));
        Usage { run_queue_wait_ns, ..self.combine(earlier, i64::wrapping_sub) }
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

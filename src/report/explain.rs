//! Explanation of where the time of a sample is spent (`--explain`), in sentences that quote the measured
//! values.
//!
//! Each rule covers one aspect, and returns a sentence only if the measured values support it. The rules use
//! `utime` and `stime` from getrusage(2), `inblock` and `oublock` in units of 512 bytes (Linux,
//! task_io_account_read and task_io_account_write), the resident fractions from cachestat(2), and the record
//! of a tracer, if there is one.

use super::document::{BenchmarkConfiguration, Document, SampleRecord, UsageRecord};
use crate::engine::operation::Mode;
use crate::engine::strategy::Mechanism;
use crate::engine::workload::Files;
use crate::host;
use crate::trace::record::KernelRecord;
use crate::units::{self, counted, size};

/// Some kernels count the times of getrusage(2) in whole ticks, so shorter samples do not show the split.
const SHORTEST_SPLIT_SECONDS: f64 = 0.002;
/// The sum of user and system time is exact. The kernel divides it by the mode that its ticks, every 1 to 10
/// ms, sample (Linux, cputime_adjust in kernel/sched/cputime.c). From this CPU time on there are enough ticks
/// for the division.
const SHORTEST_TICKED_SECONDS: f64 = 0.1;
/// If the thread runs for less than this fraction of the time, the cost of a call is given as CPU time.
const NEARLY_ALWAYS_RUNNING: f64 = 0.8;
/// Up to this block size, the call costs more than the copy on every machine that was measured.
const SMALL_BLOCK_BYTES: u64 = 256;
/// From this block size on, the copy costs more than the call.
const LARGE_BLOCK_BYTES: u64 = 64 * 1024;
/// Unit of `inblock` and `oublock` on Linux.
const USAGE_BLOCK_BYTES: f64 = 512.0;
/// From this fraction on, a part counts as the whole.
const NEARLY_ALL: f64 = 0.99;

/// The input of the rules: one sample, its configuration and its host.
struct Evidence<'a> {
    configuration: &'a BenchmarkConfiguration,
    host: Option<&'a host::Configuration>,
    sample: &'a SampleRecord,
    usage: &'a UsageRecord,
    kernel: Option<&'a KernelRecord>,
    /// Subject of the sentence about the time of the sample.
    subject: &'static str,
}

/// Explains the sample of median time. Returns no sentence if there is no sample, no configuration or no
/// usage (`-g`).
pub fn sentences(document: &Document) -> Vec<String> {
    let (Some(configuration), Some(sample)) =
        (document.benchmark_configuration.as_ref(), median_sample(&document.benchmark_samples))
    else {
        return Vec::new();
    };
    let Some(usage) = sample.usage.as_ref() else { return Vec::new() };
    let (host, kernel) = (document.host_configuration.as_ref(), sample.kernel.as_ref());
    let several = document.benchmark_samples.len() > 1;
    let subject = if several { "The median sample" } else { "The sample" };
    let facts = Evidence { configuration, host, sample, usage, kernel, subject };
    let rules = [
        time_split,
        no_io,
        read_from_cache,
        read_through_cache,
        direct_read,
        call_or_copy,
        page_faults,
        write_without_sync,
        write_with_sync,
        waits,
        lock_of_the_file,
        preemptions,
        workers,
        requests,
        ring,
    ];
    rules.iter().filter_map(|rule| rule(&facts)).collect()
}

fn median_sample(samples: &[SampleRecord]) -> Option<&SampleRecord> {
    let mut by_time: Vec<&SampleRecord> = samples.iter().collect();
    by_time.sort_by(|a, b| a.time.total_cmp(&b.time));
    by_time.get(by_time.len().checked_sub(1)? / 2).copied()
}

impl Evidence<'_> {
    fn reads(&self) -> bool {
        self.configuration.operation == Mode::Read && !self.configuration.is_floor()
    }

    fn writes(&self) -> bool {
        self.configuration.operation != Mode::Read && !self.configuration.is_floor()
    }

    fn direct(&self) -> bool {
        self.configuration.granted.as_ref().is_some_and(|granted| granted.effective.direct)
    }

    fn mapped(&self) -> bool {
        self.configuration.properties.mechanism == Mechanism::Mapping
    }

    fn queued(&self) -> bool {
        self.configuration.granted.as_ref().is_some_and(|granted| granted.effective.iodepth > 1)
    }

    fn bytes(&self) -> f64 {
        self.sample.transferred_bytes as f64
    }

    fn device_read_bytes(&self) -> f64 {
        self.usage.inblock as f64 * USAGE_BLOCK_BYTES
    }

    /// The workers, as the subject of a sentence.
    fn who(&self) -> &'static str {
        if self.threads() > 1.0 { "threads" } else { "thread" }
    }

    /// Number of workers.
    fn threads(&self) -> f64 {
        self.sample.workers.len().max(1) as f64
    }

    fn cpu_seconds(&self) -> f64 {
        self.usage.utime + self.usage.stime
    }

    fn resident_before(&self) -> f64 {
        self.sample.resident_fraction_before.unwrap_or(f64::NAN)
    }

    /// Time from one completion to the next.
    fn seconds_per_io(&self) -> f64 {
        self.sample.time / self.sample.io_count.max(1) as f64
    }

    /// Time of an I/O without a queue: each worker has one at a time.
    fn seconds_of_io(&self) -> f64 {
        self.seconds_per_io() * self.threads()
    }

    fn cached(&self) -> bool {
        !self.direct() && self.resident_before() >= NEARLY_ALL && self.usage.inblock == 0
    }
}

fn time_split(facts: &Evidence) -> Option<String> {
    let (time, cpu, subject) = (facts.sample.time, facts.cpu_seconds(), facts.subject);
    let threads = facts.threads();
    let available = time * threads;
    if time < SHORTEST_SPLIT_SECONDS || cpu > available * 1.1 {
        return None;
    }
    let percent = |part: f64| (100.0 * part / available).round().clamp(0.0, 100.0) as u32;
    let off = percent(available - cpu);
    let of_all = if threads > 1.0 { format!("of the time of {threads} threads, ") } else { String::new() };
    let why = match (off > 0, facts.usage.nvcsw > 0, facts.usage.nivcsw > 0) {
        (true, true, true) => " (waiting or preempted)",
        (true, true, false) => " (waiting)",
        (true, false, true) => " (preempted)",
        _ => "",
    };
    let (user, system) = (facts.usage.utime, facts.usage.stime);
    Some(if cpu >= SHORTEST_TICKED_SECONDS {
        format!(
            "{subject} took {}: {of_all}{} % in the program, {} % in the kernel, and {off} % off the \
             CPU{why}; utime {}, stime {}.",
            units::seconds(time),
            percent(user),
            percent(system),
            units::seconds(user),
            units::seconds(system)
        )
    } else {
        format!(
            "{subject} took {}: {of_all}{} % on the CPU and {off} % off the CPU{why}; utime + stime: {}.",
            units::seconds(time),
            percent(cpu),
            units::seconds(cpu)
        )
    })
}

fn no_io(facts: &Evidence) -> Option<String> {
    facts.configuration.is_floor().then(|| {
        format!(
            "No data was moved: the harness itself takes {} per I/O.",
            units::seconds(facts.seconds_of_io())
        )
    })
}

fn read_from_cache(facts: &Evidence) -> Option<String> {
    (facts.reads() && facts.cached()).then(|| {
        format!(
            "Every byte came from the page cache: {} of the range was resident before the sample, and no \
             block was read from the device (inblock 0).",
            fraction(facts.resident_before())
        )
    })
}

fn read_through_cache(facts: &Evidence) -> Option<String> {
    // If the whole range was resident, the filesystem read only its own metadata.
    let resident = facts.resident_before() >= NEARLY_ALL;
    if !facts.reads() || facts.direct() || facts.usage.inblock == 0 || resident {
        return None;
    }
    let fractions = (facts.sample.resident_fraction_before, facts.sample.resident_fraction_after);
    let fractions = match fractions {
        (Some(before), Some(after)) => {
            format!(
                ": {} of the range was resident before the sample, {} after it",
                fraction(before),
                fraction(after)
            )
        }
        _ => String::new(),
    };
    let readahead = facts.host.and_then(|host| host.storage.device_read_ahead_bytes);
    let readahead =
        readahead.map_or(String::new(), |window| format!(" Readahead is at most {}.", size(window as f64)));
    Some(format!(
        "The kernel read {} from the device into the page cache (inblock {}){fractions}.{readahead}",
        size(facts.device_read_bytes()),
        facts.usage.inblock,
    ))
}

fn direct_read(facts: &Evidence) -> Option<String> {
    let from_device = facts.device_read_bytes() >= NEARLY_ALL * facts.bytes();
    // Some filesystems accept O_DIRECT and still read through the page cache.
    let (before, after) = (facts.sample.resident_fraction_before?, facts.sample.resident_fraction_after?);
    let pace = if facts.queued() {
        format!("one completed every {}", units::seconds(facts.seconds_per_io()))
    } else {
        format!("{} per read", units::seconds(facts.seconds_of_io()))
    };
    (facts.reads() && facts.direct() && from_device && after <= before).then(|| {
        format!(
            "O_DIRECT bypassed the page cache: {} of {} went to the device (inblock {}), {pace}.",
            counted(facts.sample.io_count, "read"),
            size(facts.configuration.buffersize as f64),
            facts.usage.inblock,
        )
    })
}

fn call_or_copy(facts: &Evidence) -> Option<String> {
    let block_bytes = facts.configuration.buffersize;
    if !facts.reads() || !facts.cached() || facts.mapped() || facts.queued() {
        return None;
    }
    let (cpu, available) = (facts.cpu_seconds(), facts.sample.time * facts.threads());
    let (seconds, of) = match cpu >= NEARLY_ALWAYS_RUNNING * available {
        true => (available, ""),
        false if cpu > 0.0 => (cpu, " of CPU time"),
        false => return None,
    };
    let per_call = units::seconds(seconds / facts.sample.io_count.max(1) as f64);
    if block_bytes <= SMALL_BLOCK_BYTES {
        return Some(format!(
            "Each call moved {} and took {per_call}{of}; most of that time is spent entering and leaving the \
             kernel. A larger -b makes fewer calls.",
            counted(block_bytes, "byte")
        ));
    }
    (block_bytes >= LARGE_BLOCK_BYTES).then(|| {
        format!(
            "Each call moved {} in {per_call}{of}; most of that time is spent copying, at {}/s.",
            size(block_bytes as f64),
            size(facts.bytes() / seconds)
        )
    })
}

fn page_faults(facts: &Evidence) -> Option<String> {
    let (minor, major) = (facts.sample.minor_faults?, facts.sample.major_faults?);
    let faults = minor + major;
    if faults <= 0 {
        return None;
    }
    let per_mib = faults as f64 / (facts.bytes() / f64::from(1 << 20));
    let count = counted(faults.unsigned_abs(), "page fault");
    let figures = format!("{count} ({per_mib:.1} per MiB, {major} with I/O)");
    Some(if facts.mapped() {
        format!(
            "No system call moved the data: the strategy copied through the mapping and took {figures}. Each \
             fault mapped {} on average.",
            size(facts.bytes() / faults as f64)
        )
    } else {
        format!("The measured time includes the first use of the buffer, which caused {figures}.")
    })
}

fn write_without_sync(facts: &Evidence) -> Option<String> {
    (facts.writes() && !facts.direct() && !facts.configuration.requested.sync).then(|| {
        format!(
            "The data was copied into the page cache at {}/s. The time to write it to the device is not \
             included; -s includes it.",
            size(facts.bytes() / facts.sample.time)
        )
    })
}

fn write_with_sync(facts: &Evidence) -> Option<String> {
    let (transfer_ns, sync_ns) = (facts.sample.transfer_time_ns?, facts.sample.sync_time_ns?);
    let (transfer, sync) = (transfer_ns as f64 / 1e9, sync_ns as f64 / 1e9);
    // A filesystem in memory has no device to wait for, and direct writes waited for it before the sync.
    let to_device =
        if facts.usage.oublock > 0 && !facts.direct() { " to write the data to the device" } else { "" };
    facts.writes().then(|| {
        format!(
            "The writes returned after {}; the sync then took {} ({:.0} % of the sample){to_device}. The \
             bandwidth including the sync is {}/s.",
            units::seconds(transfer),
            units::seconds(sync),
            100.0 * sync / facts.sample.time,
            size(facts.bytes() / facts.sample.time)
        )
    })
}

fn waits(facts: &Evidence) -> Option<String> {
    let count = u64::try_from(facts.usage.nvcsw).ok().filter(|count| *count > 0)?;
    // Time off the CPU is waiting time only if the thread was never preempted.
    let off_cpu =
        facts.kernel.and_then(|kernel| kernel.sched).filter(|sched| sched.involuntary_switches == 0);
    let off_cpu = off_cpu.map_or(String::new(), |sched| {
        format!(", {} in total", units::seconds(sched.off_cpu_ns as f64 / 1e9))
    });
    Some(format!(
        "The {} waited {} (nvcsw){off_cpu}, once per {} moved.",
        facts.who(),
        counted(count, "time"),
        size(facts.bytes() / count as f64)
    ))
}

/// One or two preemptions happen in any run; only a higher rate affects the result.
const PREEMPTIONS_PER_SECOND: f64 = 100.0;

fn preemptions(facts: &Evidence) -> Option<String> {
    let count = facts.usage.nivcsw;
    let rate = count as f64 / facts.sample.time;
    (count > 2 && rate > PREEMPTIONS_PER_SECOND).then(|| {
        format!(
            "The {} preempted {count} times (nivcsw); the measured time includes the time of {}.",
            if facts.threads() > 1.0 { "threads were" } else { "thread was" },
            if facts.threads() > 1.0 { "others on their CPUs" } else { "the threads that ran on its CPU" }
        )
    })
}

/// generic_file_write_iter and its relatives hold i_rwsem; a store into a mapping does not.
fn lock_of_the_file(facts: &Evidence) -> Option<String> {
    let requested = &facts.configuration.requested;
    let buffered = !facts.reads() && !facts.direct() && !facts.mapped() && !facts.configuration.is_floor();
    (buffered && facts.threads() > 1.0 && requested.files == Files::Shared).then(|| {
        "On Linux, a call that writes to the page cache of a file holds the lock of the file, so the threads \
         took turns; --files per-thread shows how much time that takes."
            .to_owned()
    })
}

/// Smallest skew that is worth a sentence, as a fraction of the time.
const NOTABLE_SKEW: f64 = 0.05;

fn workers(facts: &Evidence) -> Option<String> {
    let skew_seconds = facts.sample.skew_ns? / 1e9;
    let part = skew_seconds / facts.sample.time;
    (part > NOTABLE_SKEW).then(|| {
        format!(
            "Of the {} threads the last ended {} after the first: {} of the time was not work of all of \
             them.",
            facts.sample.workers.len(),
            units::seconds(skew_seconds),
            fraction(part)
        )
    })
}

fn requests(facts: &Evidence) -> Option<String> {
    let block = facts.kernel?.block.as_ref()?;
    // The tracer counts all requests of the disk. For reads it also counts those of this process; dirty pages
    // are written by kernel threads.
    let own = block.own_bytes as f64 >= NEARLY_ALL * block.read_bytes as f64;
    let (requests, bytes) = match facts.reads() {
        true if own => (block.read_requests, block.read_bytes),
        true => return None,
        false => (block.write_requests, block.write_bytes),
    };
    if requests == 0 {
        return None;
    }
    let limit = facts.host.and_then(|host| host.storage.device_max_request_bytes);
    let limit =
        limit.map_or(String::new(), |bytes| format!("; the device accepts up to {}", size(bytes as f64)));
    Some(format!(
        "The device received {} of {} on average, while the program moved {} per I/O{limit}.",
        counted(requests, if facts.reads() { "read request" } else { "write request" }),
        size(bytes as f64 / requests as f64),
        size(facts.configuration.buffersize as f64)
    ))
}

fn ring(facts: &Evidence) -> Option<String> {
    let granted = &facts.configuration.granted.as_ref()?.effective;
    if facts.configuration.properties.mechanism != Mechanism::Queue {
        return None;
    }
    let punted = facts.kernel.and_then(|kernel| kernel.uring).map_or(0, |uring| uring.punted);
    let punted = match punted {
        0 => String::new(),
        count => format!(" {} would have blocked and ran in worker threads.", counted(count, "operation")),
    };
    Some(format!(
        "The queue held at most {}, and each system call waited for {}.{punted}",
        counted(u64::from(granted.iodepth), "operation"),
        counted(u64::from(granted.batch), "completion")
    ))
}

fn fraction(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

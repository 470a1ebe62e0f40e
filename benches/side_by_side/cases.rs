//! The cases of the comparison.

/// Work of one process of either program.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) strategy: &'static str,
    pub(crate) write: bool,
    pub(crate) depth: Option<u32>,
    pub(crate) block_bytes: u64,
    pub(crate) total_bytes: u64,
    pub(crate) iterations: u64,
    pub(crate) threads: u32,
    /// True if each I/O has a time stamp.
    pub(crate) latency: bool,
}

impl Work {
    pub(crate) fn ios(&self) -> u64 {
        self.total_bytes / self.block_bytes
    }

    /// Strategy, direction and options.
    pub(crate) fn name(&self) -> String {
        let direction = if self.write { "write" } else { "read" };
        let threads = if self.threads > 1 { format!(", {} threads", self.threads) } else { String::new() };
        let latency = if self.latency { ", latency" } else { "" };
        format!("{} {direction}{threads}{latency}", self.strategy)
    }
}

/// The other program of a pair.
#[derive(Clone, Debug)]
pub(crate) enum Rival {
    /// No other program: the harness of iobench alone, in nanoseconds per I/O.
    Nobody,
    /// `c_loop` in this mode, with the same work.
    CLoop { mode: &'static str },
    /// fio with the group of options that is best for it, and `loops` passes over the file.
    Fio { candidates: &'static [&'static [&'static str]], loops: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) work: Work,
    pub(crate) rival: Rival,
    pub(crate) target: f64,
}

impl Case {
    /// The name, which `--only` matches on.
    pub(crate) fn name(&self) -> String {
        let block_bytes = self.work.block_bytes;
        format!("{} {block_bytes} vs {}", self.work.name(), self.rival_name())
    }

    pub(crate) fn rival_name(&self) -> String {
        match &self.rival {
            Rival::Nobody => "nobody".to_owned(),
            Rival::CLoop { mode } => format!("C {mode}"),
            Rival::Fio { candidates, .. } => {
                let engine = candidates.first().and_then(|options| options.first());
                format!("fio {}", engine.map_or("", |option| option.trim_start_matches("--ioengine=")))
            }
        }
    }
}

/// Amount of work per case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Size of the data file, and maximum number of bytes that one iteration reads.
    pub(crate) file_bytes: u64,
    /// Maximum number of bytes that one iteration writes. They all go to the device after each process.
    written_bytes: u64,
    /// Maximum number of I/Os per iteration: system calls, and copies out of a mapping.
    calls: u64,
    copies: u64,
    iterations: u64,
    /// Iterations of the null strategy, each over the whole file.
    null_iterations: u64,
    /// The ranges to compare with fio.
    fio: &'static [Range],
}

/// A part of the file, and the number of passes over it per process.
#[derive(Clone, Copy, Debug)]
struct Range {
    bytes: u64,
    iterations: u64,
    /// Passes of fio, for system calls and for the mapping.
    loops: u64,
    mmap_loops: u64,
}

/// Processes of about a quarter of a second, or at least half a second for fio, which reports whole
/// milliseconds. The first blocks of an iteration find the buffer outside the CPU's caches, so an iteration
/// that reads has at least 256 blocks.
pub(crate) const FULL: Scale = Scale {
    file_bytes: 256 << 20,
    written_bytes: 16 << 20,
    calls: 32 << 10,
    copies: 4 << 20,
    iterations: 12,
    null_iterations: 500,
    // The lab's size, which fits into the L3 cache, and one that does not fit.
    fio: &[
        Range { bytes: 16 << 20, iterations: 100, loops: 128, mmap_loops: 512 },
        Range { bytes: 256 << 20, iterations: 6, loops: 8, mmap_loops: 32 },
    ],
};

/// Shows that everything runs. The results mean nothing.
pub(crate) const SMALL: Scale = Scale {
    file_bytes: 16 << 20,
    written_bytes: 16 << 20,
    calls: 8 << 10,
    copies: 1 << 20,
    iterations: 3,
    null_iterations: 10,
    fio: &[Range { bytes: 16 << 20, iterations: 3, loops: 4, mmap_loops: 16 }],
};

/// The C loop is a floor: only the noise of the machine may lie between it and iobench. 2 % is the precision
/// that docs/method.md requires of a median.
const TARGET_C_RATIO: f64 = 0.98;
/// Cost of fio's bookkeeping per I/O at 4 KiB, with its best options. iobench must be faster than fio's
/// `psync` and `mmap` by this factor.
const TARGET_FIO_RATIO: f64 = 1.3;
/// The same for its `io_uring`, where a batch shares that cost.
const TARGET_FIO_RING_RATIO: f64 = 1.2;
/// Maximum cost of iobench's loop around a strategy that does nothing.
const TARGET_NULL_NS: f64 = 2.0;
/// The same with a time stamp and a histogram for each I/O.
const TARGET_LATENCY_NS: f64 = 22.0;
/// fio with its usual accounting takes two time stamps per I/O, and counts in three ways.
const TARGET_FIO_LATENCY_RATIOS: [(u64, f64); 2] = [(4 << 10, 1.3), (512, 1.5)];

const FIO_BLOCK_BYTES: u64 = 4 << 10;
const READ_BLOCK_BYTES: [u64; 5] = [1, 512, 4 << 10, 64 << 10, 1 << 20];
const WRITE_BLOCK_BYTES: [u64; 2] = [4 << 10, 64 << 10];
const RING_DEPTH: u32 = 32;

// Tested on Linux 6.18 with fio 3.33. programs.rs adds the options of every run of fio.

/// `psync` calls pread(2). `sync` calls lseek(2) where needed, and read(2).
const FIO_SYNC: &[&[&str]] = &[
    &["--ioengine=psync", "--iomem_align=4k"],
    &["--ioengine=psync", "--iomem_align=4k", "--fadvise_hint=0"],
    &["--ioengine=sync", "--iomem_align=4k"],
];
const FIO_PSYNC: &[&[&str]] = &[FIO_SYNC[0], FIO_SYNC[1]];
/// Loops and not `time_based`, which maps the file only once: iobench maps it in every iteration.
const FIO_MMAP: &[&[&str]] =
    &[&["--ioengine=mmap", "--iomem_align=4k"], &["--ioengine=mmap", "--iomem_align=4k", "--fadvise_hint=0"]];
/// Submission in batches nearly doubles the throughput of fio. The best batch size depends on the machine.
const FIO_RING: &[&[&str]] = &[
    &ring("--iodepth_batch=32", "--iodepth_batch_complete_min=32"),
    &ring("--iodepth_batch=32", "--iodepth_batch_complete_min=16"),
    &ring("--iodepth_batch=16", "--iodepth_batch_complete_min=16"),
    &ring("--iodepth_batch=8", "--iodepth_batch_complete_min=8"),
    &ring("--iodepth_batch=32", "--iodepth_batch_complete_min=1"),
];

const fn ring(batch: &'static str, complete_min: &'static str) -> [&'static str; 7] {
    [
        "--ioengine=io_uring",
        "--iodepth=32",
        "--fixedbufs=1",
        "--registerfiles=1",
        "--iomem_align=4k",
        batch,
        complete_min,
    ]
}

/// Every case of the comparison; those against fio only `with_fio`.
pub(crate) fn all(scale: &Scale, with_fio: bool) -> Vec<Case> {
    let mut cases = vec![null(scale), with_latency(null(scale), TARGET_LATENCY_NS)];
    for block_bytes in READ_BLOCK_BYTES {
        cases.push(against_c(scale, "readwrite", "read", block_bytes));
        cases.push(against_c(scale, "pread", "pread64", block_bytes));
        cases.push(against_c(scale, "mmap", "mapping", block_bytes));
    }
    cases.extend(WRITE_BLOCK_BYTES.map(|bytes| against_c(scale, "readwrite", "write", bytes)));
    cases.push(on_two_threads(against_c(scale, "pread", "pread64", 4 << 10)));
    for range in scale.fio.iter().filter(|_| with_fio) {
        cases.push(against_fio(range, "readwrite", FIO_SYNC, range.loops));
        cases.push(against_fio(range, "pread", FIO_SYNC, range.loops));
        cases.push(against_fio(range, "mmap", FIO_MMAP, range.mmap_loops));
        cases.push(against_fio(range, "io_uring", FIO_RING, range.loops));
    }
    for range in scale.fio.iter().take(1).filter(|_| with_fio) {
        for (block_bytes, target) in TARGET_FIO_LATENCY_RATIOS {
            // As many I/Os at any size.
            let shorter = FIO_BLOCK_BYTES / block_bytes;
            let range = Range { bytes: range.bytes / shorter, ..*range };
            let mut case = with_latency(against_fio(&range, "pread", FIO_PSYNC, range.loops), target);
            case.work.block_bytes = block_bytes;
            cases.push(case);
        }
    }
    cases
}

fn with_latency(mut case: Case, target: f64) -> Case {
    (case.work.latency, case.target) = (true, target);
    case
}

fn on_two_threads(mut case: Case) -> Case {
    case.work.threads = 2;
    case
}

/// The full run has 65,536 I/Os per iteration. The two clock calls of the bracket take about a microsecond
/// together, which is some hundredths of a nanosecond per I/O.
fn null(scale: &Scale) -> Case {
    let mut work = work(scale, "null", 4 << 10);
    work.total_bytes = scale.file_bytes;
    work.iterations = scale.null_iterations;
    Case { work, rival: Rival::Nobody, target: TARGET_NULL_NS }
}

fn against_c(scale: &Scale, strategy: &'static str, mode: &'static str, block_bytes: u64) -> Case {
    let mut work = work(scale, strategy, block_bytes);
    if mode == "write" {
        work.write = true;
        work.total_bytes = work.total_bytes.min(scale.written_bytes);
    }
    Case { work, rival: Rival::CLoop { mode }, target: TARGET_C_RATIO }
}

fn against_fio(
    range: &Range,
    strategy: &'static str,
    candidates: &'static [&'static [&'static str]],
    loops: u64,
) -> Case {
    let ring = strategy == "io_uring";
    let work = Work {
        strategy,
        write: false,
        depth: ring.then_some(RING_DEPTH),
        block_bytes: FIO_BLOCK_BYTES,
        total_bytes: range.bytes,
        iterations: range.iterations,
        threads: 1,
        latency: false,
    };
    let target = if ring { TARGET_FIO_RING_RATIO } else { TARGET_FIO_RATIO };
    Case { work, rival: Rival::Fio { candidates, loops }, target }
}

fn work(scale: &Scale, strategy: &'static str, block_bytes: u64) -> Work {
    let most_ios = if strategy == "mmap" { scale.copies } else { scale.calls };
    let total_bytes = scale.file_bytes.min(most_ios * block_bytes);
    let iterations = scale.iterations;
    Work {
        strategy,
        write: false,
        depth: None,
        block_bytes,
        total_bytes,
        iterations,
        threads: 1,
        latency: false,
    }
}

//! Error rates of `iobench compare`: the same program against itself, and against a strategy that is slower
//! on purpose.
//!
//!     cargo bench --bench verdicts                  # ten pairs of sweeps of each kind, some minutes
//!     cargo bench --bench verdicts -- --small       # one pair, only that it runs
//!
//! Two sweeps of the same program should call no point slower. Against a strategy that takes 10 % longer,
//! they should call every point slower whose interval is narrow enough. The program under test is this one.
//! With IOBENCH_SLOWED set, it is `iobench` with one more strategy.

#![allow(missing_docs, reason = "a program")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use iobench::Errno;
use iobench::engine::blocking::{Blocking, blocking};
use iobench::engine::operation::{Direction, Op};
use iobench::engine::strategy::{Call, IoPath, OpenSpec};
use iobench::engine::workload::Workload;
use iobench::engine::{create, descriptor};
use iobench::error::Error;
use iobench::report::comparison::Comparison;
use iobench::stats::Verdict;

const SLOWED: &str = "IOBENCH_SLOWED";
const SLOWED_PERCENT: u32 = 10;
const REPETITIONS: usize = 10;
const TOTAL_BYTES: u64 = 16 << 20;

/// `pread` with pauses of `percent` percent of the time since the first I/O.
struct Slowed {
    file: File,
    percent: u32,
    /// Time at which the last I/O ended, including its pause.
    last: Option<Instant>,
    /// Pauses that are still due.
    owed: Duration,
}

/// Shorter pauses are accumulated, because a pause cannot be shorter than a reading of the clock.
const SHORTEST_PAUSE: Duration = Duration::from_micros(2);

impl IoPath for Slowed {
    const NAME: &'static str = "slowed";
    const SUMMARY: &'static str = "pread(2), slower on purpose";

    fn calls(workload: &Workload) -> Vec<Call> {
        Call::one_per_block(workload, "pread64", "pwrite64")
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let percent = std::env::var(SLOWED).ok().and_then(|percent| percent.parse().ok()).unwrap_or(0);
        Ok(Slowed { file: descriptor::open(spec)?, percent, last: None, owed: Duration::ZERO })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

impl Blocking for Slowed {
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let start = self.last.unwrap_or_else(Instant::now);
        let moved = match op.direction {
            Direction::Read => self.file.read_at(block, op.offset_bytes),
            Direction::Write => self.file.write_at(block, op.offset_bytes),
        };
        let mut now = Instant::now();
        self.owed += (now - start) * self.percent / 100;
        if self.owed >= SHORTEST_PAUSE {
            let end = now + std::mem::take(&mut self.owed);
            while now < end {
                now = Instant::now();
            }
        }
        self.last = Some(now);
        moved.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    }
}

/// Results of the pairs of one kind.
#[derive(Default)]
struct Tally {
    points: usize,
    slower: usize,
    faster: usize,
    /// Points with an interval narrower than the distance from 10 % to the limit, which is the threshold plus
    /// the possible share of the machine. If such an interval encloses 10 %, its lower end lies above the
    /// limit.
    resolvable: usize,
    /// Resolvable points that were not called slower.
    missed: usize,
}

impl Tally {
    fn add(&mut self, comparison: &Comparison) {
        let machine = comparison.machine.iter().filter_map(|change| change.time_ratio_interval);
        let explained = machine.fold(1.0, |most, (_, high)| f64::max(most, high));
        let limit = (1.0 + comparison.threshold) * explained;
        for point in comparison.points.iter().filter(|point| point.strategy == "slowed") {
            let width = point.time_ratio_interval.map_or(f64::INFINITY, |(low, high)| high - low);
            let resolvable = width < 1.0 + f64::from(SLOWED_PERCENT) / 100.0 - limit;
            let slower = point.verdict == Verdict::Slower;
            self.points += 1;
            self.slower += usize::from(slower);
            self.faster += usize::from(point.verdict == Verdict::Faster);
            self.resolvable += usize::from(resolvable);
            self.missed += usize::from(resolvable && !slower);
        }
    }
}

/// A sweep by this program, slowed by `percent` percent.
fn sweep(folder: &Path, name: &str, percent: u32, budget: &str) -> std::io::Result<PathBuf> {
    let result = folder.join(name);
    let status = Command::new(std::env::current_exe()?)
        .env(SLOWED, percent.to_string())
        .args(["sweep", "--strategy", "slowed", "-b", "512..1M", "-t", "4M", "--budget", budget])
        // Enough samples to fill the budget, like a sweep of many strategies.
        .args(["--precision", "0.1%", "--largest-n", "100000", "-o"])
        .args([&result, &folder.join("verdicts.bench")])
        .stdout(Stdio::null())
        .status()?;
    if status.success() { Ok(result) } else { Err(std::io::Error::other("a sweep failed")) }
}

fn compare(old: &Path, new: &Path) -> std::io::Result<Comparison> {
    let program = env!("CARGO_BIN_EXE_iobench");
    let output = Command::new(program).args(["compare", "-j"]).args([old, new]).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn series(folder: &Path, percent: u32, small: bool) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let (repetitions, budget) = if small { (1, "2s") } else { (REPETITIONS, "10s") };
    for _ in 0..repetitions {
        let old = sweep(folder, "old.json", 0, budget)?;
        let new = sweep(folder, "new.json", percent, budget)?;
        tally.add(&compare(&old, &new)?);
    }
    Ok(tally)
}

fn run(small: bool) -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    create::if_missing(&folder.join("verdicts.bench"), TOTAL_BYTES)?;
    let start = Instant::now();
    let same = series(folder, 0, small)?;
    println!(
        "the same program: {} of {} points called slower, {} faster",
        same.slower, same.points, same.faster
    );
    let slowed = series(folder, SLOWED_PERCENT, small)?;
    println!(
        "slower by {SLOWED_PERCENT} %: {} of {} points called slower, {} faster; of {} that the \
         intervals can resolve, {} were missed",
        slowed.slower, slowed.points, slowed.faster, slowed.resolvable, slowed.missed
    );
    println!("in {:.0} s", start.elapsed().max(Duration::from_secs(1)).as_secs_f64());
    Ok(())
}

fn main() -> ExitCode {
    if std::env::var_os(SLOWED).is_some() {
        let mut strategies = iobench::strategies::ALL.to_vec();
        strategies.push(&const { blocking::<Slowed>() });
        return iobench::main_with(&strategies);
    }
    // `cargo test --benches` passes no --bench. It only checks that the program runs.
    let small =
        std::env::args().any(|word| word == "--small") || !std::env::args().any(|word| word == "--bench");
    match run(small) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

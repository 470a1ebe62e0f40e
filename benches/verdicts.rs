//! Error rates of `iobench compare` and `iobench ab`: the same program against itself, and a path against the
//! same path that is slower on purpose.
//!
//!     cargo bench --bench verdicts                  # about 40 minutes
//!     cargo bench --bench verdicts -- --small       # a minute, only that it runs
//!
//! Two sweeps of the same program should call no point different, also beside a build. A path that takes 5 %
//! or 10 % longer should be called slower by `ab`, and by `compare` wherever the interval is narrow enough.
//! The paths are [`Paused`], which this program adds to those of iobench.

#![allow(missing_docs, reason = "a program")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
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
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// With this variable the program is iobench with two more paths. Its value is the percentage by which one
/// of them is slower.
const SLOWED: &str = "IOBENCH_SLOWED";
/// The percentage of the pairs of sweeps.
const SLOWED_PERCENT: u32 = 10;
/// Pairs of sweeps of each kind.
const PAIRS: usize = 10;
/// Comparisons by `ab` for each percentage.
const TRIALS: usize = 20;
const TOTAL_BYTES: u64 = 16 << 20;

/// `pread` with pauses of `percent` percent of the time since the first I/O: of [`SLOWED`] if `IS_SLOWED`,
/// else 0.
struct Paused<const IS_SLOWED: bool> {
    file: File,
    percent: u32,
    /// Time at which the last I/O ended, including its pause.
    last: Option<Instant>,
    /// Pauses that are still due.
    owed: Duration,
}

/// Shorter pauses are accumulated, because a pause cannot be shorter than a reading of the clock.
const SHORTEST_PAUSE: Duration = Duration::from_micros(2);

impl<const IS_SLOWED: bool> IoPath for Paused<IS_SLOWED> {
    const NAME: &'static str = if IS_SLOWED { "slowed" } else { "unslowed" };
    const SUMMARY: &'static str = "pread(2) with pauses";

    fn calls(workload: &Workload) -> Vec<Call> {
        Call::one_per_block(workload, "pread64", "pwrite64")
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let percent = std::env::var(SLOWED).ok().filter(|_| IS_SLOWED);
        let percent = percent.and_then(|percent| percent.parse().ok()).unwrap_or(0);
        Ok(Paused { file: descriptor::open(spec)?, percent, last: None, owed: Duration::ZERO })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

impl<const IS_SLOWED: bool> Blocking for Paused<IS_SLOWED> {
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

/// A build of this package in a folder of its own, over and over, until it is dropped.
struct Build {
    shell: Child,
    folder: PathBuf,
}

impl Build {
    fn start(folder: PathBuf) -> io::Result<Build> {
        let again = r#"while :; do "$0" check --quiet --tests --target-dir "$1"; rm -rf "$1"; done"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", again, env!("CARGO")]).arg(&folder).current_dir(env!("CARGO_MANIFEST_DIR"));
        Ok(Build { shell: shell.process_group(0).spawn()?, folder })
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.shell.id() as i32);
        let killed = killpg(group, Signal::SIGKILL).map_err(io::Error::from);
        if let Err(error) = killed.and_then(|()| self.shell.wait()) {
            eprintln!("the build goes on: {error}");
        }
        // It may have ended before it made the folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The verdicts of some comparisons.
#[derive(Default)]
struct Tally {
    points: usize,
    slower: usize,
    faster: usize,
    /// Points whose difference of `SLOWED_PERCENT` is above the smallest that could be detected.
    detectable: usize,
    /// Those of them that were not called slower.
    missed: usize,
}

impl Tally {
    fn different(&self) -> usize {
        self.slower + self.faster
    }

    fn add(&mut self, comparison: &Comparison) {
        for point in &comparison.points {
            let smallest = point.smallest_detectable_fraction.unwrap_or(f64::INFINITY);
            // The difference that is measured scatters by half of the interval.
            let scatter = point.time_ratio_interval.map_or(f64::INFINITY, |(low, high)| (high - low) / 2.0);
            let detectable = smallest + scatter < f64::from(SLOWED_PERCENT) / 100.0;
            let slower = point.verdict == Verdict::Slower;
            self.points += 1;
            self.slower += usize::from(slower);
            self.faster += usize::from(point.verdict == Verdict::Faster);
            self.detectable += usize::from(detectable);
            self.missed += usize::from(detectable && !slower);
        }
    }
}

/// This program as iobench with one path slower by `percent` percent.
fn with_slowed(percent: u32) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(SLOWED, percent.to_string());
    Ok(command)
}

/// A finished command; exit codes above 2 are errors.
fn output(command: &mut Command) -> io::Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    match output.status.code() {
        Some(0..=2) => Ok(output.stdout),
        _ => Err(io::Error::other(format!("{command:?}: {}", output.status))),
    }
}

fn comparison(command: &mut Command) -> io::Result<Comparison> {
    Ok(serde_json::from_slice(&output(command)?)?)
}

/// The folder of the bench, and how much is measured.
struct Bench<'a> {
    folder: &'a Path,
    small: bool,
}

impl Bench<'_> {
    fn file(&self) -> PathBuf {
        self.folder.join("verdicts.bench")
    }

    fn count(&self, full: usize) -> usize {
        if self.small { 1 } else { full }
    }

    /// Compares two sweeps that `sweep` makes for the percentages of both sides.
    fn pair(&self, percents: [u32; 2], sweep: impl Fn(u32) -> io::Result<Command>) -> io::Result<Comparison> {
        let results = ["old.json", "new.json"].map(|name| self.folder.join(name));
        for (percent, result) in percents.into_iter().zip(&results) {
            output(sweep(percent)?.arg("-o").arg(result).arg(self.file()))?;
        }
        comparison(Command::new(IOBENCH).args(["compare", "-j"]).args(&results))
    }

    /// Default sweeps of the same program.
    fn same(&self) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let few: &[&str] = &["--strategy", "pread,mmap", "-b", "4k,64k", "--budget", "3s"];
        for number in 0..self.count(PAIRS) {
            let build =
                (number % 2 == 0).then(|| Build::start(self.folder.join("verdicts.build"))).transpose()?;
            let comparison = self.pair([0, 0], |_| {
                let mut command = Command::new(IOBENCH);
                command.arg("sweep").args(if self.small { few } else { &[] });
                Ok(command)
            })?;
            for point in comparison
                .points
                .iter()
                .filter(|point| matches!(point.verdict, Verdict::Slower | Verdict::Faster))
            {
                println!("  called {:?}: {point:?}", point.verdict);
            }
            tally.add(&comparison);
            let beside = if build.is_some() { " beside a build" } else { "" };
            println!("  pair {number}{beside}: {} of {} points so far", tally.different(), tally.points);
        }
        Ok(tally)
    }

    /// Sweeps of a path against the same path slower by [`SLOWED_PERCENT`].
    fn slowed(&self) -> io::Result<Tally> {
        let mut tally = Tally::default();
        for _ in 0..self.count(PAIRS) {
            tally.add(&self.pair([0, SLOWED_PERCENT], |percent| {
                let mut command = with_slowed(percent)?;
                // Enough samples to fill the budget, like a sweep of many strategies.
                command.args(["sweep", "--strategy", "slowed", "-b", "512..1M", "-t", "4M"]);
                command.args(["--precision", "0.1%", "--largest-n", "100000"]);
                command.args(["--budget", if self.small { "3s" } else { "10s" }]);
                Ok(command)
            })?);
        }
        Ok(tally)
    }

    /// Comparisons by `ab` of a path with the same path slower by `percent`.
    fn ab(&self, percent: u32) -> io::Result<Tally> {
        let mut tally = Tally::default();
        for seed in 0..self.count(TRIALS) {
            let mut command = with_slowed(percent)?;
            command.args(["ab", "-j", "--seed", &seed.to_string()]);
            command.args(if self.small { ["--budget", "2s"] } else { ["--budget", "20s"] });
            for strategy in ["unslowed", "slowed"] {
                command.args(["--", "-r", "-b", "4k", "--strategy", strategy]).arg(self.file());
            }
            tally.add(&comparison(&mut command)?);
        }
        Ok(tally)
    }
}

const IOBENCH: &str = env!("CARGO_BIN_EXE_iobench");

fn run(small: bool) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let bench = Bench { folder, small };
    create::if_missing(&bench.file(), TOTAL_BYTES).map_err(io::Error::other)?;
    let start = Instant::now();
    for percent in [10, 5] {
        let tally = bench.ab(percent)?;
        println!("ab, slower by {percent} %: called slower in {} of {} trials", tally.slower, tally.points);
    }
    let slowed = bench.slowed()?;
    println!(
        "compare, slower by {SLOWED_PERCENT} %: {} of {} points called slower, {} faster; of {} where it was \
         detectable, {} were missed",
        slowed.slower, slowed.points, slowed.faster, slowed.detectable, slowed.missed
    );
    let same = bench.same()?;
    println!("compare, the same program: {} of {} points called different", same.different(), same.points);
    println!("in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn main() -> ExitCode {
    if std::env::var_os(SLOWED).is_some() {
        let paused =
            [&const { blocking::<Paused<true>>() } as _, &const { blocking::<Paused<false>>() } as _];
        return iobench::main_with(&[iobench::strategies::ALL, &paused].concat());
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

//! The flags, and nothing but the flags.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::engine::affinity::CpuChoice;
use crate::engine::buffer::Fill;
use crate::engine::cache::CacheState;
use crate::engine::offsets::Access;
use crate::report::sweep::Order;
use crate::selftest::marking::Criterion;
use crate::trace::show::{Show, TracerName};

/// Usage of the lab's program, printed by `io-benchmark` without arguments.
pub const LAB_USAGE: &str = "\
usage: io-benchmark -c|-r|-w [-Bdgjqsv] [-b buffersize] [-n iterations] [-t totalsize] path
       io-benchmark create|describe|read|write [-Bdgjqsv] [-b buffersize] [-n iterations] [-t totalsize] path

Modes (pick one):
    -c              'create mode': create benchmark data file
    -r              'read mode': read() benchmark
    -w              'write mode': write() benchmark

Optional flags:
    -B              Run in bare mode: no preparatory activities
    -d              Set O_DIRECT flag to bypass buffer cache
    -g              Enable getrusage(2) collection
    -j              Output as JSON
    -q              Just run the benchmark, don't print stuff out
    -s              Call fsync() on the file descriptor when complete
    -v              Provide a verbose benchmark description
    -b buffersize   Specify the buffer size (default: 16384)
    -n iterations   Specify the number of times to run (default: 1)
    -t totalsize    Specify the total I/O size (default: 16777216)
";

/// Usage printed by `iobench` without arguments.
pub const USAGE: &str = "\
usage: iobench [--strategy NAME] -c|-r|-w [-Bdgjqsv] [-b buffersize] [-n iterations] [-t totalsize] path
       iobench strategies [-j] [path]
       iobench selftest --strategy NAME [-j] [folder]
       iobench plot RESULT... -o FILE
       iobench --help

Try: iobench --create -r iofile
";

/// Measures what an I/O path costs.
#[derive(Debug, Parser)]
#[command(name = "iobench", version, args_conflicts_with_subcommands = true, args_override_self = true)]
#[command(after_help = "Sizes are bytes, or 4k, 64K, 1M, 1MiB (powers of 1024).\n\
    Exit codes: 0 done, 64 usage, 66 the path cannot be opened, 71 a system call failed, \
    74 an I/O error or partial transfer, 130 Ctrl-C.")]
pub struct Cli {
    /// Commands beside the benchmark itself.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The benchmark.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Commands beside the benchmark itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List each strategy, and whether it runs here
    Strategies(StrategiesArgs),
    /// Mark a strategy: exit 0 all green, 1 something red, 2 something could not be checked
    Selftest(SelftestArgs),
    /// Run every strategy at every buffer size, with statistics that hold
    Sweep(Box<SweepArgs>),
    /// Compare two results: exit 0 no regression, 1 regression, 2 not comparable
    Compare(CompareArgs),
    /// Interleave two settings in one run and compare them
    Ab(AbArgs),
    /// Run the experiment of a sweep's result again and compare
    Rerun(RerunArgs),
    /// Draw results as .svg, .pdf, .png or .html: bandwidth over buffer size
    Plot(PlotArgs),
    /// Run a benchmark under a kernel tracer: what happened between the brackets of each sample
    Trace(TraceArgs),
}

/// Arguments of `iobench sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Read (the default)
    #[arg(short = 'r')]
    pub read_mode: bool,
    /// Write, over what is there
    #[arg(short = 'w', conflicts_with = "read_mode")]
    pub write_mode: bool,
    /// Strategies, with commas between them, or all
    #[arg(long, value_name = "A,B|all", default_value = "all")]
    pub strategy: String,
    /// Buffer sizes: a range of powers of two, or a list
    #[arg(short = 'b', value_name = "A..B|A,B", default_value = "1..16M")]
    pub block_sizes: String,
    /// Stop a point when half of its interval is within this part of its median
    #[arg(long, value_name = "PART", default_value = "2%")]
    pub precision: String,
    /// Time that the sweep may take
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub budget: String,
    /// Most samples of a point that count (with less than 10 none converges)
    #[arg(long, value_name = "N", default_value = "2000")]
    pub largest_n: String,
    /// Order of the points within a round
    #[arg(long, value_enum, default_value_t = Order::Random)]
    pub order: Order,
    /// Seed of the random order [default: the clock]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Cache state to start each sample from
    #[arg(long, value_enum, default_value_t = CacheState::Warm)]
    pub cache: CacheState,
    /// Bytes of each sample [default: 16 MiB or the file, less where that would take more than 5 ms]
    #[arg(short = 't', value_name = "SIZE")]
    pub total_size: Option<String>,
    /// Open with O_DIRECT
    #[arg(short = 'd')]
    pub direct: bool,
    /// Sync at the end of each sample, inside the bracket
    #[arg(short = 's')]
    pub sync: bool,
    /// Operations in flight, for strategies with a queue [default: 32]
    #[arg(long, value_name = "N")]
    pub iodepth: Option<String>,
    /// Completions to wait for at a time [default: the whole queue, or 1 with O_DIRECT]
    #[arg(long, value_name = "N")]
    pub batch: Option<String>,
    /// CPU to pin to, or none [default: CPU 0, or the first that is allowed]
    #[arg(long, value_name = "N|none")]
    pub cpu: Option<String>,
    /// Make a missing file first; an existing one is never touched
    #[arg(long)]
    pub create: bool,
    /// With -w: allow writing to a device that nobody uses
    #[arg(long)]
    pub allow_device_write: bool,
    /// JSON on standard output
    #[arg(short = 'j', long, conflicts_with = "csv")]
    pub json: bool,
    /// One row a sample on standard output
    #[arg(long)]
    pub csv: bool,
    /// Keep the result in this file, replaced after each round
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The file or device
    pub path: PathBuf,
}

/// Arguments of `iobench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Part of the time that a difference must exceed to matter
    #[arg(long, value_name = "PART", default_value = "3%")]
    pub threshold: String,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// The first result: of a sweep, or of a run with -j -v
    pub old: PathBuf,
    /// The second result
    pub new: PathBuf,
}

/// Arguments of `iobench ab`.
#[derive(Debug, Args)]
pub struct AbArgs {
    /// Pairs
    #[arg(short = 'n', value_name = "N", default_value = "20")]
    pub pairs: String,
    /// Part of the time that a difference must exceed to matter
    #[arg(long, value_name = "PART", default_value = "3%")]
    pub threshold: String,
    /// Seed of who goes first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Arguments of the first benchmark, --, arguments of the second
    #[arg(last = true, required = true, value_name = "ARGS_A -- ARGS_B")]
    pub settings: Vec<OsString>,
}

/// Arguments of `iobench rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// Part of the time that a difference must exceed to matter
    #[arg(long, value_name = "PART", default_value = "3%")]
    pub threshold: String,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Keep the new result in this file
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The result of a sweep
    pub result: PathBuf,
}

/// Arguments of `iobench plot`.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// Results of sweeps, or of single runs with -j -v
    #[arg(required = true, value_name = "RESULT")]
    pub results: Vec<PathBuf>,
    /// The file to write; its extension says what: .svg, .pdf, .png or .html
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: PathBuf,
    /// Logarithmic bandwidth axis
    #[arg(long)]
    pub log_y: bool,
    /// Buffer sizes to mark with a line
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', allow_hyphen_values = true)]
    pub mark: Vec<String>,
    /// Heading of the figure
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub title: Option<String>,
}

/// Arguments of `iobench trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The tracer
    #[arg(long, value_enum, default_value_t = TracerName::DEFAULT)]
    pub with: TracerName,
    /// What to show [default: syscalls, and uring for strategies with a queue]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub show: Vec<Show>,
    /// Run this script of your own instead, and print what it prints
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    pub script: Option<PathBuf>,
    /// Print what would be run, and stop
    #[arg(long)]
    pub print_script: bool,
    /// Interleave traced and untraced samples (-n pairs, or 10), and print what tracing costs
    #[arg(long, conflicts_with_all = ["print_script", "script"])]
    pub probe_effect: bool,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Arguments of a benchmark, as without trace: -r -b 4096 iofile
    #[arg(last = true, required = true, value_name = "LAB ARGUMENTS")]
    pub benchmark: Vec<OsString>,
}

/// The arguments behind `iobench trace --`.
#[derive(Debug, Parser)]
#[command(name = "iobench trace --", no_binary_name = true, args_override_self = true)]
pub struct TracedRun {
    /// The benchmark.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `iobench strategies`.
#[derive(Debug, Args)]
pub struct StrategiesArgs {
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// A file, device or folder to ask about
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

/// Arguments of `iobench selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// The strategy, or all
    #[arg(long, value_name = "NAME|all")]
    pub strategy: String,
    /// Mark these rows only [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Criterion>,
    /// Part of the C loop's time by which the strategy may be slower
    #[arg(long, value_name = "PART", default_value = "20%")]
    pub within: String,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Mark in this process, which a broken strategy can end
    #[arg(long, hide = true)]
    pub here: bool,
    /// A folder to put files into, or a file in it, which stays as it is
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

/// Arguments of a benchmark run. Sizes are still text, and may begin with a hyphen: a bad one is
/// reported like every other bad input, as JSON too.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Create (or truncate) the file and write it; implies -B -v
    #[arg(short = 'c')]
    pub create_mode: bool,
    /// Read an existing file or device
    #[arg(short = 'r')]
    pub read_mode: bool,
    /// Write to an existing file or device, over what is there
    #[arg(short = 'w')]
    pub write_mode: bool,
    /// Bare: no preparation before each iteration
    #[arg(short = 'B')]
    pub bare: bool,
    /// Open with O_DIRECT
    #[arg(short = 'd')]
    pub direct: bool,
    /// Collect getrusage(2) around the loop
    #[arg(short = 'g')]
    pub usage: bool,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Run, print nothing
    #[arg(short = 'q')]
    pub quiet: bool,
    /// Sync at the end, inside the bracket
    #[arg(short = 's')]
    pub sync: bool,
    /// Print host and benchmark configuration first
    #[arg(short = 'v')]
    pub verbose: bool,
    /// Buffer size: bytes moved by one I/O
    #[arg(short = 'b', value_name = "SIZE", default_value = "16384", allow_hyphen_values = true)]
    pub block_size: String,
    /// Number of iterations
    #[arg(short = 'n', value_name = "N", default_value = "1", allow_hyphen_values = true)]
    pub iterations: String,
    /// Total size: bytes moved by one iteration
    #[arg(short = 't', value_name = "SIZE", default_value = "16777216", allow_hyphen_values = true)]
    pub total_size: String,
    /// I/O path; `iobench strategies` lists them
    #[arg(long, value_name = "NAME", default_value = "readwrite")]
    pub strategy: String,
    /// Operations in flight, for strategies with a queue [default: 32]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub iodepth: Option<String>,
    /// Completions to wait for at a time [default: the whole queue, or 1 with O_DIRECT]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub batch: Option<String>,
    /// CPU to pin to, or none [default: CPU 0, or the first that is allowed]
    #[arg(long, value_name = "N|none", allow_hyphen_values = true)]
    pub cpu: Option<String>,
    /// State of the buffer's pages when the bracket opens
    #[arg(long, value_enum, default_value_t = Fill::Prefault)]
    pub buffer: Fill,
    /// Pause before each bracket
    #[arg(long, value_name = "SECONDS", default_value = "1", allow_hyphen_values = true)]
    pub settle: String,
    /// With -r or -w: make a missing file first; an existing one is never touched
    #[arg(long)]
    pub create: bool,
    /// Cache state to start each iteration from
    #[arg(long, value_enum, default_value_t = CacheState::AsIs)]
    pub cache: CacheState,
    /// Order of the blocks
    #[arg(long, value_enum, default_value_t = Access::Sequential)]
    pub access: Access,
    /// Seed of a random order
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub seed: String,
    /// Say where the time went, in sentences; implies -g
    #[arg(long)]
    pub explain: bool,
    /// With -w: allow writing to a device that nobody uses
    #[arg(long)]
    pub allow_device_write: bool,
    /// [create|describe|read|write] and the file or device
    #[arg(value_name = "PATH")]
    pub words: Vec<PathBuf>,
}

/// A size in bytes: a number, or one with k, M, G or T, also as Ki or KiB (powers of 1024).
///
/// # Errors
/// A clause for people that says what would have been one.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" | "ki" | "kib" => 10,
        "m" | "mi" | "mib" => 20,
        "g" | "gi" | "gib" => 30,
        "t" | "ti" | "tib" => 40,
        _ => {
            return Err(format!(
                "'{text}' is not a size; write bytes, or 4k, 64K, 1M, 1MiB (powers of 1024)"
            ));
        }
    };
    if number.is_empty() {
        return Err(format!("'{text}' is not a size; write bytes, or 4k, 64K, 1M, 1MiB (powers of 1024)"));
    }
    let too_large = || format!("'{text}' is more than 2^63 - 1 bytes, the largest file offset");
    let number: u64 = number.parse().map_err(|_| too_large())?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("a size must be at least 1".to_owned()),
        Some(bytes) if bytes <= i64::MAX as u64 => Ok(bytes),
        _ => Err(too_large()),
    }
}

/// Buffer sizes: `A..B`, the powers of two from A to B, or a list with commas; ascending.
///
/// # Errors
/// A clause for people.
pub fn sizes(text: &str) -> Result<Vec<u64>, String> {
    let mut sizes = match text.split_once("..") {
        Some((first, last)) => powers_of_two(size_bytes(first)?, size_bytes(last)?),
        None => text.split(',').map(size_bytes).collect::<Result<Vec<u64>, String>>()?,
    };
    sizes.sort_unstable();
    sizes.dedup();
    match sizes.is_empty() {
        true => Err(format!("'{text}' holds no power of two")),
        false => Ok(sizes),
    }
}

fn powers_of_two(first: u64, last: u64) -> Vec<u64> {
    (0..63).map(|exponent| 1 << exponent).filter(|size| (first..=last).contains(size)).collect()
}

/// A part of one: `2%` or `0.02`, above 0 and below 1.
///
/// # Errors
/// A clause for people.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let part = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    part.filter(|part| *part > 0.0 && *part < 1.0)
        .ok_or_else(|| format!("'{text}' is no part of one, such as 2%"))
}

/// A time with a unit, as `60s` or `2min`.
///
/// # Errors
/// A clause for people.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| format!("'{text}' is not a time, such as 60s or 2min"))
}

/// A whole number of at least 1.
///
/// # Errors
/// A clause for people.
pub fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("'{text}' is not a whole number of at least 1")),
        Ok(number) => Ok(number),
    }
}

/// A pause in seconds: a decimal number of at least 0.
///
/// # Errors
/// A clause for people.
pub fn pause(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("'{text}' is not a number of seconds of at least 0"))
}

/// `--cpu`: a number, or none; absent: the first CPU that is allowed.
///
/// # Errors
/// A clause for people.
pub fn cpu(text: Option<&str>) -> Result<CpuChoice, String> {
    match text {
        None => Ok(CpuChoice::First),
        Some("none") => Ok(CpuChoice::Unpinned),
        Some(text) => {
            let number =
                text.parse().map_err(|_| format!("'{text}' is neither the number of a CPU nor none"))?;
            Ok(CpuChoice::Number(number))
        }
    }
}

/// What clap says on several lines: the error and its tips, without usage and heading.
pub fn in_one_sentence(error: &clap::Error) -> String {
    let message = error.to_string();
    let ends = |line: &str| line.starts_with("Usage:") || line.starts_with("For more information");
    let lines = message.lines().take_while(|line| !ends(line)).map(str::trim);
    let clauses: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    format!("{}; see iobench --help", clauses.join("; ").trim_start_matches("error: "))
}

/// Whether a word of a command line that could not be parsed is `-j`, alone or in a bundle.
pub fn asks_for_json(word: &str) -> bool {
    word == "--json" || (word.starts_with('-') && !word.starts_with("--") && word.contains('j'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("1", 1),
            ("4k", 4096),
            ("64K", 65536),
            ("1M", 1 << 20),
            ("1MiB", 1 << 20),
            ("2Gi", 2 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_a_reason() {
        for text in [
            "",
            "k",
            "0",
            "0k",
            "-1",
            "4kb",
            "4KB",
            "4 k",
            "1.5M",
            "x",
            "99999999999999999999",
            "9999999999T",
        ] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
        assert!(size_bytes("9223372036854775807").is_ok());
        assert!(size_bytes("9223372036854775808").is_err());
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn ranges_and_lists_of_sizes() {
        assert_eq!(sizes("1..16M").map(|sizes| sizes.len()), Ok(25));
        assert_eq!(sizes("4k,64k,4k"), Ok(vec![4096, 65536]));
        assert_eq!(sizes("3..9"), Ok(vec![4, 8]));
        assert!(sizes("5..7").is_err() && sizes("9..3").is_err() && sizes("1..x").is_err());
    }

    #[test]
    fn parts_and_times() {
        assert_eq!(fraction("2%"), Ok(0.02));
        assert_eq!(fraction("0.5"), Ok(0.5));
        assert!(fraction("0%").is_err() && fraction("100%").is_err() && fraction("x").is_err());
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        assert!(duration("0s").is_err() && duration("5").is_err());
    }

    #[test]
    fn pauses_and_cpus() {
        assert_eq!(pause("0.25"), Ok(Duration::from_millis(250)));
        assert!(pause("-1").is_err() && pause("nan").is_err() && pause("1e300").is_err());
        assert_eq!(cpu(Some("none")), Ok(CpuChoice::Unpinned));
        assert_eq!(cpu(Some("3")), Ok(CpuChoice::Number(3)));
        assert!(cpu(Some("-3")).is_err());
    }
}

//! The flags. Values are parsed here, once; `command` checks them against each other.

use std::error::Error as _;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::engine::access::Access;
use crate::engine::affinity::CpuChoice;
use crate::engine::cache::CacheState;
use crate::engine::workload::{Files, OpenSync, PageState};
use crate::error::Error;
use crate::report::axes::Axis;
use crate::report::figure::quantity::Quantity;
use crate::report::figure::{Horizontal, Kind};
use crate::report::latency::Metric;
use crate::report::sweep::Order;
use crate::selftest::table::Criterion;
use crate::trace::show::{Show, TracerName};
use crate::units::{self, List};

/// Usage of `io-benchmark`, which it prints without arguments.
pub(crate) const LAB_USAGE: &str = include_str!("lab_usage.txt");

/// The strategy of `io-benchmark`.
pub(crate) const DEFAULT_STRATEGY: &str = "readwrite";

/// Measures what an I/O path costs.
#[derive(Debug, Parser)]
#[command(name = "iobench", version, args_conflicts_with_subcommands = true, args_override_self = true)]
#[command(after_help = "Sizes are bytes, or 4k, 64K, 1M, 1MiB (powers of 1024).\n\
    Exit codes: 0 done, 3 done with a warning (--strict), 64 usage, 66 a path cannot be opened or used, \
    71 a system call failed, 74 an I/O error, a partial transfer or a file that is too short, 130 Ctrl-C.\n\n\
    Examples:\n  \
    iobench --create -r iofile                       read iofile, created if it is missing\n  \
    iobench --strategy mmap -r -b 64k --explain iofile  one path, with an explanation\n  \
    iobench sweep iofile                             every path at 25 buffer sizes, in a minute")]
pub(crate) struct Cli {
    /// Commands other than the benchmark itself.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The benchmark.
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Commands other than the benchmark itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the strategies, and show which ones run here
    Strategies(StrategiesArgs),
    /// Check a strategy: exit 0 all passed, 1 something failed, 2 something could not be checked
    Selftest(SelftestArgs),
    /// Measure every strategy at every buffer size, and print medians with 95 % intervals
    Sweep(Box<SweepArgs>),
    /// Compare two results: exit 0 no regression found, 1 regression, 2 not comparable
    Compare(CompareArgs),
    /// Compare setting A with setting B in pairs of samples
    Ab(AbArgs),
    /// Repeat the experiment of a sweep's result and compare
    Rerun(RerunArgs),
    /// Draw results as .svg, .html or .png: bandwidth, latency or CPU time over any axis of a sweep
    Plot(PlotArgs),
    /// Run a benchmark under a kernel tracer, and show the events during each sample
    Trace(Box<TraceArgs>),
    /// Do a job that another iobench describes
    #[command(hide = true)]
    Job(JobArgs),
}

/// Options that every command that measures takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkloadArgs {
    /// Open with O_NOATIME: reading does not update the file's access time
    #[arg(long)]
    pub(crate) noatime: bool,
    /// Sync at the end of each sample; its time is part of the sample
    #[arg(short = 's')]
    pub(crate) sync: bool,
    /// Completions to wait for at a time [default: the whole queue, or 1 with O_DIRECT]
    #[arg(long, value_name = "N", value_parser = units::parse_depth)]
    pub(crate) batch: Option<u32>,
    /// Record the latency of each I/O: percentiles and a histogram per sample
    #[arg(long)]
    pub(crate) latency: bool,
    /// With -w: sync the data after every N writes of a worker
    #[arg(long, value_name = "N", value_parser = units::parse_count)]
    pub(crate) sync_every: Option<u64>,
    /// With -w: open with O_DSYNC or O_SYNC, which sync each write
    #[arg(long, value_enum, default_value_t = OpenSync::None)]
    pub(crate) open_sync: OpenSync,
    /// Files of the workers: one that they share, or PATH.0, PATH.1 and so on with a share of the total each
    #[arg(long, value_enum, default_value_t = Files::Shared)]
    pub(crate) files: Files,
    /// CPUs to pin the workers to, or none [default: CPU 0 and the following, of those that are allowed]
    #[arg(long, value_name = "N|0-3,6|none", default_value = "default", hide_default_value = true)]
    pub(crate) cpu: CpuChoice,
    /// Create the file first if it is missing; an existing file is not recreated
    #[arg(long)]
    pub(crate) create: bool,
    /// With --create: size of the new file [default: the total, and for a sweep at least 16 MiB]
    #[arg(long, value_name = "SIZE", requires = "create", value_parser = units::parse_size)]
    pub(crate) file_size: Option<u64>,
    /// With -w or -c: allow writing to a device, or to a file that serves as one, that is not in use
    #[arg(long)]
    pub(crate) allow_device_write: bool,
}

/// Arguments of a benchmark run.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Create (or truncate) the file and write it; implies -B -v
    #[arg(short = 'c')]
    pub(crate) create_mode: bool,
    /// Read an existing file or device
    #[arg(short = 'r')]
    pub(crate) read_mode: bool,
    /// Overwrite an existing file or device
    #[arg(short = 'w')]
    pub(crate) write_mode: bool,
    /// Bare: no preparation before each sample
    #[arg(short = 'B')]
    pub(crate) bare: bool,
    /// Report the getrusage(2) values of each sample
    #[arg(short = 'g')]
    pub(crate) usage: bool,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
    /// Print no result
    #[arg(short = 'q')]
    pub(crate) quiet: bool,
    /// Exit with code 3 if there is a warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// Open with O_DIRECT
    #[arg(short = 'd')]
    pub(crate) direct: bool,
    /// Operations in flight, for strategies with a queue [default: 32]
    #[arg(long, value_name = "N", value_parser = units::parse_depth)]
    pub(crate) iodepth: Option<u32>,
    /// Workers, each on a thread, a descriptor and a CPU of its own; they share the total
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::parse_threads)]
    pub(crate) threads: u32,
    /// Print host and benchmark configuration first
    #[arg(short = 'v')]
    pub(crate) verbose: bool,
    /// Buffer size: bytes moved by one I/O
    #[arg(short = 'b', value_name = "SIZE", default_value = "16384", value_parser = units::parse_size)]
    pub(crate) block_bytes: u64,
    /// Number of samples
    #[arg(short = 'n', value_name = "N", default_value = "1", value_parser = units::parse_count)]
    pub(crate) iterations: u64,
    /// Repeat samples for this time instead, without a pause before each
    #[arg(long = "for", value_name = "TIME", conflicts_with = "iterations", value_parser = units::parse_time)]
    pub(crate) for_time: Option<Duration>,
    /// Total size: bytes moved by one sample [default: 16777216]
    #[arg(short = 't', value_name = "SIZE", value_parser = units::parse_size)]
    pub(crate) total_bytes: Option<u64>,
    /// I/O path; `iobench strategies` lists them
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STRATEGY)]
    pub(crate) strategy: String,
    /// Options of the workload.
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// State of the buffer's pages when a sample starts
    #[arg(long, value_enum, default_value_t = PageState::Prefault)]
    pub(crate) buffer: PageState,
    /// Pause before each sample [default: 1, or 0 with -B, with --for and in ab]
    #[arg(long, value_name = "SECONDS", value_parser = units::parse_pause)]
    pub(crate) settle: Option<Duration>,
    /// Cache state to start each sample from
    #[arg(long, value_enum, default_value_t = CacheState::AsIs)]
    pub(crate) cache: CacheState,
    /// Order of the blocks: sequential, backward, stride:SIZE, random, random:SIZE (runs of SIZE), or with
    /// replacement uniform, zipf:THETA
    #[arg(long, value_name = "ORDER", default_value = "sequential")]
    pub(crate) access: Access,
    /// Seed of a random order
    #[arg(long, value_name = "N", default_value = "0", value_parser = units::parse_seed)]
    pub(crate) seed: u64,
    /// I/Os per second of all workers together; an I/O that is late counts from the time at which it was due
    #[arg(long, value_name = "N", value_parser = units::parse_count)]
    pub(crate) rate: Option<u64>,
    /// Percentage of reads, in a random order; the other blocks are overwritten, so it requires -w
    #[arg(long, value_name = "PERCENT", value_parser = units::parse_percent)]
    pub(crate) mix: Option<u32>,
    /// Explain in sentences where the time went; implies -g
    #[arg(long)]
    pub(crate) explain: bool,
    /// The file or device; the word create, read or write before it replaces -c, -r or -w, and describe only
    /// prints the configuration
    #[arg(value_name = "PATH")]
    pub(crate) words: Vec<PathBuf>,
}

/// Arguments of `iobench sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Read (the default)
    #[arg(short = 'r')]
    pub(crate) read_mode: bool,
    /// Overwrite the file
    #[arg(short = 'w', conflicts_with = "read_mode")]
    pub(crate) write_mode: bool,
    /// Strategies, separated by commas, or all
    #[arg(long, value_name = "A,B|all", default_value = "all")]
    pub(crate) strategy: String,
    /// Buffer sizes. A list has values and ranges: A..B are the powers of two from A to B, A..B/STEP is every
    /// STEP from A to B
    #[arg(short = 'b', value_name = "LIST", default_value = "1..16M", value_parser = units::parse_sizes)]
    pub(crate) block_sizes: List<u64>,
    /// List of depths, for strategies with a queue [default: 32, fewer if the buffers exceed half of the L2
    /// cache]
    #[arg(long, value_name = "LIST", value_parser = units::parse_depths)]
    pub(crate) iodepth: Option<List<u32>>,
    /// List of numbers of workers, each with a thread, a descriptor and a CPU of its own
    #[arg(long, value_name = "LIST", default_value = "1", value_parser = units::parse_thread_counts)]
    pub(crate) threads: List<u32>,
    /// Orders of the blocks, separated by commas: those of a run
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "sequential")]
    pub(crate) access: Vec<Access>,
    /// With -w: list of percentages of reads
    #[arg(long, value_name = "LIST", value_parser = units::parse_percents)]
    pub(crate) mix: Option<List<u32>>,
    /// List of rates: I/Os per second of all workers together
    #[arg(long, value_name = "LIST", value_parser = units::parse_counts)]
    pub(crate) rate: Option<List<u64>>,
    /// Open with O_DIRECT, without it, or both [default: as the strategy does]
    #[arg(long, value_name = "on,off", value_enum, value_delimiter = ',', conflicts_with = "direct_only")]
    pub(crate) direct: Vec<Switch>,
    /// The same as --direct on
    #[arg(short = 'd')]
    pub(crate) direct_only: bool,
    /// Bytes per sample [default: the file size, at most 16 MiB; less if a sample would take over 5 ms. With
    /// --cache cold: at most four readahead windows, and 50 ms]
    #[arg(short = 't', value_name = "SIZE", value_parser = units::parse_size)]
    pub(crate) total_bytes: Option<u64>,
    /// Options of the workload.
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// Cache states to start the samples from, separated by commas; O_DIRECT starts cold instead of warm, so
    /// that no sample contains the invalidation of cached pages
    #[arg(long, value_enum, value_delimiter = ',', default_value = "warm")]
    pub(crate) cache: Vec<CacheState>,
    /// With -w: first write the whole range twice, as for a device whose steady state is measured
    #[arg(long)]
    pub(crate) precondition: bool,
    /// Stop sampling a point once the half-width of its 95 % interval is at most this fraction of the median
    #[arg(long, value_name = "FRACTION", default_value = "2%", value_parser = units::parse_fraction)]
    pub(crate) precision: f64,
    /// Time after which no new round starts [default: 60s, or with --resume the rest of the former budget]
    #[arg(long, value_name = "TIME", value_parser = units::parse_time)]
    pub(crate) budget: Option<Duration>,
    /// Print the points, the bytes that would be written and the time that they need, and measure nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Continue the sweep that ended before its time, with the settings in this result file
    #[arg(long, value_name = "RESULT", conflicts_with_all = ["path", "dry_run"])]
    pub(crate) resume: Option<PathBuf>,
    /// Options of reading.
    #[command(flatten)]
    pub(crate) reading: ResultArgs,
    /// Maximum number of samples per point (at least 10 are needed to converge)
    #[arg(long, value_name = "N", default_value = "2000", value_parser = units::parse_count)]
    pub(crate) largest_n: u64,
    /// Order of the points within a round
    #[arg(long, value_enum, default_value_t = Order::Random)]
    pub(crate) order: Order,
    /// Seed of the random order [default: the clock]
    #[arg(long, value_name = "N", value_parser = units::parse_seed)]
    pub(crate) seed: Option<u64>,
    /// JSON on standard output
    #[arg(short = 'j', long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// One row per sample on standard output
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print the whole intervals, however wide the table gets
    #[arg(long)]
    pub(crate) wide: bool,
    /// Print the knees of the curves that the cost models do not explain
    #[arg(long)]
    pub(crate) knees: bool,
    /// Exit with code 3 if there is a warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write the result to this file after each round [default with --resume: the file that is continued]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The file or device
    #[arg(required_unless_present = "resume")]
    pub(crate) path: Option<PathBuf>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// Options of every command that compares.
#[derive(Debug, Args)]
pub(crate) struct ComparisonArgs {
    /// Smallest relative difference in time that counts as slower or faster
    #[arg(long, value_name = "FRACTION", default_value = "3%", value_parser = units::parse_fraction)]
    pub(crate) threshold: f64,
    /// Exit with code 3 if there is a warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
}

/// Options of every command that reads results.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// Maximum size of a result file
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = units::parse_size)]
    pub(crate) max_result_size: u64,
}

/// Arguments of `iobench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Options of reading.
    #[command(flatten)]
    pub(crate) reading: ResultArgs,
    /// Options of the comparison.
    #[command(flatten)]
    pub(crate) comparison: ComparisonArgs,
    /// Compare this instead of the time per byte: a percentile or the mean of the latency
    #[arg(long, value_enum, default_value_t = Metric::Time)]
    pub(crate) metric: Metric,
    /// The old and the new result, from sweeps or from runs with -j -v; before a --, two or more old ones
    #[arg(required = true, value_name = "RESULT")]
    pub(crate) results: Vec<PathBuf>,
    /// As many new ones or more: with several runs on each side, their scatter is part of the comparison
    #[arg(last = true, value_name = "NEW")]
    pub(crate) new: Vec<PathBuf>,
}

/// Arguments of `iobench ab`.
#[derive(Debug, Args)]
pub(crate) struct AbArgs {
    /// Number of pairs [default: as many as --precision takes]
    #[arg(short = 'n', value_name = "N", value_parser = units::parse_count)]
    pub(crate) pairs: Option<u64>,
    /// Stop once the half-width of the 95 % interval of the ratio is at most this fraction
    #[arg(long, value_name = "FRACTION", default_value = "1%", conflicts_with = "pairs")]
    #[arg(value_parser = units::parse_fraction)]
    pub(crate) precision: f64,
    /// Time after which no new pair starts
    #[arg(long, value_name = "TIME", default_value = "20s", conflicts_with = "pairs")]
    #[arg(value_parser = units::parse_time)]
    pub(crate) budget: Duration,
    /// Compare this instead of the time per byte: a percentile or the mean of the latency; implies --latency
    #[arg(long, value_enum, default_value_t = Metric::Time)]
    pub(crate) metric: Metric,
    /// Seed of the order within each pair
    #[arg(long, value_name = "N", default_value = "0", value_parser = units::parse_seed)]
    pub(crate) seed: u64,
    /// Options of the comparison.
    #[command(flatten)]
    pub(crate) comparison: ComparisonArgs,
    /// Arguments of benchmark A, --, arguments of benchmark B
    #[arg(last = true, required = true, value_name = "ARGS_A -- ARGS_B")]
    pub(crate) settings: Vec<OsString>,
}

/// Arguments of `iobench rerun`.
#[derive(Debug, Args)]
pub(crate) struct RerunArgs {
    /// Options of the comparison.
    #[command(flatten)]
    pub(crate) comparison: ComparisonArgs,
    /// Options of reading.
    #[command(flatten)]
    pub(crate) reading: ResultArgs,
    /// Overwrite the file again; required if the result is of writing
    #[arg(short = 'w')]
    pub(crate) write_mode: bool,
    /// With -w: allow writing to a device that is not in use
    #[arg(long)]
    pub(crate) allow_device_write: bool,
    /// Write the new result to this file
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The result of a sweep
    pub(crate) result: PathBuf,
}

/// Arguments of `iobench plot`.
#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// Options of reading.
    #[command(flatten)]
    pub(crate) reading: ResultArgs,
    /// Results of sweeps, or of single runs with -j -v
    #[arg(required = true, value_name = "RESULT")]
    pub(crate) results: Vec<PathBuf>,
    /// The file to write; its extension gives the format: .svg, .html, or .png (if built with --features png)
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Kind of the figure
    #[arg(long, value_enum, default_value_t = Kind::Curves)]
    pub(crate) kind: Kind,
    /// Axis from left to right [default: the numeric axis with the most values]
    #[arg(long, value_enum, value_name = "AXIS")]
    pub(crate) x: Option<Horizontal>,
    /// Quantity on the vertical axis, or of the colours
    #[arg(long, value_enum, default_value_t = Quantity::Bandwidth)]
    pub(crate) y: Quantity,
    /// Axis with a curve per value [default: the axis with the most values of the others, which become
    /// panels]
    #[arg(long, value_enum, value_name = "AXIS")]
    pub(crate) series: Option<Axis>,
    /// With --kind ratio: the series of which the others are shown as multiples, such as pread
    #[arg(long, value_name = "SERIES")]
    pub(crate) to: Option<String>,
    /// Logarithmic vertical axis
    #[arg(long)]
    pub(crate) log_y: bool,
    /// Draw the knees of the curves that the cost models do not explain
    #[arg(long)]
    pub(crate) knees: bool,
    /// Buffer sizes to mark with a line
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', value_parser = units::parse_size)]
    pub(crate) mark: Vec<u64>,
    /// Heading of the figure
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}

/// Arguments of `iobench trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The tracer
    #[arg(long, value_enum, default_value_t = TracerName::DEFAULT)]
    pub(crate) with: TracerName,
    /// Events to show [default: syscalls, and uring for strategies with a queue]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) show: Vec<Show>,
    /// Run this script instead, and print its output
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    pub(crate) script: Option<PathBuf>,
    /// Print the script without running it
    #[arg(long)]
    pub(crate) print_script: bool,
    /// Alternate traced and untraced samples, and print the cost of tracing; -n in ARGS is the number of
    /// pairs [default: 10]
    #[arg(long, conflicts_with_all = ["print_script", "script"])]
    pub(crate) probe_effect: bool,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
    /// Arguments of the benchmark to trace, for example -r -b 4096 iofile
    #[arg(last = true, required = true, value_name = "ARGS")]
    pub(crate) benchmark: Vec<OsString>,
}

/// The arguments of a benchmark after a `--`.
#[derive(Debug, Parser)]
#[command(name = "iobench", no_binary_name = true, args_override_self = true)]
struct NestedRun {
    #[command(flatten)]
    run: RunArgs,
}

/// Arguments of `iobench strategies`.
#[derive(Debug, Args)]
pub(crate) struct StrategiesArgs {
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
    /// A file, device or folder to check support on
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
}

/// Arguments of `iobench selftest`.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// The strategy, or all
    #[arg(long, value_name = "NAME|all")]
    pub(crate) strategy: String,
    /// Run only these checks [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Criterion>,
    /// Maximum slowdown compared with the C loop, as a fraction of its time
    #[arg(long, value_name = "FRACTION", default_value = "20%", value_parser = units::parse_fraction)]
    pub(crate) within: f64,
    /// JSON on standard output
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
    /// Folder for temporary files; if PATH is a file, its folder is used and the file is not changed
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
}

/// Arguments of the hidden command that does a job for another process.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job as JSON.
    pub(crate) job: String,
}

/// Parses the command line.
///
/// # Errors
/// clap's error, which may be a request for help.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&with_hyphen_values(Cli::command()).try_get_matches_from(arguments)?)
}

/// Accepts values that begin with a hyphen, so that the parser of the value reports a bad one. Otherwise it
/// would be taken for a flag.
fn with_hyphen_values(command: clap::Command) -> clap::Command {
    let takes_value = |arg: &Arg| arg.get_action().takes_values() && !arg.is_positional();
    let command = command.mut_args(|arg| if takes_value(&arg) { arg.allow_hyphen_values(true) } else { arg });
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    names.iter().fold(command, |command, name| command.mut_subcommand(name, with_hyphen_values))
}

/// Parses the arguments of a benchmark after a `--`. Returns `Ok(None)` if `--help` was printed.
///
/// # Errors
/// A usage error.
pub(crate) fn parse_nested(arguments: &[OsString]) -> Result<Option<RunArgs>, Error> {
    let matches = with_hyphen_values(NestedRun::command()).try_get_matches_from(arguments);
    match matches.and_then(|matches| NestedRun::from_arg_matches(&matches)) {
        Ok(parsed) => Ok(Some(parsed.run)),
        Err(error) if !error.use_stderr() => error.print().map(|()| None).map_err(Error::output),
        Err(error) => Err(usage_error(&error, "after --: ")),
    }
}

/// The error of an invalid command line in one sentence: the flag and the reason for a bad value, or else the
/// error with its tips, after the `place` that it is about.
pub(crate) fn usage_error(error: &clap::Error, place: &str) -> Error {
    if let (ErrorKind::ValueValidation, Some(reason), Some(ContextValue::String(argument))) =
        (error.kind(), error.source(), error.get(ContextKind::InvalidArg))
    {
        let flag = argument.split(' ').next().unwrap_or_default();
        return Error::usage(format!("{flag}: {reason}"));
    }
    let message = error.to_string();
    let ends = |line: &str| line.starts_with("Usage:") || line.starts_with("For more information");
    // The advice to put `--` in front of an argument is wrong for most mistakes.
    let is_advice = |line: &&str| line.starts_with("tip: to pass");
    let lines = message.lines().take_while(|line| !ends(line)).map(str::trim);
    let clauses: Vec<&str> = lines.filter(|line| !line.is_empty() && !is_advice(line)).collect();
    let problem = clauses.join("; ").replace(":; ", ": ");
    let problem = problem.trim_start_matches("error: ");
    Error::usage(format!("{place}{problem}; see {} --help", command_of(&message)))
}

/// The command that an error of clap is about, from its usage line.
fn command_of(message: &str) -> String {
    let usage = message.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("iobench");
    let is_name = |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    usage.split(' ').take_while(is_name).filter(|word| !word.starts_with('-')).collect::<Vec<_>>().join(" ")
}

/// The help text that `iobench` prints without arguments.
pub(crate) fn help() -> String {
    Cli::command().render_help().to_string()
}

/// True if a word of a command line that could not be parsed is `-j`, alone or in a bundle.
pub(crate) fn asks_for_json(word: &str) -> bool {
    word == "--json" || (word.starts_with('-') && !word.starts_with("--") && word.contains('j'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bad_value_gets_the_same_sentence_in_every_command() {
        let sentence = |words: &str| {
            let parsed = parse(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
            parsed.map_err(|error| usage_error(&error, "").to_string()).unwrap_err()
        };
        let nested = |words: &str| {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            parse_nested(&words).map_err(|error| error.to_string()).unwrap_err()
        };
        let size = "-b: '-1' is not a size; write bytes, or 4k, 64K, 1M, 1MiB (powers of 1024)";
        assert_eq!(sentence("iobench -r -b -1 f"), size);
        assert_eq!(sentence("iobench sweep -b -1 f"), size);
        assert_eq!(nested("-r -b -1 f"), size);
        let depth = "--iodepth: 'x' is not a positive whole number";
        assert_eq!(sentence("iobench -r --iodepth x f"), depth);
        assert_eq!(sentence("iobench sweep --iodepth x f"), depth);
        assert_eq!(nested("-r --iodepth x f"), depth);
        assert_eq!(sentence("iobench sweep -b 0 f"), nested("-r -b 0 f"));
    }
}

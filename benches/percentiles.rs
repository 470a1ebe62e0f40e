//! Latencies on a device beside those of fio and of pg_test_fsync, in interleaved pairs.
//!
//!     cargo bench --bench percentiles -- [--pairs N] [--folder FOLDER]
//!
//! It prints medians over the pairs and their ratios. They never decide the exit code: a device that other
//! programs also use gives other figures each time. If a program is missing, a line says so in place of its
//! rows.

mod common;

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use common::{Place, Result, output};
use iobench::stats;
use serde_json::Value;

/// Size of the data file. Too much for most disks to keep in their own memory.
const FILE_BYTES: u64 = 1 << 30;
const BLOCK_BYTES: u64 = 4 << 10;
const WAL_BYTES: u64 = 8 << 10;
const PG_TEST_FSYNC: &str = "/usr/lib/postgresql/15/bin/pg_test_fsync";

type Options = &'static [&'static str];

/// Random reads with O_DIRECT: name, options of iobench, options of fio.
///
/// By default fio takes one completion at a time and submits the next operation before it looks at the
/// others, so these seem to take longer. With `iodepth_batch_complete_max` it takes all that are there, as
/// iobench does.
const FIO_ROWS: [(&str, Options, Options); 3] = [
    (
        "direct, 2 threads, against psync",
        &["--strategy", "direct", "--threads", "2"],
        &["--ioengine=psync", "--numjobs=2"],
    ),
    ("io_uring -d, depth 8, against io_uring", RING, &[FIO_RING[0], FIO_RING[1], FIO_RING[2], FIO_RING[3]]),
    ("io_uring -d, depth 8, against io_uring with complete_max=8", RING, &FIO_RING),
];
const RING: Options = &["--strategy", "io_uring", "-d", "--iodepth", "8"];
const FIO_RING: [&str; 5] = [
    "--ioengine=io_uring",
    "--iodepth=8",
    "--fixedbufs=1",
    "--registerfiles=1",
    "--iodepth_batch_complete_max=8",
];

/// Compares latencies with those of other programs.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    place: Place,
    /// Pairs per row
    #[arg(long, value_name = "N", default_value_t = 9)]
    pairs: usize,
    /// Little work, to check that everything runs
    #[arg(long)]
    small: bool,
    /// Passed by `cargo bench` and not by `cargo test`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Figures of one run, in the order of the names of its row.
type Figures = Vec<f64>;

/// One comparison.
struct Row<'a> {
    name: &'static str,
    figures: &'static [&'static str],
    ours: Box<dyn Fn() -> Result<Figures> + 'a>,
    theirs: Box<dyn Fn() -> Result<Figures> + 'a>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("percentiles: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let file_bytes = if args.small { 16 << 20 } else { FILE_BYTES };
    let pairs = if args.small { 1 } else { args.pairs };
    let iobench = args.place.iobench.canonicalize()?;
    let folder = tempfile::Builder::new().prefix("percentiles.").tempdir_in(&args.place.folder)?;
    let data = folder.path().join("data");
    let total = file_bytes.to_string();
    output(Command::new(&iobench).args(["create", "-b1M", "-t", &total]).arg(&data))?;
    println!("| run | figure | pairs | iobench | the other | ratio of medians |\n|---|---|---|---|---|---|");
    for row in rows(args, &iobench, folder.path(), &data, file_bytes) {
        take(&row, pairs)?;
    }
    Ok(())
}

fn rows<'a>(
    args: &Args,
    iobench: &'a Path,
    folder: &'a Path,
    data: &'a Path,
    file_bytes: u64,
) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    // Three samples take about as long as fio.
    let total_bytes = if args.small { 4 << 20 } else { file_bytes / 8 };
    let seconds = if args.small { "1" } else { "2" };
    if has("fio") {
        for (name, ours, theirs) in FIO_ROWS {
            rows.push(Row {
                name,
                figures: &["p50 (us)", "p99 (us)", "I/Os per second"],
                ours: Box::new(move || random_reads(iobench, data, ours, total_bytes)),
                theirs: Box::new(move || fio(folder, data, theirs, file_bytes, seconds)),
            });
        }
    } else {
        println!("fio is not installed: its rows are left out");
    }
    if has(PG_TEST_FSYNC) {
        rows.push(Row {
            name: "pread --sync-every 1, 8 KiB, pg_test_fsync fdatasync",
            figures: &["write and sync (us)"],
            ours: Box::new(move || commits(iobench, folder)),
            // A second for each of its dozen methods.
            theirs: Box::new(move || pg_test_fsync(folder, "1")),
        });
    } else {
        println!("{PG_TEST_FSYNC} is not installed: its row is left out");
    }
    rows
}

/// Takes the pairs of a row, with a different one first each time, and prints a line per figure.
fn take(row: &Row, pairs: usize) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        if pair % 2 == 0 {
            ours.push((row.ours)()?);
            theirs.push((row.theirs)()?);
        } else {
            theirs.push((row.theirs)()?);
            ours.push((row.ours)()?);
        }
    }
    for (index, figure) in row.figures.iter().enumerate() {
        let median = |runs: &[Figures]| {
            let values: Vec<f64> = runs.iter().map(|run| run[index]).collect();
            stats::median(&values).unwrap_or(f64::NAN)
        };
        let (ours, theirs) = (median(&ours), median(&theirs));
        println!("| {} | {figure} | {pairs} | {ours:.1} | {theirs:.1} | {:.3} |", row.name, ours / theirs);
    }
    Ok(())
}

/// Median over the samples of p50 and p99, in microseconds, and I/Os per second.
fn random_reads(iobench: &Path, data: &Path, options: &[&str], total_bytes: u64) -> Result<Figures> {
    let (block, total) = (BLOCK_BYTES.to_string(), total_bytes.to_string());
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos() as u64 >> 10;
    let mut command = Command::new(iobench);
    command.args([
        "-r",
        "-B",
        "-j",
        "-n",
        "3",
        "--access",
        "random",
        "--latency",
        "-b",
        &block,
        "-t",
        &total,
    ]);
    command.args(["--seed", &seed.to_string()]).args(options).arg(data);
    let document: Value = serde_json::from_str(&output(&mut command)?)?;
    let samples = document["benchmark_samples"].as_array().ok_or("no samples")?;
    let median = |figure: &dyn Fn(&Value) -> Option<f64>| -> Result<f64> {
        let values: Option<Vec<f64>> = samples.iter().map(figure).collect();
        Ok(stats::median(&values.ok_or("a figure is missing")?).ok_or("no samples")?)
    };
    Ok(vec![
        median(&|sample| Some(sample["latency_ns"]["p50"].as_f64()? / 1e3))?,
        median(&|sample| Some(sample["latency_ns"]["p99"].as_f64()? / 1e3))?,
        median(&|sample| Some(sample["io_count"].as_f64()? / sample["time"].as_f64()?))?,
    ])
}

/// The same by fio, over its whole run.
fn fio(folder: &Path, data: &Path, options: &[&str], file_bytes: u64, seconds: &str) -> Result<Figures> {
    let mut command = Command::new("fio");
    command.args(["--name=percentiles", "--rw=randread", "--direct=1", "--thread=1", "--group_reporting=1"]);
    command.args([
        "--cpus_allowed=0,1",
        "--cpus_allowed_policy=split",
        "--time_based=1",
        "--allow_file_create=0",
    ]);
    command.args(["--randrepeat=0", "--output-format=json", "--lat_percentiles=1", "--clat_percentiles=0"]);
    command.arg(format!("--bs={BLOCK_BYTES}")).arg(format!("--size={file_bytes}"));
    command.arg(format!("--runtime={seconds}")).arg(format!("--filename={}", data.display()));
    let document: Value = serde_json::from_str(&output(command.args(options).current_dir(folder))?)?;
    let read = &document["jobs"][0]["read"];
    let percentile = |name: &str| read["lat_ns"]["percentile"][name].as_f64().map(|ns| ns / 1e3);
    let figures = [percentile("50.000000"), percentile("99.000000"), read["iops"].as_f64()];
    Ok(figures.into_iter().collect::<Option<Vec<f64>>>().ok_or("fio printed no percentiles")?)
}

/// Mean time of a write of 8 KiB and its sync, in microseconds, the median over the samples. pg_test_fsync
/// writes one block again and again, on any CPU. A Zipf distribution with this exponent names the same block
/// 999 times of 1000.
fn commits(iobench: &Path, folder: &Path) -> Result<Figures> {
    let wal = folder.join("wal");
    let bytes = WAL_BYTES.to_string();
    if !wal.exists() {
        std::fs::write(&wal, vec![1; 16 << 20])?;
        std::fs::File::open(&wal)?.sync_all()?;
    }
    let mut command = Command::new(iobench);
    command.args(["-w", "-B", "-j", "-n", "8", "--cpu", "none", "--strategy", "pread"]);
    command.args(["--sync-every", "1", "--access", "zipf:10", "-b", &bytes, "-t", "16M"]).arg(&wal);
    let document: Value = serde_json::from_str(&output(&mut command)?)?;
    let samples = document["benchmark_samples"].as_array().ok_or("no samples")?;
    let means: Option<Vec<f64>> =
        samples.iter().map(|sample| Some(sample["commit_latency_ns"]["mean"].as_f64()? / 1e3)).collect();
    Ok(vec![stats::median(&means.ok_or("no latency of a sync")?).ok_or("no samples")?])
}

/// The line of the section of one 8 KiB write: `fdatasync   1234.567 ops/sec   810 usecs/op`.
fn pg_test_fsync(folder: &Path, seconds: &str) -> Result<Figures> {
    let mut command = Command::new(PG_TEST_FSYNC);
    let printed = output(command.args(["-s", seconds]).arg("-f").arg(folder.join("pg")))?;
    let line =
        printed.lines().map(str::trim).find(|line| line.starts_with("fdatasync")).ok_or("no fdatasync")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "usecs/op").ok_or("no usecs/op")?;
    Ok(vec![words[at - 1].parse()?])
}

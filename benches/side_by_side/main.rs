//! iobench beside other programs: fio, and a C loop that does only the same I/O.
//!
//!     cargo bench --bench side_by_side -- [--only NAME] [--pairs N] [--write docs/performance.md]
//!
//! Every figure is a ratio of throughputs within a pair of consecutive runs on a file in the page cache. The
//! table shows the median over the pairs with its interval. The figures never decide the exit code. It is 1
//! only if a program could not run.

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod machine;
mod programs;
mod ratio;
mod series;
mod table;

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tempfile::NamedTempFile;

use crate::cases::{Case, Rival, Scale};
use crate::common::{Place, Result};
use crate::programs::Programs;
use crate::series::Series;

/// Pairs of the full run: ranks 4 and 12 bound the median.
const FULL_PAIRS: usize = 15;
const SMALL_PAIRS: usize = 3;

/// Runs iobench against a C loop and against fio, and prints the ratios.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    place: Place,
    /// Only the cases whose name contains NAME, such as "C pread", "fio" or "null" (repeatable)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Pairs per case; 15, or 3 with --small
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Seed for the order of the cases and within the pairs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Little work, to check that everything runs; also with IOBENCH_BENCH=small, or without --bench
    #[arg(long)]
    small: bool,
    /// Write the result between the marker comments of this Markdown file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Passed by `cargo bench` and not by `cargo test`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    fn is_small(&self) -> bool {
        self.small || !self.bench || env::var_os("IOBENCH_BENCH").is_some_and(|value| value == "small")
    }

    fn pairs(&self) -> usize {
        self.pairs.unwrap_or(if self.is_small() { SMALL_PAIRS } else { FULL_PAIRS })
    }

    fn selects(&self, case: &Case) -> bool {
        let name = case.name();
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(all) if all.iter().all(|series| series.failure.is_none()) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("side_by_side: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Vec<Series>> {
    let scale = if args.is_small() { cases::SMALL } else { cases::FULL };
    // Absolute, because the programs run in the folder of the data file.
    let folder = absolute(&args.place.folder)?;
    let file = data_file(&folder, &scale)?;
    let programs = Programs {
        iobench: absolute(&args.place.iobench)?,
        c_loop: Programs::compile_c_loop(&folder)?,
        data: file.path().to_owned(),
    };
    let mut all = selected(args, &scale);
    if all.is_empty() {
        return Err(format!("no case has {} in its name", args.only.join(" or ")).into());
    }
    if !args.is_small() {
        all.iter_mut().for_each(|series| series.choose_fio_options(&programs));
    }
    series::take_rounds(&mut all, &programs, args.pairs(), args.seed);
    publish(args, &programs, &all)?;
    Ok(all)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let resolved = path.canonicalize();
    Ok(resolved.map_err(|error| format!("{}: {error}", path.display()))?)
}

fn selected(args: &Args, scale: &Scale) -> Vec<Series> {
    let cases = cases::all(scale, machine::has_fio()).into_iter();
    cases.filter(|case| args.selects(case)).map(Series::new).collect()
}

/// A file of nonzero bytes, written out and then read, so that it is in the page cache.
fn data_file(folder: &Path, scale: &Scale) -> Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("side_by_side.").tempfile_in(folder)?;
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8 + 1).collect();
    for _ in 0..scale.file_bytes / block.len() as u64 {
        file.write_all(&block)?;
    }
    file.as_file().sync_all()?;
    io::copy(&mut File::open(file.path())?, &mut io::sink())?;
    Ok(file)
}

fn publish(args: &Args, programs: &Programs, all: &[Series]) -> Result<()> {
    let mut facts = machine::describe(programs);
    facts.push(format!("seed: {}", args.seed));
    if args.is_small() {
        facts.push("small run: it only shows that everything runs".to_owned());
    }
    let facts = facts.iter().map(|fact| format!("- {fact}\n")).collect::<String>();
    let section = format!("{facts}\n{}", table::report(all));
    writeln!(io::stdout(), "{section}")?;
    match &args.write {
        Some(_) if all.iter().any(|series| series.failure.is_some()) => {
            Err("a program failed: the file stays as it was".into())
        }
        Some(file) => table::rewrite_section(file, &format!("{section}\n\n{}", commands(programs, all))),
        None => Ok(()),
    }
}

/// The two commands of each case, with `FILE` for the data file.
fn commands(programs: &Programs, all: &[Series]) -> String {
    let mut lines = vec!["Commands:".to_owned(), String::new()];
    for series in all {
        let work = &series.case.work;
        lines.push(command_line("iobench", &programs.iobench_arguments(work), programs));
        match series.case.rival {
            Rival::Nobody => {}
            Rival::CLoop { mode } => {
                lines.push(command_line("c_loop", &programs.c_loop_arguments(mode, work), programs));
            }
            Rival::Fio { loops, .. } => {
                let arguments = programs.fio_arguments(series.fio_options, loops, work);
                lines.push(command_line("fio", &arguments, programs));
            }
        }
    }
    lines.join("\n")
}

fn command_line(program: &str, arguments: &[OsString], programs: &Programs) -> String {
    let data = programs.data.to_string_lossy();
    let words = arguments.iter().map(|word| word.to_string_lossy().replace(&*data, "FILE"));
    format!("    {program} {}", words.collect::<Vec<_>>().join(" "))
}

//! `iobench selftest`: a strategy, in the tree or out of it, and its marks.
//!
//! Each criterion is marked in a process of its own: a strategy that crashes or hangs there fails for that, and the rest
//! of the table is still made.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::context::Context;
use super::request::find_strategy;
use crate::cli::SelftestArgs;
use crate::engine::interrupt;
use crate::engine::strategy::Strategy;
use crate::error::{Error, errno_of};
use crate::job::{CheckJob, Job, this_program};
use crate::process::ProcessGroup;
use crate::selftest::table::{Criterion, Mark, Marking, Row};

/// Exit code where something failed.
const FAILED: u8 = 1;
/// Exit code where nothing failed, but a row is not checked or inconclusive.
const OPEN: u8 = 2;
/// A criterion takes some seconds; one that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Marks the strategies.
///
/// # Errors
/// A usage error for an unknown strategy, an open error if no file can be made in the folder, an interruption after a
/// signal; the rows marked until then are in the document.
pub(crate) fn run(
    args: &SelftestArgs,
    context: &Context,
    document: &mut Option<Marking>,
) -> Result<ExitCode, Error> {
    let chosen = match args.strategy.as_str() {
        "all" => context.strategies.to_vec(),
        name => vec![find_strategy(name, context.strategies)?],
    };
    let folder = folder(&args.path)?;
    // Removed with everything in it, also after a strategy that left its files behind.
    let scratch = TempDir::new_in(&folder).map_err(|error| Error::open(&folder, errno_of(&error)))?;
    let program = this_program()?;
    interrupt::install();
    let (folder, within) = (folder.display().to_string(), args.within);
    let marking = document.insert(Marking { folder, within, ..Marking::default() });
    for strategy in chosen {
        let rows = marking.add(strategy.info(), Vec::new());
        for criterion in Criterion::ALL {
            if args.only.is_empty() || args.only.contains(&criterion) {
                rows.push(row(strategy, criterion, args.within, &program, scratch.path())?);
            }
        }
    }
    Ok(exit_code(marking))
}

/// The folder itself, or that of a file.
fn folder(path: &Path) -> Result<PathBuf, Error> {
    let metadata = path.metadata().map_err(|error| Error::open(path, errno_of(&error)))?;
    match path.parent() {
        Some(parent) if !metadata.is_dir() && parent.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        Some(parent) if !metadata.is_dir() => Ok(parent.to_owned()),
        _ => Ok(path.to_owned()),
    }
}

/// The row, from this program as a process of its own.
fn row(
    strategy: &dyn Strategy,
    criterion: Criterion,
    within: f64,
    program: &Path,
    folder: &Path,
) -> Result<Row, Error> {
    let job = Job::Check(CheckJob {
        strategy: strategy.info().name.to_owned(),
        criterion: criterion.word().to_owned(),
        within,
        folder: folder.to_owned(),
    });
    let (status, printed, messages) = finished(&mut job.command(program), folder, LIMIT)?;
    let marking = serde_json::from_slice::<Marking>(&printed).ok();
    let row = marking.and_then(|marking| marking.strategies.into_iter().next()?.rows.into_iter().next());
    Ok(row.unwrap_or_else(|| Row::new(criterion, Mark::Fail, describe_exit(status, &messages))))
}

/// Says how a process ended that should have printed a row.
fn describe_exit(status: Option<ExitStatus>, messages: &str) -> String {
    let mut lines = messages.lines().rev().map(str::trim);
    let last = lines.find(|line| !line.is_empty() && !line.starts_with("note:"));
    let last = last.map(|line| format!(" ({line})")).unwrap_or_default();
    let signal = status.and_then(|status| Signal::try_from(status.signal()?).ok());
    match (status, signal) {
        (None, _) => format!(
            "the strategy did not come to an end in {} s: look for a loop without an exit",
            LIMIT.as_secs()
        ),
        (_, Some(signal)) => format!(
            "the strategy ended the program with {signal}{last}: look at its unsafe blocks, lengths and lifetimes first"
        ),
        (Some(status), None) => {
            format!("the program ended with {status}{last}: a strategy returns its errors and does not panic")
        }
    }
}

/// Runs a command to its end: status, standard output and standard error; no status if it had to be killed. Its output
/// goes through files, so that whatever it started cannot keep a pipe open.
fn finished(
    command: &mut Command,
    folder: &Path,
    limit: Duration,
) -> Result<(Option<ExitStatus>, Vec<u8>, String), Error> {
    let failed =
        |error: io::Error| Error::system("fork", errno_of(&error), "end some programs, free some space");
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    command.stdin(Stdio::null());
    command.stdout(File::create(&stdout).map_err(failed)?).stderr(File::create(&stderr).map_err(failed)?);
    let mut group = ProcessGroup::spawn(command).map_err(failed)?;
    let status = group.wait_within(limit, interrupt::check)?;
    drop(group);
    let messages = String::from_utf8_lossy(&std::fs::read(&stderr).map_err(failed)?).into_owned();
    Ok((status, std::fs::read(&stdout).map_err(failed)?, messages))
}

fn exit_code(marking: &Marking) -> ExitCode {
    if marking.has(Mark::Fail) {
        ExitCode::from(FAILED)
    } else if marking.has(Mark::NotChecked) || marking.has(Mark::Inconclusive) {
        ExitCode::from(OPEN)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn end(script: &str, limit: Duration) -> String {
        let scratch = TempDir::new().unwrap();
        let (status, _, said) =
            finished(Command::new("sh").args(["-c", script]), scratch.path(), limit).unwrap();
        describe_exit(status, &said)
    }

    #[test]
    fn a_strategy_that_crashes_panics_or_hangs_is_told_apart() {
        let crashed = end("kill -SEGV $$", LIMIT);
        assert!(crashed.contains("SIGSEGV") && crashed.contains("unsafe blocks"), "{crashed}");
        let panicked = end("echo index out of bounds >&2; echo note: backtrace >&2; exit 101", LIMIT);
        assert!(panicked.contains("101 (index out of bounds)"), "{panicked}");
        let started = Instant::now();
        let hung = end("sleep 1000 & sleep 1000", Duration::from_millis(200));
        assert!(hung.contains("did not come to an end"), "{hung}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_file_stands_for_its_folder() {
        let scratch = TempDir::new().unwrap();
        let file = scratch.path().join("data");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(folder(&file).unwrap(), scratch.path());
        assert_eq!(folder(scratch.path()).unwrap(), scratch.path());
        assert_eq!(folder(Path::new("Cargo.toml")).unwrap(), Path::new("."));
        assert!(folder(&scratch.path().join("missing")).is_err());
    }
}

//! `iobench selftest`: marks a strategy, inside or outside of this repository.
//!
//! Each criterion runs in its own process. A strategy that crashes or hangs fails this criterion, and the
//! rest of the table is still filled in.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::context::Context;
use super::file;
use super::request::find_strategy;
use crate::cli::SelftestArgs;
use crate::engine::interrupt;
use crate::engine::strategy::Strategy;
use crate::error::{Error, errno_of};
use crate::job::{CheckJob, Job, this_program};
use crate::process::ProcessGroup;
use crate::scratch::ScratchFolder;
use crate::selftest::table::{Criterion, Mark, Marking, Row};

/// Exit code if a criterion failed.
const FAILED: u8 = 1;
/// Exit code if no criterion failed, but at least one is not checked or inconclusive.
const INCOMPLETE: u8 = 2;
/// Time limit of a criterion, which takes a few seconds unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Marks the strategies.
///
/// # Errors
/// A usage error for an unknown strategy, an open error if no file can be created in the folder, an
/// interruption after a signal. The document holds the rows that were marked before the error.
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
    // The folder is removed with its content, including files that a strategy did not remove.
    let leftovers = file::leftover_warnings(&folder);
    let scratch = ScratchFolder::new_in(&folder).map_err(|error| Error::open(&folder, errno_of(&error)))?;
    let program = this_program()?;
    let (folder, within) = (folder.display().to_string(), args.within);
    let marking = document.insert(Marking { folder, within, warnings: leftovers, ..Marking::default() });
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

/// The path if it is a folder, otherwise the folder of the file.
fn folder(path: &Path) -> Result<PathBuf, Error> {
    let metadata = path.metadata().map_err(|error| Error::open(path, errno_of(&error)))?;
    match path.parent() {
        Some(parent) if !metadata.is_dir() && parent.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        Some(parent) if !metadata.is_dir() => Ok(parent.to_owned()),
        _ => Ok(path.to_owned()),
    }
}

/// Runs this program in another process to mark the criterion, and returns the row.
fn row(
    strategy: &'static dyn Strategy,
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
    let (status, printed, messages) = run_within(&mut job.command(program), folder, LIMIT)?;
    let marking = serde_json::from_slice::<Marking>(&printed).ok();
    let row = marking.and_then(|marking| marking.strategies.into_iter().next()?.rows.into_iter().next());
    Ok(row.unwrap_or_else(|| Row::new(criterion, Mark::Fail, describe_exit(status, &messages))))
}

/// Describes the exit of a process that printed no row.
fn describe_exit(status: Option<ExitStatus>, messages: &str) -> String {
    let mut lines = messages.lines().rev().map(str::trim);
    let last = lines.find(|line| !line.is_empty() && !line.starts_with("note:"));
    let last = last.map(|line| format!(" ({line})")).unwrap_or_default();
    let signal = status.and_then(|status| Signal::try_from(status.signal()?).ok());
    match (status, signal) {
        (None, _) => {
            format!("the strategy did not finish within {} s: look for an endless loop", LIMIT.as_secs())
        }
        (_, Some(signal)) => format!(
            "the strategy crashed with {signal}{last}: check its unsafe blocks, lengths and lifetimes first"
        ),
        (Some(status), None) => {
            format!("the program ended with {status}{last}: a strategy must return errors, not panic")
        }
    }
}

/// Runs a command and returns its status, standard output and standard error. The status is `None` if the
/// command was killed at the time limit. The output goes to files: a pipe would stay open while a child of
/// the command holds it.
fn run_within(
    command: &mut Command,
    folder: &Path,
    limit: Duration,
) -> Result<(Option<ExitStatus>, Vec<u8>, String), Error> {
    let failed =
        |error: io::Error| Error::system("fork", errno_of(&error), "stop some programs or free some space");
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
        ExitCode::from(INCOMPLETE)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;

    fn end(script: &str, limit: Duration) -> String {
        let scratch = TempDir::new().unwrap();
        let (status, _, said) =
            run_within(Command::new("sh").args(["-c", script]), scratch.path(), limit).unwrap();
        describe_exit(status, &said)
    }

    #[test]
    fn crashes_panics_and_hangs_are_told_apart() {
        let crashed = end("kill -SEGV $$", LIMIT);
        assert!(crashed.contains("SIGSEGV") && crashed.contains("unsafe blocks"), "{crashed}");
        let panicked = end("echo index out of bounds >&2; echo note: backtrace >&2; exit 101", LIMIT);
        assert!(panicked.contains("101 (index out of bounds)"), "{panicked}");
        let started = Instant::now();
        let hung = end("sleep 1000 & sleep 1000", Duration::from_millis(200));
        assert!(hung.contains("did not finish"), "{hung}");
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

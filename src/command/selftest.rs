//! `iobench selftest`: a strategy, in the tree or out of it, and what it is marked for.
//!
//! Each criterion is marked in a process of its own: a strategy that crashes or hangs there is red
//! for that, and the rest of the table is still made.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::request::find_strategy;
use crate::cli::{self, SelftestArgs};
use crate::engine::interrupt;
use crate::engine::strategy::Strategy;
use crate::engine::target::errno_of;
use crate::error::Error;
use crate::report::document::SCHEMA_VERSION;
use crate::report::json;
use crate::selftest::marking::{Candidate, Criterion, Mark, Row};

/// Exit code where something is red.
const RED: u8 = 1;
/// Exit code where nothing is red, and not everything green: a row is not checked or inconclusive.
const OPEN: u8 = 2;
/// A criterion takes some seconds; what is not done by then hangs.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The tables as a document.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "What strategies of iobench are marked for")]
#[serde(deny_unknown_fields)]
pub struct Marking {
    /// Version of this document's form.
    pub schema_version: u32,
    /// Where the files were put.
    pub folder: String,
    /// Part of the C loop's time by which a strategy may be slower.
    pub within: f64,
    /// One object a strategy.
    pub strategies: Vec<Table>,
}

/// The table of one strategy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The value of `--strategy`.
    pub name: String,
    /// One line.
    pub summary: String,
    /// One object a criterion.
    pub rows: Vec<Row>,
}

/// Marks and prints.
///
/// # Errors
/// [`Error::Usage`] for an unknown strategy, [`Error::Open`] if no file can be made in the folder,
/// [`Error::Output`] if the reader is gone, [`Error::Interrupted`] after a signal.
pub fn run(args: &SelftestArgs, strategies: &[&'static dyn Strategy]) -> Result<ExitCode, Error> {
    let chosen = match args.strategy.as_str() {
        "all" => strategies.to_vec(),
        name => vec![find_strategy(name, strategies)?],
    };
    let within = cli::fraction(&args.within).map_err(|reason| Error::Usage(format!("--within: {reason}")))?;
    let folder = folder(&args.path)?;
    // Removed with everything in it, also after a strategy that left its files behind.
    let scratch = TempDir::new_in(&folder).map_err(|error| Error::open(&folder, errno_of(&error)))?;
    let program = std::env::current_exe().map_err(|error| {
        Error::system(
            "readlink of /proc/self/exe",
            errno_of(&error),
            "mount /proc, and start the program by its path",
        )
    })?;
    interrupt::install();
    let mut marking = Marking {
        schema_version: SCHEMA_VERSION,
        folder: folder.display().to_string(),
        within,
        strategies: Vec::new(),
    };
    for strategy in chosen {
        let candidate = Candidate { strategy, program: &program, folder: scratch.path(), within };
        marking.strategies.push(table(&candidate, args)?);
    }
    print(&marking, args.json)?;
    Ok(exit_code(&marking))
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

fn table(candidate: &Candidate, args: &SelftestArgs) -> Result<Table, Error> {
    let info = candidate.strategy.info();
    let mut rows = Vec::new();
    for criterion in Criterion::ALL.into_iter().filter(|it| args.only.is_empty() || args.only.contains(it)) {
        interrupt::check()?;
        rows.push(match args.here {
            true => candidate.row(criterion),
            false => row_apart(candidate, criterion)?,
        });
    }
    Ok(Table { name: info.name.to_owned(), summary: info.summary.to_owned(), rows })
}

/// The row, from this program as a process of its own.
fn row_apart(candidate: &Candidate, criterion: Criterion) -> Result<Row, Error> {
    let Candidate { strategy, program, folder, within } = *candidate;
    let mut command = Command::new(program);
    command.args([
        "selftest",
        "--here",
        "-j",
        "--strategy",
        strategy.info().name,
        "--only",
        criterion.word(),
    ]);
    command.args(["--within", &within.to_string()]).arg(folder);
    let (status, printed, said) = finished(&mut command, folder, LIMIT)?;
    let marking = serde_json::from_slice::<Marking>(&printed).ok();
    let row = marking.and_then(|marking| marking.strategies.into_iter().next()?.rows.into_iter().next());
    Ok(row.unwrap_or_else(|| Row::new(criterion, Mark::Fail, downfall(status, &said))))
}

/// How a process ended in which the criterion was to be marked.
fn downfall(status: Option<ExitStatus>, said: &str) -> String {
    let words = said.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("note:"));
    let words = words.map_or(String::new(), |words| format!(" ({words})"));
    let signal = status.and_then(|status| Signal::try_from(status.signal()?).ok());
    match (status, signal) {
        (None, _) => format!(
            "the strategy did not come to an end in {} s: look for a loop without a way out",
            LIMIT.as_secs()
        ),
        (_, Some(signal)) => {
            format!(
                "the strategy ended the program with {signal}{words}: look at its unsafe blocks, lengths and lifetimes first"
            )
        }
        (Some(status), None) => format!(
            "the program ended with {status}{words}: a strategy returns its errors and does not panic"
        ),
    }
}

/// A process group that does not outlive its owner: what it traces ends with it.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
            let _ = self.0.wait();
        }
    }
}

/// Runs a command to its end: status, standard output and standard error; no status if it had to be
/// killed. Its output goes through files, so that whatever it started cannot keep a pipe open.
fn finished(
    command: &mut Command,
    folder: &Path,
    limit: Duration,
) -> Result<(Option<ExitStatus>, Vec<u8>, String), Error> {
    let failed =
        |error: io::Error| Error::system("fork", errno_of(&error), "end some programs, free some space");
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(File::create(&stdout).map_err(failed)?).stderr(File::create(&stderr).map_err(failed)?);
    let mut group = Group(command.spawn().map_err(failed)?);
    let deadline = Instant::now() + limit;
    let mut status = None;
    while status.is_none() && Instant::now() < deadline {
        interrupt::check()?;
        std::thread::sleep(LOOK_INTERVAL);
        status = group.0.try_wait().map_err(failed)?;
    }
    drop(group);
    let said = String::from_utf8_lossy(&std::fs::read(&stderr).map_err(failed)?).into_owned();
    Ok((status, std::fs::read(&stdout).map_err(failed)?, said))
}

fn print(marking: &Marking, as_json: bool) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    if as_json {
        return json::write(&mut output, marking);
    }
    print_text(&mut output, marking).and_then(|()| output.flush()).map_err(Error::Output)
}

fn print_text(output: &mut impl Write, marking: &Marking) -> io::Result<()> {
    for table in &marking.strategies {
        writeln!(output, "{}: {}", table.name, table.summary)?;
        for row in &table.rows {
            let title = title(row.criterion, marking.within);
            writeln!(output, "  {title:<26} {:<12} {}", row.mark.word(), row.sentence)?;
        }
    }
    Ok(())
}

fn title(criterion: Criterion, within: f64) -> String {
    match criterion {
        Criterion::Data => "data correct".to_owned(),
        Criterion::Directions => "both directions".to_owned(),
        Criterion::Bracket => "bracket pure".to_owned(),
        Criterion::Errors => "errors reported".to_owned(),
        Criterion::Fallback => "no fallback".to_owned(),
        Criterion::Speed => format!("within {} % of the C loop", (within * 1000.0).round() / 10.0),
    }
}

fn exit_code(marking: &Marking) -> ExitCode {
    let has =
        |mark: Mark| marking.strategies.iter().flat_map(|table| &table.rows).any(|row| row.mark == mark);
    match (has(Mark::Fail), has(Mark::NotChecked) || has(Mark::Inconclusive)) {
        (true, _) => ExitCode::from(RED),
        (false, true) => ExitCode::from(OPEN),
        (false, false) => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(script: &str, limit: Duration) -> String {
        let scratch = TempDir::new().unwrap();
        let (status, _, said) =
            finished(Command::new("sh").args(["-c", script]), scratch.path(), limit).unwrap();
        downfall(status, &said)
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

//! Work for another process of this program: a benchmark to trace, or a check that may crash.
//!
//! A job travels as JSON after the hidden command `job`, so a new option of a workload reaches the other
//! process without further code.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::engine::operation::Mode;
use crate::engine::prepare::Preparation;
use crate::engine::workload::Workload;
use crate::error::{Error, errno_of};

/// A job.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    /// Run a benchmark and print its document with the configuration.
    Run(Box<RunJob>),
    /// Check a strategy for one criterion and print the table.
    Check(CheckJob),
}

/// A benchmark on a strategy, which is a name here and the strategy itself in a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunJob<S = String> {
    /// The I/O path.
    pub(crate) strategy: S,
    /// Create, describe, read or write.
    pub(crate) mode: Mode,
    /// The file or device.
    pub(crate) path: PathBuf,
    /// Bytes to move in each iteration, and how.
    pub(crate) workload: Workload,
    /// Preparation before each bracket.
    pub(crate) preparation: Preparation,
    /// True if getrusage(2) is called around the bracket (`-g`).
    pub(crate) usage: bool,
    /// Number of iterations.
    pub(crate) iterations: u64,
    /// Time for which iterations are repeated instead, in seconds (`--for`).
    pub(crate) for_seconds: Option<f64>,
    /// `--create`.
    pub(crate) create_missing: bool,
    /// `--file-size`: size of a file that `--create` makes; `None` for the total.
    pub(crate) file_size_bytes: Option<u64>,
    /// `--allow-device-write`.
    pub(crate) allow_device_write: bool,
}

/// A check.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckJob {
    pub(crate) strategy: String,
    /// Word of the criterion.
    pub(crate) criterion: String,
    /// Fraction of the C loop's time by which the strategy may be slower.
    pub(crate) within: f64,
    /// Folder for files.
    pub(crate) folder: PathBuf,
}

impl<S> RunJob<S> {
    /// The same benchmark on another strategy.
    pub(crate) fn on<T>(self, strategy: T) -> RunJob<T> {
        RunJob {
            strategy,
            mode: self.mode,
            path: self.path,
            workload: self.workload,
            preparation: self.preparation,
            usage: self.usage,
            iterations: self.iterations,
            for_seconds: self.for_seconds,
            create_missing: self.create_missing,
            file_size_bytes: self.file_size_bytes,
            allow_device_write: self.allow_device_write,
        }
    }
}

impl Job {
    /// The arguments with which a program does this job.
    pub(crate) fn arguments(&self) -> [String; 2] {
        // A job always has a JSON form. The other process would refuse an empty one.
        ["job".to_owned(), serde_json::to_string(self).unwrap_or_default()]
    }

    /// The command that runs `program` for this job.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(self.arguments());
        command
    }
}

/// The program that is running, with its strategies.
///
/// # Errors
/// A system error without /proc.
pub(crate) fn this_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(|error| {
        let remedy = "mount /proc, and start the program by its path";
        Error::system("readlink of /proc/self/exe", errno_of(&error), remedy)
    })
}

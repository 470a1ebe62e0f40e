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
    Run(RunJob),
    /// Check a strategy for one criterion and print the table.
    Check(CheckJob),
}

/// A benchmark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunJob {
    pub(crate) strategy: String,
    pub(crate) mode: Mode,
    pub(crate) path: PathBuf,
    pub(crate) workload: Workload,
    pub(crate) preparation: Preparation,
    /// True if getrusage(2) is called around the bracket.
    pub(crate) usage: bool,
    pub(crate) iterations: u64,
    pub(crate) create_missing: bool,
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

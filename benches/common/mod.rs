//! Shared by the benches that run iobench beside other programs.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The program and the place of its data.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The iobench to measure, instead of the one that was built for this run
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_iobench"))]
    pub(crate) iobench: PathBuf,
    /// Folder of the data file
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) folder: PathBuf,
}

/// Standard output of `command`, or an error with its error output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let finished = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !finished.status.success() {
        let words = String::from_utf8_lossy(&finished.stderr);
        return Err(format!("{command:?}: {}: {}", finished.status, words.trim()).into());
    }
    Ok(String::from_utf8(finished.stdout)?)
}

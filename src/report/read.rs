//! A result that was kept in a file: of a sweep, or of one run with `-j -v`.

use std::path::Path;

use nix::errno::Errno;
use serde_json::Value;

use super::document::{Document, SCHEMA_VERSION};
use super::sweep::SweepDocument;
use crate::error::{Error, describe};

/// What a result file holds.
#[derive(Debug, Clone)]
pub enum Kept {
    /// The result of a sweep.
    Sweep(Box<SweepDocument>),
    /// The result of one run.
    Run(Box<Document>),
}

/// Reads the result in the file at `path`.
///
/// # Errors
/// [`Error::Open`] if the file cannot be read, or holds no result that this version knows.
pub fn read(path: &Path) -> Result<Kept, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let reason = match error.raw_os_error() {
            Some(code) => describe(Errno::from_raw(code)),
            None => error.to_string(),
        };
        refused(path, reason, "name a result file that you may read")
    })?;
    parse(&text)
        .map_err(|reason| refused(path, reason, "name a result of iobench sweep -j, or of a run with -j -v"))
}

fn refused(path: &Path, reason: String, remedy: &str) -> Error {
    Error::Open { path: path.to_owned(), reason, remedy: remedy.to_owned() }
}

/// The version is looked at first: a document of another version need not fit these types.
fn parse(text: &str) -> Result<Kept, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON ({error})"))?;
    match value.get("schema_version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {}
        Some(version) => {
            return Err(format!("has schema_version {version}, this program reads {SCHEMA_VERSION}"));
        }
        None => return Err("not a result of iobench (it has no schema_version)".to_owned()),
    }
    let kept = match value.get("runs") {
        Some(_) => serde_json::from_value(value).map(|sweep| Kept::Sweep(Box::new(sweep))),
        None => serde_json::from_value(value).map(|run| Kept::Run(Box::new(run))),
    };
    kept.map_err(|error| format!("not a result of iobench ({error})"))
}

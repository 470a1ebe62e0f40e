//! Result files: replaced as a whole, so that whoever reads one never sees half of it.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Replaces the file at `path` by `document`: written beside it, then renamed.
///
/// # Errors
/// [`Error::Open`] if that cannot be done; the old file is still whole then.
pub fn replace(path: &Path, document: &impl Serialize) -> Result<(), Error> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, document)?;
        file.write_all(b"\n")?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| Error::Open {
        path: path.to_owned(),
        reason: format!("the result cannot be written there: {error}"),
        remedy: "name a file in a folder that you may write to".to_owned(),
    })
}

/// Reads the document in the file at `path`.
///
/// # Errors
/// [`Error::Open`] if it cannot be read, or is not such a document.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let unreadable = |reason: String| Error::Open {
        path: path.to_owned(),
        reason,
        remedy: "name a file that iobench of this version wrote".to_owned(),
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(format!("is no such result: {error}")))
}

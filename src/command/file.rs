//! Atomic replacement of a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use nix::errno::Errno;
use tempfile::Builder;

use crate::engine::create::folder_of;
use crate::error::{Error, Failure, describe, errno_of};

/// Replaces the content of `path` atomically: writes the bytes to a temporary file in the same folder and
/// renames it to `path`. A reader sees either the old or the new content, and a program that is killed leaves
/// the old one.
///
/// # Errors
/// An open error if no file can be created; an I/O error if it cannot be written.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let refused = |errno: Errno| {
        let remedy = "name a file in a folder that you may write to";
        Error::unusable(path, describe(errno), remedy).because(errno)
    };
    let failed = |errno: Errno| {
        let error = Error::io(path, Failure::of("write", errno));
        // The remedy of a benchmark is a smaller -t, which does not apply to a result or a picture.
        if errno == Errno::ENOSPC { error.with_remedy("free some space or write elsewhere") } else { error }
    };
    // tempfile would hide the errno, and would create the file with a mode that ignores the umask.
    let mut answer = Errno::EIO;
    let open = |path: &Path| {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        made.inspect_err(|error| answer = errno_of(error))
    };
    let made = Builder::new().prefix(".iobench-").make_in(folder_of(path), open);
    let file = made.map_err(|_| refused(answer))?;
    let mut content = file.as_file();
    content.write_all(bytes).and_then(|()| content.sync_all()).map_err(|error| failed(errno_of(&error)))?;
    file.persist(path).map(drop).map_err(|error| refused(errno_of(&error.error)))
}

//! Files that are there whole or not at all.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;
use tempfile::Builder;

use crate::error::{Error, Failure, Fault, describe};

/// Makes `path` hold these bytes: they are written to a file beside it, which then takes its place.
/// Whoever reads sees the old file or the new one, and a program that is killed leaves the old one.
///
/// # Errors
/// [`Error::Open`] where no file can be made, [`Error::Io`] where it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused = |errno: Errno| Error::Open {
        path: path.to_owned(),
        reason: describe(errno),
        remedy: "name a file in a folder that you may write to".to_owned(),
    };
    let failed = |error: io::Error| Error::Io {
        path: path.to_owned(),
        failure: Failure { operation: "write", offset_bytes: None, fault: Fault::Errno(errno(&error)) },
    };
    // tempfile's own error does not tell the kernel's answer; its own mode is not that of the umask.
    let mut answer = Errno::EIO;
    let open = |path: &Path| {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        made.inspect_err(|error| answer = errno(error))
    };
    let made = Builder::new().prefix(".iobench-").make_in(folder, open);
    let file = made.map_err(|_| refused(answer))?;
    let mut content = file.as_file();
    content.write_all(bytes).and_then(|()| content.sync_all()).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| refused(errno(&error.error)))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

//! Files that are there whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
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
    // As open(2) makes files; the umask takes its part away.
    let mode = Permissions::from_mode(0o666);
    let refused = |error: io::Error| Error::Open {
        path: path.to_owned(),
        reason: describe(errno(&error)),
        remedy: "name a file in a folder that you may write to".to_owned(),
    };
    if path.is_dir() {
        return Err(refused(Errno::EISDIR.into()));
    }
    let mut file =
        Builder::new().prefix(".iobench-").permissions(mode).tempfile_in(folder).map_err(refused)?;
    let failed = |error: io::Error| Error::Io {
        path: path.to_owned(),
        failure: Failure { operation: "write", offset_bytes: None, fault: Fault::Errno(errno(&error)) },
    };
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| refused(error.error))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

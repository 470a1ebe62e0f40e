//! Creation of data files. Every byte is written out, allocated, and different from its neighbours.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;

use super::interrupt;
use super::pattern;
use crate::error::{Error, Failure, Fault, errno_of};

const CHUNK_BYTES: usize = 1 << 20;
const OWNER_ONLY: u32 = 0o600;

/// Creates or truncates `path` (mode 0600), as `-c` does. Checks the free space first.
///
/// # Errors
/// An open error if that is not possible. Nothing has been changed then.
pub fn truncate(path: &Path, total_bytes: u64) -> Result<(), Error> {
    check_room(path, total_bytes)?;
    if let Ok(metadata) = std::fs::metadata(path)
        && !metadata.is_file()
    {
        let remedy = "-c creates regular files only; name another path";
        return Err(Error::unusable(path, "is not a regular file", remedy));
    }
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(path);
    opened.map(drop).map_err(|error| not_created(path, &error))
}

/// Creates `path` with `total_bytes` bytes of the pattern if it does not exist (`--create`), and returns
/// true. An existing file is never changed.
///
/// # Errors
/// An open error if the file cannot be created. An I/O error if it cannot be filled; it is removed then.
pub fn if_missing(path: &Path, total_bytes: u64) -> Result<bool, Error> {
    if path.exists() {
        return Ok(false);
    }
    check_room(path, total_bytes)?;
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Ok(file) => fill(&file, path, total_bytes).map(|()| true).map_err(|error| half_made(path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(not_created(path, &error)),
    }
}

/// Writes the pattern over the whole file and syncs it.
///
/// # Errors
/// An I/O error with the offset; an interruption after a signal.
pub fn lay_pattern(path: &Path, total_bytes: u64) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).open(path).map_err(|error| not_created(path, &error))?;
    fill(&file, path, total_bytes)
}

/// Removes an unfinished file, and adds that to the error.
pub fn half_made(path: &Path, cause: Error) -> Error {
    // For a symbolic link, this removes the file that it points to and not the link.
    let removed = path.canonicalize().and_then(std::fs::remove_file).is_ok();
    if removed {
        cause.with_consequence("the incomplete file was removed")
    } else {
        cause.with_consequence(format!("an incomplete file remains at {}", path.display()))
    }
}

fn fill(file: &File, path: &Path, total_bytes: u64) -> Result<(), Error> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset_bytes = 0;
    while offset_bytes < total_bytes {
        interrupt::check()?;
        let length = CHUNK_BYTES.min((total_bytes - offset_bytes) as usize);
        pattern::fill(&mut chunk[..length], offset_bytes);
        file.write_all_at(&chunk[..length], offset_bytes).map_err(|error| {
            let fault = Fault::Errno(errno_of(&error));
            Error::io(path, Failure { operation: "write", offset_bytes: Some(offset_bytes), fault })
        })?;
        offset_bytes += length as u64;
    }
    // Delayed allocation happens here and not during the first benchmark.
    file.sync_all().map_err(|error| Error::io(path, Failure::of("sync", errno_of(&error))))
}

/// The folder that holds `path`, or will hold it.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Checks the free space of the filesystem before any data is lost.
fn check_room(path: &Path, total_bytes: u64) -> Result<(), Error> {
    let Ok(stat) = nix::sys::statvfs::statvfs(folder_of(path)) else { return Ok(()) };
    // A filesystem that does not count its blocks (ramfs) is not full.
    if stat.blocks() == 0 {
        return Ok(());
    }
    let free_bytes = stat.blocks_available().saturating_mul(stat.fragment_size());
    // st_blocks counts units of 512 bytes (stat(2)); truncating gives them back.
    let own_bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512);
    if free_bytes.saturating_add(own_bytes) >= total_bytes {
        return Ok(());
    }
    Err(Error::io(path, Failure::of("creation", Errno::ENOSPC)))
}

fn not_created(path: &Path, error: &std::io::Error) -> Error {
    match errno_of(error) {
        Errno::ENOENT => {
            let remedy = "make the folder first, or name another path";
            Error::unusable(path, "its folder does not exist (ENOENT)", remedy).because(Errno::ENOENT)
        }
        errno => Error::open(path, errno),
    }
}

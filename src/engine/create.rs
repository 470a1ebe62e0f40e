//! Creation of data files. Every byte is written out, allocated, and different from its neighbours.

use std::fs::{File, OpenOptions};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
#[cfg(target_os = "linux")]
use nix::fcntl::{AT_FDCWD, AtFlags};
#[cfg(target_os = "linux")]
use nix::unistd::linkat;

use super::inode::{Inode, behind_links, folder_of};
use super::interrupt;
use super::pattern;
use super::target::{self, Target};
use crate::error::{Error, Failure, Fault, errno_of};

const CHUNK_BYTES: usize = 1 << 20;
const OWNER_ONLY: u32 = 0o600;

/// The data file of create mode (`-c`). It stays open, so that later steps never touch a file that took its
/// name.
#[derive(Debug)]
pub struct DataFile {
    /// The path as given, for messages.
    path: PathBuf,
    /// The path behind symbolic links.
    name: PathBuf,
    file: File,
    inode: Inode,
    /// Size of a file that existed before, in bytes; `None` if this run created the file.
    former_bytes: Option<u64>,
    /// True if this run truncated the file.
    truncated: bool,
}

impl DataFile {
    /// Opens `path` for create mode, or creates it (mode 0600). Changes no existing file: the first
    /// [`DataFile::truncate`] does. Checks the free space for `total_bytes` bytes.
    ///
    /// # Errors
    /// An open error if the path is not a regular file, cannot be written to, or is in use as a device; a
    /// usage error if it serves as a device and `allow_device_write` is false. An I/O error without space.
    pub fn open(path: &Path, total_bytes: u64, allow_device_write: bool) -> Result<DataFile, Error> {
        check_room(path, total_bytes)?;
        let name = behind_links(path).map_err(|errno| Error::open(path, errno))?;
        let (file, inode, former_bytes) = match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                let remedy = "-c creates regular files only; name another path";
                return Err(Error::unusable(path, "is not a regular file", remedy));
            }
            Ok(metadata) => {
                let inode = Inode::from(&metadata);
                let file = inode.open(path, OpenOptions::new().write(true), 0)?;
                target::check_not_storage(path, &metadata, &file, allow_device_write)?;
                (file, inode, Some(metadata.len()))
            }
            Err(_) => {
                let (file, inode) = new_file(&name).map_err(|error| not_created(path, &error))?;
                (file, inode, None)
            }
        };
        Ok(DataFile { path: path.to_owned(), name, file, inode, former_bytes, truncated: false })
    }

    /// Size of the file before this run, in bytes; `None` if this run created it.
    pub fn former_bytes(&self) -> Option<u64> {
        self.former_bytes
    }

    /// Truncates the file to no bytes.
    ///
    /// # Errors
    /// An I/O error.
    pub fn truncate(&mut self) -> Result<(), Error> {
        let failed =
            |error: std::io::Error| Error::io(&self.path, Failure::of("truncation", errno_of(&error)));
        self.file.set_len(0).map_err(failed)?;
        self.truncated = true;
        Ok(())
    }

    /// Writes the pattern over the whole file and syncs it.
    ///
    /// # Errors
    /// An I/O error with the offset; an interruption after a signal.
    pub fn lay_pattern(&self, total_bytes: u64) -> Result<(), Error> {
        fill(&self.file, &self.path, total_bytes)
    }

    /// Ends an unsuccessful creation: removes the file if this run created it, and adds to the error what is
    /// left. A file that took the name in the meantime stays.
    #[must_use]
    pub fn abandon(self, cause: Error) -> Error {
        let Some(former_bytes) = self.former_bytes else {
            return cause.with_consequence(remove_own(&self.path, &self.name, self.inode));
        };
        if !self.truncated {
            return cause;
        }
        let now_bytes = self.file.metadata().map_or(0, |now| now.len());
        cause.with_consequence(format!(
            "the file of {former_bytes} bytes was truncated and holds {now_bytes} bytes of this run"
        ))
    }
}

/// Creates `path` with `total_bytes` bytes of the pattern if it does not exist (`--create`), and returns
/// true. An existing file is never changed.
///
/// The file gets its name when it is complete, so a run that is killed leaves no part of it. On filesystems
/// without unnamed files it has its name from the start.
///
/// # Errors
/// An open error if the file cannot be created. An I/O error if it cannot be filled; it is removed then.
pub fn if_missing(path: &Path, total_bytes: u64) -> Result<bool, Error> {
    if path.exists() {
        return Ok(false);
    }
    check_room(path, total_bytes)?;
    let name = behind_links(path).map_err(|errno| Error::open(path, errno))?;
    let made = match unnamed_file(folder_of(&name)) {
        Ok(file) => {
            let filled = fill(&file, path, total_bytes);
            filled.map_err(|error| error.with_consequence(REMOVED))?;
            give_name(&file, &name)
        }
        Err(_) => return fill_named(path, &name, total_bytes),
    };
    match made {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(Error::open(path, errno)),
    }
}

const REMOVED: &str = "the incomplete file was removed";

/// Creates and fills a file under its name.
fn fill_named(path: &Path, name: &Path, total_bytes: u64) -> Result<bool, Error> {
    let (file, inode) = match new_file(name) {
        Ok(made) => made,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(not_created(path, &error)),
    };
    let filled = fill(&file, path, total_bytes).map(|()| true);
    filled.map_err(|error| error.with_consequence(remove_own(path, name, inode)))
}

fn new_file(name: &Path) -> std::io::Result<(File, Inode)> {
    let file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(name)?;
    let inode = Inode::from(&file.metadata()?);
    Ok((file, inode))
}

/// Removes the file that this run created, if `name` still names it, and describes what was done: a clause.
fn remove_own(path: &Path, name: &Path, inode: Inode) -> String {
    let path = path.display();
    let named = std::fs::symlink_metadata(name).ok().map(|metadata| Inode::from(&metadata));
    if named != Some(inode) {
        return format!("{path} no longer names the incomplete file and was left as it is");
    }
    match std::fs::remove_file(name) {
        Ok(()) => REMOVED.to_owned(),
        Err(_) => format!("an incomplete file remains at {path}"),
    }
}

/// A file in `folder` that has no name yet.
#[cfg(target_os = "linux")]
fn unnamed_file(folder: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(OWNER_ONLY).open(folder)
}

/// Gives an unnamed file its name, as open(2) describes for O_TMPFILE.
#[cfg(target_os = "linux")]
fn give_name(file: &File, path: &Path) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)
}

/// FreeBSD has no unnamed files.
#[cfg(not(target_os = "linux"))]
fn unnamed_file(_: &Path) -> std::io::Result<File> {
    Err(Errno::EOPNOTSUPP.into())
}

#[cfg(not(target_os = "linux"))]
fn give_name(_: &File, _: &Path) -> Result<(), Errno> {
    Err(Errno::EOPNOTSUPP)
}

/// Writes the pattern over the first `total_bytes` bytes of a target, and syncs it.
///
/// # Errors
/// An open error if the target cannot be written to, an I/O error, and an interruption after a signal.
pub fn overwrite(target: &Target, total_bytes: u64) -> Result<(), Error> {
    let file = target.inode().open(target.path(), OpenOptions::new().write(true), 0)?;
    fill(&file, target.path(), total_bytes)
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

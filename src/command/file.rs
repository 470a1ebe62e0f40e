//! The file of `-o`. A regular file is replaced atomically; into anything else, the result is written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::engine::inode::{Inode, behind_links, folder_of};
use crate::error::{Error, Failure, describe, errno_of};
use crate::report::document::{Warning, WarningKind};
use crate::scratch;

/// A file that a command writes its result to.
pub(crate) struct OutputFile {
    /// The path as given, for messages.
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    /// A regular file, or a new one, at this path behind symbolic links.
    Regular(PathBuf),
    /// A terminal, a pipe, a character device, or a descriptor of this process.
    Stream,
}

/// Maximum number of symbolic links to follow.
const MAX_LINKS: usize = 40;
/// Mode of a new result, less the umask.
const NEW_FILE: u32 = 0o666;

impl OutputFile {
    /// Checks that a result can be written to `path`, and not over one of the files `in_use`, each with its
    /// purpose. Changes nothing.
    ///
    /// # Errors
    /// A usage error for the file in use; an open error if the path cannot be written to.
    pub(crate) fn new(path: &Path, in_use: &[(Inode, &str)]) -> Result<OutputFile, Error> {
        let metadata = std::fs::metadata(path).ok();
        if let Some(metadata) = &metadata {
            check_not_in_use(path, Inode::from(metadata), in_use)?;
            check_type(path, metadata)?;
        }
        let kind = match metadata {
            Some(metadata) if !metadata.is_file() || descriptor(path).is_some() => Kind::Stream,
            Some(metadata) => {
                check_writable(path, Inode::from(&metadata))?;
                Kind::Regular(path.canonicalize().map_err(|error| refused(path, errno_of(&error)))?)
            }
            None => Kind::Regular(behind_links(path).map_err(|errno| refused(path, errno))?),
        };
        if let Kind::Regular(name) = &kind {
            // The file that will be renamed: made and removed again.
            scratch::file_in(folder_of(name), NEW_FILE).map_err(|errno| refused(path, errno))?;
        }
        Ok(OutputFile { path: path.to_owned(), kind })
    }

    /// True if a later result replaces an earlier one; false if it would follow it.
    pub(crate) fn is_replaced(&self) -> bool {
        matches!(self.kind, Kind::Regular(_))
    }

    /// A warning for each file that a killed run left in the folder.
    pub(crate) fn leftover_warnings(&self) -> Vec<Warning> {
        match &self.kind {
            Kind::Regular(name) => leftover_warnings(folder_of(name)),
            Kind::Stream => Vec::new(),
        }
    }

    /// Writes a result. A reader of a regular file sees either the old or the new content, and a program that
    /// is killed leaves the old one.
    ///
    /// # Errors
    /// An open error if the file cannot be created, an I/O error if it cannot be written.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        match &self.kind {
            Kind::Regular(name) => self.replace(name, bytes),
            Kind::Stream => self.append(bytes),
        }
    }

    /// Writes a temporary file in the same folder, gives it mode and owner of the old file, and renames it.
    fn replace(&self, name: &Path, bytes: &[u8]) -> Result<(), Error> {
        let refused = |errno| refused(&self.path, errno);
        let file = scratch::file_in(folder_of(name), NEW_FILE).map_err(refused)?;
        if let Ok(old) = std::fs::symlink_metadata(name) {
            if !old.is_file() {
                let reason = "is not a regular file any more";
                return Err(Error::unusable(&self.path, reason, "name another file"));
            }
            keep_owner_and_mode(file.as_file(), &old).map_err(|error| {
                let reason = format!("its owner cannot be kept: {}", describe(errno_of(&error)));
                Error::unusable(&self.path, reason, "name another file, or run as its owner")
            })?;
        }
        let mut content = file.as_file();
        let written = content.write_all(bytes).and_then(|()| content.sync_all());
        written.map_err(|error| self.failed(&error))?;
        file.persist(name).map(drop).map_err(|error| refused(errno_of(&error.error)))
    }

    fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut file = open_stream(&self.path)?;
        file.write_all(bytes).and_then(|()| file.write_all(b"\n")).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        let errno = errno_of(error);
        let error = Error::io(&self.path, Failure::of("write", errno));
        // The remedy of a benchmark is a smaller -t, which does not apply to a result or a picture.
        if errno == Errno::ENOSPC { error.with_remedy("free some space or write elsewhere") } else { error }
    }
}

/// A warning for each temporary file in `folder` that a killed run left.
pub(crate) fn leftover_warnings(folder: &Path) -> Vec<Warning> {
    let warning = |path: PathBuf| {
        let message = format!("{} was left by a run that was killed; remove it", path.display());
        Warning::new(WarningKind::Leftover, message)
    };
    scratch::leftovers(folder).into_iter().map(warning).collect()
}

fn check_not_in_use(path: &Path, inode: Inode, in_use: &[(Inode, &str)]) -> Result<(), Error> {
    match in_use.iter().find(|(used, _)| *used == inode) {
        Some((_, purpose)) => Err(in_use_as(path, purpose)),
        None => Ok(()),
    }
}

/// The error of a result that would replace a file in use.
pub(crate) fn in_use_as(path: &Path, purpose: &str) -> Error {
    Error::usage(format!("-o {}: this is {purpose}; name another file", path.display()))
}

/// True if both paths lead to the same name, which may not exist yet.
pub(crate) fn name_the_same(one: &Path, other: &Path) -> bool {
    let name = |path: &Path| {
        let behind = behind_links(path).ok()?;
        Some(folder_of(&behind).canonicalize().ok()?.join(behind.file_name()?))
    };
    name(one).is_some_and(|one| name(other) == Some(one))
}

fn check_type(path: &Path, metadata: &std::fs::Metadata) -> Result<(), Error> {
    if metadata.is_dir() {
        return Err(refused(path, Errno::EISDIR));
    }
    if metadata.file_type().is_block_device() {
        let reason = "is a block device, and a result would overwrite its contents";
        return Err(Error::unusable(path, reason, "name a file"));
    }
    if metadata.file_type().is_socket() {
        return Err(Error::unusable(path, "is a socket", "name a file or a pipe"));
    }
    Ok(())
}

/// A file that this user may not write to is not replaced either.
fn check_writable(path: &Path, inode: Inode) -> Result<(), Error> {
    let opened = inode.open(path, OpenOptions::new().write(true), 0);
    opened.map(drop).map_err(|error| refused(path, error.errno().unwrap_or(Errno::EIO)))
}

/// The open descriptor that a path names, such as that of /dev/stdout. The file behind it is not replaced.
fn descriptor(path: &Path) -> Option<RawFd> {
    let folder = PathBuf::from(format!("/proc/{}/fd", std::process::id()));
    let links = std::iter::successors(Some(path.to_owned()), |path| {
        std::fs::read_link(path).ok().map(|target| folder_of(path).join(target))
    });
    let own =
        links.take(MAX_LINKS).find(|link| folder_of(link).canonicalize().is_ok_and(|it| it == folder))?;
    own.file_name()?.to_str()?.parse().ok()
}

/// Opens a stream for writing at its end. Waits for space, but not for a reader.
fn open_stream(path: &Path) -> Result<File, Error> {
    if let Some(number) = descriptor(path) {
        // SAFETY: dup takes any number, and fails if it is not an open descriptor.
        let copy = Errno::result(unsafe { libc::dup(number) }).map_err(|errno| refused(path, errno))?;
        // SAFETY: the copy is new and has no other owner. It shares the file offset with the original, so
        // text that is printed later follows the result.
        return Ok(unsafe { File::from_raw_fd(copy) });
    }
    let inode = Inode::named(path).ok_or_else(|| refused(path, Errno::ENOENT))?;
    let opened = inode.open(path, OpenOptions::new().append(true), libc::O_NOCTTY);
    opened.map_err(|error| match error.errno() {
        Some(Errno::ENXIO) => {
            Error::unusable(path, "no program reads from it (ENXIO)", "start the reader first")
                .because(Errno::ENXIO)
        }
        Some(errno) => refused(path, errno),
        None => error,
    })
}

fn keep_owner_and_mode(file: &File, old: &std::fs::Metadata) -> std::io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o7777))
}

fn refused(path: &Path, errno: Errno) -> Error {
    let remedy = "name a file in a folder that you may write to";
    Error::unusable(path, describe(errno), remedy).because(errno)
}

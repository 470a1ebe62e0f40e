//! The file or device that a benchmark runs on, checked before anything is measured.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;
#[cfg(target_os = "linux")]
use nix::fcntl::{FcntlArg, fcntl};

use super::inode::Inode;
use super::operation::Direction;
use super::residency::Source;
use crate::error::{Error, errno_of};
use crate::host;

/// Kind of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A block device: a disk or a partition. On FreeBSD these are character devices.
    Block,
    /// Any other character device, such as /dev/zero.
    Character,
}

/// A file or device with a descriptor of the engine's own.
///
/// Preparation, residency and alignment use that descriptor. The strategies open the path again in every
/// iteration, and [`Inode::open`] checks that it is the same file.
///
/// A clone is the same target: the workers of a pass share it.
#[derive(Debug, Clone)]
pub struct Target(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    kind: Kind,
    control: File,
    metadata: Metadata,
    size_bytes: Option<u64>,
    /// Found by a trial at its first use.
    residency_source: OnceLock<Option<Source>>,
    /// Exclusive claim on a block device that is written to. It prevents mounts.
    _claim: Option<File>,
}

impl Target {
    /// Opens the existing `path` for a benchmark in `direction`. Writing to a device requires
    /// `allow_device_write`, and the device must not be in use.
    ///
    /// # Errors
    /// An open error if the path cannot be opened in this mode or is in use; a usage error if writing to the
    /// device is not allowed.
    pub fn open(path: &Path, direction: Direction, allow_device_write: bool) -> Result<Target, Error> {
        let metadata = std::fs::metadata(path).map_err(|error| Error::open(path, errno_of(&error)))?;
        let kind = kind_of(path, &metadata)?;
        let mut claim = None;
        if direction == Direction::Write && kind != Kind::Regular {
            claim = claim_device(path, kind, &metadata, allow_device_write)?;
        }
        let control = open_control(path, Inode::from(&metadata), direction)?;
        if direction == Direction::Write && kind == Kind::Regular {
            check_not_storage(path, &metadata, &control, allow_device_write)?;
        }
        let size_bytes = match kind {
            Kind::Regular => Some(metadata.len()),
            Kind::Block => host::device_size_bytes(&control),
            Kind::Character => None,
        };
        Ok(Target(Arc::new(Opened {
            path: path.to_owned(),
            kind,
            control,
            metadata,
            size_bytes,
            residency_source: OnceLock::new(),
            _claim: claim,
        })))
    }

    /// An unnamed file in `folder`, for testing the abilities of its filesystem.
    ///
    /// # Errors
    /// An open error if no file can be created there.
    pub fn scratch(folder: &Path) -> Result<Target, Error> {
        let open_error = |error: std::io::Error| Error::open(folder, errno_of(&error));
        let control = scratch_file(folder).map_err(open_error)?;
        let metadata = control.metadata().map_err(open_error)?;
        Ok(Target(Arc::new(Opened {
            path: folder.to_owned(),
            kind: Kind::Regular,
            control,
            metadata,
            size_bytes: Some(0),
            residency_source: OnceLock::new(),
            _claim: None,
        })))
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Kind of the target.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The engine's own descriptor.
    pub fn control(&self) -> &File {
        &self.0.control
    }

    /// Device and inode number.
    pub fn inode(&self) -> Inode {
        Inode::from(&self.0.metadata)
    }

    /// Metadata from the time when the target was opened.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The source of residency information that works on this target; `None` if none does, or while the file
    /// is empty.
    pub(super) fn residency_source(&self) -> Option<Source> {
        if self.size_bytes_now() == Some(0) {
            return None;
        }
        *self.0.residency_source.get_or_init(|| Source::of(self))
    }

    /// Size in bytes; `None` for a character device.
    pub fn size_bytes(&self) -> Option<u64> {
        self.0.size_bytes
    }

    /// Checks the target again after a pass. If a file lost the end of its last page, a mapping reads zeros
    /// there, without an error (mmap(2), NOTES).
    ///
    /// # Errors
    /// The path no longer names the target, or a file no longer holds the `total_bytes` bytes of the pass.
    pub fn check_after_pass(&self, total_bytes: u64, block_bytes: u64) -> Result<(), Error> {
        self.inode().check_named(&self.0.path)?;
        match self.size_bytes_now() {
            Some(now) if now < total_bytes => Err(self.short(now, total_bytes, block_bytes)),
            _ => Ok(()),
        }
    }

    /// Present size of a regular file, in bytes.
    pub fn size_bytes_now(&self) -> Option<u64> {
        let now = self.0.control.metadata().ok().filter(|_| self.0.kind == Kind::Regular)?;
        Some(now.len())
    }

    fn short(&self, size_bytes: u64, total_bytes: u64, block_bytes: u64) -> Error {
        Error::short_file(&self.0.path, size_bytes, total_bytes, block_bytes)
    }

    /// Checks that the target holds the `total_bytes` bytes that a run will cover.
    ///
    /// # Errors
    /// The file is too short.
    pub fn check_holds(&self, total_bytes: u64, block_bytes: u64) -> Result<(), Error> {
        match self.0.size_bytes {
            Some(size_bytes) if size_bytes < total_bytes => {
                Err(self.short(size_bytes, total_bytes, block_bytes))
            }
            _ => Ok(()),
        }
    }
}

fn kind_of(path: &Path, metadata: &Metadata) -> Result<Kind, Error> {
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        return Err(Error::open(path, Errno::EISDIR));
    }
    if host::is_disk(metadata) {
        return Ok(Kind::Block);
    }
    if file_type.is_char_device() {
        return Ok(Kind::Character);
    }
    if file_type.is_file() {
        return Ok(Kind::Regular);
    }
    Err(Error::unusable(path, "is a pipe or a socket", "name a regular file or a device"))
}

/// Opens the engine's descriptor. It needs only read permission. A file without read permission is opened for
/// writing.
fn open_control(path: &Path, inode: Inode, direction: Direction) -> Result<File, Error> {
    let reading = inode.open(path, OpenOptions::new().read(true), 0);
    match reading {
        Err(_) if direction == Direction::Write => inode.open(path, OpenOptions::new().write(true), 0),
        other => other,
    }
}

/// Devices to which writing is harmless. They are found by name, because only Linux gives them fixed numbers.
const HARMLESS_DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

fn is_harmless(device: &Metadata) -> bool {
    let same = |known: Metadata| known.file_type().is_char_device() && known.rdev() == device.rdev();
    HARMLESS_DEVICES.iter().any(|path| std::fs::metadata(path).is_ok_and(same))
}

/// Refuses to write to a device that is in use, or without permission. Claims a block device.
fn claim_device(path: &Path, kind: Kind, metadata: &Metadata, allowed: bool) -> Result<Option<File>, Error> {
    if kind == Kind::Character && is_harmless(metadata) {
        return Ok(None);
    }
    if kind == Kind::Block {
        let users = host::device_users(metadata);
        if !users.is_empty() {
            return Err(in_use(path, &users.join(", ")));
        }
    }
    if !allowed {
        return Err(Error::usage(format!(
            "{}: -w on a device destroys its contents; add --allow-device-write to allow it",
            path.display()
        )));
    }
    if kind != Kind::Block {
        return Ok(None);
    }
    // The kernel refuses O_EXCL on a block device while it is in use in any mount namespace (open(2)). The
    // list above only names the users.
    let options = &mut OpenOptions::new();
    match Inode::from(metadata).open(path, options.read(true).write(true), libc::O_EXCL) {
        Ok(claim) => Ok(Some(claim)),
        Err(error) if error.errno() == Some(Errno::EBUSY) => {
            Err(in_use(path, "the kernel reports it as busy"))
        }
        Err(error) => Err(error),
    }
}

fn in_use(path: &Path, users: &str) -> Error {
    let remedy = "iobench never writes to a device in use: unmount it, or name another device";
    Error::unusable(path, format!("is in use ({users})"), remedy)
}

/// Refuses to write to a regular file that serves as storage: as swap, behind a loop device, or as the locked
/// image of a virtual machine. Like a device, it is never written to while in use, and otherwise with
/// permission only.
///
/// # Errors
/// An open error if the file is in use; a usage error without permission.
pub(super) fn check_not_storage(
    path: &Path,
    metadata: &Metadata,
    file: &File,
    allowed: bool,
) -> Result<(), Error> {
    let mut uses = host::file_uses(metadata);
    if !uses.active.is_empty() {
        let remedy = "iobench never writes to a file in use as a device: unmount it, or name another file";
        return Err(Error::unusable(path, format!("is in use ({})", uses.active.join("; ")), remedy));
    }
    uses.idle.extend(is_locked(file).then(|| "locked by another program".to_owned()));
    if allowed || uses.idle.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{}: the file is {}, and writing destroys its contents; add --allow-device-write to allow it",
        path.display(),
        uses.idle.join(", ")
    )))
}

/// True if another program holds a lock on a part of the file, as QEMU does on the image of a running
/// machine.
#[cfg(target_os = "linux")]
fn is_locked(file: &File) -> bool {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let mut lock = whole;
    let answer = fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock));
    answer.is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short
}

/// FreeBSD has no locks of open files.
#[cfg(not(target_os = "linux"))]
fn is_locked(_: &File) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn scratch_file(folder: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(folder)
}

#[cfg(not(target_os = "linux"))]
fn scratch_file(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(format!(".iobench-probe-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

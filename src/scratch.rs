//! Temporary files and folders. They are removed however the program ends, except by SIGKILL. Their names
//! then tell a later run what is left.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::geteuid;
use tempfile::{Builder, NamedTempFile, TempDir};

use crate::error::errno_of;

/// Start of the name of every temporary file and folder.
const PREFIX: &str = ".iobench-";

/// Age at which the program that made a file has certainly locked it.
const UNLOCKED_AT_MOST: Duration = Duration::from_secs(2);

/// A temporary file in `folder`, with this mode less the umask.
///
/// # Errors
/// The kernel's answer.
pub(crate) fn file_in(folder: &Path, mode: u32) -> Result<NamedTempFile, Errno> {
    // tempfile would hide the errno, and would create the file with a mode that ignores the umask.
    let mut answer = Errno::EIO;
    let open = |path: &Path| {
        let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        made.inspect_err(|error| answer = errno_of(error))
    };
    let made = Builder::new().prefix(PREFIX).make_in(folder, open);
    let file = made.map_err(|_| answer)?;
    lock(file.as_file(), libc::LOCK_EX);
    Ok(file)
}

/// A temporary folder. It is removed with its content.
#[derive(Debug)]
pub(crate) struct ScratchFolder {
    folder: TempDir,
    /// Holds the lock.
    _open: File,
}

impl ScratchFolder {
    /// Makes a folder in `folder` that only this user can enter.
    ///
    /// # Errors
    /// The kernel's answer.
    pub(crate) fn new_in(folder: &Path) -> io::Result<ScratchFolder> {
        let folder =
            Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(folder)?;
        let open = File::open(folder.path())?;
        lock(&open, libc::LOCK_EX);
        Ok(ScratchFolder { folder, _open: open })
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Temporary files and folders in `folder` that this user's earlier runs left because they were killed. Those
/// of running programs are locked, soon after they are made.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    let mut paths: Vec<PathBuf> = ours.map(|entry| entry.path()).filter(|path| is_leftover(path)).collect();
    paths.sort();
    paths
}

fn is_leftover(path: &Path) -> bool {
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path);
    opened.is_ok_and(|file| {
        let own = file.metadata().is_ok_and(|metadata| {
            let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
            metadata.uid() == geteuid().as_raw() && age.is_some_and(|age| age > UNLOCKED_AT_MOST)
        });
        own && lock(&file, libc::LOCK_EX | libc::LOCK_NB)
    })
}

/// Locks a file until it is closed. Returns false if another program holds the lock, or if the filesystem has
/// no locks. The owner of a new file waits, because a program that looks for leftovers may hold the lock for
/// a moment.
fn lock(file: &File, operation: libc::c_int) -> bool {
    // SAFETY: flock takes a descriptor, and `file` keeps it open.
    unsafe { libc::flock(file.as_raw_fd(), operation) == 0 }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_what_no_program_holds_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let held = file_in(folder.path(), 0o600).unwrap();
        let held_folder = ScratchFolder::new_in(folder.path()).unwrap();
        assert_eq!(held_folder.path().metadata().unwrap().mode() & 0o777, 0o700, "only for this user");
        std::fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(leftovers(folder.path()), [""; 0].map(PathBuf::from));
        let left = File::create(folder.path().join(".iobench-left")).unwrap();
        assert_eq!(leftovers(folder.path()), [""; 0].map(PathBuf::from), "it may not be locked yet");
        for file in [&left, held.as_file()] {
            file.set_modified(SystemTime::now() - 2 * UNLOCKED_AT_MOST).unwrap();
        }
        assert_eq!(leftovers(folder.path()), [folder.path().join(".iobench-left")]);
        drop((held, held_folder));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

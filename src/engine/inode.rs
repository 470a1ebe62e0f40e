//! Identity of a file. A path can name another file from one moment to the next; device and inode number do
//! not change while the file is open.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::error::{Error, errno_of};

/// Device and inode number of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode {
    /// Number of the device that holds the file (`st_dev` of stat(2)).
    pub device: u64,
    /// Inode number.
    pub number: u64,
}

impl From<&Metadata> for Inode {
    fn from(metadata: &Metadata) -> Inode {
        Inode { device: metadata.dev(), number: metadata.ino() }
    }
}

impl Inode {
    /// The file that `path` names, behind symbolic links; `None` if there is none.
    pub fn named(path: &Path) -> Option<Inode> {
        std::fs::metadata(path).ok().map(|metadata| Inode::from(&metadata))
    }

    /// Opens `path` and checks that it still names this file. Never waits for the other end of a pipe that
    /// took its place.
    ///
    /// # Errors
    /// An open error: the kernel's answer, or the path names another file.
    pub fn open(self, path: &Path, options: &mut OpenOptions, flags: libc::c_int) -> Result<File, Error> {
        let opened = options.custom_flags(flags | libc::O_NONBLOCK).open(path);
        let file = opened.map_err(|error| match errno_of(&error) {
            // A pipe without a reader, or a socket.
            Errno::ENXIO if Inode::named(path) != Some(self) => replaced(path),
            errno => Error::open(path, errno),
        })?;
        let metadata = file.metadata().map_err(|error| Error::open(path, errno_of(&error)))?;
        if Inode::from(&metadata) != self {
            return Err(replaced(path));
        }
        make_blocking(&file).map_err(|errno| Error::system("fcntl", errno, "use another file"))?;
        Ok(file)
    }

    /// Checks that `path` still names this file.
    ///
    /// # Errors
    /// An open error if it names another file, or none.
    pub fn check_named(self, path: &Path) -> Result<(), Error> {
        if Inode::named(path) == Some(self) { Ok(()) } else { Err(replaced(path)) }
    }
}

fn replaced(path: &Path) -> Error {
    let reason = "was replaced or removed after it was checked";
    Error::unusable(path, reason, "use a file that other programs leave in place during the run")
}

/// Clears O_NONBLOCK: io_uring would answer EAGAIN where other paths wait for the device.
fn make_blocking(file: &File) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK)).map(drop)
}

/// The path behind symbolic links, also if it names no file yet.
///
/// # Errors
/// The kernel's answer, and `ELOOP` for links that lead in a circle.
pub fn behind_links(path: &Path) -> Result<PathBuf, Errno> {
    /// Linux follows at most this many links (path_resolution(7)).
    const MAX_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // EINVAL: not a link. ENOENT: a new name.
            Err(error) if matches!(errno_of(&error), Errno::EINVAL | Errno::ENOENT) => return Ok(path),
            Err(error) => return Err(errno_of(&error)),
        }
    }
    Err(Errno::ELOOP)
}

/// The folder that holds `path`, or will hold it.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_that_names_another_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("data"), folder.path().join("other"));
        std::fs::write(&path, "x").unwrap();
        std::fs::write(&other, "y").unwrap();
        let inode = Inode::named(&path).unwrap();
        let open = || inode.open(&path, OpenOptions::new().read(true), 0);
        let file = open().unwrap();
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK));
        std::fs::rename(&other, &path).unwrap();
        let message = open().unwrap_err().to_string();
        assert!(message.contains("was replaced"), "{message}");
        assert!(inode.check_named(&path).is_err());
        assert!(inode.open(&other, OpenOptions::new().read(true), 0).is_err(), "missing");
    }

    #[test]
    fn links_are_followed_to_a_name_that_does_not_exist_yet() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("second", at("first")).unwrap();
        symlink(at("new"), at("second")).unwrap();
        assert_eq!(behind_links(&at("first")), Ok(at("new")));
        assert_eq!(behind_links(&at("plain")), Ok(at("plain")));
        symlink("circle", at("circle")).unwrap();
        assert_eq!(behind_links(&at("circle")), Err(Errno::ELOOP));
    }
}

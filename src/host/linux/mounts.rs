//! Mounts in the namespace of this process: proc_pid_mountinfo(5).

use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::block::DeviceNumber;
use super::files::{field, read, read_with};
use crate::host::description::Filesystem;

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) id: u64,
    /// Device number of the files (`st_dev` of stat(2)), except in subvolumes of btrfs.
    pub(super) number: DeviceNumber,
    /// The mounted folder of the filesystem.
    pub(super) root: PathBuf,
    pub(super) filesystem: Filesystem,
}

/// All visible mounts, in the order of mounting.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    pub(super) fn read() -> Self {
        Self::parse(&read("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Skips lines that do not have the format of mountinfo.
    pub(super) fn parse(mountinfo: &str) -> Self {
        Self(mountinfo.lines().filter_map(parse_line).collect())
    }

    pub(super) fn all(&self) -> &[Mount] {
        &self.0
    }

    /// The mount that holds `path`. The path must exist and must not contain symbolic links.
    pub(super) fn holding(&self, path: &Path) -> Option<&Mount> {
        mount_id(path)
            .and_then(|id| self.0.iter().find(|mount| mount.id == id))
            .or_else(|| self.under_longest_prefix(path))
    }

    /// The mount with the deepest mount point above `path`; of several mounts on that point, the last.
    fn under_longest_prefix(&self, path: &Path) -> Option<&Mount> {
        self.0
            .iter()
            .filter(|mount| path.starts_with(&mount.filesystem.mount_point))
            .max_by_key(|mount| mount.filesystem.mount_point.components().count())
    }
}

/// Asks the kernel for the mount that holds `path`. The answer is right even if a later mount hides another
/// one. `O_PATH` neither reads the file nor touches a device.
fn mount_id(path: &Path) -> Option<u64> {
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path).ok()?;
    read_with(format!("/proc/self/fdinfo/{}", file.as_raw_fd()), parse_mount_id)
}

fn parse_mount_id(fdinfo: &str) -> Option<u64> {
    field(fdinfo, "mnt_id")?.parse().ok()
}

/// Parses `id parent major:minor root mount_point options tag... - type source super_options`.
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    // The source may be an empty word, so every single space separates.
    let mut filesystem = filesystem.split(' ');
    Some(Mount {
        id: mount.next()?.parse().ok()?,
        number: mount.nth(1)?.parse().ok()?,
        root: unescape(mount.next()?).into(),
        filesystem: Filesystem {
            mount_point: unescape(mount.next()?).into(),
            kind: unescape(filesystem.next()?),
            device: unescape(filesystem.next()?),
            options: merged(mount.next()?, filesystem.next().unwrap_or_default()),
        },
    })
}

/// Options of the mount, then those that only the filesystem has.
fn merged(mount_options: &str, filesystem_options: &str) -> String {
    let mut options: Vec<&str> = mount_options.split(',').collect();
    for option in filesystem_options.split(',') {
        if !options.contains(&option) {
            options.push(option);
        }
    }
    options.join(",")
}

/// Replaces the octal escapes that the kernel uses in its lists of mounts and swap areas.
pub(super) fn unescape(field: &str) -> String {
    // The backslash comes last: one that it restores must not start another escape.
    const ESCAPES: [(&str, &str); 5] =
        [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")];
    ESCAPES.iter().fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
40 27 8:1 /sub /mnt/with\\040space ro,nosuid - xfs /dev/sda1 rw,noquota
41 27 0:44 /@home /home rw - btrfs /dev/sdb2 rw,subvol=/@home
50 27 0:50 / /mnt/twice rw - tmpfs first rw
51 50 0:51 / /mnt/twice rw - tmpfs second rw
52 27 0:52 / /mnt/empty rw - tmpfs  rw,inode64";

    fn source(path: &str) -> String {
        let mounts = Mounts::parse(MOUNTINFO);
        mounts.under_longest_prefix(Path::new(path)).unwrap().filesystem.device.clone()
    }

    #[test]
    fn a_line_is_taken_apart_with_and_without_tags() {
        let mounts = Mounts::parse(MOUNTINFO);
        assert_eq!(mounts.all().len(), 7);
        let mount = &mounts.all()[2];
        assert_eq!(mount.id, 40);
        assert_eq!(mount.number, "8:1".parse().unwrap());
        assert_eq!(mount.root, Path::new("/sub"));
        assert_eq!(mount.filesystem.mount_point, Path::new("/mnt/with space"));
        assert_eq!(mount.filesystem.kind, "xfs");
        assert_eq!(mount.filesystem.options, "ro,nosuid,rw,noquota");
        assert_eq!(mounts.all()[1].filesystem.options, "rw,relatime,discard");
        assert_eq!(mounts.all()[6].filesystem.device, "");
        assert_eq!(mounts.all()[6].filesystem.options, "rw,inode64");
    }

    #[test]
    fn the_deepest_and_last_mount_holds_a_path() {
        assert_eq!(source("/etc/passwd"), "/dev/vda");
        assert_eq!(source("/home/someone/file"), "/dev/sdb2");
        assert_eq!(source("/homeless"), "/dev/vda");
        assert_eq!(source("/mnt/twice/file"), "second");
        assert_eq!(source("/mnt/with space/file"), "/dev/sda1");
    }

    #[test]
    fn garbage_is_left_out() {
        for garbage in [
            "",
            " - ",
            "a b c - d",
            "1 2 3 4 5 6 - 7 8 9",
            "1 2 3:4 / - x y",
            "\\",
            "1 2 99999999999:1 / / rw - a b c",
            "\u{fffd} - \u{fffd}",
        ] {
            assert!(Mounts::parse(garbage).all().is_empty(), "{garbage:?}");
        }
    }

    #[test]
    fn escapes_are_undone_and_half_escapes_kept() {
        assert_eq!(unescape("a\\040b\\134c\\011"), "a b\\c\t");
        assert_eq!(unescape("\\134040\\012\\043"), "\\040\n#");
        assert_eq!(unescape("\\04"), "\\04");
        assert_eq!(unescape("\\777\\"), "\\777\\");
        assert_eq!(unescape("ä\\040ß"), "ä ß");
    }

    #[test]
    fn the_mount_id_is_found_in_fdinfo() {
        assert_eq!(parse_mount_id("pos:\t0\nflags:\t02\nmnt_id:\t27\n"), Some(27));
        assert_eq!(parse_mount_id("mnt_id:\tx"), None);
        assert_eq!(parse_mount_id(""), None);
        assert!(mount_id(Path::new("/")).is_some());
    }
}

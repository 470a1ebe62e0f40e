//! Linux: everything from `/proc` and `/sys`, without helper programs.

mod block;
mod cgroup;
mod conditions;
mod confinement;
mod mounts;
mod processor;
mod users;

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::str::FromStr;

use super::{Configuration, Filesystem, Identity, Storage};
use block::BlockDevice;
use mounts::{Mount, Mounts};

pub(super) use block::device_size_bytes;
pub(super) use conditions::{conditions, memory_available_bytes};
pub(super) use users::device_users;

pub(super) fn configuration(path: Option<&Path>) -> Configuration {
    let path = path.and_then(super::existing);
    let mounts = Mounts::read();
    let mount = path.as_deref().and_then(|path| mounts.holding(path));
    let device = path.and_then(|path| path.metadata().ok()).and_then(|metadata| carrier(&metadata, mount));
    Configuration {
        identity: identity(mount),
        processor: processor::processor(),
        storage: Storage {
            mount_options: mount.map(Mount::options),
            ..device.map(|device| device.describe()).unwrap_or_default()
        },
        confinement: confinement::confinement(&mounts),
    }
}

pub(super) fn filesystem(path: &Path) -> Option<Filesystem> {
    let path = super::existing(path)?;
    let mounts = Mounts::read();
    let mount = mounts.holding(&path)?;
    Some(Filesystem {
        kind: mount.kind.clone(),
        device: mount.source.clone(),
        mount_point: mount.mount_point.clone(),
        options: mount.options(),
    })
}

pub(super) fn is_disk(node: &Metadata) -> bool {
    node.file_type().is_block_device()
}

pub(super) fn logical_block_bytes(metadata: &Metadata) -> Option<u64> {
    let mounts = Mounts::read();
    let number = metadata.dev().into();
    let mount = mounts.all().iter().find(|mount| mount.number == number);
    carrier(metadata, mount)?.logical_block_bytes()
}

/// The block device behind `metadata`: itself if it is one, else the device of its filesystem.
///
/// Filesystems that span devices give their files a device number that no device has; for them
/// the source of the mount decides.
fn carrier(metadata: &Metadata, mount: Option<&Mount>) -> Option<BlockDevice> {
    if is_disk(metadata) {
        return BlockDevice::with_number(metadata.rdev().into());
    }
    BlockDevice::with_number(metadata.dev().into())
        .or_else(|| BlockDevice::with_node(Path::new(&mount?.source)))
}

fn identity(mount: Option<&Mount>) -> Identity {
    let name = nix::sys::utsname::uname().ok();
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    Identity {
        machine: name.as_ref().map(|name| text(name.machine())),
        model: processor::model(),
        cpu_count: processor::online_count(),
        physical_memory_bytes: conditions::memory_field_bytes("MemTotal"),
        page_sizes_bytes: processor::page_sizes_bytes(),
        arm_frequency_hz: None,
        os_type: name.as_ref().map(|name| text(name.sysname())),
        os_release: name.as_ref().map(|name| text(name.release())),
        kernel_ident: name.as_ref().map(|name| text(name.version())),
        filesystem_type: mount.map(|mount| mount.kind.clone()),
        filesystem_device: mount.map(|mount| mount.source.clone()),
        filesystem_path: mount.map(|mount| mount.mount_point.to_string_lossy().into_owned()),
    }
}

/// What a file of `/proc` or `/sys` says, without the white space around it; `None` for nothing.
///
/// Bytes that are not UTF-8 (in names of mount points) are replaced, not refused.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // Strings of the device tree end in a zero byte.
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number that stands alone in a file of `/proc` or `/sys`.
fn read_number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    read(path)?.parse().ok()
}

/// The alternative in brackets: `none [mq-deadline] kyber` selects `mq-deadline`. A file that
/// offers no choice says its only value without brackets.
fn selected(alternatives: &str) -> Option<String> {
    let words = || alternatives.split_whitespace();
    let bracketed = words().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let only = || words().next().filter(|_| words().count() == 1);
    bracketed.or_else(only).map(str::to_owned)
}

/// Names in a folder of `/sys`, sorted; empty if there is no such folder.
fn names_in(folder: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_takes_the_word_in_brackets_or_the_only_one() {
        let selected = |text| selected(text);
        assert_eq!(selected("none [mq-deadline] kyber").as_deref(), Some("mq-deadline"));
        assert_eq!(selected("[none] ").as_deref(), Some("none"));
        assert_eq!(selected("none").as_deref(), Some("none"));
        assert_eq!(selected("always madvise"), None);
        assert_eq!(selected("[ ] ]["), None);
        assert_eq!(selected(""), None);
    }

    #[test]
    fn read_of_a_missing_or_empty_file_is_none() {
        assert_eq!(read("/proc/self/no-such-file"), None);
        assert_eq!(read("/dev/null"), None);
        assert_eq!(read_number::<u64>("/proc/self/comm"), None);
    }
}

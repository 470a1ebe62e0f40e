//! Description of the machine, kernel, filesystem and device that a result was measured on.
//!
//! Each operating system has one file, and all have the same functions. They fill the types of
//! description.rs.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

mod description;

pub use description::{
    Conditions, Configuration, Confinement, FileUses, Filesystem, Identity, Processor, Storage,
};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "freebsd")]
use freebsd as system;

/// Describes this machine and, given a path, the filesystem and device that hold it.
///
/// If the path does not exist yet, the nearest existing folder above it is described. If it is a device node,
/// that device is described.
pub fn configuration(path: Option<&Path>) -> Configuration {
    let path = path.and_then(existing);
    let filesystem = path.as_deref().and_then(system::filesystem);
    let storage = path.as_deref().and_then(|path| system::storage(path, filesystem.as_ref()));
    Configuration {
        identity: Identity {
            filesystem_type: filesystem.as_ref().map(|it| it.kind.clone()),
            filesystem_device: filesystem.as_ref().map(|it| it.device.clone()),
            filesystem_path: filesystem.as_ref().map(|it| it.mount_point.to_string_lossy().into_owned()),
            ..system::identity()
        },
        processor: system::processor(),
        storage: Storage { mount_options: filesystem.map(|it| it.options), ..storage.unwrap_or_default() },
        confinement: system::confinement(),
    }
}

/// Reads the present [`Conditions`].
pub fn conditions() -> Conditions {
    system::conditions()
}

/// Users of the block device behind a device node, one sentence per user.
///
/// Users are the mounts and active swap areas of the device, of its partitions, of the disk that it is a
/// partition of, and, recursively, of the devices built on these (device mapper, md, loop devices). `device`
/// is the metadata of the node; only its `rdev` counts.
///
/// An empty list means that no user is known; the device may still have one. On Linux, if the tables of this
/// mount namespace name no user, the device is opened for a moment with `O_EXCL`. The kernel refuses that
/// while the device is claimed, even if the caller itself claimed it.
pub fn device_users(device: &Metadata) -> Vec<String> {
    system::device_users(device)
}

/// Uses of a regular file as storage: as swap, and by loop devices on it. Only device and inode number of
/// `file` count, so links and other names of the file are found.
pub fn file_uses(file: &Metadata) -> FileUses {
    system::file_uses(file)
}

/// Process numbers of other benchmarks that are pinned to this CPU alone: processes with the name of this
/// one.
pub fn others_pinned_to(cpu: usize) -> Vec<i32> {
    system::others_pinned_to(cpu)
}

/// Caches below the page cache of `path` that may hold its data: the page cache below a loop device, the
/// server of a FUSE or network filesystem, the layers of an overlay. The host of a virtual machine is not
/// among them; [`Confinement::virtualization`] names it.
pub fn lower_caches(path: &Path) -> Vec<String> {
    system::lower_caches(path)
}

/// True if this is the device node of a disk or of a part of one. FreeBSD has no block devices: its disks are
/// the character devices that the GEOM tree names.
pub fn is_disk(node: &Metadata) -> bool {
    system::is_disk(node)
}

/// Size in bytes of the block device that `file` is open on; `None` for any other file.
///
/// Linux: ioctl `BLKGETSIZE64`; FreeBSD: ioctl `DIOCGMEDIASIZE`.
pub fn device_size_bytes(file: &File) -> Option<u64> {
    system::device_size_bytes(file)
}

/// Logical block size in bytes of the block device that holds this file, or of this device node.
///
/// `None` if the metadata does not lead to one device: network filesystems, tmpfs, overlay, and subvolumes of
/// btrfs, whose device numbers are not those of a device.
pub fn logical_block_bytes(metadata: &Metadata) -> Option<u64> {
    system::logical_block_bytes(metadata)
}

/// Physical memory in bytes that this process can still use without swapping.
///
/// Linux: the minimum of `MemAvailable` and, for each limited control group around this process, its limit
/// minus its usage. Page cache that the group can drop does not count as used, as in `MemAvailable`. FreeBSD:
/// free and inactive pages.
pub fn memory_available_bytes() -> Option<u64> {
    system::memory_available_bytes()
}

/// The filesystem that holds `path`, or will hold it once it is created.
pub fn filesystem(path: &Path) -> Option<Filesystem> {
    system::filesystem(&existing(path)?)
}

/// `path` or, if it does not exist, the nearest existing folder above it, with symbolic links resolved.
fn existing(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()?.ancestors().find_map(|ancestor| ancestor.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::generate::SchemaSettings;

    #[test]
    fn this_machine_can_be_described() {
        let configuration = configuration(Some(Path::new(".")));
        let value = serde_json::to_value(&configuration).unwrap();
        assert!(value["hw.ncpu"].as_u64().unwrap() > 0);
        assert!(value["hw.physmem"].as_u64().unwrap() > 1 << 20);
        assert!(value["kern.ostype"].is_string());
        assert!(value["fspath"].is_string());
        assert!(conditions().load_average_1min.is_some());
        assert!(memory_available_bytes().unwrap() > 0);
    }

    #[test]
    fn a_path_that_does_not_exist_is_described_by_the_folder_above() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("not/yet");
        assert_eq!(filesystem(&missing), filesystem(folder.path()));
        assert!(filesystem(&missing).is_some());
    }

    #[test]
    fn the_schema_requires_every_key_and_describes_it() {
        let schema = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator()
            .into_root_schema_for::<Configuration>();
        let properties = schema.get("properties").unwrap().as_object().unwrap();
        let required = schema.get("required").unwrap().as_array().unwrap();
        let printed = serde_json::to_value(configuration(None)).unwrap();
        let printed = printed.as_object().unwrap();
        assert_eq!(properties.len(), printed.len());
        assert_eq!(required.len(), printed.len());
        for key in printed.keys() {
            assert!(properties[key].get("description").is_some(), "{key}");
        }
    }
}

//! Linux: everything from `/proc` and `/sys`, without helper programs.

mod block;
mod cgroup;
mod conditions;
mod confinement;
mod files;
mod mounts;
mod processor;
mod users;

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::description::{Configuration, Filesystem, Identity, Storage};
use block::BlockDevice;
use mounts::{Mount, Mounts};

pub(super) use block::device_size_bytes;
pub(super) use conditions::{conditions, memory_available_bytes};
pub(super) use users::device_users;

pub(super) fn configuration(path: Option<&Path>) -> Configuration {
    let mounts = Mounts::read();
    let mount = path.and_then(|path| mounts.holding(path));
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
    let mounts = Mounts::read();
    let mount = mounts.holding(path)?;
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

//! Linux. All values come from system calls, `/proc` and `/sys`; no helper program runs.

mod block;
mod cgroup;
mod conditions;
mod confinement;
mod files;
mod mounts;
mod processor;
mod users;

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::utsname::{UtsName, uname};

use super::description::{Filesystem, Identity, Storage};
use block::BlockDevice;
use mounts::Mounts;

pub(super) use block::device_size_bytes;
pub(super) use conditions::{conditions, memory_available_bytes};
pub(super) use confinement::confinement;
pub(super) use processor::processor;
pub(super) use users::{device_users, file_uses};

pub(super) fn identity() -> Identity {
    let names = uname().ok();
    let text = |name: fn(&UtsName) -> &OsStr| Some(name(names.as_ref()?).to_string_lossy().into_owned());
    Identity {
        machine: text(UtsName::machine),
        model: processor::model(),
        cpu_count: processor::online_count(),
        physical_memory_bytes: conditions::memory_field_bytes("MemTotal"),
        page_sizes_bytes: processor::page_sizes_bytes(),
        os_type: text(UtsName::sysname),
        os_release: text(UtsName::release),
        kernel_ident: text(UtsName::version),
        ..Identity::default()
    }
}

pub(super) fn storage(path: &Path, filesystem: Option<&Filesystem>) -> Option<Storage> {
    Some(carrier(&path.metadata().ok()?, filesystem)?.describe())
}

pub(super) fn filesystem(path: &Path) -> Option<Filesystem> {
    Mounts::read().holding(path).map(|mount| mount.filesystem.clone())
}

pub(super) fn is_disk(node: &Metadata) -> bool {
    node.file_type().is_block_device()
}

pub(super) fn logical_block_bytes(metadata: &Metadata) -> Option<u64> {
    let mounts = Mounts::read();
    let number = metadata.dev().into();
    let mount = mounts.all().iter().find(|mount| mount.number == number);
    carrier(metadata, mount.map(|mount| &mount.filesystem))?.logical_block_bytes()
}

/// The block device behind `metadata`: the device itself if this is its node, else the device of the
/// filesystem.
///
/// Filesystems that span devices give their files a device number that no device has. For these the source of
/// the mount decides.
fn carrier(metadata: &Metadata, filesystem: Option<&Filesystem>) -> Option<BlockDevice> {
    if is_disk(metadata) {
        return BlockDevice::with_number(metadata.rdev().into());
    }
    BlockDevice::with_number(metadata.dev().into())
        .or_else(|| BlockDevice::with_node(Path::new(&filesystem?.device)))
}

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
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::utsname::{UtsName, uname};
use nix::unistd::Pid;

use super::description::{Filesystem, Identity, Storage};
use block::BlockDevice;
use files::{entries, name_of, read};
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

pub(super) fn others_pinned_to(cpu: usize) -> Vec<i32> {
    let Some(own_name) = program_name(Path::new("/proc/self")) else { return Vec::new() };
    let own = std::process::id() as i32;
    let processes = entries("/proc").into_iter();
    let others = processes.filter_map(|folder| Some((name_of(&folder).parse::<i32>().ok()?, folder)));
    others
        .filter(|(pid, _)| *pid != own && is_pinned_to(*pid, cpu))
        .filter(|(_, folder)| program_name(folder).as_ref() == Some(&own_name))
        .map(|(pid, _)| pid)
        .collect()
}

/// The file name of a process's program; `None` for a thread of the kernel. The link to the program is
/// readable by its user only, other users see the first 15 bytes of the name.
fn program_name(process: &Path) -> Option<String> {
    const COMM_BYTES: usize = 15;
    let name = match fs::read_link(process.join("exe")) {
        Ok(program) => name_of(&program).trim_end_matches(" (deleted)").to_owned(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => read(process.join("comm"))?,
        Err(_) => return None,
    };
    Some(name.chars().take(COMM_BYTES).collect())
}

/// True if a process may run only on this CPU.
fn is_pinned_to(pid: i32, cpu: usize) -> bool {
    let allowed = sched_getaffinity(Pid::from_raw(pid));
    allowed.is_ok_and(|set| {
        let mut cpus = (0..CpuSet::count()).filter(|number| set.is_set(*number).unwrap_or(false));
        cpus.next() == Some(cpu) && cpus.next().is_none()
    })
}

pub(super) fn lower_caches(path: &Path) -> Vec<String> {
    let filesystem = filesystem(path);
    let device = path.metadata().ok().and_then(|metadata| carrier(&metadata, filesystem.as_ref()));
    let below = device.into_iter().flat_map(|device| device.buffered_loops());
    filesystem.as_ref().and_then(filesystem_below).into_iter().chain(below).collect()
}

/// The storage behind a filesystem that keeps no data on a device of its own.
fn filesystem_below(filesystem: &Filesystem) -> Option<String> {
    let place = filesystem.mount_point.display();
    match filesystem.kind.as_str() {
        "overlay" => Some(format!("the layers of the overlay at {place}")),
        kind if kind.starts_with("fuse") => Some(format!("the server of {place} ({kind})")),
        kind @ ("9p" | "virtiofs" | "nfs" | "nfs4" | "cifs" | "smb3" | "ceph") => {
            Some(format!("the server of {place} ({kind})"))
        }
        _ => None,
    }
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

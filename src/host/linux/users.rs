//! Users of a block device or of a file that serves as one: mounts, swap areas, and devices built on it.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::block::{BlockDevice, DeviceNumber, node_number};
use super::files::{entries, read};
use super::mounts::{Mounts, unescape};
use crate::host::description::FileUses;

pub(in crate::host) fn device_users(device: &Metadata) -> Vec<String> {
    let number = device.rdev().into();
    let uses = all_uses();
    let Some(device) = BlockDevice::with_number(number) else {
        // Without /sys, partitions and holders are unknown. The mounts still count.
        let own = uses.iter().filter(|it| it.number == number);
        return own.map(|it| format!("device {number} {}", it.phrase)).collect();
    };
    let layers = layers(&device);
    let usage = Usage { uses, layers: &layers };
    let partitions = device.partitions();
    let shared = std::iter::once(&device).chain(&partitions).chain(&layers[1..]);
    let users: Vec<String> = shared
        .flat_map(|device| {
            let node = device.node();
            usage.phrases(device).into_iter().map(move |phrase| format!("{} {phrase}", node.display()))
        })
        .collect();
    if users.is_empty() { claim(&device).into_iter().collect() } else { users }
}

/// The loop devices on a file, with their uses, and its use as swap.
pub(in crate::host) fn file_uses(file: &Metadata) -> FileUses {
    let inode = (file.dev(), file.ino());
    let is_file = |path: &Path| path.metadata().is_ok_and(|it| (it.dev(), it.ino()) == inode);
    let swaps = read("/proc/swaps").unwrap_or_default();
    let swap = swap_areas(&swaps).any(|path| is_file(&path)).then(|| "as swap".to_owned());
    let mut uses = FileUses { active: swap.into_iter().collect(), idle: Vec::new() };
    for device in BlockDevice::linked_in("/sys/class/block").filter(|device| device.is_on_file(inode)) {
        let node = device.node();
        let users = node.metadata().map(|node| device_users(&node)).unwrap_or_default();
        let behind = format!("behind {}", node.display());
        if users.is_empty() {
            uses.idle.push(behind);
        } else {
            uses.active.push(format!("{behind}: {}", users.join(", ")));
        }
    }
    uses
}

/// `device` and the devices below it that hold the same bytes: the disk of a partition, the device behind a
/// loop device. Devices below a device mapper or md device do not count, because other volumes on the same
/// disks use other bytes.
fn layers(device: &BlockDevice) -> Vec<BlockDevice> {
    let below = |device: &BlockDevice| device.disk().or_else(|| device.loop_backing());
    std::iter::successors(Some(device.clone()), below).collect()
}

/// One use of a device.
struct Use {
    number: DeviceNumber,
    phrase: String,
}

/// The uses of all devices, read once.
struct Usage<'a> {
    uses: Vec<Use>,
    /// The device in question and those below it. They are not reported as holders of each other.
    layers: &'a [BlockDevice],
}

impl Usage<'_> {
    /// The uses of `device` itself and, in relative clauses, of the devices built on it.
    fn phrases(&self, device: &BlockDevice) -> Vec<String> {
        let number = device.number();
        let own = self.uses.iter().filter(|it| Some(it.number) == number).map(|it| it.phrase.clone());
        let holders = device.holders().into_iter().filter(|holder| !self.layers.contains(holder));
        own.chain(holders.flat_map(|holder| self.holder_phrases(&holder))).collect()
    }

    /// A holder is a user even if it is not in use itself, because its contents can be damaged.
    fn holder_phrases(&self, holder: &BlockDevice) -> Vec<String> {
        let held = format!("is held by {}", holder.name());
        let mut clauses: Vec<String> =
            self.phrases(holder).iter().map(|phrase| format!("{held}, which {phrase}")).collect();
        for partition in holder.partitions() {
            let name = partition.name();
            let phrases = self.phrases(&partition).into_iter();
            clauses.extend(phrases.map(|phrase| format!("{held}, whose partition {name} {phrase}")));
        }
        if clauses.is_empty() { vec![held] } else { clauses }
    }
}

fn all_uses() -> Vec<Use> {
    let mut uses = mount_uses(&Mounts::read());
    uses.extend(swap_uses(&read("/proc/swaps").unwrap_or_default()));
    uses
}

/// Uses by mounts, one per mount and device.
fn mount_uses(mounts: &Mounts) -> Vec<Use> {
    let mut uses = Vec::new();
    for mount in mounts.all() {
        let mut numbers = vec![mount.number];
        // A btrfs mount has a number that no device has, and names only one of its devices as its source.
        if mount.filesystem.kind == "btrfs" {
            numbers.extend(btrfs_members(Path::new(&mount.filesystem.device)));
        }
        let phrase = format!("is mounted on {}", mount.filesystem.mount_point.display());
        uses.extend(numbers.into_iter().map(|number| Use { number, phrase: phrase.clone() }));
    }
    uses
}

/// Devices of the mounted btrfs that `source` is part of: `/sys/fs/btrfs/UUID/devices`.
fn btrfs_members(source: &Path) -> Vec<DeviceNumber> {
    let Some(source) = node_number(source) else {
        return Vec::new();
    };
    let members = |filesystem: PathBuf| -> Vec<DeviceNumber> {
        let devices = BlockDevice::linked_in(filesystem.join("devices"));
        devices.filter_map(|device| device.number()).collect()
    };
    entries("/sys/fs/btrfs")
        .into_iter()
        .map(members)
        .find(|members| members.contains(&source))
        .unwrap_or_else(|| vec![source])
}

/// Uses as swap. Swap files do not count here: the mount that holds them is already a use.
fn swap_uses(swaps: &str) -> Vec<Use> {
    let numbers = swap_areas(swaps).filter_map(|path| node_number(&path));
    numbers.map(|number| Use { number, phrase: "is in use as swap".to_owned() }).collect()
}

/// First column of `/proc/swaps`, without the heading.
fn swap_areas(swaps: &str) -> impl Iterator<Item = PathBuf> {
    swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(|path| unescape(path).into())
}

/// Asks the kernel if the device is claimed. Claims include users that no table shows: mounts in other
/// namespaces, ZFS, and programs that opened the device exclusively. open(2): `O_EXCL` without `O_CREAT`
/// fails with EBUSY if a block device is in use by the system.
fn claim(device: &BlockDevice) -> Option<String> {
    let node = device.node();
    if node_number(&node) != device.number() {
        return None;
    }
    let mut options = File::options();
    let error = options.read(true).custom_flags(libc::O_EXCL | libc::O_NONBLOCK).open(&node).err()?;
    (error.raw_os_error() == Some(libc::EBUSY))
        .then(|| format!("{} is claimed by another mount namespace, a driver or a program", node.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_areas_skip_the_heading_and_survive_garbage() {
        let swaps = "Filename\tType\tSize\tUsed\tPriority\n\
            /dev/dm-1                               partition\t8388604\t0\t-2\n\
            /swap\\040file file 1 0 -3\n\n\\\n";
        let areas: Vec<PathBuf> = swap_areas(swaps).collect();
        assert_eq!(areas, ["/dev/dm-1", "/swap file", "\\"].map(PathBuf::from));
        assert_eq!(swap_areas("").count(), 0);
        assert!(swap_uses("x\n/dev/null partition 1 0 0").is_empty());
    }

    #[test]
    fn a_folder_that_is_no_device_has_no_users() {
        let folder = Path::new("/").metadata().unwrap();
        assert!(device_users(&folder).is_empty());
    }

    #[test]
    fn a_mount_counts_by_its_number() {
        let mounts = Mounts::parse("27 1 254:7 / /mnt rw - ext4 /dev/nowhere rw");
        let uses = mount_uses(&mounts);
        assert_eq!(uses.len(), 1);
        assert_eq!(uses[0].number.to_string(), "254:7");
        assert_eq!(uses[0].phrase, "is mounted on /mnt");
    }
}

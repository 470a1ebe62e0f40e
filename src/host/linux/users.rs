//! Who uses a block device: mounts, swap areas, and devices that are built on it.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::block::{BlockDevice, DeviceNumber, node_number};
use super::files::{entries, read};
use super::mounts::{Mounts, unescape};

pub(in crate::host) fn device_users(device: &Metadata) -> Vec<String> {
    let number = device.rdev().into();
    let Some(device) = BlockDevice::with_number(number) else {
        return users_without_sysfs(number);
    };
    let below = devices_below(&device);
    let usage = Usage::read(&device, &below);
    let partitions = device.partitions();
    let users: Vec<String> = std::iter::once(&device)
        .chain(&partitions)
        .chain(&below)
        .flat_map(|device| {
            let name = device.name();
            let phrases = usage.phrases(device).into_iter();
            phrases.map(move |phrase| format!("/dev/{name} {phrase}"))
        })
        .collect();
    if users.is_empty() {
        return claim(&device).into_iter().collect();
    }
    users
}

/// Where `/sys` is not mounted, nothing tells partitions and holders; the mounts still count.
fn users_without_sysfs(number: DeviceNumber) -> Vec<String> {
    all_uses()
        .into_iter()
        .filter(|held| held.number == number)
        .map(|held| format!("device {number} {}", held.phrase))
        .collect()
}

/// Devices whose bytes `device` shares from below: the disk of a partition, the device behind a
/// loop device. Not those below a device mapper or md device: other volumes on the same disks
/// use other bytes of them.
fn devices_below(device: &BlockDevice) -> Vec<BlockDevice> {
    let below = |device: &BlockDevice| device.disk().or_else(|| device.loop_backing());
    std::iter::successors(below(device), below).collect()
}

/// Something that the kernel does with a device.
struct Use {
    number: DeviceNumber,
    phrase: String,
}

/// The tables that tell who uses a device, read once.
struct Usage {
    uses: Vec<Use>,
    /// Not to be reported as holders: the device that is asked about, and those below it.
    subjects: Vec<BlockDevice>,
}

impl Usage {
    fn read(device: &BlockDevice, below: &[BlockDevice]) -> Self {
        let mut subjects = below.to_vec();
        subjects.push(device.clone());
        Self { uses: all_uses(), subjects }
    }

    /// What is done with `device` itself and, in relative clauses, with what is built on it.
    fn phrases(&self, device: &BlockDevice) -> Vec<String> {
        let number = device.number();
        let direct = self.uses.iter().filter(|held| Some(held.number) == number);
        let mut phrases: Vec<String> = direct.map(|held| held.phrase.clone()).collect();
        for holder in device.holders() {
            if !self.subjects.contains(&holder) {
                phrases.extend(self.holder_phrases(&holder));
            }
        }
        phrases
    }

    /// A holder is a user even if nothing is mounted on it: its own contents are at stake.
    fn holder_phrases(&self, holder: &BlockDevice) -> Vec<String> {
        let name = holder.name();
        let mut clauses: Vec<String> =
            self.phrases(holder).iter().map(|phrase| format!("is held by {name}, which {phrase}")).collect();
        for partition in holder.partitions() {
            let part = partition.name();
            let phrases = self.phrases(&partition).into_iter();
            clauses
                .extend(phrases.map(|phrase| format!("is held by {name}, whose partition {part} {phrase}")));
        }
        if clauses.is_empty() {
            clauses.push(format!("is held by {name}"));
        }
        clauses
    }
}

fn all_uses() -> Vec<Use> {
    let mut uses = mount_uses(&Mounts::read());
    uses.extend(swap_uses(&read("/proc/swaps").unwrap_or_default()));
    uses
}

/// Every block device of every mount.
fn mount_uses(mounts: &Mounts) -> Vec<Use> {
    let mut uses = Vec::new();
    for mount in mounts.all() {
        let mut numbers = vec![mount.number];
        // btrfs mounts carry a number of their own, and one source of possibly many devices.
        if mount.filesystem.kind == "btrfs" {
            numbers.extend(btrfs_members(Path::new(&mount.filesystem.device)));
        }
        let phrase = format!("is mounted on {}", mount.filesystem.mount_point.display());
        uses.extend(numbers.into_iter().map(|number| Use { number, phrase: phrase.clone() }));
    }
    uses
}

/// The devices of the mounted btrfs that `source` belongs to: `/sys/fs/btrfs/UUID/devices`.
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

/// Active swap areas on devices. A swap file is covered by the mount that holds it.
fn swap_uses(swaps: &str) -> Vec<Use> {
    let number = |path: PathBuf| node_number(&path);
    swap_areas(swaps)
        .filter_map(number)
        .map(|number| Use { number, phrase: "is in use as swap".to_owned() })
        .collect()
}

/// First column of `/proc/swaps`, without its heading.
fn swap_areas(swaps: &str) -> impl Iterator<Item = PathBuf> {
    swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(|path| unescape(path).into())
}

/// Asks the kernel whether anything has claimed the device: also mounts of other namespaces,
/// ZFS, and programs that hold it exclusively, which no table shows. open(2): `O_EXCL` without
/// `O_CREAT` fails with EBUSY if a block device is in use by the system.
fn claim(device: &BlockDevice) -> Option<String> {
    let node = Path::new("/dev").join(device.name());
    if node_number(&node) != device.number() {
        return None;
    }
    let error = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_NONBLOCK)
        .open(&node)
        .err()?;
    let is_busy = error.raw_os_error() == Some(libc::EBUSY);
    is_busy.then(|| {
        let node = node.display();
        format!("{node} is claimed by another mount namespace, a driver or a program")
    })
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

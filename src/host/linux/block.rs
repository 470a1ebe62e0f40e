//! Block devices in `/sys`: Documentation/ABI/stable/sysfs-block of the kernel.

use std::fmt;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::files::{entries, name_of, read, read_flag, read_number, read_scaled, read_with, selected};
use crate::host::description::Storage;

/// Major and minor number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceNumber {
    major: u32,
    minor: u32,
}

impl From<u64> for DeviceNumber {
    /// From the `st_dev` or `st_rdev` of stat(2).
    fn from(device: u64) -> Self {
        Self { major: libc::major(device), minor: libc::minor(device) }
    }
}

impl FromStr for DeviceNumber {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once(':').ok_or(())?;
        Ok(Self { major: major.parse().map_err(drop)?, minor: minor.parse().map_err(drop)? })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.major, self.minor)
    }
}

/// A block device, identified by its folder in `/sys/devices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockDevice {
    folder: PathBuf,
}

impl BlockDevice {
    /// The block device with this number, if it exists.
    pub(super) fn with_number(number: DeviceNumber) -> Option<Self> {
        Self::at(&Path::new("/sys/dev/block").join(number.to_string()))
    }

    /// The block device with the node `path`.
    pub(super) fn with_node(path: &Path) -> Option<Self> {
        Self::with_number(node_number(path)?)
    }

    /// The block devices that a folder has links to.
    pub(super) fn linked_in(folder: impl AsRef<Path>) -> impl Iterator<Item = Self> {
        entries(folder).into_iter().filter_map(|link| Self::at(&link))
    }

    fn at(link: &Path) -> Option<Self> {
        let folder = link.canonicalize().ok()?;
        Some(Self { folder })
    }

    /// Name under `/dev`. In `/sys` the kernel replaces each slash of the name with `!`.
    pub(super) fn name(&self) -> String {
        name_of(&self.folder).replace('!', "/")
    }

    pub(super) fn node(&self) -> PathBuf {
        Path::new("/dev").join(self.name())
    }

    pub(super) fn number(&self) -> Option<DeviceNumber> {
        read_number(self.folder.join("dev"))
    }

    fn is_partition(&self) -> bool {
        self.folder.join("partition").exists()
    }

    /// The disk that this is a partition of; `None` if this is not a partition.
    pub(super) fn disk(&self) -> Option<Self> {
        let folder = self.folder.parent()?.to_owned();
        self.is_partition().then_some(Self { folder })
    }

    pub(super) fn partitions(&self) -> Vec<Self> {
        let folders = entries(&self.folder).into_iter();
        folders.map(|folder| Self { folder }).filter(Self::is_partition).collect()
    }

    /// Devices built on this one: device mapper, md, bcache, and loop devices. The kernel does not list loop
    /// devices as holders.
    pub(super) fn holders(&self) -> Vec<Self> {
        let listed = Self::linked_in(self.folder.join("holders"));
        let all = Self::linked_in("/sys/class/block");
        listed.chain(all.filter(|device| device.loop_backing().as_ref() == Some(self))).collect()
    }

    /// The block device behind a loop device; `None` if this is not a loop device or if its backing is a
    /// file.
    pub(super) fn loop_backing(&self) -> Option<Self> {
        let path = read(self.folder.join("loop/backing_file"))?;
        Self::with_node(Path::new(&path))
    }

    /// This device and those below it that are loop devices and read their file through its page cache.
    pub(super) fn buffered_loops(&self) -> Vec<String> {
        let file = read(self.folder.join("loop/backing_file"));
        let buffered = read_flag(self.folder.join("loop/dio")) == Some(false);
        let own = file
            .filter(|_| buffered)
            .map(|file| format!("the page cache of {file}, which is behind {}", self.node().display()));
        let disk = self.disk();
        let below = Self::linked_in(self.folder.join("slaves")).chain(disk).chain(self.loop_backing());
        own.into_iter().chain(below.flat_map(|device| device.buffered_loops())).collect()
    }

    /// True if this is a loop device on the file with this `st_dev` and `st_ino`.
    ///
    /// The kernel knows the file itself. Without permission to ask it, the path in `/sys` counts, which may
    /// name another file by now.
    pub(super) fn is_on_file(&self, inode: (u64, u64)) -> bool {
        let Some(path) = read(self.folder.join("loop/backing_file")) else { return false };
        let node = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(self.node());
        match node.ok().and_then(|node| loop_file(&node)) {
            Some(file) => file == inode,
            None => Path::new(&path).metadata().is_ok_and(|file| (file.dev(), file.ino()) == inode),
        }
    }

    /// The whole disks that this device is built on.
    fn disks(&self) -> Vec<Self> {
        if let Some(disk) = self.disk() {
            return disk.disks();
        }
        let slaves = Self::linked_in(self.folder.join("slaves"));
        let below: Vec<Self> = slaves.flat_map(|device| device.disks()).collect();
        if below.is_empty() { vec![self.clone()] } else { below }
    }

    /// File of an attribute of the request queue. A partition uses the queue of its disk.
    fn queue(&self, attribute: &str) -> PathBuf {
        let disk = self.disk();
        let folder = &disk.as_ref().unwrap_or(self).folder;
        folder.join("queue").join(attribute)
    }

    pub(super) fn logical_block_bytes(&self) -> Option<u64> {
        read_number(self.queue("logical_block_size"))
    }

    /// SCSI and NVMe disks have a model, MMC cards a name, virtio disks neither.
    fn model(&self) -> Option<String> {
        let device = self.folder.join("device");
        read(device.join("model")).or_else(|| read(device.join("name")))
    }

    fn driver(&self) -> Option<String> {
        Some(name_of(&self.folder.join("device/driver").canonicalize().ok()?))
    }

    pub(super) fn describe(&self) -> Storage {
        let disks = self.disks();
        Storage {
            mount_options: None,
            device_name: Some(self.name()),
            device_disks: Some(disks.iter().map(Self::name).collect()),
            device_model: disks.first().and_then(Self::model),
            device_driver: disks.first().and_then(Self::driver),
            // The kernel counts sectors of 512 bytes, independent of the block size of the device.
            device_size_bytes: read_scaled(self.folder.join("size"), 512),
            device_rotational: read_flag(self.queue("rotational")),
            device_scheduler: read_with(self.queue("scheduler"), selected),
            device_logical_block_bytes: self.logical_block_bytes(),
            device_physical_block_bytes: read_number(self.queue("physical_block_size")),
            device_read_ahead_bytes: read_scaled(self.queue("read_ahead_kb"), 1024),
            device_max_request_bytes: read_scaled(self.queue("max_sectors_kb"), 1024),
            device_queue_requests: read_number(self.queue("nr_requests")),
            device_write_cache: read(self.queue("write_cache")),
        }
    }
}

/// Number of the block device with the node `path`.
pub(super) fn node_number(path: &Path) -> Option<DeviceNumber> {
    let node = path.metadata().ok().filter(|node| node.file_type().is_block_device())?;
    Some(node.rdev().into())
}

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rest: [u8; 216],
}

nix::ioctl_read_bad!(
    /// `LOOP_GET_STATUS64` of linux/loop.h.
    loop_get_status64,
    0x4c05,
    LoopInfo
);

/// Device and inode number of the file behind an open loop device.
fn loop_file(node: &File) -> Option<(u64, u64)> {
    let mut info = LoopInfo { device: 0, inode: 0, rest: [0; 216] };
    // SAFETY: the descriptor is open as long as `node` is, and the kernel writes one structure of this size.
    unsafe { loop_get_status64(node.as_raw_fd(), &raw mut info) }.ok()?;
    Some((info.device, info.inode))
}

nix::ioctl_read_bad!(
    /// The kernel declares the argument as `size_t` but writes 64 bits: linux/fs.h.
    blkgetsize64,
    nix::request_code_read!(0x12, 114, std::mem::size_of::<usize>()),
    u64
);

pub(in crate::host) fn device_size_bytes(file: &File) -> Option<u64> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open as long as `file` is, and BLKGETSIZE64 writes one u64.
    unsafe { blkgetsize64(file.as_raw_fd(), &raw mut bytes) }.ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_parsed_and_printed() {
        let number: DeviceNumber = "259:70000".parse().unwrap();
        assert_eq!(number, libc::makedev(259, 70000).into());
        assert_eq!(number.to_string(), "259:70000");
        for garbage in ["", ":", "8", "8:", "x:1", "-1:0", "8:1:2"] {
            assert!(garbage.parse::<DeviceNumber>().is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn a_folder_is_a_disk_with_partitions_and_a_partition_has_the_queue_of_its_disk() {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("sda");
        let write = |path: &str, text: &str| {
            let path = disk.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sda1/partition", "1\n");
        write("sda1/size", "2048\n");
        write("queue/rotational", "1\n");
        write("queue/read_ahead_kb", "128\n");
        write("queue/scheduler", "[none]\n");
        write("queue/nr_requests", "garbage\n");
        write("device/model", "DISK 2000   \n");
        let disk = BlockDevice::at(&disk).unwrap();
        let partition = disk.partitions().remove(0);
        let storage = partition.describe();
        assert_eq!(partition.disk(), Some(disk));
        assert_eq!(storage.device_name.as_deref(), Some("sda1"));
        assert_eq!(storage.device_disks, Some(vec!["sda".to_owned()]));
        assert_eq!(storage.device_model.as_deref(), Some("DISK 2000"));
        assert_eq!(storage.device_size_bytes, Some(2048 * 512));
        assert_eq!(storage.device_rotational, Some(true));
        assert_eq!(storage.device_read_ahead_bytes, Some(131_072));
        assert_eq!(storage.device_scheduler.as_deref(), Some("none"));
        assert_eq!(storage.device_queue_requests, None);
    }

    #[test]
    fn links_lead_to_the_disks_below_and_the_holders_above() {
        let sys = tempfile::tempdir().unwrap();
        let folder = |path: &str| {
            let folder = sys.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            folder
        };
        let stacked = folder("dm-0");
        for name in ["sda", "sdb"] {
            let disk = folder(name);
            std::os::unix::fs::symlink(&disk, folder("dm-0/slaves").join(name)).unwrap();
            std::os::unix::fs::symlink(&stacked, folder(&format!("{name}/holders")).join("dm-0")).unwrap();
        }
        let stacked = BlockDevice::at(&stacked).unwrap();
        let disks = stacked.disks();
        assert_eq!(disks.iter().map(BlockDevice::name).collect::<Vec<_>>(), ["sda", "sdb"]);
        assert_eq!(disks[0].holders(), [stacked]);
    }

    #[test]
    fn a_regular_file_has_no_device_size() {
        assert_eq!(device_size_bytes(&tempfile::tempfile().unwrap()), None);
        assert_eq!(node_number(Path::new("/dev/null")), None);
    }
}

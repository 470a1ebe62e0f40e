//! What machine, kernel, filesystem and device a result was measured on.
//!
//! One file an operating system, each with the same functions; this file holds the types that
//! they fill. A value that this machine does not have, or that this process may not read, is
//! `None` (JSON `null`), never an error: a description must not stop a measurement.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "freebsd")]
use freebsd as system;

/// The machine and the way from a program to the data, as far as it does not change during a run.
///
/// Serialises as one flat object: first the lab's keys, under the lab's names, then those that
/// iobench adds, in which every number's key ends in its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Configuration {
    /// The lab's keys.
    #[serde(flatten)]
    pub identity: Identity,
    /// Processor, clock and memory settings.
    #[serde(flatten)]
    pub processor: Processor,
    /// Mount and block device that carry the benchmarked path.
    #[serde(flatten)]
    pub storage: Storage,
    /// Hypervisor, container and control group around this process.
    #[serde(flatten)]
    pub confinement: Confinement,
}

/// The keys of the lab's `host_configuration`. Their names are those of FreeBSD's sysctl(8).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// Machine type. Linux: uname(2) `machine`.
    #[serde(rename = "hw.machine")]
    pub machine: Option<String>,
    /// Processor model. Linux: `/proc/cpuinfo`.
    #[serde(rename = "hw.model")]
    pub model: Option<String>,
    /// Processors online (count).
    #[serde(rename = "hw.ncpu")]
    pub cpu_count: Option<u64>,
    /// Physical memory in bytes. Linux: `MemTotal`, which leaves out what the kernel reserved.
    #[serde(rename = "hw.physmem")]
    pub physical_memory_bytes: Option<u64>,
    /// Page sizes in bytes, smallest first. Linux: the base page and the huge pages of
    /// `/sys/kernel/mm/hugepages`.
    #[serde(rename = "hw.pagesizes")]
    pub page_sizes_bytes: Option<Vec<u64>>,
    /// Clock of the ARM cores, as the sysctl of that name gives it: in Hz on a Raspberry Pi under
    /// FreeBSD; null elsewhere.
    #[serde(rename = "hw.cpufreq.arm_freq")]
    pub arm_frequency_hz: Option<u64>,
    /// Name of the operating system.
    #[serde(rename = "kern.ostype")]
    pub os_type: Option<String>,
    /// Release of the kernel.
    #[serde(rename = "kern.osrelease")]
    pub os_release: Option<String>,
    /// Which build of the kernel. FreeBSD: name of its configuration; Linux: uname(2) `version`.
    #[serde(rename = "kern.ident")]
    pub kernel_ident: Option<String>,
    /// Type of the filesystem that holds the benchmarked path.
    #[serde(rename = "fstype")]
    pub filesystem_type: Option<String>,
    /// What is mounted there: usually a device.
    #[serde(rename = "fsdev")]
    pub filesystem_device: Option<String>,
    /// Where it is mounted.
    #[serde(rename = "fspath")]
    pub filesystem_path: Option<String>,
}

/// Processor, clock and memory settings that change what an I/O costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Processor {
    /// State of each mitigation of a processor vulnerability, by its name.
    /// Linux: `/sys/devices/system/cpu/vulnerabilities`.
    pub cpu_mitigations: Option<BTreeMap<String, String>>,
    /// Frequency governor of CPU 0, the CPU that the benchmark runs on.
    pub cpu_governor: Option<String>,
    /// Driver that sets the frequency of CPU 0.
    pub cpu_frequency_driver: Option<String>,
    /// Highest frequency of CPU 0, in Hz.
    pub cpu_max_frequency_hz: Option<u64>,
    /// Whether frequencies above the nominal one are allowed.
    pub cpu_turbo: Option<bool>,
    /// Simultaneous multithreading. Linux: `/sys/devices/system/cpu/smt/control`.
    pub cpu_smt: Option<String>,
    /// First-level data cache of CPU 0, in bytes.
    pub cpu_cache_l1d_bytes: Option<u64>,
    /// First-level instruction cache of CPU 0, in bytes.
    pub cpu_cache_l1i_bytes: Option<u64>,
    /// Second-level cache of CPU 0, in bytes.
    pub cpu_cache_l2_bytes: Option<u64>,
    /// Third-level cache of CPU 0, in bytes.
    pub cpu_cache_l3_bytes: Option<u64>,
    /// Counter behind `clock_gettime`. FreeBSD: `kern.timecounter.hardware`.
    pub clock_source: Option<String>,
    /// Policy of transparent huge pages: `always`, `madvise` or `never`.
    pub transparent_hugepage: Option<String>,
}

/// Mount and block device that carry the benchmarked path; all null without a path.
///
/// A partition is described by its own name and size, and by the queue of its disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    /// Options of the mount and of the filesystem, separated by commas.
    pub mount_options: Option<String>,
    /// Name of the block device.
    pub device_name: Option<String>,
    /// Whole disks that the device stands on (itself, if it is one).
    pub device_disks: Option<Vec<String>>,
    /// Model of the first of these disks.
    pub device_model: Option<String>,
    /// Driver of the first of these disks.
    pub device_driver: Option<String>,
    /// Size of the device in bytes.
    pub device_size_bytes: Option<u64>,
    /// Whether the kernel takes the device for a turning disk. Virtual disks often claim so.
    pub device_rotational: Option<bool>,
    /// Active I/O scheduler.
    pub device_scheduler: Option<String>,
    /// Smallest unit that the device addresses, in bytes.
    pub device_logical_block_bytes: Option<u64>,
    /// Smallest unit that the device writes without read-modify-write, in bytes.
    pub device_physical_block_bytes: Option<u64>,
    /// Read-ahead window in bytes.
    pub device_read_ahead_bytes: Option<u64>,
    /// Largest request that the block layer sends, in bytes (`max_sectors_kb`).
    pub device_max_request_bytes: Option<u64>,
    /// Requests that the queue takes before a writer waits (`nr_requests`).
    pub device_queue_requests: Option<u64>,
    /// Cache of the device as the kernel sees it: `write back` or `write through`.
    pub device_write_cache: Option<String>,
}

/// Hypervisor, container and control group around this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Confinement {
    /// Vendor and product of the machine, as its firmware says. Clouds put their name here.
    pub machine_product: Option<String>,
    /// Hypervisor; `none` on bare metal; null where neither is certain.
    pub virtualization: Option<String>,
    /// Container manager; `none` outside of containers.
    pub container: Option<String>,
    /// Lowest memory limit on the way from this process's control group to the root, in bytes;
    /// null without a limit.
    pub cgroup_memory_max_bytes: Option<u64>,
    /// Lowest processor quota on that way, in cores; null without a quota.
    pub cgroup_cpu_quota_cores: Option<f64>,
    /// Every I/O limit on that way, as the kernel writes it, by `major:minor` of the device;
    /// null without a limit.
    pub cgroup_io_max: Option<String>,
}

/// What changes while a benchmark runs; to be taken before and after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Load average of the last minute (mean count of runnable and uninterruptible tasks).
    pub load_average_1min: Option<f64>,
    /// Share of the last 10 s in which some task waited for a processor, in percent (Linux PSI).
    pub pressure_cpu_some_percent_avg10: Option<f64>,
    /// Share of the last 10 s in which some task waited for I/O, in percent (Linux PSI).
    pub pressure_io_some_percent_avg10: Option<f64>,
    /// Share of the last 10 s in which some task waited for memory, in percent (Linux PSI).
    pub pressure_memory_some_percent_avg10: Option<f64>,
    /// Frequency of CPU 0 in Hz. A guest may only see the nominal frequency.
    pub cpu_frequency_hz: Option<u64>,
    /// Memory that this process may still take, in bytes: see [`memory_available_bytes`].
    pub memory_available_bytes: Option<u64>,
}

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Type: `ext4`, `xfs`, `btrfs`, `tmpfs`, `ufs`, `zfs` ...
    pub kind: String,
    /// What is mounted: a device node, or whatever the filesystem names its source.
    pub device: String,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Options of the mount and of the filesystem, separated by commas.
    pub options: String,
}

/// Describes this machine and, given a path, the filesystem and device that carry it.
///
/// A path that does not exist yet is described by the nearest folder above it that does. A
/// device node is described as that device.
#[must_use]
pub fn configuration(path: Option<&Path>) -> Configuration {
    system::configuration(path)
}

/// Takes the present [`Conditions`].
#[must_use]
pub fn conditions() -> Conditions {
    system::conditions()
}

/// Says who uses the block device of this device node: one sentence a user.
///
/// Users are every mount and every active swap area of the device, of its partitions, of the
/// disk whose partition it is, and of what is built on them (device mapper, md, loop devices),
/// recursively. `device` is the metadata of the node; only its `rdev` counts.
///
/// Empty means that nobody is known, not that nobody is there. On Linux, if the tables of this
/// mount namespace name nobody, the device is opened for a moment with `O_EXCL`, which the kernel
/// refuses while anything at all has claimed it: a caller that has claimed the device itself will
/// be told of that claim.
#[must_use]
pub fn device_users(device: &Metadata) -> Vec<String> {
    system::device_users(device)
}

/// Whether this is the device node of a disk or of a part of one. FreeBSD has no block devices: its
/// disks are character devices that the GEOM tree names.
#[must_use]
pub fn is_disk(node: &Metadata) -> bool {
    system::is_disk(node)
}

/// Size in bytes of the block device that `file` is open on; `None` for anything else.
///
/// Linux: ioctl `BLKGETSIZE64`; FreeBSD: ioctl `DIOCGMEDIASIZE`.
#[must_use]
pub fn device_size_bytes(file: &File) -> Option<u64> {
    system::device_size_bytes(file)
}

/// Logical block size in bytes of the block device that carries this file, or is this device.
///
/// `None` where the metadata does not lead to one device: network filesystems, tmpfs, overlay,
/// and subvolumes of btrfs, whose device numbers are not those of a device.
#[must_use]
pub fn logical_block_bytes(metadata: &Metadata) -> Option<u64> {
    system::logical_block_bytes(metadata)
}

/// Physical memory in bytes that this process may still take without swapping.
///
/// Linux: the least of `MemAvailable` and, for each limited control group around this process,
/// its limit less its use; page cache that the group can drop does not count as used, as it does
/// not in `MemAvailable`. FreeBSD: free and inactive pages.
#[must_use]
pub fn memory_available_bytes() -> Option<u64> {
    system::memory_available_bytes()
}

/// The filesystem that holds `path`, or would hold it once it is created.
#[must_use]
pub fn filesystem(path: &Path) -> Option<Filesystem> {
    system::filesystem(path)
}

/// The nearest of `path` and the folders above it that exists, without symbolic links.
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

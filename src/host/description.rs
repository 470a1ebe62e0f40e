//! Types that describe a machine. Every operating system fills the same ones.
//!
//! A value is `None` (JSON `null`) if this machine does not have it or if this process may not read it. It is
//! never an error: a description must not stop a measurement.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Properties of the machine that affect I/O and do not change during a run.
///
/// Serialises as one flat object: first the keys of the lab, under the lab's names, then the keys that
/// iobench adds. The name of each added number ends in its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Configuration {
    /// Keys of the lab.
    #[serde(flatten)]
    pub identity: Identity,
    /// Processor, clock and memory settings.
    #[serde(flatten)]
    pub processor: Processor,
    /// Mount and block device that hold the benchmarked path.
    #[serde(flatten)]
    pub storage: Storage,
    /// Hypervisor, container and control group around this process.
    #[serde(flatten)]
    pub confinement: Confinement,
}

/// Keys of the lab's `host_configuration`. Most are names of FreeBSD's sysctl(8).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// Machine type. Linux: uname(2) `machine`.
    #[serde(rename = "hw.machine")]
    pub machine: Option<String>,
    /// Processor model. Linux: `/proc/cpuinfo`.
    #[serde(rename = "hw.model")]
    pub model: Option<String>,
    /// Number of processors online.
    #[serde(rename = "hw.ncpu")]
    pub cpu_count: Option<u64>,
    /// Physical memory in bytes. Linux: `MemTotal`, which excludes memory that the kernel reserves.
    #[serde(rename = "hw.physmem")]
    pub physical_memory_bytes: Option<u64>,
    /// Page sizes in bytes, smallest first. Linux: the base page and the huge pages of
    /// `/sys/kernel/mm/hugepages`.
    #[serde(rename = "hw.pagesizes")]
    pub page_sizes_bytes: Option<Vec<u64>>,
    /// Clock frequency of the ARM cores of a Raspberry Pi under FreeBSD, in Hz; null on other machines.
    #[serde(rename = "hw.cpufreq.arm_freq")]
    pub arm_frequency_hz: Option<u64>,
    /// Name of the operating system.
    #[serde(rename = "kern.ostype")]
    pub os_type: Option<String>,
    /// Release of the kernel.
    #[serde(rename = "kern.osrelease")]
    pub os_release: Option<String>,
    /// Build of the kernel. FreeBSD: name of its configuration; Linux: uname(2) `version`.
    #[serde(rename = "kern.ident")]
    pub kernel_ident: Option<String>,
    /// Type of the filesystem that holds the benchmarked path.
    #[serde(rename = "fstype")]
    pub filesystem_type: Option<String>,
    /// Source of the mount that holds the benchmarked path, usually a device.
    #[serde(rename = "fsdev")]
    pub filesystem_device: Option<String>,
    /// Mount point of that filesystem.
    #[serde(rename = "fspath")]
    pub filesystem_path: Option<String>,
}

/// Processor, clock and memory settings that affect the cost of I/O.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Processor {
    /// State of each mitigation, by the name of the processor vulnerability. Linux:
    /// `/sys/devices/system/cpu/vulnerabilities`.
    pub cpu_mitigations: Option<BTreeMap<String, String>>,
    /// Frequency governor of CPU 0, the CPU that the benchmark runs on.
    pub cpu_governor: Option<String>,
    /// Driver that sets the frequency of CPU 0.
    pub cpu_frequency_driver: Option<String>,
    /// Highest frequency of CPU 0, in Hz.
    pub cpu_max_frequency_hz: Option<u64>,
    /// True if frequencies above the nominal one are allowed.
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

/// Mount and block device that hold the benchmarked path; all null without a path.
///
/// A partition has its own name and size, and the queue of its disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    /// Options of the mount and of the filesystem, separated by commas.
    pub mount_options: Option<String>,
    /// Name of the block device.
    pub device_name: Option<String>,
    /// Whole disks that the device is built on; the device itself if it is a disk.
    pub device_disks: Option<Vec<String>>,
    /// Model of the first of these disks.
    pub device_model: Option<String>,
    /// Driver of the first of these disks.
    pub device_driver: Option<String>,
    /// Size of the device in bytes.
    pub device_size_bytes: Option<u64>,
    /// True if the kernel treats the device as a rotating disk, which is common for virtual disks.
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
    /// Number of requests that the queue takes before a writer waits (`nr_requests`).
    pub device_queue_requests: Option<u64>,
    /// Write cache of the device as the kernel sees it: `write back` or `write through`.
    pub device_write_cache: Option<String>,
}

/// Hypervisor, container and control group around this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Confinement {
    /// Vendor and product of the machine, from its firmware. Cloud providers put their name here.
    pub machine_product: Option<String>,
    /// Hypervisor: `none` on bare metal, null if unknown.
    pub virtualization: Option<String>,
    /// Container manager; `none` outside of containers.
    pub container: Option<String>,
    /// Lowest memory limit of the control groups from that of this process up to the root, in bytes; null
    /// without a limit.
    pub cgroup_memory_max_bytes: Option<u64>,
    /// Lowest processor quota of these control groups, in cores; null without a quota.
    pub cgroup_cpu_quota_cores: Option<f64>,
    /// All I/O limits of these control groups, as the kernel writes them, by `major:minor` of the device;
    /// null without a limit.
    pub cgroup_io_max: Option<String>,
}

/// Values that change while a benchmark runs, and are read before and after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Load average of the last minute (mean number of runnable and uninterruptible tasks).
    pub load_average_1min: Option<f64>,
    /// Share of the last 10 s in which some task waited for a processor, in percent (Linux PSI).
    pub pressure_cpu_some_percent_avg10: Option<f64>,
    /// Share of the last 10 s in which some task waited for I/O, in percent (Linux PSI).
    pub pressure_io_some_percent_avg10: Option<f64>,
    /// Share of the last 10 s in which some task waited for memory, in percent (Linux PSI).
    pub pressure_memory_some_percent_avg10: Option<f64>,
    /// Frequency of CPU 0 in Hz. A virtual machine may see only the nominal frequency.
    pub cpu_frequency_hz: Option<u64>,
    /// Memory that this process can still use without swapping, in bytes.
    pub memory_available_bytes: Option<u64>,
}

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Type: `ext4`, `xfs`, `btrfs`, `tmpfs`, `ufs`, `zfs` ...
    pub kind: String,
    /// Source of the mount: a device node, or another name that the filesystem chose.
    pub device: String,
    /// Mount point.
    pub mount_point: PathBuf,
    /// Options of the mount and of the filesystem, separated by commas.
    pub options: String,
}

/// Uses of a file as storage, each as a clause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileUses {
    /// Uses whose data a write would damage: swap, and loop devices in use.
    pub active: Vec<String>,
    /// Loop devices that are not in use.
    pub idle: Vec<String>,
}

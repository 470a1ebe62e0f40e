//! Limits that control groups put on this process: cgroups(7), version 2 and version 1.
//!
//! A limit holds for all groups below it, so every function looks at each group from that of
//! this process up to the uppermost that it can see.

use std::path::{Path, PathBuf};

use super::files::{read, read_number};
use super::mounts::{Mount, Mounts};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The groups of one controller around this process, its own first.
struct Groups {
    version: Version,
    folders: Vec<PathBuf>,
}

impl Groups {
    fn of(controller: &str, mounts: &Mounts) -> Option<Self> {
        let membership = read("/proc/self/cgroup")?;
        let (version, mount, folder) = locate(&membership, mounts, controller)?;
        let folders = folder
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&mount.filesystem.mount_point))
            .map(Path::to_owned)
            .collect();
        Some(Self { version, folders })
    }

    fn least<T: PartialOrd>(&self, limit: impl Fn(&Path) -> Option<T>) -> Option<T> {
        let limits = self.folders.iter().filter_map(|folder| limit(folder));
        limits.reduce(|least, next| if next < least { next } else { least })
    }

    fn memory_max_bytes(&self, folder: &Path) -> Option<u64> {
        match self.version {
            Version::Two => read_number(folder.join("memory.max")),
            Version::One => read_number(folder.join("memory.limit_in_bytes"))
                // "No limit" is the largest count of whole pages that fits into 63 bits.
                .filter(|limit| *limit < 1 << 62),
        }
    }

    fn memory_available_bytes(&self, folder: &Path) -> Option<u64> {
        let (usage, file_pages) = match self.version {
            Version::Two => ("memory.current", ["inactive_file", "active_file"]),
            Version::One => ("memory.usage_in_bytes", ["total_inactive_file", "total_active_file"]),
        };
        let limit = self.memory_max_bytes(folder)?;
        let used: u64 = read_number(folder.join(usage))?;
        let statistics = read(folder.join("memory.stat")).unwrap_or_default();
        let droppable =
            file_pages.iter().filter_map(|field| statistic(&statistics, field)).fold(0, u64::saturating_add);
        Some(limit.saturating_sub(used.saturating_sub(droppable)))
    }

    fn cpu_quota_cores(&self, folder: &Path) -> Option<f64> {
        match self.version {
            Version::Two => cores(&read(folder.join("cpu.max"))?),
            Version::One => {
                let quota = read(folder.join("cpu.cfs_quota_us"))?;
                let period = read(folder.join("cpu.cfs_period_us"))?;
                cores(&format!("{quota} {period}"))
            }
        }
    }

    fn io_max(&self, folder: &Path) -> Vec<String> {
        let files: &[&str] = match self.version {
            Version::Two => &["io.max"],
            Version::One => &[
                "blkio.throttle.read_bps_device",
                "blkio.throttle.write_bps_device",
                "blkio.throttle.read_iops_device",
                "blkio.throttle.write_iops_device",
            ],
        };
        files
            .iter()
            .filter_map(|file| Some((*file, read(folder.join(file))?)))
            .flat_map(|(file, limits)| io_limits(file, &limits))
            .collect()
    }
}

/// Lowest memory limit, in bytes.
pub(super) fn memory_max_bytes(mounts: &Mounts) -> Option<u64> {
    let groups = Groups::of("memory", mounts)?;
    groups.least(|folder| groups.memory_max_bytes(folder))
}

/// Memory in bytes that the tightest group lets this process still take.
pub(super) fn memory_available_bytes(mounts: &Mounts) -> Option<u64> {
    let groups = Groups::of("memory", mounts)?;
    groups.least(|folder| groups.memory_available_bytes(folder))
}

/// Lowest processor quota, in cores.
pub(super) fn cpu_quota_cores(mounts: &Mounts) -> Option<f64> {
    let groups = Groups::of("cpu", mounts)?;
    groups.least(|folder| groups.cpu_quota_cores(folder))
}

/// Every I/O limit, as the kernel writes it.
pub(super) fn io_max(mounts: &Mounts) -> Option<String> {
    // Version 1 calls the controller blkio, version 2 io.
    let groups = Groups::of("blkio", mounts)?;
    let folders = groups.folders.iter();
    let limits: Vec<String> = folders.flat_map(|folder| groups.io_max(folder)).collect();
    (!limits.is_empty()).then(|| limits.join("; "))
}

/// The mount of the hierarchy that has the controller, and this process's folder in it.
///
/// `membership` has lines `id:controller,controller:/group`; version 2 names no controllers and
/// has all that no hierarchy of version 1 took.
fn locate<'a>(
    membership: &str,
    mounts: &'a Mounts,
    controller: &str,
) -> Option<(Version, &'a Mount, PathBuf)> {
    let listed = |list: &str| list.split(',').any(|word| word == controller);
    let group = |wanted: &dyn Fn(&str) -> bool| {
        membership.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then(|| PathBuf::from(group))
        })
    };
    let mount = |wanted: &dyn Fn(&Mount) -> bool| mounts.all().iter().find(|mount| wanted(mount));
    let one = || {
        let group = group(&listed)?;
        let mount = mount(&|mount| mount.filesystem.kind == "cgroup" && listed(&mount.filesystem.options))?;
        Some((Version::One, mount, folder_of(&group, mount)))
    };
    let two = || {
        let group = group(&str::is_empty)?;
        let mount = mount(&|mount| mount.filesystem.kind == "cgroup2")?;
        Some((Version::Two, mount, folder_of(&group, mount)))
    };
    one().or_else(two)
}

/// Containers may mount only a part of the hierarchy (`root`), and may then see their group as
/// outside of it; all that is left of the way up is the mount itself.
fn folder_of(group: &Path, mount: &Mount) -> PathBuf {
    match group.strip_prefix(&mount.root) {
        Ok(inside) if !inside.starts_with("..") => mount.filesystem.mount_point.join(inside),
        _ => mount.filesystem.mount_point.clone(),
    }
}

/// A field of memory.stat.
fn statistic(statistics: &str, field: &str) -> Option<u64> {
    statistics.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(' '))?.parse().ok()
}

/// Processors' worth of time in `quota period`, both in microseconds; `max` and -1 are no quota.
fn cores(quota_and_period: &str) -> Option<f64> {
    let (quota, period) = quota_and_period.split_once(' ')?;
    let quota: u32 = quota.parse().ok()?;
    let period: u32 = period.parse().ok()?;
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

/// The lines of `file`, with its name where that says what the limit is (version 1).
fn io_limits(file: &str, limits: &str) -> Vec<String> {
    let kind = file.strip_prefix("blkio.throttle.");
    limits
        .lines()
        .map(|line| match kind {
            Some(kind) => format!("{kind} {line}"),
            None => line.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs cgroup rw
33 31 0:30 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
    const MEMBERSHIP: &str = "\
9:name=systemd:/
4:memory:/job/one
1:cpu,cpuacct:/docker/abc/inner
0::/../outside";

    fn found(controller: &str) -> Option<(Version, PathBuf)> {
        let mounts = Mounts::parse(MOUNTINFO);
        let (version, _, folder) = locate(MEMBERSHIP, &mounts, controller)?;
        Some((version, folder))
    }

    #[test]
    fn a_group_is_found_in_either_version_and_in_a_container() {
        let one = |path: &str| Some((Version::One, PathBuf::from(path)));
        assert_eq!(found("memory"), one("/sys/fs/cgroup/memory/job/one"));
        assert_eq!(found("cpu"), one("/sys/fs/cgroup/cpu,cpuacct/inner"));
        let two = Some((Version::Two, PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(found("blkio"), two);
        assert!(locate("", &Mounts::parse(MOUNTINFO), "cpu").is_none());
        assert!(locate("::\n:\nx", &Mounts::default(), "cpu").is_none());
    }

    #[test]
    fn a_quota_is_a_count_of_cores() {
        assert_eq!(cores("150000 100000"), Some(1.5));
        for none in ["max 100000", "-1 100000", "1 0", "", "1", "a b", " "] {
            assert_eq!(cores(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
        write(top.path().join("memory.max"), "1000\n");
        write(top.path().join("memory.current"), "900\n");
        write(top.path().join("memory.stat"), "anon 500\ninactive_file 300\nactive_file 50\n");
        write(inner.join("memory.max"), "max\n");
        write(inner.join("cpu.max"), "50000 100000\n");
        write(inner.join("io.max"), "8:0 rbps=1 wbps=max\n8:16 riops=5\n");
        let groups = Groups { version: Version::Two, folders: vec![inner.clone(), top.path().to_owned()] };
        let memory = groups.least(|folder| groups.memory_max_bytes(folder));
        let available = groups.least(|folder| groups.memory_available_bytes(folder));
        let cores = groups.least(|folder| groups.cpu_quota_cores(folder));
        assert_eq!(memory, Some(1000));
        assert_eq!(available, Some(450));
        assert_eq!(cores, Some(0.5));
        assert_eq!(groups.io_max(&inner).len(), 2);
    }

    #[test]
    fn a_limit_of_version_1_says_of_which_kind_it_is() {
        let limits = io_limits("blkio.throttle.read_bps_device", "8:0 1024");
        assert_eq!(limits, ["read_bps_device 8:0 1024"]);
    }
}

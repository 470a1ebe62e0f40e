//! Limits of the control groups around this process: cgroups(7), version 2 and version 1.
//!
//! A limit applies to all groups below it. Every function therefore reads each group from that of this
//! process up to the uppermost visible one.

use std::path::{Path, PathBuf};

use super::files::{read, read_number, read_with};
use super::mounts::Mounts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A control group, identified by its folder.
struct Group {
    version: Version,
    folder: PathBuf,
}

impl Group {
    fn memory_max_bytes(&self) -> Option<u64> {
        match self.version {
            Version::Two => read_number(self.folder.join("memory.max")),
            Version::One => read_number(self.folder.join("memory.limit_in_bytes"))
                // "No limit" is the largest number of whole pages that fits into 63 bits.
                .filter(|limit| *limit < 1 << 62),
        }
    }

    fn memory_available_bytes(&self) -> Option<u64> {
        let (usage, file_pages) = match self.version {
            Version::Two => ("memory.current", ["inactive_file", "active_file"]),
            Version::One => ("memory.usage_in_bytes", ["total_inactive_file", "total_active_file"]),
        };
        let limit = self.memory_max_bytes()?;
        let used: u64 = read_number(self.folder.join(usage))?;
        let statistics = read(self.folder.join("memory.stat")).unwrap_or_default();
        let droppable = statistics
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(field, _)| file_pages.contains(field))
            .filter_map(|(_, bytes)| bytes.parse().ok())
            .fold(0, u64::saturating_add);
        Some(limit.saturating_sub(used.saturating_sub(droppable)))
    }

    fn cpu_quota_cores(&self) -> Option<f64> {
        match self.version {
            Version::Two => read_with(self.folder.join("cpu.max"), cores),
            Version::One => {
                let quota = read(self.folder.join("cpu.cfs_quota_us"))?;
                let period = read(self.folder.join("cpu.cfs_period_us"))?;
                cores(&format!("{quota} {period}"))
            }
        }
    }

    /// I/O limits, one line per device. Version 1 has one file per kind of limit; there, each line starts
    /// with the kind.
    fn io_max(&self) -> Vec<String> {
        let files: &[&str] = match self.version {
            Version::Two => &["io.max"],
            Version::One => &[
                "blkio.throttle.read_bps_device",
                "blkio.throttle.write_bps_device",
                "blkio.throttle.read_iops_device",
                "blkio.throttle.write_iops_device",
            ],
        };
        let limits = |file: &&str| {
            let text = read(self.folder.join(file)).unwrap_or_default();
            let kind =
                file.strip_prefix("blkio.throttle.").map(|kind| format!("{kind} ")).unwrap_or_default();
            text.lines().map(|line| format!("{kind}{line}")).collect::<Vec<String>>()
        };
        files.iter().flat_map(limits).collect()
    }
}

/// Lowest memory limit, in bytes.
pub(super) fn memory_max_bytes(mounts: &Mounts) -> Option<u64> {
    least(&groups("memory", mounts), Group::memory_max_bytes)
}

/// Memory in bytes that this process can still use within its tightest group.
pub(super) fn memory_available_bytes(mounts: &Mounts) -> Option<u64> {
    least(&groups("memory", mounts), Group::memory_available_bytes)
}

/// Lowest processor quota, in cores.
pub(super) fn cpu_quota_cores(mounts: &Mounts) -> Option<f64> {
    least(&groups("cpu", mounts), Group::cpu_quota_cores)
}

/// All I/O limits, as the kernel writes them.
pub(super) fn io_max(mounts: &Mounts) -> Option<String> {
    // This is the name of version 1. Version 2 calls the controller io, but its groups are found without a
    // name.
    let limits: Vec<String> = groups("blkio", mounts).iter().flat_map(Group::io_max).collect();
    (!limits.is_empty()).then(|| limits.join("; "))
}

fn least<T: PartialOrd>(groups: &[Group], limit: impl Fn(&Group) -> Option<T>) -> Option<T> {
    groups.iter().filter_map(limit).reduce(|least, next| if next < least { next } else { least })
}

/// The groups of a controller around this process, innermost first.
fn groups(controller: &str, mounts: &Mounts) -> Vec<Group> {
    let membership = read("/proc/self/cgroup").unwrap_or_default();
    let Some((version, mount_point, folder)) = locate(&membership, mounts, controller) else {
        return Vec::new();
    };
    let visible = folder.ancestors().take_while(|ancestor| ancestor.starts_with(mount_point));
    visible.map(|folder| Group { version, folder: folder.to_owned() }).collect()
}

/// Finds the hierarchy of a controller: its version, its mount point, and the folder of this process in it.
///
/// `membership` has lines `id:controller,controller:/group`. The line of version 2 lists no controllers;
/// version 2 has every controller that no hierarchy of version 1 uses.
fn locate<'a>(
    membership: &str,
    mounts: &'a Mounts,
    controller: &str,
) -> Option<(Version, &'a Path, PathBuf)> {
    let listed = |list: &str| list.split(',').any(|word| word == controller);
    [Version::One, Version::Two].into_iter().find_map(|version| {
        let group = membership.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            let found = if version == Version::One { listed(controllers) } else { controllers.is_empty() };
            found.then_some(Path::new(group))
        })?;
        let mount = mounts.all().iter().find(|mount| match version {
            Version::One => mount.filesystem.kind == "cgroup" && listed(&mount.filesystem.options),
            Version::Two => mount.filesystem.kind == "cgroup2",
        })?;
        let mount_point = &mount.filesystem.mount_point;
        // A container may mount only a part of the hierarchy (`root`), and its group may lie outside of that
        // part. Then only the group at the mount point is visible.
        let inside = group.strip_prefix(&mount.root).ok().filter(|inside| !inside.starts_with(".."));
        let folder = inside.map_or_else(|| mount_point.clone(), |inside| mount_point.join(inside));
        Some((version, mount_point.as_path(), folder))
    })
}

/// Number of processors that `quota period` (both in microseconds) allows. `max` and -1 mean no quota.
fn cores(quota_and_period: &str) -> Option<f64> {
    let (quota, period) = quota_and_period.split_once(' ')?;
    let quota: u32 = quota.parse().ok()?;
    let period: u32 = period.parse().ok()?;
    (period > 0).then(|| f64::from(quota) / f64::from(period))
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
        let groups = [inner, top.path().to_owned()].map(|folder| Group { version: Version::Two, folder });
        assert_eq!(least(&groups, Group::memory_max_bytes), Some(1000));
        assert_eq!(least(&groups, Group::memory_available_bytes), Some(450));
        assert_eq!(least(&groups, Group::cpu_quota_cores), Some(0.5));
        assert_eq!(groups[0].io_max(), ["8:0 rbps=1 wbps=max", "8:16 riops=5"]);
    }

    #[test]
    fn a_limit_of_version_1_says_of_which_kind_it_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("blkio.throttle.read_bps_device"), "8:0 1024\n").unwrap();
        let group = Group { version: Version::One, folder: folder.path().to_owned() };
        assert_eq!(group.io_max(), ["read_bps_device 8:0 1024"]);
    }
}

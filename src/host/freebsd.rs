//! FreeBSD: sysctl(3), statfs(2), and the text form of the GEOM tree.
//!
//! Values without a counterpart on FreeBSD (pressure, governors, control groups) are `None`.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::description::{Conditions, Confinement, FileUses, Filesystem, Identity, Processor, Storage};

pub(super) fn identity() -> Identity {
    Identity {
        machine: sysctl_text("hw.machine"),
        model: sysctl_text("hw.model"),
        cpu_count: sysctl_number("hw.ncpu"),
        physical_memory_bytes: sysctl_number("hw.physmem"),
        page_sizes_bytes: sysctl_bytes("hw.pagesizes").map(|bytes| page_sizes_bytes(&bytes)),
        arm_frequency_hz: sysctl_number("hw.cpufreq.arm_freq"),
        os_type: sysctl_text("kern.ostype"),
        os_release: sysctl_text("kern.osrelease"),
        kernel_ident: sysctl_text("kern.ident"),
        ..Identity::default()
    }
}

pub(super) fn processor() -> Processor {
    let threads = sysctl_number("kern.smp.threads_per_core");
    let levels = sysctl_text("dev.cpu.0.freq_levels");
    Processor {
        cpu_mitigations: mitigations(),
        cpu_frequency_driver: sysctl_text("dev.cpu.0.freq_driver"),
        cpu_max_frequency_hz: levels.and_then(|levels| highest_frequency_hz(&levels)),
        cpu_smt: threads.map(|count| if count > 1 { "on" } else { "off" }.to_owned()),
        clock_source: sysctl_text("kern.timecounter.hardware"),
        ..Processor::default()
    }
}

/// Mitigations that FreeBSD 13 and later report. Numeric states are printed as numbers.
fn mitigations() -> Option<BTreeMap<String, String>> {
    const TEXTS: [&str; 2] = ["machdep.mitigations.mds.state", "machdep.mitigations.taa.state"];
    const NUMBERS: [&str; 3] =
        ["vm.pmap.pti", "machdep.mitigations.ibrs.active", "machdep.mitigations.ssb.active"];
    let texts = TEXTS.iter().filter_map(|name| Some((*name, sysctl_text(name)?)));
    let numbers = NUMBERS.iter().filter_map(|name| Some((*name, sysctl_number(name)?.to_string())));
    let states: BTreeMap<String, String> =
        texts.chain(numbers).map(|(name, state)| (name.to_owned(), state)).collect();
    (!states.is_empty()).then_some(states)
}

pub(super) fn storage(path: &Path, filesystem: Option<&Filesystem>) -> Option<Storage> {
    let mounted_from = || Some(filesystem?.device.strip_prefix("/dev/")?.to_owned());
    let device = device_name(&path.metadata().ok()?).or_else(mounted_from)?;
    let file = File::open(Path::new("/dev").join(&device)).ok();
    let tree = geom_tree();
    let disks: Vec<String> = tree
        .ancestry(&device)
        .filter(|provider| provider.depth == 0)
        .map(|provider| provider.name.clone())
        .collect();
    Some(Storage {
        device_disks: (!disks.is_empty()).then_some(disks),
        device_size_bytes: file.as_ref().and_then(device_size_bytes),
        device_logical_block_bytes: file.as_ref().and_then(sector_bytes),
        device_name: Some(device),
        ..Storage::default()
    })
}

pub(super) fn confinement() -> Confinement {
    let jailed = sysctl_number("security.jail.jailed");
    Confinement {
        virtualization: sysctl_text("kern.vm_guest"),
        container: jailed.map(|jailed| if jailed == 0 { "none" } else { "jail" }.to_owned()),
        ..Confinement::default()
    }
}

pub(super) fn conditions() -> Conditions {
    let mut load = [0.0];
    // SAFETY: the array has room for the one value that is requested.
    let count = unsafe { libc::getloadavg(load.as_mut_ptr(), 1) };
    let megahertz = sysctl_number("dev.cpu.0.freq");
    Conditions {
        load_average_1min: (count == 1).then_some(load[0]),
        cpu_frequency_hz: megahertz.and_then(|megahertz| megahertz.checked_mul(1_000_000)),
        memory_available_bytes: memory_available_bytes(),
        ..Conditions::default()
    }
}

pub(super) fn memory_available_bytes() -> Option<u64> {
    let free = sysctl_number("vm.stats.vm.v_free_count")?;
    let inactive = sysctl_number("vm.stats.vm.v_inactive_count")?;
    let page_bytes = sysctl_number("hw.pagesize")?;
    free.checked_add(inactive)?.checked_mul(page_bytes)
}

pub(super) fn filesystem(path: &Path) -> Option<Filesystem> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut status = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path ends in a zero byte, and the buffer has room for one statfs.
    if unsafe { libc::statfs(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: statfs(2) has filled the buffer.
    Some(described(unsafe { status.assume_init_ref() }))
}

/// All mounted filesystems that are visible to this process.
fn filesystems() -> Vec<Filesystem> {
    // SAFETY: without a buffer, getfsstat(2) only counts.
    let count = unsafe { libc::getfsstat(std::ptr::null_mut(), 0, libc::MNT_NOWAIT) };
    let mut mounts: Vec<libc::statfs> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let room = mounts.capacity().saturating_mul(size_of::<libc::statfs>());
    let Ok(room) = libc::c_long::try_from(room) else {
        return Vec::new();
    };
    // SAFETY: the buffer has room for as many bytes as are stated.
    let count = unsafe { libc::getfsstat(mounts.as_mut_ptr(), room, libc::MNT_NOWAIT) };
    let count = usize::try_from(count).unwrap_or(0).min(mounts.capacity());
    // SAFETY: getfsstat(2) has filled `count` elements, and `count` is within the capacity.
    unsafe { mounts.set_len(count) };
    mounts.iter().map(described).collect()
}

fn described(status: &libc::statfs) -> Filesystem {
    Filesystem {
        kind: fixed_text(&status.f_fstypename),
        device: fixed_text(&status.f_mntfromname),
        mount_point: PathBuf::from(fixed_text(&status.f_mntonname)),
        options: mount_options(status.f_flags),
    }
}

/// Flags of sys/mount.h that affect I/O, by their names in mount(8).
fn mount_options(flags: u64) -> String {
    const NAMES: [(u64, &str); 8] = [
        (0x0000_0002, "sync"),
        (0x0000_0040, "async"),
        (0x0020_0000, "soft-updates"),
        (0x1_0000_0000, "journaled-soft-updates"),
        (0x0200_0000, "gjournal"),
        (0x1000_0000, "noatime"),
        (0x4000_0000, "noclusterr"),
        (0x8000_0000, "noclusterw"),
    ];
    let access = if flags & 1 == 0 { "rw" } else { "ro" };
    let names = NAMES.iter().filter(|(flag, _)| flags & flag != 0);
    let names = names.map(|(_, name)| *name);
    std::iter::once(access).chain(names).collect::<Vec<_>>().join(",")
}

/// Text of a field of fixed size, up to its first zero byte.
fn fixed_text(field: &[libc::c_char]) -> String {
    // c_char is signed on x86 and unsigned on ARM.
    let bytes: Vec<u8> =
        field.iter().flat_map(|character| character.to_ne_bytes()).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Name under `/dev` of the device behind a node. Disks are character devices.
fn device_name(node: &Metadata) -> Option<String> {
    if !node.file_type().is_char_device() {
        return None;
    }
    let mut name = [0; 256];
    let length = libc::c_int::try_from(name.len()).ok()?;
    // SAFETY: the buffer is as long as stated, and devname_r(3) ends it with a zero byte.
    let found = unsafe { libc::devname_r(node.rdev(), libc::S_IFCHR, name.as_mut_ptr(), length) };
    (!found.is_null()).then(|| fixed_text(&name))
}

pub(super) fn is_disk(node: &Metadata) -> bool {
    device_name(node).is_some_and(|name| geom_tree().ancestry(&name).next().is_some())
}

pub(super) fn logical_block_bytes(metadata: &Metadata) -> Option<u64> {
    let mounted_from = || {
        let same = |mounted: &Filesystem| {
            let point = mounted.mount_point.metadata();
            point.is_ok_and(|point| point.dev() == metadata.dev())
        };
        let mounted = filesystems().into_iter().find(same)?;
        Some(mounted.device.strip_prefix("/dev/")?.to_owned())
    };
    let device = device_name(metadata).or_else(mounted_from)?;
    sector_bytes(&File::open(Path::new("/dev").join(device)).ok()?)
}

nix::ioctl_read!(
    /// Size of a sector in bytes: sys/disk.h.
    diocgsectorsize,
    b'd',
    128,
    libc::c_uint
);
nix::ioctl_read!(
    /// Size of a disk in bytes: sys/disk.h.
    diocgmediasize,
    b'd',
    129,
    libc::off_t
);

pub(super) fn device_size_bytes(file: &File) -> Option<u64> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open as long as `file` is, and the ioctl writes one off_t.
    unsafe { diocgmediasize(file.as_raw_fd(), &raw mut bytes) }.ok()?;
    u64::try_from(bytes).ok()
}

fn sector_bytes(file: &File) -> Option<u64> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open as long as `file` is, and the ioctl writes one u_int.
    unsafe { diocgsectorsize(file.as_raw_fd(), &raw mut bytes) }.ok()?;
    Some(bytes.into())
}

/// Uses of the device. The kernel refuses to open a mounted device for writing, but does not say where it is
/// mounted. This check runs first, so that the error names the use.
/// md(4) devices on a file are not looked up.
pub(super) fn file_uses(_: &Metadata) -> FileUses {
    FileUses::default()
}

/// The processors of other processes are not looked up.
pub(super) fn others_pinned_to(_: usize) -> Vec<i32> {
    Vec::new()
}

/// md(4) devices are not looked up.
pub(super) fn lower_caches(_: &Path) -> Vec<String> {
    Vec::new()
}

pub(super) fn device_users(device: &Metadata) -> Vec<String> {
    let Some(device) = device_name(device) else {
        return Vec::new();
    };
    let tree = geom_tree();
    let family = tree.family(&device);
    let mounted = filesystems().into_iter().filter_map(|mounted| {
        let name = mounted.device.strip_prefix("/dev/")?;
        let point = mounted.mount_point.display();
        let known = family.contains(name);
        known.then(|| format!("/dev/{name} is mounted on {point}"))
    });
    let swap = swap_devices().into_iter();
    let swap = swap.filter(|name| family.contains(name));
    let swap = swap.map(|name| format!("/dev/{name} is in use as swap"));
    mounted.chain(swap).collect()
}

/// Names of the active swap devices: sysctl `vm.swap_info.N`, a struct xswdev of vm/vm_param.h.
fn swap_devices() -> Vec<String> {
    #[repr(C)]
    struct Xswdev {
        version: libc::c_uint,
        device: libc::dev_t,
        flags: libc::c_int,
        blocks: libc::c_int,
        used: libc::c_int,
    }
    let device = |index: libc::c_int| {
        let bytes = sysctl_element("vm.swap_info", index)?;
        let offset = std::mem::offset_of!(Xswdev, device);
        let field = bytes.get(offset..offset + size_of::<libc::dev_t>())?;
        Some(u64::from_ne_bytes(field.try_into().ok()?))
    };
    (0..)
        .map_while(device)
        .filter_map(|device| {
            // SAFETY: devname(3) returns null or a text that ends in a zero byte.
            let name = unsafe {
                let name = libc::devname(device, libc::S_IFCHR);
                (!name.is_null()).then(|| CStr::from_ptr(name))
            };
            name.map(|name| name.to_string_lossy().into_owned())
        })
        .collect()
}

/// One provider in `kern.geom.conftxt`: `depth class name bytes sector_bytes ...`.
struct Provider {
    depth: usize,
    name: String,
}

/// The providers of all disks. Each comes before the providers that are built on it.
struct GeomTree(Vec<Provider>);

fn geom_tree() -> GeomTree {
    GeomTree::parse(&sysctl_text("kern.geom.conftxt").unwrap_or_default())
}

impl GeomTree {
    /// Skips lines of another format.
    fn parse(conftxt: &str) -> Self {
        let provider = |line: &str| {
            let mut words = line.split_whitespace();
            Some(Provider { depth: words.next()?.parse().ok()?, name: words.nth(1)?.to_owned() })
        };
        Self(conftxt.lines().filter_map(provider).collect())
    }

    /// Each entry of `name`, followed by the providers that it is built on, up to the disk. A mirror has one
    /// entry per disk.
    fn ancestry<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Provider> {
        let places = (0..self.0.len()).filter(move |&place| self.0[place].name == name);
        places.flat_map(|place| {
            let mut depth = self.0[place].depth + 1;
            self.0[..=place].iter().rev().filter(move |provider| {
                let is_above = provider.depth < depth;
                depth = depth.min(provider.depth);
                is_above
            })
        })
    }

    /// `name`, the providers that it is built on, and the providers that are built on it.
    fn family(&self, name: &str) -> std::collections::BTreeSet<String> {
        let mut family: std::collections::BTreeSet<String> =
            self.ancestry(name).map(|above| above.name.clone()).collect();
        family.insert(name.to_owned());
        for (place, provider) in self.0.iter().enumerate().filter(|(_, it)| it.name == name) {
            let after = self.0[place + 1..].iter();
            let below = after.take_while(|other| other.depth > provider.depth);
            family.extend(below.map(|below| below.name.clone()));
        }
        family
    }
}

/// The sizes that are not zero. The kernel fills the rest of the array with zeros.
fn page_sizes_bytes(array: &[u8]) -> Vec<u64> {
    array.chunks_exact(size_of::<libc::size_t>()).filter_map(number).filter(|&size| size != 0).collect()
}

/// The first entry of `freq_levels`. The entries are `megahertz/milliwatts`, highest first.
fn highest_frequency_hz(levels: &str) -> Option<u64> {
    let megahertz: u64 = levels.split('/').next()?.trim().parse().ok()?;
    megahertz.checked_mul(1_000_000)
}

/// An integer of 4 or 8 bytes in the byte order of this machine; `None` if it is negative.
fn number(bytes: &[u8]) -> Option<u64> {
    if let Ok(bytes) = bytes.try_into() {
        return u64::try_from(i64::from_ne_bytes(bytes)).ok();
    }
    u64::try_from(i32::from_ne_bytes(bytes.try_into().ok()?)).ok()
}

fn sysctl_number(name: &str) -> Option<u64> {
    number(&sysctl_bytes(name)?)
}

fn sysctl_text(name: &str) -> Option<String> {
    let bytes = sysctl_bytes(name)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Value of a sysctl of any length.
fn sysctl_bytes(name: &str) -> Option<Vec<u8>> {
    let name = CString::new(name).ok()?;
    grown(|buffer, length| {
        // SAFETY: the name ends in a zero byte; the buffer, if any, is as long as stated.
        unsafe { libc::sysctlbyname(name.as_ptr(), buffer, length, std::ptr::null(), 0) }
    })
}

/// Value of element `index` of a sysctl that is a table.
fn sysctl_element(name: &str, index: libc::c_int) -> Option<Vec<u8>> {
    let name = CString::new(name).ok()?;
    let mut mib = [0; 16];
    let mut used = mib.len() - 1;
    // SAFETY: the name ends in a zero byte; one less than the array's length is stated.
    if unsafe { libc::sysctlnametomib(name.as_ptr(), mib.as_mut_ptr(), &raw mut used) } != 0 {
        return None;
    }
    *mib.get_mut(used)? = index;
    let count = libc::c_uint::try_from(used + 1).ok()?;
    grown(|buffer, length| {
        // SAFETY: `count` elements of the array are set; the buffer is as long as stated.
        unsafe { libc::sysctl(mib.as_ptr(), count, buffer, length, std::ptr::null(), 0) }
    })
}

/// Calls sysctl for the length first, then for the value. A value that grows in between (the GEOM tree) is
/// reported as missing, not truncated.
fn grown(call: impl Fn(*mut libc::c_void, *mut libc::size_t) -> libc::c_int) -> Option<Vec<u8>> {
    let mut length = 0;
    if call(std::ptr::null_mut(), &raw mut length) != 0 {
        return None;
    }
    let mut value = vec![0_u8; length];
    if call(value.as_mut_ptr().cast(), &raw mut length) != 0 {
        return None;
    }
    value.truncate(length);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFTXT: &str = "\
0 DISK ada0 1000 512 hd 16 sc 63
1 PART ada0p1 10 512 i 1 o 20480 ty efi
2 LABEL gpt/efi 10 512 i 0 o 0
1 PART ada0p2 20 512 i 2 o 30 ty freebsd-ufs
0 DISK ada1 1000 512 hd 16 sc 63
1 MIRROR mirror/m0 999 512
garbage
x y z
";

    #[test]
    fn a_family_is_what_stands_above_and_below_but_not_beside() {
        let tree = GeomTree::parse(CONFTXT);
        let family = |name| tree.family(name).into_iter().collect::<Vec<_>>();
        assert_eq!(family("ada0"), ["ada0", "ada0p1", "ada0p2", "gpt/efi"]);
        assert_eq!(family("ada0p1"), ["ada0", "ada0p1", "gpt/efi"]);
        assert_eq!(family("gpt/efi"), ["ada0", "ada0p1", "gpt/efi"]);
        assert_eq!(family("ada1"), ["ada1", "mirror/m0"]);
        assert_eq!(family("none"), ["none"]);
        assert!(GeomTree::parse("\u{0}\n 1\n").0.is_empty());
    }

    #[test]
    fn numbers_have_4_or_8_bytes() {
        assert_eq!(number(&7_i32.to_ne_bytes()), Some(7));
        assert_eq!(number(&7_i64.to_ne_bytes()), Some(7));
        assert_eq!(number(&(-1_i32).to_ne_bytes()), None);
        assert_eq!(number(&[1, 2, 3]), None);
        assert_eq!(page_sizes_bytes(&[0; 24]), Vec::<u64>::new());
        assert_eq!(highest_frequency_hz("2400/35000 2300/33000"), Some(2_400_000_000));
        assert_eq!(highest_frequency_hz(""), None);
    }

    #[test]
    fn flags_become_names() {
        assert_eq!(mount_options(0x1000_0001), "ro,noatime");
        assert_eq!(mount_options(0), "rw");
    }
}

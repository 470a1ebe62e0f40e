//! Hypervisor and container around this process.

use std::path::Path;

use super::cgroup;
use super::files::{field, read};
use super::mounts::Mounts;
use crate::host::description::Confinement;

pub(in crate::host) fn confinement() -> Confinement {
    let mounts = Mounts::read();
    Confinement {
        machine_product: machine_product(),
        virtualization: virtualization(),
        container: container(),
        cgroup_memory_max_bytes: cgroup::memory_max_bytes(&mounts),
        cgroup_cpu_quota_cores: cgroup::cpu_quota_cores(&mounts),
        cgroup_io_max: cgroup::io_max(&mounts),
    }
}

/// Vendor and product from DMI (x86, ARM servers), else from the device tree (small ARM and RISC-V boards).
fn machine_product() -> Option<String> {
    let dmi = ["sys_vendor", "product_name"].map(|name| read(format!("/sys/class/dmi/id/{name}")));
    let words: Vec<String> = dmi.into_iter().flatten().collect();
    let dmi = (!words.is_empty()).then(|| words.join(" "));
    dmi.or_else(|| read("/proc/device-tree/model"))
}

/// On x86 the processor reports a hypervisor. On other processors only a paravirtual kernel interface can,
/// and its absence proves nothing: the result is then `None`.
fn virtualization() -> Option<String> {
    if cfg!(target_arch = "x86_64") {
        if has_hypervisor_flag(&read("/proc/cpuinfo")?) {
            return hypervisor_signature().map(|signature| hypervisor_name(&signature));
        }
        // A paravirtualised Xen guest may hide the flag.
        return Some(read("/sys/hypervisor/type").unwrap_or_else(|| "none".to_owned()));
    }
    read("/sys/hypervisor/type").or_else(|| read("/proc/device-tree/hypervisor/compatible"))
}

fn has_hypervisor_flag(cpuinfo: &str) -> bool {
    field(cpuinfo, "flags").is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// The twelve characters of CPUID leaf 4000_0000h, in EBX, ECX and EDX. Intel and AMD reserve this range for
/// hypervisors.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "__cpuid became safe after the oldest supported Rust")]
fn hypervisor_signature() -> Option<String> {
    // SAFETY: every x86-64 processor has CPUID, and it changes only registers.
    let leaf = unsafe { std::arch::x86_64::__cpuid(0x4000_0000) };
    let bytes = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes).concat();
    let signature = String::from_utf8_lossy(&bytes);
    let signature = signature.trim_matches(['\0', ' ']);
    (!signature.is_empty()).then(|| signature.to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
fn hypervisor_signature() -> Option<String> {
    None
}

/// Name of the hypervisor with this signature; an unknown signature is returned unchanged. The list is that
/// of systemd-detect-virt(1).
fn hypervisor_name(signature: &str) -> String {
    let name = match signature {
        "KVMKVMKVM" | "Linux KVM Hv" => "KVM",
        "Microsoft Hv" => "Hyper-V",
        "VMwareVMware" => "VMware",
        "XenVMMXenVMM" => "Xen",
        "TCGTCGTCGTCG" => "QEMU TCG",
        "bhyve bhyve" => "bhyve",
        "QNXQVMBSQG" => "QNX",
        "ACRNACRNACRN" => "ACRN",
        "SRESRESRESRE" => "LMHS",
        other => other,
    };
    name.to_owned()
}

/// Container managers leave a marker file. A machine that boots from a container image also has that file,
/// but its processes run in the initial namespaces of the kernel.
fn container() -> Option<String> {
    if in_first_namespaces()? {
        return Some("none".to_owned());
    }
    let systemd = read("/run/systemd/container");
    let mark = |path: &str, name: &str| Path::new(path).exists().then(|| name.to_owned());
    systemd
        .or_else(|| std::env::var("KUBERNETES_SERVICE_HOST").ok().map(|_| "kubernetes".to_owned()))
        .or_else(|| mark("/run/.containerenv", "podman"))
        .or_else(|| mark("/.dockerenv", "docker"))
        .or_else(|| Some("unknown".to_owned()))
}

/// True if this process is in the initial namespaces for process ids, host name, IPC and control groups.
/// Their numbers are fixed: `PROC_UTS_INIT_INO` and its siblings in linux/proc_ns.h.
fn in_first_namespaces() -> Option<bool> {
    const FIRST: [(&str, u64); 4] =
        [("ipc", 0xEFFF_FFFF), ("uts", 0xEFFF_FFFE), ("pid", 0xEFFF_FFFC), ("cgroup", 0xEFFF_FFFB)];
    FIRST.iter().try_fold(true, |all, (kind, first)| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        Some(all && namespace_number(&link.to_string_lossy())? == *first)
    })
}

/// Parses the number in `pid:[4026531836]`.
fn namespace_number(link: &str) -> Option<u64> {
    let (_, number) = link.split_once(":[")?;
    number.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hypervisor_flag_is_a_whole_word_of_the_flags() {
        assert!(has_hypervisor_flag("model\t: x\nflags\t\t: fpu hypervisor lahf_lm\n"));
        assert!(!has_hypervisor_flag("flags\t\t: fpu hypervisors\n"));
        assert!(!has_hypervisor_flag("model name: hypervisor\n"));
        assert!(!has_hypervisor_flag(""));
    }

    #[test]
    fn an_unknown_signature_stands_for_itself() {
        assert_eq!(hypervisor_name("KVMKVMKVM"), "KVM");
        assert_eq!(hypervisor_name("SomethingNew"), "SomethingNew");
    }

    #[test]
    fn a_namespace_is_known_by_its_number() {
        assert_eq!(namespace_number("pid:[4026531836]"), Some(0xEFFF_FFFC));
        for garbage in ["", "pid", "pid:[]", "pid:[x]", "pid:[1"] {
            assert_eq!(namespace_number(garbage), None, "{garbage:?}");
        }
    }
}

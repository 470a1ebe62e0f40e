//! Processor, clock and memory settings.

use std::collections::BTreeMap;
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};

use super::files::{names_in, read, read_number, selected};
use crate::host::description::Processor;

const CPU: &str = "/sys/devices/system/cpu";
/// The benchmark pins itself to this processor.
const CPU0: &str = "/sys/devices/system/cpu/cpu0";

pub(in crate::host) fn processor() -> Processor {
    let cpu0 = Path::new(CPU0);
    Processor {
        cpu_mitigations: mitigations(),
        cpu_governor: read(cpu0.join("cpufreq/scaling_governor")),
        cpu_frequency_driver: read(cpu0.join("cpufreq/scaling_driver")),
        cpu_max_frequency_hz: kilohertz("cpuinfo_max_freq"),
        cpu_turbo: turbo(),
        cpu_smt: read(Path::new(CPU).join("smt/control")),
        cpu_cache_l1d_bytes: cache_bytes("1", "Data"),
        cpu_cache_l1i_bytes: cache_bytes("1", "Instruction"),
        cpu_cache_l2_bytes: cache_bytes("2", "Unified"),
        cpu_cache_l3_bytes: cache_bytes("3", "Unified"),
        clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        transparent_hugepage: read("/sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|text| selected(&text)),
    }
}

/// Frequency of CPU 0 in Hz: by the driver, else by `/proc/cpuinfo`.
pub(super) fn frequency_hz() -> Option<u64> {
    kilohertz("scaling_cur_freq").or_else(|| cpuinfo_frequency_hz(&read("/proc/cpuinfo")?))
}

pub(super) fn model() -> Option<String> {
    cpuinfo_model(&read("/proc/cpuinfo")?)
}

pub(super) fn online_count() -> Option<u64> {
    let count = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok()??;
    u64::try_from(count).ok()
}

/// The base page and every size of huge page, smallest first.
pub(super) fn page_sizes_bytes() -> Option<Vec<u64>> {
    let base = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    let mut sizes = vec![u64::try_from(base).ok()?];
    let huge = names_in("/sys/kernel/mm/hugepages");
    sizes.extend(huge.iter().filter_map(|name| huge_page_bytes(name)));
    sizes.sort_unstable();
    Some(sizes)
}

fn huge_page_bytes(folder_name: &str) -> Option<u64> {
    let kibibytes = folder_name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
    kibibytes.parse::<u64>().ok()?.checked_mul(1024)
}

fn mitigations() -> Option<BTreeMap<String, String>> {
    let folder = Path::new(CPU).join("vulnerabilities");
    let states: BTreeMap<String, String> = names_in(&folder)
        .into_iter()
        .filter_map(|name| read(folder.join(&name)).map(|state| (name, state)))
        .collect();
    (!states.is_empty()).then_some(states)
}

/// An attribute of cpufreq, in Hz.
fn kilohertz(attribute: &str) -> Option<u64> {
    let kilohertz: u64 = read_number(Path::new(CPU0).join("cpufreq").join(attribute))?;
    kilohertz.checked_mul(1000)
}

/// intel_pstate says whether turbo is off, all other drivers whether boost is on.
fn turbo() -> Option<bool> {
    let off = read_number::<u8>(Path::new(CPU).join("intel_pstate/no_turbo"));
    let on = || read_number::<u8>(Path::new(CPU).join("cpufreq/boost"));
    off.map(|off| off == 0).or_else(|| on().map(|on| on != 0))
}

fn cache_bytes(level: &str, kind: &str) -> Option<u64> {
    let folder = Path::new(CPU0).join("cache");
    let is =
        |index: &Path, file: &str, wanted: &str| read(index.join(file)).is_some_and(|value| value == wanted);
    names_in(&folder)
        .iter()
        .map(|name| folder.join(name))
        .find(|index| is(index, "level", level) && is(index, "type", kind))
        .and_then(|index| size_bytes(&read(index.join("size"))?))
}

/// A size as sysfs writes those of caches: `32K`.
fn size_bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let factor = match size.strip_prefix(digits)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Value of the first line of `/proc/cpuinfo` with this name: that of CPU 0.
fn cpuinfo_field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim())
    })
}

/// Each architecture names its model in its own way; 64-bit ARM gives only numbers.
fn cpuinfo_model(cpuinfo: &str) -> Option<String> {
    let field = |name| cpuinfo_field(cpuinfo, name);
    let named = ["model name", "cpu model", "cpu", "uarch"].into_iter().find_map(field);
    let numbered = || {
        let implementer = field("CPU implementer")?;
        let part = field("CPU part")?;
        Some(format!("CPU implementer {implementer} part {part}"))
    };
    named.map(str::to_owned).or_else(numbered)
}

fn cpuinfo_frequency_hz(cpuinfo: &str) -> Option<u64> {
    let megahertz: f64 = cpuinfo_field(cpuinfo, "cpu MHz")?.parse().ok()?;
    // A conversion with `as` saturates, and makes zero of what is not a number.
    let hertz = (megahertz * 1e6).round() as u64;
    (hertz > 0).then_some(hertz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_on_each_architecture() {
        let x86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.142\n";
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n";
        assert_eq!(cpuinfo_model(x86).as_deref(), Some("AMD EPYC"));
        assert_eq!(cpuinfo_model(arm).as_deref(), Some("CPU implementer 0x41 part 0xd08"));
        assert_eq!(cpuinfo_model("\n:\nmodel name"), None);
        assert_eq!(cpuinfo_frequency_hz(x86), Some(2_596_142_000));
        assert_eq!(cpuinfo_frequency_hz("cpu MHz: NaN"), None);
        assert_eq!(cpuinfo_frequency_hz("cpu MHz: -5"), None);
    }

    #[test]
    fn sizes_of_caches_and_pages_are_in_bytes() {
        assert_eq!(size_bytes("32K"), Some(32_768));
        assert_eq!(size_bytes("8M"), Some(8 << 20));
        assert_eq!(size_bytes("512"), Some(512));
        for garbage in ["", "K", "32KiB", "-1K", "99999999999999999999K", "é"] {
            assert_eq!(size_bytes(garbage), None, "{garbage:?}");
        }
        assert_eq!(huge_page_bytes("hugepages-2048kB"), Some(2 << 20));
        assert_eq!(huge_page_bytes("hugepages-kB"), None);
        assert_eq!(huge_page_bytes("2048kB"), None);
    }
}

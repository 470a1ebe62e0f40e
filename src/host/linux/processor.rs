//! Processor, clock and memory settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::unistd::{SysconfVar, sysconf};

use super::files::{entries, field, name_of, read, read_flag, read_scaled, read_with, selected};
use crate::host::description::Processor;

const CPU: &str = "/sys/devices/system/cpu";
/// Frequency settings of CPU 0, the CPU that the benchmark runs on.
const CPUFREQ: &str = "/sys/devices/system/cpu/cpu0/cpufreq";

pub(in crate::host) fn processor() -> Processor {
    Processor {
        cpu_mitigations: mitigations(),
        cpu_governor: read(format!("{CPUFREQ}/scaling_governor")),
        cpu_frequency_driver: read(format!("{CPUFREQ}/scaling_driver")),
        cpu_max_frequency_hz: read_scaled(format!("{CPUFREQ}/cpuinfo_max_freq"), 1000),
        cpu_turbo: turbo(),
        cpu_smt: read(format!("{CPU}/smt/control")),
        cpu_cache_l1d_bytes: cache_bytes("1", "Data"),
        cpu_cache_l1i_bytes: cache_bytes("1", "Instruction"),
        cpu_cache_l2_bytes: cache_bytes("2", "Unified"),
        cpu_cache_l3_bytes: cache_bytes("3", "Unified"),
        clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        transparent_hugepage: read_with("/sys/kernel/mm/transparent_hugepage/enabled", selected),
    }
}

/// Frequency of CPU 0 in Hz, from its driver, else from `/proc/cpuinfo`.
pub(super) fn frequency_hz() -> Option<u64> {
    let driver = read_scaled(format!("{CPUFREQ}/scaling_cur_freq"), 1000);
    driver.or_else(|| read_with("/proc/cpuinfo", cpuinfo_frequency_hz))
}

pub(super) fn model() -> Option<String> {
    read_with("/proc/cpuinfo", cpuinfo_model)
}

pub(super) fn online_count() -> Option<u64> {
    let count = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok()??;
    u64::try_from(count).ok()
}

/// Sizes of the base page and of all huge pages, smallest first.
pub(super) fn page_sizes_bytes() -> Option<Vec<u64>> {
    let base = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    let mut sizes = vec![u64::try_from(base).ok()?];
    let huge = entries("/sys/kernel/mm/hugepages");
    sizes.extend(huge.iter().filter_map(|folder| huge_page_bytes(&name_of(folder))));
    sizes.sort_unstable();
    Some(sizes)
}

fn huge_page_bytes(folder_name: &str) -> Option<u64> {
    let kibibytes = folder_name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
    kibibytes.parse::<u64>().ok()?.checked_mul(1024)
}

fn mitigations() -> Option<BTreeMap<String, String>> {
    let files = entries(format!("{CPU}/vulnerabilities")).into_iter();
    let states: BTreeMap<String, String> =
        files.filter_map(|file| Some((name_of(&file), read(&file)?))).collect();
    (!states.is_empty()).then_some(states)
}

/// The file of intel_pstate is 1 if turbo is off. The file of all other drivers is 1 if boost is on.
fn turbo() -> Option<bool> {
    let off = read_flag(format!("{CPU}/intel_pstate/no_turbo"));
    off.map(|off| !off).or_else(|| read_flag(format!("{CPU}/cpufreq/boost")))
}

fn cache_bytes(level: &str, kind: &str) -> Option<u64> {
    let has = |file: PathBuf, value: &str| read(file).is_some_and(|text| text == value);
    let cache = entries(format!("{CPU}/cpu0/cache"))
        .into_iter()
        .find(|cache| has(cache.join("level"), level) && has(cache.join("type"), kind))?;
    read_with(cache.join("size"), size_bytes)
}

/// Parses the size of a cache, such as `32K`.
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

/// The name of the field differs between architectures. 64-bit ARM has only numbers.
fn cpuinfo_model(cpuinfo: &str) -> Option<String> {
    let named = ["model name", "cpu model", "cpu", "uarch"].iter().find_map(|name| field(cpuinfo, name));
    let numbered = || {
        let implementer = field(cpuinfo, "CPU implementer")?;
        let part = field(cpuinfo, "CPU part")?;
        Some(format!("CPU implementer {implementer} part {part}"))
    };
    named.map(str::to_owned).or_else(numbered)
}

fn cpuinfo_frequency_hz(cpuinfo: &str) -> Option<u64> {
    let megahertz: f64 = field(cpuinfo, "cpu MHz")?.parse().ok()?;
    // `as` saturates, and converts NaN to 0.
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

//! Values that change while a benchmark runs: load, pressure, frequency and free memory.

use super::files::{field, read_with};
use super::mounts::Mounts;
use super::{cgroup, processor};
use crate::host::description::Conditions;

pub(in crate::host) fn conditions() -> Conditions {
    Conditions {
        load_average_1min: read_with("/proc/loadavg", load_average),
        pressure_cpu_some_percent_avg10: pressure("cpu"),
        pressure_io_some_percent_avg10: pressure("io"),
        pressure_memory_some_percent_avg10: pressure("memory"),
        cpu_frequency_hz: processor::frequency_hz(),
        memory_available_bytes: memory_available_bytes(),
    }
}

pub(in crate::host) fn memory_available_bytes() -> Option<u64> {
    let machine = memory_field_bytes("MemAvailable");
    let group = cgroup::memory_available_bytes(&Mounts::read());
    machine.into_iter().chain(group).min()
}

/// A value of `/proc/meminfo`, in bytes.
pub(super) fn memory_field_bytes(name: &str) -> Option<u64> {
    read_with("/proc/meminfo", |meminfo| meminfo_bytes(meminfo, name))
}

fn meminfo_bytes(meminfo: &str, name: &str) -> Option<u64> {
    // "kB" means 1024 bytes here: proc_meminfo(5).
    let kibibytes: u64 = field(meminfo, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

fn pressure(resource: &str) -> Option<f64> {
    read_with(format!("/proc/pressure/{resource}"), some_avg10)
}

/// `avg10` of the line `some`: Documentation/accounting/psi.rst of the kernel.
fn some_avg10(pressure: &str) -> Option<f64> {
    pressure
        .lines()
        .find_map(|line| line.strip_prefix("some "))?
        .split_whitespace()
        .find_map(|word| word.strip_prefix("avg10="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_in_bytes() {
        let meminfo = "MemTotal:       24684084 kB\nMemAvailable:   24341316 kB\nHugePages_Total:   3\n";
        assert_eq!(meminfo_bytes(meminfo, "MemAvailable"), Some(24_341_316 * 1024));
        assert_eq!(meminfo_bytes(meminfo, "Mem"), None);
        assert_eq!(meminfo_bytes(meminfo, "HugePages_Total"), None);
        assert_eq!(meminfo_bytes("MemTotal: 99999999999999999 kB", "MemTotal"), None);
        assert_eq!(meminfo_bytes("MemTotal", "MemTotal"), None);
    }

    #[test]
    fn pressure_is_the_share_of_some() {
        let pressure = "some avg10=1.28 avg60=1.53 avg300=0.80 total=7521217\n\
            full avg10=9.99 avg60=1.50 avg300=0.74 total=5628167\n";
        assert_eq!(some_avg10(pressure), Some(1.28));
        assert_eq!(some_avg10("some avg10=x"), None);
        assert_eq!(some_avg10("full avg10=1"), None);
        assert_eq!(some_avg10(""), None);
    }

    #[test]
    fn load_average_is_the_first_number() {
        assert_eq!(load_average("0.42 0.20 0.10 1/99 1234"), Some(0.42));
        assert_eq!(load_average("x"), None);
        assert_eq!(load_average(""), None);
    }
}

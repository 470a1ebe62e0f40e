//! strace(1) needs neither root nor BPF, but stops the program twice per system call. It is meant for
//! learning, and for systems where no other tracer runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::record::{Bucket, KernelRecord, Observation};
use super::show::Show;

/// Part of the line that strace prints on standard error once it is attached.
pub const ATTACHED: &str = "attached";

/// The command that traces all threads of the process `pid`, also later ones, and writes to `log`.
pub fn command(pid: u32, log: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=all", "-e", "signal=none", "-T", "-p", &pid.to_string(), "-o"]).arg(log);
    command
}

/// Lets a child process attach to this one even if the Yama module restricts attaching (prctl(2)).
pub fn allow_attaching() {
    // SAFETY: the option takes one integer. Without Yama the call fails, but is not needed either.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY)
    };
}

/// Parses a log and returns the parts in `show` per sample. The last sample may lack its closing bracket.
pub fn parse(log: &str, show: &BTreeSet<Show>) -> Observation {
    let mut seen = Observation::default();
    for (name, elapsed_ns) in log.lines().filter_map(call) {
        let in_sample = seen.clock_calls % 2 == 1;
        if name == "clock_gettime" {
            seen.clock_calls += 1;
            if !in_sample {
                seen.records.push(KernelRecord::without_calls(show));
            }
        } else if in_sample && let Some(record) = seen.records.last_mut() {
            if let Some(calls) = &mut record.syscalls {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
            if let Some(latency) = &mut record.latency_ns {
                count_into(latency.entry(name.to_owned()).or_default(), elapsed_ns);
            }
        }
    }
    seen
}

/// Name of the system call at the start of a line. With `-f`, the thread ID precedes it.
pub fn name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('(')?;
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

/// Name and duration of a line such as `read(3, ..., 512) = 512 <0.000011>`, or of the second line of a call
/// during which another thread made one: `<... read resumed>..., 512) = 512 <0.000011>`.
fn call(line: &str) -> Option<(&str, u64)> {
    let seconds: f64 = line.rsplit_once('<')?.1.trim_end_matches('>').parse().ok()?;
    let resumed = line.split_once("<... ").and_then(|(_, rest)| Some(rest.split_once(" resumed>")?.0));
    Some((resumed.or_else(|| name(line))?, (seconds * 1e9) as u64))
}

/// Counts `value` in a histogram of powers of two.
fn count_into(histogram: &mut Vec<Bucket>, value: u64) {
    let bits = 64 - (value | 1).leading_zeros();
    let max = u64::MAX >> (64 - bits);
    let min = if bits == 1 { 0 } else { max / 2 + 1 };
    match histogram.binary_search_by_key(&max, |bucket| bucket.max) {
        Ok(found) => histogram[found].count += 1,
        Err(place) => histogram.insert(place, Bucket { min, max, count: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_calls_between_the_brackets_are_counted() {
        let log = "openat(AT_FDCWD, \"x\") = 3 <0.000010>\n\
                   clock_gettime(CLOCK_MONOTONIC, {}) = 0 <0.000001>\n\
                   7 read(3, \"(\", 1) = 1 <0.000003>\n\
                   8 read(4,  <unfinished ...>\n\
                   7 read(3, \"<\", 1) = 1 <0.000003>\n\
                   8 <... read resumed>\"x\", 1) = 1 <0.000007>\n\
                   clock_gettime(CLOCK_MONOTONIC, {}) = 0 <0.000001>\n\
                   close(3) = 0 <0.000001>\n\
                   clock_gettime(CLOCK_MONOTONIC, {}) = 0 <0.000001>\n\
                   clock_gettime(CLOCK_MONOTONIC, {}) = 0 <0.000001>\n\
                   exit_group(0) = ?\n";
        let Observation { records, clock_calls, .. } = parse(log, &BTreeSet::from([Show::Syscalls]));
        assert_eq!(clock_calls, 4);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].syscalls, Some(BTreeMap::from([("read".to_owned(), 3)])));
        assert_eq!(records[1].syscalls, Some(BTreeMap::new()));
    }

    #[test]
    fn values_are_counted_in_powers_of_two() {
        let mut histogram = Vec::new();
        for value in [0, 1, 2, 3, 4, 7, 8, 1000] {
            count_into(&mut histogram, value);
        }
        let shape: Vec<(u64, u64, u64)> = histogram.iter().map(|b| (b.min, b.max, b.count)).collect();
        assert_eq!(shape, [(0, 1, 2), (2, 3, 2), (4, 7, 2), (8, 15, 1), (512, 1023, 1)]);
    }
}

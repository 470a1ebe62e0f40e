//! Programs for DTrace, and the parser of their output.
//!
//! On Linux, two probes of the `rawtp` provider see every system call by number; removing one probe per call
//! by name would take half a minute. FreeBSD has no `rawtp`, but removing probes by name takes no time there.
//! `sample` is the number of the open sample, or 0 outside a bracket, and all threads of the process are
//! watched, as in the programs for bpftrace.
//!
//! Source: the DTrace guide, chapters "Actions and Subroutines" and "Aggregations".

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use syscalls::Sysno;

use super::record::{Bucket, KernelRecord, Observation, call_name};
use super::show::Show;

/// The parts of a D program that differ between systems.
struct Dialect {
    /// Probe at the entry of every system call.
    entry: &'static str,
    /// Probe at the return of every system call.
    exit: &'static str,
    /// Expression that identifies the system call at its entry.
    call: &'static str,
    /// The clock call, to be excluded if the probe at every entry may fire before the probe by its name.
    clock: Option<Sysno>,
    /// Type of the expression.
    kind: &'static str,
    /// Format of the expression in printa().
    format: &'static str,
}

const LINUX: Dialect = Dialect {
    entry: "rawtp:::sys_enter",
    exit: "rawtp:::sys_exit",
    call: "(int)arg1",
    clock: Some(Sysno::clock_gettime),
    kind: "int",
    format: "%d",
};

/// Clauses of one probe run in the order of the program, so the clause of clock_gettime closes the sample
/// before the call could be counted.
const FREEBSD: Dialect = Dialect {
    entry: "syscall:::entry",
    exit: "syscall:::return",
    call: "probefunc",
    clock: None,
    kind: "string",
    format: "%s",
};

/// The program that records the parts in `show` of the process `pid`.
pub fn program(show: &BTreeSet<Show>, pid: u32) -> String {
    let dialect = if cfg!(target_os = "linux") { &LINUX } else { &FREEBSD };
    program_in(dialect, show, pid)
}

fn program_in(dialect: &Dialect, show: &BTreeSet<Show>, pid: u32) -> String {
    let Dialect { entry, exit, call, clock, kind, format } = dialect;
    let ours = format!("pid == {pid}");
    let other = clock.map(|clock| format!(" && {call} != {}", clock.id())).unwrap_or_default();
    let mut text = format!(
        "#pragma D option quiet\n\
         int clocks; int sample; self {kind} call; self uint64_t entered;\n\
         syscall::clock_gettime:entry /{ours}/ {{ clocks++; sample = 0; }}\n\
         syscall::clock_gettime:return /{ours} && clocks % 2 == 1/ {{ sample = (clocks + 1) / 2; }}\n\
         {entry} /{ours} && sample{other}/\n\
         {{ @calls[sample, {call}] = count(); self->call = {call}; self->entered = timestamp; }}\n"
    );
    if show.contains(&Show::Latency) {
        text += &format!(
            "{exit} /{ours} && sample && self->entered/\n\
             {{ @latency[sample, self->call] = quantize(timestamp - self->entered); self->entered = 0; }}\n"
        );
    }
    text += &format!(
        "dtrace:::END {{ printf(\"clocks %d\\n\", clocks); printa(\"calls %d {format} %@d\\n\", @calls); }}\n"
    );
    if show.contains(&Show::Latency) {
        text += &format!("dtrace:::END {{ printa(\"latency %d {format}%@d\\n\", @latency); }}\n");
    }
    text
}

/// Path of the `dtrace` command: `IOBENCH_DTRACE`, a command in `PATH`, or the one that
/// `docs/tracing/fetch-dtrace.sh` puts into the cache folder of the user.
pub fn find() -> Option<PathBuf> {
    let named = std::env::var_os("IOBENCH_DTRACE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home);
    let fetched = cache.map(|cache| cache.join("iobench/dtrace/dtrace"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("dtrace"));
    // SystemTap installs a script of the same name that is not DTrace.
    let installed = installed.filter(|candidate| is_elf_file(candidate));
    named.into_iter().chain(installed).chain(fetched).find(|candidate| candidate.is_file())
}

fn is_elf_file(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

/// The command that runs the script at `path` with DTrace. DTrace starts `cat` when all probes are attached.
pub fn command(dtrace: &Path, path: &Path) -> Command {
    let mut command = Command::new(dtrace);
    command.arg("-s").arg(path).args(["-c", "cat"]);
    command
}

/// Parses the standard output and standard error of a program and returns the parts in `show` per sample.
pub fn parse(output: &str, messages: &str, samples: usize, show: &BTreeSet<Show>) -> Observation {
    let mut records = vec![KernelRecord::without_calls(show); samples];
    let mut clock_calls = 0;
    // Sample and system call of the histogram whose lines follow.
    let mut histogram: Option<(&str, &str)> = None;
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["clocks", count] => clock_calls = count.parse().unwrap_or(0),
            ["calls", sample, call, count] => {
                let calls = of_sample(&mut records, sample).and_then(|record| record.syscalls.as_mut());
                if let (Some(calls), Ok(count)) = (calls, count.parse()) {
                    calls.insert(call_name(call), count);
                }
            }
            ["latency", sample, call] => histogram = Some((sample, call)),
            _ => {
                if let Some((sample, call)) = histogram
                    && let Some(record) = of_sample(&mut records, sample)
                    && let Some(bucket) = bucket(line)
                {
                    let latency = record.latency_ns.get_or_insert_default();
                    latency.entry(call_name(call)).or_default().push(bucket);
                }
            }
        }
    }
    Observation { records, clock_calls, lost_events: drops(messages) }
}

/// The record of a sample. Samples are counted from 1.
fn of_sample<'a>(records: &'a mut [KernelRecord], sample: &str) -> Option<&'a mut KernelRecord> {
    records.get_mut(sample.parse::<usize>().ok()?.checked_sub(1)?)
}

/// The number of events in messages such as `dtrace: 17 drops on CPU 0` and `... aggregation drops ...`.
fn drops(messages: &str) -> u64 {
    let drops = messages.lines().filter(|line| line.contains("drops on CPU"));
    drops.filter_map(|line| line.split_whitespace().find_map(|word| word.parse::<u64>().ok())).sum()
}

/// Parses a line of a quantize() table, such as `512 |@@@@@@@@    2702`. Empty buckets are ignored.
fn bucket(line: &str) -> Option<Bucket> {
    let (value, rest) = line.split_once('|')?;
    let min: u64 = value.trim().parse().ok()?;
    let count = rest.split_whitespace().last()?.parse().ok().filter(|count| *count > 0)?;
    let max = if min == 0 { 0 } else { min.checked_mul(2).map_or(u64::MAX, |next| next - 1) };
    Some(Bucket { min, max, count })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn output_of_dtrace_2_becomes_records() {
        let output = "clocks 4\ncalls 1 READ 4096\ncalls 2 426 1\nlatency 2 READ\n           \
                      value  ------------- Distribution ------------- count    \n             \
                      256 |                                         0        \n             \
                      512 |@@@@@@@@@@@@@@@@@@@@@@@@@@               2702     \n            \
                      1024 |@@@@@@@@@@@@@                            1353     \n\n";
        let show = BTreeSet::from([Show::Syscalls, Show::Latency]);
        let output = output.replace("READ", &Sysno::read.id().to_string());
        let Observation { records, clock_calls, .. } = parse(&output, "", 2, &show);
        assert_eq!(clock_calls, 4);
        assert_eq!(records[0].syscalls, Some(BTreeMap::from([("read".to_owned(), 4096)])));
        assert_eq!(records[0].latency_ns, Some(BTreeMap::new()));
        assert_eq!(records[1].syscalls, Some(BTreeMap::from([("io_uring_enter".to_owned(), 1)])));
        let read =
            vec![Bucket { min: 512, max: 1023, count: 2702 }, Bucket { min: 1024, max: 2047, count: 1353 }];
        assert_eq!(records[1].latency_ns, Some(BTreeMap::from([("read".to_owned(), read)])));
    }

    #[test]
    fn each_system_gets_its_own_dialect() {
        let show = BTreeSet::from([Show::Syscalls, Show::Latency]);
        let (linux, freebsd) = (program_in(&LINUX, &show, 7), program_in(&FREEBSD, &show, 7));
        assert!(linux.contains("rawtp:::sys_enter /pid == 7 && sample && (int)arg1 != "));
        assert!(freebsd.contains("syscall:::entry /pid == 7 && sample/\n{ @calls[sample, probefunc]"));
        assert!(!freebsd.contains("rawtp") && !freebsd.contains("tid"), "{freebsd}");
        let bracket = |text: &str| text.find("syscall::clock_gettime:entry") < text.find("syscall:::entry");
        assert!(bracket(&freebsd), "the clause of the clock comes first: {freebsd}");
        let Observation { records, .. } = parse("calls 1 read 3\nlatency 1 read\n 512 |@@ 3\n", "", 1, &show);
        assert_eq!(records[0].syscalls, Some(BTreeMap::from([("read".to_owned(), 3)])));
        assert!(records[0].latency_ns.as_ref().unwrap().contains_key("read"));
    }

    #[test]
    fn unrelated_lines_are_ignored() {
        let output = "calls 9 0 1\ncalls x 0 1\nnoise | 3\n";
        let Observation { records, clock_calls, .. } =
            parse(output, "", 1, &BTreeSet::from([Show::Syscalls]));
        assert_eq!((records.len(), clock_calls), (1, 0));
        assert_eq!(records[0].syscalls, Some(BTreeMap::new()));
    }

    #[test]
    fn drops_of_dtrace_add_up() {
        let messages = "dtrace: 17 drops on CPU 0\nanother message\ndtrace: 5 aggregation drops on CPU 1\n";
        assert_eq!(drops(messages), 22);
        assert_eq!(drops("dtrace: script 'x' matched 4 probes\n"), 0);
    }
}

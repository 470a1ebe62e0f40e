//! Programs for bpftrace, and the parser of their output.
//!
//! The programs count in maps inside the kernel and print once at the end, so that few events can be lost and
//! nothing is written while a bracket is open. `@sample` is the number of the open sample, or 0 outside a
//! bracket: it becomes n at the *return* of the n-th opening call and 0 at the *entry* of the closing call.
//! `@clocks` counts the clock calls. All threads of the process are watched: each may be a worker, and the
//! others sleep while a bracket is open.
//!
//! Sources: bpftrace's reference guide; the kernel's `events/*/format` files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{SysconfVar, sysconf};
use serde_json::Value;
use syscalls::Sysno;

use super::record::{BlockRecord, Bucket, CacheRecord, FaultRecord, KernelRecord, Observation};
use super::record::{SchedRecord, UringRecord, call_name};
use super::show::Show;

/// The process and the disks that a program watches.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Process ID.
    pub pid: u32,
    /// Major and minor numbers of the disks that carry the file.
    pub disks: Vec<(u64, u64)>,
}

/// Maximum number of keys per map. A key consists of a sample and a system call.
const MAP_KEYS: &str = "65536";

/// System calls whose third argument is a number of bytes.
const SIZED_CALLS: [Sysno; 4] = [Sysno::read, Sysno::write, Sysno::pread64, Sysno::pwrite64];

/// The command that runs the script at `path` with bpftrace. bpftrace starts `cat` when all probes are
/// attached. Options precede the script: anything behind it is passed to the script.
pub fn command(options: &[&str], path: &Path) -> Command {
    let mut command = Command::new("bpftrace");
    command.env("BPFTRACE_MAP_KEYS_MAX", MAP_KEYS).args(options).arg("-c").arg(cat()).arg(path);
    command
}

/// Full path of `cat`: bpftrace rejects a name that is in two folders of `PATH`.
fn cat() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("cat")).filter(|cat| cat.is_file());
    found.next().unwrap_or_else(|| PathBuf::from("/bin/cat"))
}

/// The program that records the parts in `show`.
pub fn program(show: &BTreeSet<Show>, watched: &Watched) -> String {
    let probes: String = show.iter().map(|part| probes(*part, watched)).collect();
    // The bracket comes last: probes are attached and removed in this order.
    let every_call = show.contains(&Show::Syscalls) || show.contains(&Show::Latency);
    probes + &if every_call { bracket_and_calls(watched.pid, show) } else { bracket(watched.pid) }
}

/// The bracket and the record of system calls, which share their probes.
fn bracket_and_calls(pid: u32, show: &BTreeSet<Show>) -> String {
    let clock = Sysno::clock_gettime.id();
    let (mut on_entry, mut on_exit) = (String::new(), "");
    if show.contains(&Show::Syscalls) {
        let is_sized = SIZED_CALLS.map(|call| format!("args->id == {}", call.id())).join(" || ");
        on_entry += &format!(
            "        @syscalls[@sample, args->id] = count();\n        \
             if ({is_sized}) {{ @asked[@sample] = sum(args->args[2]); }}\n"
        );
    }
    if show.contains(&Show::Latency) {
        on_entry += "        @entered[tid] = nsecs;\n";
        on_exit = "    else if (@sample && @entered[tid]) {\n        \
                   @latency[@sample, args->id] = hist(nsecs - @entered[tid]);\n        \
                   delete(@entered[tid]);\n    }\n";
    }
    format!(
        "tracepoint:raw_syscalls:sys_exit /pid == {pid}/ {{\n    \
             if (args->id == {clock} && @clocks % 2 == 1) {{ @sample = (@clocks + 1) / 2; }}\n{on_exit}}}\n\
         tracepoint:raw_syscalls:sys_enter /pid == {pid}/ {{\n    \
             if (args->id == {clock}) {{\n        @clocks++;\n        @sample = 0;\n    }}\n    \
             else if (@sample) {{\n{on_entry}    }}\n}}\n"
    )
}

/// The bracket alone. Only clock_gettime has probes, so that other calls are not slowed down.
fn bracket(pid: u32) -> String {
    format!(
        "tracepoint:syscalls:sys_exit_clock_gettime /pid == {pid} && @clocks % 2 == 1/ \
         {{ @sample = (@clocks + 1) / 2; }}\n\
         tracepoint:syscalls:sys_enter_clock_gettime /pid == {pid}/ {{ @clocks++; @sample = 0; }}\n"
    )
}

/// The probes of one part.
fn probes(part: Show, watched: &Watched) -> String {
    let pid = watched.pid;
    let ours = format!("/pid == {pid} && @sample/");
    match part {
        // They share their probes with the bracket.
        Show::Syscalls | Show::Latency | Show::All => String::new(),
        Show::Block => block(&watched.disks, &ours),
        Show::Faults => format!(
            "tracepoint:exceptions:page_fault_user {ours} {{ @faults_user[@sample] = count(); }}\n\
             tracepoint:exceptions:page_fault_kernel {ours} {{ @faults_kernel[@sample] = count(); }}\n"
        ),
        Show::Cache => format!(
            "tracepoint:filemap:mm_filemap_add_to_page_cache {ours} {{\n    \
                 @insertions[@sample] = count();\n    \
                 @inserted_bytes[@sample] = sum({} << args->order);\n}}\n\
             tracepoint:readahead:page_cache_sync_ra {ours} {{ @readahead_sync[@sample] = count(); }}\n\
             tracepoint:readahead:page_cache_async_ra {ours} {{ @readahead_async[@sample] = count(); }}\n",
            // 4096, or 16384 on a Raspberry Pi 5.
            sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096)
        ),
        // A preempted thread has no sleep bit in the low byte of its state.
        Show::Sched => format!(
            "tracepoint:sched:sched_switch {ours} {{\n    \
                 @left[args->prev_pid] = nsecs;\n    \
                 if (args->prev_state & 0xff) {{ @voluntary[@sample] = count(); }} \
                 else {{ @involuntary[@sample] = count(); }}\n}}\n\
             tracepoint:sched:sched_switch /@left[args->next_pid]/ {{\n    \
                 @off_cpu_ns[@sample] = sum(nsecs - @left[args->next_pid]);\n    \
                 delete(@left[args->next_pid]);\n}}\n"
        ),
        Show::Uring => format!(
            "tracepoint:io_uring:io_uring_submit_req {ours} {{ @submitted[@sample] = count(); }}\n\
             tracepoint:io_uring:io_uring_complete {ours} {{\n    \
                 @completed[@sample] = count();\n    \
                 if (args->res > 0) {{ @completed_bytes[@sample] = sum(args->res); }}\n}}\n\
             tracepoint:io_uring:io_uring_queue_async_work {ours} {{ @punted[@sample] = count(); }}\n"
        ),
    }
}

/// Requests to the watched disks, or to any disk if none is known, and bytes that the process itself submits.
fn block(disks: &[(u64, u64)], ours: &str) -> String {
    // The tracepoint's dev_t is the kernel's own: major << 20 | minor (linux/kdev_t.h).
    let of_disk = |(major, minor): &(u64, u64)| format!("args->dev == {}", major << 20 | minor);
    let of_disks = disks.iter().map(of_disk).collect::<Vec<_>>().join(" || ");
    let filter = if disks.is_empty() { "@sample".to_owned() } else { format!("@sample && ({of_disks})") };
    // Each field is read once, at the top: LLVM could otherwise merge two reads into an access that the
    // kernel's verifier rejects.
    format!(
        "tracepoint:block:block_rq_issue /{filter}/ {{\n    \
             $bytes = args->bytes;\n    \
             $read = strncmp(args->rwbs, \"R\", 1) == 0 ? 1 : 0;\n    \
             @requests[@sample, $read] = count();\n    \
             @bytes[@sample, $read] = sum($bytes);\n    \
             @request_bytes[@sample] = hist($bytes);\n}}\n\
         tracepoint:block:block_bio_queue {ours} {{ @own_bytes[@sample] = sum(args->nr_sector * 512); }}\n"
    )
}

/// Parses the output of `bpftrace -f json`, one object per line, and returns the parts in `show` per sample.
pub fn parse(output: &str, samples: usize, show: &BTreeSet<Show>) -> Observation {
    let mut maps = serde_json::Map::new();
    let mut lost_events = 0;
    for line in output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["type"] == "lost_events" {
            lost_events += line["data"]["events"].as_u64().unwrap_or(0);
        } else if let Some(data) = line["data"].as_object() {
            maps.extend(data.clone());
        }
    }
    let maps = Value::Object(maps);
    let records = (1..=samples).map(|number| record(&maps, number, show)).collect();
    Observation { records, clock_calls: maps["@clocks"].as_u64().unwrap_or(0), lost_events }
}

/// The record of sample `number`, counted from 1.
fn record(maps: &Value, number: usize, show: &BTreeSet<Show>) -> KernelRecord {
    let (sample, reads, writes) = (number.to_string(), format!("{number},1"), format!("{number},0"));
    let shows = |part| show.contains(&part);
    let count_at = |map: &str, key: &str| maps[map][key].as_u64().unwrap_or(0);
    let count = |map: &str| count_at(map, &sample);
    KernelRecord {
        syscalls: shows(Show::Syscalls).then(|| by_call(&maps["@syscalls"], number, Value::as_u64)),
        asked_bytes: shows(Show::Syscalls).then(|| count("@asked")),
        latency_ns: shows(Show::Latency).then(|| by_call(&maps["@latency"], number, buckets)),
        block: shows(Show::Block).then(|| BlockRecord {
            read_requests: count_at("@requests", &reads),
            read_bytes: count_at("@bytes", &reads),
            write_requests: count_at("@requests", &writes),
            write_bytes: count_at("@bytes", &writes),
            own_bytes: count("@own_bytes"),
            request_bytes: buckets(&maps["@request_bytes"][&sample]).unwrap_or_default(),
        }),
        faults: shows(Show::Faults)
            .then(|| FaultRecord { user: count("@faults_user"), kernel: count("@faults_kernel") }),
        cache: shows(Show::Cache).then(|| CacheRecord {
            insertions: count("@insertions"),
            inserted_bytes: count("@inserted_bytes"),
            readahead_sync: count("@readahead_sync"),
            readahead_async: count("@readahead_async"),
        }),
        sched: shows(Show::Sched).then(|| SchedRecord {
            voluntary_switches: count("@voluntary"),
            involuntary_switches: count("@involuntary"),
            off_cpu_ns: count("@off_cpu_ns"),
        }),
        uring: shows(Show::Uring).then(|| UringRecord {
            submitted: count("@submitted"),
            completed: count("@completed"),
            completed_bytes: count("@completed_bytes"),
            punted: count("@punted"),
        }),
    }
}

/// The entries of sample `number` by name of the system call, from a map with keys "sample,system call".
fn by_call<T>(map: &Value, number: usize, read: impl Fn(&Value) -> Option<T>) -> BTreeMap<String, T> {
    let sample = format!("{number},");
    let entry = |(key, value): (&String, &Value)| Some((call_name(key.strip_prefix(&sample)?), read(value)?));
    map.as_object().into_iter().flatten().filter_map(entry).collect()
}

/// The buckets of a histogram that are not empty.
fn buckets(histogram: &Value) -> Option<Vec<Bucket>> {
    let bucket = |entry: &Value| {
        let count = entry["count"].as_u64().filter(|count| *count > 0)?;
        // The lowest bucket has no min, and the highest one no max.
        let min = entry["min"].as_u64().unwrap_or(0);
        Some(Bucket { min, max: entry["max"].as_u64().unwrap_or(u64::MAX), count })
    };
    Some(histogram.as_array()?.iter().filter_map(bucket).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[Show]) -> String {
        let watched = Watched { pid: 4711, disks: vec![(254, 0), (8, 16)] };
        program(&parts.iter().copied().collect(), &watched)
    }

    /// Names of the probes of a program, in order.
    fn probes(text: &str) -> Vec<&str> {
        let names = text.lines().filter_map(|line| line.strip_prefix("tracepoint:"));
        names.filter_map(|line| line.split(' ').next()).collect()
    }

    #[test]
    fn each_part_has_its_probes_before_the_bracket() {
        let named = ["syscalls:sys_exit_clock_gettime", "syscalls:sys_enter_clock_gettime"];
        let every = ["raw_syscalls:sys_exit", "raw_syscalls:sys_enter"];
        let parts: [(Show, &[&str], [&str; 2]); 7] = [
            (Show::Syscalls, &[], every),
            (Show::Latency, &[], every),
            (Show::Block, &["block:block_rq_issue", "block:block_bio_queue"], named),
            (Show::Faults, &["exceptions:page_fault_user", "exceptions:page_fault_kernel"], named),
            (
                Show::Cache,
                &[
                    "filemap:mm_filemap_add_to_page_cache",
                    "readahead:page_cache_sync_ra",
                    "readahead:page_cache_async_ra",
                ],
                named,
            ),
            (Show::Sched, &["sched:sched_switch", "sched:sched_switch"], named),
            (
                Show::Uring,
                &[
                    "io_uring:io_uring_submit_req",
                    "io_uring:io_uring_complete",
                    "io_uring:io_uring_queue_async_work",
                ],
                named,
            ),
        ];
        for (part, own, bracket) in parts {
            assert_eq!(probes(&text(&[part])), [own, &bracket].concat(), "{part:?}");
        }
        let all = text(&[Show::Syscalls, Show::Latency, Show::Block, Show::Sched]);
        assert_eq!(probes(&all)[..2], ["block:block_rq_issue", "block:block_bio_queue"]);
        assert_eq!(probes(&all)[4..], every);
    }

    #[test]
    fn only_the_process_and_its_disks_are_watched() {
        for part in [Show::Syscalls, Show::Faults, Show::Cache, Show::Sched, Show::Uring] {
            let text = text(&[part]);
            for line in text.lines().filter(|line| line.starts_with("tracepoint:")) {
                // Only a thread of the process has left a CPU.
                let ours = line.contains("pid == 4711") || line.contains("/@left[");
                assert!(ours, "{part:?}: {line}");
            }
        }
        let block = text(&[Show::Block]);
        assert!(block.contains("/@sample && (args->dev == 266338304 || args->dev == 8388624)/"), "{block}");
        let nowhere = program(&[Show::Block].into(), &Watched { pid: 1, disks: Vec::new() });
        assert!(nowhere.contains("block_rq_issue /@sample/"), "{nowhere}");
    }

    #[test]
    fn system_calls_are_counted_or_timed_as_requested() {
        let clock = Sysno::clock_gettime.id();
        for parts in [&[Show::Syscalls][..], &[Show::Latency], &[Show::Syscalls, Show::Latency]] {
            let text = text(parts);
            let has = |words: &str| text.contains(words);
            assert_eq!(has("@syscalls[@sample, args->id] = count();"), parts.contains(&Show::Syscalls));
            assert_eq!(has("@asked[@sample] = sum(args->args[2]);"), parts.contains(&Show::Syscalls));
            assert_eq!(has("@latency[@sample, args->id] = hist("), parts.contains(&Show::Latency));
            assert!(has(&format!("if (args->id == {clock} && @clocks % 2 == 1)")), "{text}");
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
        }
    }

    /// Output of bpftrace 0.17 among lines that are not maps; READ stands for the number of read(2).
    const OUTPUT: &str = concat!(
        r#"{"type": "attached_probes", "data": {"probes": 4}}

iobench: the tracer is attached
{"type": "printf", "data": "@clocks 99"}
{"type": "lost_events", "data": {"events": 3}}
{"type": "map", "data": {"@asked": {"2": 8192, "1": 1048576}}}
{"type": "map", "data": {"@clocks": 4}}
{"type": "hist", "data": {"@latency": {"1,READ": [{"min": 512, "max": 1023, "count": 200}, "#,
        r#"{"min": 1024, "max": 2047, "count": 0}, {"min": 2048, "max": 4095, "count": 56}], "#,
        r#""2,426": [{"max": -1, "count": 2}]}}}
{"type": "map", "data": {"@requests": {"1,0": 1, "1,1": 7}}}
{"type": "map", "data": {"@sample": 0}}
{"type": "map", "data": {"@syscalls": {"1,READ": 256, "2,READ": 2, "2,9999": 1, "12,1": 5}}}
{"type": "lost_events", "data": {"events": 4}}
{"type": "map", "data": {"@cut
"#
    );

    #[test]
    fn output_becomes_records() {
        let show = [Show::Syscalls, Show::Latency, Show::Block].into();
        let seen = parse(&OUTPUT.replace("READ", &Sysno::read.id().to_string()), 2, &show);
        assert_eq!((seen.clock_calls, seen.lost_events), (4, 7));
        let [first, second] = seen.records.try_into().unwrap();
        assert_eq!(first.syscalls, Some([("read".to_owned(), 256)].into()));
        assert_eq!(first.asked_bytes, Some(1_048_576));
        let read =
            vec![Bucket { min: 512, max: 1023, count: 200 }, Bucket { min: 2048, max: 4095, count: 56 }];
        assert_eq!(first.latency_ns, Some([("read".to_owned(), read)].into()));
        let block = first.block.unwrap();
        assert_eq!((block.read_requests, block.write_requests, block.read_bytes), (7, 1, 0));
        assert_eq!((first.faults, first.cache, first.sched, first.uring), (None, None, None, None));
        let calls = [("read".to_owned(), 2), ("syscall_9999".to_owned(), 1)];
        assert_eq!(second.syscalls, Some(calls.into()), "12 is not 2");
        let lowest = second.latency_ns.unwrap()["io_uring_enter"].clone();
        assert_eq!(lowest, [Bucket { min: 0, max: u64::MAX, count: 2 }]);
    }

    #[test]
    fn empty_and_foreign_output_gives_empty_records() {
        for output in ["", "\n", "ERROR: no\n", "[1, 2]\n3\n{}\n{\"data\": 7}\n"] {
            let seen = parse(output, 1, &[Show::Syscalls].into());
            assert_eq!((seen.clock_calls, seen.lost_events), (0, 0), "{output:?}");
            assert_eq!(seen.records[0].syscalls, Some(BTreeMap::new()));
        }
    }
}

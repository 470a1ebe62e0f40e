//! Every script in docs/tracing, run by the real tool as the README there says, and its figures checked
//! against what is known. The scripts follow every iobench on the machine: a shell leaves its number and
//! becomes the benchmark, so that its rows differ from those of other programs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{self, Filesystem, data_file, own_cpu};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [BPFTRACE, EXT4, IO_URING] => every_bpftrace_script_shows_what_is_known,
        [DTRACE, EXT4, IO_URING] => every_dtrace_script_shows_what_is_known,
        [] => every_dtrace_script_takes_the_bracket_from_its_file,
        [] => every_script_has_an_expectation_and_a_twin,
    ]
}

/// 251 blocks of 4096: a number that chance does not bring.
const TOTAL_BYTES: u64 = 1_028_096;
const SAMPLES: u64 = 2;

/// The clauses that every script for DTrace needs in front of its own.
const BRACKET: &str = "bracket.d";

/// A script, what to run under it, and the check of the rows that it must give.
struct Expectation {
    script: &'static str,
    benchmark: &'static str,
    check: fn(&Rows, Tool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Tool {
    Bpftrace,
    Dtrace,
}

const EXPECTATIONS: [Expectation; 8] = [
    Expectation { script: "syscalls", benchmark: "-r -b 4096 -t 1028096", check: syscalls },
    Expectation { script: "latency", benchmark: "-r -b 4096 -t 1028096", check: latency },
    Expectation { script: "block", benchmark: "-r -d -b 4096 -t 1028096", check: block },
    Expectation { script: "faults", benchmark: "-r -b 65536 -t 983040 --buffer fresh", check: faults },
    Expectation { script: "cache", benchmark: "-r -b 4096 -t 1028096 --cache cold", check: cache },
    Expectation { script: "sched", benchmark: "-r -d -b 4096 -t 1028096", check: sched },
    Expectation { script: "uring", benchmark: "-r -b 4096 -t 1028096 --strategy io_uring", check: uring },
    // The clock ticks every millisecond, so this one takes many.
    Expectation { script: "profile", benchmark: "-r -b 1 -t 262144", check: profile },
];

/// The same by two workers, whose figures add up.
const TWO_THREADS: [Expectation; 5] = [
    Expectation { script: "syscalls", benchmark: "-r -b 4096 -t 1028096 --threads 2", check: syscalls },
    Expectation { script: "latency", benchmark: "-r -b 4096 -t 1028096 --threads 2", check: latency },
    Expectation { script: "block", benchmark: "-r -d -b 4096 -t 1028096 --threads 2", check: block },
    Expectation { script: "sched", benchmark: "-r -d -b 4096 -t 1028096 --threads 2", check: sched },
    Expectation {
        script: "uring",
        benchmark: "-r -b 4096 -t 1028096 --strategy io_uring --threads 2",
        check: uring,
    },
];

/// The rows of our process: sample, then what is counted (bpftrace: map and keys, DTrace: words), then the
/// count. A histogram is a row with the sum of its counts.
type Rows = Vec<Vec<String>>;

/// The counts of these words, of each sample that has them.
fn counts(rows: &Rows, begin: &[&str]) -> Vec<u64> {
    let counts = (1..=SAMPLES).filter_map(|sample| {
        let sample = sample.to_string();
        let matches = |row: &&Vec<String>| {
            row[0] == sample
                && row[1..].iter().zip(begin).all(|(a, b)| a == b)
                && row.len() == begin.len() + 2
        };
        rows.iter().find(matches)?.last()?.parse().ok()
    });
    counts.collect()
}

/// Asserts these rows for each sample, and no other.
fn only(rows: &Rows, expected: &[(&[&str], u64)]) {
    for (begin, count) in expected {
        assert_eq!(counts(rows, begin), [*count; SAMPLES as usize], "{begin:?} in {rows:#?}");
    }
    assert_eq!(rows.len(), expected.len() * SAMPLES as usize, "{rows:#?}");
}

fn syscalls(rows: &Rows, tool: Tool) {
    let number = libc::SYS_read.to_string();
    match tool {
        Tool::Bpftrace => only(rows, &[(&["syscalls", &number], 251)]),
        Tool::Dtrace => only(rows, &[(&["read"], 251)]),
    }
}

fn latency(rows: &Rows, tool: Tool) {
    let number = libc::SYS_read.to_string();
    match tool {
        Tool::Bpftrace => only(rows, &[(&["latency_ns", &number], 251)]),
        Tool::Dtrace => only(rows, &[(&["read"], 251)]),
    }
}

fn block(rows: &Rows, tool: Tool) {
    match tool {
        // Requests of a loop device are issued by another thread where it is busy.
        Tool::Bpftrace => assert_eq!(counts(rows, &["bios", "read", "4096"]), [251, 251], "{rows:#?}"),
        Tool::Dtrace => only(rows, &[(&["read", "4096"], 251)]),
    }
}

fn faults(rows: &Rows, tool: Tool) {
    match tool {
        Tool::Bpftrace => only(rows, &[(&["kernel"], 16)]),
        Tool::Dtrace => only(rows, &[(&["kernel"], 16)]),
    }
}

/// Pages come in folios of several sizes: those add up.
fn cache(rows: &Rows, tool: Tool) {
    let words: &[&str] = if tool == Tool::Bpftrace { &["pages"] } else { &["pages", "inserted"] };
    assert_eq!(counts(rows, words), [251, 251], "{rows:#?}");
    let words: &[&str] = if tool == Tool::Bpftrace { &["readahead_sync"] } else { &["readahead,", "sync"] };
    assert!(counts(rows, words).iter().all(|count| *count >= 1), "{rows:#?}");
    assert_eq!(counts(rows, words).len(), 2, "{rows:#?}");
}

/// A read of the device that is done at once needs no wait, and others preempt: about one an I/O.
fn sched(rows: &Rows, tool: Tool) {
    let words: &[&str] = if tool == Tool::Bpftrace { &["switches", "waits"] } else { &["waits"] };
    let waits = counts(rows, words);
    assert_eq!(waits.len(), 2, "{rows:#?}");
    assert!(waits.iter().all(|count| (125..=260).contains(count)), "{rows:#?}");
    let words: &[&str] = if tool == Tool::Bpftrace { &["off_cpu_ns"] } else { &[] };
    let off_cpu = counts(rows, words);
    assert!(off_cpu.len() == 2 && off_cpu.iter().all(|ns| *ns > 251 * 1000), "{rows:#?}");
}

fn uring(rows: &Rows, tool: Tool) {
    // 4 is IORING_OP_READ_FIXED; 251 operations, 32 a call.
    match tool {
        Tool::Bpftrace => only(rows, &[(&["submissions", "4"], 251), (&["done"], 251), (&["enters"], 8)]),
        Tool::Dtrace => only(
            rows,
            &[(&["submitted,", "code", "4"], 251), (&["completed,", "done"], 251), (&["io_uring_enter"], 8)],
        ),
    }
}

/// Some hundred milliseconds of one-byte reads: mostly in the kernel.
fn profile(rows: &Rows, _tool: Tool) {
    for sample in ["1", "2"] {
        let ticks: u64 = rows
            .iter()
            .filter(|row| row[0] == sample)
            .filter_map(|row| row.last()?.parse::<u64>().ok())
            .sum();
        assert!(ticks >= 20, "{ticks} ticks of sample {sample} in {rows:#?}");
    }
    let functions = rows.iter().any(|row| row.iter().any(|word| word.contains("read")));
    assert!(functions, "{rows:#?}");
}

/// The rows of process `pid` in what `bpftrace -f json` prints.
fn bpftrace_rows(output: &str, pid: &str) -> Rows {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let maps =
        lines.filter_map(|line| serde_json::from_value::<BTreeMap<String, Value>>(line["data"].clone()).ok());
    let mut rows = Rows::new();
    for (map, entries) in maps.flatten() {
        for (key, value) in entries.as_object().into_iter().flatten() {
            // A stack is the last key, and has commas of its own.
            let keys: Vec<&str> = key.splitn(if map == "@where" { 3 } else { 9 }, ',').collect();
            let sum =
                |buckets: &Vec<Value>| buckets.iter().filter_map(|bucket| bucket["count"].as_u64()).sum();
            let count = value.as_array().map_or_else(|| value.as_u64(), |buckets| Some(sum(buckets)));
            if keys[0] == pid && keys.len() > 1 {
                let words =
                    [keys[1], map.trim_start_matches('@')].into_iter().chain(keys[2..].iter().copied());
                rows.push(words.map(str::to_owned).chain([count.unwrap().to_string()]).collect());
            }
        }
    }
    rows
}

/// The rows of process `pid` in the tables and histograms that a script for DTrace prints.
fn dtrace_rows(output: &str, pid: &str) -> Rows {
    let mut rows = Rows::new();
    let mut histogram = false;
    for line in output.lines() {
        if let Some(heading) = line.strip_prefix("pid ") {
            let parts: Vec<&str> = heading.split(", ").collect();
            histogram = parts[0] == pid;
            if histogram {
                let sample = parts[1].trim_start_matches("sample ");
                rows.push([sample, parts[2], "0"].map(str::to_owned).to_vec());
            }
        } else if let Some((_, bar)) = line.split_once('|').filter(|_| histogram) {
            let count: u64 = bar.split_whitespace().last().unwrap().parse().unwrap();
            let sum = rows.last_mut().unwrap().last_mut().unwrap();
            *sum = (sum.parse::<u64>().unwrap() + count).to_string();
        } else if let Some((found, row)) =
            line.trim_start().split_once(' ').filter(|(found, _)| *found == pid)
        {
            assert_eq!(found, pid);
            rows.push(row.split_whitespace().map(str::to_owned).collect());
        }
    }
    rows
}

/// Runs `script` over the benchmark, and checks what it shows.
fn check(tool: Tool, expectation: &Expectation, filesystem: &Filesystem) {
    let Expectation { script, benchmark, check } = expectation;
    let threads = if benchmark.contains("--threads") { "-threads" } else { "" };
    let folder = filesystem.folder().join(format!("{tool:?}-{script}{threads}"));
    std::fs::create_dir(&folder).unwrap();
    let file = data_file(&folder, TOTAL_BYTES);
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    let start = folder.join("start");
    let (program, number) = (env!("CARGO_BIN_EXE_io-benchmark"), folder.join("pid"));
    let (number, file) = (number.display(), file.display());
    let command = format!("echo $$ >{number}\nexec {program} -B -q -n {SAMPLES} {benchmark} {file}");
    std::fs::write(&start, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&start, std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut command = match tool {
        Tool::Bpftrace => Command::new("bpftrace"),
        Tool::Dtrace => Command::new(iobench::trace::dtrace::find().unwrap()),
    };
    let source = |name: &str| format!("{}/docs/tracing/{name}", env!("CARGO_MANIFEST_DIR"));
    match tool {
        // It takes no script for a program.
        Tool::Bpftrace => {
            let start = format!("/bin/sh {}", start.display());
            command.args(["-q", "-f", "json", "-c", &start, &source(&format!("{script}.bt"))])
        }
        Tool::Dtrace => {
            let scripts = [source(BRACKET), source(&format!("{script}.d"))];
            command.args(["-s", &scripts[0], "-s", &scripts[1], "-c"]).arg(&start)
        }
    };
    let ended = common::outcome(command.output().unwrap()).ok();
    assert!(!ended.stderr.contains("drops on CPU") && !ended.stdout.contains("lost_events"), "{ended:?}");
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    let rows = match tool {
        Tool::Bpftrace => bpftrace_rows(&ended.stdout, pid.trim()),
        Tool::Dtrace => dtrace_rows(&ended.stdout, pid.trim()),
    };
    println!("{script}, {tool:?}: {} rows", rows.len());
    check(&rows, tool);
}

/// All at once: most of the time is spent on attaching and removing probes.
fn check_all(tool: Tool) {
    let filesystem = Filesystem::mount("ext4", 128 << 20);
    std::thread::scope(|scope| {
        // Two workers on one CPU also make the calls of waiting.
        let two_threads = if own_cpu::use_all().len() > 1 { &TWO_THREADS[..] } else { &[] };
        // It takes half a minute to remove a probe from every system call.
        let two_threads = two_threads.iter().filter(|it| tool == Tool::Bpftrace || it.script != "syscalls");
        for expectation in EXPECTATIONS.iter().chain(two_threads) {
            let filesystem = &filesystem;
            let name = format!("{}-{tool:?}", expectation.script);
            let run = move || check(tool, expectation, filesystem);
            std::thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap();
        }
    });
}

fn every_bpftrace_script_shows_what_is_known() {
    check_all(Tool::Bpftrace);
}

fn every_dtrace_script_shows_what_is_known() {
    check_all(Tool::Dtrace);
}

fn every_dtrace_script_takes_the_bracket_from_its_file() {
    let text = |name: &str| {
        let path = format!("{}/docs/tracing/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let assignment = "sample[pid] = (";
    assert!(text(BRACKET).contains(assignment));
    for Expectation { script, .. } in &EXPECTATIONS {
        let text = text(&format!("{script}.d"));
        assert!(text.contains(&format!(" dtrace -s {BRACKET} -s {script}.d -c ")), "the head of {script}.d");
        assert!(!text.contains(assignment), "{script}.d assigns sample");
    }
}

fn every_script_has_an_expectation_and_a_twin() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tracing");
    let names = |suffix: &str| {
        let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let scripts = paths.filter(|path| path.extension().is_some_and(|it| it == suffix));
        let scripts = scripts.filter(|path| path.file_name().is_some_and(|name| name != BRACKET));
        let mut names: Vec<String> =
            scripts.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let mut expected = EXPECTATIONS.map(|expectation| expectation.script);
    expected.sort_unstable();
    assert_eq!(names("bt"), expected);
    assert_eq!(names("d"), expected);
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for script in expected {
        assert!(
            readme.contains(&format!("| `{script}` |")),
            "the table in docs/tracing/README.md has no {script}"
        );
    }
}

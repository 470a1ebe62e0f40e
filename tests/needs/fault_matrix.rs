//! The fault matrix of docs/reliability.md: strace makes every kind of system call of a run fail, on every
//! path and in both directions, and the outcome of each fault is classified.
//!
//! Which calls a run makes depends on the moment: extents, for example, are requested only if no page waits
//! to be written. So the short form, which reaches fewer calls, checks its outcomes against the table but
//! does not write it. `IOBENCH_FAULTS=all` injects more errors at more calls, and with `IOBENCH_BLESS=1` it
//! writes the table.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{self, AtomicUsize};

use iobench::engine::operation::Direction;
use iobench::engine::support::Support;
use iobench::engine::target::Target;
use iobench::strategies::ALL;
use serde_json::Value;

use crate::common::{Filesystem, Outcome, data_file, iobench, outcome, runs_here};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE, IO_URING] => every_fault_is_reported_repeated_or_harmless,
    ]
}

const TOTAL_BYTES: u64 = 1 << 16;
/// Two samples with preparation and configuration.
const ARGS: [&str; 9] =
    ["-jvg", "-n2", "-b4k", "-t64k", "--settle", "0.001", "--cache", "cold", "--strategy"];

/// Outcome of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The run ends with an error that names the file or the call.
    Reported,
    /// The call is made again, and the result is right.
    Repeated,
    /// The run goes on without a value that it could not get.
    Harmless,
}

impl Class {
    fn letter(self) -> char {
        match self {
            Class::Reported => 'E',
            Class::Repeated => 'R',
            Class::Harmless => 'h',
        }
    }
}

/// A path in one direction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    direction: &'static str,
    column: String,
    flags: Vec<&'static str>,
    strategy: &'static str,
}

/// A kind of call: its row in the table, and the numbers of its calls among all of that name.
type Calls = BTreeMap<(String, String), Vec<usize>>;

fn cases(file: &Path) -> Vec<Case> {
    let target = Target::open(file, Direction::Read, false).unwrap();
    let mut cases = Vec::new();
    for strategy in ALL.iter().filter(|strategy| runs_here(strategy.info().name)) {
        for direct in strategy.info().direct.modes().iter().copied() {
            let Support::Yes(_) = strategy.probe(&target, direct) else { continue };
            let name = strategy.info().name;
            for (flag, direction) in [("-r", "read"), ("-w", "write")] {
                let shown = direct && strategy.info().direct.modes().len() > 1;
                let column = format!("{name}{}", if shown { " -d" } else { "" });
                let flags = if direct { vec![flag, "-d"] } else { vec![flag] };
                cases.push(Case { direction, column, flags, strategy: name });
            }
        }
    }
    cases
}

/// A run of the case under strace with these options, which writes its log to `log`.
fn traced(case: &Case, options: &[&str], file: &Path, log: &Path) -> Outcome {
    fs::write(file, vec![0; TOTAL_BYTES as usize]).unwrap();
    // A page that waits to be written changes the calls of the run.
    fs::File::open(file).unwrap().sync_all().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-qqq", "-y", "-o"]).arg(log).args(options).arg(iobench().get_program());
    strace.args(ARGS).arg(case.strategy).args(&case.flags).arg(file).stdin(Stdio::null());
    outcome(strace.output().unwrap())
}

/// The calls of a run from the first that names the file on.
fn calls(case: &Case, file: &Path, log: &Path) -> Calls {
    traced(case, &[], file, log);
    let (mut calls, mut numbers, mut started) = (Calls::new(), BTreeMap::new(), false);
    let text = fs::read_to_string(log).unwrap();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let number: &mut usize = numbers.entry(name.to_owned()).or_default();
        *number += 1;
        started |= rest.contains(file.to_str().unwrap());
        if let Some(row) = row(name, rest, file).filter(|_| started) {
            calls.entry((name.to_owned(), row)).or_default().push(*number);
        }
    }
    calls
}

/// The row of a call; `None` if a fault of it says nothing about this program: the allocator's memory,
/// standard output (tests/it/safety.rs), the clock, and the end.
fn row(name: &str, rest: &str, file: &Path) -> Option<String> {
    let of_file = rest.contains(file.to_str().unwrap());
    match name {
        "mmap" if of_file => Some("mmap (file)".to_owned()),
        "mmap" if rest.contains("MAP_POPULATE") => Some("mmap (buffer)".to_owned()),
        "sync" | "nanosleep" | "getrusage" | "sched_setaffinity" => Some(name.to_owned()),
        _ if name.starts_with("io_uring") => Some(name.to_owned()),
        "munmap" | "close" | "mmap" | "clock_gettime" => None,
        _ if of_file => Some(name.to_owned()),
        _ => None,
    }
}

/// The faults of a call: errors, an interruption, and a short transfer.
fn faults(name: &str, all: bool) -> Vec<String> {
    let errors: &[&str] = if all {
        &["EIO", "ENOSPC", "EAGAIN", "ENOMEM", "EACCES", "EINVAL", "EINTR"]
    } else {
        &["EIO", "EINTR"]
    };
    let mut faults: Vec<String> = errors.iter().map(|errno| format!("error={errno}")).collect();
    if ["read", "write", "pread64", "pwrite64"].contains(&name) {
        faults.push("retval=100".to_owned());
    }
    faults
}

/// Injects one fault. `None` if it hit no call of this row, because another call came before.
fn inject(
    case: &Case,
    (name, row): &(String, String),
    number: usize,
    fault: &str,
    file: &Path,
    clean: &[u8],
) -> Result<Option<Class>, String> {
    let log = file.with_extension("log");
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:{fault}:when={number}"));
    let ended = traced(case, &["-e", &trace, "-e", &inject], file, &log);
    let log = fs::read_to_string(&log).unwrap();
    let hit = log.lines().find(|line| line.contains("(INJECTED)"));
    let hit_row =
        hit.and_then(|line| line.split_once('(')).and_then(|(name, rest)| self::row(name, rest, file));
    if hit_row.as_ref() != Some(row) {
        return Ok(None);
    }
    let failed =
        |what: String| Err(format!("{} {}: {name} #{number} {fault}: {what}", case.column, case.direction));
    let Ok(document) = serde_json::from_str::<Value>(&ended.stdout) else {
        return failed(format!("no document: {ended:?}"));
    };
    let samples = document["benchmark_samples"].as_array().map_or(0, Vec::len);
    match ended.code {
        Some(0) if samples != 2 || fs::read(file).unwrap() != clean => {
            failed("success with wrong data".to_owned())
        }
        Some(0) if ended.stderr.is_empty() => {
            let repeated = document.to_string().contains("\"interrupted_calls\":1");
            Ok(Some(if repeated { Class::Repeated } else { Class::Harmless }))
        }
        Some(64 | 66 | 71 | 74) => {
            let message = document["error"]["message"].as_str().unwrap_or_default();
            // The memory of the buffer and of the ring has no name.
            let names = [file.to_str().unwrap(), name, "mapping the buffer", "io_uring_setup"];
            let named = names.iter().any(|name| message.contains(name));
            let one_line = ended.stderr.lines().count() == 1 && ended.stderr.contains(message);
            if named && one_line {
                Ok(Some(Class::Reported))
            } else {
                failed(format!("unclear: {}", ended.stderr))
            }
        }
        code => failed(format!("exit code {code:?}: {}", ended.stderr)),
    }
}

/// Outcomes of the faults: for each row and column the classes of errors, interruptions and short
/// transfers.
type Matrix = BTreeMap<(&'static str, String, String), [BTreeSet<Class>; 3]>;

/// All faults of one case.
fn examine(case: &Case, all: bool) -> (Matrix, usize, Vec<String>) {
    let scratch = Filesystem::scratch();
    let (file, log) = (scratch.folder().join("iofile"), scratch.folder().join("strace.log"));
    let calls = calls(case, &file, &log);
    let clean = fs::read(&file).unwrap();
    let (mut matrix, mut count, mut findings) = (Matrix::new(), 0, Vec::new());
    for (call, numbers) in &calls {
        let middle = numbers[numbers.len() / 2];
        let numbers =
            if all { vec![numbers[0], middle, numbers[numbers.len() - 1]] } else { vec![numbers[0], middle] };
        for number in BTreeSet::from_iter(numbers) {
            for fault in faults(&call.0, all) {
                let kind =
                    if fault == "error=EINTR" { 1 } else { usize::from(fault.starts_with("retval")) * 2 };
                match inject(case, call, number, &fault, &file, &clean) {
                    Ok(None) => {}
                    Ok(Some(class)) => {
                        count += 1;
                        let cell = matrix.entry((case.direction, call.1.clone(), case.column.clone()));
                        cell.or_default()[kind].insert(class);
                    }
                    Err(finding) => findings.push(finding),
                }
            }
        }
    }
    (matrix, count, findings)
}

fn every_fault_is_reported_repeated_or_harmless() {
    let all = std::env::var("IOBENCH_FAULTS").is_ok_and(|value| value == "all");
    let scratch = Filesystem::scratch();
    let cases = cases(&data_file(scratch.folder(), TOTAL_BYTES));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, atomic::Ordering::Relaxed)) {
            done.push(examine(case, all));
        }
        done
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (mut matrix, mut count, mut findings) = (Matrix::new(), 0, Vec::new());
    for (part, faults, found) in done {
        matrix.extend(part);
        count += faults;
        findings.extend(found);
    }
    println!("{count} faults, {} findings", findings.len());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(count > 300, "only {count} faults");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if all && std::env::var_os("IOBENCH_BLESS").is_some() {
        fs::write(&path, format!("{before}{START}{}{END}{after}", table(&matrix))).unwrap();
    } else {
        let differences = differences(&cells(written), &cells(&table(&matrix)));
        assert!(
            differences.is_empty(),
            "docs/reliability.md is not current (IOBENCH_FAULTS=all IOBENCH_BLESS=1 writes it):\n{}",
            differences.join("\n")
        );
    }
}

/// The matrix as Markdown, a table per direction.
fn table(matrix: &Matrix) -> String {
    let mut text = String::new();
    for direction in ["read", "write"] {
        let of = |key: &&(&str, String, String)| key.0 == direction;
        let columns: BTreeSet<&String> = matrix.keys().filter(of).map(|key| &key.2).collect();
        let rows: BTreeSet<&String> = matrix.keys().filter(of).map(|key| &key.1).collect();
        let heads = columns.iter().map(|column| format!(" {column} |")).collect::<String>();
        text += &format!("\n| {direction} |{heads}\n|---|{}\n", "---|".repeat(columns.len()));
        for row in rows {
            let cell = |column: &&String| {
                let cell = matrix.get(&(direction, row.clone(), (*column).clone()));
                format!(" {} |", cell.map_or(String::new(), letters))
            };
            text += &format!("| `{row}` |{}\n", columns.iter().map(cell).collect::<String>());
        }
    }
    text
}

/// The classes of errors, interruptions and short transfers, separated by spaces.
fn letters(kinds: &[BTreeSet<Class>; 3]) -> String {
    let kinds = kinds.iter().filter(|classes| !classes.is_empty());
    kinds
        .map(|classes| classes.iter().map(|class| class.letter()).collect())
        .collect::<Vec<String>>()
        .join(" ")
}

const START: &str = "<!-- The test fault_matrix writes this table. -->\n";
const END: &str = "\n<!-- End of the table. -->";

/// The cells of the two tables: direction, row and column, and the letters of each kind of fault.
fn cells(tables: &str) -> BTreeMap<(String, String, String), Vec<String>> {
    let words = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|word| word.trim().to_owned()).collect()
    };
    let mut cells = BTreeMap::new();
    for table in tables.split("\n\n") {
        let mut lines = table.trim().lines();
        let heads = words(lines.next().unwrap_or_default());
        for row in lines.skip(1).map(words) {
            for (column, cell) in heads.iter().zip(&row).skip(1).filter(|(_, cell)| !cell.is_empty()) {
                let letters = cell.split(' ').map(str::to_owned).collect();
                cells.insert((heads[0].clone(), row[0].clone(), column.clone()), letters);
            }
        }
    }
    cells
}

/// Outcomes that no path of their row is known to have, and a sentence if many written cells were not seen. A
/// run of another moment makes some other calls; then a fault of a kind may hit none, or a call of another
/// purpose.
fn differences(
    written: &BTreeMap<(String, String, String), Vec<String>>,
    seen: &BTreeMap<(String, String, String), Vec<String>>,
) -> Vec<String> {
    let rows = rows(written);
    let is_within = |seen: &[String], row: &[String]| {
        let mut rest = row.iter();
        seen.iter().all(|seen| rest.any(|row| seen.chars().all(|class| row.contains(class))))
    };
    let mut differences = Vec::new();
    for (place, seen) in seen {
        let row = rows.get(&(&*place.0, &*place.1));
        if !row.is_some_and(|row| is_within(seen, row)) {
            differences.push(format!("{place:?}: the row has {row:?}, seen {seen:?}"));
        }
    }
    let known = written.keys().filter(|place| seen.contains_key(*place)).count();
    if known * 10 < written.len() * 9 {
        differences.push(format!("only {known} of {} cells were seen", written.len()));
    }
    differences
}

/// For each direction and row, the letters of each kind of fault in all cells that have every kind.
fn rows(cells: &BTreeMap<(String, String, String), Vec<String>>) -> BTreeMap<(&str, &str), Vec<String>> {
    let mut rows: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for ((direction, row, _), kinds) in cells {
        let row = rows.entry((direction, row)).or_default();
        match kinds.len().cmp(&row.len()) {
            Ordering::Less => {}
            Ordering::Equal => row.iter_mut().zip(kinds).for_each(|(row, kind)| row.push_str(kind)),
            Ordering::Greater => row.clone_from(kinds),
        }
    }
    rows
}

//! The kernel's own count between the brackets equals what each strategy declares: by BPF, for every
//! strategy x direction x three sizes x O_DIRECT x depth, in one tracer session. The table goes to
//! docs/purity.md; after a wanted change: `IOBENCH_BLESS=1 cargo test --test purity`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;

use common::{Filesystem, have, have_program, have_root};
use iobench::engine::cache::CacheState;
use iobench::engine::iteration::{self, Plan};
use iobench::engine::prepare;
use iobench::engine::strategy::{DirectIo, Direction, Limits, Strategy, Support};
use iobench::engine::target::Target;
use iobench::strategies::ALL;
use iobench::trace::bpftrace::Subject;
use iobench::trace::program::Program;
use iobench::trace::record::KernelRecord;
use iobench::trace::show::{Show, TracerName};

const TOTAL_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: [u64; 3] = [4 << 10, 64 << 10, 1 << 20];
const DEPTHS: [u32; 2] = [1, 32];

/// One row: a strategy and how it is run.
struct Case {
    strategy: &'static dyn Strategy,
    plan: Plan,
}

impl Case {
    fn name(&self) -> String {
        let plan = &self.plan;
        let direct = if plan.direct { " -d" } else { "" };
        let depth = if self.queued() { format!(" --iodepth {}", plan.depth) } else { String::new() };
        let (name, direction) = (self.strategy.info().name, plan.direction.name());
        format!("{name} {direction} -b {}{direct}{depth}", plan.block_bytes)
    }

    fn queued(&self) -> bool {
        self.strategy.info().deepest_queue > 1
    }
}

fn cases(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for strategy in ALL.iter().copied() {
        for direct in [false, true] {
            // `direct` is so in any case, null and mmap never.
            let wanted = match strategy.info().direct {
                DirectIo::OnRequest => true,
                DirectIo::Always => direct,
                DirectIo::Never(_) => !direct,
            };
            let Support::Yes(limits) = strategy.probe(target, direct) else { continue };
            if wanted {
                cases.extend(sizes_and_depths(strategy, direct, limits));
            }
        }
    }
    cases
}

fn sizes_and_depths(strategy: &'static dyn Strategy, direct: bool, limits: Limits) -> Vec<Case> {
    let mut cases = Vec::new();
    for direction in [Direction::Read, Direction::Write] {
        for block_bytes in BLOCK_BYTES {
            let deepest = limits.deepest_queue.min((TOTAL_BYTES / block_bytes) as u32);
            let depths: BTreeSet<u32> = DEPTHS.iter().map(|depth| (*depth).min(deepest)).collect();
            let plan = |depth| plan(direction, block_bytes, direct, depth, limits);
            cases.extend(depths.into_iter().map(|depth| Case { strategy, plan: plan(depth) }));
        }
    }
    cases
}

fn plan(direction: Direction, block_bytes: u64, direct: bool, depth: u32, limits: Limits) -> Plan {
    Plan {
        direct,
        memory_align_bytes: limits.alignment.map_or(1, |alignment| alignment.memory_bytes),
        depth,
        batch: depth,
        ..Plan::bare(direction, block_bytes, TOTAL_BYTES)
    }
}

/// What is wrong with a record, in sentences that name the case.
fn faults_found(case: &Case, record: &KernelRecord) -> Vec<String> {
    let mut found = Vec::new();
    let name = case.name();
    let seen = record.syscalls.clone().unwrap_or_default();
    let declared = case.strategy.calls(&case.plan.work());
    for call in seen.keys().filter(|call| !declared.iter().any(|known| known.name == **call)) {
        found.push(format!("{name}: {call} is not declared ({} times)", seen[call]));
    }
    for call in &declared {
        let count = seen.get(call.name).copied().unwrap_or(0);
        if !(call.at_least..=call.at_most).contains(&count) {
            found.push(format!(
                "{name}: {count} times {}, declared {} to {}",
                call.name, call.at_least, call.at_most
            ));
        }
    }
    let faults = record.faults.unwrap_or_default();
    if case.strategy.info().name != "mmap" && faults.user + faults.kernel > 0 {
        found.push(format!("{name}: {} page faults of the harness", faults.user + faults.kernel));
    }
    if let Some(bytes) = bytes_moved(case, record).filter(|bytes| *bytes != TOTAL_BYTES) {
        found.push(format!("{name}: {bytes} bytes asked for, not {TOTAL_BYTES}"));
    }
    found
}

/// Bytes asked for, where system calls or a ring carry them.
fn bytes_moved(case: &Case, record: &KernelRecord) -> Option<u64> {
    match (case.queued(), record.syscalls.as_ref()?.is_empty()) {
        (true, _) => record.uring.map(|uring| uring.completed_bytes),
        (false, false) => record.asked_bytes,
        (false, true) => None,
    }
}

fn row(case: &Case, record: &KernelRecord) -> String {
    let declared = case.strategy.calls(&case.plan.work());
    let calls: Vec<String> =
        declared.iter().map(|call| format!("{} x {}", call.at_least, call.name)).collect();
    let calls = if calls.is_empty() { "none".to_owned() } else { calls.join(", ") };
    let bytes = bytes_moved(case, record).map_or("-".to_owned(), |bytes| bytes.to_string());
    let faults = match case.strategy.info().name {
        "mmap" => "its own",
        _ => "0",
    };
    format!("| `{}` | {calls} | {bytes} | {faults} |", case.name())
}

fn table(cases: &[Case], records: &[KernelRecord]) -> String {
    let mut text = String::from(
        "# What the kernel saw between the brackets\n\n\
         Written by `tests/purity.rs`, which counts with BPF (tracepoints raw_syscalls, exceptions, io_uring) and \
         fails where a\ncount is not the declared one. Each row is a pass of 1 MiB; \"bytes\" is what the calls asked \
         for, or what the ring's\ncompletions reported.\n\n\
         | run | system calls between the brackets | bytes | page faults |\n|---|---|---|---|\n",
    );
    for (case, record) in cases.iter().zip(records) {
        let _ = writeln!(text, "{}", row(case, record));
    }
    text
}

fn run_all(target: &Target, cases: &[Case]) -> Vec<KernelRecord> {
    let show = BTreeSet::from([Show::Syscalls, Show::Faults, Show::Uring]);
    let subject = Subject { pid: std::process::id(), disks: Vec::new() };
    let program = Program::showing(TracerName::Bpftrace, show, &subject).unwrap();
    prepare::touch_program();
    let tracer = program.start().unwrap();
    for case in cases {
        iteration::run(case.strategy, target, &case.plan, |_| Ok(())).unwrap();
    }
    let (records, trace) = program.finish(tracer, cases.len(), false);
    assert!(trace.complete, "{:?}", trace.problems);
    records
}

fn main() {
    let btf = std::path::Path::new("/sys/kernel/btf/vmlinux").is_file();
    if !have_root() || !have_program("bpftrace") || !have("btf", btf, "a kernel with BTF") {
        return;
    }
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    let target = Target::open(&file, Direction::Write, false).unwrap();
    CacheState::Warm.establish(&target, TOTAL_BYTES).unwrap();
    let cases = cases(&target);
    let records = run_all(&target, &cases);
    let found: Vec<String> =
        cases.iter().zip(&records).flat_map(|(case, record)| faults_found(case, record)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));

    let text = table(&cases, &records);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/purity.md");
    if std::env::var_os("IOBENCH_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "docs/purity.md is not current: see the head of tests/purity.rs");
    println!("purity: {} runs hold what they declare", cases.len());
    println!("{} passed, 0 failed", cases.len());
}

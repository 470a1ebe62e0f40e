//! The kernel's own count between the brackets equals what each strategy declares: by BPF, for every strategy
//! x direction x three sizes x O_DIRECT x depth, x one to three threads x `--latency`, and with a file per
//! thread, in one tracer session. The table goes to docs/purity.md; after a wanted change:
//! `IOBENCH_BLESS=1 cargo test --test purity`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;

use common::Filesystem;
use iobench::engine::affinity::{self, CpuChoice};
use iobench::engine::cache::CacheState;
use iobench::engine::iteration::{self, Plan};
use iobench::engine::operation::Direction;
use iobench::engine::prepare;
use iobench::engine::strategy::{Call, Mechanism, Strategy};
use iobench::engine::support::{Limits, Support};
use iobench::engine::target::Target;
use iobench::engine::targets::{self, Targets};
use iobench::engine::workload::{Files, Workload};
use iobench::strategies::ALL;
use iobench::trace::bpftrace::Watched;
use iobench::trace::program::Program;
use iobench::trace::record::KernelRecord;
use iobench::trace::show::{Show, TracerName};
use libtest_mimic::Arguments;
use trials::tests;

const TOTAL_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: [u64; 3] = [4 << 10, 64 << 10, 1 << 20];
const DEPTHS: [u32; 2] = [1, 32];
const LIMITS: Limits = Limits { alignment: None, max_iodepth: 1, max_block_bytes: u64::MAX };

/// One row: a strategy and how it is run.
struct Case {
    strategy: &'static dyn Strategy,
    plan: Plan,
}

impl Case {
    fn name(&self) -> String {
        let workload = &self.plan.workload;
        let direct = if workload.direct { " -d" } else { "" };
        let depth = if self.queued() { format!(" --iodepth {}", workload.depth()) } else { String::new() };
        let threads =
            if workload.threads > 1 { format!(" --threads {}", workload.threads) } else { String::new() };
        let latency = if workload.latency { " --latency" } else { "" };
        let files = if workload.files == Files::PerThread { " --files per-thread" } else { "" };
        let sync = if workload.sync { " -s" } else { "" };
        let (name, direction) = (self.strategy.info().name, workload.direction.name());
        format!(
            "{name} {direction} -b {}{direct}{depth}{threads}{latency}{files}{sync}",
            workload.block_bytes
        )
    }

    fn queued(&self) -> bool {
        self.mechanism() == Mechanism::Queue
    }

    /// True if page faults are the path itself.
    fn mapped(&self) -> bool {
        self.mechanism() == Mechanism::Mapping
    }

    fn mechanism(&self) -> Mechanism {
        self.strategy.info().properties.mechanism
    }
}

fn cases(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for strategy in ALL.iter().copied() {
        for direct in strategy.info().direct.modes() {
            let Support::Yes(limits) = strategy.probe(target, *direct) else { continue };
            cases.extend(sizes_and_depths(strategy, *direct, limits));
            cases.extend(threads_and_latency(strategy, *direct, limits));
            cases.push(synced_files(strategy, *direct, limits));
        }
    }
    cases
}

fn sizes_and_depths(strategy: &'static dyn Strategy, direct: bool, limits: Limits) -> Vec<Case> {
    let mut cases = Vec::new();
    for direction in [Direction::Read, Direction::Write] {
        for block_bytes in BLOCK_BYTES {
            let plan = |depth| plan(direction, block_bytes, direct, depth, limits);
            let mut plans: Vec<Plan> = DEPTHS.into_iter().map(plan).collect();
            plans.dedup_by_key(|plan| plan.workload.depth());
            cases.extend(plans.into_iter().map(|plan| Case { strategy, plan }));
        }
    }
    cases
}

/// On the first two CPUs, so that a third thread has to wait for its turn on every machine.
fn threads_and_latency(strategy: &'static dyn Strategy, direct: bool, limits: Limits) -> Vec<Case> {
    let cpu = two_cpus();
    let mut cases = Vec::new();
    for direction in [Direction::Read, Direction::Write] {
        for threads in 1..=3 {
            for latency in [false, true].into_iter().skip(usize::from(threads == 1)) {
                let workload = workload(direction, BLOCK_BYTES[0], direct, DEPTHS[1]);
                let plan = Plan::new(Workload { cpu, threads, latency, ..workload }, &limits);
                cases.push(Case { strategy, plan });
            }
        }
    }
    cases
}

fn two_cpus() -> CpuChoice {
    let cpus = affinity::cpus(CpuChoice::Default).unwrap().into_iter().take(2).collect::<Vec<_>>();
    CpuChoice::List(cpus.try_into().unwrap())
}

/// Two workers that write and sync a file each.
fn synced_files(strategy: &'static dyn Strategy, direct: bool, limits: Limits) -> Case {
    let workload = workload(Direction::Write, BLOCK_BYTES[0], direct, DEPTHS[1]);
    let (cpu, threads, files, sync) = (two_cpus(), 2, Files::PerThread, true);
    Case { strategy, plan: Plan::new(Workload { cpu, threads, files, sync, ..workload }, &limits) }
}

fn plan(direction: Direction, block_bytes: u64, direct: bool, depth: u32, limits: Limits) -> Plan {
    Plan::new(workload(direction, block_bytes, direct, depth), &limits)
}

/// A queue waits for all its operations at a time, also with O_DIRECT.
fn workload(direction: Direction, block_bytes: u64, direct: bool, depth: u32) -> Workload {
    let workload = Workload::new(direction, block_bytes, TOTAL_BYTES);
    Workload { direct, iodepth: Some(depth), batch: Some(depth), ..workload }
}

/// The faults of a record, in sentences that name the case.
fn faults_found(case: &Case, record: &KernelRecord) -> Vec<String> {
    let mut found = Vec::new();
    let name = case.name();
    let seen = record.syscalls.clone().unwrap_or_default();
    let declared = case.strategy.calls(&case.plan.workload);
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
    if !case.mapped() && faults.user + faults.kernel > 0 {
        found.push(format!("{name}: {} page faults of the harness", faults.user + faults.kernel));
    }
    if let Some(bytes) = bytes_moved(case, record).filter(|bytes| *bytes != TOTAL_BYTES) {
        found.push(format!("{name}: {bytes} bytes asked for, not {TOTAL_BYTES}"));
    }
    found
}

/// Requested bytes, where system calls or a ring carry them.
fn bytes_moved(case: &Case, record: &KernelRecord) -> Option<u64> {
    match case.mechanism() {
        Mechanism::Queue => record.uring.map(|uring| uring.completed_bytes),
        Mechanism::Call if case.strategy.info().properties.performs_io => record.asked_bytes,
        Mechanism::Call | Mechanism::Mapping => None,
    }
}

fn row(case: &Case, record: &KernelRecord) -> String {
    let declared = case.strategy.calls(&case.plan.workload);
    let count = |call: &Call| match call.at_least {
        0 => format!("{} as often as the threads wait", call.name),
        at_least => format!("{at_least} x {}", call.name),
    };
    let calls: Vec<String> = declared.iter().map(count).collect();
    let calls = if calls.is_empty() { "none".to_owned() } else { calls.join(", ") };
    let bytes = bytes_moved(case, record).map_or("-".to_owned(), |bytes| bytes.to_string());
    let faults = if case.mapped() { "its own" } else { "0" };
    format!("| `{}` | {calls} | {bytes} | {faults} |", case.name())
}

fn table(cases: &[Case], records: &[KernelRecord]) -> String {
    let mut text = String::from(
        "# What the kernel saw between the brackets\n\n\
         `tests/purity.rs` writes this page. It counts with BPF (tracepoints raw_syscalls, exceptions, \
         io_uring)\nand fails if a count is not the declared one. Each row is a pass of 1 MiB. \"bytes\" are \
         the bytes that\nthe calls requested, or that the completions of the ring reported.\n\n\
         | run | system calls between the brackets | bytes | page faults |\n|---|---|---|---|\n",
    );
    for (case, record) in cases.iter().zip(records) {
        let _ = writeln!(text, "{}", row(case, record));
    }
    text
}

fn run_all(targets: &Targets, cases: &[Case]) -> Vec<KernelRecord> {
    let show = BTreeSet::from([Show::Syscalls, Show::Faults, Show::Uring]);
    let watched = Watched { pid: std::process::id(), disks: Vec::new() };
    let program = Program::showing(TracerName::Bpftrace, show, &watched).unwrap();
    let tracer = program.start().unwrap();
    // Afterwards, because a fork makes the pages of the stack copy on write.
    prepare::touch_program();
    for case in cases {
        iteration::sample(case.strategy, &targets.of(&case.plan.workload), &case.plan).unwrap();
    }
    let (records, trace) = program.finish(tracer, cases.len(), false);
    assert!(trace.complete, "{:?}", trace.problems);
    records
}

fn main() -> ExitCode {
    // One thread runs the tests on the first thread of the process, whose calls the tracer counts.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    trials::run(&arguments, tests![[BPFTRACE] => every_run_holds_what_it_declares])
}

fn every_run_holds_what_it_declares() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), TOTAL_BYTES);
    let both = synced_files(ALL[0], false, LIMITS).plan.workload;
    for path in targets::paths(&file, &both) {
        std::fs::copy(&file, path).unwrap();
    }
    let targets = Targets::open(&file, &both, false).unwrap();
    targets.iter().for_each(|target| CacheState::Warm.establish(target, TOTAL_BYTES).unwrap());
    let cases = cases(targets.first());
    let records = run_all(&targets, &cases);
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
}

//! The calls between the brackets are the declared ones and no others, as seen by strace.

use std::collections::BTreeMap;
use std::path::Path;

use super::data_file::DataFile;
use super::invocation::Invocation;
use super::subject::{CheckResult, Outcome, Subject};
use super::traced::{self, Watch};
use crate::engine::operation::Direction;
use crate::engine::strategy::Call;

const BLOCK_BYTES: [u64; 3] = [512, 4096, LARGEST_BYTES];
const LARGEST_BYTES: u64 = 1 << 20;
/// Bytes of a pass of smaller blocks. A traced call takes a hundred times as long as an untraced one.
const TOTAL_BYTES: u64 = 1 << 17;

/// System calls that move bytes of a file, or may do so.
const MOVERS: &str = "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile \
    splice tee vmsplice copy_file_range process_vm_readv process_vm_writev io_submit io_uring_enter";

/// True if a call of this name may move bytes.
pub(super) fn moves(name: &str) -> bool {
    MOVERS.split(' ').any(|mover| mover == name)
}

/// Only the declared calls are made, and in the declared number. [`own_path`] checks for another path in
/// place of the declared one.
pub(super) fn pure(subject: &Subject) -> CheckResult {
    each_sample(subject, |declared, seen| {
        let strange = |name: &&String| !is_declared(declared, name) && !moves(name);
        if let Some(name) = seen.keys().find(strange) {
            return Err(format!("{name} is called {} times but is not declared", seen[name]));
        }
        let wrong = |call: &&Call| !(call.at_least..=call.at_most).contains(&count(seen, call.name));
        match declared.iter().find(wrong).filter(|_| other_path(declared, seen).is_none()) {
            None => Ok(()),
            Some(call) => Err(format!(
                "{} is called {} times, but is declared {} times",
                call.name,
                count(seen, call.name),
                range(call)
            )),
        }
    })
}

/// The bytes are moved by the calls that are declared.
pub(super) fn own_path(subject: &Subject) -> CheckResult {
    each_sample(subject, |declared, seen| match other_path(declared, seen) {
        None => Ok(()),
        Some(name) => {
            let own: Vec<&str> = declared.iter().map(|call| call.name).filter(|name| moves(name)).collect();
            let own = if own.is_empty() { "no call".to_owned() } else { own.join(" and ") };
            Err(format!("{own} is declared to move the bytes, but {name} moved them in {} calls", seen[name]))
        }
    })
}

/// A call that moves bytes and is not declared.
pub(super) fn other_path<'a>(declared: &[Call], seen: &'a BTreeMap<String, u64>) -> Option<&'a String> {
    seen.keys().find(|name| moves(name) && !is_declared(declared, name))
}

fn is_declared(declared: &[Call], name: &str) -> bool {
    declared.iter().any(|call| call.name == name)
}

fn count(seen: &BTreeMap<String, u64>, name: &str) -> u64 {
    seen.get(name).copied().unwrap_or(0)
}

fn range(call: &Call) -> String {
    if call.at_least == call.at_most {
        call.at_least.to_string()
    } else {
        format!("{} to {}", call.at_least, call.at_most)
    }
}

/// Judges the calls of each sample of every invocation.
fn each_sample(
    subject: &Subject,
    judge: impl Fn(&[Call], &BTreeMap<String, u64>) -> Result<(), String>,
) -> CheckResult {
    let Some(program) = subject.program else {
        return Ok(Outcome::NotChecked("there is no program to trace".to_owned()));
    };
    if let Some(obstacle) = traced::obstacle() {
        return Ok(Outcome::NotChecked(obstacle));
    }
    let file = DataFile::new(subject.folder, LARGEST_BYTES)?;
    for invocation in invocations(subject) {
        let samples = samples(program, &invocation, file.path())?;
        samples.iter().try_for_each(|seen| judge(&invocation.declared(), seen)).map_err(|fault| {
            let workload = invocation.workload;
            let (direction, blocks) = (workload.direction.name(), workload.blocks());
            format!("{fault} ({direction} {blocks} blocks of {} bytes)", workload.block_bytes)
        })?;
    }
    Ok(Outcome::Passed)
}

/// Both directions at several sizes, writing with a sync, two threads, and a mix.
fn invocations(subject: &Subject) -> Vec<Invocation> {
    let fits =
        |size: &u64| size.is_multiple_of(subject.unit_bytes()) && *size <= subject.limits.max_block_bytes;
    let sizes: Vec<u64> = BLOCK_BYTES.into_iter().filter(fits).collect();
    let of = |direction, block_bytes| {
        Invocation::of(subject, direction, block_bytes, TOTAL_BYTES.div_ceil(block_bytes))
    };
    // Sizes ascend, so the first has enough blocks for two workers.
    let smallest = sizes.first().copied();
    let mut invocations = Vec::new();
    for direction in subject.directions.iter().copied() {
        for block_bytes in &sizes {
            let invocation = of(direction, *block_bytes);
            invocations.push(invocation);
            invocations.extend((direction == Direction::Write).then(|| invocation.with_sync()));
        }
        invocations.extend(smallest.map(|block_bytes| of(direction, block_bytes).on_two_threads()));
    }
    if [Direction::Read, Direction::Write].iter().all(|direction| subject.directions.contains(direction)) {
        invocations.extend(smallest.map(|block_bytes| of(Direction::Write, block_bytes).mixed()));
    }
    invocations
}

fn samples(
    program: &Path,
    invocation: &Invocation,
    file: &Path,
) -> Result<Vec<BTreeMap<String, u64>>, String> {
    let run = traced::run(program, invocation, file, Watch::All)?;
    if !run.output.status.success() {
        return Err(format!("the run {invocation:?} ended with {}: {}", run.output.status, run.said()));
    }
    let samples = run.trace.samples();
    if samples.len() == invocation.iterations {
        Ok(samples)
    } else {
        Err(format!(
            "clock_gettime is called in the bracket, so the trace seems to hold {} samples",
            samples.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(calls: &[(&str, u64)]) -> BTreeMap<String, u64> {
        calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn another_path_is_an_undeclared_call_that_moves_bytes() {
        let declared = [Call::exactly("preadv2", 4), Call::exactly("fsync", 1)];
        assert_eq!(other_path(&declared, &seen(&[("preadv2", 4), ("lseek", 4)])), None);
        assert_eq!(other_path(&declared, &seen(&[("read", 1)])), Some(&"read".to_owned()));
        assert_eq!(other_path(&[], &seen(&[("pread64", 1)])), Some(&"pread64".to_owned()));
    }
}

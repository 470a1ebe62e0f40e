//! A request that cannot be carried out gives an error that names its place, and never wrong data.

use super::data_file::DataFile;
use super::subject::{CheckResult, Outcome, Subject};
use super::trial::{Shape, Trial};
use crate::engine::buffer::BufferPool;
use crate::engine::iteration::{Iteration, Plan};
use crate::engine::operation::{Direction, Tally};
use crate::error::{ErrorKind, Failure, Fault};

/// A multiple of every page size and alignment, so truncation between two blocks removes whole pages.
const BLOCK_BYTES: u64 = 65_536;
const BLOCKS: u64 = 8;
/// Number of blocks that are left when a file is truncated.
const BLOCKS_LEFT: u64 = 4;

/// A missing file is an error when it is opened.
pub(super) fn missing_file(subject: &Subject) -> CheckResult {
    for direction in subject.directions.iter().copied() {
        let shape = Shape::plain(BLOCK_BYTES, 1);
        let file = DataFile::new(subject.folder, shape.file_bytes())?;
        let target = file.target(direction)?;
        file.unlink()?;
        match Trial::open_target(subject, target, shape, direction)? {
            Err(error) if error.kind() == ErrorKind::Open => {}
            Err(error) => return Err(format!("the error does not say that the file is missing: {error}")),
            Ok(_) => return Err("a missing file was opened without an error".to_owned()),
        }
    }
    Ok(Outcome::Passed)
}

/// A file that is truncated after it was opened.
pub(super) fn short_file(subject: &Subject) -> CheckResult {
    let deep = subject.limits.max_iodepth.min(BLOCKS as u32);
    for (depth, batch) in [(1, 1), (deep, 1), (deep, deep)] {
        let shape = Shape::plain(BLOCK_BYTES, BLOCKS).queued(depth, batch);
        for blocks_left in [BLOCKS_LEFT, 0].into_iter().filter(|_| subject.goes(Direction::Read)) {
            let read = read_cut(subject, shape, blocks_left);
            read.map_err(|fault| {
                format!("reading {shape} after truncation to {blocks_left} blocks: {fault}")
            })?;
        }
        if subject.goes(Direction::Write) {
            write_cut(subject, shape)
                .map_err(|fault| format!("writing {shape} after truncation: {fault}"))?;
        }
    }
    if !subject.goes(Direction::Read) {
        return Ok(Outcome::Passed);
    }
    // Between two blocks, inside one, and inside the last page.
    let half_bytes = BLOCKS_LEFT * BLOCK_BYTES;
    for left_bytes in [half_bytes, half_bytes + BLOCK_BYTES / 4 + 1, BLOCKS * BLOCK_BYTES - 100] {
        whole_run_cut(subject, left_bytes)
            .map_err(|fault| format!("a run after truncation to {left_bytes} bytes: {fault}"))?;
    }
    Ok(Outcome::Passed)
}

/// Reads past the new end. The failure must name the first missing block.
fn read_cut(subject: &Subject, shape: Shape, blocks_left: u64) -> Result<(), String> {
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Read)?;
    let left_bytes = blocks_left * shape.block_bytes();
    file.truncate(left_bytes)?;
    let (outcome, tally) = trial.attempt(&shape.offsets());
    let Err(failure) = outcome else {
        return Err("the pass succeeded, but the file is too short for it".to_owned());
    };
    // With a queue, the completion of any operation beyond the end may come first.
    let possible = match shape.depth() {
        1 => left_bytes..left_bytes + 1,
        _ => left_bytes..shape.total_bytes(),
    };
    let at_block = |offset: u64| possible.contains(&offset) && offset.is_multiple_of(shape.block_bytes());
    if !failure.offset_bytes.is_some_and(at_block) {
        return Err(format!("the file ends at {left_bytes}, but the failure is: {failure}"));
    }
    check_fault(&failure, 0, shape.block_bytes())?;
    check_count(tally, blocks_left, shape.depth())
}

/// A short transfer must report the number of bytes moved. An errno need not.
fn check_fault(failure: &Failure, moved: u64, wanted: u64) -> Result<(), String> {
    let fault_is_right = match failure.fault {
        Fault::Errno(_) => true,
        Fault::Partial { moved_bytes, wanted_bytes } => (moved_bytes, wanted_bytes) == (moved, wanted),
        Fault::Incomplete { .. } | Fault::Interrupted => false,
    };
    if fault_is_right && failure.operation == Direction::Read.name() {
        return Ok(());
    }
    Err(format!("{moved} of {wanted} bytes could be read, but the failure is: {failure}"))
}

/// The blocks before the failure must be counted. With a queue, some may not have been started.
fn check_count(tally: Tally, blocks: u64, depth: u32) -> Result<(), String> {
    let io_count = tally.io_count;
    if io_count == blocks || (depth > 1 && io_count < blocks) {
        return Ok(());
    }
    Err(format!("the file holds {blocks} blocks, but {io_count} were counted"))
}

/// Writes past the new end. Either this fails, or the file has grown and holds the blocks.
fn write_cut(subject: &Subject, shape: Shape) -> Result<(), String> {
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Write)?;
    file.truncate(BLOCKS_LEFT * shape.block_bytes())?;
    let written = trial.slots();
    let (outcome, _) = trial.attempt(&shape.offsets());
    match outcome {
        Err(Failure { operation: "write", offset_bytes: Some(_), .. }) => Ok(()),
        Err(failure) => Err(format!("the error does not name the failed write: {failure}")),
        Ok(()) => {
            let last = file.found(shape.total_bytes() - shape.block_bytes(), shape.block_bytes() as usize)?;
            if written.contains(&last) {
                Ok(())
            } else {
                Err("the pass succeeded, but the last block is not in the file".to_owned())
            }
        }
    }
}

/// Truncates the file after it is opened and before the measured transfer, at a page boundary or within a
/// page. The iteration must fail.
fn whole_run_cut(subject: &Subject, left_bytes: u64) -> Result<(), String> {
    let shape = Shape::plain(BLOCK_BYTES, BLOCKS);
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let targets = file.target(Direction::Read)?.into();
    let plan = Plan::new(shape.workload(Direction::Read, subject.direct), &subject.limits);
    let mut pool = BufferPool::default();
    let iteration = Iteration::open(subject.strategy, &targets, &plan, &mut pool);
    let iteration = iteration.map_err(|error| error.to_string())?;
    file.truncate(left_bytes)?;
    let Err(error) = iteration.measure() else { return Err("the run succeeded".to_owned()) };
    match (error.kind(), error.failure()) {
        (ErrorKind::ShortFile, _) => Ok(()),
        (ErrorKind::Io, Some(failure)) => {
            let first_bytes = left_bytes / BLOCK_BYTES * BLOCK_BYTES;
            if failure.offset_bytes != Some(first_bytes) {
                return Err(format!("the failure is not at offset {first_bytes}: {failure}"));
            }
            check_fault(&failure, left_bytes - first_bytes, BLOCK_BYTES)
        }
        _ => Err(format!("this is not an I/O error: {error}")),
    }
}

/// Sizes that O_DIRECT does not support. The check refuses them. Without the check, the strategy returns an
/// error or the right data.
pub(super) fn misalignment(subject: &Subject) -> CheckResult {
    let name = subject.info().name;
    let Some(alignment) = subject.limits.alignment else {
        return Ok(Outcome::DoesNotApply("no alignment is required".to_owned()));
    };
    let unit_bytes = alignment.offset_bytes;
    if unit_bytes == 1 {
        return Ok(Outcome::DoesNotApply("every size meets the alignment".to_owned()));
    }
    if !subject.goes(Direction::Read) {
        return Ok(Outcome::DoesNotApply("reading moves no bytes".to_owned()));
    }
    for block_bytes in [1, unit_bytes / 2, unit_bytes + 1, 3 * unit_bytes - 1] {
        match alignment.check(name, block_bytes) {
            Err(error)
                if error.kind() == ErrorKind::Usage
                    && error.to_string().contains(&unit_bytes.to_string()) => {}
            Err(error) => return Err(format!("the refusal does not name the alignment: {error}")),
            Ok(()) => {
                return Err(format!(
                    "blocks of {block_bytes} bytes are accepted as multiples of {unit_bytes}"
                ));
            }
        }
        forced(subject, block_bytes).map_err(|fault| format!("blocks of {block_bytes} bytes: {fault}"))?;
    }
    Ok(Outcome::Passed)
}

/// Opens the strategy without the check.
fn forced(subject: &Subject, block_bytes: u64) -> Result<(), String> {
    let shape = Shape::plain(block_bytes, BLOCKS);
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let target = file.target(Direction::Read)?;
    let Ok(mut trial) = Trial::open_target(subject, target, shape, Direction::Read)? else {
        return Ok(());
    };
    let (outcome, _) = trial.attempt(&shape.offsets());
    let last = file.expected(shape.total_bytes() - block_bytes, block_bytes as usize);
    match outcome {
        Ok(()) if trial.slots()[0] != last => Err("the pass succeeded, but the data is wrong".to_owned()),
        _ => Ok(()),
    }
}

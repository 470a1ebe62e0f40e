//! The settings that a strategy reports as granted are those that it uses.

use super::data_file::DataFile;
use super::subject::{CheckResult, Outcome, Subject};
use super::trial::{Shape, Trial};
use crate::engine::cache::CacheState;
use crate::engine::operation::Direction;
use crate::engine::residency;
use crate::engine::usage::Usage;

/// A multiple of every page size and alignment.
const BLOCK_BYTES: u64 = 65_536;
const BLOCKS: u64 = 8;

/// After a sync, no page of the file is dirty.
pub(super) fn syncs(subject: &Subject) -> CheckResult {
    let mut known = true;
    for direction in subject.directions.iter().copied() {
        let shape = Shape::plain(BLOCK_BYTES, BLOCKS);
        let file = DataFile::new(subject.folder, shape.file_bytes())?;
        // A sync is responsible only for data written through it.
        file.write_out()?;
        let mut trial = Trial::open(subject, &file, shape, direction)?;
        trial.pass_over_all()?;
        let synced = trial.session().sync();
        synced.map_err(|errno| format!("sync after a {} failed: {errno}", direction.name()))?;
        match residency::unwritten_pages(&trial.target, shape.total_bytes()) {
            Some(0) => {}
            Some(pages) => return Err(format!("after the sync, {pages} pages are not written out")),
            None => known = false,
        }
    }
    if known {
        Ok(Outcome::Passed)
    } else {
        Ok(Outcome::DoesNotApply("this kernel does not report dirty pages (cachestat)".to_owned()))
    }
}

/// Depth, batch and O_DIRECT are as requested, or the result reports the granted values.
pub(super) fn grants(subject: &Subject) -> CheckResult {
    let deepest = subject.limits.max_iodepth;
    for (depth, batch) in [(1, 1), (2, 1), (4, 4)].into_iter().filter(|(depth, _)| *depth <= deepest) {
        let shape = Shape::plain(BLOCK_BYTES, BLOCKS).queued(depth, batch);
        let file = DataFile::new(subject.folder, shape.file_bytes())?;
        let granted = Trial::open(subject, &file, shape, subject.directions[0])?.session().effective();
        if granted.direct != subject.direct {
            return Err(format!("O_DIRECT requested: {}, granted: {}", subject.direct, granted.direct));
        }
        if (granted.iodepth, granted.batch) != (depth, batch) {
            let (iodepth, waits) = (granted.iodepth, granted.batch);
            return Err(format!(
                "depth {depth} and batch {batch} are within the limits, but {iodepth} and {waits} were \
                 granted"
            ));
        }
    }
    Ok(Outcome::Passed)
}

/// With O_DIRECT, a pass does not add pages of the file to the page cache, and reads no bytes from it.
pub(super) fn bypasses(subject: &Subject) -> CheckResult {
    if !subject.direct {
        return Ok(Outcome::DoesNotApply(
            "this check applies only to strategies that use O_DIRECT".to_owned(),
        ));
    }
    for direction in subject.directions.iter().copied() {
        let shape = Shape::plain(BLOCK_BYTES, BLOCKS);
        let file = DataFile::new(subject.folder, shape.file_bytes())?;
        file.write_out()?;
        let mut trial = Trial::open(subject, &file, shape, direction)?;
        CacheState::Cold.establish(&trial.target, shape.total_bytes()).map_err(|error| error.to_string())?;
        let resident = |trial: &Trial| residency::fraction(&trial.target, shape.total_bytes());
        let Some(before) = resident(&trial) else {
            return Ok(Outcome::DoesNotApply(
                "this kernel does not report the contents of the page cache".to_owned(),
            ));
        };
        trial.pass_over_all()?;
        let after = resident(&trial).unwrap_or(before);
        if after > before {
            return Err(format!(
                "O_DIRECT was granted, but the {} went through the page cache: {:.0} % of the file is cached \
                 now, {:.0} % was cached before",
                direction.name(),
                after * 100.0,
                before * 100.0
            ));
        }
        // A strategy that uses the file position needs another session for another pass.
        let mut trial = Trial::open(subject, &file, shape, direction)?;
        if direction == Direction::Read && !reads_device(&mut trial, shape.total_bytes())? {
            let reason = "the kernel does not count the bytes that this filesystem reads from a device";
            return Ok(Outcome::DoesNotApply(reason.to_owned()));
        }
    }
    Ok(Outcome::Passed)
}

/// Checks that a pass over the cached file reads its bytes from the device. Returns false if the kernel does
/// not even count those of a buffered read from a cold cache.
fn reads_device(trial: &mut Trial, total_bytes: u64) -> Result<bool, String> {
    let establish = |trial: &Trial, state: CacheState| {
        state.establish(&trial.target, total_bytes).map_err(|error| error.to_string())
    };
    let counted = |before: Usage| Usage::after_pass(false).since(before).device_read_bytes();
    establish(trial, CacheState::Cold)?;
    let before = Usage::before_pass(false);
    establish(trial, CacheState::Warm)?;
    if counted(before) < total_bytes {
        return Ok(false);
    }
    let before = Usage::before_pass(false);
    trial.pass_over_all()?;
    match counted(before) {
        bytes if bytes < total_bytes => Err(format!(
            "O_DIRECT was granted, but only {bytes} of {total_bytes} bytes came from the device; the rest \
             came from memory"
        )),
        _ => Ok(true),
    }
}

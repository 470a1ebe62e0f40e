//! The targets of a run: one that all workers share, or one for each worker (`--files`).

use std::path::{Path, PathBuf};

use super::extents::{self, Unstored};
use super::residency;
use super::strategy::Properties;
use super::target::Target;
use super::workload::{Files, Workload};
use crate::error::Error;

/// Path of the file of a worker: `path.0`, `path.1` and so on.
fn own_path(path: &Path, worker: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{worker}"));
    PathBuf::from(name)
}

/// The paths that a run with `path` on its command line measures.
pub fn paths(path: &Path, workload: &Workload) -> Vec<PathBuf> {
    match workload.files {
        Files::Shared => vec![path.to_owned()],
        Files::PerThread => (0..workload.threads).map(|worker| own_path(path, worker)).collect(),
    }
}

/// The path for the command line of a run whose first measured path is `first`.
pub fn common_path(first: &Path, files: Files) -> PathBuf {
    match files {
        Files::Shared => first.to_owned(),
        Files::PerThread => first.with_extension(""),
    }
}

/// Open targets, at least one. A clone refers to the same targets.
#[derive(Debug, Clone)]
pub struct Targets {
    first: Target,
    others: Vec<Target>,
}

impl Targets {
    /// Opens the targets of a run in the direction of `workload`.
    ///
    /// # Errors
    /// Those of [`Target::open`], and a usage error if two paths name the same file.
    pub fn open(path: &Path, workload: &Workload, allow_device_write: bool) -> Result<Targets, Error> {
        let open = |path: &PathBuf| Target::open(path, workload.direction, allow_device_write);
        let paths = paths(path, workload);
        let first = open(&paths[0])?;
        let mut others: Vec<Target> = Vec::new();
        for path in &paths[1..] {
            let target = open(path)?;
            if let Some(same) = others.iter().chain([&first]).find(|it| it.inode() == target.inode()) {
                let (path, same) = (path.display(), same.path().display());
                return Err(Error::usage(format!(
                    "--files per-thread: {path} and {same} are the same file; give each worker its own"
                )));
            }
            others.push(target);
        }
        Ok(Targets { first, others })
    }

    /// The first target, which stands for all of them in messages and documents.
    pub fn first(&self) -> &Target {
        &self.first
    }

    /// All targets.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        [&self.first].into_iter().chain(&self.others)
    }

    /// The targets of `workload`, which may have fewer workers.
    #[must_use]
    pub fn of(&self, workload: &Workload) -> Targets {
        let others = match workload.files {
            Files::Shared => 0,
            Files::PerThread => (workload.threads as usize).saturating_sub(1),
        };
        let others = self.others.iter().take(others).cloned().collect();
        Targets { first: self.first.clone(), others }
    }

    /// The target of a worker.
    pub fn of_worker(&self, worker: usize) -> &Target {
        let own = worker.checked_sub(1).and_then(|index| self.others.get(index));
        own.unwrap_or(&self.first)
    }

    /// Bytes that a pass can cover, if its workers share them evenly. `None` for a character device.
    pub fn size_bytes(&self) -> Option<u64> {
        let smallest = self.iter().filter_map(Target::size_bytes).min()?;
        Some(smallest * self.iter().count() as u64)
    }

    /// Each target with the bytes of its file that a pass needs.
    pub fn with_bytes(&self, workload: &Workload, properties: &Properties) -> Vec<(&Target, u64)> {
        let bytes = workload.per_file().map(|total_bytes| properties.file_bytes(total_bytes));
        self.iter().zip(bytes).collect()
    }

    /// Checks that every target holds the bytes of a run.
    ///
    /// # Errors
    /// A file is too short.
    pub fn check_hold(&self, workload: &Workload, properties: &Properties) -> Result<(), Error> {
        let mut ranges = self.with_bytes(workload, properties).into_iter();
        ranges.try_for_each(|(target, bytes)| target.check_holds(bytes, workload.block_bytes))
    }

    /// Bytes of a pass that are not stored, summed over the targets. `None` if this is unknown for one of
    /// them.
    pub fn unstored(&self, workload: &Workload, properties: &Properties) -> Option<Unstored> {
        let ranges = self.with_bytes(workload, properties).into_iter();
        let each = ranges.map(|(target, bytes)| extents::unstored(target, bytes));
        each.reduce(|one, other| Some(one?.plus(other?))).flatten()
    }
}

impl From<Target> for Targets {
    fn from(first: Target) -> Targets {
        Targets { first, others: Vec::new() }
    }
}

/// Fraction of these ranges that is in the page cache, 0 to 1. `None` if it cannot be determined.
pub(super) fn resident_fraction(ranges: &[(&Target, u64)]) -> Option<f64> {
    if let [(target, bytes)] = ranges {
        return residency::fraction(target, *bytes);
    }
    let total: u64 = ranges.iter().map(|(_, bytes)| bytes).sum();
    let resident =
        ranges.iter().map(|(target, bytes)| Some(residency::fraction(target, *bytes)? * *bytes as f64));
    Some(resident.sum::<Option<f64>>()? / total as f64)
}

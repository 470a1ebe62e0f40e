//! A strategy under test, and the outcome of a check.

use std::path::Path;

use super::data_file::DataFile;
use crate::engine::operation::Direction;
use crate::engine::strategy::{Info, Strategy};
use crate::engine::support::{Limits, Refusal, Support};

/// A strategy on one folder, with or without O_DIRECT.
#[derive(Clone)]
pub struct Subject<'a> {
    pub(super) strategy: &'static dyn Strategy,
    pub(super) folder: &'a Path,
    pub(super) direct: bool,
    pub(super) limits: Limits,
    pub(super) directions: Vec<Direction>,
    pub(super) program: Option<&'a Path>,
}

/// Result of the probe of a strategy.
pub enum Probed<'a> {
    /// It runs here.
    Runs(Subject<'a>),
    /// It does not run here.
    Refused(Refusal),
}

impl<'a> Subject<'a> {
    /// `strategy` on files in `folder`, opened with O_DIRECT if `direct`.
    ///
    /// # Errors
    /// A sentence, if no file can be made there.
    pub fn probe(
        strategy: &'static dyn Strategy,
        folder: &'a Path,
        direct: bool,
    ) -> Result<Probed<'a>, String> {
        let file = DataFile::new(folder, 1)?;
        let target = file.target(Direction::Write)?;
        let directions = vec![Direction::Read, Direction::Write];
        Ok(match strategy.probe(&target, direct) {
            Support::Yes(limits) => {
                Probed::Runs(Subject { strategy, folder, direct, limits, directions, program: None })
            }
            Support::No(refusal) => Probed::Refused(refusal),
        })
    }

    /// The same, with the program in which the strategy is registered, for checks that need a tracer.
    #[must_use]
    pub fn run_by(self, program: &'a Path) -> Subject<'a> {
        Subject { program: Some(program), ..self }
    }

    pub(super) fn goes(&self, direction: Direction) -> bool {
        self.directions.contains(&direction)
    }

    pub(super) fn info(&self) -> &'static Info {
        self.strategy.info()
    }

    /// Sizes and offsets must be multiples of this many bytes.
    pub(super) fn unit_bytes(&self) -> u64 {
        self.limits.alignment.map_or(1, |alignment| alignment.offset_bytes)
    }
}

/// Outcome of a check that found no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The promise is kept.
    Passed,
    /// There is nothing to check, for this reason: a clause.
    DoesNotApply(String),
    /// The check is not possible here: a clause, with a remedy.
    NotChecked(String),
}

/// Result of a check. An error is a sentence that describes the fault.
pub type CheckResult = Result<Outcome, String>;

//! Whether a strategy keeps its promises: named checks over any [`Strategy`], in tree or out of it.
//!
//! A check needs nothing but a folder to put files into. It compares what went through the
//! strategy with what the standard library reads and writes, and answers with a sentence that
//! says what is wrong. What only a tracer can see (the calls between the brackets, injected
//! errors) is not here; `tests/` has that.

mod data;
mod errors;
mod granted;
mod scratch;
mod trial;

use std::path::Path;

use crate::engine::strategy::{DirectIo, Info, Limits, Refusal, Strategy, Support};
use crate::error::Error;

use scratch::DataFile;

/// A strategy on one folder, with or without O_DIRECT: what is checked.
pub struct Subject<'a> {
    strategy: &'a dyn Strategy,
    folder: &'a Path,
    direct: bool,
    limits: Limits,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.strategy.info().name;
        f.debug_struct("Subject")
            .field("strategy", &name)
            .field("direct", &self.direct)
            .finish_non_exhaustive()
    }
}

/// What became of a [`Subject`] that was asked for.
#[derive(Debug)]
pub enum Found<'a> {
    /// It runs here.
    Runs(Subject<'a>),
    /// It does not, and says why.
    Refused(Refusal),
}

impl<'a> Subject<'a> {
    /// `strategy` on files in `folder`, opened with O_DIRECT if `direct`; see [`modes`].
    ///
    /// # Errors
    /// A sentence, if no file can be made there.
    pub fn find(strategy: &'a dyn Strategy, folder: &'a Path, direct: bool) -> Result<Found<'a>, String> {
        let file = DataFile::new(folder, 1)?;
        let target = file.target(crate::engine::strategy::Direction::Write)?;
        Ok(match strategy.probe(&target, direct) {
            Support::Yes(limits) => Found::Runs(Subject { strategy, folder, direct, limits }),
            Support::No(refusal) => Found::Refused(refusal),
        })
    }

    fn info(&self) -> &'static Info {
        self.strategy.info()
    }

    /// Sizes and offsets must be multiples of this many bytes.
    fn unit_bytes(&self) -> u64 {
        self.limits.alignment.map_or(1, |alignment| alignment.offset_bytes)
    }

    fn memory_align_bytes(&self) -> u64 {
        self.limits.alignment.map_or(1, |alignment| alignment.memory_bytes)
    }
}

/// With and without O_DIRECT, as far as that has a meaning for the strategy.
pub fn modes(info: &Info) -> &'static [bool] {
    match info.direct {
        DirectIo::OnRequest => &[false, true],
        DirectIo::Always => &[true],
        DirectIo::Never(_) => &[false],
    }
}

/// How a check ended that found nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The promise is kept.
    Passed,
    /// There is nothing to check; the clause says why.
    DoesNotApply(String),
}

/// A check's answer; an error is a sentence for people that says what is wrong.
pub type Verdict = Result<Outcome, String>;

/// One promise of a strategy, and how to find out whether it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// A few words, unique in [`CHECKS`].
    pub name: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// Whether it can be asked of strategies that move no data.
    pub needs_data: bool,
    /// Finds out.
    pub run: fn(&Subject) -> Verdict,
}

impl Check {
    /// Runs the check, if it can be asked of this strategy at all.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn verdict(&self, subject: &Subject) -> Verdict {
        if self.needs_data && !subject.info().moves_data {
            return Ok(Outcome::DoesNotApply(format!("{} moves no data", subject.info().name)));
        }
        (self.run)(subject)
    }
}

/// Every check.
pub static CHECKS: &[Check] = &[
    Check {
        name: "reads",
        promise: "what is read through it is what std::fs wrote, block by block, in any order and depth",
        needs_data: true,
        run: data::reads,
    },
    Check {
        name: "writes",
        promise: "what is written through it is what std::fs reads; nothing else in the file changes",
        needs_data: true,
        run: data::writes,
    },
    Check {
        name: "counts",
        promise: "each I/O is counted once, whatever the depth, and no call is said to be interrupted",
        needs_data: false,
        run: data::counts,
    },
    Check {
        name: "syncs",
        promise: "after a sync nothing of the file waits to be written out",
        needs_data: true,
        run: granted::syncs,
    },
    Check {
        name: "grants",
        promise: "what it says was granted is what was asked for",
        needs_data: false,
        run: granted::grants,
    },
    Check {
        name: "bypasses",
        promise: "with O_DIRECT nothing goes through the page cache",
        needs_data: true,
        run: granted::bypasses,
    },
    Check {
        name: "missing file",
        promise: "a file that is gone is an error when it is opened",
        needs_data: true,
        run: errors::missing_file,
    },
    Check {
        name: "short file",
        promise: "a file that shrinks is an error at the block where it ends, not wrong data, not a crash",
        needs_data: true,
        run: errors::short_file,
    },
    Check {
        name: "misalignment",
        promise: "O_DIRECT with a size that it cannot take is refused, and forced gives no wrong data",
        needs_data: true,
        run: errors::misalignment,
    },
];

/// An error of the engine inside the sentence of a check.
fn said(error: Error) -> String {
    error.to_string()
}

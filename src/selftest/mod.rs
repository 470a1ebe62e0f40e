//! Whether a strategy keeps its promises: named checks over any [`Strategy`], in tree or out of it.
//!
//! A check needs nothing but a folder to put files into. It compares what went through the
//! strategy with what the standard library reads and writes, and answers with a sentence that
//! says what is wrong. What only a tracer can see (the calls between the brackets, injected
//! errors) also needs the program, which is then run under strace ([`traced`]).
//!
//! [`marking`] sums the checks up under a few criteria, for `iobench selftest`.

mod bracket;
mod data;
mod errors;
mod granted;
pub mod injection;
pub mod marking;
mod scratch;
mod speed;
pub mod traced;
mod trial;
pub mod way;

use std::path::Path;

use crate::engine::strategy::{DirectIo, Direction, Info, Limits, Refusal, Strategy, Support};
use crate::error::Error;

use marking::Criterion;
use scratch::DataFile;

/// A strategy on one folder, with or without O_DIRECT: what is checked.
pub struct Subject<'a> {
    strategy: &'a dyn Strategy,
    folder: &'a Path,
    direct: bool,
    limits: Limits,
    directions: Vec<Direction>,
    program: Option<&'a Path>,
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
        let target = file.target(Direction::Write)?;
        let directions = vec![Direction::Read, Direction::Write];
        Ok(match strategy.probe(&target, direct) {
            Support::Yes(limits) => {
                Found::Runs(Subject { strategy, folder, direct, limits, directions, program: None })
            }
            Support::No(refusal) => Found::Refused(refusal),
        })
    }

    /// The same, with the program that has the strategy registered: what a tracer must see can be
    /// checked too.
    pub fn run_by(self, program: &'a Path) -> Subject<'a> {
        Subject { program: Some(program), ..self }
    }

    /// The same, looked at only in the directions that move anything at all: what does not move is
    /// the fault of one check, and not of all.
    fn where_it_moves(self) -> Subject<'a> {
        let moves = |direction: &Direction| data::moves(&self, *direction).is_ok();
        let directions = self.directions.iter().copied().filter(moves).collect();
        Subject { directions, ..self }
    }

    fn goes(&self, direction: Direction) -> bool {
        self.directions.contains(&direction)
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
    /// It could not be found out here; the clause says why, and what to do.
    NotChecked(String),
}

/// A check's answer; an error is a sentence for people that says what is wrong.
pub type Verdict = Result<Outcome, String>;

/// One promise of a strategy, and how to find out whether it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// A few words, unique in [`CHECKS`].
    pub name: &'static str,
    /// What it counts for.
    pub criterion: Criterion,
    /// What is promised.
    pub promise: &'static str,
    /// What the author of a strategy does who did not keep it: the end of a sentence.
    pub remedy: &'static str,
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
        name: "moves",
        criterion: Criterion::Directions,
        promise: "each direction moves bytes at all",
        remedy: "make transfer read into the block for Direction::Read and write it to the file for Direction::Write",
        needs_data: true,
        run: data::both_ways,
    },
    Check {
        name: "counts",
        criterion: Criterion::Directions,
        promise: "each I/O is counted once, whatever the depth, and no call is said to be interrupted",
        remedy: "make transfer return the bytes that this one block moved",
        needs_data: false,
        run: data::counts,
    },
    Check {
        name: "reads",
        criterion: Criterion::Data,
        promise: "what is read through it is what std::fs wrote, block by block, in any order and depth",
        remedy: "move block.len() bytes from op.offset_bytes on, whatever the size of the block",
        needs_data: true,
        run: data::reads,
    },
    Check {
        name: "writes",
        criterion: Criterion::Data,
        promise: "what is written through it is what std::fs reads; nothing else in the file changes",
        remedy: "move block.len() bytes to op.offset_bytes, whatever the size of the block",
        needs_data: true,
        run: data::writes,
    },
    Check {
        name: "calls",
        criterion: Criterion::Bracket,
        promise: "between the brackets are the calls that it declares, no others, in number too",
        remedy: "move that work to open, or declare the call in calls",
        needs_data: false,
        run: bracket::pure,
    },
    Check {
        name: "missing file",
        criterion: Criterion::Errors,
        promise: "a file that is gone is an error when it is opened",
        remedy: "open the file in open, and give the error back",
        needs_data: true,
        run: errors::missing_file,
    },
    Check {
        name: "short file",
        criterion: Criterion::Errors,
        promise: "a file that shrinks is an error at the block where it ends, not wrong data, not a crash",
        remedy: "return the bytes that really moved, and never more",
        needs_data: true,
        run: errors::short_file,
    },
    Check {
        name: "misalignment",
        criterion: Criterion::Errors,
        promise: "O_DIRECT with a size that it cannot take is refused, and forced gives no wrong data",
        remedy: "let probe tell the alignment, and give the errno of a call back",
        needs_data: true,
        run: errors::misalignment,
    },
    Check {
        name: "injection",
        criterion: Criterion::Errors,
        promise: "a failed or short call ends the run with an error; an interrupted one is made again and counted",
        remedy: "give the result of every call back: Errno::result(returned)? for a failure, EINTR too, and the bytes that moved",
        needs_data: true,
        run: injection::errors,
    },
    Check {
        name: "syncs",
        criterion: Criterion::Fallback,
        promise: "after a sync nothing of the file waits to be written out",
        remedy: "make flush bring the file to the device: fsync(2), or msync(2) of a mapping",
        needs_data: true,
        run: granted::syncs,
    },
    Check {
        name: "grants",
        criterion: Criterion::Fallback,
        promise: "what it says was granted is what was asked for",
        remedy: "answer Support::No in probe for what cannot be granted",
        needs_data: false,
        run: granted::grants,
    },
    Check {
        name: "bypasses",
        criterion: Criterion::Fallback,
        promise: "with O_DIRECT nothing goes through the page cache",
        remedy: "open the file with descriptor::open(spec), or set info.direct to DirectIo::Never",
        needs_data: true,
        run: granted::bypasses,
    },
    Check {
        name: "own path",
        criterion: Criterion::Fallback,
        promise: "the calls that move the bytes are those that it declares",
        remedy: "use the declared call for every block, and give its error back where it fails",
        needs_data: true,
        run: bracket::own_path,
    },
    Check {
        name: "no replacement",
        criterion: Criterion::Fallback,
        promise: "where its call or its open is refused, it ends and does not go on by another path",
        remedy: "give the error back, and answer Support::No in probe where the path is missing",
        needs_data: true,
        run: injection::no_replacement,
    },
];

/// An error of the engine inside the sentence of a check.
fn said(error: Error) -> String {
    error.to_string()
}

//! The checks, and the criteria that they count for.

use super::subject::{CheckResult, Outcome, Subject};
use super::table::Criterion;
use super::{bracket, data, errors, granted, injection};

/// One promise of a strategy, and the check that it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// A few words, unique in [`CHECKS`].
    pub name: &'static str,
    /// Criterion that it counts for.
    pub criterion: Criterion,
    /// Advice for the author of a strategy that failed: the end of a sentence.
    pub remedy: &'static str,
    /// True if it needs a strategy that performs I/O.
    pub needs_data: bool,
    /// The check itself.
    pub run: fn(&Subject) -> CheckResult,
}

impl Check {
    /// Runs the check, if it applies to this strategy.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn verdict(&self, subject: &Subject) -> CheckResult {
        let info = subject.info();
        if self.needs_data && !info.properties.performs_io {
            return Ok(Outcome::DoesNotApply(format!("{} moves no data", info.name)));
        }
        (self.run)(subject)
    }
}

/// Every check.
pub static CHECKS: &[Check] = &[
    Check {
        name: "moves",
        criterion: Criterion::Directions,
        remedy: "make transfer read into the block for Direction::Read, and write the block to the file for \
                 Direction::Write",
        needs_data: true,
        run: data::both_ways,
    },
    Check {
        name: "counts",
        criterion: Criterion::Directions,
        remedy: "make transfer return the number of bytes that it moved for this block",
        needs_data: false,
        run: data::counts,
    },
    Check {
        name: "reads",
        criterion: Criterion::Data,
        remedy: "move block.len() bytes from op.offset_bytes on, whatever the size of the block",
        needs_data: true,
        run: data::reads,
    },
    Check {
        name: "writes",
        criterion: Criterion::Data,
        remedy: "move block.len() bytes to op.offset_bytes, whatever the size of the block",
        needs_data: true,
        run: data::writes,
    },
    Check {
        name: "calls",
        criterion: Criterion::Bracket,
        remedy: "move that work to open, or declare the call in calls",
        needs_data: false,
        run: bracket::pure,
    },
    Check {
        name: "missing file",
        criterion: Criterion::Errors,
        remedy: "open the file in open, and return the error",
        needs_data: true,
        run: errors::missing_file,
    },
    Check {
        name: "short file",
        criterion: Criterion::Errors,
        remedy: "return the number of bytes that the call moved, and never more",
        needs_data: true,
        run: errors::short_file,
    },
    Check {
        name: "misalignment",
        criterion: Criterion::Errors,
        remedy: "let probe report the alignment, and return the errno of a failed call",
        needs_data: true,
        run: errors::misalignment,
    },
    Check {
        name: "injection",
        criterion: Criterion::Errors,
        remedy: "return the result of every call. If the call fails, also with EINTR, return its errno \
                 (Errno::result(returned)?). Otherwise return the number of bytes moved",
        needs_data: true,
        run: injection::errors,
    },
    Check {
        name: "syncs",
        criterion: Criterion::Fallback,
        remedy: "make flush bring the file to the device: fsync(2), or msync(2) of a mapping",
        needs_data: true,
        run: granted::syncs,
    },
    Check {
        name: "grants",
        criterion: Criterion::Fallback,
        remedy: "return Support::No from probe for settings that cannot be granted",
        needs_data: false,
        run: granted::grants,
    },
    Check {
        name: "bypasses",
        criterion: Criterion::Fallback,
        remedy: "open the file with descriptor::open(spec), or set info.direct to DirectIo::Never",
        needs_data: true,
        run: granted::bypasses,
    },
    Check {
        name: "own path",
        criterion: Criterion::Fallback,
        remedy: "use the declared call for every block, and return its error",
        needs_data: true,
        run: bracket::own_path,
    },
    Check {
        name: "no replacement",
        criterion: Criterion::Fallback,
        remedy: "return the error, and return Support::No from probe where the kernel lacks the I/O path",
        needs_data: true,
        run: injection::no_replacement,
    },
];

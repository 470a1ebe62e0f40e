//! `iobench compare`: compares two results point by point.

use std::path::Path;
use std::process::ExitCode;

use super::context::Context;
use crate::cli::CompareArgs;
use crate::engine::interrupt;
use crate::error::Error;
use crate::report::comparison::{Comparison, compare};
use crate::report::read::read;

/// Exit code if at least one point is slower.
const REGRESSION: u8 = 1;
/// Exit code if the results cannot be compared.
const NOT_COMPARABLE: u8 = 2;

/// Compares two result files.
///
/// # Errors
/// An open error if a file cannot be read; an interruption after a signal.
pub(crate) fn run(
    args: &CompareArgs,
    context: &Context,
    document: &mut Option<Comparison>,
) -> Result<ExitCode, Error> {
    let max_bytes = args.reading.max_result_size;
    let named = |path: &Path| {
        Ok::<_, Error>((path.display().to_string(), read(path, max_bytes, context.strategies)?))
    };
    let (old, new) = (named(&args.old)?, named(&args.new)?);
    let (comparison, outcome) = compare(&old, &new, args.comparison.threshold, &interrupt::check);
    let comparison = document.insert(comparison);
    outcome.map(|()| exit_code(comparison))
}

/// The exit code: 1 if a point is slower, 2 if the results cannot be compared, 0 otherwise.
pub(crate) fn exit_code(comparison: &Comparison) -> ExitCode {
    if !comparison.obstacles.is_empty() {
        ExitCode::from(NOT_COMPARABLE)
    } else if comparison.regressed() {
        ExitCode::from(REGRESSION)
    } else {
        ExitCode::SUCCESS
    }
}

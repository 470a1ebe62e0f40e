//! `iobench compare`: compares two results point by point.

use std::path::{Path, PathBuf};
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

/// Compares result files.
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
    let (old, new) = sides(args)?;
    let all = |paths: &[PathBuf]| paths.iter().map(|path| named(path)).collect::<Result<Vec<_>, Error>>();
    let (old, new) = (all(old)?, all(new)?);
    let (comparison, outcome) =
        compare(&old, &new, args.comparison.threshold, args.metric, &interrupt::check);
    let comparison = document.insert(comparison);
    outcome.map(|()| exit_code(comparison))
}

/// The files of each side: one and one, or at least two and two.
fn sides(args: &CompareArgs) -> Result<(&[PathBuf], &[PathBuf]), Error> {
    match (args.results.as_slice(), args.new.as_slice()) {
        ([old, new], []) => Ok((std::slice::from_ref(old), std::slice::from_ref(new))),
        (old @ [_], new @ [_]) | (old @ [_, _, ..], new @ [_, _, ..]) => Ok((old, new)),
        _ => Err(Error::usage(
            "compare: give two results, or at least two on each side, as in: iobench compare A1.json \
             A2.json -- B1.json B2.json",
        )),
    }
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

//! `iobench compare`: two results, point by point.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{self, CompareArgs};
use crate::error::Error;
use crate::report::comparison::{Comparable, Comparison, compare};
use crate::report::json;
use crate::report::read::{Kept, read};

/// Exit code of a comparison that found something slower.
const REGRESSION: u8 = 1;
/// Exit code of results that cannot be compared.
const NOT_COMPARABLE: u8 = 2;

/// Compares two result files.
///
/// # Errors
/// [`Error::Open`] if one cannot be read, [`Error::Usage`] for a threshold that is none.
pub fn run(args: &CompareArgs) -> Result<ExitCode, Error> {
    let threshold = threshold(&args.threshold)?;
    let named = |path: &Path| Ok::<_, Error>((path.display().to_string(), load(path)?));
    let comparison = compare(named(&args.old)?, named(&args.new)?, threshold);
    print(&comparison, args.json)?;
    Ok(exit_code(&comparison))
}

/// `--threshold`.
///
/// # Errors
/// [`Error::Usage`].
pub fn threshold(text: &str) -> Result<f64, Error> {
    cli::fraction(text).map_err(|reason| Error::Usage(format!("--threshold: {reason}")))
}

/// Reads a result of either kind: of a sweep, or of a run with `-j -v`.
///
/// # Errors
/// [`Error::Open`].
pub fn load(path: &Path) -> Result<Comparable, Error> {
    Ok(match read(path)? {
        Kept::Sweep(document) => Comparable::from(*document),
        Kept::Run(document) => Comparable::from(*document),
    })
}

/// Prints a comparison as text or JSON.
///
/// # Errors
/// [`Error::Output`].
pub fn print(comparison: &Comparison, as_json: bool) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    match as_json {
        true => json::write(&mut output, comparison),
        false => comparison.write(&mut output).map_err(Error::Output),
    }
}

/// 0, or what stands in the way.
pub fn exit_code(comparison: &Comparison) -> ExitCode {
    match (comparison.obstacles.is_empty(), comparison.regressed()) {
        (false, _) => ExitCode::from(NOT_COMPARABLE),
        (true, true) => ExitCode::from(REGRESSION),
        (true, false) => ExitCode::SUCCESS,
    }
}

//! `iobench strategies`: lists the strategies and their support on a target.

use std::process::ExitCode;

use super::context::Context;
use crate::cli::StrategiesArgs;
use crate::engine::operation::Direction;
use crate::engine::target::Target;
use crate::error::Error;
use crate::report::strategies::Listing;

/// Lists the strategies.
///
/// # Errors
/// An open error if the path cannot be opened.
pub(crate) fn run(
    args: &StrategiesArgs,
    context: &Context,
    document: &mut Option<Listing>,
) -> Result<ExitCode, Error> {
    let target = if args.path.is_dir() {
        Target::scratch(&args.path)?
    } else {
        Target::open(&args.path, Direction::Read, false)
            .map_err(|error| error.with_remedy_if_missing("name an existing file, device or folder"))?
    };
    *document = Some(Listing::new(&args.path, &target, context.strategies));
    Ok(ExitCode::SUCCESS)
}

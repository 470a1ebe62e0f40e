//! `iobench sweep`: the whole experiment of the lab, every strategy at every buffer size.
//!
//! [`plan`] turns the arguments into requests, [`experiment`] takes the rounds, [`point`] holds one strategy at one
//! buffer size, and [`controls`] measures the machine itself.

mod controls;
mod experiment;
mod plan;
mod point;

use std::process::ExitCode;

use super::context::Context;
use crate::cli::SweepArgs;
use crate::error::Error;
use crate::report::sweep::SweepDocument;

pub(crate) use plan::{Settings, SweepPlan, Totals, floor};

/// Runs a sweep.
///
/// # Errors
/// A usage error for inconsistent arguments, and the errors of the file. After an error that ends a sweep under way (a
/// signal, an I/O error at a point), what was measured until then is in the document.
pub(crate) fn run(
    args: &SweepArgs,
    context: &Context,
    document: &mut Option<SweepDocument>,
) -> Result<ExitCode, Error> {
    let (measured, outcome) = SweepPlan::new(args, context)?.carry_out()?;
    *document = Some(measured);
    outcome.map(|()| ExitCode::SUCCESS)
}

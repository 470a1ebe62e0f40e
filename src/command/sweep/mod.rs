//! `iobench sweep`: the experiment of the lab, which measures every strategy at every buffer size.
//!
//! [`plan`] turns the arguments into requests, [`experiment`] runs the rounds, [`point`] holds one strategy
//! at one buffer size, and [`controls`] measures the machine itself.

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
/// A usage error for inconsistent arguments, and the errors of the file. After an error that ends a running
/// sweep (a signal, an I/O error at a point), the document holds the samples that were measured before.
pub(crate) fn run(
    args: &SweepArgs,
    context: &Context,
    document: &mut Option<SweepDocument>,
) -> Result<ExitCode, Error> {
    let (measured, outcome) = SweepPlan::new(args, context)?.carry_out()?;
    *document = Some(measured);
    outcome.map(|()| ExitCode::SUCCESS)
}

//! `iobench sweep`: the experiment of the lab, which measures every strategy at every buffer size.
//!
//! [`plan`] turns the arguments into requests and [`resume`] a result that is continued, [`experiment`] runs
//! the rounds, [`point`] holds one setting, and [`controls`] measures the machine itself.

mod controls;
mod dry_run;
mod experiment;
mod plan;
mod point;
mod resume;

use std::io::Write;
use std::process::ExitCode;

use super::context::Context;
use super::stdout::Stdout;
use crate::cli::SweepArgs;
use crate::error::Error;
use crate::report::sweep::SweepDocument;
use crate::report::table::{self, Table};
use crate::units;
use experiment::{Announcement, CONVERGING, tenths};

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
    let plan = match (&args.resume, &args.path) {
        (Some(result), _) => resume::plan(args, result, context)?,
        (None, Some(path)) => SweepPlan::new(args, path, context)?,
        (None, None) => return Err(Error::usage("sweep: name the file or device")),
    };
    if args.dry_run {
        Stdout.write_all(dry_run::text(&plan).as_bytes()).map_err(Error::output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_text = !args.json && !args.csv;
    let (measured, outcome) = plan.carry_out(&|needs| {
        if is_text {
            // If this cannot be printed, nor can the result, which is then saved.
            let _ = table::paragraph(&mut Stdout, &needs.sentence(), Table::for_terminal().columns);
        }
    })?;
    *document = Some(measured);
    outcome.map(|()| ExitCode::SUCCESS)
}

impl Announcement {
    /// The announcement as a sentence.
    fn sentence(&self) -> String {
        let Announcement { points, refused, needed, budget } = self;
        let cannot = if *refused == 0 { String::new() } else { format!(" ({refused} more cannot run here)") };
        let points = units::counted(*points as u64, "point");
        let (needed, budget) = (needed.as_secs(), tenths(*budget));
        let short = if needed as f64 > budget { ", which is more than the budget" } else { "" };
        format!(
            "{points}{cannot}: {CONVERGING} samples of each take about {needed} s{short}; the budget is \
             {budget} s."
        )
    }
}

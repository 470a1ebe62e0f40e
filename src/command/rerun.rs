//! `iobench rerun`: repeats the sweep of a result file, and compares both results.

use std::process::ExitCode;
use std::time::Duration;

use super::compare::exit_code;
use super::context::Context;
use super::request::Request;
use super::sweep::{Settings, SweepPlan, Totals, floor};
use crate::cli::RerunArgs;
use crate::error::Error;
use crate::report::comparison::{Comparison, compare};
use crate::report::read::{ResultFile, read};
use crate::report::sweep::{SweepDocument, SweepRun};

/// Repeats a sweep with the same points and totals, and compares the results.
///
/// # Errors
/// An open error if the result cannot be read, and the errors of a sweep. The points that were measured
/// before the error are compared.
pub(crate) fn run(
    args: &RerunArgs,
    context: &Context,
    document: &mut Option<Comparison>,
) -> Result<ExitCode, Error> {
    let ResultFile::Sweep(mut old) = read(&args.result, context.strategies)? else {
        let path = args.result.display();
        return Err(Error::usage(format!("{path} is the result of a single run; rerun repeats sweeps")));
    };
    let (new, outcome) = plan(&old, args, context)?.carry_out()?;
    if outcome.is_err() {
        keep_common_points(&mut old, &new);
    }
    let name = args.output.as_ref().map_or("this run".to_owned(), |path| path.display().to_string());
    let old = (args.result.display().to_string(), ResultFile::Sweep(old));
    let new = (name, ResultFile::Sweep(Box::new(new)));
    // A signal that ended the sweep does not end the comparison of the measured points.
    let (comparison, _) = compare(&old, &new, args.comparison.threshold, &|| Ok(()));
    let comparison = document.insert(comparison);
    outcome.map(|()| exit_code(comparison))
}

fn plan(old: &SweepDocument, args: &RerunArgs, context: &Context) -> Result<SweepPlan, Error> {
    let configuration = &old.sweep_configuration;
    let could_run = old.runs.iter().filter(|run| run.could_run());
    let request = |run: &SweepRun| Request::repeat(&run.benchmark_configuration, context.strategies);
    Ok(SweepPlan {
        settings: Settings {
            precision: configuration.precision,
            budget: Duration::try_from_secs_f64(configuration.budget_seconds).unwrap_or(Duration::MAX),
            largest_n: configuration.largest_n,
            order: configuration.order,
            seed: configuration.seed,
        },
        requests: could_run.map(request).collect::<Result<Vec<_>, Error>>()?,
        totals: Totals::Given,
        floor: floor(context.strategies),
        argv: context.argv.to_vec(),
        output: args.output.clone(),
    })
}

/// Removes from the old result the points that an interrupted rerun did not measure.
fn keep_common_points(old: &mut SweepDocument, new: &SweepDocument) {
    let key = |run: &SweepRun| {
        (run.benchmark_configuration.strategy.clone(), run.benchmark_configuration.buffersize)
    };
    let reached: Vec<_> = new.runs.iter().filter(|run| run.measured().next().is_some()).map(key).collect();
    old.runs.retain(|run| reached.contains(&key(run)));
}

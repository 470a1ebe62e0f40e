//! `iobench rerun`: repeats the sweep of a result file, and compares both results.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::compare::exit_code;
use super::context::Context;
use super::request::{Request, measured_path};
use super::sweep::{Settings, SweepPlan, Totals, floor};
use crate::cli::RerunArgs;
use crate::engine::inode::Inode;
use crate::engine::operation::Direction;
use crate::engine::targets;
use crate::error::Error;
use crate::report::comparison::{Comparison, compare};
use crate::report::document::BenchmarkConfiguration;
use crate::report::latency::Metric;
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
    let ResultFile::Sweep(mut old) = read(&args.result, args.reading.max_result_size, context.strategies)?
    else {
        let path = args.result.display();
        return Err(Error::usage(format!("{path} is the result of a single run; rerun repeats sweeps")));
    };
    let plan = plan(&old, args, context)?;
    for run in old.runs.iter().filter(|run| run.could_run()) {
        check_writing(&run.benchmark_configuration, args.write_mode, "rerun")?;
    }
    let (new, outcome) = plan.carry_out(&|_| ())?;
    if outcome.is_err() {
        keep_common_points(&mut old, &new);
    }
    let name = args.output.as_ref().map_or("this run".to_owned(), |path| path.display().to_string());
    let old = (args.result.display().to_string(), ResultFile::Sweep(old));
    let new = (name, ResultFile::Sweep(Box::new(new)));
    // A signal that ended the sweep does not end the comparison of the measured points.
    let (comparison, _) = compare(&[old], &[new], args.comparison.threshold, Metric::Time, &|| Ok(()));
    let comparison = document.insert(comparison);
    outcome.map(|()| exit_code(comparison))
}

fn plan(old: &SweepDocument, args: &RerunArgs, context: &Context) -> Result<SweepPlan, Error> {
    let configuration = &old.sweep_configuration;
    let could_run = old.runs.iter().filter(|run| run.could_run());
    let request = |run: &SweepRun| {
        let request = Request::repeat(&run.benchmark_configuration, context.strategies)?;
        Ok(Request { allow_device_write: args.allow_device_write, ..request })
    };
    Ok(SweepPlan {
        settings: settings(old)?,
        axes: configuration.axes.clone(),
        precondition: configuration.preconditioned_bytes.is_some(),
        earlier: None,
        requests: could_run.map(request).collect::<Result<Vec<_>, Error>>()?,
        totals: Totals::Given,
        floor: floor(context.strategies),
        argv: context.argv.to_vec(),
        output: args.output.clone(),
    })
}

/// The settings of the sweep of a result.
///
/// # Errors
/// A usage error if the sweep would not end.
pub(super) fn settings(old: &SweepDocument) -> Result<Settings, Error> {
    let configuration = &old.sweep_configuration;
    Ok(Settings {
        precision: configuration.precision,
        budget: budget(configuration.budget_seconds)?,
        largest_n: configuration.largest_n,
        order: configuration.order,
        seed: configuration.seed,
    })
}

/// The budget of the result.
///
/// # Errors
/// A usage error if the rerun would not end.
fn budget(seconds: f64) -> Result<Duration, Error> {
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
    let budget = Duration::try_from_secs_f64(seconds).ok().filter(|budget| *budget <= LONGEST);
    budget.ok_or_else(|| {
        Error::usage(format!("the result has a budget of {seconds} s; rerun accepts 0 s to 30 days"))
    })
}

/// A result file is data. Only the command line orders a file to be overwritten, and only the file that was
/// measured. `command` is what overwrites it.
///
/// # Errors
/// A usage error.
pub(super) fn check_writing(
    configuration: &BenchmarkConfiguration,
    allowed: bool,
    command: &str,
) -> Result<(), Error> {
    let path = measured_path(configuration);
    let (path_shown, writes) = (path.display(), configuration.requested.direction == Direction::Write);
    if writes && !allowed {
        let sentence = format!(
            "{command} overwrites {path_shown}, because the result is of writing; add -w to allow it"
        );
        return Err(Error::usage(sentence));
    }
    if allowed && !writes {
        return Err(Error::usage("-w: the result is of reading; leave it out"));
    }
    match replaced_file(configuration) {
        Some((_, measured)) if writes => Err(Error::usage(format!(
            "{path_shown} is not the file that was measured (inode {measured}); run sweep -w again instead"
        ))),
        _ => Ok(()),
    }
}

/// The first measured path and the inode that it had, if it names another file now.
pub(super) fn replaced_file(configuration: &BenchmarkConfiguration) -> Option<(PathBuf, u64)> {
    let measured = configuration.target.as_ref()?.inode;
    let path = targets::paths(&measured_path(configuration), &configuration.requested).into_iter().next()?;
    let now = Inode::named(&path)?.number;
    (now != measured).then_some((path, measured))
}

/// Removes from the old result the points that an interrupted rerun did not measure.
fn keep_common_points(old: &mut SweepDocument, new: &SweepDocument) {
    let measured = new.runs.iter().filter(|run| run.measured().next().is_some());
    let reached: Vec<_> = measured.map(|run| run.benchmark_configuration.point()).collect();
    old.runs.retain(|run| reached.contains(&run.benchmark_configuration.point()));
}

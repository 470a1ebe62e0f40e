//! `sweep --resume`: the plan that continues the sweep of a result file.

use std::path::Path;
use std::time::Duration;

use super::super::context::Context;
use super::super::request::Request;
use super::super::rerun::{check_writing, replaced_file, settings};
use super::plan::{Settings, SweepPlan, Totals, floor};
use crate::cli::SweepArgs;
use crate::error::Error;
use crate::report::read::{ResultFile, read};
use crate::report::sweep::{SweepDocument, SweepRun};

/// The plan that continues the sweep of the result at `path`. Its samples so far count. The points,
/// their totals and the rule for ending them are those of the result; only the budget may be another.
///
/// # Errors
/// An open error if the result cannot be read; a usage error if it is not of a sweep, of another version, of
/// another file, or if nothing is left to do.
pub(super) fn plan(args: &SweepArgs, path: &Path, context: &Context) -> Result<SweepPlan, Error> {
    let ResultFile::Sweep(earlier) = read(path, args.reading.max_result_size, context.strategies)? else {
        let path = path.display();
        return Err(Error::usage(format!(
            "--resume {path}: this is the result of a single run, not of a sweep"
        )));
    };
    let configuration = &earlier.sweep_configuration;
    if configuration.version != env!("CARGO_PKG_VERSION") {
        let (version, own) = (&configuration.version, env!("CARGO_PKG_VERSION"));
        return Err(Error::usage(format!(
            "--resume {}: the sweep was begun by iobench {version}, and this is {own}; continue it with \
             {version}",
            path.display()
        )));
    }
    let can_run = |run: &&SweepRun| run.could_run() || run.unprepared;
    for run in earlier.runs.iter().filter(can_run) {
        check_writing(&run.benchmark_configuration, args.write_mode, "--resume")?;
    }
    check_file(path, &earlier)?;
    let request = |run: &SweepRun| {
        let request = Request::repeat_unchecked(&run.benchmark_configuration, context.strategies)?;
        Ok(Request { allow_device_write: args.workload.allow_device_write, ..request })
    };
    let requests = earlier.runs.iter().filter(can_run).map(request).collect::<Result<Vec<_>, Error>>()?;
    Ok(SweepPlan {
        settings: Settings { budget: budget(args, path, &earlier)?, ..settings(&earlier)? },
        requests,
        axes: configuration.axes.clone(),
        totals: Totals::Fitted,
        precondition: false,
        floor: floor(context.strategies),
        argv: configuration.argv.clone(),
        output: Some(args.output.clone().unwrap_or_else(|| path.to_owned())),
        earlier: Some(earlier),
    })
}

/// The given budget, or what is left of the former one.
fn budget(args: &SweepArgs, path: &Path, earlier: &SweepDocument) -> Result<Duration, Error> {
    if let Some(budget) = args.budget {
        return Ok(budget);
    }
    let configuration = &earlier.sweep_configuration;
    let (budget, elapsed) = (configuration.budget_seconds, configuration.elapsed_seconds);
    let left = Duration::try_from_secs_f64(budget - elapsed).ok().filter(|left| !left.is_zero());
    left.ok_or_else(|| {
        Error::usage(format!(
            "--resume {}: the sweep has used its budget of {budget} s; give more with --budget",
            path.display()
        ))
    })
}

/// Checks that the file is the one that was measured.
fn check_file(result: &Path, earlier: &SweepDocument) -> Result<(), Error> {
    let mut runs = earlier.runs.iter();
    match runs.find_map(|run| replaced_file(&run.benchmark_configuration)) {
        Some((path, measured)) => Err(Error::usage(format!(
            "--resume {}: {} is not the file that was measured (inode {measured}); start a new sweep",
            result.display(),
            path.display()
        ))),
        None => Ok(()),
    }
}

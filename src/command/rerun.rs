//! `iobench rerun`: the experiment of a sweep's result again, and both compared.

use std::time::Duration;

use super::compare::{exit_code, print, threshold};
use super::request::Request;
use super::sweep::{Ended, Plan, Settings, Totals, floor, sample_arguments};
use crate::cli::{RerunArgs, RunArgs};
use crate::engine::strategy::Strategy;
use crate::error::Error;
use crate::report::comparison::{Comparable, compare};
use crate::report::read::{Kept, read};
use crate::report::sweep::{SweepDocument, SweepRun};

/// Repeats a sweep, point by point with the totals that it had, and compares.
///
/// # Errors
/// [`Error::Open`] if the result cannot be read, and those of a sweep. What ended the new sweep early is in [`Ended`].
pub fn run(
    args: &RerunArgs,
    argv: Vec<String>,
    strategies: &[&'static dyn Strategy],
) -> Result<Ended, Error> {
    let threshold = threshold(&args.threshold)?;
    let Kept::Sweep(old) = read(&args.result)? else {
        return Err(Error::Usage(format!(
            "{}: the result of one run; rerun repeats sweeps",
            args.result.display()
        )));
    };
    let configuration = &old.sweep_configuration;
    let settings = Settings {
        precision: configuration.precision,
        budget: Duration::try_from_secs_f64(configuration.budget_seconds).unwrap_or(Duration::MAX),
        largest_n: configuration.largest_n,
        order: configuration.order,
        seed: configuration.seed,
    };
    let could_run = old.runs.iter().filter(|run| run.could_run());
    let requests = could_run.map(|run| request(&old, run, strategies)).collect::<Result<Vec<_>, Error>>()?;
    let (totals, floor, output) = (Totals::Given, floor(strategies), args.output.clone());
    let (new, failure) = Plan { settings, requests, totals, floor, argv, output }.carry_out()?;
    let name = args.output.as_ref().map_or("this run".to_owned(), |path| path.display().to_string());
    let old = (args.result.display().to_string(), Comparable::from(*old));
    let comparison = compare(old, (name, Comparable::from(new)), threshold);
    print(&comparison, args.json)?;
    Ok(failure.map_or(Ok(exit_code(&comparison)), Err))
}

/// The request that made a run of the result.
fn request(
    old: &SweepDocument,
    run: &SweepRun,
    strategies: &[&'static dyn Strategy],
) -> Result<Request, Error> {
    let configuration = &run.benchmark_configuration;
    let direction = old.sweep_configuration.direction;
    let requested = &configuration.requested;
    let cpu = Some(requested.cpu.clone()).filter(|cpu| cpu != "default");
    let arguments = RunArgs {
        strategy: configuration.strategy.clone(),
        block_size: configuration.buffersize.to_string(),
        total_size: configuration.totalsize.to_string(),
        direct: requested.direct,
        sync: configuration.sync,
        iodepth: requested.iodepth.map(|depth| depth.to_string()),
        batch: requested.batch.map(|batch| batch.to_string()),
        cache: configuration.cache,
        cpu,
        ..sample_arguments(direction, configuration.path.as_ref())?
    };
    Request::new(&arguments, strategies)
}

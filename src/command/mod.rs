//! The commands of the program, one file per command.
//!
//! A command fills in its document and returns an exit code or an error; [`output::Output::conclude`] prints
//! both.

mod ab;
mod compare;
mod context;
mod file;
mod job;
mod output;
mod plot;
mod prepared;
mod request;
mod rerun;
mod run;
mod selftest;
mod stdout;
mod strategies;
mod sweep;
mod trace;

use std::process::ExitCode;

use crate::cli::{self, Cli, Command, ComparisonArgs, RunArgs};
use crate::engine::interrupt;
use crate::engine::strategy::Strategy;
use crate::error::Error;
use crate::report::document::Document;
use crate::report::table::Table;
use context::Context;
use output::{Form, Output, exit};
use request::Request;

/// Runs a command and prints its document.
pub(crate) fn run(cli: &Cli, argv: &[String], strategies: &[&'static dyn Strategy]) -> ExitCode {
    interrupt::install();
    let context = &Context { argv, strategies };
    match &cli.command {
        None => benchmark(&cli.run, context),
        Some(Command::Strategies(args)) => {
            Output::json_or_text(args.json).run(|document| strategies::run(args, context, document))
        }
        Some(Command::Selftest(args)) => {
            Output::json_or_text(args.json).run(|document| selftest::run(args, context, document))
        }
        Some(Command::Sweep(args)) => {
            let output = if args.csv { Output::new(Form::Csv) } else { Output::json_or_text(args.json) };
            let output = output.kept(args.output.is_some() || args.resume.is_some()).strict(args.strict);
            let table = Table { wide: args.wide, knees: args.knees, ..Table::for_terminal() };
            output.table(table).run(|document| sweep::run(args, context, document))
        }
        Some(Command::Compare(args)) => {
            of_comparison(&args.comparison).run(|document| compare::run(args, context, document))
        }
        Some(Command::Ab(args)) => {
            of_comparison(&args.comparison).run(|document| ab::run(args, context, document))
        }
        Some(Command::Rerun(args)) => of_comparison(&args.comparison)
            .kept(args.output.is_some())
            .run(|document| rerun::run(args, context, document)),
        Some(Command::Plot(args)) => exit(plot::run(args, context)),
        Some(Command::Trace(args)) => trace::run(args, context),
        Some(Command::Job(args)) => job::run(args, context),
    }
}

/// Output of a command that compares.
fn of_comparison(args: &ComparisonArgs) -> Output {
    Output::json_or_text(args.json).strict(args.strict)
}

/// Handles a command line that clap does not turn into arguments: prints help or version on standard output,
/// or reports a usage error.
pub(crate) fn not_parsed(error: &clap::Error, argv: &[String]) -> ExitCode {
    if !error.use_stderr() {
        return exit(error.print().map(|()| ExitCode::SUCCESS).map_err(Error::output));
    }
    let json = argv.iter().any(|word| cli::asks_for_json(word));
    Output::json_or_text(json).conclude(None::<Document>, Err(cli::usage_error(error, "")))
}

fn benchmark(args: &RunArgs, context: &Context) -> ExitCode {
    let output = Output::of_run(args, request::is_verbose(args));
    output.run(|document| {
        let request = Request::new(args, context.strategies)?;
        run::run(request, context.argv.to_vec(), document, &output)
    })
}

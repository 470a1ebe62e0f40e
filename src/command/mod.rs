//! What a person types, carried out: one file per command.
//!
//! A command fills in its document and returns an exit code or an error; [`output::Output::conclude`] does the rest.

mod ab;
mod compare;
mod file;
mod job;
mod output;
mod plot;
mod prepared;
mod request;
mod rerun;
mod run;
mod selftest;
mod strategies;
mod sweep;
mod trace;

use std::process::ExitCode;

use crate::cli::{self, Cli, Command, RunArgs};
use crate::engine::strategy::Strategy;
use crate::error::Error;
use crate::report::document::Document;
use output::{Form, Output, Report, exit};
use request::Request;

/// What every command is given beside its arguments.
pub(crate) struct Context<'a> {
    /// The command line.
    pub(crate) argv: &'a [String],
    /// The registered strategies.
    pub(crate) strategies: &'a [&'static dyn Strategy],
}

/// Carries out a command and prints its one document.
pub(crate) fn run(cli: &Cli, context: &Context) -> ExitCode {
    match &cli.command {
        None => benchmark(&cli.run, context),
        Some(Command::Strategies(args)) => {
            concluded(&Output::json_or_text(args.json), |document| strategies::run(args, context, document))
        }
        Some(Command::Selftest(args)) => {
            concluded(&Output::json_or_text(args.json), |document| selftest::run(args, context, document))
        }
        Some(Command::Sweep(args)) => {
            let output = if args.csv { Output::new(Form::Csv) } else { Output::json_or_text(args.json) };
            concluded(&output, |document| sweep::run(args, context, document))
        }
        Some(Command::Compare(args)) => concluded(&Output::json_or_text(args.comparison.json), |document| {
            compare::run(args, context, document)
        }),
        Some(Command::Ab(args)) => concluded(&Output::json_or_text(args.comparison.json), |document| {
            ab::run(args, context, document)
        }),
        Some(Command::Rerun(args)) => concluded(&Output::json_or_text(args.comparison.json), |document| {
            rerun::run(args, context, document)
        }),
        Some(Command::Plot(args)) => exit(plot::run(args, context)),
        Some(Command::Trace(args)) => trace::run(args, context),
        Some(Command::Job(args)) => job::run(args, context),
    }
}

/// Answers a command line that clap does not take: help and version on standard output, else a usage error.
pub(crate) fn not_parsed(error: &clap::Error, argv: &[String]) -> ExitCode {
    if !error.use_stderr() {
        return exit(error.print().map(|()| ExitCode::SUCCESS).map_err(Error::output));
    }
    let json = argv.iter().any(|word| cli::asks_for_json(word));
    Output::json_or_text(json).conclude(None::<Document>, Err(cli::usage_error(error)))
}

fn benchmark(args: &RunArgs, context: &Context) -> ExitCode {
    let output = Output::of_run(args, request::is_verbose(args));
    concluded(&output, |document| {
        let request = Request::new(args, context.strategies)?;
        run::run(request, context.argv.to_vec(), document, &output)
    })
}

fn concluded<D: Report>(
    output: &Output,
    command: impl FnOnce(&mut Option<D>) -> Result<ExitCode, Error>,
) -> ExitCode {
    let mut document = None;
    let outcome = command(&mut document);
    output.conclude(document, outcome)
}

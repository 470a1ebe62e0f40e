//! Measures what an I/O path costs.
//!
//! # What a number means
//!
//! One iteration maps a buffer, opens the file, brings the machine to rest, and then encloses one
//! pass over the file between two raw `clock_gettime` system calls, the *bracket*
//! ([`engine::bracket`]). Between them a strategy moves every block, and nothing else happens: no
//! allocation, no page touched for the first time by the harness, no output, no other system call.
//! So a kernel tracer that matches on the two calls sees exactly the benchmark.
//!
//! # Who owns what
//!
//! The [`engine`] measures and owns the buffer; a strategy ([`strategies`]) only moves bytes; the
//! [`host`] is only described; [`report`] turns a result into text or JSON; [`command`] puts them
//! together. Use goes one way, and a test keeps it so.
//!
//! # A strategy of one's own
//!
//! A program that depends on this crate implements [`engine::blocking::Blocking`] or
//! [`engine::queued::Queued`] and calls [`main_with`]: it gets every flag, check and output of
//! `iobench`. See `examples/splice.rs` and `docs/adding-a-strategy.md`.

pub mod cli;
pub mod command;
pub mod engine;
pub mod error;
pub mod host;
pub mod report;
pub mod selftest;
pub mod stats;
#[path = "../strategies/mod.rs"]
pub mod strategies;
pub mod trace;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use command::output::{Output, complain, print_error};
use engine::strategy::Strategy;
use error::Error;
use report::document::{Document, ErrorRecord};
use report::explain;

/// Errors are errnos of the kernel, as nix names them.
pub use nix::errno::Errno;

/// The whole program, over these strategies: arguments in, exit code out.
pub fn main_with(strategies: &[&'static dyn Strategy]) -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let printable: Vec<String> = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if argv.len() <= 1 {
        let lab = printable.first().is_some_and(|program| command::run::is_lab_name(program));
        let _ = std::io::stderr().write_all(if lab { cli::LAB_USAGE } else { cli::USAGE }.as_bytes());
        return ExitCode::from(64);
    }
    let cli = match Cli::try_parse_from(&argv) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error, &printable),
    };
    let outcome = match &cli.command {
        Some(Command::Strategies(args)) => {
            reported(args.json, command::strategies::run(args, strategies).map(|()| ExitCode::SUCCESS))
        }
        Some(Command::Selftest(args)) => reported(args.json, command::selftest::run(args, strategies)),
        Some(Command::Sweep(args)) => {
            reported(args.json, command::sweep::run(args, printable, strategies)).and_then(|ended| ended)
        }
        Some(Command::Compare(args)) => reported(args.json, command::compare::run(args)),
        Some(Command::Ab(args)) => reported(args.json, command::ab::run(args, strategies)),
        Some(Command::Rerun(args)) => {
            reported(args.json, command::rerun::run(args, printable, strategies)).and_then(|ended| ended)
        }
        Some(Command::Plot(args)) => command::plot::run(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Trace(args)) => {
            command::trace::run(args, printable, strategies).map(|()| ExitCode::SUCCESS)
        }
        None => run(&cli.run, printable, strategies).map(|()| ExitCode::SUCCESS),
    };
    exit(outcome)
}

/// The exit code of an outcome; an error is said on standard error.
fn exit(outcome: Result<ExitCode, Error>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        complain(&error.to_string());
        ExitCode::from(error.exit_code())
    })
}

/// The outcome of a command that prints its document itself when it succeeds. With `-j` standard
/// output is one document in the other case too.
fn reported<T>(as_json: bool, outcome: Result<T, Error>) -> Result<T, Error> {
    match &outcome {
        Err(error) if as_json && !matches!(error, Error::Output(_) | Error::Interrupted { .. }) => {
            print_error(error);
        }
        _ => {}
    }
    outcome
}

/// A benchmark, with its one document on standard output whatever happens.
fn run(args: &cli::RunArgs, argv: Vec<String>, strategies: &[&'static dyn Strategy]) -> Result<(), Error> {
    let output = Output::new(args);
    let mut document = Document::default();
    let outcome = command::run::run(args, argv, strategies, &mut document, &output);
    document.explanation = args.explain.then(|| explain::sentences(&document));
    document.error = outcome.as_ref().err().map(ErrorRecord::new);
    let written = output.end(document);
    outcome.and(written)
}

/// Help and version on standard output; anything else is a usage error, in JSON too if asked for.
fn not_parsed(error: &clap::Error, argv: &[String]) -> ExitCode {
    if !error.use_stderr() {
        return exit(error.print().map(|()| ExitCode::SUCCESS).map_err(Error::Output));
    }
    let usage_error = Error::Usage(cli::in_one_sentence(error));
    if argv.iter().any(|word| cli::asks_for_json(word)) {
        print_error(&usage_error);
    }
    exit(Err(usage_error))
}

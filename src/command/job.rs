//! The hidden command `job`: runs a job that another process of this program describes as JSON.

use std::process::ExitCode;

use super::context::Context;
use super::output::Output;
use super::request::{Request, find_strategy};
use super::run::run as benchmark;
use crate::cli::JobArgs;
use crate::error::Error;
use crate::job::{Job, this_program};
use crate::selftest::marking::Candidate;
use crate::selftest::table::{Criterion, Marking};

/// Runs the job and prints its document as JSON.
pub(crate) fn run(args: &JobArgs, context: &Context) -> ExitCode {
    let output = Output::json_or_text(true).verbose();
    match serde_json::from_str(&args.job) {
        Ok(Job::Run(job)) => output.run(|document| {
            let request = Request::of_job(*job, context.strategies)?;
            benchmark(request, context.argv.to_vec(), document, &output)
        }),
        Ok(Job::Check(job)) => output.run(|document: &mut Option<Marking>| {
            let strategy = find_strategy(&job.strategy, context.strategies)?;
            let program = this_program()?;
            let candidate =
                Candidate { strategy, program: &program, folder: &job.folder, within: job.within };
            let named = Criterion::ALL.into_iter().filter(|criterion| criterion.word() == job.criterion);
            let rows = named.map(|criterion| candidate.row(criterion)).collect();
            let (folder, within) = (job.folder.display().to_string(), job.within);
            let marking = document.insert(Marking { folder, within, ..Marking::default() });
            marking.add(strategy.info(), rows);
            Ok(ExitCode::SUCCESS)
        }),
        Err(error) => output.run(|_: &mut Option<Marking>| Err(Error::usage(format!("job: {error}")))),
    }
}

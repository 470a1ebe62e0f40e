//! `iobench ab`: compares two settings in one process. It measures pairs, with one sample of each setting per
//! pair.

use std::ffi::OsString;
use std::process::ExitCode;

use super::compare::exit_code;
use super::context::Context;
use super::prepared::{self, Prepared};
use super::request::Request;
use crate::cli::{self, AbArgs};
use crate::engine::affinity;
use crate::engine::extents;
use crate::engine::iteration;
use crate::engine::operation::Mode;
use crate::engine::prepare;
use crate::engine::target::Target;
use crate::error::Error;
use crate::random::Random;
use crate::report::comparison::{Comparison, judged};
use crate::report::document::Warning;
use crate::stats;

/// Runs both settings, and compares them.
///
/// # Errors
/// The errors of either setting. The document holds the pairs that were measured before the error.
pub(crate) fn run(
    args: &AbArgs,
    context: &Context,
    document: &mut Option<Comparison>,
) -> Result<ExitCode, Error> {
    let (first, second) = split(&args.settings)?;
    // Both settings are checked before a file is created.
    let (first_request, second_request) = (request(first, context)?, request(second, context)?);
    let (old, new) = (Side::new(first_request)?, Side::new(second_request)?);
    let threshold = args.comparison.threshold;
    let (old_name, new_name) = (words(first), words(second));
    let comparison = document.insert(Comparison {
        warnings: [old.warnings(&old_name), new.warnings(&new_name)].concat(),
        old: old_name,
        new: new_name,
        threshold,
        seed: Some(args.seed),
        ..Comparison::default()
    });
    prepare::touch_program();
    let outcome = pairs(&old, &new, args, &mut comparison.pairs_seconds_per_byte);
    let outcome = outcome.and_then(|()| old.finish()).and_then(|()| new.finish());
    let resized = [&old, &new].into_iter().find_map(|side| prepared::resized_warning(&side.target));
    comparison.warnings.extend(resized);
    if let Some(ratio) = stats::paired_ratio(&comparison.pairs_seconds_per_byte) {
        let configuration = prepared::configuration(&new.prepared.request, Vec::new(), false);
        comparison.points = judged(&[(&configuration, ratio)], &[], threshold);
    }
    outcome?;
    Ok(exit_code(comparison))
}

/// Measures the pairs. On an error, `times` holds the pairs before it.
fn pairs(old: &Side, new: &Side, args: &AbArgs, times: &mut Vec<(f64, f64)>) -> Result<(), Error> {
    // The first sample of each setting does not count, because caches and branch predictors are cold.
    old.seconds_per_byte()?;
    new.seconds_per_byte()?;
    let mut random = Random::new(args.seed);
    for _ in 0..args.pairs {
        times.push(random.pair(|| old.seconds_per_byte(), || new.seconds_per_byte())?);
    }
    Ok(())
}

/// The arguments before and after the second `--`.
fn split(settings: &[OsString]) -> Result<(&[OsString], &[OsString]), Error> {
    let mut sides = settings.split(|word| word == "--").filter(|side| !side.is_empty());
    match (sides.next(), sides.next(), sides.next()) {
        (Some(first), Some(second), None) => Ok((first, second)),
        _ => Err(Error::usage("ab: give two settings, as in: iobench ab -- -r -b 4k FILE -- -r -b 64k FILE")),
    }
}

fn words(side: &[OsString]) -> String {
    side.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The request of one setting.
fn request(arguments: &[OsString], context: &Context) -> Result<Request, Error> {
    let no_help = || Error::usage("ab: give the arguments of a benchmark; see iobench --help");
    let parsed = cli::parse_nested(arguments)?.ok_or_else(no_help)?;
    let request = Request::new(&parsed, context.strategies)?;
    if !matches!(request.mode, Mode::Read | Mode::Write) {
        return Err(Error::usage("ab: give -r or -w in both settings"));
    }
    Ok(request)
}

/// One of the two settings.
struct Side {
    prepared: Prepared,
    target: Target,
}

impl Side {
    fn new(request: Request) -> Result<Side, Error> {
        let cpu = affinity::pin(request.workload.cpu)?;
        prepared::make_missing_file(&request)?;
        let target = Target::open(&request.path, request.workload.direction, request.allow_device_write)?;
        target.check_holds(request.file_bytes(), request.workload.block_bytes)?;
        Ok(Side { prepared: Prepared::new(request, &target, cpu)?, target })
    }

    fn warnings(&self, name: &str) -> Vec<Warning> {
        let unstored = extents::unstored(&self.target, self.prepared.request.file_bytes());
        let warnings = self.prepared.warnings(unstored).into_iter();
        warnings
            .map(|warning| Warning { message: format!("{name}: {}", warning.message), ..warning })
            .collect()
    }

    fn finish(&self) -> Result<(), Error> {
        self.prepared.plan.finish(&self.target)
    }

    /// Measures one sample. The time is per byte, because the totals of the settings may differ.
    fn seconds_per_byte(&self) -> Result<f64, Error> {
        let sample = iteration::sample(self.prepared.request.strategy, &self.target, &self.prepared.plan)?;
        Ok(sample.elapsed.total_ns.max(1) as f64 / 1e9 / sample.transferred_bytes.max(1) as f64)
    }
}

//! `iobench ab`: two settings in one run, a sample of each in turn.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use super::compare::{exit_code, print, threshold};
use super::prepared::{self, Prepared};
use super::request::{Mode, Request};
use crate::cli::{self, AbArgs, TracedRun};
use crate::engine::affinity;
use crate::engine::interrupt;
use crate::engine::iteration;
use crate::engine::prepare;
use crate::engine::strategy::Strategy;
use crate::engine::target::Target;
use crate::error::Error;
use crate::report::comparison::{Comparison, judged};
use crate::report::document::SCHEMA_VERSION;
use crate::stats::{self, Random};

/// Runs both settings, and prints which is faster.
///
/// # Errors
/// Those of either run.
pub fn run(args: &AbArgs, strategies: &[&'static dyn Strategy]) -> Result<ExitCode, Error> {
    let threshold = threshold(&args.threshold)?;
    let pairs = cli::count(&args.pairs).map_err(|reason| Error::Usage(format!("-n: {reason}")))?;
    let (first, second) = split(&args.settings)?;
    let names = (words(first), words(second));
    interrupt::install();
    let (old, new) = (Side::new(first, strategies)?, Side::new(second, strategies)?);
    prepare::touch_program();
    let mut random = Random::new(args.seed);
    // One of each first, which does not count: caches and branch predictors are cold.
    old.seconds_per_byte()?;
    new.seconds_per_byte()?;
    let mut times = Vec::new();
    for _ in 0..pairs {
        // Chance says who goes first: so what the first does to the second is noise.
        let pair = match random.below(2) {
            0 => (old.seconds_per_byte()?, new.seconds_per_byte()?),
            _ => {
                let new_first = new.seconds_per_byte()?;
                (old.seconds_per_byte()?, new_first)
            }
        };
        times.push(pair);
    }
    let configuration = prepared::configuration(&new.prepared.request, Vec::new(), false);
    let ratio = stats::paired_ratio(&times)
        .ok_or_else(|| Error::Usage("-n: too few pairs for a ratio".to_owned()))?;
    let comparison = Comparison {
        schema_version: SCHEMA_VERSION,
        old: names.0,
        new: names.1,
        environment: Vec::new(),
        obstacles: Vec::new(),
        threshold,
        machine: Vec::new(),
        points: judged(&[(&configuration, ratio)], &[], threshold),
        pairs_seconds_per_byte: times,
        seed: Some(args.seed),
    };
    print(&comparison, args.json)?;
    Ok(exit_code(&comparison))
}

/// The arguments before and behind the second `--`.
fn split(settings: &[OsString]) -> Result<(&[OsString], &[OsString]), Error> {
    let mut sides = settings.split(|word| word == "--").filter(|side| !side.is_empty());
    match (sides.next(), sides.next(), sides.next()) {
        (Some(first), Some(second), None) => Ok((first, second)),
        _ => Err(Error::Usage(
            "ab: give two settings, as in: iobench ab -- -r -b 4k FILE -- -r -b 64k FILE".to_owned(),
        )),
    }
}

fn words(side: &[OsString]) -> String {
    side.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// One of the two settings.
struct Side {
    prepared: Prepared,
    target: Target,
}

impl Side {
    fn new(arguments: &[OsString], strategies: &[&'static dyn Strategy]) -> Result<Side, Error> {
        let parsed = TracedRun::try_parse_from(arguments)
            .map_err(|error| Error::Usage(format!("ab: {}", cli::in_one_sentence(&error))))?
            .run;
        let request = Request::new(&parsed, strategies)?;
        if !matches!(request.mode, Mode::Read | Mode::Write) {
            return Err(Error::Usage("ab: compare reads or writes".to_owned()));
        }
        let cpu = affinity::pin(request.cpu)?;
        prepared::make_file(&request)?;
        let target = Target::open(&request.path, request.mode.direction(), request.allow_device_write)?;
        target.check_holds(request.file_bytes(), request.block_bytes)?;
        Ok(Side { prepared: Prepared::new(request, &target, cpu)?, target })
    }

    /// One sample, by the byte, so that totals may differ.
    fn seconds_per_byte(&self) -> Result<f64, Error> {
        let sample =
            iteration::run(self.prepared.request.strategy, &self.target, &self.prepared.plan, |_| Ok(()))?;
        Ok(sample.elapsed.total_ns.max(1) as f64 / 1e9 / sample.transferred_bytes.max(1) as f64)
    }
}

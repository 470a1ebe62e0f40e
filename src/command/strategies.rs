//! `iobench strategies`: each I/O path, and whether it runs here.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::StrategiesArgs;
use crate::engine::strategy::{Direction, Limits, Refusal, Strategy, Support};
use crate::engine::target::Target;
use crate::error::Error;
use crate::report::document::SCHEMA_VERSION;
use crate::report::json;

/// The list as a document.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "I/O paths of iobench and whether they run here")]
pub struct Listing {
    /// Version of this document's form.
    pub schema_version: u32,
    /// What was asked about.
    pub path: String,
    /// One object a strategy.
    pub strategies: Vec<Entry>,
}

/// One strategy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entry {
    /// The value of `--strategy`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Whether offsets may jump.
    pub random: bool,
    /// Whether it runs here.
    pub supported: bool,
    /// Its limits here; null if it does not run.
    pub limits: Option<Limits>,
    /// Why it does not run; null if it does.
    pub refusal: Option<Refusal>,
    /// Its limits here with -d; null if it does not run so.
    pub direct_limits: Option<Limits>,
    /// Why it does not run with -d; null if it does.
    pub direct_refusal: Option<Refusal>,
}

/// Prints the list.
///
/// # Errors
/// [`Error::Open`] if the path cannot be asked about, [`Error::Output`] if the reader is gone.
pub fn run(args: &StrategiesArgs, strategies: &[&'static dyn Strategy]) -> Result<(), Error> {
    let target = match args.path.is_dir() {
        true => Target::scratch(&args.path)?,
        false => Target::open(&args.path, Direction::Read, false)?,
    };
    let listing = Listing {
        schema_version: SCHEMA_VERSION,
        path: args.path.display().to_string(),
        strategies: strategies.iter().map(|strategy| entry(*strategy, &target)).collect(),
    };
    let mut output = io::stdout().lock();
    if args.json {
        return json::write(&mut output, &listing);
    }
    print(&mut output, &listing).and_then(|()| output.flush()).map_err(Error::Output)
}

fn entry(strategy: &dyn Strategy, target: &Target) -> Entry {
    let info = strategy.info();
    let (limits, refusal) = split(strategy.probe(target, false));
    let (direct_limits, direct_refusal) = split(strategy.probe(target, true));
    Entry {
        name: info.name,
        summary: info.summary,
        random: info.random,
        supported: limits.is_some(),
        limits,
        refusal,
        direct_limits,
        direct_refusal,
    }
}

fn split(support: Support) -> (Option<Limits>, Option<Refusal>) {
    match support {
        Support::Yes(limits) => (Some(limits), None),
        Support::No(refusal) => (None, Some(refusal)),
    }
}

fn print(output: &mut impl Write, listing: &Listing) -> io::Result<()> {
    writeln!(output, "On {}:", listing.path)?;
    for entry in &listing.strategies {
        writeln!(output, "{:<10} {}", entry.name, entry.summary)?;
        writeln!(output, "{:<10}   {}", "", verdict("runs here", entry.limits, &entry.refusal))?;
        writeln!(output, "{:<10}   {}", "", verdict("with -d", entry.direct_limits, &entry.direct_refusal))?;
    }
    Ok(())
}

fn verdict(question: &str, limits: Option<Limits>, refusal: &Option<Refusal>) -> String {
    match (limits, refusal) {
        (Some(limits), _) => format!("{question}: yes{}", within(limits)),
        (None, Some(refusal)) => format!("{question}: no, {}; {}", refusal.explanation, refusal.remedy),
        (None, None) => format!("{question}: no"),
    }
}

fn within(limits: Limits) -> String {
    let depth = match limits.deepest_queue {
        1 => String::new(),
        deepest => format!(", --iodepth up to {deepest}"),
    };
    let alignment = limits
        .alignment
        .map_or(String::new(), |alignment| format!(", multiples of {} bytes", alignment.offset_bytes));
    format!("{depth}{alignment}")
}

//! The list of strategies as a document and as text.

use std::io::{self, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::document::{ErrorRecord, SchemaVersion, Warning};
use crate::engine::strategy::{Properties, Strategy};
use crate::engine::support::{Limits, Refusal, Support};
use crate::engine::target::Target;

/// The I/O paths, and whether they run on one target.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(title = "I/O paths of iobench and whether they run here")]
pub struct Listing {
    /// Version of this document.
    pub schema_version: SchemaVersion,
    /// The file, device or folder that was asked about.
    pub path: String,
    /// One object per strategy.
    pub strategies: Vec<Entry>,
    /// Warnings.
    pub warnings: Vec<Warning>,
    /// What ended the command early; null if nothing did.
    pub error: Option<ErrorRecord>,
}

/// One strategy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entry {
    /// The value of `--strategy`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// True if offsets may jump.
    pub random: bool,
    /// Facts about the path.
    pub properties: Properties,
    /// True if it runs here.
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

impl Listing {
    /// Asks every strategy whether it runs on `target`.
    pub fn new(path: &Path, target: &Target, strategies: &[&'static dyn Strategy]) -> Listing {
        Listing {
            path: path.display().to_string(),
            strategies: strategies.iter().map(|strategy| Entry::new(*strategy, target)).collect(),
            ..Listing::default()
        }
    }

    /// Writes the list for people.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "On {}:", self.path)?;
        for entry in &self.strategies {
            writeln!(output, "{:<10} {}", entry.name, entry.summary)?;
            let plain = answer("runs here", entry.limits, entry.refusal.as_ref());
            writeln!(output, "{:<10}   {plain}", "")?;
            let direct = answer("with -d", entry.direct_limits, entry.direct_refusal.as_ref());
            writeln!(output, "{:<10}   {direct}", "")?;
        }
        Ok(())
    }
}

impl Entry {
    fn new(strategy: &dyn Strategy, target: &Target) -> Entry {
        let info = strategy.info();
        let (limits, refusal) = split(strategy.probe(target, false));
        let (direct_limits, direct_refusal) = split(strategy.probe(target, true));
        Entry {
            name: info.name,
            summary: info.summary,
            random: info.random,
            properties: info.properties,
            supported: limits.is_some(),
            limits,
            refusal,
            direct_limits,
            direct_refusal,
        }
    }
}

fn split(support: Support) -> (Option<Limits>, Option<Refusal>) {
    match support {
        Support::Yes(limits) => (Some(limits), None),
        Support::No(refusal) => (None, Some(refusal)),
    }
}

fn answer(question: &str, limits: Option<Limits>, refusal: Option<&Refusal>) -> String {
    match (limits, refusal) {
        (Some(limits), _) => format!("{question}: yes{}", within(limits)),
        (None, Some(refusal)) => format!("{question}: no, {}; {}", refusal.explanation, refusal.remedy),
        (None, None) => format!("{question}: no"),
    }
}

fn within(limits: Limits) -> String {
    let depth = match limits.max_iodepth {
        1 => String::new(),
        most => format!(", --iodepth up to {most}"),
    };
    let alignment = limits
        .alignment
        .map(|alignment| format!(", multiples of {} bytes", alignment.offset_bytes))
        .unwrap_or_default();
    format!("{depth}{alignment}")
}

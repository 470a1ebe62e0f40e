//! The list of strategies, as a document and as text.

use std::io::{self, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::document::{ErrorRecord, SchemaVersion, Warning};
use crate::engine::strategy::{Properties, Strategy};
use crate::engine::support::{Limits, Refusal, Support};
use crate::engine::target::Target;
use crate::printable::line;

/// The strategies and their support on a target.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(title = "Strategies of iobench and their support on a target")]
pub struct Listing {
    /// Version of the document format.
    pub schema_version: SchemaVersion,
    /// File, device or folder that the strategies were probed on.
    pub path: String,
    /// One object per strategy.
    pub strategies: Vec<Entry>,
    /// Warnings about the listing.
    pub warnings: Vec<Warning>,
    /// Error that ended the command early; null if there was none.
    pub error: Option<ErrorRecord>,
}

/// One strategy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entry {
    /// Name of the strategy, as in `--strategy`.
    pub name: &'static str,
    /// Summary in one line.
    pub summary: &'static str,
    /// True if the strategy supports random access.
    pub random: bool,
    /// Properties of the strategy.
    pub properties: Properties,
    /// True if the strategy is supported on the target.
    pub supported: bool,
    /// Limits on the target; null if the strategy is not supported.
    pub limits: Option<Limits>,
    /// Reason why the strategy is not supported; null if it is.
    pub refusal: Option<Refusal>,
    /// Limits on the target with -d; null if the strategy is not supported with -d.
    pub direct_limits: Option<Limits>,
    /// Reason why the strategy is not supported with -d; null if it is.
    pub direct_refusal: Option<Refusal>,
}

impl Listing {
    /// Probes every strategy on `target`.
    pub fn new(path: &Path, target: &Target, strategies: &[&'static dyn Strategy]) -> Listing {
        Listing {
            path: path.display().to_string(),
            strategies: strategies.iter().map(|strategy| Entry::new(*strategy, target)).collect(),
            ..Listing::default()
        }
    }

    /// Writes the list as text.
    ///
    /// # Errors
    /// The errors of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "Strategies on {}:", line(&self.path))?;
        for entry in &self.strategies {
            writeln!(output, "{:<10} {}", entry.name, entry.summary)?;
            let plain = support("runs here", entry.limits, entry.refusal.as_ref());
            writeln!(output, "{:<10}   {plain}", "")?;
            let direct = support("with -d", entry.direct_limits, entry.direct_refusal.as_ref());
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

fn support(label: &str, limits: Option<Limits>, refusal: Option<&Refusal>) -> String {
    match (limits, refusal) {
        (Some(limits), _) => format!("{label}: yes{}", describe_limits(limits)),
        (None, Some(refusal)) => format!("{label}: no, {}; {}", refusal.explanation, refusal.remedy),
        (None, None) => format!("{label}: no"),
    }
}

fn describe_limits(limits: Limits) -> String {
    let depth = match limits.max_iodepth {
        1 => String::new(),
        most => format!(", --iodepth up to {most}"),
    };
    let alignment = limits
        .alignment
        .map(|alignment| format!(", -b in multiples of {} bytes", alignment.offset_bytes))
        .unwrap_or_default();
    format!("{depth}{alignment}")
}

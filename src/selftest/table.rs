//! The marking table: a row per criterion, as a document and as text.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::strategy::Info;
use crate::report::document::{ErrorRecord, SchemaVersion, Warning};

/// Criterion that a strategy is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Criterion {
    /// The data is correct.
    Data,
    /// The strategy reads and writes.
    Directions,
    /// The calls between the brackets are the declared ones.
    Bracket,
    /// Failed and short system calls are reported as errors.
    Errors,
    /// The requested settings are used.
    Fallback,
    /// It is slower than a C loop by at most --within.
    Speed,
}

impl Criterion {
    /// All criteria, in the order of the table.
    pub const ALL: [Criterion; 6] = [
        Criterion::Data,
        Criterion::Directions,
        Criterion::Bracket,
        Criterion::Errors,
        Criterion::Fallback,
        Criterion::Speed,
    ];

    /// Description of a strategy that passes: a clause.
    pub(super) fn kept(self) -> &'static str {
        match self {
            Criterion::Data => "the bytes read are the bytes written, in every size, order and depth",
            Criterion::Directions => "reads and writes both work, and each I/O is counted once",
            Criterion::Bracket => "only the declared calls, in the declared number",
            Criterion::Errors => {
                "real and injected failures, short transfers and interruptions reach the user"
            }
            Criterion::Fallback => "the requested settings are granted, and no other call is used instead",
            Criterion::Speed => "as fast as the C loop",
        }
    }

    /// The title of its row.
    fn title(self, within: f64) -> String {
        let title = match self {
            Criterion::Data => "data correct",
            Criterion::Directions => "both directions",
            Criterion::Bracket => "bracket pure",
            Criterion::Errors => "errors reported",
            Criterion::Fallback => "no fallback",
            Criterion::Speed => {
                return format!("within {} % of the C loop", (within * 1000.0).round() / 10.0);
            }
        };
        title.to_owned()
    }

    /// The word of `--only` and of JSON.
    pub fn word(self) -> &'static str {
        match self {
            Criterion::Data => "data",
            Criterion::Directions => "directions",
            Criterion::Bracket => "bracket",
            Criterion::Errors => "errors",
            Criterion::Fallback => "fallback",
            Criterion::Speed => "speed",
        }
    }
}

/// Result of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// No fault was found.
    Pass,
    /// A fault was found.
    Fail,
    /// It does not apply to this strategy.
    NotApplicable,
    /// It could not be checked here.
    NotChecked,
    /// It was measured, and the samples do not decide.
    Inconclusive,
}

impl Mark {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Mark::Pass => "pass",
            Mark::Fail => "FAIL",
            Mark::NotApplicable => "n/a",
            Mark::NotChecked => "not checked",
            Mark::Inconclusive => "inconclusive",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The criterion.
    pub criterion: Criterion,
    /// The result.
    pub mark: Mark,
    /// The findings, and advice if there is a fault.
    pub sentence: String,
    /// Times compared with the C loop; empty in the other rows.
    pub time_ratios: Vec<TimeRatio>,
}

/// Pairs of runs of the strategy and of the C loop.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRatio {
    /// read or write.
    pub direction: String,
    /// Mode of the C loop.
    pub c_loop: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Median over the pairs of the strategy's time divided by that of the C loop.
    pub ratio: f64,
    /// Order-statistic interval of that median, at least 95 %; null below six pairs.
    pub interval: Option<(f64, f64)>,
}

impl Row {
    /// A row without times.
    pub fn new(criterion: Criterion, mark: Mark, sentence: impl Into<String>) -> Row {
        Row { criterion, mark, sentence: sentence.into(), time_ratios: Vec::new() }
    }
}

/// The tables of some strategies as a document.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Marks of iobench's strategies")]
#[serde(deny_unknown_fields)]
pub struct Marking {
    /// Version of this document.
    pub schema_version: SchemaVersion,
    /// The folder of the files.
    pub folder: String,
    /// Fraction of the C loop's time by which a strategy may be slower.
    pub within: f64,
    /// One object per strategy.
    pub strategies: Vec<Table>,
    /// Warnings.
    pub warnings: Vec<Warning>,
    /// Error that ended the command early; null if it finished.
    pub error: Option<ErrorRecord>,
}

/// The table of one strategy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The value of `--strategy`.
    pub name: String,
    /// One line.
    pub summary: String,
    /// One object per criterion.
    pub rows: Vec<Row>,
}

impl Marking {
    /// Adds the table of a strategy, whose rows may follow later.
    pub fn add(&mut self, info: &Info, rows: Vec<Row>) -> &mut Vec<Row> {
        let table = Table { name: info.name.to_owned(), summary: info.summary.to_owned(), rows };
        self.strategies.push(table);
        let last = self.strategies.len() - 1;
        &mut self.strategies[last].rows
    }

    /// True if any row has this result.
    pub fn has(&self, mark: Mark) -> bool {
        self.strategies.iter().flat_map(|table| &table.rows).any(|row| row.mark == mark)
    }

    /// Writes the tables for people.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        for table in &self.strategies {
            writeln!(output, "{}: {}", table.name, table.summary)?;
            for row in &table.rows {
                let title = row.criterion.title(self.within);
                writeln!(output, "  {title:<26} {:<12} {}", row.mark.word(), row.sentence)?;
            }
        }
        Ok(())
    }
}

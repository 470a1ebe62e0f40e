//! The checks summed up as a marking table: a row a criterion.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CHECKS, Found, Outcome, Subject, Verdict, modes, speed};
use crate::engine::strategy::{Refusal, Strategy};

/// What a strategy is marked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Criterion {
    /// The bytes that arrive are the right ones.
    Data,
    /// It reads and it writes.
    Directions,
    /// Between the brackets is what it declares.
    Bracket,
    /// What the kernel refuses or cuts short is an error.
    Errors,
    /// What is asked for is what is done.
    Fallback,
    /// It takes no longer than a loop in C.
    Speed,
}

impl Criterion {
    /// Every one, in the order of the table.
    pub const ALL: [Criterion; 6] = [
        Criterion::Data,
        Criterion::Directions,
        Criterion::Bracket,
        Criterion::Errors,
        Criterion::Fallback,
        Criterion::Speed,
    ];

    /// What a strategy does that passes.
    fn kept(self) -> &'static str {
        match self {
            Criterion::Data => "what is written is what is read, in every size, order and depth",
            Criterion::Directions => "both move bytes, and each I/O is counted once",
            Criterion::Bracket => "the declared calls, no others, in number too",
            Criterion::Errors => {
                "failures, short transfers and interruptions reach the user, real ones and injected ones"
            }
            Criterion::Fallback => "what was asked for is granted, and the declared calls move the bytes",
            Criterion::Speed => "as fast as the C loop",
        }
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

/// How a row ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing wrong was found.
    Pass,
    /// Something is wrong.
    Fail,
    /// It cannot be asked of this strategy.
    NotApplicable,
    /// It could not be found out here.
    NotChecked,
    /// It was measured, and the samples do not say.
    Inconclusive,
}

impl Mark {
    /// As the table prints it.
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
    /// What is marked.
    pub criterion: Criterion,
    /// How it ends.
    pub mark: Mark,
    /// What was found, and where something is wrong what to do.
    pub sentence: String,
    /// Times beside the C loop; empty in the other rows.
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
    /// Median over the pairs of the strategy's time by that of the C loop.
    pub ratio: f64,
    /// Order-statistic interval of that median, at least 95 %; null below six pairs.
    pub interval: Option<(f64, f64)>,
}

impl Row {
    /// A row without figures.
    pub fn new(criterion: Criterion, mark: Mark, sentence: impl Into<String>) -> Row {
        Row { criterion, mark, sentence: sentence.into(), time_ratios: Vec::new() }
    }
}

/// A strategy that is to be marked.
pub struct Candidate<'a> {
    /// The I/O path.
    pub strategy: &'a dyn Strategy,
    /// The program that has it registered; it is run under strace and beside the C loop.
    pub program: &'a Path,
    /// Where files can be put.
    pub folder: &'a Path,
    /// Part of the C loop's time by which the strategy may be slower.
    pub within: f64,
}

impl Candidate<'_> {
    /// Marks it for one criterion.
    pub fn row(&self, criterion: Criterion) -> Row {
        if criterion == Criterion::Speed {
            return speed::row(self);
        }
        let (mut verdicts, mut refusals) = (Vec::new(), Vec::new());
        for direct in modes(self.strategy.info()) {
            match Subject::find(self.strategy, self.folder, *direct) {
                Ok(Found::Runs(subject)) => {
                    verdicts.extend(verdicts_on(subject.run_by(self.program), criterion))
                }
                Ok(Found::Refused(refusal)) => refusals.push(refusal),
                Err(fault) => verdicts.push(Err(fault)),
            }
        }
        summed_up(criterion, &verdicts, &refusals)
    }
}

/// The verdicts of the criterion's checks; a fault with what to do about it.
fn verdicts_on(subject: Subject, criterion: Criterion) -> Vec<Verdict> {
    let flag = if subject.direct { " with O_DIRECT" } else { "" };
    let subject = match criterion {
        Criterion::Directions => subject,
        _ => subject.where_it_moves(),
    };
    if subject.directions.is_empty() {
        return vec![Ok(Outcome::NotChecked("neither direction works: see both directions".to_owned()))];
    }
    let checks = CHECKS.iter().filter(|check| check.criterion == criterion);
    let said = |fault, remedy| format!("{fault}{flag}: {remedy}");
    checks.map(|check| check.verdict(&subject).map_err(|fault| said(fault, check.remedy))).collect()
}

/// The first fault; else what was not checked; else a pass, if anything was checked at all.
fn summed_up(criterion: Criterion, verdicts: &[Verdict], refusals: &[Refusal]) -> Row {
    if let Some(fault) = verdicts.iter().find_map(|verdict| verdict.as_ref().err()) {
        return Row::new(criterion, Mark::Fail, fault);
    }
    let outcomes = || verdicts.iter().filter_map(|verdict| verdict.as_ref().ok());
    let unchecked = outcomes().find_map(|outcome| match outcome {
        Outcome::NotChecked(reason) => Some(reason),
        _ => None,
    });
    if let Some(reason) = unchecked {
        return Row::new(criterion, Mark::NotChecked, reason);
    }
    if outcomes().any(|outcome| *outcome == Outcome::Passed) {
        return Row::new(criterion, Mark::Pass, criterion.kept());
    }
    let reason = outcomes().find_map(|outcome| match outcome {
        Outcome::DoesNotApply(reason) => Some(reason.clone()),
        _ => None,
    });
    match (reason, refusals.first()) {
        (Some(reason), _) => Row::new(criterion, Mark::NotApplicable, reason),
        (None, Some(refusal)) => {
            let sentence = format!("it refuses to run here: {}; {}", refusal.explanation, refusal.remedy);
            Row::new(criterion, Mark::NotChecked, sentence)
        }
        (None, None) => Row::new(criterion, Mark::NotChecked, "there is no check to run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::strategy::Reason;

    fn mark(verdicts: &[Verdict], refusals: &[Refusal]) -> Mark {
        summed_up(Criterion::Data, verdicts, refusals).mark
    }

    #[test]
    fn a_row_is_green_only_if_something_was_checked_and_nothing_was_wrong() {
        let wrong = || Err("x".to_owned());
        let unchecked = || Ok(Outcome::NotChecked("y".to_owned()));
        let inapplicable = || Ok(Outcome::DoesNotApply("z".to_owned()));
        let refusal =
            Refusal { reason: Reason::Seccomp, explanation: "a".to_owned(), remedy: "b".to_owned() };
        assert_eq!(mark(&[Ok(Outcome::Passed), unchecked(), wrong()], &[]), Mark::Fail);
        assert_eq!(mark(&[Ok(Outcome::Passed), unchecked()], &[]), Mark::NotChecked);
        assert_eq!(mark(&[Ok(Outcome::Passed), inapplicable()], std::slice::from_ref(&refusal)), Mark::Pass);
        assert_eq!(mark(&[inapplicable()], &[]), Mark::NotApplicable);
        assert_eq!(mark(&[], &[refusal]), Mark::NotChecked);
        assert_eq!(mark(&[], &[]), Mark::NotChecked);
    }
}

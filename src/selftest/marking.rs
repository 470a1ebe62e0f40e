//! Summary of the checks under a criterion.

use std::path::Path;

use super::checks::CHECKS;
use super::data;
use super::speed;
use super::subject::{CheckResult, Outcome, Probed, Subject};
use super::table::{Criterion, Mark, Row};
use crate::engine::strategy::Strategy;
use crate::engine::support::Refusal;

/// A strategy to be marked.
pub struct Candidate<'a> {
    /// The I/O path.
    pub strategy: &'static dyn Strategy,
    /// The program in which it is registered. It runs under strace and beside the C loop.
    pub program: &'a Path,
    /// Folder for files.
    pub folder: &'a Path,
    /// Fraction of the C loop's time by which the strategy may be slower.
    pub within: f64,
}

impl Candidate<'_> {
    /// Marks it for one criterion.
    pub fn row(&self, criterion: Criterion) -> Row {
        let Candidate { strategy, program, folder, within } = *self;
        if criterion == Criterion::Speed {
            return speed::row(strategy, program, folder, within);
        }
        let (mut results, mut refusals) = (Vec::new(), Vec::new());
        for direct in strategy.info().direct.modes() {
            match Subject::probe(strategy, folder, *direct) {
                Ok(Probed::Runs(subject)) => results.extend(results_on(subject.run_by(program), criterion)),
                Ok(Probed::Refused(refusal)) => refusals.push(refusal),
                Err(fault) => results.push(Err(fault)),
            }
        }
        summed_up(criterion, &results, &refusals)
    }
}

/// The results of the criterion's checks; a fault with advice.
fn results_on(subject: Subject, criterion: Criterion) -> Vec<CheckResult> {
    let flag = if subject.direct { " with O_DIRECT" } else { "" };
    let subject = match criterion {
        Criterion::Directions => subject,
        _ => data::where_it_moves(&subject),
    };
    if subject.directions.is_empty() {
        return vec![Ok(Outcome::NotChecked(
            "neither reading nor writing works; see the row 'both directions'".to_owned(),
        ))];
    }
    let checks = CHECKS.iter().filter(|check| check.criterion == criterion);
    let advised = |fault, remedy| format!("{fault}{flag}: {remedy}");
    checks.map(|check| check.verdict(&subject).map_err(|fault| advised(fault, check.remedy))).collect()
}

/// The first fault, or else the first check that was not possible. A pass if any check was possible.
fn summed_up(criterion: Criterion, results: &[CheckResult], refusals: &[Refusal]) -> Row {
    if let Some(fault) = results.iter().find_map(|result| result.as_ref().err()) {
        return Row::new(criterion, Mark::Fail, fault);
    }
    let outcomes = || results.iter().filter_map(|result| result.as_ref().ok());
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
            let sentence =
                format!("the strategy does not run here: {}; {}", refusal.explanation, refusal.remedy);
            Row::new(criterion, Mark::NotChecked, sentence)
        }
        (None, None) => Row::new(criterion, Mark::NotChecked, "this criterion has no check"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::support::Reason;

    fn mark(results: &[CheckResult], refusals: &[Refusal]) -> Mark {
        summed_up(Criterion::Data, results, refusals).mark
    }

    #[test]
    fn a_row_is_green_only_if_something_was_checked_and_nothing_was_wrong() {
        let wrong = || Err("x".to_owned());
        let unchecked = || Ok(Outcome::NotChecked("y".to_owned()));
        let inapplicable = || Ok(Outcome::DoesNotApply("z".to_owned()));
        let refusal = Refusal::new(Reason::Seccomp, "a", "b");
        assert_eq!(mark(&[Ok(Outcome::Passed), unchecked(), wrong()], &[]), Mark::Fail);
        assert_eq!(mark(&[Ok(Outcome::Passed), unchecked()], &[]), Mark::NotChecked);
        assert_eq!(mark(&[Ok(Outcome::Passed), inapplicable()], std::slice::from_ref(&refusal)), Mark::Pass);
        assert_eq!(mark(&[inapplicable()], &[]), Mark::NotApplicable);
        assert_eq!(mark(&[], &[refusal]), Mark::NotChecked);
        assert_eq!(mark(&[], &[]), Mark::NotChecked);
    }
}

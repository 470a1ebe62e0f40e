//! `iobench selftest` on the skeleton of the handout, on strategies that are wrong in one thing each,
//! and on those of the tree.
//!
//! This program is both: with [`AS_PROGRAM`] set it is a program of a student's, without it is the tests,
//! which run it so.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use iobench::engine::blocking::blocking;
use iobench::report::json::schema;
use iobench::selftest::table::{Criterion, Mark, Marking, Row};
use iobench::strategies;

use crate::common::{self, Filesystem, Outcome, own_cpu};
use crate::trials::{Test, tests};
use crate::{flawed, skeleton};

const AS_PROGRAM: &str = "IOBENCH_TEST_AS_PROGRAM";
/// All rows whose marks do not depend on the machine's speed.
const WITHOUT_SPEED: &str = "data,directions,bracket,errors,fallback";

/// The tests, the longest first.
pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => each_flaw_is_red_in_its_row_and_in_no_other,
        [STRACE] => the_skeleton_and_every_strategy_of_the_tree_are_green,
        [STRACE, CC] => a_slow_strategy_is_red_for_its_time_alone,
        [] => a_crash_is_red_and_the_table_is_whole,
        [] => without_strace_and_cc_nothing_is_green_that_needs_them,
        [] => bad_input_is_refused_in_one_sentence,
        [] => the_file_that_is_named_stays_as_it_is,
    ]
}

/// Runs the program of a student's, if this process is it.
pub(crate) fn as_program() -> Option<ExitCode> {
    std::env::var_os(AS_PROGRAM)?;
    let own = [&const { blocking::<skeleton::Mine>() } as _];
    Some(iobench::main_with(&[strategies::ALL, &own, &flawed::ALL].concat()))
}

/// `selftest` as a student's own program, on a CPU of its own.
fn selftest(args: &[&str], folder: &Path) -> Command {
    own_cpu::take();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("selftest").args(args).arg(folder).env(AS_PROGRAM, "1").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Outcome {
    let scratch = Filesystem::scratch();
    let outcome = common::outcome(selftest(args, scratch.folder()).output().unwrap());
    let left: Vec<_> = std::fs::read_dir(scratch.folder()).unwrap().collect();
    assert!(left.is_empty(), "files are left behind: {left:?}");
    outcome
}

/// The document, which obeys its schema.
fn marking(outcome: &Outcome) -> Marking {
    let document = outcome.json();
    common::assert_valid(schema::<Marking>().as_value(), &document);
    serde_json::from_value(document).unwrap()
}

/// The rows of the only strategy: word of the criterion -> row.
fn rows(outcome: &Outcome) -> BTreeMap<&'static str, Row> {
    let marking = marking(outcome);
    assert_eq!(marking.strategies.len(), 1);
    let rows = marking.strategies.into_iter().flat_map(|table| table.rows);
    rows.map(|row| (row.criterion.word(), row)).collect()
}

fn the_skeleton_and_every_strategy_of_the_tree_are_green() {
    for name in common::strategies().chain(["mine"]) {
        let outcome = run(&["--strategy", name, "--only", WITHOUT_SPEED, "-j"]);
        let marking = marking(&outcome);
        let rows = &marking.strategies[0].rows;
        assert_eq!(outcome.code, Some(0), "{name}: {outcome:#?}");
        assert_eq!(rows.len(), 5, "{name}: {rows:#?}");
        assert!(
            rows.iter().all(|row| matches!(row.mark, Mark::Pass | Mark::NotApplicable)),
            "{name}: {rows:#?}"
        );
        // Only a strategy that moves nothing has no data to check.
        let inapplicable = rows.iter().filter(|row| row.mark == Mark::NotApplicable).count();
        assert_eq!(inapplicable, if name == "null" { 2 } else { 0 }, "{name}: {rows:#?}");
    }
}

fn each_flaw_is_red_in_its_row_and_in_no_other() {
    for (name, red, words) in flawed::FLAWS {
        let outcome = run(&["--strategy", name, "--only", WITHOUT_SPEED, "-j"]);
        assert_eq!(outcome.code, Some(1), "{name}: {outcome:#?}");
        for (criterion, row) in rows(&outcome) {
            let wanted = if criterion == *red { Mark::Fail } else { Mark::Pass };
            assert_eq!(row.mark, wanted, "{name}: {row:#?}");
            let says = |word: &&str| row.sentence.contains(*word);
            assert!(wanted == Mark::Pass || words.iter().all(says), "{name}: {words:?} in {}", row.sentence);
        }
        let text = run(&["--strategy", name, "--only", red]);
        assert_eq!(text.code, Some(1), "{name}: {text:#?}");
        let lines: Vec<&str> = text.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "a heading and a row: {text:#?}");
        assert!(lines[0].starts_with(&format!("{name}: ")) && lines[1].contains(" FAIL "), "{text:#?}");
        assert!(words.iter().all(|word| lines[1].contains(word)), "{words:?} in {}", lines[1]);
    }
}

fn a_slow_strategy_is_red_for_its_time_alone() {
    let outcome = run(&["--strategy", flawed::SLOW, "-j"]);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    let rows = rows(&outcome);
    assert_eq!(rows.len(), Criterion::ALL.len());
    for (criterion, row) in &rows {
        let wanted = if *criterion == "speed" { Mark::Fail } else { Mark::Pass };
        assert_eq!(row.mark, wanted, "{row:#?}");
    }
    let ratios = &rows["speed"].time_ratios;
    let modes: Vec<(&str, &str)> =
        ratios.iter().map(|ratio| (ratio.direction.as_str(), ratio.c_loop.as_str())).collect();
    assert_eq!(modes, [("read", "pread64"), ("write", "pwrite64")]);
    assert!(rows["speed"].sentence.contains("the limit is 1.20"), "{}", rows["speed"].sentence);
}

fn a_crash_is_red_and_the_table_is_whole() {
    let outcome = run(&["--strategy", flawed::CRASHES, "-j"]);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    let rows = rows(&outcome);
    assert_eq!(rows.len(), Criterion::ALL.len());
    for row in rows.values() {
        assert!(row.mark == Mark::Fail && row.sentence.contains("SIGSEGV"), "{row:#?}");
    }
}

fn without_strace_and_cc_nothing_is_green_that_needs_them() {
    let scratch = Filesystem::scratch();
    let empty = scratch.folder().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = selftest(&["--strategy", "mine", "-j"], scratch.folder());
    let outcome = common::outcome(command.env("PATH", &empty).output().unwrap());
    assert_eq!(outcome.code, Some(2), "not green, and nothing red: {outcome:#?}");
    for (criterion, row) in rows(&outcome) {
        let (mark, word) = match criterion {
            "bracket" | "errors" | "fallback" => (Mark::NotChecked, "install strace"),
            "speed" => (Mark::NotChecked, "install a C compiler"),
            _ => (Mark::Pass, ""),
        };
        assert!(row.mark == mark && row.sentence.contains(word), "{row:#?}");
    }
}

fn bad_input_is_refused_in_one_sentence() {
    let known = ["there is no such strategy", "pread", "mine"];
    let cases: [(&[&str], i32, &[&str]); 4] = [
        (&["--strategy", "mien"], 64, &known),
        (&["--strategy", "mine", "--within", "0"], 64, &["--within", "is not a fraction"]),
        (&["--strategy", "mine", "--only", "beauty"], 64, &["beauty", "data, directions"]),
        (&[], 64, &["--strategy"]),
    ];
    for (args, code, words) in cases {
        let outcome = run(&[args, &["-j"]].concat());
        assert_refused(&outcome, code, words);
    }
    let scratch = Filesystem::scratch();
    let missing = scratch.folder().join("missing");
    let outcome = selftest(&["--strategy", "mine", "-j"], &missing).output().unwrap();
    assert_refused(&common::outcome(outcome), 66, &["missing", "No such file"]);
}

fn assert_refused(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "one sentence: {outcome:?}");
    assert!(words.iter().all(|word| outcome.stderr.contains(word)), "{words:?} in {outcome:?}");
    assert_eq!(outcome.json()["error"]["exit_code"], code);
}

fn the_file_that_is_named_stays_as_it_is() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 16);
    let outcome = selftest(&["--strategy", "null", "--only", "directions"], &file).output().unwrap();
    assert_eq!(outcome.status.code(), Some(0));
    assert_eq!(std::fs::read(&file).unwrap(), common::pattern(0, 1 << 16));
    assert_eq!(std::fs::read_dir(scratch.folder()).unwrap().count(), 1, "nothing is left beside it");
}

//! How bad input is refused, asserted in one place: exit code, one sentence, one document, and
//! nothing changed; and how to run the program so that the system refuses something.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of this module")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Outcome, finish, iobench, runs_here};

pub const MIB: u64 = 1 << 20;

/// The signals that end a run, and its exit codes then.
pub const SIGNALS: [(Signal, i32); 4] =
    [(Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGQUIT, 131), (Signal::SIGTERM, 143)];

// Exit codes and kinds that go with them.
pub const USAGE: (i32, &str) = (64, "usage");
pub const OPEN: (i32, &str) = (66, "open");
pub const SYSTEM: (i32, &str) = (71, "system");
pub const IO: (i32, &str) = (74, "io");
pub const SHORT: (i32, &str) = (74, "short_file");

/// The program with these arguments in `folder`, without the lab's pause.
pub fn bench(folder: &Path, args: &[&str]) -> Command {
    through(iobench(), folder, args)
}

/// The same through a program that runs others, such as strace(1).
pub fn through(mut command: Command, folder: &Path, args: &[&str]) -> Command {
    if command.get_program() != iobench().get_program() {
        command.arg(iobench().get_program());
    }
    command.args(["--settle", "0"]).args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// The sentence on standard error, after the program's name: exactly one line.
pub fn sentence(outcome: &Outcome) -> &str {
    let line = outcome.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no sentence: {outcome:?}"));
    assert!(!line.contains('\n'), "more than one line: {outcome:?}");
    line.strip_prefix("iobench: ").unwrap_or_else(|| panic!("who says so? {outcome:?}"))
}

/// Asserts that the document has an `error`, that it says what standard error says, and returns
/// the document.
pub fn assert_error(outcome: &Outcome, (exit_code, kind): (i32, &str)) -> Value {
    assert_eq!(outcome.code, Some(exit_code), "{outcome:?}");
    let document = outcome.json();
    let error = &document["error"];
    assert_eq!(error["exit_code"], exit_code, "{outcome:?}");
    assert_eq!(error["kind"], kind, "{outcome:?}");
    assert_eq!(error["message"], sentence(outcome), "{outcome:?}");
    document
}

/// Asserts that the command is refused, as text and with `-j`: exit code and kind, one sentence
/// with each of the words in `says`, and no sample. Returns the sentence.
pub fn refused(command: impl Fn() -> Command, error: (i32, &str), says: &[&str]) -> String {
    let text = finish(&mut command());
    assert_eq!(text.code, Some(error.0), "{text:?}");
    assert_eq!(text.stdout, "", "{text:?}");
    let sentence = sentence(&text).to_owned();
    for words in says {
        assert!(sentence.contains(words), "'{words}' is not in '{sentence}'");
    }
    let json = finish(command().arg("-j"));
    let document = assert_error(&json, error);
    assert_eq!(document["benchmark_samples"], serde_json::json!([]), "{json:?}");
    sentence
}

/// A folder whose contents must stay what they are.
pub struct Untouched<'a> {
    folder: &'a Path,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Untouched<'_> {
    pub fn new(folder: &Path) -> Untouched<'_> {
        Untouched { folder, before: contents(folder) }
    }

    pub fn check(&self, what: impl std::fmt::Debug) {
        assert!(contents(self.folder) == self.before, "{what:?} changed a file, made one or lost one");
    }
}

/// Every entry of a folder, with the bytes of the regular files.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut entries: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            (path, bytes)
        })
        .collect();
    entries.sort();
    entries
}

/// Asserts that each command line is refused, and that the folder stays unchanged.
pub fn all_refused(folder: &Path, error: (i32, &str), cases: &[(&[&str], &[&str])]) {
    let untouched = Untouched::new(folder);
    let runs = |args: &[&str]| !args.contains(&"io_uring") || runs_here("io_uring");
    for (args, says) in cases.iter().filter(|(args, _)| runs(args)) {
        refused(|| bench(folder, args), error, says);
        untouched.check(args);
    }
}

/// Runs programs as a user (`uid`) who has no rights here. A test that calls this needs the capability
/// `unprivileged`.
pub fn unprivileged(uid: u32) -> Command {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()]);
    command
}

/// `strace` that makes a system call on `path`, or on any file, end as `fault` says.
pub fn injecting(call: &str, fault: &str, path: Option<&Path>) -> Command {
    let mut command = Command::new("strace");
    // -f: the program may make the call on any of its threads.
    command.args(["-qqq", "-f", "-o", "/dev/null"]);
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}")]);
    if let Some(path) = path {
        command.arg("-P").arg(path);
    }
    command
}

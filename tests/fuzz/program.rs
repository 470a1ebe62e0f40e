//! One run of the program, and what must hold for every run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A run takes at most this long, and ends within this time after a signal.
const LIMIT: Duration = Duration::from_secs(20);

/// Number of runs per exit code since the last look; no code after a signal.
static EXIT_CODES: Mutex<BTreeMap<Option<i32>, u64>> = Mutex::new(BTreeMap::new());

/// The exit codes since the last look, as text.
pub(crate) fn exit_codes() -> String {
    let codes = std::mem::take(&mut *EXIT_CODES.lock().unwrap());
    let shown = codes.iter().map(|(code, count)| match code {
        Some(code) => format!("{code}: {count}"),
        None => format!("signal: {count}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Output and exit code of a run.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// True if -q is among the words: with -j, nothing is printed then, not even a warning.
    is_quiet: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Signals that are sent to a run, each after a time.
pub(crate) type Signals<'a> = &'a [(Duration, Signal)];

/// Runs the program in `folder` with files of its output in `temporary`, outside of what is checked.
pub(crate) fn run(
    words: &[OsString],
    folder: &Path,
    temporary: &Path,
    signals: Signals,
) -> Result<Ended, String> {
    let (stdout, stderr) = (folder.with_file_name("stdout"), folder.with_file_name("stderr"));
    let is_quiet = words.iter().any(|word| word == "-q");
    let mut command = Command::new(env!("CARGO_BIN_EXE_iobench"));
    command.args(words).current_dir(folder).env("TMPDIR", temporary).stdin(Stdio::null());
    command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    // A word may contain a zero byte, which no program can be given.
    let Ok(mut child) = command.spawn() else {
        return Ok(Ended { code: Some(64), is_quiet, stdout: vec![], stderr: String::new() });
    };
    let started = Instant::now();
    let mut pending = signals.iter();
    let mut next = pending.next();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if let Some((_, signal)) = next.filter(|(after, _)| started.elapsed() >= *after) {
            kill(Pid::from_raw(child.id() as i32), *signal).unwrap();
            next = pending.next();
        }
        let last = signals.last().map_or(Duration::ZERO, |(after, _)| *after);
        if started.elapsed() > last + LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err("it did not end".to_owned());
        }
        std::thread::sleep(Duration::from_micros(300));
    };
    *EXIT_CODES.lock().unwrap().entry(status.code()).or_default() += 1;
    let text = String::from_utf8_lossy(&fs::read(&stderr).unwrap()).into_owned();
    Ok(Ended { code: status.code(), is_quiet, stdout: fs::read(&stdout).unwrap(), stderr: text })
}

/// True if a document or a text has warnings.
fn warns(text: &str) -> bool {
    match serde_json::from_str::<Value>(text) {
        Ok(document) => document["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()),
        Err(_) => text.contains("Warning: "),
    }
}

/// The validators of the documents.
pub(crate) struct Oracle {
    schemas: Vec<(&'static str, jsonschema::Validator)>,
}

impl Oracle {
    pub(crate) fn new() -> Oracle {
        let schema = |name: &'static str| {
            let path = format!("{}/docs/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            (name, jsonschema::draft202012::new(&schema).unwrap())
        };
        Oracle { schemas: ["benchmark", "sweep", "comparison", "strategies", "selftest"].map(schema).into() }
    }

    /// Checks exit code, document and messages of a run.
    pub(crate) fn check(&self, ended: &Ended) -> Result<(), String> {
        let code = ended.code.ok_or("it ended by a signal")?;
        if ended.stderr.contains("panicked") || !matches!(code, 0..=3 | 64 | 66 | 71 | 74 | 129..=143) {
            return Err(format!("exit code {code}: {}", ended.stderr));
        }
        let text = std::str::from_utf8(&ended.stdout).map_err(|_| "standard output is not UTF-8")?;
        let is_control = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
        if text.contains(is_control) || ended.stderr.contains(is_control) {
            return Err(format!("a control character was printed: {:.300?} {:.300?}", text, ended.stderr));
        }
        if text.starts_with('{') {
            self.check_document(text)?;
        }
        if code == 3 && !ended.is_quiet && !warns(text) && !ended.stderr.contains("warning: ") {
            return Err("exit code 3 without a warning".to_owned());
        }
        Ok(())
    }

    /// Checks that the text is one document that obeys its schema.
    pub(crate) fn check_document(&self, text: &str) -> Result<(), String> {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| format!("malformed document ({error}): {text:.300}"))?;
        let kind = match &document {
            it if it.get("runs").is_some() => "sweep",
            it if it.get("points").is_some() => "comparison",
            it if it.get("within").is_some() => "selftest",
            it if it.get("strategies").is_some() => "strategies",
            _ => "benchmark",
        };
        let (_, validator) = self.schemas.iter().find(|(name, _)| *name == kind).unwrap();
        let error = validator.iter_errors(&document).next();
        error.map_or(Ok(()), |error| Err(format!("{kind} document: {}: {error}", error.instance_path())))
    }
}

/// The command line for a shell, in a message.
pub(crate) fn shown(words: &[OsString]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" ")
}

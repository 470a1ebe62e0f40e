//! Random command lines, damaged result files, and signals at random moments. The program under test must end
//! with a known exit code, print at most one document, and change only what the command names.
//!
//! `cargo test --test fuzz` runs the corpus and 10 seconds of each kind. By hand, for longer:
//!
//! ```text
//! cargo test --test fuzz -- --seconds 3600 [--seed N] [--jobs N] [--only arguments|documents|signals]
//! ```
//!
//! A finding is printed with its command and fails the run. The corpus holds past findings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod arguments;
mod documents;
mod program;
mod sandbox;
mod signals;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use iobench::random::Random;

/// A kind of input. Runs one random input, and describes what went wrong.
type Fuzz = fn(&mut Worker) -> Result<(), String>;

const KINDS: [(&str, Fuzz); 3] =
    [("arguments", arguments::fuzz), ("documents", documents::fuzz), ("signals", signals::fuzz)];

/// State of one thread.
pub(crate) struct Worker {
    pub(crate) random: Random,
    pub(crate) sandbox: sandbox::Sandbox,
    pub(crate) oracle: program::Oracle,
}

impl Worker {
    fn new(seed: u64) -> Worker {
        Worker { random: Random::new(seed), sandbox: sandbox::Sandbox::new(), oracle: program::Oracle::new() }
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.random.below(items.len())]
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.random.below(times) == 0
    }
}

struct Options {
    seconds: u64,
    seed: u64,
    jobs: u64,
    only: Option<String>,
}

impl Options {
    /// `None` if the test filter of `cargo test` is about other tests.
    fn parse() -> Option<Options> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let mut options = Options { seconds: 10, seed: clock, jobs: 2, only: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap();
            match word.as_str() {
                "--seconds" => options.seconds = number(),
                "--seed" => options.seed = number(),
                "--jobs" => options.jobs = number(),
                "--only" => options.only = words.next(),
                "--list" => return None,
                flag if flag.starts_with('-') => {}
                filter if !"fuzz".contains(filter) => return None,
                _ => {}
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse() else { return ExitCode::SUCCESS };
    // A shell starts its background jobs with some signals ignored, and the program under test would respect
    // that.
    for signal in signals::SIGNALS {
        // SAFETY: the default action replaces no handler of this program.
        unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl) }.unwrap();
    }
    println!("seed {}", options.seed);
    let mut findings = Vec::new();
    if options.only.is_none() {
        let (count, found) = corpus();
        println!("corpus: {count} inputs, {} findings; exit codes {}", found.len(), program::exit_codes());
        findings.extend(found);
    }
    for (name, fuzz) in KINDS {
        if options.only.as_deref().is_none_or(|only| only == name) {
            // Signals are sent to one program at a time, so that its orphans are known.
            let jobs = if name == "signals" { 1 } else { options.jobs };
            let (count, found) = run(fuzz, &options, jobs);
            println!(
                "{name}: {count} inputs, {} findings; exit codes {}",
                found.len(),
                program::exit_codes()
            );
            findings.extend(found);
        }
    }
    for finding in &findings {
        println!("\nFINDING {finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one kind on several threads. Returns the number of inputs, and up to ten findings.
fn run(fuzz: Fuzz, options: &Options, jobs: u64) -> (u64, Vec<String>) {
    let count = AtomicU64::new(0);
    let deadline = Instant::now() + Duration::from_secs(options.seconds);
    let work = |job: u64| {
        let mut worker = Worker::new(options.seed.wrapping_add(job));
        let mut findings = Vec::new();
        while Instant::now() < deadline && findings.len() < 10 {
            findings.extend(fuzz(&mut worker).err());
            count.fetch_add(1, Ordering::Relaxed);
        }
        findings
    };
    let findings = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|job| scope.spawn(move || work(job))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    (count.into_inner(), findings)
}

/// Runs the past findings: command lines in `.args`, a word per line, and damaged results in `.json`.
fn corpus() -> (usize, Vec<String>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        files.insert(entry.path(), std::fs::read(entry.path()).unwrap());
    }
    let mut worker = Worker::new(0);
    let outcome = |(path, bytes): (&std::path::PathBuf, &Vec<u8>)| {
        let answer = if path.extension().is_some_and(|extension| extension == "json") {
            documents::check(&mut worker, bytes)
        } else {
            let text = String::from_utf8_lossy(bytes);
            arguments::check(&mut worker, &text.lines().map(Into::into).collect::<Vec<_>>())
        };
        answer.err().map(|finding| format!("{}: {finding}", path.display()))
    };
    (files.len(), files.iter().filter_map(outcome).collect())
}

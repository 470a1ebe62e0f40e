//! A tracer as a process: started, known to be attached, ended, and its output collected.
//!
//! A tracer says that it "attaches" before it has. But bpftrace and DTrace start the program of their
//! option `-c` only when every probe is in place, and end with it. That program is a `cat` here: the line
//! that it is fed comes back when the tracer is ready, and closing its input ends the tracer, without a
//! signal and even if this process dies. strace prints that it has attached when it has.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::interrupt;
use crate::error::Error;
use crate::process::ProcessGroup;

/// How often to look whether a tracer has attached or ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Time limit for attaching; a probe on every system call takes six seconds.
pub const ATTACH_LIMIT: Duration = Duration::from_secs(60);
/// Time limit for exiting; removing a probe on every system call takes half a minute.
pub const STOP_LIMIT: Duration = Duration::from_secs(90);

/// What goes through the `cat` of a tracer.
const READY: &str = "iobench: the tracer is attached";

/// A running tracer.
#[derive(Debug)]
pub struct Tracer {
    name: &'static str,
    group: ProcessGroup,
    lines: Receiver<String>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// What a tracer left behind.
#[derive(Debug)]
pub struct Finished {
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub messages: String,
    /// Why its output is not to be relied on, if so.
    pub problem: Option<String>,
}

impl Tracer {
    /// Starts `command` in a process group of its own, so that Ctrl-C at the terminal ends the
    /// benchmark and not the tracer.
    ///
    /// # Errors
    /// A system error if it cannot be started.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Tracer, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = ProcessGroup::spawn(command).map_err(|error| {
            let remedy = format!("install {name}, or use another tracer (--with)");
            Error::unavailable(name, format!("it cannot be started: {error}"), remedy)
        })?;
        let child = group.child();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().map(|stream| forward(stream, sender.clone()));
        let stderr = child.stderr.take().map(|stream| forward(stream, sender));
        Ok(Tracer { name, group, lines, stdout, stderr })
    }

    /// Waits until the tracer is attached: until the line through its `cat` comes back, or it
    /// prints one that contains `sign`.
    ///
    /// # Errors
    /// A system error with what the tracer printed, if it ends or takes too long; an interruption after a signal.
    pub fn wait_attached(&mut self, sign: Option<&str>, limit: Duration) -> Result<(), Error> {
        if let Some(cat) = &mut self.group.child().stdin {
            // A tracer that is gone already is found out below.
            let _ = writeln!(cat, "{READY}").and_then(|()| cat.flush());
        }
        let sign = sign.unwrap_or(READY);
        let mut printed = String::new();
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            interrupt::check()?;
            match self.lines.recv_timeout(LOOK_INTERVAL) {
                Ok(line) if line.contains(sign) => return Ok(()),
                Ok(line) => printed += &line,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let reason = format!("it did not attach: {}", last_words(&printed));
        let remedy = "see iobench trace --print-script, or use another tracer (--with)";
        Err(Error::unavailable(self.name, reason, remedy))
    }

    /// Ends the tracer, by `signal` or by the end of its `cat`; waits for it, and collects what it printed.
    pub fn stop(mut self, signal: Option<Signal>, limit: Duration) -> Finished {
        let exited = self.group.ended();
        drop(self.group.child().stdin.take());
        if let Some(signal) = signal {
            // If it is gone already, `exited` says so.
            let _ = kill(Pid::from_raw(self.group.child().id() as i32), signal);
        }
        let Ok(status) = self.group.wait_within(limit, || Ok::<(), Infallible>(()));
        self.group.kill();
        let text = |reader: Option<JoinHandle<_>>| reader.and_then(|reader| reader.join().ok());
        let output = text(self.stdout).unwrap_or_default().replace(&format!("{READY}\n"), "");
        let messages = text(self.stderr).unwrap_or_default();
        let (name, last_words) = (self.name, last_words(&messages));
        let problem = match (exited, status) {
            (Some(status), _) => {
                Some(format!("{name} ended before the benchmark did ({status}): {last_words}"))
            }
            (None, None) => Some(format!("{name} did not end when asked to and was killed")),
            (None, Some(status)) if signal.is_none() && !status.success() => {
                Some(format!("{name} failed at its end ({status}): {last_words}"))
            }
            (None, Some(_)) => None,
        };
        Finished { output, messages, problem }
    }
}

/// Reads a stream to its end on a thread, forwarding each line; returns all of it.
fn forward(stream: impl Read + Send + 'static, sender: Sender<String>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut all = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            all += &line;
            all.push('\n');
            // Nobody listens any more once the tracer is attached.
            let _ = sender.send(line + "\n");
        }
        all
    })
}

/// The last lines that a tracer printed, as one clause.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "it said nothing".to_owned();
    }
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tracer of these lines of shell.
    fn tracer(lines: &str) -> Tracer {
        Tracer::start("fake", Command::new("sh").args(["-c", lines])).unwrap()
    }

    #[test]
    fn one_that_echoes_is_attached_and_ends_with_its_input() {
        let mut tracer = tracer("echo before; echo aside >&2; cat; echo after; echo complaint >&2");
        tracer.wait_attached(None, ATTACH_LIMIT).unwrap();
        let finished = tracer.stop(None, STOP_LIMIT);
        assert_eq!(finished.output, "before\nafter\n", "the line of attachment is not its own");
        assert_eq!(finished.messages, "aside\ncomplaint\n");
        assert_eq!(finished.problem, None);
    }

    #[test]
    fn one_that_says_so_is_attached_and_ends_by_a_signal() {
        let mut tracer = tracer("echo 'process 7 attached' >&2; while :; do sleep 0.02; done");
        tracer.wait_attached(Some("attached"), ATTACH_LIMIT).unwrap();
        assert_eq!(tracer.stop(Some(Signal::SIGTERM), STOP_LIMIT).problem, None);
    }

    #[test]
    fn one_that_ends_before_it_is_attached_is_quoted() {
        let refused =
            tracer("echo one; echo two; echo three >&2; echo four; exit 1").wait_attached(None, ATTACH_LIMIT);
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with("fake failed: it did not attach: "), "{message}");
        assert_eq!(message.matches(" / ").count(), 2, "the last three lines: {message}");
    }

    #[test]
    fn one_that_hangs_is_given_up_and_killed() {
        let mut hanging = tracer("sleep 1000 & exec sleep 1000");
        let started = Instant::now();
        let group = hanging.group.child().id() as i32;
        let refused = hanging.wait_attached(None, Duration::from_millis(200));
        assert!(refused.unwrap_err().to_string().contains("it did not attach: it said nothing"));
        drop(hanging);
        assert!(started.elapsed() < Duration::from_secs(5));
        // What it started is gone too, or is a zombie that init has yet to reap.
        let sleeper = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            let words: Vec<String> = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
            (words[2] == group.to_string() && words[0] != "Z").then_some(stat)
        });
        assert_eq!(sleeper.collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn one_that_does_not_end_is_killed_and_reported() {
        let mut tracer = tracer("head -n 1; sleep 1000 & sleep 1000");
        tracer.wait_attached(None, ATTACH_LIMIT).unwrap();
        let finished = tracer.stop(None, Duration::from_millis(200));
        assert_eq!(finished.problem.as_deref(), Some("fake did not end when asked to and was killed"));
    }

    #[test]
    fn one_that_dies_or_fails_is_reported_with_its_words() {
        let mut dead = tracer("head -n 1; echo out of memory >&2; kill -9 $$");
        dead.wait_attached(None, ATTACH_LIMIT).unwrap();
        while dead.group.ended().is_none() {
            std::thread::sleep(LOOK_INTERVAL);
        }
        let problem = dead.stop(None, STOP_LIMIT).problem.unwrap();
        assert!(problem.starts_with("fake ended before the benchmark did (signal: 9"), "{problem}");
        assert!(problem.ends_with(": out of memory"), "{problem}");

        let mut failing = tracer("cat; exit 3");
        failing.wait_attached(None, ATTACH_LIMIT).unwrap();
        let problem = failing.stop(None, STOP_LIMIT).problem;
        assert_eq!(problem.as_deref(), Some("fake failed at its end (exit status: 3): it said nothing"));
    }

    #[test]
    fn one_that_is_not_there_is_to_be_installed() {
        let missing = Tracer::start("fake", &mut Command::new("/nonexistent/fake")).unwrap_err().to_string();
        assert!(missing.contains("it cannot be started: No such file"), "{missing}");
        assert!(missing.contains("install fake"), "{missing}");
    }
}

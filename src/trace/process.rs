//! Tracers as child processes: started, attached, stopped, and their output collected.
//!
//! Tracers print that they attach before they have attached. However, bpftrace and DTrace start the program
//! of their option `-c` only when all probes are in place, and exit with it. That program is `cat` here: a
//! line written to it comes back when the tracer is ready, and closing its input stops the tracer, without a
//! signal and even if this process is killed. strace prints a line once it has attached.

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

/// Interval at which a tracer is polled.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Time limit for attaching; a probe on every system call takes six seconds.
pub const ATTACH_LIMIT: Duration = Duration::from_secs(60);
/// Time limit for exiting; removing a probe on every system call takes half a minute.
pub const STOP_LIMIT: Duration = Duration::from_secs(90);

/// The line that is sent through the `cat` of a tracer.
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

/// The output of a tracer that has exited.
#[derive(Debug)]
pub struct Finished {
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub messages: String,
    /// Reason why the output is not reliable; `None` if it is.
    pub problem: Option<String>,
}

impl Tracer {
    /// Starts `command` in its own process group, so that Ctrl-C at the terminal interrupts the benchmark and
    /// not the tracer.
    ///
    /// # Errors
    /// A system error if the command cannot be started.
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

    /// Waits until the tracer is attached: until it prints a line that contains `sign` or, without a `sign`,
    /// the line sent through its `cat`.
    ///
    /// # Errors
    /// A system error that quotes the tracer if it exits or exceeds `limit`; an interruption after a signal.
    pub fn wait_attached(&mut self, sign: Option<&str>, limit: Duration) -> Result<(), Error> {
        if let Some(cat) = &mut self.group.child().stdin {
            // Writing fails only if the tracer has exited, which the loop detects.
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
        let reason = format!("it did not attach: {}", last_lines(&printed));
        let remedy = "see iobench trace --print-script, or use another tracer (--with)";
        Err(Error::unavailable(self.name, reason, remedy))
    }

    /// Stops the tracer by closing the input of its `cat`, and by `signal` if there is one. Waits until it
    /// exits, kills it after `limit`, and collects its output.
    pub fn stop(mut self, signal: Option<Signal>, limit: Duration) -> Finished {
        let early_exit = self.group.ended();
        drop(self.group.child().stdin.take());
        if let Some(signal) = signal {
            // The signal fails only if the tracer has exited, which `early_exit` records.
            let _ = kill(Pid::from_raw(self.group.child().id() as i32), signal);
        }
        let Ok(status) = self.group.wait_within(limit, || Ok::<(), Infallible>(()));
        self.group.kill();
        let text = |reader: Option<JoinHandle<_>>| reader.and_then(|reader| reader.join().ok());
        let output = text(self.stdout).unwrap_or_default().replace(&format!("{READY}\n"), "");
        let messages = text(self.stderr).unwrap_or_default();
        let (name, last_lines) = (self.name, last_lines(&messages));
        let problem = match (early_exit, status) {
            (Some(status), _) => {
                Some(format!("{name} exited before the benchmark ended ({status}): {last_lines}"))
            }
            (None, None) => Some(format!("{name} did not exit in time and was killed")),
            (None, Some(status)) if signal.is_none() && !status.success() => {
                Some(format!("{name} exited with an error ({status}): {last_lines}"))
            }
            (None, Some(_)) => None,
        };
        Finished { output, messages, problem }
    }
}

/// Reads a stream to its end on a thread, sends each line to `sender`, and returns the whole text.
fn forward(stream: impl Read + Send + 'static, sender: Sender<String>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut all = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            all += &line;
            all.push('\n');
            // The receiver may be gone once the tracer is attached.
            let _ = sender.send(line + "\n");
        }
        all
    })
}

/// The last lines of `text`, as one clause.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "it printed nothing".to_owned();
    }
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell script as a tracer.
    fn tracer(lines: &str) -> Tracer {
        Tracer::start("fake", Command::new("sh").args(["-c", lines])).unwrap()
    }

    /// The lines of /proc/PID/stat of the processes of a group, without zombies that init has yet to reap.
    fn members(group: i32) -> Vec<String> {
        let member = |entry: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            (words[2] == group.to_string() && words[0] != "Z").then(|| stat.clone())
        };
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| member(entry.ok()?)).collect()
    }

    #[test]
    fn a_tracer_attaches_by_an_echo_and_exits_with_its_input() {
        let mut tracer = tracer("echo before; echo aside >&2; cat; echo after; echo complaint >&2");
        tracer.wait_attached(None, ATTACH_LIMIT).unwrap();
        let finished = tracer.stop(None, STOP_LIMIT);
        assert_eq!(finished.output, "before\nafter\n", "the echoed line is not part of the output");
        assert_eq!(finished.messages, "aside\ncomplaint\n");
        assert_eq!(finished.problem, None);
    }

    #[test]
    fn a_tracer_attaches_by_a_message_and_exits_by_a_signal() {
        let mut tracer = tracer("echo 'process 7 attached' >&2; while :; do sleep 0.02; done");
        tracer.wait_attached(Some("attached"), ATTACH_LIMIT).unwrap();
        assert_eq!(tracer.stop(Some(Signal::SIGTERM), STOP_LIMIT).problem, None);
    }

    #[test]
    fn a_tracer_that_exits_before_it_attaches_is_quoted() {
        let refused =
            tracer("echo one; echo two; echo three >&2; echo four; exit 1").wait_attached(None, ATTACH_LIMIT);
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with("fake failed: it did not attach: "), "{message}");
        assert_eq!(message.matches(" / ").count(), 2, "the last three lines: {message}");
    }

    #[test]
    fn a_tracer_that_hangs_is_killed() {
        let mut hanging = tracer("sleep 1000 & exec sleep 1000");
        let started = Instant::now();
        let group = hanging.group.child().id() as i32;
        let refused = hanging.wait_attached(None, Duration::from_millis(200));
        assert!(refused.unwrap_err().to_string().contains("it did not attach: it printed nothing"));
        drop(hanging);
        // Its children have also been killed. A killed process is seen until it has run once more.
        while !members(group).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(60), "{:?}", members(group));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_tracer_that_does_not_exit_is_killed_and_reported() {
        let mut tracer = tracer("head -n 1; sleep 1000 & sleep 1000");
        tracer.wait_attached(None, ATTACH_LIMIT).unwrap();
        let finished = tracer.stop(None, Duration::from_millis(200));
        assert_eq!(finished.problem.as_deref(), Some("fake did not exit in time and was killed"));
    }

    #[test]
    fn a_tracer_that_exits_early_or_fails_is_quoted() {
        let mut killed = tracer("head -n 1; echo out of memory >&2; kill -9 $$");
        killed.wait_attached(None, ATTACH_LIMIT).unwrap();
        while killed.group.ended().is_none() {
            std::thread::sleep(LOOK_INTERVAL);
        }
        let problem = killed.stop(None, STOP_LIMIT).problem.unwrap();
        assert!(problem.starts_with("fake exited before the benchmark ended (signal: 9"), "{problem}");
        assert!(problem.ends_with(": out of memory"), "{problem}");

        let mut failing = tracer("cat; exit 3");
        failing.wait_attached(None, ATTACH_LIMIT).unwrap();
        let problem = failing.stop(None, STOP_LIMIT).problem;
        assert_eq!(
            problem.as_deref(),
            Some("fake exited with an error (exit status: 3): it printed nothing")
        );
    }

    #[test]
    fn a_tracer_that_is_not_installed_is_reported_with_a_remedy() {
        let missing = Tracer::start("fake", &mut Command::new("/nonexistent/fake")).unwrap_err().to_string();
        assert!(missing.contains("it cannot be started: No such file"), "{missing}");
        assert!(missing.contains("install fake"), "{missing}");
    }
}

//! A tracer as a process: started, known to be attached, ended, and its output collected.
//!
//! A tracer says that it "attaches" before it has. But bpftrace and DTrace start the program of their
//! option `-c` only when every probe is in place, and end with it. That program is a `cat` here: the line
//! that it is fed comes back when the tracer is ready, and closing its input ends the tracer, without a
//! signal and even if this process dies. strace prints that it has attached when it has.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::engine::interrupt;
use crate::error::Error;

/// How often to look whether a tracer has attached or ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// A tracer that is not attached by then never will be; a probe on every system call takes six seconds.
const ATTACH_LIMIT: Duration = Duration::from_secs(60);
/// Removing a probe on every system call takes half a minute.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// What goes through the `cat` of a tracer.
const READY: &str = "iobench: the tracer is attached";

/// A running tracer.
#[derive(Debug)]
pub struct Tracer {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    output: String,
    readers: Vec<JoinHandle<String>>,
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
    /// [`Error::System`] if it cannot be started.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Tracer, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| Error::System {
            call: name,
            reason: format!("it cannot be started: {error}"),
            remedy: format!("install {name}, or use another tracer (--with)"),
        })?;
        let (sender, lines) = channel();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(forward(stdout, sender.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(forward(stderr, sender));
        }
        Ok(Tracer { name, child, lines, output: String::new(), readers })
    }

    /// Waits until the tracer is attached: until the line through its `cat` comes back, or it
    /// prints one that contains `sign`.
    ///
    /// # Errors
    /// [`Error::System`] with what the tracer said, if it ends or takes too long;
    /// [`Error::Interrupted`] after a signal.
    pub fn wait_attached(&mut self, sign: Option<&str>) -> Result<(), Error> {
        self.wait_attached_within(sign, ATTACH_LIMIT)
    }

    fn wait_attached_within(&mut self, sign: Option<&str>, limit: Duration) -> Result<(), Error> {
        if let Some(cat) = &mut self.child.stdin {
            // A tracer that is gone already is found out below.
            let _ = writeln!(cat, "{READY}").and_then(|()| cat.flush());
        }
        let sign = sign.unwrap_or(READY);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            interrupt::check()?;
            match self.lines.recv_timeout(LOOK_INTERVAL) {
                Ok(line) if line.contains(sign) => return Ok(()),
                Ok(line) => self.output += &line,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(Error::System {
            call: self.name,
            reason: format!("it did not attach: {}", last_words(&self.output)),
            remedy: "see iobench trace --print-script, or use another tracer (--with)".to_owned(),
        })
    }

    /// Ends the tracer, by `signal` or by the end of its `cat`; waits for it, and collects what it printed.
    pub fn stop(self, signal: Option<Signal>) -> Finished {
        self.stop_within(signal, STOP_LIMIT)
    }

    fn stop_within(mut self, signal: Option<Signal>, limit: Duration) -> Finished {
        let died = self.child.try_wait().ok().flatten();
        drop(self.child.stdin.take());
        if let Some(signal) = signal {
            // If it is gone already, that is what `died` says.
            let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
        }
        let status = died.or_else(|| wait(&mut self.child, limit));
        if status.is_none() {
            self.kill();
        }
        let mut streams = self.readers.drain(..).map(|reader| reader.join().unwrap_or_default());
        let output = streams.next().unwrap_or_default().replace(&format!("{READY}\n"), "");
        let messages = streams.next().unwrap_or_default();
        drop(streams);
        let problem = match (died, status) {
            (Some(status), _) => Some(format!(
                "{} ended before the benchmark did ({status}): {}",
                self.name,
                last_words(&messages)
            )),
            (None, None) => Some(format!("{} did not end when asked to and was killed", self.name)),
            (None, Some(status)) if signal.is_none() && !status.success() => {
                Some(format!("{} failed at its end ({status}): {}", self.name, last_words(&messages)))
            }
            (None, Some(_)) => None,
        };
        Finished { output, messages, problem }
    }

    /// Kills what has not ended, and what it started: whoever holds its output would be waited for.
    fn kill(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Only on a path that did not come to `stop`: the tracer must not outlive the run.
        self.kill();
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

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    None
}

/// The last lines that a tracer printed, as one clause.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.is_empty() {
        true => "it said nothing".to_owned(),
        false => lines[lines.len().saturating_sub(3)..].join(" / "),
    }
}

//! A run of the program in the background.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of this module")]

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Outcome, without_neighbours};

/// A run in the background, killed when the test fails.
pub struct Running {
    pub child: Child,
}

impl Running {
    /// Starts a command with its output in pipes.
    pub fn start(command: &mut Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: command.spawn().unwrap() }
    }

    /// The content of a file of this process in /proc.
    pub fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    /// Waits until `reached` holds. A run that has ended before is a failure.
    pub fn wait_until(&mut self, what: &str, reached: impl Fn(&Running) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !reached(self) {
            assert!(Instant::now() < deadline, "the run never reached {what}");
            assert_eq!(self.child.try_wait().unwrap(), None::<ExitStatus>, "ended before {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits for the end, and reads what the run prints in the meantime. The caller passes what it has read
    /// of standard output.
    pub fn end(mut self, mut stdout: String) -> Outcome {
        let reader = self.child.stdout.take().map(|pipe| std::thread::spawn(|| read(pipe)));
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "the run did not end"),
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        stdout.extend(reader.map(|reader| reader.join().unwrap()));
        let stderr = without_neighbours(&read(self.child.stderr.take().unwrap()));
        Outcome { code: status.code(), stdout, stderr }
    }
}

fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

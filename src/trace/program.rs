//! The tracer that runs beside a benchmark, with a program of iobench or with the user's script.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tempfile::NamedTempFile;

use super::bpftrace::{self, Watched};
use super::process::{ATTACH_LIMIT, Finished, STOP_LIMIT, Tracer};
use super::record::{KernelRecord, Observation, TraceRecord};
use super::show::{Show, TracerName};
use super::{dtrace, strace};
use crate::error::{Error, errno_of};
use crate::scratch;

/// A tracer and its program.
#[derive(Debug)]
pub struct Program {
    tracer: TracerName,
    show: BTreeSet<Show>,
    /// Text of the script; empty for strace.
    text: String,
    /// File with the script, or the log of strace.
    file: NamedTempFile,
    /// True if the script is the user's.
    own: bool,
}

impl Program {
    /// A program of iobench that records the parts in `show` of the activity of `watched`.
    ///
    /// # Errors
    /// A usage error if the tracer cannot record a part; a system error if no temporary file can be written.
    pub fn showing(tracer: TracerName, show: BTreeSet<Show>, watched: &Watched) -> Result<Program, Error> {
        if !show.iter().all(|part| tracer.sees(*part)) {
            return Err(Error::usage(format!(
                "--show: {} records only syscalls and latency; use --with bpftrace for the other events",
                tracer.name()
            )));
        }
        let text = match tracer {
            TracerName::Bpftrace => bpftrace::program(&show, watched),
            TracerName::Dtrace => dtrace::program(&show, watched.pid),
            TracerName::Strace => String::new(),
        };
        let file = file_with(&text)?;
        Ok(Program { tracer, show, text, file, own: false })
    }

    /// The user's script at `path`.
    ///
    /// # Errors
    /// A usage error for strace, which takes no scripts; an error of opening if the script cannot be read.
    pub fn own(tracer: TracerName, path: &Path) -> Result<Program, Error> {
        if tracer == TracerName::Strace {
            return Err(Error::usage("--script: strace takes no scripts; use --with bpftrace"));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::unusable(path, error.to_string(), "name a script for the tracer"))?;
        let file = file_with(&text)?;
        Ok(Program { tracer, show: BTreeSet::new(), text, file, own: true })
    }

    /// The script, or the command of strace, for reading and editing.
    pub fn text(&self) -> String {
        match self.tracer {
            TracerName::Strace => format!("{:?}\n", strace::command(std::process::id(), Path::new("LOG"))),
            _ => self.text.clone(),
        }
    }

    /// Starts the tracer and waits until it is attached.
    ///
    /// # Errors
    /// A system error with reason and remedy if the tracer cannot run here or does not attach.
    pub fn start(&self) -> Result<Tracer, Error> {
        let sign = (self.tracer == TracerName::Strace).then_some(strace::ATTACHED);
        let mut tracer = Tracer::start(self.tracer.name(), &mut self.command()?)?;
        tracer.wait_attached(sign, ATTACH_LIMIT)?;
        Ok(tracer)
    }

    fn command(&self) -> Result<Command, Error> {
        let name = self.tracer.name();
        if !cfg!(target_os = "linux") && self.tracer != TracerName::Dtrace {
            return Err(Error::unavailable(name, "it exists on Linux only", "use --with dtrace"));
        }
        if self.tracer != TracerName::Strace {
            check_kernel(name)?;
        }
        match self.tracer {
            TracerName::Bpftrace => {
                let format: &[&str] = if self.own { &[] } else { &["-f", "json"] };
                Ok(bpftrace::command(format, self.file.path()))
            }
            TracerName::Dtrace => {
                let remedy = "run docs/tracing/fetch-dtrace.sh, or use --with bpftrace";
                let dtrace =
                    dtrace::find().ok_or_else(|| Error::unavailable(name, "it is not installed", remedy))?;
                Ok(dtrace::command(&dtrace, self.file.path()))
            }
            TracerName::Strace => {
                strace::allow_attaching();
                Ok(strace::command(std::process::id(), self.file.path()))
            }
        }
    }

    /// Stops the tracer and returns its records of `samples` samples. A run that was cut short has one more
    /// sample, opened and perhaps closed, that is not reported.
    pub fn finish(
        &self,
        tracer: Tracer,
        samples: usize,
        cut_short: bool,
    ) -> (Vec<KernelRecord>, TraceRecord) {
        let signal = (self.tracer == TracerName::Strace).then_some(Signal::SIGINT);
        let finished = tracer.stop(signal, STOP_LIMIT);
        let Observation { mut records, clock_calls, lost_events } = self.observation(&finished, samples);
        // A sample whose brackets were not seen gets no record, rather than one of zeros.
        records.truncate(clock_calls as usize / 2);
        let name = self.tracer.name();
        let mut problems = Vec::from_iter(finished.problem.clone());
        problems.extend(loss_message(name, lost_events, &finished));
        if !self.own && problems.is_empty() {
            problems.extend(count_mismatch(name, samples, cut_short, clock_calls));
        }
        let trace = TraceRecord {
            tracer: name.to_owned(),
            shown: self.show.iter().copied().collect(),
            clock_calls_seen: clock_calls,
            lost_events,
            complete: problems.is_empty(),
            problems,
            script_output: self.own.then_some(finished.output),
        };
        (records, trace)
    }

    fn observation(&self, finished: &Finished, samples: usize) -> Observation {
        if self.own {
            return Observation::default();
        }
        match self.tracer {
            TracerName::Bpftrace => bpftrace::parse(&finished.output, samples, &self.show),
            TracerName::Dtrace => dtrace::parse(&finished.output, &finished.messages, samples, &self.show),
            TracerName::Strace => {
                strace::parse(&std::fs::read_to_string(&self.file).unwrap_or_default(), &self.show)
            }
        }
    }
}

/// A temporary file that contains `text`.
fn file_with(text: &str) -> Result<NamedTempFile, Error> {
    let failed = |errno| Error::system("mkstemp", errno, "set TMPDIR to a writable folder");
    let mut file = scratch::file_in(&std::env::temp_dir(), 0o600).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(|error| failed(errno_of(&error)))?;
    Ok(file)
}

/// The message of the tracer about lost events, if there is one.
fn loss_message(name: &str, lost_events: u64, finished: &Finished) -> Option<String> {
    if lost_events > 0 {
        return Some(format!("{name} lost {lost_events} events"));
    }
    // Other messages may be harmless: bpftrace calls it an error if it cannot set a memlock limit that newer
    // kernels ignore.
    let message = finished.messages.lines().find(|line| line.contains("Lost") || line.contains("map full"));
    message.map(|line| format!("{name} reported: {}", line.trim()))
}

/// A message if the number of clock calls does not match the number of samples.
fn count_mismatch(name: &str, samples: usize, cut_short: bool, clock_calls: u64) -> Option<String> {
    let expected = 2 * samples as u64;
    let at_most = if cut_short { expected + 2 } else { expected };
    (!(expected..=at_most).contains(&clock_calls)).then(|| {
        format!(
            "{name} recorded {clock_calls} clock_gettime calls, but {samples} samples make {expected}; the \
             trace is incomplete"
        )
    })
}

const WITHOUT_ROOT: &str =
    if cfg!(target_os = "linux") { "run as root (sudo), or use --with strace" } else { "run as root" };

/// Checks that the kernel can be traced, and reports in one sentence what a tracer would report in many
/// lines.
fn check_kernel(tracer: &'static str) -> Result<(), Error> {
    let events = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];
    let (reason, remedy) = if !geteuid().is_root() {
        ("only root may trace the kernel", WITHOUT_ROOT)
    } else if !cfg!(target_os = "linux") {
        // On FreeBSD, dtrace loads its modules itself. Tracers of Linux need tracefs and BTF.
        return Ok(());
    } else if !events.iter().any(|folder| Path::new(folder).is_dir()) {
        ("tracefs is not mounted", "mount it: mount -t debugfs debugfs /sys/kernel/debug")
    } else if !Path::new("/sys/kernel/btf/vmlinux").is_file() {
        let remedy = "use a kernel built with CONFIG_DEBUG_INFO_BTF, or --with strace";
        ("the kernel has no BTF (/sys/kernel/btf/vmlinux)", remedy)
    } else {
        return Ok(());
    };
    Err(Error::unavailable(tracer, reason, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_two_clock_calls_and_a_run_cut_short_up_to_two_more() {
        for (samples, cut_short, clock_calls, complete) in [
            (3, false, 6, true),
            (3, false, 5, false),
            (3, false, 7, false),
            (3, false, 8, false),
            (3, true, 6, true),
            (3, true, 8, true),
            (3, true, 5, false),
            (3, true, 9, false),
            (0, true, 1, true),
        ] {
            let mismatch = count_mismatch("x", samples, cut_short, clock_calls);
            assert_eq!(mismatch.is_none(), complete, "{samples} samples, {clock_calls} calls: {mismatch:?}");
        }
    }
}

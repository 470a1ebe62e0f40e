//! The program under strace(1): one run of an [`Invocation`], and the calls that strace saw.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::invocation::Invocation;
use crate::trace::strace;

/// A run under strace.
#[derive(Debug)]
pub struct Traced {
    /// Exit status and output of the program.
    pub output: Output,
    /// The requested calls, and those of the bracket.
    pub trace: Trace,
}

/// The lines of a trace, in order.
#[derive(Debug)]
pub struct Trace(Vec<String>);

/// Task of strace.
#[derive(Debug, Clone, Copy)]
pub enum Watch<'a> {
    /// Every call.
    All,
    /// Calls of this name.
    Only(&'a str),
    /// Calls of this name, with this injected into one of them: `error=EIO`, `retval=1`.
    Inject(&'a str, &'a str, usize),
    /// The same, and every other call.
    InjectAmongAll(&'a str, &'a str, usize),
}

/// The reason for which strace cannot run programs here, with a remedy. `None` if it can.
pub fn obstacle() -> Option<String> {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    match tried {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("install strace".to_owned()),
        Err(error) => Some(format!("strace cannot be started: {error}")),
        Ok(output) if !output.status.success() => {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.lines().next().unwrap_or("it failed").trim_start_matches("strace: ").to_owned();
            Some(format!(
                "strace is not permitted to trace here ({words}); allow ptrace, or use another machine"
            ))
        }
        Ok(_) => None,
    }
}

/// Runs `program` with `invocation` on `file`, with all its threads under strace.
///
/// # Errors
/// A sentence, if strace cannot be started or its log cannot be read.
pub fn run(program: &Path, invocation: &Invocation, file: &Path, watch: Watch) -> Result<Traced, String> {
    let log = file.with_extension("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "signal=none", "-o"]).arg(&log);
    match watch {
        Watch::All | Watch::InjectAmongAll(..) => strace.args(["-e", "trace=all"]),
        // With this filter the kernel does not stop at other calls, so a run takes half the time.
        Watch::Only(name) | Watch::Inject(name, ..) => {
            strace.args(["--seccomp-bpf", "-e", &format!("trace={name},clock_gettime")])
        }
    };
    if let Watch::Inject(name, answer, when) | Watch::InjectAmongAll(name, answer, when) = watch {
        strace.args(["-e", &format!("inject={name}:{answer}:when={when}")]);
    }
    let output = strace.arg(program).args(invocation.job(file).arguments()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("strace cannot be started: {error}"))?;
    let log = std::fs::read_to_string(&log).map_err(|error| format!("strace left no log: {error}"))?;
    Ok(Traced { output, trace: Trace::new(&log) })
}

impl Traced {
    /// Standard error of the program as text, without its name and the newline.
    pub fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.output.stderr);
        text.trim().trim_start_matches("iobench: ").to_owned()
    }
}

impl Trace {
    /// Takes the text of strace's log.
    pub fn new(log: &str) -> Trace {
        Trace(log.lines().map(str::to_owned).collect())
    }

    /// Indices of the lines that are the call `name`.
    fn calls(&self, name: &str) -> impl Iterator<Item = usize> {
        (0..self.0.len()).filter(move |line| self.is(*line, name))
    }

    fn is(&self, line: usize, name: &str) -> bool {
        strace::name(&self.0[line]) == Some(name)
    }

    /// The sample whose bracket encloses a line. Each sample has two clock calls.
    fn sample_of(&self, line: usize) -> Option<usize> {
        let clocks = self.calls("clock_gettime").take_while(|clock| *clock < line).count();
        (clocks % 2 == 1).then_some(clocks / 2)
    }

    /// The calls between the brackets of each sample: name -> count. The last bracket may be open, if the
    /// program ended inside it.
    pub fn samples(&self) -> Vec<BTreeMap<String, u64>> {
        let mut samples = Vec::new();
        let mut is_open = false;
        for name in self.0.iter().filter_map(|line| Some(output_of(line).unwrap_or(strace::name(line)?))) {
            match (name, samples.last_mut()) {
                ("clock_gettime", _) => {
                    is_open = !is_open;
                    samples.extend(is_open.then(BTreeMap::new));
                }
                (name, Some(calls)) if is_open => *calls.entry(name.to_owned()).or_default() += 1,
                _ => {}
            }
        }
        samples
    }

    /// Sample of a call, and the number of earlier calls of its name there. `None` outside brackets.
    pub fn place(&self, name: &str, line: usize) -> Option<(usize, usize)> {
        let sample = self.sample_of(line)?;
        let before = self.calls(name).take_while(|earlier| *earlier < line);
        Some((sample, before.filter(|earlier| self.sample_of(*earlier) == Some(sample)).count()))
    }

    /// The calls `name` inside the bracket of one sample: their numbers and their lines. Numbers count from 1
    /// over the whole run, as in strace's `when=`.
    pub fn inside(&self, name: &str, sample: usize) -> Vec<(usize, usize)> {
        let numbered = (1..).zip(self.calls(name));
        numbered.filter(|(_, line)| self.sample_of(*line) == Some(sample)).collect()
    }

    /// True if a line is an open of the file at `path`.
    pub(super) fn is_open_of(&self, line: usize, path: &str) -> bool {
        self.is(line, "openat") && self.0[line].contains(&format!("\"{path}\""))
    }

    /// The line of the call whose result strace injected.
    pub fn injected(&self) -> Option<usize> {
        self.0.iter().position(|line| line.contains("(INJECTED)"))
    }

    /// The last call before the first bracket with `word` in its line: its number and its line. Numbers count
    /// from 1 over the calls of its name.
    pub fn last_before_the_bracket(&self, name: &str, word: &str) -> Option<(usize, usize)> {
        let bracket = self.calls("clock_gettime").next().unwrap_or(self.0.len());
        let before = (1..).zip(self.calls(name)).take_while(|(_, line)| *line < bracket);
        before.filter(|(_, line)| self.0[*line].contains(word)).last()
    }
}

/// Output to the terminal moves no bytes of the file, so it counts under a name of its own.
fn output_of(line: &str) -> Option<&'static str> {
    let streams = [(" write(1, ", "write to standard output"), (" write(2, ", "write to standard error")];
    streams.into_iter().find(|(call, _)| line.contains(call)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "7 openat(AT_FDCWD, \"/x/data\", O_RDONLY) = 3\n\
                       7 clock_gettime(CLOCK_MONOTONIC, {}) = 0\n\
                       7 read(3, \"(\", 1) = 1\n\
                       7 write(2, \"debug\", 5) = 5\n\
                       8 lseek(3, 0, SEEK_SET <unfinished ...>\n\
                       7 read(3, \"\", 1) = -1 EIO (Input/output error) (INJECTED)\n\
                       8 <... lseek resumed>) = 0\n\
                       7 clock_gettime(CLOCK_MONOTONIC, {}) = 0\n\
                       7 read(4, \"\", 1) = 0\n\
                       7 exit_group(0) = ?\n";

    #[test]
    fn calls_of_all_threads_between_the_brackets_are_counted_once() {
        let seen = Trace::new(LOG).samples();
        let wanted = [("lseek", 1), ("read", 2), ("write to standard error", 1)];
        assert_eq!(seen, [wanted.map(|(name, count)| (name.to_owned(), count)).into()]);
    }

    #[test]
    fn calls_are_numbered_over_the_run_and_placed_in_the_bracket() {
        let trace = Trace::new(LOG);
        assert_eq!(trace.inside("read", 0), [(1, 2), (2, 5)]);
        assert_eq!(trace.injected().and_then(|line| trace.place("read", line)), Some((0, 1)));
        assert_eq!(trace.place("read", 8), None);
        assert_eq!(trace.last_before_the_bracket("openat", "/x/data"), Some((1, 0)));
        assert_eq!(trace.last_before_the_bracket("openat", "/y"), None);
    }
}

//! Comparison with a minimal C loop that makes the same system calls, in pairs of consecutive runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::bracket;
use super::data;
use super::data_file::DataFile;
use super::invocation::Invocation;
use super::subject::{Probed, Subject};
use super::table::{Criterion, Mark, Row, TimeRatio};
use crate::engine::operation::Direction;
use crate::engine::strategy::{DirectIo, Mechanism, Strategy};
use crate::random::Random;
use crate::stats;

const C_LOOP: &str = include_str!("../../benches/c_loop/c_loop.c");
/// The lab's buffer size and total size.
const BLOCK_BYTES: u64 = 16 << 10;
const BLOCKS: u64 = 1024;
/// Samples per process. The shortest counts, because every disturbance only adds time.
const ITERATIONS: usize = 21;
/// Numbers of pairs after which the comparison is evaluated. A quiet machine needs only the first.
const LOOKS: [usize; 3] = [15, 30, 60];
/// Seed for the order within each pair.
const SEED: u64 = 1;

/// Reason why the comparison gives no time ratio.
enum End {
    /// The comparison does not apply to this strategy. The text is a clause.
    NotApplicable(String),
    /// The comparison is not possible on this machine. The text is a clause with a remedy.
    NotChecked(String),
}

/// The row of the table.
pub(super) fn row(strategy: &'static dyn Strategy, program: &Path, folder: &Path, within: f64) -> Row {
    match compared(strategy, program, folder, within) {
        Ok(ratios) => judged(ratios, within),
        Err(End::NotApplicable(reason)) => Row::new(Criterion::Speed, Mark::NotApplicable, reason),
        Err(End::NotChecked(reason)) => Row::new(Criterion::Speed, Mark::NotChecked, reason),
    }
}

fn compared(
    strategy: &'static dyn Strategy,
    program: &Path,
    folder: &Path,
    within: f64,
) -> Result<Vec<TimeRatio>, End> {
    let info = strategy.info();
    if !info.properties.performs_io {
        return Err(End::NotApplicable(format!("{} moves no data", info.name)));
    }
    if info.direct == DirectIo::Always {
        return Err(End::NotApplicable(
            "the C loop uses the page cache, and this strategy does not".to_owned(),
        ));
    }
    let subject = match Subject::probe(strategy, folder, false).map_err(End::NotChecked)? {
        Probed::Runs(subject) => data::where_it_moves(&subject),
        Probed::Refused(refusal) => {
            return Err(End::NotChecked(format!("{}; {}", refusal.explanation, refusal.remedy)));
        }
    };
    let c_loop = compile(folder).map_err(End::NotChecked)?;
    let file = DataFile::new(folder, BLOCK_BYTES * BLOCKS).map_err(End::NotChecked)?;
    let mut ratios = Vec::new();
    for direction in subject.directions.iter().copied() {
        let invocation = Invocation::of(&subject, direction, BLOCK_BYTES, BLOCKS);
        let invocation = Invocation { iterations: ITERATIONS, ..invocation };
        if let Some(mode) = nearest(&invocation) {
            let pairs = Pairs { program, c_loop: &c_loop, mode, invocation, file: file.path() };
            ratios.push(pairs.take(1.0 + within).map_err(End::NotChecked)?);
        }
    }
    if ratios.is_empty() {
        Err(End::NotChecked("neither reading nor writing works; see the row 'both directions'".to_owned()))
    } else {
        Ok(ratios)
    }
}

/// Compiles the C loop into `folder`.
fn compile(folder: &Path) -> Result<PathBuf, String> {
    let (source, program) = (folder.join("c_loop.c"), folder.join("c_loop"));
    std::fs::write(&source, C_LOOP).map_err(|error| format!("{}: {error}", source.display()))?;
    let compiled = Command::new("cc").args(["-O2", "-pthread", "-o"]).arg(&program).arg(&source).output();
    match compiled {
        Err(_) => Err("install a C compiler (cc)".to_owned()),
        Ok(output) if !output.status.success() => Err(format!(
            "cc cannot compile the C loop: {}",
            String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()
        )),
        Ok(_) => Ok(program),
    }
}

/// The mode of the C loop that moves bytes like the declared calls. The C loop has no mode for writes to a
/// mapping, or for the writes of a ring, which filesystems hand to a kernel thread (io_uring(7)).
fn nearest(invocation: &Invocation) -> Option<&'static str> {
    let declared = invocation.declared();
    let movers: Vec<&str> =
        declared.iter().map(|call| call.name).filter(|name| bracket::moves(name)).collect();
    let at_the_position = movers.iter().any(|name| ["read", "write", "readv", "writev"].contains(name));
    let mechanism = invocation.strategy.info().properties.mechanism;
    match (invocation.workload.direction, mechanism, at_the_position) {
        (Direction::Read, Mechanism::Mapping, _) => Some("mapping"),
        (Direction::Write, Mechanism::Mapping | Mechanism::Queue, _) => None,
        (Direction::Read, _, true) => Some("read"),
        (Direction::Read, _, false) => Some("pread64"),
        (Direction::Write, _, true) => Some("write"),
        (Direction::Write, _, false) => Some("pwrite64"),
    }
}

/// The two programs of one direction.
struct Pairs<'a> {
    program: &'a Path,
    c_loop: &'a Path,
    mode: &'static str,
    invocation: Invocation,
    file: &'a Path,
}

impl Pairs<'_> {
    /// Takes pairs until the ratio is clearly on one side of `limit`. The order within each pair is random,
    /// so an effect of the first run on the second is noise.
    fn take(&self, limit: f64) -> Result<TimeRatio, String> {
        let mut random = Random::new(SEED);
        let mut pairs = Vec::new();
        let mut ratio = self.ratio(&pairs);
        for look in LOOKS {
            while pairs.len() < look {
                pairs.push(random.pair(|| self.theirs_seconds(), || self.ours_seconds())?);
            }
            ratio = self.ratio(&pairs);
            if ratio.as_ref().is_some_and(|ratio| is_beyond(ratio, limit) || is_inside(ratio, limit)) {
                break;
            }
        }
        ratio.ok_or_else(|| "a program printed no time".to_owned())
    }

    fn ratio(&self, pairs: &[(f64, f64)]) -> Option<TimeRatio> {
        let ratio = stats::paired_ratio(pairs)?;
        Some(TimeRatio {
            direction: self.invocation.workload.direction.name().to_owned(),
            c_loop: self.mode.to_owned(),
            pairs: pairs.len(),
            ratio: ratio.ratio,
            interval: ratio.interval,
        })
    }

    fn ours_seconds(&self) -> Result<f64, String> {
        let printed = output(&mut self.invocation.job(self.file).command(self.program))?;
        let document: Value = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
        let samples = document["benchmark_samples"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.settled(&samples.iter().filter_map(|sample| sample["time"].as_f64()).collect::<Vec<f64>>())
    }

    fn theirs_seconds(&self) -> Result<f64, String> {
        let numbers = [BLOCK_BYTES, self.invocation.workload.total_bytes, ITERATIONS as u64]
            .map(|number| number.to_string());
        let printed = output(Command::new(self.c_loop).arg(self.mode).arg(self.file).args(numbers))?;
        let nanoseconds = printed.lines().filter_map(|line| line.parse::<f64>().ok());
        self.settled(&nanoseconds.map(|time_ns| time_ns / 1e9).collect::<Vec<f64>>())
    }

    /// The shortest sample. The written data is synced, because the next run would pay for it otherwise.
    fn settled(&self, seconds: &[f64]) -> Result<f64, String> {
        if self.invocation.workload.direction == Direction::Write {
            let synced = std::fs::File::open(self.file).and_then(|file| file.sync_data());
            synced.map_err(|error| format!("cannot sync: {error}"))?;
        }
        stats::quantile(seconds, 0.0).ok_or_else(|| "a program printed no time".to_owned())
    }
}

/// Standard output of a program, or a sentence with its error output.
fn output(command: &mut Command) -> Result<String, String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let finished = command.output().map_err(|error| format!("{name}: {error}"))?;
    if finished.status.success() {
        Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&finished.stderr).trim()))
    }
}

fn is_beyond(ratio: &TimeRatio, limit: f64) -> bool {
    ratio.interval.is_some_and(|(low, _)| low > limit)
}

fn is_inside(ratio: &TimeRatio, limit: f64) -> bool {
    ratio.interval.is_some_and(|(_, high)| high <= limit)
}

/// Fails if a whole interval lies beyond the limit, and passes if all intervals lie within it.
fn judged(time_ratios: Vec<TimeRatio>, within: f64) -> Row {
    let limit = 1.0 + within;
    let (mark, end) = match () {
        () if time_ratios.iter().any(|ratio| is_beyond(ratio, limit)) => (Mark::Fail, too_slow(limit)),
        () if time_ratios.iter().all(|ratio| is_inside(ratio, limit)) => (Mark::Pass, String::new()),
        () => (
            Mark::Inconclusive,
            format!("; an interval contains the limit {limit:.2}; repeat the check on a quieter machine"),
        ),
    };
    let said: Vec<String> = time_ratios.iter().map(said).collect();
    Row { criterion: Criterion::Speed, mark, sentence: format!("{}{end}", said.join("; ")), time_ratios }
}

fn too_slow(limit: f64) -> String {
    let build = if cfg!(debug_assertions) { "build with --release, then " } else { "" };
    format!(
        "; the limit is {limit:.2}; {build}look for work in transfer that the C loop does not do \
         (allocation, a second copy, a call that open could make)"
    )
}

fn said(ratio: &TimeRatio) -> String {
    let TimeRatio { direction, c_loop, .. } = ratio;
    let interval = ratio.interval.map_or(String::new(), |(low, high)| format!(" [{low:.2}, {high:.2}]"));
    format!("a {direction} takes {:.2}{interval} times as long as the C loop's {c_loop}", ratio.ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(intervals: &[(f64, f64)]) -> Mark {
        let ratio = |(low, high): &(f64, f64)| TimeRatio {
            direction: "read".to_owned(),
            c_loop: "pread64".to_owned(),
            pairs: LOOKS[0],
            ratio: (low + high) / 2.0,
            interval: Some((*low, *high)),
        };
        judged(intervals.iter().map(ratio).collect(), 0.2).mark
    }

    #[test]
    fn only_a_whole_interval_beyond_the_limit_is_red() {
        assert_eq!(mark(&[(0.5, 0.6), (0.9, 1.19)]), Mark::Pass);
        assert_eq!(mark(&[(0.9, 1.1), (1.19, 1.4)]), Mark::Inconclusive);
        assert_eq!(mark(&[(1.19, 1.4), (1.21, 1.4)]), Mark::Fail);
    }
}

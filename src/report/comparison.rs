//! The comparison of two results: what differs around them, and the ratio at each point.

use std::collections::BTreeSet;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{BenchmarkConfiguration, ErrorRecord, SampleRecord, SchemaVersion, Warning};
use super::read::ResultFile;
use super::sweep::Control;
use super::text;
use crate::error::Error;
use crate::host;
use crate::stats::{self, Ratio, Resampling, Verdict};
use crate::units;

/// Resamples of each interval; a fixed seed, so that a comparison can be repeated.
const RESAMPLING: Resampling = Resampling { resamples: 2000, seed: 1, confidence: 0.95 };
/// Probability that any point at all is called slower or faster where nothing differs.
const ALPHA: f64 = 0.05;

/// A comparison of two results.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Comparison of two iobench results")]
pub struct Comparison {
    /// Version of this document's form.
    pub schema_version: SchemaVersion,
    /// What the first result is called: its file, or its arguments.
    pub old: String,
    /// What the second is called.
    pub new: String,
    /// What differs around the results.
    pub environment: Vec<Difference>,
    /// Why they cannot be compared; empty if they can.
    pub obstacles: Vec<String>,
    /// Part of the time that a difference must exceed to matter.
    pub threshold: f64,
    /// How the machine itself changed, by the controls of two sweeps; empty without them. No point is
    /// called slower or faster for what this explains.
    pub machine: Vec<MachineChange>,
    /// The points that both have.
    pub points: Vec<ComparedPoint>,
    /// Of `ab`, the seconds a byte of each pair (first setting, second), in the order taken; else empty.
    pub pairs_seconds_per_byte: Vec<(f64, f64)>,
    /// Of `ab`, the seed of who went first in each pair; else null.
    pub seed: Option<u64>,
    /// Warnings about the results, each with the name of its result.
    pub warnings: Vec<Warning>,
    /// What ended the comparison early; null if nothing did.
    pub error: Option<ErrorRecord>,
}

/// A value of the environment that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// Its value in the first result.
    pub old: String,
    /// Its value in the second.
    pub new: String,
}

/// A change of work that is none of any I/O path.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineChange {
    /// What the work is.
    pub control: String,
    /// Its median time, new by old: above 1 the machine became slower.
    pub time_ratio: f64,
    /// Bootstrap interval of that ratio; null with five readings or fewer on a side.
    pub time_ratio_interval: Option<(f64, f64)>,
}

/// A point that both results have.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedPoint {
    /// Name of the I/O path; of `ab` that of the second setting.
    pub strategy: String,
    /// Size of one I/O.
    pub block_bytes: u64,
    /// Median time a byte, new by old: above 1 the new one is slower.
    pub time_ratio: f64,
    /// Bootstrap interval of that ratio; null with five samples or fewer on a side. Where the samples
    /// tell how long the thread waited while others ran on its CPU, it encloses the interval
    /// of the ratio without these waits: they are the cost of no I/O path.
    pub time_ratio_interval: Option<(f64, f64)>,
    /// Two-sided p-value of a rank test, before Holm's correction; with the waits or without them,
    /// the larger.
    pub p_value: f64,
    /// What that says, after Holm's correction over all points.
    pub verdict: Verdict,
}

/// The part of a result that a comparison needs.
#[derive(Debug, Clone)]
struct Side {
    name: String,
    host: Option<host::Configuration>,
    points: Vec<SampledPoint>,
    controls: Vec<Control>,
    /// True if the sweep chose the totals by how long a sample takes.
    fitted: bool,
    warnings: Vec<Warning>,
}

#[derive(Debug, Clone)]
struct SampledPoint {
    configuration: BenchmarkConfiguration,
    /// Seconds per byte of each sample that counts.
    seconds_per_byte: Vec<f64>,
    /// The same without the time in which others ran on the CPU.
    running_seconds_per_byte: Vec<f64>,
}

impl Side {
    fn new((name, result): &(String, ResultFile)) -> Side {
        let runs = result.runs();
        let all_samples = runs.iter().flat_map(|(_, samples)| *samples);
        let counted: BTreeSet<u64> =
            all_samples.filter(|sample| sample.counts()).filter_map(|sample| sample.order_index).collect();
        // A point without a sample that counts is one that the result does not have.
        let points = runs.iter().filter(|(_, samples)| samples.iter().any(SampleRecord::counts));
        // The machine as it was beside the samples that count.
        let controls = result.sweep().into_iter().flat_map(|sweep| &sweep.controls);
        let controls = controls.filter(|control| counted.contains(&control.order_index));
        Side {
            name: name.clone(),
            host: result.host().cloned(),
            points: points
                .map(|(configuration, samples)| SampledPoint::new(configuration, samples))
                .collect(),
            controls: controls.copied().collect(),
            fitted: result.sweep().is_some_and(|sweep| sweep.sweep_configuration.total_bytes.is_none()),
            warnings: result.warnings().to_vec(),
        }
    }
}

impl SampledPoint {
    fn new(configuration: &BenchmarkConfiguration, samples: &[SampleRecord]) -> SampledPoint {
        let measured: Vec<&SampleRecord> = samples.iter().filter(|sample| sample.counts()).collect();
        let per_byte = |seconds: fn(&SampleRecord) -> f64| {
            let value = |sample: &&SampleRecord| seconds(sample) / sample.transferred_bytes.max(1) as f64;
            measured.iter().map(value).collect()
        };
        SampledPoint {
            configuration: configuration.clone(),
            seconds_per_byte: per_byte(|sample| sample.time),
            running_seconds_per_byte: per_byte(|sample| {
                // The wait is read a little outside the brackets: it may be the longer one.
                (sample.time - sample.run_queue_wait_ns.unwrap_or(0) as f64 / 1e9).max(CLOCK_UNIT_SECONDS)
            }),
        }
    }

    fn key(&self) -> (&str, u64) {
        (&self.configuration.strategy, self.configuration.buffersize)
    }
}

const CLOCK_UNIT_SECONDS: f64 = 1e-9;

/// The ratio of the times of two points: what holds both with and without the waits for a CPU.
fn ratio(old: &SampledPoint, new: &SampledPoint) -> Option<Ratio> {
    let whole = ratio_of_series(&old.seconds_per_byte, &new.seconds_per_byte)?;
    let running = ratio_of_series(&old.running_seconds_per_byte, &new.running_seconds_per_byte)?;
    let hull = |((low, high), (running_low, running_high)): ((f64, f64), (f64, f64))| {
        (low.min(running_low), high.max(running_high))
    };
    Some(Ratio {
        interval: whole.interval.zip(running.interval).map(hull),
        p_value: whole.p_value.max(running.p_value),
        ..whole
    })
}

/// The ratio of the medians of two series in the order of time; interval and p-value by batches, because neighbours
/// resemble each other.
fn ratio_of_series(old: &[f64], new: &[f64]) -> Option<Ratio> {
    let batched =
        stats::ratio_of_medians(&stats::batch_medians(old), &stats::batch_medians(new), &RESAMPLING)?;
    Some(Ratio { ratio: stats::median(new)? / stats::median(old)?, ..batched })
}

/// Compares two results point by point; each has a name. `check` is called before each point, and its error ends the
/// comparison with the points compared until then.
pub fn compare(
    old: &(String, ResultFile),
    new: &(String, ResultFile),
    threshold: f64,
    check: &dyn Fn() -> Result<(), Error>,
) -> (Comparison, Result<(), Error>) {
    let (old, new) = (Side::new(old), Side::new(new));
    let mut comparison = Comparison {
        old: old.name.clone(),
        new: new.name.clone(),
        threshold,
        environment: environment(old.host.as_ref(), new.host.as_ref()),
        ..Comparison::default()
    };
    for side in [&old, &new] {
        comparison.warnings.extend(side.warnings.iter().map(|warning| Warning {
            kind: warning.kind,
            message: format!("{}: {}", side.name, warning.message),
        }));
    }
    let pairs = paired(&old, &new);
    comparison.obstacles = obstacles(&old, &new, &pairs);
    let machine = machine(&old.controls, &new.controls);
    let mut compared = Vec::new();
    let mut outcome = Ok(());
    for (old, new) in pairs.iter().filter(|_| comparison.obstacles.is_empty()) {
        outcome = check();
        if outcome.is_err() {
            break;
        }
        compared.extend(ratio(old, new).map(|ratio| (&new.configuration, ratio)));
    }
    let controls: Vec<Ratio> = machine.iter().map(|(_, ratio)| *ratio).collect();
    comparison.points = judged(&compared, &controls, threshold);
    comparison.machine = machine.into_iter().map(MachineChange::from).collect();
    (comparison, outcome)
}

/// The ratio of each control, by name.
fn machine(old: &[Control], new: &[Control]) -> Vec<(&'static str, Ratio)> {
    type Read = fn(&Control) -> f64;
    let controls: [(&'static str, Read); 3] = [
        ("processor", Control::processor_ns),
        ("system call", |control| control.system_call_ns),
        ("memory copy", |control| control.memory_copy_ns),
    ];
    let times = |controls: &[Control], read: Read| controls.iter().map(read).collect::<Vec<f64>>();
    let ratio = |read| ratio_of_series(&times(old, read), &times(new, read));
    controls.into_iter().filter_map(|(name, read)| Some((name, ratio(read)?))).collect()
}

impl From<(&'static str, Ratio)> for MachineChange {
    fn from((control, ratio): (&'static str, Ratio)) -> MachineChange {
        let (time_ratio, time_ratio_interval) = (ratio.ratio, ratio.interval);
        MachineChange { control: control.to_owned(), time_ratio, time_ratio_interval }
    }
}

/// The points of ratios (new by old, of times), judged together; `machine` are those of controls.
pub fn judged(
    ratios: &[(&BenchmarkConfiguration, Ratio)],
    machine: &[Ratio],
    threshold: f64,
) -> Vec<ComparedPoint> {
    let only: Vec<Ratio> = ratios.iter().map(|(_, ratio)| *ratio).collect();
    let verdicts = stats::verdicts(&only, machine, threshold, ALPHA);
    let point =
        |((configuration, ratio), verdict): (&(&BenchmarkConfiguration, Ratio), Verdict)| ComparedPoint {
            strategy: configuration.strategy.clone(),
            block_bytes: configuration.buffersize,
            time_ratio: ratio.ratio,
            time_ratio_interval: ratio.interval,
            p_value: ratio.p_value,
            verdict,
        };
    ratios.iter().zip(verdicts).map(point).collect()
}

/// The points that both have: same strategy and buffer size.
fn paired<'a>(old: &'a Side, new: &'a Side) -> Vec<(&'a SampledPoint, &'a SampledPoint)> {
    let partner =
        |point: &'a SampledPoint| Some((old.points.iter().find(|other| other.key() == point.key())?, point));
    new.points.iter().filter_map(partner).collect()
}

fn obstacles(old: &Side, new: &Side, pairs: &[(&SampledPoint, &SampledPoint)]) -> Vec<String> {
    let mut found = Vec::new();
    if old.points.is_empty() || new.points.is_empty() {
        found.push("a result holds no configuration: run with -j -v, or sweep".to_owned());
        return found;
    }
    if pairs.len() != old.points.len() || pairs.len() != new.points.len() {
        found.push(format!(
            "the points differ: {} in the first, {} in the second, {} in both",
            old.points.len(),
            new.points.len(),
            pairs.len()
        ));
    }
    let differing =
        |what: &str, differs: &dyn Fn(&BenchmarkConfiguration, &BenchmarkConfiguration) -> bool| {
            let first = pairs.iter().find(|(old, new)| differs(&old.configuration, &new.configuration))?;
            let configuration = &first.0.configuration;
            Some(format!(
                "the {what} differs, at {} {} for one",
                configuration.strategy, configuration.buffersize
            ))
        };
    found.extend(differing("operation", &|old, new| old.operation != new.operation));
    found.extend(differing("cache state asked for", &|old, new| {
        old.preparation.cache != new.preparation.cache
    }));
    found.extend(differing("sync", &|old, new| old.requested.sync != new.requested.sync));
    // A sweep that fits its totals may halve or double one; the time a byte is still comparable.
    let allowed = if old.fitted && new.fitted { FITTED_FACTOR } else { 1 };
    found.extend(differing("total", &|old, new| {
        let (less, more) = (old.totalsize.min(new.totalsize), old.totalsize.max(new.totalsize));
        // Without I/O the total does not matter.
        !old.is_floor() && more > less.saturating_mul(allowed)
    }));
    found
}

/// How far apart the totals of two sweeps may lie that chose them by how long a sample takes.
const FITTED_FACTOR: u64 = 16;

fn environment(old: Option<&host::Configuration>, new: Option<&host::Configuration>) -> Vec<Difference> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let pairs = text::lines(old).into_iter().zip(text::lines(new));
    let differing = pairs.filter(|((_, old), (_, new))| old != new);
    differing.map(|((key, old), (_, new))| Difference { key, old, new }).collect()
}

fn interval_text(interval: Option<(f64, f64)>) -> String {
    interval.map_or("(too few samples)".to_owned(), |(low, high)| format!("[{low:.3}, {high:.3}]"))
}

impl Comparison {
    /// True if a point got slower.
    pub fn regressed(&self) -> bool {
        self.points.iter().any(|point| point.verdict == Verdict::Slower)
    }

    /// Writes the comparison for people: the environment first.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "old: {}\nnew: {}", self.old, self.new)?;
        for difference in &self.environment {
            writeln!(output, "{} differs: {} -> {}", difference.key, difference.old, difference.new)?;
        }
        for obstacle in &self.obstacles {
            writeln!(output, "not comparable: {obstacle}")?;
        }
        for warning in &self.warnings {
            writeln!(output, "Warning: {}", warning.message)?;
        }
        for MachineChange { control, time_ratio, time_ratio_interval } in &self.machine {
            let interval = interval_text(*time_ratio_interval);
            writeln!(
                output,
                "the machine itself, by a {control} (time, new by old): {time_ratio:.3} {interval}"
            )?;
        }
        if !self.points.is_empty() {
            writeln!(
                output,
                "{:<12} {:>8} {:>28}  verdict (time, new by old)",
                "strategy", "bytes", "ratio"
            )?;
        }
        for point in &self.points {
            let ratio = format!("{:.3} {}", point.time_ratio, interval_text(point.time_ratio_interval));
            let verdict = format!("{:?}", point.verdict).to_lowercase();
            writeln!(
                output,
                "{:<12} {:>8} {ratio:>28}  {verdict}",
                point.strategy,
                units::size(point.block_bytes as f64)
            )?;
        }
        self.summary(output)
    }

    fn summary(&self, output: &mut dyn Write) -> io::Result<()> {
        let count = |verdict| self.points.iter().filter(|point| point.verdict == verdict).count();
        writeln!(
            output,
            "{} slower, {} faster, {} the same within {:.1} %, {} inconclusive.",
            count(Verdict::Slower),
            count(Verdict::Faster),
            count(Verdict::Same),
            self.threshold * 100.0,
            count(Verdict::Inconclusive)
        )?;
        output.flush()
    }
}

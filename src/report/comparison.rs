//! Comparison of two results: differences of the environment, and the time ratio at each point.

use std::collections::BTreeSet;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{
    BenchmarkConfiguration, ErrorRecord, SampleRecord, SchemaVersion, Warning, WarningKind,
};
use super::read::ResultFile;
use super::sweep::Control;
use super::text;
use crate::error::Error;
use crate::host;
use crate::printable::line;
use crate::stats::{self, Ratio, Resampling, Verdict};
use crate::units;

/// Bootstrap settings of all intervals. The seed is fixed, so that a comparison is reproducible.
const RESAMPLING: Resampling = Resampling { resamples: 2000, seed: 1, confidence: 0.95 };
/// Probability that at least one point is judged slower or faster although nothing differs.
const ALPHA: f64 = 0.05;

/// A comparison of two results.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Comparison of two iobench results")]
pub struct Comparison {
    /// Version of the document format.
    pub schema_version: SchemaVersion,
    /// Name of the first result: its file, or its arguments.
    pub old: String,
    /// Name of the second result.
    pub new: String,
    /// Differences between the environments of the results.
    pub environment: Vec<Difference>,
    /// Reasons why the results cannot be compared; empty if they can.
    pub obstacles: Vec<String>,
    /// Smallest relevant difference, as a fraction of the time.
    pub threshold: f64,
    /// Change of the machine itself, measured by the controls of two sweeps; empty without controls. A point
    /// is not judged slower or faster if this change explains its difference.
    pub machine: Vec<MachineChange>,
    /// Points that are in both results.
    pub points: Vec<ComparedPoint>,
    /// Seconds per byte of each pair (first setting, second setting) in the order of measurement; empty
    /// except for `ab`.
    pub pairs_seconds_per_byte: Vec<(f64, f64)>,
    /// Seed of the order within each pair; null except for `ab`.
    pub seed: Option<u64>,
    /// Warnings about the results, each with the name of its result.
    pub warnings: Vec<Warning>,
    /// Error that ended the comparison early; null if there was none.
    pub error: Option<ErrorRecord>,
}

/// A value of the environment that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Name of the value.
    pub key: String,
    /// Value in the first result.
    pub old: String,
    /// Value in the second result.
    pub new: String,
}

/// A change in the time of reference work, which does not use an I/O path.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineChange {
    /// Kind of work.
    pub control: String,
    /// Ratio of the median times, new/old. Above 1, the machine became slower.
    pub time_ratio: f64,
    /// Bootstrap interval of the ratio; null if a result has fewer than six readings.
    pub time_ratio_interval: Option<(f64, f64)>,
}

/// A point that is in both results.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedPoint {
    /// Name of the strategy; for `ab`, that of the second setting.
    pub strategy: String,
    /// Size of one I/O, in bytes.
    pub block_bytes: u64,
    /// Ratio of the median times per byte, new/old. Above 1, the new result is slower.
    pub time_ratio: f64,
    /// Bootstrap interval of the ratio; null if a result has fewer than six samples. It also encloses the
    /// interval of the ratio without run queue waits, if these are known, because such waits are not a cost
    /// of the I/O path.
    pub time_ratio_interval: Option<(f64, f64)>,
    /// Two-sided p-value of a rank test, before Holm's correction. It is the larger of the p-values with and
    /// without run queue waits.
    pub p_value: f64,
    /// Verdict after Holm's correction over all points.
    pub verdict: Verdict,
}

/// The part of a result that a comparison needs.
#[derive(Debug, Clone)]
struct Side {
    name: String,
    host: Option<host::Configuration>,
    points: Vec<SampledPoint>,
    controls: Vec<Control>,
    /// True if the sweep fitted the totals to the maximum duration of a sample.
    fitted: bool,
    warnings: Vec<Warning>,
}

#[derive(Debug, Clone)]
struct SampledPoint {
    configuration: BenchmarkConfiguration,
    /// Seconds per byte of each sample that counts.
    seconds_per_byte: Vec<f64>,
    /// The same without run queue waits, during which other threads run on the CPU.
    running_seconds_per_byte: Vec<f64>,
}

impl Side {
    fn new((name, result): &(String, ResultFile)) -> Side {
        let runs = result.runs();
        let all_samples = runs.iter().flat_map(|(_, samples)| *samples);
        let counted: BTreeSet<u64> =
            all_samples.filter(|sample| sample.counts()).filter_map(|sample| sample.order_index).collect();
        // A point without a sample that counts is treated as missing.
        let points = runs.iter().filter(|(_, samples)| samples.iter().any(SampleRecord::counts));
        // Only the readings at samples that count describe the machine.
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
                // The wait is read slightly outside of the brackets, so it can exceed the time.
                (sample.time - sample.run_queue_wait_ns.unwrap_or(0) as f64 / 1e9).max(CLOCK_UNIT_SECONDS)
            }),
        }
    }

    fn key(&self) -> (&str, u64) {
        (&self.configuration.strategy, self.configuration.buffersize)
    }
}

const CLOCK_UNIT_SECONDS: f64 = 1e-9;

/// The ratio of the times of two points. Its interval encloses the intervals with and without run queue
/// waits.
fn ratio(old: &SampledPoint, new: &SampledPoint) -> Option<Ratio> {
    let total = ratio_of_series(&old.seconds_per_byte, &new.seconds_per_byte)?;
    let running = ratio_of_series(&old.running_seconds_per_byte, &new.running_seconds_per_byte)?;
    let enclosing = |((low, high), (running_low, running_high)): ((f64, f64), (f64, f64))| {
        (low.min(running_low), high.max(running_high))
    };
    Some(Ratio {
        interval: total.interval.zip(running.interval).map(enclosing),
        p_value: total.p_value.max(running.p_value),
        ..total
    })
}

/// The ratio of the medians of two series in the order of measurement. Interval and p-value are computed from
/// batches, because consecutive samples are correlated.
fn ratio_of_series(old: &[f64], new: &[f64]) -> Option<Ratio> {
    let batched =
        stats::ratio_of_medians(&stats::batch_medians(old), &stats::batch_medians(new), &RESAMPLING)?;
    Some(Ratio { ratio: stats::median(new)? / stats::median(old)?, ..batched })
}

/// Compares two named results point by point. `check` is called before each point. If it returns an error,
/// the comparison ends with the points that were compared before.
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
    comparison.warnings.extend(other_file(&old, &new));
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
    let change =
        |(control, Ratio { ratio: time_ratio, interval: time_ratio_interval, .. }): (&str, Ratio)| {
            MachineChange { control: control.to_owned(), time_ratio, time_ratio_interval }
        };
    comparison.machine = machine.into_iter().map(change).collect();
    (comparison, outcome)
}

/// A warning if the results are about different files, or about files that had the same name one after the
/// other.
fn other_file(old: &Side, new: &Side) -> Option<Warning> {
    let target = |side: &Side| side.points.first()?.configuration.target.clone();
    let (old, new) = (target(old)?, target(new)?);
    if (&old.absolute_path, old.inode) == (&new.absolute_path, new.inode) {
        return None;
    }
    let message = format!(
        "the results are about different files: {} (inode {}) and {} (inode {})",
        old.absolute_path, old.inode, new.absolute_path, new.inode
    );
    Some(Warning::new(WarningKind::OtherFile, message))
}

/// The name and the time ratio of each control.
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

/// Judges the time ratios (new/old) of all points together. `machine` holds the ratios of the controls.
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

/// The points that are in both results, with the same strategy and buffer size.
fn paired<'a>(old: &'a Side, new: &'a Side) -> Vec<(&'a SampledPoint, &'a SampledPoint)> {
    let partner =
        |point: &'a SampledPoint| Some((old.points.iter().find(|other| other.key() == point.key())?, point));
    new.points.iter().filter_map(partner).collect()
}

fn obstacles(old: &Side, new: &Side, pairs: &[(&SampledPoint, &SampledPoint)]) -> Vec<String> {
    let mut found = Vec::new();
    if old.points.is_empty() || new.points.is_empty() {
        found.push("a result has no configuration; measure with -j -v, or with sweep".to_owned());
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
                "the {what} differs, for example for {} at {} bytes",
                configuration.strategy, configuration.buffersize
            ))
        };
    found.extend(differing("operation", &|old, new| old.operation != new.operation));
    found.extend(differing("requested cache state", &|old, new| {
        old.preparation.cache != new.preparation.cache
    }));
    found.extend(differing("sync", &|old, new| old.requested.sync != new.requested.sync));
    // Two sweeps can fit different totals to the same point; the times per byte are still comparable.
    let allowed = if old.fitted && new.fitted { FITTED_FACTOR } else { 1 };
    found.extend(differing("total", &|old, new| {
        let (less, more) = (old.totalsize.min(new.totalsize), old.totalsize.max(new.totalsize));
        // The total of the null strategy does not matter.
        !old.is_floor() && more > less.saturating_mul(allowed)
    }));
    found
}

/// Maximum factor between the totals of a point in two sweeps that fit their totals.
const FITTED_FACTOR: u64 = 16;

fn environment(old: Option<&host::Configuration>, new: Option<&host::Configuration>) -> Vec<Difference> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let pairs = text::lines(old).into_iter().zip(text::lines(new));
    let differing = pairs.filter(|((_, old), (_, new))| old != new);
    differing.map(|((key, old), (_, new))| Difference { key, old, new }).collect()
}

fn interval_text(interval: Option<(f64, f64)>) -> String {
    interval.map_or("(no interval: too few samples or pairs)".to_owned(), |(low, high)| {
        format!("[{low:.3}, {high:.3}]")
    })
}

impl Comparison {
    /// True if at least one point is slower.
    pub fn regressed(&self) -> bool {
        self.points.iter().any(|point| point.verdict == Verdict::Slower)
    }

    /// Writes the comparison as text, starting with the environment.
    ///
    /// # Errors
    /// The errors of `output`.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        let (old, new) = if self.is_of_pairs() { ("A", "B") } else { ("old", "new") };
        writeln!(output, "{old}: {}\n{new}: {}", line(&self.old), line(&self.new))?;
        for difference in &self.environment {
            writeln!(output, "{} differs: {} -> {}", difference.key, difference.old, difference.new)?;
        }
        for obstacle in &self.obstacles {
            writeln!(output, "not comparable: {}", line(obstacle))?;
        }
        for warning in &self.warnings {
            writeln!(output, "Warning: {}", line(&warning.message))?;
        }
        for MachineChange { control, time_ratio, time_ratio_interval } in &self.machine {
            let interval = interval_text(*time_ratio_interval);
            writeln!(output, "reference work ({control}), time ratio new/old: {time_ratio:.3} {interval}")?;
        }
        if !self.points.is_empty() {
            let (subject, bytes) = if self.is_of_pairs() { ("settings", "") } else { ("strategy", "bytes") };
            let ratio = format!("time ratio {new}/{old}");
            writeln!(output, "{subject:<12} {bytes:>8} {ratio:>28}  verdict")?;
        }
        for point in &self.points {
            let ratio = format!("{:.3} {}", point.time_ratio, interval_text(point.time_ratio_interval));
            let verdict = format!("{:?}", point.verdict).to_lowercase();
            // The settings of `ab` may differ in strategy and buffer size.
            let (subject, bytes) = if self.is_of_pairs() {
                ("B against A".into(), String::new())
            } else {
                (line(&point.strategy), units::size(point.block_bytes as f64))
            };
            writeln!(output, "{subject:<12} {bytes:>8} {ratio:>28}  {verdict}")?;
        }
        if self.obstacles.is_empty() {
            self.summary(output)?;
        }
        output.flush()
    }

    /// True for a comparison of two settings in pairs (`ab`).
    fn is_of_pairs(&self) -> bool {
        self.seed.is_some()
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
        )
    }
}

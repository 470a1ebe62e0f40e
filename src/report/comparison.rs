//! Comparison of two results: differences of the environment, and the time ratio at each point.

use std::collections::BTreeSet;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axes::{self, Axis};
use super::document::{
    BenchmarkConfiguration, ErrorRecord, SampleRecord, SchemaVersion, Warning, WarningKind,
};
use super::latency::Metric;
use super::read::ResultFile;
use super::sweep::Control;
use super::text;
use crate::engine::workload::Workload;
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
    /// Name of the first result: its files, or its arguments.
    pub old: String,
    /// Name of the second result.
    pub new: String,
    /// Number of runs on each side. Several runs are compared as runs: their samples are not pooled.
    pub run_counts: (u64, u64),
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
    /// Both settings, as they were requested and granted; empty except for `ab`.
    pub configurations: Vec<BenchmarkConfiguration>,
    /// The compared quantity.
    pub metric: Metric,
    /// The pairs in the order of measurement; empty except for `ab`.
    pub pairs: Vec<PairRecord>,
    /// Median bandwidths of both settings, in MiB/s; null except for `ab`.
    pub medians_mib_per_second: Option<(f64, f64)>,
    /// Medians of the latencies of both settings, in nanoseconds; null without `ab --metric`.
    pub medians_ns: Option<(f64, f64)>,
    /// Seed of the order within each pair; null except for `ab`.
    pub seed: Option<u64>,
    /// Warnings about the results, each with the name of its result.
    pub warnings: Vec<Warning>,
    /// Error that ended the comparison early; null if there was none.
    pub error: Option<ErrorRecord>,
}

/// A pair of samples (first setting, second setting).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairRecord {
    /// Seconds per byte.
    pub seconds_per_byte: (f64, f64),
    /// Latency that --metric names, in nanoseconds; null without it, or if a sample has too few I/Os.
    pub latency_ns: Option<(f64, f64)>,
    /// Run queue waits, in nanoseconds; null if unknown.
    pub run_queue_wait_ns: (Option<u64>, Option<u64>),
    /// Bytes read from devices; null for writes.
    pub device_read_bytes: (Option<u64>, Option<u64>),
    /// True if one of the samples lost more than 5 % of its time to other threads on its CPU. The pair then
    /// does not count, unless fewer than six others are left.
    pub disturbed: bool,
}

impl PairRecord {
    /// The pair of these samples, which are compared by `metric`.
    pub fn new(old: &SampleRecord, new: &SampleRecord, metric: Metric) -> PairRecord {
        // The time is per byte, because the totals of the settings may differ.
        let per_byte = |sample: &SampleRecord| {
            sample.time.max(CLOCK_UNIT_SECONDS) / sample.transferred_bytes.max(1) as f64
        };
        PairRecord {
            seconds_per_byte: (per_byte(old), per_byte(new)),
            latency_ns: metric.of(&old.latencies).zip(metric.of(&new.latencies)),
            run_queue_wait_ns: (old.run_queue_wait_ns, new.run_queue_wait_ns),
            device_read_bytes: (old.device_read_bytes, new.device_read_bytes),
            disturbed: old.was_preempted() || new.was_preempted(),
        }
    }

    /// The ratio of the times per byte, or of the latencies, new/old.
    pub fn ratio(&self) -> f64 {
        let (old, new) = self.times();
        new / old
    }

    /// The compared times.
    fn times(&self) -> (f64, f64) {
        self.latency_ns.unwrap_or(self.seconds_per_byte)
    }
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
    /// Values on the other axes of the sweeps, in words; empty without other axes.
    #[serde(default)]
    pub setting: String,
    /// Ratio of the median times per byte, or of the latencies that --metric names, new/old. Above 1,
    /// the new result is slower.
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
    /// Smallest slowdown, as a fraction of the time, that could have been called slower with these samples;
    /// null without an interval.
    pub smallest_detectable_fraction: Option<f64>,
    /// Median fraction of the time in which the thread was ready to run but off the CPU, in the old and in
    /// the new result; null if unknown.
    pub off_cpu_fraction: (Option<f64>, Option<f64>),
    /// Median fraction of the bytes that came from a device, in the old and in the new result; null if
    /// unknown.
    pub device_fraction: (Option<f64>, Option<f64>),
}

/// The part of a result that a comparison needs.
#[derive(Debug, Clone)]
struct Side {
    name: String,
    host: Option<host::Configuration>,
    points: Vec<SampledPoint>,
    /// Axes of the sweep.
    axes: Vec<Axis>,
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
    /// True if no disturbed sample counts.
    quiet: bool,
    off_cpu_fraction: Option<f64>,
    device_fraction: Option<f64>,
}

impl Side {
    fn new((name, result): &(String, ResultFile), metric: Metric) -> Side {
        let runs = result.runs();
        let all_samples = runs.iter().flat_map(|(_, samples)| *samples);
        let counted: BTreeSet<u64> =
            all_samples.filter(|sample| sample.counts()).filter_map(|sample| sample.order_index).collect();
        // A point without a sample that counts is treated as missing.
        let points = runs.iter().filter(|(_, samples)| samples.iter().any(SampleRecord::counts));
        // Only the readings at samples that count describe the machine.
        let controls = result.sweep().into_iter().flat_map(|sweep| &sweep.controls);
        let controls = controls.filter(|control| counted.contains(&control.order_index));
        let disturbed = |configuration: &BenchmarkConfiguration| {
            let runs = result.sweep().into_iter().flat_map(|sweep| &sweep.runs);
            let mut unquiet = runs.filter(|run| run.summary.as_ref().is_some_and(|summary| !summary.quiet));
            unquiet.any(|run| std::ptr::eq(&raw const run.benchmark_configuration, configuration))
        };
        Side {
            name: name.clone(),
            host: result.host().cloned(),
            points: points
                .map(|(configuration, samples)| {
                    SampledPoint::new(configuration, samples, !disturbed(configuration), metric)
                })
                .collect(),
            axes: result.sweep().map(|sweep| sweep.sweep_configuration.axes.clone()).unwrap_or_default(),
            controls: controls.copied().collect(),
            fitted: result.sweep().is_some_and(|sweep| sweep.sweep_configuration.total_bytes.is_none()),
            warnings: result.warnings().to_vec(),
        }
    }
}

impl SampledPoint {
    fn new(
        configuration: &BenchmarkConfiguration,
        samples: &[SampleRecord],
        quiet: bool,
        metric: Metric,
    ) -> SampledPoint {
        let measured: Vec<&SampleRecord> = samples.iter().filter(|sample| sample.counts()).collect();
        let per_byte = |seconds: fn(&SampleRecord) -> f64| {
            let value = |sample: &&SampleRecord| match metric {
                Metric::Time => Some(seconds(sample) / sample.transferred_bytes.max(1) as f64),
                _ => metric.of(&sample.latencies),
            };
            measured.iter().filter_map(value).collect()
        };
        SampledPoint {
            configuration: configuration.clone(),
            seconds_per_byte: per_byte(|sample| sample.time),
            running_seconds_per_byte: per_byte(|sample| {
                (sample.time - sample.off_cpu_seconds().unwrap_or(0.0)).max(CLOCK_UNIT_SECONDS)
            }),
            quiet,
            off_cpu_fraction: median_of(&measured, |sample| Some(sample.off_cpu_seconds()? / sample.time)),
            device_fraction: median_of(&measured, |sample| {
                Some(sample.device_read_bytes? as f64 / sample.transferred_bytes as f64)
            }),
        }
    }

    /// The values that the same point has in another result: the strategy, the buffer size, and the values on
    /// the other `axes`, in words.
    fn key(&self, axes: &[Axis]) -> (&str, u64, String) {
        (&self.configuration.strategy, self.configuration.buffersize, axes::words(axes, &self.configuration))
    }

    /// The point in words.
    fn words(&self, axes: &[Axis]) -> String {
        let axes: Vec<Axis> = [Axis::Strategy, Axis::Buffersize].iter().chain(axes).copied().collect();
        axes::words(&axes, &self.configuration)
    }
}

/// The axes of any of these results other than strategy and buffer size, which every result has.
fn further_axes(sides: &[&Side]) -> Vec<Axis> {
    let is_one = |axis: &Axis| sides.iter().any(|side| side.axes.contains(axis));
    let own = |axis: &Axis| ![Axis::Strategy, Axis::Buffersize].contains(axis);
    Axis::ALL.into_iter().filter(is_one).filter(own).collect()
}

const CLOCK_UNIT_SECONDS: f64 = 1e-9;

/// The median of a value of the samples that have it.
fn median_of(samples: &[&SampleRecord], value: impl Fn(&SampleRecord) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = samples.iter().filter_map(|sample| value(sample)).collect();
    stats::median(&values).filter(|median| median.is_finite())
}

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

/// Compares named results point by point: one on each side, or at least two on each. `check` is called before
/// each point. If it returns an error, the comparison ends with the points that were compared before.
pub fn compare(
    old: &[(String, ResultFile)],
    new: &[(String, ResultFile)],
    threshold: f64,
    metric: Metric,
    check: &dyn Fn() -> Result<(), Error>,
) -> (Comparison, Result<(), Error>) {
    let sides = |results: &[(String, ResultFile)]| {
        results.iter().map(|result| Side::new(result, metric)).collect::<Vec<Side>>()
    };
    let (old, new) = (sides(old), sides(new));
    let axes = further_axes(&old.iter().chain(&new).collect::<Vec<_>>());
    let names = |sides: &[Side]| sides.iter().map(|side| side.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut comparison = Comparison {
        old: names(&old),
        new: names(&new),
        run_counts: (old.len() as u64, new.len() as u64),
        threshold,
        metric,
        ..Comparison::default()
    };
    let Some((first, others)) = old.split_first() else { return (comparison, Ok(())) };
    for side in old.iter().chain(&new) {
        comparison.warnings.extend(side.warnings.iter().map(|warning| Warning {
            kind: warning.kind,
            message: format!("{}: {}", side.name, warning.message),
        }));
    }
    for side in others.iter().chain(&new) {
        for difference in environment(first.host.as_ref(), side.host.as_ref()) {
            if !comparison.environment.contains(&difference) {
                comparison.environment.push(difference);
            }
        }
        comparison.warnings.extend(other_file(first, side));
        for obstacle in obstacles(first, side, &axes, metric) {
            if !comparison.obstacles.contains(&obstacle) {
                comparison.obstacles.push(obstacle);
            }
        }
    }
    let machine = match (others, new.as_slice()) {
        ([], [only]) => machine(&first.controls, &only.controls),
        // Several runs show how much the machine changes between them.
        _ => Vec::new(),
    };
    let mut compared = Vec::new();
    let mut outcome = Ok(());
    for point in first.points.iter().filter(|_| comparison.obstacles.is_empty()) {
        outcome = check();
        if outcome.is_err() {
            break;
        }
        let of = |sides: &'_ [Side]| -> Vec<SampledPoint> {
            let same =
                |side: &Side| side.points.iter().find(|other| other.key(&axes) == point.key(&axes)).cloned();
            sides.iter().filter_map(same).collect()
        };
        compared.extend(Pairing::new(&of(&old), &of(&new), &axes, &machine));
    }
    comparison.points = judged(&compared, threshold);
    let change =
        |(control, Ratio { ratio: time_ratio, interval: time_ratio_interval, .. }): (&str, Ratio)| {
            MachineChange { control: control.to_owned(), time_ratio, time_ratio_interval }
        };
    comparison.machine = machine.into_iter().map(change).collect();
    (comparison, outcome)
}

/// A point of both sides, with its ratio.
struct Pairing {
    strategy: String,
    block_bytes: u64,
    setting: String,
    ratio: Ratio,
    /// Range of ratios that a change of the machine explains.
    allowance: (f64, f64),
    /// False if disturbed samples count on a side, and for the floor: its time is that of the processor,
    /// which the controls measure.
    can_be_judged: bool,
    off_cpu_fraction: (Option<f64>, Option<f64>),
    device_fraction: (Option<f64>, Option<f64>),
}

impl Pairing {
    /// The ratio of one run to another, or of several to several.
    fn new(
        old: &[SampledPoint],
        new: &[SampledPoint],
        axes: &[Axis],
        machine: &[(&str, Ratio)],
    ) -> Option<Pairing> {
        let medians = |points: &[SampledPoint]| {
            points.iter().filter_map(|point| stats::median(&point.seconds_per_byte)).collect::<Vec<f64>>()
        };
        let ratio = match (old, new) {
            ([old], [new]) => ratio(old, new)?,
            _ => stats::ratio_of_runs(&medians(old), &medians(new))?,
        };
        let (first, last) = (old.first()?, new.first()?);
        let block_bytes = first.configuration.buffersize;
        // Copies matter only where there is something to copy.
        let concerns = |name: &str| name != MEMORY_COPY || block_bytes >= COPY_MATTERS_BYTES;
        let controls = machine.iter().filter(|(name, _)| concerns(name)).map(|(_, ratio)| *ratio);
        Some(Pairing {
            strategy: first.configuration.strategy.clone(),
            block_bytes,
            setting: axes::words(axes, &first.configuration),
            ratio,
            allowance: stats::allowance(controls),
            can_be_judged: old.iter().chain(new).all(|point| point.quiet && !point.configuration.is_floor()),
            off_cpu_fraction: (first.off_cpu_fraction, last.off_cpu_fraction),
            device_fraction: (first.device_fraction, last.device_fraction),
        })
    }
}

/// Name of the control that copies memory.
const MEMORY_COPY: &str = "memory copy";
/// Block size from which a change in the speed of copies may explain a change of a point: a page.
const COPY_MATTERS_BYTES: u64 = 4096;

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
        (MEMORY_COPY, |control| control.memory_copy_ns),
    ];
    let times = |controls: &[Control], read: Read| controls.iter().map(read).collect::<Vec<f64>>();
    let ratio = |read| ratio_of_series(&times(old, read), &times(new, read));
    controls.into_iter().filter_map(|(name, read)| Some((name, ratio(read)?))).collect()
}

/// Judges the time ratios (new/old) of all points together.
fn judged(pairings: &[Pairing], threshold: f64) -> Vec<ComparedPoint> {
    let ratios: Vec<Ratio> = pairings.iter().map(|pairing| pairing.ratio).collect();
    let allowances: Vec<(f64, f64)> = pairings.iter().map(|pairing| pairing.allowance).collect();
    let verdicts = stats::verdicts(&ratios, &allowances, threshold, ALPHA);
    let point = |(pairing, verdict): (&Pairing, Verdict)| ComparedPoint {
        strategy: pairing.strategy.clone(),
        block_bytes: pairing.block_bytes,
        setting: pairing.setting.clone(),
        time_ratio: pairing.ratio.ratio,
        time_ratio_interval: pairing.ratio.interval,
        p_value: pairing.ratio.p_value,
        verdict: if pairing.can_be_judged { verdict } else { Verdict::Inconclusive },
        smallest_detectable_fraction: pairing.ratio.smallest_detectable(pairing.allowance, threshold),
        off_cpu_fraction: pairing.off_cpu_fraction,
        device_fraction: pairing.device_fraction,
    };
    pairings.iter().zip(verdicts).map(point).collect()
}

/// Judges the pairs of a comparison of two settings, of which `configuration` is the second. Disturbed pairs
/// do not count, unless too few others are left.
pub fn judge_pairs(comparison: &mut Comparison, configuration: &BenchmarkConfiguration) {
    let quiet_pairs = comparison.pairs.iter().filter(|pair| !pair.disturbed).count();
    let quiet = quiet_pairs >= MIN_QUIET_PAIRS || quiet_pairs == comparison.pairs.len();
    let counted: Vec<&PairRecord> =
        comparison.pairs.iter().filter(|pair| !quiet || !pair.disturbed).collect();
    let median = |value: &dyn Fn(&PairRecord) -> Option<f64>| {
        stats::median(&counted.iter().filter_map(|pair| value(pair)).collect::<Vec<f64>>())
    };
    let mib_per_second = |seconds: f64| 1.0 / seconds / MIB;
    let bandwidths = median(&|pair| Some(pair.seconds_per_byte.0))
        .zip(median(&|pair| Some(pair.seconds_per_byte.1)))
        .map(|(old, new)| (mib_per_second(old), mib_per_second(new)));
    let latencies = median(&|pair| Some(pair.latency_ns?.0)).zip(median(&|pair| Some(pair.latency_ns?.1)));
    let counted: Vec<(f64, f64)> = counted.iter().map(|pair| pair.times()).collect();
    comparison.run_counts = (1, 1);
    (comparison.medians_mib_per_second, comparison.medians_ns) = (bandwidths, latencies);
    if !quiet {
        let disturbed = comparison.pairs.iter().filter(|pair| pair.disturbed).count();
        let message = format!(
            "other threads ran on the CPU during {disturbed} of {} pairs; these count, because too few \
             others are left",
            comparison.pairs.len()
        );
        comparison.warnings.push(Warning::new(WarningKind::NotQuiet, message));
    }
    let Some(ratio) = stats::paired_ratio(&counted) else { return };
    let pairing = Pairing {
        strategy: configuration.strategy.clone(),
        block_bytes: configuration.buffersize,
        setting: String::new(),
        ratio,
        allowance: (1.0, 1.0),
        can_be_judged: quiet,
        off_cpu_fraction: (None, None),
        device_fraction: (None, None),
    };
    comparison.points = judged(&[pairing], comparison.threshold);
}

/// Minimum number of quiet pairs with which the disturbed ones do not count: as many as an interval needs.
const MIN_QUIET_PAIRS: usize = 6;
/// Bytes per MiB.
const MIB: f64 = 1_048_576.0;

/// The points that are in both results.
fn paired<'a>(old: &'a Side, new: &'a Side, axes: &[Axis]) -> Vec<(&'a SampledPoint, &'a SampledPoint)> {
    let same = |point: &SampledPoint| old.points.iter().find(|other| other.key(axes) == point.key(axes));
    new.points.iter().filter_map(|point| Some((same(point)?, point))).collect()
}

/// The points of `side` that are not among `known`, in words: the first few by name.
fn missing(side: &Side, known: &[&SampledPoint], axes: &[Axis]) -> Option<String> {
    let is_known = |point: &SampledPoint| known.iter().any(|other| other.key(axes) == point.key(axes));
    let others: Vec<String> = side
        .points
        .iter()
        .filter(|point| !is_known(point))
        .map(|point| format!("({})", point.words(axes)))
        .collect();
    let (named, rest) = others.split_at(others.len().min(MOST_NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    (!named.is_empty()).then(|| format!("only in {}: {}{more}", side.name, named.join(", ")))
}

/// Number of missing points that are named.
const MOST_NAMED: usize = 3;

/// Reasons why two results cannot be compared.
fn obstacles(old: &Side, new: &Side, axes: &[Axis], metric: Metric) -> Vec<String> {
    let pairs = paired(old, new, axes);
    let mut found = Vec::new();
    if old.points.is_empty() || new.points.is_empty() {
        found.push("a result has no configuration; measure with -j -v, or with sweep".to_owned());
        return found;
    }
    if pairs.len() != old.points.len() || pairs.len() != new.points.len() {
        let (olds, news): (Vec<&SampledPoint>, Vec<&SampledPoint>) = pairs.iter().copied().unzip();
        let names = [missing(old, &olds, axes), missing(new, &news, axes)];
        found.push(format!(
            "the points differ: {} in the first, {} in the second, {} in both; {}",
            old.points.len(),
            new.points.len(),
            pairs.len(),
            names.into_iter().flatten().collect::<Vec<_>>().join("; ")
        ));
    }
    let without = pairs.iter().flat_map(|(old, new)| [old, new]).find(|it| it.seconds_per_byte.is_empty());
    if let Some(point) = without {
        found.push(format!(
            "--metric {}: the samples of {} have none; measure with --latency and a large -t",
            metric.name(),
            point.words(axes)
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
    found.extend(differing("sync", &|old, new| {
        let syncs = |workload: &Workload| (workload.sync, workload.sync_every, workload.open_sync);
        syncs(&old.requested) != syncs(&new.requested)
    }));
    found.extend(differing("number of threads", &|old, new| old.requested.threads != new.requested.threads));
    found.extend(differing("mix", &|old, new| old.requested.mix != new.requested.mix));
    found.extend(differing("rate", &|old, new| old.requested.rate != new.requested.rate));
    found.extend(differing("granted O_NOATIME", &|old, new| {
        let granted = |side: &BenchmarkConfiguration| side.granted.as_ref().map(|it| it.effective.noatime);
        granted(old).zip(granted(new)).is_some_and(|(old, new)| old != new)
    }));
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
        if let Some((old, new)) = self.medians_mib_per_second {
            let count = units::counted(self.pairs.len() as u64, "pair");
            writeln!(output, "Medians of {count}: A {old:.1} MiB/s, B {new:.1} MiB/s")?;
        }
        if let Some((old, new)) = self.medians_ns {
            let (old, new) = (units::seconds(old / 1e9), units::seconds(new / 1e9));
            writeln!(output, "Medians of the {} of the latency: A {old}, B {new}", self.metric.name())?;
        }
        let further = self.points.iter().map(|point| point.setting.chars().count()).max().unwrap_or(0);
        if !self.points.is_empty() {
            let (subject, bytes) = if self.is_of_pairs() { ("settings", "") } else { ("strategy", "bytes") };
            let ratio = format!("{} ratio {new}/{old}", self.metric.name());
            let setting = if further == 0 { "" } else { "setting" };
            writeln!(
                output,
                "{subject:<12} {bytes:>8} {setting:<further$} {ratio:>24} {:>9}  verdict",
                "finds"
            )?;
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
            let finds = point.smallest_detectable_fraction;
            let finds = finds.map_or("-".to_owned(), |fraction| format!("+{:.1} %", 100.0 * fraction));
            let setting = line(&point.setting);
            writeln!(
                output,
                "{subject:<12} {bytes:>8} {setting:<further$} {ratio:>24} {finds:>9}  {verdict}"
            )?;
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
        )?;
        let finds: Vec<f64> =
            self.points.iter().filter_map(|point| point.smallest_detectable_fraction).collect();
        match stats::quantile(&finds, 0.0).zip(stats::quantile(&finds, 1.0)) {
            Some((least, most)) if finds.len() > 1 => writeln!(
                output,
                "A slowdown of less than {:.1} to {:.1} %, depending on the point (column finds), would not \
                 have been called slower.",
                100.0 * least,
                100.0 * most
            ),
            _ => Ok(()),
        }
    }
}

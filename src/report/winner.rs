//! The fastest path of a row of a sweep, if the intervals support one.

use super::document::SampleRecord;
use super::sweep::{SweepDocument, SweepRun};
use crate::engine::cache::CacheState;
use crate::stats;

/// Number of readahead windows that a cold sample must cover, so that the growth of the window at its start
/// is a small part of it.
pub(crate) const RAMP_WINDOWS: u64 = 4;

/// A point that can be compared: it has an interval. Bandwidths are in KiB/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell<'a> {
    pub(super) strategy: &'a str,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) median: f64,
    /// True if the path uses O_DIRECT.
    pub(super) direct: bool,
}

impl<'a> Cell<'a> {
    /// The cell of a point. The floor has no bandwidth, so it is not compared.
    pub(super) fn of(run: &'a SweepRun) -> Option<Cell<'a>> {
        let summary = run.summary.as_ref()?;
        let (low, high) = summary.numbers.interval_kib_per_second?;
        let configuration = &run.benchmark_configuration;
        (!configuration.is_floor()).then_some(Cell {
            strategy: &configuration.strategy,
            low,
            high,
            median: summary.numbers.median_kib_per_second,
            direct: configuration.requested.direct,
        })
    }

    pub(super) fn median_mib_per_second(&self) -> f64 {
        self.median / 1024.0
    }
}

/// The winner of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Winner<'a> {
    /// The interval of this strategy lies above all others.
    Is(&'a str),
    /// No interval does, or there is nothing to compare with.
    None,
    /// A sample from a cold cache is so short that it mostly measures the start of readahead.
    OnRamp,
}

impl<'a> Winner<'a> {
    pub(super) fn name(self) -> Option<&'a str> {
        match self {
            Winner::Is(name) => Some(name),
            _ => None,
        }
    }
}

/// The winner among the points of one size. The points are visited in random order, so a disturbance of the
/// whole sweep concerns all of them. If it concerns only some points, no path is called the fastest.
pub(super) fn winner<'a>(runs: &[&'a SweepRun], document: &SweepDocument) -> Winner<'a> {
    let compared = || runs.iter().filter(|run| !run.benchmark_configuration.is_floor());
    if compared().count() > 1 && runs.iter().any(|run| is_on_ramp(run, read_ahead_bytes(document))) {
        return Winner::OnRamp;
    }
    let quiet = |run: &&&SweepRun| run.summary.as_ref().is_some_and(|summary| summary.quiet);
    let quiet_count = compared().filter(quiet).count();
    let mixed = quiet_count > 0 && quiet_count < compared().count();
    let cells: Vec<Cell> = runs.iter().filter_map(|run| Cell::of(run)).collect();
    let best = cells.iter().max_by(|a, b| a.low.total_cmp(&b.low));
    let Some(best) = best.filter(|_| cells.len() > 1 && !mixed) else { return Winner::None };
    let is_alone = cells.iter().all(|other| other.strategy == best.strategy || other.high < best.low);
    if is_alone { Winner::Is(best.strategy) } else { Winner::None }
}

/// The readahead window of the device; 0 if unknown.
pub(super) fn read_ahead_bytes(document: &SweepDocument) -> u64 {
    document.host_configuration.storage.device_read_ahead_bytes.unwrap_or(0)
}

/// True if the samples of a point read from a cold cache through readahead windows of this size, but end
/// before the window has had its full size for long. A path that computes most of the time does not wait for
/// readahead.
fn is_on_ramp(run: &SweepRun, window_bytes: u64) -> bool {
    let configuration = &run.benchmark_configuration;
    let is_buffered = configuration.preparation.cache == CacheState::Cold && !configuration.requested.direct;
    let is_short = configuration.totalsize < RAMP_WINDOWS.saturating_mul(window_bytes);
    let running = |sample: &SampleRecord| {
        let usage = sample.usage.as_ref()?;
        Some((usage.utime + usage.stime) / sample.time)
    };
    let shares: Vec<f64> = run.measured().filter_map(running).collect();
    let computes = stats::median(&shares).is_some_and(|share| share >= COMPUTING);
    is_buffered && is_short && !configuration.is_floor() && !computes
}

/// Fraction of its time in which a path that hardly waits runs.
const COMPUTING: f64 = 0.9;

//! Groups the points of the results by panel and curve.

use std::path::Path;

use super::super::axes::{self, Axis, Layout};
use super::super::document::{BenchmarkConfiguration, SampleRecord};
use super::super::sweep::Summary;
use super::quantity::Quantity;
use super::style::{self, Style};
use super::{Input, caption};
use crate::engine::affinity::CpuChoice;
use crate::engine::workload::Workload;
use crate::error::Error;

/// Points that were measured with the same setting, except for the axes.
pub(super) struct Setting<'a> {
    /// File of the first result with the setting.
    path: &'a Path,
    /// Key that is equal for runs with the same setting; `None` for a sweep, which is never joined with other
    /// results.
    key: Option<String>,
    /// The points, in the order of the documents.
    pub(super) points: Vec<Measured<'a>>,
}

/// A point with at least one sample that counts.
#[derive(Clone, Copy)]
pub(super) struct Measured<'a> {
    pub(super) configuration: &'a BenchmarkConfiguration,
    pub(super) samples: &'a [SampleRecord],
    /// Statistics of a point of a sweep.
    pub(super) summary: Option<&'a Summary>,
}

impl<'a> Measured<'a> {
    /// False if disturbed samples count.
    pub(super) fn is_quiet(&self) -> bool {
        self.summary.is_none_or(|summary| summary.quiet)
    }

    /// The samples that count.
    pub(super) fn counted(&self) -> impl Iterator<Item = &'a SampleRecord> + use<'a> {
        self.samples.iter().filter(|sample| sample.counts())
    }

    /// The values of these samples that have the quantity.
    pub(super) fn values(&self, quantity: Quantity) -> Vec<f64> {
        self.counted().filter_map(|sample| quantity.of(sample, self.configuration)).collect()
    }
}

/// Points of one curve of one panel.
pub(super) struct Curve<'a> {
    /// Number of the series.
    pub(super) number: usize,
    /// Name of the series.
    pub(super) name: String,
    /// Value of the series without the name of a file.
    pub(super) value: String,
    pub(super) style: Style,
    /// True for the floor of a sweep.
    pub(super) is_floor: bool,
    pub(super) points: Vec<Measured<'a>>,
}

/// The points of the results, grouped.
pub(super) struct Grouped<'a> {
    pub(super) layout: Layout,
    /// Heading and curves of each panel.
    pub(super) panels: Vec<(String, Vec<Curve<'a>>)>,
}

/// The axes on which the points of these results differ. In a sweep, O_DIRECT, a cold cache and the depth can
/// follow from another axis, and are left out then.
pub(super) fn varying(inputs: &[Input]) -> Vec<Axis> {
    let is_free = |axis: &Axis| {
        let follows = [Axis::Iodepth, Axis::Cache, Axis::Direct].contains(axis);
        let mut sweeps = inputs.iter().filter_map(|input| input.result.sweep());
        !follows || sweeps.all(|sweep| sweep.sweep_configuration.axes.contains(axis))
    };
    let points =
        || inputs.iter().flat_map(|input| input.result.runs()).map(|(configuration, _)| configuration);
    let differs = |axis: &Axis| axes::values(*axis, points()).len() > 1;
    Axis::ALL.into_iter().filter(is_free).filter(differs).collect()
}

/// The settings of the results. Runs with the same setting are joined, so that a shell loop over buffer sizes
/// or depths gives one curve.
pub(super) fn settings(inputs: &[Input]) -> Result<Vec<Setting<'_>>, Error> {
    let mut settings: Vec<Setting> = Vec::new();
    for input in inputs {
        let setting = setting(input)?;
        match settings.iter_mut().find(|earlier| joins(earlier, &setting)) {
            Some(earlier) => earlier.points.extend(setting.points),
            None => settings.push(setting),
        }
    }
    Ok(settings)
}

fn setting(input: &Input) -> Result<Setting<'_>, Error> {
    let refused = |reason: &str, remedy: &str| Error::unusable(&input.path, reason, remedy);
    let is_run = input.result.sweep().is_none();
    let runs = input.result.runs();
    if is_run && runs.is_empty() {
        return Err(refused("has no configuration", "measure it with -j -v"));
    }
    let summaries = input.result.sweep().map(|sweep| sweep.runs.iter().map(|run| run.summary.as_ref()));
    let mut summaries = summaries.into_iter().flatten();
    let points = runs.into_iter().map(|(configuration, samples)| Measured {
        configuration,
        samples,
        summary: summaries.next().flatten(),
    });
    let points: Vec<Measured> = points.filter(|point| point.counted().next().is_some()).collect();
    let Some(first) = points.first() else {
        return Err(refused("has no measured sample", "check its error, and measure again"));
    };
    Ok(Setting { path: &input.path, key: is_run.then(|| key(first.configuration)), points })
}

/// The parts of a configuration that are equal for all runs of one setting, as text.
fn key(configuration: &BenchmarkConfiguration) -> String {
    let BenchmarkConfiguration { operation, path, requested, .. } = configuration;
    let Workload { sync, sync_every, open_sync, buffer, noatime, files, .. } = requested;
    let cpu = if requested.threads > 1 { CpuChoice::Default } else { requested.cpu };
    format!("{operation:?} {path} {sync} {sync_every:?} {open_sync:?} {buffer:?} {noatime} {files:?} {cpu:?}")
}

/// True if `later` has the same setting as `earlier`, and `earlier` has no point of it.
fn joins(earlier: &Setting, later: &Setting) -> bool {
    let values = |point: &Measured| axes::words(&Axis::ALL, point.configuration);
    let exists = |point: &Measured| earlier.points.iter().any(|other| values(other) == values(point));
    later.key.is_some() && earlier.key == later.key && !later.points.iter().any(exists)
}

/// The points by panel and curve.
pub(super) fn grouped<'a>(settings: &[Setting<'a>], layout: Layout) -> Grouped<'a> {
    let paths: Vec<&Path> = settings.iter().map(|setting| setting.path).collect();
    let all = || settings.iter().flat_map(|setting| &setting.points);
    let only_floors = all().all(|point| point.configuration.is_floor());
    // The floor takes no colour from the others.
    let drawn = all().map(|point| point.configuration).filter(|point| only_floors || !point.is_floor());
    let values = axes::values(layout.series, drawn);
    let mut panels: Vec<(String, Vec<Curve>)> = Vec::new();
    for (result, setting) in settings.iter().enumerate() {
        for point in &setting.points {
            let heading = axes::words(&layout.panels, point.configuration);
            let value = layout.series.value(point.configuration);
            let place = values.iter().position(|known| *known == value).unwrap_or(values.len());
            let number = result * (values.len() + 1) + place;
            let (name, style) = match paths.len() {
                1 => (value.words.clone(), style::of_strategy(place)),
                _ => {
                    let name = format!("{}: {}", caption::short_name(setting.path, &paths), value.words);
                    (name, style::of_result(place, result))
                }
            };
            let curve = Curve {
                number,
                name,
                value: value.words,
                style,
                is_floor: point.configuration.is_floor() && !only_floors,
                points: Vec::new(),
            };
            let panel = match panels.iter().position(|(known, _)| *known == heading) {
                Some(panel) => panel,
                None => {
                    panels.push((heading, Vec::new()));
                    panels.len() - 1
                }
            };
            let curves = &mut panels[panel].1;
            match curves.iter_mut().find(|known| known.number == number && known.is_floor == curve.is_floor) {
                Some(known) => known.points.push(*point),
                None => curves.push(Curve { points: vec![*point], ..curve }),
            }
        }
    }
    let x = |point: &Measured| layout.x.value(point.configuration).number.unwrap_or(0.0);
    for (_, curves) in &mut panels {
        curves.sort_by_key(|curve| curve.number);
        curves.iter_mut().for_each(|curve| curve.points.sort_by(|a, b| x(a).total_cmp(&x(b))));
    }
    Grouped { layout, panels }
}

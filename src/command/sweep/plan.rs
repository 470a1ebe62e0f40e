//! The plan of a sweep: a request for each point, and the settings that all points share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::context::Context;
use super::super::prepared;
use super::super::request::{self, Request, find_strategy};
use crate::cli::{SweepArgs, Switch};
use crate::engine::cache::CacheState;
use crate::engine::operation::{Direction, Mode};
use crate::engine::prepare::Preparation;
use crate::engine::strategy::{DirectIo, Mechanism, Strategy};
use crate::engine::workload::{DEFAULT_IODEPTH, Workload};
use crate::error::Error;
use crate::host;
use crate::report::axes::{self, Axis};
use crate::report::sweep::{Order, SweepDocument};
use crate::units::List;

/// Default size of the level-2 cache, if the machine does not tell.
const L2_BYTES: u64 = 256 << 10;

/// Choice of the totals of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Totals {
    /// The total of each request.
    Given,
    /// The same, and the time of its samples is known from earlier ones.
    Known,
    /// The default total or the size of the file; less if a sample would take too long, more for the null
    /// strategy. In a row all paths that are served from the page cache have the same.
    Fitted,
}

/// Settings of the stopping rule and of the order of points.
pub(crate) struct Settings {
    /// Half-width of the interval, as a fraction of the median, at which a point is done.
    pub(crate) precision: f64,
    /// Time that the sweep may take.
    pub(crate) budget: Duration,
    /// Maximum number of samples per point.
    pub(crate) largest_n: u64,
    /// Order of the points within a round.
    pub(crate) order: Order,
    /// Seed of that order.
    pub(crate) seed: u64,
}

/// A sweep whose arguments are consistent.
pub(crate) struct SweepPlan {
    /// Settings that all points share.
    pub(crate) settings: Settings,
    /// A request per point.
    pub(crate) requests: Vec<Request>,
    /// Axes with more than one value.
    pub(crate) axes: Vec<Axis>,
    /// Choice of the totals.
    pub(crate) totals: Totals,
    /// True if the range is written twice before the sweep.
    pub(crate) precondition: bool,
    /// The sweep that this one continues.
    pub(crate) earlier: Option<Box<SweepDocument>>,
    /// The strategy that measures the harness itself.
    pub(crate) floor: Option<&'static dyn Strategy>,
    /// The command line.
    pub(crate) argv: Vec<String>,
    /// Result file.
    pub(crate) output: Option<PathBuf>,
}

/// The strategy that performs no I/O, if one is registered.
pub(crate) fn floor(strategies: &[&'static dyn Strategy]) -> Option<&'static dyn Strategy> {
    strategies.iter().copied().find(|strategy| !strategy.info().properties.performs_io)
}

impl SweepPlan {
    /// The plan of these arguments.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn new(args: &SweepArgs, path: &Path, context: &Context) -> Result<SweepPlan, Error> {
        let clock = || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(0, |since| since.as_nanos() as u64)
        };
        let SweepArgs { precision, largest_n, order, precondition, .. } = *args;
        let budget = args.budget.unwrap_or(BUDGET);
        if precondition && !args.write_mode {
            return Err(Error::usage("--precondition needs -w, because it overwrites the range"));
        }
        let requests = Points { args, path }.requests(context.strategies)?;
        Ok(SweepPlan {
            settings: Settings { precision, budget, largest_n, order, seed: args.seed.unwrap_or_else(clock) },
            axes: axes(args, &requests),
            requests,
            totals: if args.total_bytes.is_some() { Totals::Given } else { Totals::Fitted },
            precondition,
            earlier: None,
            floor: floor(context.strategies),
            argv: context.argv.to_vec(),
            output: args.output.clone(),
        })
    }
}

/// Default budget.
const BUDGET: Duration = Duration::from_secs(60);

/// The axes on which the points differ because the arguments list more than one value. O_DIRECT, a cold cache
/// and a default depth can also follow from another axis.
fn axes(args: &SweepArgs, requests: &[Request]) -> Vec<Axis> {
    let points: Vec<_> =
        requests.iter().map(|request| prepared::configuration(request, Vec::new(), false)).collect();
    let is_listed = |axis: &Axis| match axis {
        Axis::Iodepth => args.iodepth.is_some(),
        Axis::Cache => args.cache.len() > 1,
        Axis::Direct => args.direct.len() > 1,
        _ => true,
    };
    let differs = |axis: &Axis| axes::values(*axis, points.iter()).len() > 1;
    Axis::ALL.into_iter().filter(is_listed).filter(differs).collect()
}

/// The product of all lists.
struct Points<'a> {
    args: &'a SweepArgs,
    path: &'a Path,
}

impl Points<'_> {
    /// A request per point: strategies in their order, sizes ascending. Combinations without a meaning are
    /// left out: the depths of a path without a queue are one point, and a path that always uses O_DIRECT has
    /// none without it.
    fn requests(&self, strategies: &[&'static dyn Strategy]) -> Result<Vec<Request>, Error> {
        let l2_bytes = host::configuration(None).processor.cpu_cache_l2_bytes.unwrap_or(L2_BYTES);
        let mut requests: Vec<Request> = Vec::new();
        for strategy in chosen(&self.args.strategy, strategies)? {
            for block_bytes in &self.args.block_sizes.0 {
                let first_of_size = requests.len();
                for (direct, preparation, workload) in self.settings(*block_bytes) {
                    let info = strategy.info();
                    if direct == Some(Switch::Off) && info.direct == DirectIo::Always {
                        continue;
                    }
                    let queued = info.properties.mechanism == Mechanism::Queue;
                    let iodepth = workload.iodepth.filter(|_| queued);
                    let request = self.request(strategy, preparation, Workload { iodepth, ..workload });
                    let request = like_the_others(request.settled()?, l2_bytes);
                    let known = &requests[first_of_size..];
                    if !known.iter().any(|known| is_same_point(known, &request)) {
                        requests.push(request);
                    }
                }
            }
        }
        Ok(requests)
    }

    /// The settings of all points of one size: the product of the other lists.
    fn settings(&self, block_bytes: u64) -> Vec<(Option<Switch>, CacheState, Workload)> {
        let args = self.args;
        let direction = request::direction(args.write_mode);
        // Without -t the total is one block until the size of the file is known.
        let total_bytes = args.total_bytes.unwrap_or(block_bytes);
        let workload = args.workload.apply_to(Workload::new(direction, block_bytes, total_bytes));
        let workload = Workload { seed: args.seed.unwrap_or(0), ..workload };
        let directs = if args.direct_only { &[Switch::On][..] } else { &args.direct };
        let mut settings = vec![(None, CacheState::AsIs, workload)];
        settings = product(&settings, &optional(&args.iodepth), |(_, _, it), depth| it.iodepth = *depth);
        settings = product(&settings, &args.threads.0, |(_, _, it), threads| it.threads = *threads);
        settings = product(&settings, &args.access, |(_, _, it), access| it.access = *access);
        settings = product(&settings, &args.cache, |(_, state, _), cache| *state = *cache);
        settings = product(&settings, &optional(&args.mix), |(_, _, it), mix| it.mix = *mix);
        settings = product(&settings, &optional(&args.rate), |(_, _, it), rate| it.rate = *rate);
        if directs.is_empty() {
            return settings;
        }
        product(&settings, directs, |(switch, _, it), direct| {
            (*switch, it.direct) = (Some(*direct), *direct == Switch::On);
        })
    }

    /// The request of a point. It omits the preparation of the lab and calls getrusage(2) around each sample.
    fn request(&self, strategy: &'static dyn Strategy, cache: CacheState, workload: Workload) -> Request {
        let direction = workload.direction;
        let options = &self.args.workload;
        Request {
            mode: if direction == Direction::Read { Mode::Read } else { Mode::Write },
            path: self.path.to_owned(),
            strategy,
            workload,
            // Dirty pages are written out before each sample, so that a sample does not include writeback of
            // an earlier one.
            preparation: Preparation { bare: direction == Direction::Read, cache, ..Preparation::NONE },
            usage: true,
            iterations: 1,
            for_seconds: None,
            create_missing: options.create,
            file_size_bytes: options.file_size,
            allow_device_write: options.allow_device_write,
        }
    }
}

/// The values of a list, or none.
fn optional<T: Copy>(list: &Option<List<T>>) -> Vec<Option<T>> {
    list.as_ref().map_or_else(|| vec![None], |list| list.0.iter().copied().map(Some).collect())
}

/// Each setting with each of the values.
fn product<S: Clone, T>(settings: &[S], values: &[T], set: impl Fn(&mut S, &T)) -> Vec<S> {
    let with = |setting: &S, value: &T| {
        let mut setting = setting.clone();
        set(&mut setting, value);
        setting
    };
    settings
        .iter()
        .flat_map(|setting| values.iter().map(|value| with(setting, value)).collect::<Vec<_>>())
        .collect()
}

/// The strategies that the option names.
fn chosen(list: &str, strategies: &[&'static dyn Strategy]) -> Result<Vec<&'static dyn Strategy>, Error> {
    let mut seen = BTreeSet::new();
    match list {
        "all" => Ok(strategies.to_vec()),
        list => {
            let names = list.split(',').filter(|name| seen.insert(*name));
            names.map(|name| find_strategy(name, strategies)).collect()
        }
    }
}

/// True if both requests, of one strategy, measure the same.
fn is_same_point(one: &Request, other: &Request) -> bool {
    one.workload == other.workload && one.preparation == other.preparation
}

/// The same request, comparable with those of the other strategies.
///
/// O_DIRECT starts from a cold cache, because a write would invalidate cached pages within its sample. On a
/// warm cache a default depth is bounded, so that the buffers of every strategy fit into half of the level-2
/// cache; otherwise a queue of 32 buffers would be compared with one buffer.
fn like_the_others(mut request: Request, l2_bytes: u64) -> Request {
    let Workload { direct, iodepth, block_bytes, .. } = request.workload;
    if direct && request.preparation.cache == CacheState::Warm {
        request.preparation.cache = CacheState::Cold;
    }
    let is_queued = request.strategy.info().max_iodepth > 1;
    if is_queued && iodepth.is_none() && request.preparation.cache == CacheState::Warm {
        let fitting = u32::try_from(l2_bytes / 2 / block_bytes).unwrap_or(u32::MAX);
        request.workload.iodepth = Some(fitting.clamp(1, DEFAULT_IODEPTH));
    }
    request
}

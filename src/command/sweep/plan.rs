//! The plan of a sweep: a request for each point, and the settings that all points share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::context::Context;
use super::super::request::{self, Request, find_strategy};
use crate::cli::SweepArgs;
use crate::engine::cache::CacheState;
use crate::engine::operation::{Direction, Mode};
use crate::engine::prepare::Preparation;
use crate::engine::strategy::Strategy;
use crate::engine::workload::{DEFAULT_IODEPTH, Workload};
use crate::error::Error;
use crate::host;
use crate::report::sweep::Order;

/// Default size of the level-2 cache, if the machine does not tell.
const L2_BYTES: u64 = 256 << 10;

/// Choice of the totals of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Totals {
    /// The total of each request.
    Given,
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
    /// Choice of the totals.
    pub(crate) totals: Totals,
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
    pub(crate) fn new(args: &SweepArgs, context: &Context) -> Result<SweepPlan, Error> {
        let clock = || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(0, |since| since.as_nanos() as u64)
        };
        let SweepArgs { precision, budget, largest_n, order, .. } = *args;
        Ok(SweepPlan {
            settings: Settings { precision, budget, largest_n, order, seed: args.seed.unwrap_or_else(clock) },
            requests: requests(args, context.strategies)?,
            totals: if args.total_bytes.is_some() { Totals::Given } else { Totals::Fitted },
            floor: floor(context.strategies),
            argv: context.argv.to_vec(),
            output: args.output.clone(),
        })
    }
}

/// A request per point: strategies in their order, sizes ascending.
fn requests(args: &SweepArgs, strategies: &[&'static dyn Strategy]) -> Result<Vec<Request>, Error> {
    let mut seen = BTreeSet::new();
    let chosen: Vec<&'static dyn Strategy> = match args.strategy.as_str() {
        "all" => strategies.to_vec(),
        list => {
            let names = list.split(',').filter(|name| seen.insert(*name));
            names.map(|name| find_strategy(name, strategies)).collect::<Result<_, _>>()?
        }
    };
    let mut requests = Vec::new();
    let l2_bytes = host::configuration(None).processor.cpu_cache_l2_bytes.unwrap_or(L2_BYTES);
    for strategy in chosen {
        for block_bytes in &args.block_sizes.0 {
            requests.push(like_the_others(request(args, strategy, *block_bytes).settled()?, l2_bytes));
        }
    }
    Ok(requests)
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

/// The request of a point. It omits the preparation of the lab and calls getrusage(2) around each sample.
fn request(args: &SweepArgs, strategy: &'static dyn Strategy, block_bytes: u64) -> Request {
    let direction = request::direction(args.write_mode);
    // Without -t the total is one block until the size of the file is known.
    let total_bytes = args.total_bytes.unwrap_or(block_bytes);
    Request {
        mode: if direction == Direction::Read { Mode::Read } else { Mode::Write },
        path: args.path.clone(),
        strategy,
        workload: args.workload.apply_to(Workload::new(direction, block_bytes, total_bytes)),
        // Dirty pages are written out before each sample, so that a sample does not include writeback of an
        // earlier one.
        preparation: Preparation {
            bare: direction == Direction::Read,
            cache: args.cache,
            ..Preparation::NONE
        },
        usage: true,
        iterations: 1,
        for_seconds: None,
        create_missing: args.workload.create,
        file_size_bytes: args.workload.file_size,
        allow_device_write: args.workload.allow_device_write,
    }
}

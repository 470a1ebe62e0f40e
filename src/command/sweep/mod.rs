//! `iobench sweep`: the whole experiment of the lab, every strategy at every buffer size.
//!
//! Rounds visit every open point, in a fresh random order, and those more often that the budget suffices for. After
//! each, samples taken while the processor was slowed are labelled, points that the stopping rule finds done drop
//! out, and the result file is replaced, whole.

mod point;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::point::{Point, Refused};
use super::file;
use super::prepared;
use super::request::{Mode, Request};
use crate::cli::{self, RunArgs, SweepArgs, TracedRun};
use crate::engine::affinity;
use crate::engine::buffer::Memory;
use crate::engine::floors;
use crate::engine::interrupt;
use crate::engine::iteration;
use crate::engine::prepare;
use crate::engine::probes;
use crate::engine::strategy::{Direction, Strategy};
use crate::engine::target::Target;
use crate::error::Error;
use crate::host;
use crate::report::document::{ErrorRecord, SCHEMA_VERSION};
use crate::report::sweep::{Control, Floors, Order, StopReason, SweepConfiguration, SweepDocument, SweepRun};
use crate::report::{analysis, csv, json, table};
use crate::stats::{self, Random};

/// How a command ended that has printed its document: its exit code, or an error that is in the document.
pub type Ended = Result<ExitCode, Error>;

/// Runs a sweep and prints its result.
///
/// # Errors
/// [`Error::Usage`] for arguments that make no sense, and the errors of the file: nothing has been printed then. What
/// ends a sweep under way ([`Error::Interrupted`], [`Error::Io`], ...) is in [`Ended`]: what was measured
/// until then is printed and kept.
pub fn run(
    args: &SweepArgs,
    argv: Vec<String>,
    strategies: &[&'static dyn Strategy],
) -> Result<Ended, Error> {
    let (document, failure) = plan(args, argv, strategies)?.carry_out()?;
    print(args, &document)?;
    Ok(failure.map_or(Ok(ExitCode::SUCCESS), Err))
}

fn print(args: &SweepArgs, document: &SweepDocument) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match (args.json, args.csv) {
        (true, _) => json::write(&mut output, document),
        (false, true) => csv::write(&mut output, document).map_err(Error::Output),
        (false, false) => table::write(&mut output, document).map_err(Error::Output),
    }
}

fn plan(args: &SweepArgs, argv: Vec<String>, strategies: &[&'static dyn Strategy]) -> Result<Plan, Error> {
    let settings = Settings::new(args)?;
    let requests = requests(args, &settings, strategies)?;
    let totals = if args.total_size.is_some() { Totals::Given } else { Totals::Fitted };
    let floor = floor(strategies);
    Ok(Plan { settings, requests, totals, floor, argv, output: args.output.clone() })
}

/// The strategy that moves nothing, if there is one.
pub(super) fn floor(strategies: &[&'static dyn Strategy]) -> Option<&'static dyn Strategy> {
    strategies.iter().copied().find(|strategy| !strategy.info().moves_data)
}

/// How many bytes the samples cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Totals {
    /// As each request says.
    Given,
    /// The lab's total or the file, less where a sample would take too long; more where nothing moves.
    Fitted,
}

/// A sweep that makes sense as far as the command line tells.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) requests: Vec<Request>,
    pub(super) totals: Totals,
    /// What the harness itself costs is measured by.
    pub(super) floor: Option<&'static dyn Strategy>,
    pub(super) argv: Vec<String>,
    pub(super) output: Option<PathBuf>,
}

impl Plan {
    /// Runs it. What ends a sweep under way, or one of its points, is an error beside the document and in it.
    pub(super) fn carry_out(mut self) -> Result<(SweepDocument, Option<Error>), Error> {
        interrupt::install();
        let first = self.requests.first().ok_or_else(|| Error::Usage("nothing to sweep".to_owned()))?;
        let cpu = affinity::pin(first.cpu)?;
        let created = prepared::make_file(&Request {
            total_bytes: first.total_bytes.max(DEFAULT_TOTAL_BYTES),
            ..first.clone()
        })?;
        let target = Target::open(&first.path, first.mode.direction(), first.allow_device_write)?;
        if self.totals == Totals::Fitted {
            self.cover_file(&target);
        }
        probes::register();
        prepare::touch_program();

        let output = self.output.clone();
        let mut experiment = Experiment::new(self.settings, self.argv, created, &self.requests);
        experiment.prepare(self.requests, &target, cpu, self.totals);
        experiment.floors = experiment.measure_floors(self.floor, &target);
        let outcome = interrupt::check().and_then(|()| experiment.rounds(&target, output.as_deref()));
        // At two times, because at one the processor may be slowed throughout.
        experiment.floors = experiment.floors.clone().smaller(experiment.measure_floors(self.floor, &target));
        // Of the round that the budget or a signal broke off, too.
        experiment.review();
        let failure = outcome.err().or(experiment.failure.take());
        let mut document = experiment.document(true);
        document.error = failure.as_ref().map(ErrorRecord::new);
        match output.map_or(Ok(()), |path| keep(&path, &document)) {
            Err(error) if failure.is_none() => {
                document.error = Some(ErrorRecord::new(&error));
                Ok((document, Some(error)))
            }
            _ => Ok((document, failure)),
        }
    }

    /// As much of the file as the lab's total, in whole blocks.
    fn cover_file(&mut self, target: &Target) {
        let most_bytes = DEFAULT_TOTAL_BYTES.min(target.size_bytes().unwrap_or(DEFAULT_TOTAL_BYTES));
        for request in &mut self.requests {
            let whole_blocks = most_bytes / request.block_bytes * request.block_bytes;
            request.total_bytes = whole_blocks.max(request.block_bytes);
        }
    }
}

/// The arguments that are numbers.
pub(super) struct Settings {
    pub(super) precision: f64,
    pub(super) budget: Duration,
    pub(super) largest_n: usize,
    pub(super) order: Order,
    pub(super) seed: u64,
}

impl Settings {
    fn new(args: &SweepArgs) -> Result<Settings, Error> {
        let named = |flag: &'static str| move |reason| Error::Usage(format!("{flag}: {reason}"));
        let clock = || {
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_nanos() as u64)
        };
        Ok(Settings {
            precision: cli::fraction(&args.precision).map_err(named("--precision"))?,
            budget: cli::duration(&args.budget).map_err(named("--budget"))?,
            largest_n: cli::count(&args.largest_n).map_err(named("--largest-n"))? as usize,
            order: args.order,
            seed: args.seed.unwrap_or_else(clock),
        })
    }
}

/// A request for each point: strategies in their order, sizes ascending.
fn requests(
    args: &SweepArgs,
    settings: &Settings,
    strategies: &[&'static dyn Strategy],
) -> Result<Vec<Request>, Error> {
    let sizes = cli::sizes(&args.block_sizes).map_err(|reason| Error::Usage(format!("-b: {reason}")))?;
    let mut seen = BTreeSet::new();
    let names: Vec<&str> = match args.strategy.as_str() {
        "all" => strategies.iter().map(|strategy| strategy.info().name).collect(),
        list => list.split(',').filter(|name| seen.insert(*name)).collect(),
    };
    let base = common_arguments(args)?;
    let mut requests = Vec::new();
    for name in names {
        for size in &sizes {
            let run = RunArgs {
                strategy: name.to_owned(),
                block_size: size.to_string(),
                // Without -t one block, until the file's size is known.
                total_size: args.total_size.clone().unwrap_or_else(|| size.to_string()),
                seed: settings.seed.to_string(),
                ..base.clone()
            };
            requests.push(Request::of_sweep(&run, strategies)?);
        }
    }
    Ok(requests)
}

/// What every point of the command line has in common, as the arguments of a single run.
fn common_arguments(args: &SweepArgs) -> Result<RunArgs, Error> {
    let direction = if args.write_mode { Direction::Write } else { Direction::Read };
    Ok(RunArgs {
        direct: args.direct,
        sync: args.sync,
        iodepth: args.iodepth.clone(),
        batch: args.batch.clone(),
        cpu: args.cpu.clone(),
        cache: args.cache,
        create: args.create,
        allow_device_write: args.allow_device_write,
        ..sample_arguments(direction, args.path.as_os_str())?
    })
}

/// How every sweep takes a sample: without the lab's preparation, and with getrusage(2) around it.
pub(super) fn sample_arguments(direction: Direction, path: &OsStr) -> Result<RunArgs, Error> {
    // Writes are written out before each sample, so that one does not pay for another.
    let mode: &[&str] = match direction {
        Direction::Read => &["-r", "-B", "-g"],
        Direction::Write => &["-w", "--settle=0", "-g"],
    };
    let words = mode.iter().map(OsStr::new).chain([path]);
    let parsed =
        TracedRun::try_parse_from(words).map_err(|error| Error::Usage(cli::in_one_sentence(&error)))?;
    Ok(parsed.run)
}

/// The lab's total, where `-t` and the file do not say otherwise.
const DEFAULT_TOTAL_BYTES: u64 = 16 << 20;

/// How often a round visits the points that can be done within the budget: the others, once in it, do not take
/// their time. Beside sweeps with once, a twelfth of all points converge more, and the widest intervals are wider by
/// a third: docs/performance.md.
const VISITS: usize = 5;

/// A sweep under way.
struct Experiment {
    settings: Settings,
    argv: Vec<String>,
    created: bool,
    started: Instant,
    start_time: String,
    host: host::Configuration,
    conditions_before: host::Conditions,
    points: Vec<Point>,
    refused: Vec<Refused>,
    floors: Floors,
    control: floors::Control,
    controls: Vec<Control>,
    memory: Memory,
    rounds: u64,
    unfinished: StopReason,
    /// The first error at a point.
    failure: Option<Error>,
    total_bytes: Option<u64>,
    strategies: Vec<String>,
    block_sizes_bytes: Vec<u64>,
    path: PathBuf,
}

impl Experiment {
    fn new(settings: Settings, argv: Vec<String>, created: bool, requests: &[Request]) -> Experiment {
        let mut strategies: Vec<String> =
            requests.iter().map(|request| request.strategy.info().name.to_owned()).collect();
        strategies.dedup();
        let mut block_sizes_bytes: Vec<u64> = requests.iter().map(|request| request.block_bytes).collect();
        block_sizes_bytes.sort_unstable();
        block_sizes_bytes.dedup();
        let path = requests.first().map(|request| request.path.clone()).unwrap_or_default();
        Experiment {
            settings,
            argv,
            created,
            started: Instant::now(),
            start_time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            host: host::configuration(Some(&path)),
            conditions_before: host::conditions(),
            points: Vec::new(),
            refused: Vec::new(),
            floors: Floors::default(),
            control: floors::Control::new(),
            controls: Vec::new(),
            memory: Memory::default(),
            rounds: 0,
            unfinished: StopReason::Budget,
            failure: None,
            total_bytes: None,
            strategies,
            block_sizes_bytes,
            path,
        }
    }

    /// Prepares every point; those that cannot run are kept with their reason.
    fn prepare(&mut self, requests: Vec<Request>, target: &Target, cpu: Option<usize>, totals: Totals) {
        let fit = totals == Totals::Fitted;
        self.total_bytes = if fit { None } else { common_total(&requests) };
        for request in requests {
            let possible = request
                .check_sizes()
                .and_then(|()| target.check_holds(request.file_bytes(), request.block_bytes));
            match possible {
                Err(error) => self.refused.push(Refused { request, error: ErrorRecord::new(&error) }),
                Ok(()) => match Point::new(request, target, cpu, fit) {
                    Ok(point) => self.points.push(point),
                    Err(refused) => self.refused.push(*refused),
                },
            }
        }
    }

    /// What the harness, a system call and a memory copy cost, for the sizes that can run.
    fn measure_floors(&self, floor: Option<&'static dyn Strategy>, target: &Target) -> Floors {
        let direction = self.points.first().map_or(Direction::Read, |point| point.prepared.plan.direction);
        let can_run =
            |bytes: u64| self.points.iter().any(|point| point.prepared.request.block_bytes == bytes);
        // A copy takes a source and a destination, and is not worth half of the memory.
        let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
        let sizes =
            self.block_sizes_bytes.iter().filter(|bytes| can_run(**bytes) && **bytes <= free_bytes / 4);
        let copy = |bytes: &u64| (*bytes, floors::memory_copy_ns(*bytes, DEFAULT_TOTAL_BYTES));
        Floors {
            harness_call_ns: floor.and_then(|floor| harness_call_ns(floor, direction, target)),
            system_call_ns: Some(floors::system_call_ns()),
            memory_copy_ns: sizes.map(copy).collect(),
        }
    }

    /// Rounds until every point is done, the budget is spent, or a signal arrives.
    fn rounds(&mut self, target: &Target, output: Option<&Path>) -> Result<(), Error> {
        let progress = progress(self.points.len());
        let mut random = Random::new(self.settings.seed);
        let mut outcome = Ok(true);
        while let Ok(true) = outcome {
            outcome = self.round(target, &mut random, &progress, output);
        }
        progress.finish_and_clear();
        if outcome.is_err() {
            self.unfinished = StopReason::Interrupted;
        }
        outcome.map(drop)
    }

    /// A round, and the file with it; whether there is more to do and time for it.
    fn round(
        &mut self,
        target: &Target,
        random: &mut Random,
        progress: &ProgressBar,
        output: Option<&Path>,
    ) -> Result<bool, Error> {
        for visit in 0..VISITS {
            // So that no two samples of a point have the same.
            self.memory.renew();
            let points = if visit == 0 { self.open() } else { self.within_reach() };
            for index in self.ordered(points, random) {
                if self.started.elapsed() >= measuring_time(self.settings.budget) {
                    return Ok(false);
                }
                self.sample(index, target)?;
                // Between brackets: the next one opens only after this has been drawn.
                self.draw(progress);
            }
        }
        self.rounds += 1;
        self.review();
        if let Some(path) = output {
            keep(path, &self.document(false))?;
        }
        Ok(!self.open().is_empty())
    }

    /// A sample of a point, and readings of the controls beside it. A point whose strategy fails is closed; only a
    /// signal is an error.
    fn sample(&mut self, index: usize, target: &Target) -> Result<(), Error> {
        let start = Instant::now();
        let order_index = self.controls.len() as u64;
        let processor_before_ns = floors::processor_ns();
        match self.points[index].sample(target, &mut self.memory, order_index) {
            Err(error @ Error::Interrupted { .. }) => return Err(error),
            Err(error) => {
                self.points[index].fail(&error);
                self.failure.get_or_insert(error);
                return Ok(());
            }
            Ok(()) => {}
        }
        let processor_after_ns = floors::processor_ns();
        let floors::Reading { system_call_ns, memory_copy_ns } = self.control.read();
        self.controls.push(Control {
            order_index,
            processor_before_ns,
            processor_after_ns,
            system_call_ns,
            memory_copy_ns,
        });
        self.points[index].spent += start.elapsed();
        Ok(())
    }

    /// Labels the samples by all readings so far, and closes the points that are done.
    fn review(&mut self) {
        let readings: Vec<f64> = self.controls.iter().map(Control::processor_ns).collect();
        let slowed = stats::disturbed(&readings);
        for point in &mut self.points {
            point.review(&slowed, self.settings.precision, self.settings.largest_n);
        }
    }

    /// Indices of the points that are not done.
    fn open(&self) -> Vec<usize> {
        (0..self.points.len()).filter(|index| self.points[*index].stop.is_none()).collect()
    }

    /// Indices of the open points that the rest of the budget suffices for, cheapest first, as far as that can
    /// be foreseen.
    fn within_reach(&self) -> Vec<usize> {
        let Settings { precision, largest_n, budget, .. } = self.settings;
        let cost = |index: usize| Some((index, self.points[index].seconds_to_go(precision, largest_n)?));
        let (foreseen, costs): (Vec<usize>, Vec<f64>) = self.open().into_iter().filter_map(cost).unzip();
        let left = measuring_time(budget).saturating_sub(self.started.elapsed());
        let affordable = stats::affordable(&costs, left.as_secs_f64());
        foreseen
            .into_iter()
            .zip(affordable)
            .filter(|(_, affordable)| *affordable)
            .map(|(index, _)| index)
            .collect()
    }

    /// These points in the order of a round.
    fn ordered(&self, mut points: Vec<usize>, random: &mut Random) -> Vec<usize> {
        let size = |index: &usize| self.points[*index].prepared.request.block_bytes;
        match self.settings.order {
            Order::Random => random.shuffle(&mut points),
            Order::Ascending => points.sort_by_key(size),
            Order::Descending => points.sort_by_key(|index| std::cmp::Reverse(size(index))),
        }
        points
    }

    fn draw(&self, progress: &ProgressBar) {
        let done = self.points.iter().filter(|point| point.stop.is_some()).count();
        let left = self.settings.budget.saturating_sub(self.started.elapsed());
        progress.set_position(done as u64);
        progress.set_message(format!("round {}, at most {} s left", self.rounds + 1, left.as_secs()));
    }

    /// The document of what there is; the analysis is left out of the files between rounds.
    fn document(&self, analysed: bool) -> SweepDocument {
        // Whoever reads a file of in between has it because the program did not live to write the last.
        let unfinished = if analysed { self.unfinished } else { StopReason::Interrupted };
        let mut runs: Vec<SweepRun> = self
            .points
            .iter()
            .map(|point| point.run(&self.argv, self.created, unfinished, self.settings.precision))
            .chain(self.refused.iter().map(|refused| refused.run(&self.argv, self.created)))
            .collect();
        let place = |run: &SweepRun| {
            let configuration = &run.benchmark_configuration;
            let strategy = self.strategies.iter().position(|name| *name == configuration.strategy);
            (strategy, configuration.buffersize)
        };
        runs.sort_by_key(place);
        let mut document = SweepDocument {
            schema_version: SCHEMA_VERSION,
            host_configuration: self.host.clone(),
            conditions_before: self.conditions_before,
            conditions_after: host::conditions(),
            sweep_configuration: self.configuration(&runs),
            runs,
            floors: self.floors.clone(),
            controls: self.controls.clone(),
            models: Vec::new(),
            knees: Vec::new(),
            warnings: Vec::new(),
            error: None,
        };
        if analysed {
            analysis::add(&mut document);
        }
        document
    }

    fn configuration(&self, runs: &[SweepRun]) -> SweepConfiguration {
        let first = runs.first().map(|run| &run.benchmark_configuration);
        SweepConfiguration {
            path: self.path.display().to_string(),
            direction: match first.map(|configuration| configuration.operation.as_str()) {
                Some("write") => Mode::Write.direction(),
                _ => Mode::Read.direction(),
            },
            strategies: self.strategies.clone(),
            block_sizes_bytes: self.block_sizes_bytes.clone(),
            total_bytes: self.total_bytes,
            precision: self.settings.precision,
            budget_seconds: self.settings.budget.as_secs_f64(),
            largest_n: self.settings.largest_n,
            order: self.settings.order,
            seed: self.settings.seed,
            cache: first.map_or(crate::engine::cache::CacheState::AsIs, |configuration| configuration.cache),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            argv: self.argv.clone(),
            start_time: self.start_time.clone(),
            elapsed_seconds: self.started.elapsed().as_secs_f64(),
            rounds: self.rounds,
        }
    }
}

/// Replaces the result file.
fn keep(path: &Path, document: &SweepDocument) -> Result<(), Error> {
    let bytes = serde_json::to_vec(document).map_err(|error| Error::Output(error.into()))?;
    file::replace(path, &bytes)
}

/// What of the budget is for samples: the rest is for fitting models and knees, a second or two.
fn measuring_time(budget: Duration) -> Duration {
    budget - (budget / 20).min(Duration::from_secs(3))
}

/// The total of all requests, if they have one.
fn common_total(requests: &[Request]) -> Option<u64> {
    let first = requests.first()?.total_bytes;
    requests.iter().all(|request| request.total_bytes == first).then_some(first)
}

/// Nanoseconds of a call of the strategy that moves nothing; `None` if it fails.
fn harness_call_ns(floor: &dyn Strategy, direction: Direction, target: &Target) -> Option<f64> {
    const CALLS: u64 = 1 << 20;
    let plan = iteration::Plan::bare(direction, 1, CALLS);
    let seconds =
        || iteration::run(floor, target, &plan, |_| Ok(())).map(|sample| point::seconds_per_io(&sample));
    let shortest = (0..5).map(|_| seconds()).reduce(|one, other| Ok(one?.min(other?)));
    Some(shortest?.ok()? * 1e9)
}

/// Drawn on a terminal only, and only when asked: it has no thread of its own.
fn progress(points: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(points as u64), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} points done, {msg}");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

//! A running sweep.
//!
//! A round visits every open point once, in a new random order, and visits the points that the budget can
//! complete several times. After each round, the samples that were measured on a slowed processor are
//! labelled, the stopping rule closes points, and the result file is replaced.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::file::{self, OutputFile};
use super::super::prepared;
use super::super::request::{DEFAULT_TOTAL_BYTES, Request};
use super::controls::{Controls, measure_floors};
use super::plan::{Settings, SweepPlan, Totals};
use super::point::{Machine, RefusedPoint, SweepPoint};
use crate::engine::affinity;
use crate::engine::buffer::BufferPool;
use crate::engine::cache::CacheState;
use crate::engine::create;
use crate::engine::extents;
use crate::engine::inode::Inode;
use crate::engine::interrupt::{self, Deadline};
use crate::engine::operation::Direction;
use crate::engine::prepare;
use crate::engine::strategy::Strategy;
use crate::engine::target::Target;
use crate::engine::targets::Targets;
use crate::error::{Error, ErrorKind};
use crate::host;
use crate::random::{self, Random};
use crate::report::analysis;
use crate::report::axes::Axis;
use crate::report::document::{ErrorRecord, SchemaVersion, TargetRecord, Warning};
use crate::report::sweep::{Control, Floors, Order, StopReason, SweepConfiguration, SweepDocument, SweepRun};
use crate::report::winner::RAMP_WINDOWS;
use crate::stats;

/// Number of visits per round to the points that the budget can complete. All other open points get one
/// visit, so they take less of the time. Compared with one visit for every point, the share of points that
/// converge is 8 percentage points higher, and the widest intervals are a third wider (docs/performance.md).
const VISITS: usize = 5;

/// Minimum number of samples of a point: as many as an interval needs.
const MIN_SAMPLES: u64 = 6;

/// Number of samples with which a point can converge.
pub(crate) const CONVERGING: u64 = stats::FIRST_LOOK as u64;

/// Usual time of a sample with its preparation, if none has been measured yet.
pub(crate) const USUAL_SAMPLE_SECONDS: f64 = 0.01;

/// The budget that an error names is this much longer than the one that would just have been enough.
const SAFETY_FACTOR: f64 = 1.5;

/// A running sweep.
pub(crate) struct Experiment {
    settings: Settings,
    argv: Vec<String>,
    created: bool,
    floor: Option<&'static dyn Strategy>,
    started: Instant,
    /// Time that earlier parts of the sweep took.
    earlier_time: Duration,
    /// Number of earlier parts.
    resumed: u64,
    /// Points that could not run in an earlier part, and cannot run now.
    kept: Vec<SweepRun>,
    axes: Vec<Axis>,
    preconditioned_bytes: Option<u64>,
    /// Abandons the sample in which the budget ends.
    _deadline: Deadline,
    start_time: String,
    host: host::Configuration,
    conditions_before: host::Conditions,
    points: Vec<SweepPoint>,
    refused: Vec<RefusedPoint>,
    floors: Floors,
    controls: Controls,
    pool: BufferPool,
    rounds: u64,
    /// Number of points with the requested precision after the last round.
    precise_points: usize,
    unfinished: StopReason,
    /// First error at a point.
    failure: Option<Error>,
    warnings: Vec<Warning>,
    targets: Targets,
    target: TargetRecord,
    /// The total of all points, if they have the same.
    total_bytes: Option<u64>,
    path: PathBuf,
    direction: Direction,
    cache: CacheState,
    strategies: Vec<String>,
    block_sizes_bytes: Vec<u64>,
}

impl SweepPlan {
    /// Runs the sweep. Returns the document together with the error that ended the sweep early, or the first
    /// error at a point.
    ///
    /// # Errors
    /// An error before the first sample.
    pub(crate) fn carry_out(
        mut self,
        announce: &dyn Fn(&Announcement),
    ) -> Result<(SweepDocument, Result<(), Error>), Error> {
        // The first of those with the most workers, which need the most files.
        let widest = self.requests.iter().min_by_key(|request| Reverse(request.workload.threads));
        let first = widest
            .ok_or_else(|| Error::usage("nothing to sweep: no combination of the options means anything"))?;
        let output = self.output.as_deref().map(|path| output_file(path, &first.paths())).transpose()?;
        let cpu = affinity::pin(first.workload.cpu)?;
        // A file of its own must also hold the total of a single worker.
        let totals = self.requests.iter().map(|request| request.workload.total_bytes);
        let file_bytes = totals.max().unwrap_or(0).max(DEFAULT_TOTAL_BYTES);
        let file_size_bytes = first.file_size_bytes.or(Some(file_bytes));
        let created = prepared::make_missing_files(&Request { file_size_bytes, ..first.clone() })?;
        let targets = first.open_targets().map_err(|error| error.with_remedy_if_missing("add --create"))?;
        if self.totals == Totals::Fitted && self.earlier.is_none() {
            let storage = host::configuration(Some(targets.first().path())).storage;
            self.cover_file(&targets, storage.device_read_ahead_bytes.unwrap_or(0));
        }
        prepare::touch_program();
        let preconditioned_bytes = if self.precondition { Some(self.write_twice(&targets)?) } else { None };

        let mut experiment = Experiment::new(self, created, targets, cpu);
        experiment.preconditioned_bytes = experiment.preconditioned_bytes.or(preconditioned_bytes);
        experiment.warnings.extend(output.iter().flat_map(OutputFile::leftover_warnings));
        let mut outcome = experiment.carry_out(output.as_ref(), announce);
        let mut document = experiment.document(true);
        if let Some(output) = output {
            document.error = outcome.as_ref().err().map(ErrorRecord::from);
            // The first of two errors is reported.
            outcome = outcome.and(save(&output, &document));
        }
        Ok((document, outcome))
    }

    /// Writes the range of the sweep twice, and returns its length.
    fn write_twice(&self, targets: &Targets) -> Result<u64, Error> {
        let totals = self.requests.iter().map(|request| request.workload.total_bytes);
        let range_bytes = totals.max().unwrap_or(0);
        for target in targets.iter() {
            let bytes = target.size_bytes().map_or(range_bytes, |size| size.min(range_bytes));
            for _ in 0..2 {
                create::overwrite(target, bytes)?;
            }
        }
        Ok(range_bytes)
    }

    /// Sets the totals to the default total, or to the size of the file if that is smaller, in whole blocks.
    ///
    /// A read from a cold cache starts slowly: the readahead window grows until it has its full size. Four
    /// full windows make that start a small part of a sample.
    fn cover_file(&mut self, targets: &Targets, readahead_bytes: u64) {
        for Request { workload, preparation, .. } in &mut self.requests {
            let ramp_bytes = match preparation.cache {
                CacheState::Cold if !workload.direct => RAMP_WINDOWS.saturating_mul(readahead_bytes),
                _ => 0,
            };
            let file_bytes = targets.of(workload).size_bytes().unwrap_or(DEFAULT_TOTAL_BYTES);
            let most_bytes = DEFAULT_TOTAL_BYTES.max(ramp_bytes).min(file_bytes);
            let whole_blocks = most_bytes / workload.block_bytes * workload.block_bytes;
            workload.total_bytes = whole_blocks.max(workload.block_bytes);
        }
    }
}

impl Experiment {
    /// Prepares every point. Points that cannot run are recorded with the reason.
    pub(crate) fn new(plan: SweepPlan, created: bool, targets: Targets, cpu: Option<usize>) -> Experiment {
        let SweepPlan { settings, requests, totals, floor, argv, axes, mut earlier, .. } = plan;
        let mut strategies: Vec<String> =
            requests.iter().map(|request| request.strategy.info().name.to_owned()).collect();
        strategies.dedup();
        let mut sizes: Vec<u64> = requests.iter().map(|request| request.workload.block_bytes).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let path = targets.first().path().to_owned();
        let mut experiment = Experiment {
            _deadline: Deadline::after(settings.budget),
            settings,
            argv,
            created,
            floor,
            started: Instant::now(),
            earlier_time: Duration::ZERO,
            resumed: 0,
            kept: Vec::new(),
            axes,
            preconditioned_bytes: None,
            start_time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            host: host::configuration(Some(&path)),
            conditions_before: host::conditions(),
            points: Vec::new(),
            refused: Vec::new(),
            floors: Floors::default(),
            controls: Controls::default(),
            pool: BufferPool::default(),
            rounds: 0,
            precise_points: 0,
            unfinished: StopReason::Budget,
            failure: None,
            warnings: Vec::new(),
            target: TargetRecord::from(targets.first()),
            targets,
            total_bytes: (totals == Totals::Given).then(|| common_total(&requests)).flatten(),
            path,
            direction: requests.first().map_or(Direction::Read, |request| request.workload.direction),
            cache: requests.first().map_or(CacheState::AsIs, |request| request.preparation.cache),
            strategies,
            block_sizes_bytes: sizes,
        };
        experiment
            .warnings
            .extend(requests.iter().find_map(|request| hole_warning(request, experiment.targets.first())));
        let shared_cpu = requests.first().and_then(|request| prepared::shared_cpu_warning(&request.workload));
        let earlier_runs = earlier.as_mut().map(|it| std::mem::take(&mut it.runs)).unwrap_or_default();
        let per_sample = earlier.as_ref().map_or(Duration::ZERO, |it| seconds_per_sample(it));
        let earlier_runs = experiment.prepare(requests, (cpu, totals), earlier_runs, per_sample);
        if totals == Totals::Fitted && earlier.is_none() {
            experiment.equalise_totals();
        }
        if let Some(earlier) = earlier {
            experiment.continue_from(*earlier, earlier_runs);
        }
        let buffered = experiment
            .points
            .iter()
            .find_map(|point| prepared::buffered_writes_warning(&point.prepared.request));
        experiment.warnings.extend(buffered);
        experiment.warnings.extend(shared_cpu);
        experiment
    }

    /// Prepares a point for each request. Of the `earlier` runs, each of whose samples took `per_sample`, it
    /// continues those that have a request, and returns the others.
    fn prepare(
        &mut self,
        requests: Vec<Request>,
        (cpu, totals): (Option<usize>, Totals),
        mut earlier: Vec<SweepRun>,
        per_sample: Duration,
    ) -> Vec<SweepRun> {
        for request in requests {
            let known = earlier.iter().position(|run| is_of(run, &request) && !run.unprepared);
            let known = known.map(|index| earlier.swap_remove(index));
            let totals = match &known {
                Some(run) if run.benchmark_samples.is_empty() => Totals::Given,
                Some(_) => Totals::Known,
                None => totals,
            };
            let prepared = match self.end_of_preparation() {
                Some(error) => Err(Box::new((request, error))),
                None => SweepPoint::new(request, &self.targets, cpu, totals),
            };
            match (prepared, known) {
                (Ok(mut point), known) => {
                    if let Some(run) = &known {
                        point.continue_from(run, per_sample * run.benchmark_samples.len() as u32);
                    }
                    self.points.push(point);
                }
                // Its samples count, though it cannot run any more.
                (Err(refused), Some(run)) if !run.benchmark_samples.is_empty() => {
                    let error = self.end_of_preparation().unwrap_or(refused.1);
                    self.kept.push(SweepRun { error: Some(ErrorRecord::from(&error)), ..run });
                }
                (Err(refused), _) => {
                    let (request, error) = *refused;
                    let error = self.end_of_preparation().unwrap_or(error);
                    self.refuse(request, error);
                }
            }
        }
        earlier
    }

    /// Takes over what an earlier part of the sweep measured. Its `runs` without a request cannot run.
    fn continue_from(&mut self, earlier: SweepDocument, runs: Vec<SweepRun>) {
        let configuration = earlier.sweep_configuration;
        self.earlier_time = Duration::try_from_secs_f64(configuration.elapsed_seconds).unwrap_or_default();
        self.resumed = configuration.resumed + 1;
        self.rounds = configuration.rounds;
        self.start_time = configuration.start_time;
        self.argv = configuration.argv;
        self.preconditioned_bytes = configuration.preconditioned_bytes;
        self.conditions_before = earlier.conditions_before;
        self.floors = earlier.floors;
        self.controls.readings = earlier.controls;
        self.kept.extend(runs.into_iter().filter(|run| !run.unprepared));
        self.review();
    }

    /// Gives all points of a row that are served from the page cache the smallest of their totals.
    fn equalise_totals(&mut self) {
        for block_bytes in self.block_sizes_bytes.clone() {
            let row = self.points.iter_mut().filter(|point| point.is_served_from_cache(block_bytes));
            let row: Vec<&mut SweepPoint> = row.collect();
            let workloads = || row.iter().map(|point| point.prepared.request.workload);
            let smallest = workloads().map(|workload| workload.total_bytes).min();
            // Every worker needs a block.
            let threads = workloads().map(|workload| u64::from(workload.threads)).max();
            let total_bytes = smallest.unwrap_or(block_bytes).max(threads.unwrap_or(1) * block_bytes);
            for point in row {
                point.set_total(total_bytes);
            }
        }
    }

    /// The reason why no further point is prepared, if there is one.
    fn end_of_preparation(&self) -> Option<Error> {
        let budget = self.settings.budget;
        if interrupt::is_time_up() || self.started.elapsed() >= measuring_time(budget) {
            let seconds = budget.as_secs_f64();
            let sentence =
                format!("--budget: {seconds} s ended before this point; use a longer one or fewer points");
            return Some(Error::usage(sentence));
        }
        interrupt::check().err()
    }

    /// Measures all samples.
    ///
    /// # Errors
    /// An interruption after a signal, an error of the result file, or the first error at a point.
    pub(crate) fn carry_out(
        &mut self,
        output: Option<&OutputFile>,
        announce: &dyn Fn(&Announcement),
    ) -> Result<(), Error> {
        let floors = measure_floors(&self.points, self.floor, &self.targets, self.time_left() / 10);
        self.floors = match self.resumed {
            0 => floors,
            _ => std::mem::take(&mut self.floors).min(&floors),
        };
        announce(&self.announcement());
        // From here on, the sweep can be continued.
        self.save(output)?;
        let outcome = self.check_budget(Some(self.time_left())).and_then(|()| self.rounds(output));
        // The floors are measured twice, because the processor may be slowed during one of the measurements.
        // Half of the rest of the budget is for the analysis.
        let later = measure_floors(&self.points, self.floor, &self.targets, self.time_left() / 2);
        self.floors = std::mem::take(&mut self.floors).min(&later);
        // Also labels the samples of a round that the budget or a signal ended.
        self.review();
        self.warnings.extend(self.points.iter().find_map(|point| point.prepared.resized_warning()));
        let outcome = outcome.and_then(|()| self.check_budget(None));
        let outcome = outcome.and(self.failure.take().map_or(Ok(()), Err));
        let plan = self.points.first().map(|point| &point.prepared.plan);
        outcome.and_then(|()| plan.map_or(Ok(()), |plan| plan.finish(&self.targets)))
    }

    /// The time that the sweep needs.
    fn announcement(&self) -> Announcement {
        let seconds: f64 = self.points.iter().map(|point| self.missing_seconds(point, CONVERGING)).sum();
        let elapsed = self.started.elapsed().as_secs_f64();
        // A twentieth of the budget is for the analysis.
        let needed = (elapsed + SAFETY_FACTOR * seconds) * 20.0 / 19.0;
        Announcement {
            points: self.points.len(),
            refused: self.refused.len() + self.kept.len(),
            needed: Duration::try_from_secs_f64(needed.ceil().max(1.0)).unwrap_or(Duration::MAX),
            budget: self.settings.budget,
        }
    }

    /// Estimated time until a point has `wanted` samples.
    fn missing_seconds(&self, point: &SweepPoint, wanted: u64) -> f64 {
        let missing = wanted.saturating_sub(point.samples.len() as u64) as f64;
        missing * point.seconds_per_sample().unwrap_or_else(|| self.usual_seconds())
    }

    /// Usual time of a sample with its preparation.
    fn usual_seconds(&self) -> f64 {
        let spent: Vec<f64> = self.points.iter().filter_map(SweepPoint::seconds_per_sample).collect();
        stats::median(&spent).unwrap_or(USUAL_SAMPLE_SECONDS)
    }

    /// Checks that every point that can run has enough samples for an interval, or will have them after the
    /// rounds that the `rest` of the budget allows.
    ///
    /// # Errors
    /// A usage error that names a sufficient budget.
    fn check_budget(&self, rest: Option<Duration>) -> Result<(), Error> {
        let unprepared = self.refused.iter().filter(|refused| refused.is_late).count();
        let wanted = MIN_SAMPLES.min(self.settings.largest_n);
        let missing_seconds = |point: &SweepPoint| self.missing_seconds(point, wanted);
        let open = self.points.iter().filter(|point| point.stop.is_none());
        let elapsed = self.started.elapsed().as_secs_f64();
        let budget = tenths(self.settings.budget);
        let preparing = elapsed / (self.points.len() + self.refused.len() - unprepared).max(1) as f64;
        let later = unprepared as f64 * (preparing + wanted as f64 * self.usual_seconds());
        let needed = open.map(missing_seconds).sum::<f64>() + later;
        let by_signal = interrupt::requested() && !interrupt::is_time_up();
        let rest = rest.unwrap_or_default().as_secs_f64();
        if by_signal || (needed <= rest && unprepared == 0) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "--budget: {budget} s are too short for {wanted} samples of each of {} points; use {:.0}s or \
             more, or fewer points",
            self.points.len() + unprepared,
            (SAFETY_FACTOR * (elapsed + needed).max(budget)).max(1.0).ceil()
        )))
    }

    /// Records a point that cannot run. Only an I/O that failed in its trial makes the sweep fail.
    fn refuse(&mut self, request: Request, error: Error) {
        let is_late =
            interrupt::is_time_up() || self.started.elapsed() >= measuring_time(self.settings.budget);
        self.refused.push(RefusedPoint { request, error: ErrorRecord::from(&error), is_late });
        if error.kind() == ErrorKind::Io {
            self.failure.get_or_insert(error);
        }
    }

    /// Runs rounds until every point is done, the budget is spent, or a signal arrives.
    fn rounds(&mut self, output: Option<&OutputFile>) -> Result<(), Error> {
        let progress = progress(self.settings.budget);
        // A sweep that is continued has another order in each part.
        let mut random = Random::new(self.settings.seed ^ self.resumed.wrapping_mul(random::STEP));
        let mut outcome = interrupt::check().map(|()| true);
        while let Ok(true) = outcome {
            outcome = self.round(&mut random, &progress, output);
        }
        progress.finish_and_clear();
        match outcome {
            Err(error) if error.kind() == ErrorKind::Interrupted && interrupt::is_time_up() => Ok(()),
            Err(error) => {
                if error.kind() == ErrorKind::Interrupted {
                    self.unfinished = StopReason::Interrupted;
                }
                Err(error)
            }
            Ok(_) => Ok(()),
        }
    }

    /// The rest of the budget.
    fn time_left(&self) -> Duration {
        self.settings.budget.saturating_sub(self.started.elapsed())
    }

    /// Runs a round and replaces the result file. Returns true if another round is needed and possible.
    fn round(
        &mut self,
        random: &mut Random,
        progress: &ProgressBar,
        output: Option<&OutputFile>,
    ) -> Result<bool, Error> {
        self.points.iter_mut().for_each(SweepPoint::begin_round);
        for visit in 0..VISITS {
            // Each visit gets fresh memory, so page placement varies between samples.
            self.pool.renew();
            let points = if visit == 0 { self.open_points() } else { self.affordable_points() };
            for index in self.ordered(points, random) {
                if self.started.elapsed() >= measuring_time(self.settings.budget) {
                    return Ok(false);
                }
                self.sample(index)?;
                // Drawing does not disturb a sample: the next bracket opens after it.
                self.draw(progress);
            }
        }
        self.rounds += 1;
        self.review();
        self.check_budget(Some(self.time_left()))?;
        self.save(output)?;
        Ok(!self.open_points().is_empty())
    }

    /// Replaces the result file, if there is one.
    fn save(&self, output: Option<&OutputFile>) -> Result<(), Error> {
        let replaced = output.filter(|output| output.is_replaced());
        replaced.map_or(Ok(()), |output| save(output, &self.document(false)))
    }

    /// Measures a sample of a point, with a control reading before and after it. If the strategy fails, the
    /// point is closed; only a signal is returned as an error.
    fn sample(&mut self, index: usize) -> Result<(), Error> {
        let start = Instant::now();
        let Self { points, controls, pool, failure, .. } = self;
        let point = &mut points[index];
        match controls.around(|order_index| point.sample(pool, order_index)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                point.fail(&error);
                failure.get_or_insert(error);
            }
            Ok(()) => point.spent += start.elapsed(),
        }
        Ok(())
    }

    /// Labels the samples using all readings so far, and closes the points that are done.
    fn review(&mut self) {
        let readings: Vec<f64> = self.controls.readings.iter().map(Control::processor_ns).collect();
        let machine = Machine {
            slowed: stats::disturbed(&readings, self.floors.nominal_processor_ns),
            hardly_left_alone: stats::hardly_left_alone(&readings),
        };
        for point in &mut self.points {
            point.review(&machine, self.settings.precision, self.settings.largest_n as usize);
        }
        let is_precise = |point: &&SweepPoint| point.is_precise(self.settings.precision);
        self.precise_points = self.points.iter().filter(is_precise).count();
    }

    /// Indices of the points that are not done.
    fn open_points(&self) -> Vec<usize> {
        (0..self.points.len()).filter(|index| self.points[*index].stop.is_none()).collect()
    }

    /// Indices of the open points that the remaining budget is expected to complete. Cheap points are chosen
    /// first.
    fn affordable_points(&self) -> Vec<usize> {
        let Settings { precision, largest_n, budget, .. } = self.settings;
        let to_go = |point: &SweepPoint| point.seconds_to_go(precision, largest_n as usize);
        let cost = |index: usize| Some((index, to_go(&self.points[index])?));
        let (foreseen, costs): (Vec<usize>, Vec<f64>) =
            self.open_points().into_iter().filter_map(cost).unzip();
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
        let size = |index: &usize| self.points[*index].prepared.request.workload.block_bytes;
        match self.settings.order {
            Order::Random => random.shuffle(&mut points),
            Order::Ascending => points.sort_by_key(size),
            Order::Descending => points.sort_by_key(|index| std::cmp::Reverse(size(index))),
        }
        points
    }

    fn draw(&self, progress: &ProgressBar) {
        let (spent, budget) = (self.started.elapsed(), self.settings.budget);
        progress.set_position(spent.as_millis() as u64);
        progress.set_message(format!(
            "{} of {} s, round {}, {} of {} points within {} %",
            spent.as_secs(),
            budget.as_secs_f64(),
            self.rounds + 1,
            self.precise_points,
            self.points.len(),
            100.0 * self.settings.precision
        ));
    }

    /// The document of the samples so far. The files that are written between rounds have no analysis.
    pub(crate) fn document(&self, analysed: bool) -> SweepDocument {
        // The file of a round is only read if the program did not write the final one.
        let unfinished = if analysed { self.unfinished } else { StopReason::Interrupted };
        let mut runs: Vec<SweepRun> = self
            .points
            .iter()
            .map(|point| point.run(&self.argv, self.created, unfinished, self.settings.precision))
            .chain(self.refused.iter().map(|refused| refused.run(&self.argv, self.created)))
            .chain(self.kept.iter().cloned())
            .collect();
        let place = |run: &SweepRun| {
            let configuration = &run.benchmark_configuration;
            let strategy = self.strategies.iter().position(|name| *name == configuration.strategy);
            (strategy, configuration.buffersize)
        };
        runs.sort_by_key(place);
        for run in &mut runs {
            run.benchmark_configuration.target = Some(self.target.clone());
        }
        let mut document = SweepDocument {
            schema_version: SchemaVersion::default(),
            host_configuration: self.host.clone(),
            conditions_before: self.conditions_before,
            conditions_after: host::conditions(),
            sweep_configuration: self.configuration(),
            runs,
            floors: self.floors.clone(),
            controls: self.controls.readings.clone(),
            models: Vec::new(),
            knees: Vec::new(),
            conclusions: Vec::new(),
            warnings: self.warnings.clone(),
            error: None,
        };
        if analysed {
            analysis::add(&mut document, &interrupt::requested);
        }
        document
    }

    fn configuration(&self) -> SweepConfiguration {
        let Settings { precision, budget, largest_n, order, seed } = self.settings;
        SweepConfiguration {
            path: self.path.display().to_string(),
            direction: self.direction,
            axes: self.axes.clone(),
            strategies: self.strategies.clone(),
            block_sizes_bytes: self.block_sizes_bytes.clone(),
            total_bytes: self.total_bytes,
            precision,
            budget_seconds: (self.earlier_time + budget).as_secs_f64(),
            largest_n,
            order,
            seed,
            cache: self.cache,
            preconditioned_bytes: self.preconditioned_bytes,
            resumed: self.resumed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            argv: self.argv.clone(),
            start_time: self.start_time.clone(),
            elapsed_seconds: (self.earlier_time + self.started.elapsed()).as_secs_f64(),
            rounds: self.rounds,
        }
    }
}

/// The time that a sweep needs, known when its points are prepared.
pub(crate) struct Announcement {
    /// Number of points that can run.
    pub(crate) points: usize,
    /// Number of points that cannot.
    pub(crate) refused: usize,
    /// Estimated time for [`CONVERGING`] samples of each point.
    pub(crate) needed: Duration,
    /// The time that the sweep may take.
    pub(crate) budget: Duration,
}

/// Mean time of the samples of a sweep, with everything around them.
fn seconds_per_sample(sweep: &SweepDocument) -> Duration {
    let samples = sweep.controls.len().max(1) as f64;
    Duration::try_from_secs_f64(sweep.sweep_configuration.elapsed_seconds / samples).unwrap_or_default()
}

/// True if this earlier run is the point of the request.
fn is_of(run: &SweepRun, request: &Request) -> bool {
    let Request { strategy, workload, preparation, .. } = request;
    run.benchmark_configuration.point() == (strategy.info().name, *workload, preparation.cache)
}

/// A warning about holes in the range of a sweep that writes. The trials of its points fill them.
fn hole_warning(request: &Request, target: &Target) -> Option<Warning> {
    let writes = request.workload.direction == Direction::Write;
    let total_bytes = DEFAULT_TOTAL_BYTES.min(target.size_bytes()?);
    let mut configuration = prepared::configuration(request, Vec::new(), false);
    configuration.totalsize = total_bytes;
    prepared::describe_extents(&mut configuration, extents::unstored(target, total_bytes));
    configuration.never_written().filter(|_| writes)
}

/// The result file, which must not be a measured file.
fn output_file(path: &Path, measured: &[PathBuf]) -> Result<OutputFile, Error> {
    let purpose = "the file to measure";
    let mut in_use = Vec::new();
    for measured in measured {
        match Inode::named(measured) {
            Some(inode) => in_use.push((inode, purpose)),
            // With --create, the measured file may not exist yet.
            None if file::name_the_same(path, measured) => return Err(file::in_use_as(path, purpose)),
            None => {}
        }
    }
    OutputFile::new(path, &in_use)
}

/// Writes the result file.
///
/// # Errors
/// The errors of writing a file.
fn save(output: &OutputFile, document: &SweepDocument) -> Result<(), Error> {
    let bytes = serde_json::to_vec(document).map_err(|error| Error::output(error.into()))?;
    output.write(&bytes)
}

/// Seconds, rounded to tenths.
pub(super) fn tenths(time: Duration) -> f64 {
    (10.0 * time.as_secs_f64()).round() / 10.0
}

/// The part of the budget that is used for samples. The rest is for fitting models and knees, which takes a
/// second or two.
fn measuring_time(budget: Duration) -> Duration {
    budget - (budget / 20).min(Duration::from_secs(3))
}

/// The total of all requests, if they have the same.
fn common_total(requests: &[Request]) -> Option<u64> {
    let first = requests.first()?.workload.total_bytes;
    requests.iter().all(|request| request.workload.total_bytes == first).then_some(first)
}

/// The progress bar. It is drawn only on a terminal, and only on request: it has no thread.
fn progress(budget: Duration) -> ProgressBar {
    let length = budget.as_millis() as u64;
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{bar:20} {msg}");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

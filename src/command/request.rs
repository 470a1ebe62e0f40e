//! The request of a run: arguments that passed all checks that need no file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::{DEFAULT_STRATEGY, RunArgs, WorkloadArgs};
use crate::engine::operation::{Direction, Mode};
use crate::engine::prepare::Preparation;
use crate::engine::strategy::{DirectIo, Mechanism, Strategy};
use crate::engine::targets::{self, Targets, common_path};
use crate::engine::workload::{Files, OpenSync, Workload};
use crate::error::Error;
use crate::job::RunJob;
use crate::report::document::BenchmarkConfiguration;
use crate::units::MAX_THREADS;

/// Default total, which is that of the lab.
pub(crate) const DEFAULT_TOTAL_BYTES: u64 = 16 << 20;

/// Pause of the lab before each sample.
const SETTLE: Duration = Duration::from_secs(1);

/// A run whose arguments are consistent.
pub(crate) type Request = RunJob<&'static dyn Strategy>;

impl Request {
    /// The request of these arguments.
    ///
    /// # Errors
    /// A usage error that names the argument.
    pub(crate) fn new(args: &RunArgs, strategies: &[&'static dyn Strategy]) -> Result<Request, Error> {
        let (mode, path) = mode_and_path(args)?;
        check_create_flags(args, mode)?;
        let bare = args.bare || mode == Mode::Create;
        let settle = args.settle.unwrap_or(if args.for_time.is_some() { Duration::ZERO } else { SETTLE });
        let settle_seconds = if bare { 0.0 } else { settle.as_secs_f64() };
        let RunArgs { block_bytes, access, seed, buffer, cache, rate, mix, .. } = *args;
        let RunArgs { direct, iodepth, threads, .. } = *args;
        let total_bytes = args.total_bytes.unwrap_or(DEFAULT_TOTAL_BYTES);
        let workload = args.workload.apply_to(Workload::new(mode.direction(), block_bytes, total_bytes));
        let request = Request {
            mode,
            path,
            strategy: find_strategy(&args.strategy, strategies)?,
            workload: Workload { access, seed, buffer, rate, mix, direct, iodepth, threads, ..workload },
            preparation: Preparation { bare, settle_seconds, cache },
            usage: args.usage || args.explain,
            iterations: args.iterations,
            for_seconds: args.for_time.map(|time| time.as_secs_f64()),
            create_missing: args.workload.create,
            file_size_bytes: args.workload.file_size,
            allow_device_write: args.workload.allow_device_write,
        };
        request.checked()
    }

    /// The request of a job from another process.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn of_job(job: RunJob, strategies: &[&'static dyn Strategy]) -> Result<Request, Error> {
        let strategy = find_strategy(&job.strategy, strategies)?;
        job.on(strategy).checked()
    }

    /// The request that repeats the run of this configuration.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn repeat(
        configuration: &BenchmarkConfiguration,
        strategies: &[&'static dyn Strategy],
    ) -> Result<Request, Error> {
        Request::repeat_unchecked(configuration, strategies)?.checked()
    }

    /// The request of a point that was already checked.
    ///
    /// # Errors
    /// A usage error if the strategy is unknown.
    pub(crate) fn repeat_unchecked(
        configuration: &BenchmarkConfiguration,
        strategies: &[&'static dyn Strategy],
    ) -> Result<Request, Error> {
        let BenchmarkConfiguration { operation, strategy, preparation, usage, .. } = configuration;
        Ok(Request {
            strategy: find_strategy(strategy, strategies)?,
            mode: *operation,
            path: measured_path(configuration),
            workload: configuration.requested,
            preparation: *preparation,
            usage: *usage,
            iterations: configuration.iterations,
            for_seconds: configuration.for_seconds,
            create_missing: false,
            file_size_bytes: None,
            allow_device_write: false,
        })
    }

    /// The request as a job for another process.
    pub(crate) fn job(self) -> RunJob {
        let name = self.strategy.info().name.to_owned();
        self.on(name)
    }

    /// Also checks what the command line cannot contain, but a result file can.
    fn checked(self) -> Result<Request, Error> {
        let Workload { block_bytes, total_bytes, iodepth, batch, threads, mix, sync_every, rate, .. } =
            self.workload;
        let is_zero = [iodepth.map(u64::from), batch.map(u64::from), sync_every, rate].contains(&Some(0));
        if block_bytes == 0 || total_bytes == 0 || threads == 0 || is_zero {
            return Err(Error::usage("the result has a size, a depth, a rate or a number of 0"));
        }
        if threads > MAX_THREADS || mix.is_some_and(|percent| percent > 100) {
            let limits = format!("at most {MAX_THREADS} threads and 100 percent are possible");
            return Err(Error::usage(format!(
                "the result has {threads} threads and a mix of {mix:?}: {limits}"
            )));
        }
        let request = self.settled()?;
        request.check_sizes()?;
        Ok(request)
    }

    /// Sets O_DIRECT if the strategy always uses it, and checks the options against the strategy. Sizes are
    /// checked by [`Request::check_sizes`], because a sweep records the sizes that do not fit and continues.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn settled(mut self) -> Result<Request, Error> {
        let info = self.strategy.info();
        self.workload.direct |= info.direct == DirectIo::Always;
        let usage = |sentence| Err(Error::usage(sentence));
        let access = self.workload.access;
        if !access.is_sequential() && !info.random {
            return usage(format!(
                "--access {access}: {} uses the file position; use --strategy pread",
                info.name
            ));
        }
        if let Some(depth) =
            self.workload.iodepth.filter(|depth| *depth > info.max_iodepth && info.max_iodepth > 1)
        {
            return usage(format!("--iodepth {depth}: {} takes at most {}", info.name, info.max_iodepth));
        }
        if self.mode == Mode::Create && info.name != DEFAULT_STRATEGY {
            return usage(format!(
                "-c always writes with write(2); create the file without --strategy, then run \
                 -w --strategy {}",
                info.name
            ));
        }
        self.check_writes()?;
        if self.workload.files == Files::PerThread && self.mode == Mode::Create {
            return usage("--files per-thread: -c creates one file; use --create -w".to_owned());
        }
        if self.create_missing && matches!(self.mode, Mode::Create | Mode::Describe) {
            return usage("--create needs -r or -w".to_owned());
        }
        Ok(self)
    }

    /// Checks the options that are about writes.
    fn check_writes(&self) -> Result<(), Error> {
        let Workload { mix, sync_every, open_sync, direction, .. } = self.workload;
        let info = self.strategy.info();
        let given = [
            ("--mix", mix.is_some(), "it overwrites a part of the file"),
            ("--sync-every", sync_every.is_some(), "it syncs writes"),
            ("--open-sync", open_sync != OpenSync::None, "it syncs writes"),
        ];
        for (flag, _, reason) in given.iter().filter(|(_, given, _)| *given) {
            if direction == Direction::Read || self.mode == Mode::Create {
                return Err(Error::usage(format!("{flag} needs -w, because {reason}")));
            }
        }
        if open_sync != OpenSync::None && info.properties.mechanism == Mechanism::Mapping {
            let name = info.name;
            return Err(Error::usage(format!(
                "--open-sync: {name} does not write by system calls; use --sync-every, or --strategy pread"
            )));
        }
        Ok(())
    }

    /// Checks total and buffer size against each other and against the strategy.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn check_sizes(&self) -> Result<(), Error> {
        let Workload { total_bytes, block_bytes, threads, .. } = self.workload;
        if !total_bytes.is_multiple_of(block_bytes) {
            // The message of `io-benchmark`.
            let sentence =
                format!("FAIL: data size ({total_bytes}) is not a multiple of buffersize ({block_bytes})");
            return Err(Error::usage(sentence));
        }
        self.workload.access.check(block_bytes)?;
        let blocks = self.workload.blocks();
        if u64::from(threads) > blocks {
            return Err(Error::usage(format!(
                "--threads {threads}: the total has only {blocks} blocks of {block_bytes} bytes; use a \
                 larger -t or a smaller -b"
            )));
        }
        let info = self.strategy.info();
        if block_bytes > info.max_block_bytes {
            return Err(Error::usage(format!(
                "-b {block_bytes}: {} moves at most {} bytes in one operation; use a smaller -b",
                info.name, info.max_block_bytes
            )));
        }
        Ok(())
    }

    /// The paths that the run measures.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        targets::paths(&self.path, &self.workload)
    }

    /// Opens what the run measures.
    ///
    /// # Errors
    /// Those of [`Targets::open`].
    pub(crate) fn open_targets(&self) -> Result<Targets, Error> {
        Targets::open(&self.path, &self.workload, self.allow_device_write)
    }
}

/// The path of the run: absolute, if the result has it.
pub(crate) fn measured_path(configuration: &BenchmarkConfiguration) -> PathBuf {
    match &configuration.target {
        Some(target) => common_path(Path::new(&target.absolute_path), configuration.requested.files),
        None => PathBuf::from(&configuration.path),
    }
}

impl WorkloadArgs {
    /// `workload` with these options.
    pub(crate) fn apply_to(&self, workload: Workload) -> Workload {
        let WorkloadArgs { noatime, sync, batch, latency, sync_every, open_sync, files, cpu, .. } = *self;
        Workload { noatime, sync, batch, latency, sync_every, open_sync, files, cpu, ..workload }
    }
}

/// True if the configuration is printed: with `-v`, and always in create and describe mode.
pub(crate) fn is_verbose(args: &RunArgs) -> bool {
    let mode = mode_and_path(args).map(|(mode, _)| mode);
    args.verbose || matches!(mode, Ok(Mode::Create | Mode::Describe))
}

const NO_MODE: &str = "no mode: give -c, -r or -w, or write create, describe, read or write before the path";
const NO_PATH: &str = "no path: name the file or device after the mode";
const TWO_MODES: &str = "two modes: give only one of -c, -r, -w, create, describe, read and write";
const TWO_PATHS: &str = "more than one path: a run measures one file or device";

fn mode_and_path(args: &RunArgs) -> Result<(Mode, PathBuf), Error> {
    let flags =
        [(args.create_mode, Mode::Create), (args.read_mode, Mode::Read), (args.write_mode, Mode::Write)];
    let mut modes = flags.iter().filter(|(given, _)| *given).map(|(_, mode)| *mode);
    let verb = args.words.first().and_then(|word| verb_mode(word));
    let sentence = match (modes.next(), modes.next(), verb, args.words.as_slice()) {
        (_, Some(_), ..) | (Some(_), None, Some(_), [_, _]) => TWO_MODES,
        (Some(mode), None, _, [path]) | (None, None, Some(mode), [_, path]) => {
            return Ok((mode, path.clone()));
        }
        (Some(_), None, _, []) | (None, None, Some(_), [_]) => NO_PATH,
        (Some(_), None, ..) | (None, None, Some(_), _) => TWO_PATHS,
        (None, None, None, _) => NO_MODE,
    };
    Err(Error::usage(sentence))
}

fn verb_mode(verb: &Path) -> Option<Mode> {
    [Mode::Create, Mode::Describe, Mode::Read, Mode::Write]
        .into_iter()
        .find(|mode| verb == Path::new(mode.name()))
}

/// Refuses the flags that create mode does not allow. `-c` implies `-B` and `-v`, but refuses them on the
/// command line, as `io-benchmark` does.
fn check_create_flags(args: &RunArgs, mode: Mode) -> Result<(), Error> {
    let given = [
        ("-B", args.bare),
        ("-d", args.direct),
        ("-q", args.quiet),
        ("-s", args.workload.sync),
        ("-v", args.verbose),
    ];
    match given.iter().find(|(_, given)| mode == Mode::Create && *given) {
        Some((flag, _)) => {
            Err(Error::usage(format!("{flag} cannot be used with create mode (-c): leave it out")))
        }
        None => Ok(()),
    }
}

/// The registered strategy of this name.
///
/// # Errors
/// A usage error that lists the names.
pub(crate) fn find_strategy(
    name: &str,
    strategies: &[&'static dyn Strategy],
) -> Result<&'static dyn Strategy, Error> {
    strategies.iter().copied().find(|strategy| strategy.info().name == name).ok_or_else(|| {
        let known: Vec<&str> = strategies.iter().map(|strategy| strategy.info().name).collect();
        Error::usage(format!("--strategy {name}: there is no such strategy; use one of {}", known.join(", ")))
    })
}

/// Direction of the transfers of a sweep.
pub(crate) fn direction(write_mode: bool) -> Direction {
    if write_mode { Direction::Write } else { Direction::Read }
}

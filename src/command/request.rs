//! The arguments of a run, checked as far as that is possible without touching a file.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{self, RunArgs};
use crate::engine::affinity::CpuChoice;
use crate::engine::buffer::Fill;
use crate::engine::cache::CacheState;
use crate::engine::offsets::Access;
use crate::engine::strategy::{DirectIo, Direction, Strategy};
use crate::error::Error;

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Make the file, writing it inside the bracket.
    Create,
    /// Print the configuration only.
    Describe,
    /// Read.
    Read,
    /// Write.
    Write,
}

impl Mode {
    /// The lab's `operation`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Create => "create",
            Mode::Describe => "describe",
            Mode::Read => "read",
            Mode::Write => "write",
        }
    }

    /// Which way the bytes move.
    pub fn direction(self) -> Direction {
        match self {
            Mode::Create | Mode::Write => Direction::Write,
            Mode::Describe | Mode::Read => Direction::Read,
        }
    }
}

/// A run that makes sense as far as the command line tells.
#[derive(Clone)]
pub struct Request {
    /// What to do.
    pub mode: Mode,
    /// The file or device.
    pub path: PathBuf,
    /// The I/O path.
    pub strategy: &'static dyn Strategy,
    /// Size of one I/O.
    pub block_bytes: u64,
    /// Bytes of one iteration, a multiple of `block_bytes`.
    pub total_bytes: u64,
    /// Number of iterations.
    pub iterations: u64,
    /// `-B`.
    pub bare: bool,
    /// Whether O_DIRECT is to be used: `-d`, or the strategy always does.
    pub direct: bool,
    /// `-g`.
    pub usage: bool,
    /// `-s`.
    pub sync: bool,
    /// `--iodepth`, if given.
    pub iodepth: Option<u32>,
    /// `--batch`, if given.
    pub batch: Option<u32>,
    /// `--cpu`.
    pub cpu: CpuChoice,
    /// `--buffer`.
    pub buffer: Fill,
    /// Pause before each bracket; none with `-B`.
    pub settle: Duration,
    /// `--create`.
    pub create_missing: bool,
    /// `--cache`.
    pub cache: CacheState,
    /// `--access`.
    pub access: Access,
    /// `--seed`.
    pub seed: u64,
    /// `--allow-device-write`.
    pub allow_device_write: bool,
}

impl Request {
    /// Checks the arguments against each other and against what the strategy can do.
    ///
    /// # Errors
    /// [`Error::Usage`], one sentence that names the argument.
    pub fn new(args: &RunArgs, strategies: &[&'static dyn Strategy]) -> Result<Request, Error> {
        let request = Request::of_sweep(args, strategies)?;
        request.check_sizes()?;
        Ok(request)
    }

    /// The same without [`Request::check_sizes`]: a sweep records sizes that do not fit, and goes on.
    ///
    /// # Errors
    /// [`Error::Usage`], one sentence that names the argument.
    pub fn of_sweep(args: &RunArgs, strategies: &[&'static dyn Strategy]) -> Result<Request, Error> {
        let (mode, path) = mode_and_path(args)?;
        check_create_flags(args, mode)?;
        let strategy = find_strategy(&args.strategy, strategies)?;
        let request = Request {
            mode,
            path,
            strategy,
            block_bytes: cli::size_bytes(&args.block_size).map_err(named("-b"))?,
            total_bytes: cli::size_bytes(&args.total_size).map_err(named("-t"))?,
            iterations: cli::count(&args.iterations).map_err(named("-n"))?,
            bare: args.bare || mode == Mode::Create,
            direct: args.direct || strategy.info().direct == DirectIo::Always,
            usage: args.usage || args.explain,
            sync: args.sync,
            iodepth: queue_length(args.iodepth.as_deref(), "--iodepth")?,
            batch: queue_length(args.batch.as_deref(), "--batch")?,
            cpu: cli::cpu(args.cpu.as_deref()).map_err(named("--cpu"))?,
            buffer: args.buffer,
            settle: pause(args, mode)?,
            create_missing: args.create,
            cache: args.cache,
            access: args.access,
            seed: args.seed.parse().map_err(|_| not_a_seed(&args.seed))?,
            allow_device_write: args.allow_device_write,
        };
        request.check_abilities()?;
        Ok(request)
    }

    /// Checks total and buffer size against each other and against the strategy.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_sizes(&self) -> Result<(), Error> {
        let (total_bytes, block_bytes) = (self.total_bytes, self.block_bytes);
        if !total_bytes.is_multiple_of(block_bytes) {
            // The lab's words.
            let message =
                format!("FAIL: data size ({total_bytes}) is not a multiple of buffersize ({block_bytes})");
            return Err(Error::Usage(message));
        }
        let info = self.strategy.info();
        if block_bytes > info.max_block_bytes {
            return Err(Error::Usage(format!(
                "-b {block_bytes}: {} moves at most {} bytes in one operation; use a smaller -b",
                info.name, info.max_block_bytes
            )));
        }
        Ok(())
    }

    /// Bytes that the file must hold.
    pub fn file_bytes(&self) -> u64 {
        self.strategy.info().file_bytes(self.total_bytes)
    }

    fn check_abilities(&self) -> Result<(), Error> {
        let info = self.strategy.info();
        if self.access == Access::Random && !info.random {
            return Err(Error::Usage(format!(
                "--access random: {} follows the file's own position; use --strategy pread",
                info.name
            )));
        }
        if let Some(depth) =
            self.iodepth.filter(|depth| *depth > info.deepest_queue && info.deepest_queue > 1)
        {
            return Err(Error::Usage(format!(
                "--iodepth {depth}: {} takes at most {}",
                info.name, info.deepest_queue
            )));
        }
        if self.mode == Mode::Create && info.name != "readwrite" {
            return Err(Error::Usage(format!(
                "-c makes the file with write(2), as the lab's program does; leave out --strategy {}, \
                 then measure it with -w",
                info.name
            )));
        }
        if self.create_missing && matches!(self.mode, Mode::Create | Mode::Describe) {
            return Err(Error::Usage("--create goes with -r or -w".to_owned()));
        }
        Ok(())
    }
}

/// Whether the configuration is printed: with `-v`, and always in create and describe mode.
pub fn is_verbose(args: &RunArgs) -> bool {
    let mode = mode_and_path(args).map(|(mode, _)| mode);
    args.verbose || matches!(mode, Ok(Mode::Create | Mode::Describe))
}

const NO_MODE: &str =
    "no mode: give one of -c, -r and -w, or one of create, describe, read and write before the path";

fn mode_and_path(args: &RunArgs) -> Result<(Mode, PathBuf), Error> {
    let flags =
        [(args.create_mode, Mode::Create), (args.read_mode, Mode::Read), (args.write_mode, Mode::Write)];
    let mut modes = flags.iter().filter(|(given, _)| *given).map(|(_, mode)| *mode);
    let usage = |message: &str| Err(Error::Usage(message.to_owned()));
    let two_modes = || usage("two modes: give exactly one of -c, -r and -w, or one verb");
    let two_paths = || usage("more than one path: a run measures one file or device");
    match (modes.next(), modes.next(), args.words.as_slice()) {
        (_, Some(_), _) => two_modes(),
        (Some(_), None, [verb, _]) if verb_mode(verb).is_some() => two_modes(),
        (Some(mode), None, [path]) => Ok((mode, path.clone())),
        (Some(_), None, []) => usage("no path: name the file or device behind the mode"),
        (Some(_), None, [_, ..]) => two_paths(),
        (None, None, [verb, path]) => match verb_mode(verb) {
            Some(mode) => Ok((mode, path.clone())),
            None => usage(NO_MODE),
        },
        (None, None, [verb]) if verb_mode(verb).is_some() => {
            usage("no path: name the file or device behind the mode")
        }
        (None, None, [verb, ..]) if verb_mode(verb).is_some() => two_paths(),
        (None, None, _) => usage(NO_MODE),
    }
}

fn verb_mode(verb: &std::path::Path) -> Option<Mode> {
    match verb.to_str()? {
        "create" => Some(Mode::Create),
        "describe" => Some(Mode::Describe),
        "read" => Some(Mode::Read),
        "write" => Some(Mode::Write),
        _ => None,
    }
}

/// `-c` implies `-B -v`; given by hand they are refused with the rest, as in the lab's program.
fn check_create_flags(args: &RunArgs, mode: Mode) -> Result<(), Error> {
    let given =
        [("-B", args.bare), ("-d", args.direct), ("-q", args.quiet), ("-s", args.sync), ("-v", args.verbose)];
    match given.iter().find(|(_, given)| mode == Mode::Create && *given) {
        Some((flag, _)) => {
            Err(Error::Usage(format!("{flag} does not go with create mode (-c): leave it out")))
        }
        None => Ok(()),
    }
}

/// The registered strategy of this name.
///
/// # Errors
/// [`Error::Usage`] with the names that there are.
pub fn find_strategy(
    name: &str,
    strategies: &[&'static dyn Strategy],
) -> Result<&'static dyn Strategy, Error> {
    strategies.iter().copied().find(|strategy| strategy.info().name == name).ok_or_else(|| {
        let known: Vec<&str> = strategies.iter().map(|strategy| strategy.info().name).collect();
        Error::Usage(format!("--strategy {name}: there is no such strategy; there are {}", known.join(", ")))
    })
}

fn queue_length(text: Option<&str>, flag: &'static str) -> Result<Option<u32>, Error> {
    let Some(text) = text else { return Ok(None) };
    let number = cli::count(text).map_err(named(flag))?;
    u32::try_from(number)
        .map(Some)
        .map_err(|_| Error::Usage(format!("{flag} {number}: no queue is that deep")))
}

fn pause(args: &RunArgs, mode: Mode) -> Result<Duration, Error> {
    let pause = cli::pause(&args.settle).map_err(named("--settle"))?;
    Ok(if args.bare || mode == Mode::Create { Duration::ZERO } else { pause })
}

fn not_a_seed(text: &str) -> Error {
    Error::Usage(format!("--seed: '{text}' is not a whole number from 0 to 2^64 - 1"))
}

fn named(flag: &'static str) -> impl Fn(String) -> Error {
    move |reason| Error::Usage(format!("{flag}: {reason}"))
}

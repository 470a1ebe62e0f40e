//! `-c`, `-r`, `-w` and `describe`: the benchmark of the lab through any strategy.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::output::Output;
use super::request::{Mode, Request};
use crate::cli::RunArgs;
use crate::engine::affinity::{self, CpuChoice};
use crate::engine::buffer::{Buffer, Fill};
use crate::engine::cache::CacheState;
use crate::engine::create;
use crate::engine::extents;
use crate::engine::interrupt;
use crate::engine::iteration::{self, Plan, Sample};
use crate::engine::offsets::{Access, Offsets};
use crate::engine::prepare;
use crate::engine::probes;
use crate::engine::strategy::{Direction, Effective, Limits, Strategy, Support};
use crate::engine::target::Target;
use crate::error::Error;
use crate::host;
use crate::report::document::{
    BenchmarkConfiguration, Document, Granted, Requested, SCHEMA_VERSION, SampleRecord,
};

/// Operations in flight where neither the user nor the strategy says otherwise.
const DEFAULT_IODEPTH: u32 = 32;

/// Carries out a run. What is known at any time, up to an error, is in `document`.
///
/// # Errors
/// The first error; the samples before it are in the document.
pub fn run(
    args: &RunArgs,
    argv: Vec<String>,
    strategies: &[&'static dyn Strategy],
    document: &mut Document,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::new(args, strategies)?;
    interrupt::install();
    // Before a file is made or truncated: a run that is refused leaves everything as it was.
    let cpu = affinity::pin(request.cpu)?;
    let created = make_file(&request)?;
    let direction = request.mode.direction();
    let target = Target::open(&request.path, direction, request.allow_device_write)?;
    if request.mode != Mode::Create {
        target.check_holds(request.total_bytes, request.block_bytes)?;
    }
    let limits = probe(&request, &target)?;
    let plan = plan(&request, limits, output);
    probes::register();
    prepare::touch_program();

    let mut configuration = configuration(&request, argv, created);
    describe_extents(&request, &target, &mut configuration, output);
    warn_of_buffered_writes(&request, output);
    let granted =
        |effective: &Effective| Granted { effective: effective.clone(), cpu, alignment: limits.alignment };
    document.host_configuration = Some(host::configuration(Some(target.path())));
    document.conditions_before = Some(host::conditions());
    document.benchmark_configuration = Some(configuration);
    let mut benchmark = Benchmark { request: &request, target: &target, plan: &plan, document, output };
    let outcome = match request.mode {
        Mode::Describe => output.begin(benchmark.document),
        Mode::Create => benchmark.create_file(granted),
        Mode::Read | Mode::Write => benchmark.iterate(granted),
    };
    document.conditions_after = Some(host::conditions());
    outcome
}

/// Makes the file where the request says so, unless the run could not go on from there. Returns
/// whether this run made it.
fn make_file(request: &Request) -> Result<bool, Error> {
    if request.mode == Mode::Create {
        check_memory(request)?;
        return create::truncate(&request.path, request.total_bytes).map(|()| true);
    }
    if !request.create_missing || request.path.exists() {
        return Ok(false);
    }
    check_memory(request)?;
    // An unnamed file in the same folder answers as the new one would. Where there are none
    // (O_TMPFILE is not known to every filesystem), the new one is asked.
    if let Ok(unnamed) = Target::scratch(create::folder_of(&request.path)) {
        probe(request, &unnamed)?;
    }
    create::if_missing(&request.path, request.total_bytes)
}

/// Maps one block and gives it back.
fn check_memory(request: &Request) -> Result<(), Error> {
    Buffer::map(request.block_bytes, 1, 1, Fill::Fresh).map(drop)
}

fn probe(request: &Request, target: &Target) -> Result<Limits, Error> {
    let name = request.strategy.info().name;
    let limits = match request.strategy.probe(target, request.direct) {
        Support::Yes(limits) => limits,
        Support::No(refusal) => return Err(refusal.error(name, target)),
    };
    if let Some(alignment) = limits.alignment {
        alignment.check(name, request.block_bytes)?;
    }
    Ok(limits)
}

fn plan(request: &Request, limits: Limits, output: &Output) -> Plan {
    let blocks = request.total_bytes / request.block_bytes;
    let deepest = limits.deepest_queue;
    if let Some(depth) = request.iodepth.filter(|depth| *depth > deepest) {
        output.warn(&format!(
            "--iodepth {depth} has no meaning for {}: one operation is in flight at a time",
            request.strategy.info().name
        ));
    }
    let depth = request.iodepth.unwrap_or(DEFAULT_IODEPTH).min(deepest);
    // More slots than I/Os would only be more memory.
    let depth = depth.min(u32::try_from(blocks).unwrap_or(u32::MAX));
    let batch = request.batch.unwrap_or(if request.direct { 1 } else { depth });
    Plan {
        direction: request.mode.direction(),
        block_bytes: request.block_bytes,
        total_bytes: request.total_bytes,
        offsets: Arc::new(Offsets::cover(
            request.access,
            request.total_bytes,
            request.block_bytes,
            request.seed,
        )),
        direct: request.direct,
        memory_align_bytes: limits.alignment.map_or(1, |alignment| alignment.memory_bytes),
        depth,
        batch: batch.min(depth),
        fill: request.buffer,
        write_out: !request.bare,
        settle: request.settle,
        cache: request.cache,
        sync: request.sync,
        usage: request.usage,
    }
}

/// A run that has passed all checks.
struct Benchmark<'a> {
    request: &'a Request,
    target: &'a Target,
    plan: &'a Plan,
    document: &'a mut Document,
    output: &'a Output,
}

impl Benchmark<'_> {
    fn iterate(&mut self, granted: impl Fn(&Effective) -> Granted) -> Result<(), Error> {
        for iteration in 0..self.request.iterations {
            if self.request.mode == Mode::Create {
                create::truncate(&self.request.path, self.request.total_bytes)?;
            }
            let (document, output) = (&mut *self.document, self.output);
            let opened = |effective: &Effective| {
                if iteration > 0 {
                    return Ok(());
                }
                if let Some(configuration) = &mut document.benchmark_configuration {
                    configuration.granted = Some(granted(effective));
                }
                output.begin(document)
            };
            let sample = iteration::run(self.request.strategy, self.target, self.plan, opened)?;
            self.report(&sample)?;
        }
        Ok(())
    }

    fn report(&mut self, sample: &Sample) -> Result<(), Error> {
        if sample.cache_reached == Some(false) {
            warn_of_cache(self.plan.cache, sample.resident_fraction_before, self.output);
        }
        self.document.benchmark_samples.push(SampleRecord::from(sample));
        self.document.benchmark_samples.last().map_or(Ok(()), |record| self.output.sample(record))
    }

    /// Create mode: the lab's timed writes, then the pattern over them. The bracket thus encloses
    /// what it encloses in write mode, and the file still holds no zeros.
    fn create_file(&mut self, granted: impl Fn(&Effective) -> Granted) -> Result<(), Error> {
        let Request { path, total_bytes, .. } = self.request;
        let measured = self.iterate(granted);
        let made = match &measured {
            // The file was asked for too: it is made even if its description is not read to the end.
            Ok(()) | Err(Error::Output(_)) => create::lay_pattern(path, *total_bytes).and(measured),
            Err(_) => measured,
        };
        made.map_err(|error| match error {
            Error::Output(_) => error,
            error => create::half_made(path, error),
        })
    }
}

fn configuration(request: &Request, argv: Vec<String>, created: bool) -> BenchmarkConfiguration {
    BenchmarkConfiguration {
        buffersize: request.block_bytes,
        totalsize: request.total_bytes,
        blockcount: request.total_bytes / request.block_bytes,
        operation: request.mode.name().to_owned(),
        path: request.path.display().to_string(),
        iterations: request.iterations,
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        strategy: request.strategy.info().name.to_owned(),
        argv,
        start_time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        access: request.access,
        seed: (request.access == Access::Random).then_some(request.seed),
        bare: request.bare,
        settle_seconds: request.settle.as_secs_f64(),
        sync: request.sync,
        cache: request.cache,
        created,
        hole_bytes: None,
        unwritten_bytes: None,
        requested: Requested {
            iodepth: request.iodepth,
            batch: request.batch,
            direct: request.direct,
            cpu: cpu_text(request.cpu),
            buffer: request.buffer,
        },
        granted: None,
    }
}

fn cpu_text(choice: CpuChoice) -> String {
    match choice {
        CpuChoice::First => "default".to_owned(),
        CpuChoice::Unpinned => "none".to_owned(),
        CpuChoice::Number(cpu) => cpu.to_string(),
    }
}

/// Reading what was never written is not reading: say so, and put the figures into the result.
fn describe_extents(
    request: &Request,
    target: &Target,
    configuration: &mut BenchmarkConfiguration,
    output: &Output,
) {
    if request.mode == Mode::Create {
        return;
    }
    let Some(unstored) = extents::unstored(target, request.total_bytes) else { return };
    configuration.hole_bytes = Some(unstored.hole_bytes);
    configuration.unwritten_bytes = unstored.unwritten_bytes;
    let empty_bytes = unstored.hole_bytes.max(unstored.unwritten_bytes.unwrap_or(0));
    if empty_bytes > 0 && request.mode.direction() == Direction::Read {
        output.warn(&format!(
            "{}: {empty_bytes} of {} bytes were never written; reading holes reaches no device. Make the file with -c",
            target.path().display(),
            request.total_bytes
        ));
    }
}

/// btrfs takes O_DIRECT for writing and still copies into the page cache when the
/// file has data checksums (seen on Linux 6.18): nothing that the program can ask for tells.
fn warn_of_buffered_writes(request: &Request, output: &Output) {
    let writes = request.direct && request.mode.direction() == Direction::Write;
    if writes && host::filesystem(&request.path).is_some_and(|filesystem| filesystem.kind == "btrfs") {
        output.warn(&format!(
            "{}: btrfs may write through the page cache in spite of O_DIRECT, because it checksums data; \
             chattr +C on an empty file switches that off",
            request.path.display()
        ));
    }
}

fn warn_of_cache(asked: CacheState, resident_fraction: Option<f64>, output: &Output) {
    let state = if asked == CacheState::Cold { "cold" } else { "warm" };
    let percent = resident_fraction.unwrap_or(0.0) * 100.0;
    output.warn(&format!(
        "the sample did not start {state}: {percent:.1} % of the range was in the page cache"
    ));
}

/// The name a program was started by, for usage texts.
pub fn is_lab_name(program: &str) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == "io-benchmark")
}

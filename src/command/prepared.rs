//! A request checked against the target that it names: what every command that measures does first.

use std::time::SystemTime;

use super::request::Request;
use crate::engine::buffer::BufferPool;
use crate::engine::create;
use crate::engine::extents::Unstored;
use crate::engine::iteration::Plan;
use crate::engine::offsets::Access;
use crate::engine::operation::{Direction, Mode};
use crate::engine::strategy::Effective;
use crate::engine::support::{Limits, Support};
use crate::engine::target::Target;
use crate::engine::workload::{PageState, Workload};
use crate::error::Error;
use crate::host;
use crate::report::document::{BenchmarkConfiguration, Granted, SchemaVersion, Warning, WarningKind};

/// A run that the strategy can do on its target.
pub(crate) struct Prepared {
    /// What was asked for.
    pub(crate) request: Request,
    /// The limits of the strategy there.
    pub(crate) limits: Limits,
    /// What each iteration does.
    pub(crate) plan: Plan,
    /// The CPU that the process is pinned to, if it is.
    pub(crate) cpu: Option<usize>,
}

impl Prepared {
    /// Asks the strategy, and lays out the iterations.
    ///
    /// # Errors
    /// The strategy's refusal, or a usage error for a buffer size that O_DIRECT does not take.
    pub(crate) fn new(request: Request, target: &Target, cpu: Option<usize>) -> Result<Prepared, Error> {
        let limits = probe(&request, target)?;
        check_order(&request.workload)?;
        let mut plan = Plan::new(request.workload, &limits);
        (plan.preparation, plan.usage) = (request.preparation, request.usage);
        Ok(Prepared { request, limits, plan, cpu })
    }

    /// What was granted, as it goes into a document.
    pub(crate) fn granted(&self, effective: Effective) -> Granted {
        Granted { effective, cpu: self.cpu, alignment: self.limits.alignment }
    }

    /// Warnings that are known before the first sample.
    pub(crate) fn warnings(&self, unstored: Option<Unstored>) -> Vec<Warning> {
        let mut configuration = configuration(&self.request, Vec::new(), false);
        describe_extents(&mut configuration, unstored);
        let holes = configuration.never_written();
        [self.depth_warning(), buffered_writes_warning(&self.request), holes].into_iter().flatten().collect()
    }

    fn depth_warning(&self) -> Option<Warning> {
        let depth = self.request.workload.iodepth.filter(|depth| *depth > self.limits.max_iodepth)?;
        let message = format!(
            "--iodepth {depth} has no meaning for {}: one operation is in flight at a time",
            self.request.strategy.info().name
        );
        Some(Warning::new(WarningKind::OptionWithoutEffect, message))
    }
}

/// btrfs takes O_DIRECT for writing and still copies into the page cache when the file has data checksums (seen on
/// Linux 6.18): nothing that the program can ask for tells.
fn buffered_writes_warning(request: &Request) -> Option<Warning> {
    let Workload { direct, direction, .. } = request.workload;
    let on_btrfs = || host::filesystem(&request.path).is_some_and(|filesystem| filesystem.kind == "btrfs");
    let buffered = direct && direction == Direction::Write && on_btrfs();
    buffered.then(|| {
        let message = format!(
            "{}: btrfs may write through the page cache in spite of O_DIRECT, because it checksums data; \
             chattr +C on an empty file switches that off",
            request.path.display()
        );
        Warning::new(WarningKind::BufferedDirectWrites, message)
    })
}

/// The configuration as it goes into a document; what was granted is not known yet.
pub(crate) fn configuration(request: &Request, argv: Vec<String>, created: bool) -> BenchmarkConfiguration {
    let (info, workload) = (request.strategy.info(), &request.workload);
    BenchmarkConfiguration {
        buffersize: workload.block_bytes,
        totalsize: workload.total_bytes,
        blockcount: workload.blocks(),
        operation: request.mode,
        path: request.path.display().to_string(),
        iterations: request.iterations,
        schema_version: SchemaVersion::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        strategy: info.name.to_owned(),
        properties: info.properties,
        argv,
        start_time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        preparation: request.preparation,
        usage: request.usage,
        created,
        hole_bytes: None,
        unwritten_bytes: None,
        requested: *workload,
        granted: None,
    }
}

/// Adds to a configuration how much of the range is not stored.
pub(crate) fn describe_extents(configuration: &mut BenchmarkConfiguration, unstored: Option<Unstored>) {
    configuration.hole_bytes = unstored.map(|unstored| unstored.hole_bytes);
    configuration.unwritten_bytes = unstored.and_then(|unstored| unstored.unwritten_bytes);
}

/// Makes the file where the request says so, unless the run could not go on from there. Returns true if this run made
/// it.
///
/// # Errors
/// Those of making a file, and of a strategy that could not use it.
pub(crate) fn make_file(request: &Request) -> Result<bool, Error> {
    let total_bytes = request.workload.total_bytes;
    if request.mode == Mode::Create {
        check_memory(&request.workload)?;
        return create::truncate(&request.path, total_bytes).map(|()| true);
    }
    if !request.create_missing || request.path.exists() {
        return Ok(false);
    }
    check_memory(&request.workload)?;
    // An unnamed file in the same folder answers as the new one would. Where there are none (O_TMPFILE is not known to
    // every filesystem), the new one is asked.
    if let Ok(unnamed) = Target::scratch(create::folder_of(&request.path)) {
        probe(request, &unnamed)?;
    }
    create::if_missing(&request.path, total_bytes)
}

/// Maps one block and gives it back.
fn check_memory(workload: &Workload) -> Result<(), Error> {
    let one_block = Workload { buffer: PageState::Fresh, iodepth: None, ..*workload };
    BufferPool::default().buffer(&one_block, 1).map(drop)
}

/// A random order is a list of all offsets; for a strategy without I/O it may have any length.
fn check_order(workload: &Workload) -> Result<(), Error> {
    if workload.access == Access::Sequential {
        return Ok(());
    }
    let list_bytes = workload.blocks().saturating_mul(size_of::<u64>() as u64);
    let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
    if list_bytes <= free_bytes {
        return Ok(());
    }
    let reason = format!("the list takes {list_bytes} bytes, but {free_bytes} bytes of memory are available");
    Err(Error::unavailable("laying out the offsets", reason, "use a smaller -t or a larger -b"))
}

/// Asks the strategy whether it runs on the target, and checks the buffer size against the answer.
fn probe(request: &Request, target: &Target) -> Result<Limits, Error> {
    let name = request.strategy.info().name;
    let limits = match request.strategy.probe(target, request.workload.direct) {
        Support::Yes(limits) => limits,
        Support::No(refusal) => return Err(refusal.error(name, target.path())),
    };
    if let Some(alignment) = limits.alignment {
        alignment.check(name, request.workload.block_bytes)?;
    }
    Ok(limits)
}

//! A request that is checked against its target. Every command that measures starts with this check.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::request::Request;
use crate::engine::affinity;
use crate::engine::buffer::BufferPool;
use crate::engine::cache::CacheState;
use crate::engine::create;
use crate::engine::extents::Unstored;
use crate::engine::inode::folder_of;
use crate::engine::iteration::{Iteration, Plan};
use crate::engine::operation::Direction;
use crate::engine::strategy::Effective;
use crate::engine::support::{Limits, Support};
use crate::engine::target::Target;
use crate::engine::targets::Targets;
use crate::engine::workload::{PageState, Workload};
use crate::error::Error;
use crate::host;
use crate::report::document::{BenchmarkConfiguration, Granted, SchemaVersion, Warning, WarningKind};

/// A run that the strategy supports on its targets.
pub(crate) struct Prepared {
    /// The request.
    pub(crate) request: Request,
    /// The targets.
    pub(crate) targets: Targets,
    /// The limits of the strategy on these targets.
    pub(crate) limits: Limits,
    /// The plan of each iteration.
    pub(crate) plan: Plan,
    /// The CPU that the process is pinned to, if any.
    pub(crate) cpu: Option<usize>,
}

impl Prepared {
    /// Checks that the strategy supports the request on its targets, and plans the iterations.
    ///
    /// # Errors
    /// The refusal of the strategy, or a usage error for a buffer size that O_DIRECT does not allow.
    pub(crate) fn new(request: Request, targets: Targets, cpu: Option<usize>) -> Result<Prepared, Error> {
        let mut limits = probe(&request, targets.first())?;
        for other in targets.iter().skip(1) {
            let own = probe(&request, other)?;
            if own.memory_align_bytes() > limits.memory_align_bytes() {
                limits = own;
            }
        }
        check_order(&request.workload)?;
        let mut plan = Plan::new(request.workload, &limits);
        (plan.preparation, plan.usage) = (request.preparation, request.usage);
        Ok(Prepared { request, targets, limits, plan, cpu })
    }

    /// The same run with another total.
    ///
    /// # Errors
    /// Those of [`Prepared::new`].
    pub(crate) fn with_total(&self, total_bytes: u64) -> Result<Prepared, Error> {
        let workload = Workload { total_bytes, ..self.request.workload };
        Prepared::new(Request { workload, ..self.request.clone() }, self.targets.clone(), self.cpu)
    }

    /// Checks that the targets hold the bytes of the run.
    ///
    /// # Errors
    /// A file is too short.
    pub(crate) fn check_hold(&self) -> Result<(), Error> {
        self.targets.check_hold(&self.request.workload, &self.request.strategy.info().properties)
    }

    /// Opens the files of the next iteration.
    ///
    /// # Errors
    /// Those of [`Iteration::open`].
    pub(crate) fn open(&self, pool: &mut BufferPool) -> Result<Iteration<'_>, Error> {
        Iteration::open(self.request.strategy, &self.targets, &self.plan, pool)
    }

    /// Ends the run after its last iteration.
    ///
    /// # Errors
    /// Those of [`Plan::finish`].
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.plan.finish(&self.targets)
    }

    /// Bytes of the range that are not stored in the files.
    pub(crate) fn unstored(&self) -> Option<Unstored> {
        self.targets.unstored(&self.request.workload, &self.request.strategy.info().properties)
    }

    /// The warning that the size of a file changed during the run, if one did.
    pub(crate) fn resized_warning(&self) -> Option<Warning> {
        self.targets.iter().find_map(resized_warning)
    }

    /// The granted settings, for a document.
    pub(crate) fn granted(&self, effective: Effective) -> Granted {
        Granted {
            buffer_bytes: u64::from(effective.iodepth)
                .saturating_mul(u64::from(self.request.workload.threads))
                .saturating_mul(self.request.workload.block_bytes),
            effective,
            direct_served_bytes: None,
            cpu: self.cpu,
            alignment: self.limits.alignment,
        }
    }

    /// Warnings that are known before the first sample of the run with this configuration.
    pub(crate) fn warnings(&self, configuration: &BenchmarkConfiguration) -> Vec<Warning> {
        let warnings = [
            self.depth_warning(),
            buffered_writes_warning(&self.request),
            configuration.never_written(),
            configuration.lower_caches(),
        ];
        warnings.into_iter().flatten().collect()
    }

    fn depth_warning(&self) -> Option<Warning> {
        let depth = self.request.workload.iodepth.filter(|depth| *depth > self.limits.max_iodepth)?;
        let message = format!(
            "--iodepth {depth} has no effect on {}, which has one operation in flight at a time",
            self.request.strategy.info().name
        );
        Some(Warning::new(WarningKind::OptionWithoutEffect, message))
    }
}

/// btrfs accepts O_DIRECT for writing, but copies into the page cache if the file has data checksums (seen on
/// Linux 6.18). No system call reports this, so the warning depends on the filesystem.
pub(crate) fn buffered_writes_warning(request: &Request) -> Option<Warning> {
    let Workload { direct, direction, .. } = request.workload;
    let is_btrfs =
        |path: &PathBuf| host::filesystem(path).is_some_and(|filesystem| filesystem.kind == "btrfs");
    let on_btrfs = || request.paths().iter().any(is_btrfs);
    let buffered = direct && direction == Direction::Write && on_btrfs();
    buffered.then(|| {
        let message = format!(
            "{}: btrfs may write through the page cache despite O_DIRECT, because it checksums data; chattr \
             +C on an empty file disables the checksums",
            request.path.display()
        );
        Warning::new(WarningKind::BufferedDirectWrites, message)
    })
}

/// The warning that the size of the file changed during the run, if it did.
fn resized_warning(target: &Target) -> Option<Warning> {
    let (before, now) = (target.size_bytes()?, target.size_bytes_now()?);
    let path = target.path().display();
    let message =
        format!("{path}: another program changed the size from {before} to {now} bytes during the run");
    (before != now).then(|| Warning::new(WarningKind::FileResized, message))
}

/// The warning that another benchmark is pinned to a CPU of this one, if there is one. Its processes are
/// looked for before the first bracket, because a plain run reads no file after it.
pub(crate) fn shared_cpu_warning(workload: &Workload) -> Option<Warning> {
    let cpus = affinity::cpus(workload.cpu).unwrap_or_default().into_iter().take(workload.threads as usize);
    let (cpu, others) =
        cpus.map(|cpu| (cpu, host::others_pinned_to(cpu))).find(|(_, others)| !others.is_empty())?;
    let numbers = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!(
        "another benchmark is pinned to CPU {cpu} (process {numbers}), so both take turns; use another \
         --cpu, or run one after the other"
    );
    Some(Warning::new(WarningKind::SharedCpu, message))
}

/// The warning that samples did not start in the requested cache state, if there are any.
pub(crate) fn cache_missed(requested: CacheState, missed: u64, samples: u64) -> Option<Warning> {
    let message = format!("{missed} of {samples} samples did not start {}", requested.name());
    (missed > 0).then(|| Warning::new(WarningKind::CacheNotReached, message))
}

/// The configuration of a request, for a document. The granted settings are not known yet.
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
        truncated_bytes: None,
        target: None,
        hole_bytes: None,
        unwritten_bytes: None,
        requested: *workload,
        offsets_digest: None,
        for_seconds: request.for_seconds,
        granted: None,
    }
}

/// Adds the number of bytes of the range that are not stored to a configuration.
pub(crate) fn describe_extents(configuration: &mut BenchmarkConfiguration, unstored: Option<Unstored>) {
    configuration.hole_bytes = unstored.map(|unstored| unstored.hole_bytes);
    configuration.unwritten_bytes = unstored.and_then(|unstored| unstored.unwritten_bytes);
}

/// Creates the files with `--create` that are missing, if the strategy can use them. Returns true if one was
/// created.
///
/// # Errors
/// The errors of creating a file, and the refusal of the strategy.
pub(crate) fn make_missing_files(request: &Request) -> Result<bool, Error> {
    let mut created = false;
    for (path, bytes) in request.paths().iter().zip(request.workload.per_file()) {
        if request.create_missing && !path.exists() {
            created |= make_file(request, path, request.file_size_bytes.unwrap_or(bytes))?;
        }
    }
    Ok(created)
}

fn make_file(request: &Request, path: &Path, file_bytes: u64) -> Result<bool, Error> {
    check_memory(&request.workload)?;
    // The strategy is probed with an unnamed file in the same folder, so that a refusal leaves no file
    // behind. Some filesystems do not support O_TMPFILE; there, the strategy is probed after the file is
    // created.
    if let Ok(unnamed) = Target::scratch(folder_of(path)) {
        probe(request, &unnamed)?;
    }
    create::if_missing(path, file_bytes)
}

/// Checks that memory for one block is available, by mapping and unmapping it.
pub(crate) fn check_memory(workload: &Workload) -> Result<(), Error> {
    let one_block = Workload { buffer: PageState::Fresh, iodepth: None, ..*workload };
    BufferPool::default().buffer(&one_block, 1).map(drop)
}

/// Checks that the list of offsets fits into memory. Random access needs a list of all offsets, and without
/// I/O the total is not limited by a file.
fn check_order(workload: &Workload) -> Result<(), Error> {
    if workload.access.is_sequential() {
        return Ok(());
    }
    // The shares of several workers are copies, and Zipf needs a table.
    let lists = if workload.threads > 1 || workload.access.needs_a_table() { 2 } else { 1 };
    let list_bytes = workload.blocks().saturating_mul(lists * size_of::<u64>() as u64);
    let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
    if list_bytes <= free_bytes {
        return Ok(());
    }
    let reason = format!("they need {list_bytes} bytes, but only {free_bytes} bytes of memory are available");
    Err(Error::unavailable("allocating the block offsets", reason, "use a smaller -t or a larger -b"))
}

/// Probes the strategy on the target, and checks the buffer size against its limits.
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

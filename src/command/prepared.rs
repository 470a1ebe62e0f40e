//! A request held against the target that it names: what every command that measures does first.

use std::sync::Arc;
use std::time::SystemTime;

use super::request::{Mode, Request};
use crate::engine::affinity::CpuChoice;
use crate::engine::buffer::{Buffer, Fill};
use crate::engine::create;
use crate::engine::extents::Unstored;
use crate::engine::iteration::Plan;
use crate::engine::offsets::{Access, Offsets};
use crate::engine::strategy::{Effective, Limits, Support};
use crate::engine::target::Target;
use crate::error::Error;
use crate::host;
use crate::report::document::{BenchmarkConfiguration, Granted, Requested, SCHEMA_VERSION};

/// Operations in flight where neither the user nor the strategy says otherwise.
const DEFAULT_IODEPTH: u32 = 32;

/// A run that the strategy can do on its target.
pub struct Prepared {
    /// What was asked for.
    pub request: Request,
    /// Within which limits the strategy runs there.
    pub limits: Limits,
    /// What each iteration does.
    pub plan: Plan,
    /// The CPU that the process is pinned to, if it is.
    pub cpu: Option<usize>,
}

impl Prepared {
    /// Asks the strategy, and lays out the iterations.
    ///
    /// # Errors
    /// The strategy's refusal, or [`Error::Usage`] for a buffer size that O_DIRECT does not take.
    pub fn new(request: Request, target: &Target, cpu: Option<usize>) -> Result<Prepared, Error> {
        let limits = probe(&request, target)?;
        check_order(&request)?;
        let plan = plan(&request, limits);
        Ok(Prepared { request, limits, plan, cpu })
    }

    /// What was granted, as it goes into a document.
    pub fn granted(&self, effective: &Effective) -> Granted {
        Granted { effective: effective.clone(), cpu: self.cpu, alignment: self.limits.alignment }
    }
}

/// The configuration as it goes into a document; what was granted is not known yet.
pub fn configuration(request: &Request, argv: Vec<String>, created: bool) -> BenchmarkConfiguration {
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

/// Puts what is not stored of the range into its configuration.
pub fn describe_extents(configuration: &mut BenchmarkConfiguration, unstored: Option<Unstored>) {
    configuration.hole_bytes = unstored.map(|unstored| unstored.hole_bytes);
    configuration.unwritten_bytes = unstored.and_then(|unstored| unstored.unwritten_bytes);
}

/// Makes the file where the request says so, unless the run could not go on from there. Returns
/// whether this run made it.
///
/// # Errors
/// Those of making a file, and of a strategy that could not use it.
pub fn make_file(request: &Request) -> Result<bool, Error> {
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
    Buffer::map(request.mode.direction(), request.block_bytes, 1, 1, Fill::Fresh).map(drop)
}

/// A random order is a list of all offsets; of a strategy that needs no file it may be any number of them.
fn check_order(request: &Request) -> Result<(), Error> {
    if request.access == Access::Sequential {
        return Ok(());
    }
    let list_bytes = (request.total_bytes / request.block_bytes).saturating_mul(size_of::<u64>() as u64);
    let free_bytes = host::memory_available_bytes().unwrap_or(u64::MAX);
    if list_bytes <= free_bytes {
        return Ok(());
    }
    Err(Error::System {
        call: "malloc",
        reason: format!(
            "the list of offsets takes {list_bytes} bytes, but {free_bytes} bytes of memory are available"
        ),
        remedy: "use a smaller -t or a larger -b".to_owned(),
    })
}

/// Asks the strategy whether it runs on the target, and holds the buffer size against the answer.
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

fn plan(request: &Request, limits: Limits) -> Plan {
    let blocks = request.total_bytes / request.block_bytes;
    let depth = request.iodepth.unwrap_or(DEFAULT_IODEPTH).min(limits.deepest_queue);
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

fn cpu_text(choice: CpuChoice) -> String {
    match choice {
        CpuChoice::First => "default".to_owned(),
        CpuChoice::Unpinned => "none".to_owned(),
        CpuChoice::Number(cpu) => cpu.to_string(),
    }
}

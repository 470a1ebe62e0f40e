//! Reads result files: the result of a sweep, or of a run with `-j -v`. Documents of version 1 are upgraded
//! here, so that all other code handles only the current version.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::document::{BenchmarkConfiguration, Document, SCHEMA_VERSION, SampleRecord, Warning};
use super::sweep::SweepDocument;
use crate::engine::interrupt;
use crate::engine::strategy::{Mechanism, Properties, Strategy};
use crate::error::{Error, describe, errno_of};
use crate::host;

/// The content of a result file.
#[derive(Debug, Clone)]
pub enum ResultFile {
    /// The result of a sweep.
    Sweep(Box<SweepDocument>),
    /// The result of one run.
    Run(Box<Document>),
}

impl ResultFile {
    /// The document of a sweep, if it is one.
    pub fn sweep(&self) -> Option<&SweepDocument> {
        match self {
            ResultFile::Sweep(sweep) => Some(sweep),
            ResultFile::Run(_) => None,
        }
    }

    /// The host configuration, if the document has it.
    pub fn host(&self) -> Option<&host::Configuration> {
        match self {
            ResultFile::Sweep(sweep) => Some(&sweep.host_configuration),
            ResultFile::Run(run) => run.host_configuration.as_ref(),
        }
    }

    /// Configuration and samples of every run that has a configuration.
    pub fn runs(&self) -> Vec<(&BenchmarkConfiguration, &[SampleRecord])> {
        match self {
            ResultFile::Sweep(sweep) => {
                let runs = sweep.runs.iter();
                runs.map(|run| (&run.benchmark_configuration, run.benchmark_samples.as_slice())).collect()
            }
            ResultFile::Run(run) => {
                let configuration = run.benchmark_configuration.iter();
                configuration.map(|it| (it, run.benchmark_samples.as_slice())).collect()
            }
        }
    }

    /// Warnings about the result.
    pub fn warnings(&self) -> &[Warning] {
        match self {
            ResultFile::Sweep(sweep) => &sweep.warnings,
            ResultFile::Run(run) => &run.warnings,
        }
    }
}

/// Reads the result file at `path`, of at most `max_bytes` bytes. A document of version 1 has no properties
/// of its strategies; they are taken from the registered strategies.
///
/// # Errors
/// An open error if the file cannot be read, is larger, or is not a result of a known version. An
/// interruption after a signal.
pub fn read(path: &Path, max_bytes: u64, strategies: &[&'static dyn Strategy]) -> Result<ResultFile, Error> {
    let bytes = bytes_of(path, max_bytes)?;
    let remedy = "name a result of iobench sweep -j, or of a run with -j -v";
    parse(&bytes, strategies).map_err(|reason| Error::unusable(path, reason, remedy))
}

/// The bytes of a file or pipe. A pipe may be slow, and its writer may never come.
fn bytes_of(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Error> {
    let failed = |errno: Errno| {
        Error::unusable(path, describe(errno), "name a result file that you may read").because(errno)
    };
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let mut file = opened.map_err(|error| failed(errno_of(&error)))?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        interrupt::check()?;
        match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) => match errno_of(&error) {
                Errno::EINTR => {}
                Errno::EAGAIN => wait_for_input(&file).map_err(failed)?,
                errno => return Err(failed(errno)),
            },
        }
        if bytes.len() as u64 > max_bytes {
            let reason = format!("is larger than {max_bytes} bytes, the limit for a result");
            return Err(Error::unusable(
                path,
                reason,
                "if it is one, raise the limit with --max-result-size",
            ));
        }
    }
}

const CHUNK_BYTES: usize = 1 << 20;

/// Waits until a pipe has data, or a signal arrives.
fn wait_for_input(file: &File) -> Result<(), Errno> {
    let ready = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], PollTimeout::from(100_u16));
    ready.map(drop).or_else(|errno| if errno == Errno::EINTR { Ok(()) } else { Err(errno) })
}

/// The part of a document that tells how to read the rest.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    runs: Option<IgnoredAny>,
}

/// Parses a document. The version is checked first, because a document of another version may not fit these
/// types.
fn parse(json: &[u8], strategies: &[&'static dyn Strategy]) -> Result<ResultFile, String> {
    let header: Header = serde_json::from_slice(json).map_err(|error| {
        let what = if error.is_data() { "not a result of iobench" } else { "not JSON" };
        format!("{what} ({error})")
    })?;
    let is_sweep = header.runs.is_some();
    match header.schema_version {
        Some(version) if version == u64::from(SCHEMA_VERSION) => document(json, is_sweep),
        Some(1) => {
            let mut value: Value =
                serde_json::from_slice(json).map_err(|error| format!("not JSON ({error})"))?;
            upgrade(&mut value, strategies);
            document(value.to_string().as_bytes(), is_sweep)
        }
        Some(version) => {
            Err(format!("has schema_version {version}, but this program reads only 1 to {SCHEMA_VERSION}"))
        }
        None => Err("not a result of iobench (it has no schema_version)".to_owned()),
    }
}

/// A document of the current version.
fn document(json: &[u8], is_sweep: bool) -> Result<ResultFile, String> {
    let result = if is_sweep {
        serde_json::from_slice(json).map(|sweep| ResultFile::Sweep(Box::new(sweep)))
    } else {
        serde_json::from_slice(json).map(|run| ResultFile::Run(Box::new(run)))
    };
    let result = result.map_err(|error| format!("not a result of iobench ({error})"))?;
    // A point that could not run may have a total of less than one block.
    let is_empty = |run: &BenchmarkConfiguration, samples: &[SampleRecord]| {
        run.buffersize == 0 || (!samples.is_empty() && (run.totalsize == 0 || run.blockcount == 0))
    };
    if result.runs().iter().any(|(configuration, samples)| is_empty(configuration, samples)) {
        return Err("not a result of iobench (a buffer size, total or block count is 0)".to_owned());
    }
    Ok(result)
}

/// Upgrades a document of version 1 to version 2.
fn upgrade(document: &mut Value, strategies: &[&'static dyn Strategy]) {
    document["schema_version"] = json!(SCHEMA_VERSION);
    let warning = |message: &Value| json!({ "kind": "unspecified", "message": message });
    let warnings = document.get("warnings").and_then(Value::as_array);
    document["warnings"] = warnings.map_or_else(|| json!([]), |all| all.iter().map(warning).collect());
    for run in document.get_mut("runs").and_then(Value::as_array_mut).into_iter().flatten() {
        upgrade_configuration(run, strategies);
    }
    upgrade_configuration(document, strategies);
}

/// Upgrades the `benchmark_configuration` of a document or of a point of a sweep, if it has one.
fn upgrade_configuration(owner: &mut Value, strategies: &[&'static dyn Strategy]) {
    let usage = owner.pointer("/benchmark_samples/0/utime").is_some();
    let Some(configuration) = owner.get_mut("benchmark_configuration").and_then(Value::as_object_mut) else {
        return;
    };
    configuration.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
    let name = configuration.get("strategy").and_then(Value::as_str).unwrap_or_default();
    let properties = json!(properties_of(name, strategies));
    configuration.insert("properties".to_owned(), properties);
    configuration.insert("usage".to_owned(), json!(usage));
    let writes =
        configuration.get("operation").is_some_and(|operation| operation == "write" || operation == "create");
    let mut take = |key: &str| configuration.remove(key).unwrap_or(Value::Null);
    let (access, seed, sync) = (take("access"), take("seed"), take("sync"));
    let (block_bytes, total_bytes) =
        (configuration.get("buffersize").cloned(), configuration.get("totalsize").cloned());
    if let Some(requested) = configuration.get_mut("requested").and_then(Value::as_object_mut) {
        let cpu = requested.get("cpu").and_then(Value::as_str).and_then(|cpu| cpu.parse::<usize>().ok());
        requested.extend(cpu.map(|cpu| ("cpu".to_owned(), json!(cpu))));
        requested.extend(object(json!({
            "direction": if writes { "write" } else { "read" },
            "block_bytes": block_bytes,
            "total_bytes": total_bytes,
            "access": access,
            "seed": seed.as_u64().unwrap_or(0),
            "noatime": false,
            "sync": sync,
        })));
    }
    if let Some(granted) = configuration.get_mut("granted").and_then(Value::as_object_mut) {
        let rings = ["ring_flags", "ring_registered"];
        let details = rings.into_iter().filter_map(|key| Some((key.to_owned(), granted.remove(key)?)));
        let details: Map<String, Value> = details.filter(|(_, value)| !value.is_null()).collect();
        granted.extend(object(json!({ "noatime": false, "details": details })));
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The properties of a registered strategy. For an unknown name, the properties that most strategies have.
fn properties_of(name: &str, strategies: &[&'static dyn Strategy]) -> Properties {
    let registered = strategies.iter().map(|strategy| strategy.info()).find(|info| info.name == name);
    registered
        .map_or(Properties { performs_io: true, fills_buffer: true, mechanism: Mechanism::Call }, |info| {
            info.properties
        })
}

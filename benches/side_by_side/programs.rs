//! Runs iobench, the C loop and fio, and converts their output into nanoseconds per I/O.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use iobench::stats;
use serde_json::Value;

use crate::cases::{Case, Rival, Work};
use crate::common::{Result, output};

/// The programs and the file that they read and write.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) iobench: PathBuf,
    pub(crate) c_loop: PathBuf,
    pub(crate) data: PathBuf,
}

impl Programs {
    /// Compiles the C loop into `folder`.
    pub(crate) fn compile_c_loop(folder: &Path) -> Result<PathBuf> {
        let program = folder.join("c_loop");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/c_loop/c_loop.c");
        output(Command::new("cc").args(["-O2", "-pthread", "-o"]).arg(&program).arg(source))?;
        Ok(program)
    }

    /// Runs iobench once for `case`, summarized in the same way as its rival.
    pub(crate) fn run_ours(&self, case: &Case) -> Result<f64> {
        let samples_ns = self.iobench_samples_ns(&case.work)?;
        let sample_ns = match case.rival {
            // fio reports only the sum over its loops, so the value of iobench is the mean over its
            // iterations.
            Rival::Fio { .. } => Some(samples_ns.iter().sum::<f64>() / samples_ns.len() as f64),
            Rival::CLoop { .. } | Rival::Nobody => stats::median(&samples_ns),
        };
        ns_per_io(sample_ns, &case.work)
    }

    /// Runs the C loop once.
    pub(crate) fn run_c_loop(&self, mode: &str, work: &Work) -> Result<f64> {
        let printed = output(&mut self.command(&self.c_loop, self.c_loop_arguments(mode, work)))?;
        let samples_ns: Vec<f64> = printed.lines().map(str::parse).collect::<std::result::Result<_, _>>()?;
        ns_per_io(stats::median(&samples_ns), work)
    }

    /// Runs fio once.
    ///
    /// The result is fio's own `runtime`. It starts before the open of each loop over the file and ends after
    /// its last I/O. fio sums it in microseconds and rounds the sum up to milliseconds. iobench excludes open
    /// and mmap, which take some tens of microseconds in a loop of tens of milliseconds.
    pub(crate) fn run_fio(&self, options: &[&str], loops: u64, work: &Work) -> Result<f64> {
        let arguments = self.fio_arguments(options, loops, work);
        let printed = output(&mut self.command("fio".as_ref(), arguments))?;
        let document: Value = serde_json::from_str(&printed)?;
        let job = &document["jobs"][0];
        if job["error"].as_i64() != Some(0) {
            return Err(format!("fio reports error {}", job["error"]).into());
        }
        let number = |key: &str| job["read"][key].as_f64().filter(|&value| value > 0.0);
        match (number("io_bytes"), number("runtime")) {
            (Some(io_bytes), Some(runtime_ms)) => Ok(runtime_ms * 1e6 / (io_bytes / work.block_bytes as f64)),
            _ => Err("fio printed no io_bytes or runtime".into()),
        }
    }

    fn iobench_samples_ns(&self, work: &Work) -> Result<Vec<f64>> {
        let printed = output(&mut self.command(&self.iobench, self.iobench_arguments(work)))?;
        let document: Value = serde_json::from_str(&printed)?;
        let samples =
            document["benchmark_samples"].as_array().ok_or("iobench printed no benchmark_samples")?;
        let seconds = |sample: &Value| sample["time"].as_f64().ok_or("a sample of iobench has no time");
        samples.iter().map(|sample| Ok(seconds(sample)? * 1e9)).collect()
    }

    pub(crate) fn iobench_arguments(&self, work: &Work) -> Vec<OsString> {
        let direction = if work.write { "-w" } else { "-r" };
        let mut arguments: Vec<OsString> =
            ["--strategy", work.strategy, direction, "-B", "-j"].map(OsString::from).into();
        for (flag, number) in [("-b", work.block_bytes), ("-t", work.total_bytes), ("-n", work.iterations)] {
            arguments.extend([flag.into(), number.to_string().into()]);
        }
        if let Some(depth) = work.depth {
            arguments.extend(["--iodepth".into(), depth.to_string().into()]);
        }
        if work.threads > 1 {
            arguments.extend(["--threads".into(), work.threads.to_string().into()]);
        }
        if work.latency {
            arguments.push("--latency".into());
        }
        arguments.push(self.data.clone().into());
        arguments
    }

    pub(crate) fn c_loop_arguments(&self, mode: &str, work: &Work) -> Vec<OsString> {
        let numbers = [work.block_bytes, work.total_bytes, work.iterations];
        let mut arguments = vec![mode.into(), self.data.clone().into()];
        arguments.extend(numbers.map(|number| number.to_string().into()));
        if work.threads > 1 {
            arguments.push(work.threads.to_string().into());
        }
        arguments
    }

    /// `options` and those of every run: one pinned thread, no dropping of the cache, and time stamps only if
    /// iobench takes some.
    pub(crate) fn fio_arguments(&self, options: &[&str], loops: u64, work: &Work) -> Vec<OsString> {
        let fixed = [
            "--name=side_by_side",
            "--rw=read",
            "--thread=1",
            "--cpus_allowed=0",
            "--invalidate=0",
            "--allow_file_create=0",
            "--output-format=json",
        ];
        let mut filename = OsString::from("--filename=");
        filename.push(&self.data);
        let mut arguments: Vec<OsString> = fixed.iter().chain(options).map(OsString::from).collect();
        if !work.latency {
            arguments.push("--gtod_reduce=1".into());
        }
        arguments.extend([
            format!("--bs={}", work.block_bytes).into(),
            format!("--size={}", work.total_bytes).into(),
            format!("--loops={loops}").into(),
            filename,
        ]);
        arguments
    }

    /// Runs in the folder of the data file, because fio leaves its state files in the current folder.
    fn command(&self, program: &Path, arguments: Vec<OsString>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(folder) = self.data.parent() {
            command.current_dir(folder);
        }
        command
    }
}

fn ns_per_io(sample_ns: Option<f64>, work: &Work) -> Result<f64> {
    let sample_ns = sample_ns.filter(|&ns| ns > 0.0).ok_or("a program printed no time")?;
    Ok(sample_ns / work.ios() as f64)
}

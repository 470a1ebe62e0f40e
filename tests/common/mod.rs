//! Shared by the black-box tests: running the program, files to run it on, and filesystems and devices to
//! put them on.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this module and uses a part of it")]

pub mod own_cpu;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use iobench::engine::support::{Limits, Support};
use iobench::engine::target::Target;
use tempfile::TempDir;

/// The program under test, on a CPU of its own.
pub fn iobench() -> Command {
    own_cpu::take();
    Command::new(env!("CARGO_BIN_EXE_iobench"))
}

/// Runs the program with these arguments, without the lab's pause.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Outcome {
    outcome(iobench().args(args).args(["--settle", "0"]).stdin(Stdio::null()).output().unwrap())
}

/// How a program ended, as text.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The outcome of a finished process.
#[allow(clippy::needless_pass_by_value, reason = "callers pass what output() has just returned")]
pub fn outcome(output: Output) -> Outcome {
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: without_neighbours(&String::from_utf8_lossy(&output.stderr)),
    }
}

/// Standard error without the warning about other benchmarks on the same CPU: tests run side by side.
pub fn without_neighbours(stderr: &str) -> String {
    let lines = stderr.split_inclusive('\n');
    lines.filter(|line| !line.contains("another benchmark is pinned to CPU")).collect()
}

impl Outcome {
    /// Standard output as one JSON document, without the warning about other benchmarks on the same CPU.
    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_str(&self.stdout);
        let mut document: serde_json::Value = parsed.unwrap_or_else(|error| panic!("{error} in {self:?}"));
        if let Some(warnings) = document.get_mut("warnings").and_then(serde_json::Value::as_array_mut) {
            warnings.retain(|warning| warning["kind"] != "shared_cpu");
        }
        document
    }

    /// Asserts success.
    pub fn ok(self) -> Outcome {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs the program in `folder` with these words, separated by single spaces.
pub fn run_in(folder: &Path, words: &str) -> Outcome {
    finish(iobench().args(words.split(' ')).current_dir(folder))
}

/// The kinds of the warnings of a document.
pub fn warning_kinds(document: &serde_json::Value) -> Vec<&str> {
    document["warnings"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

/// Runs a command without standard input.
pub fn finish(command: &mut Command) -> Outcome {
    outcome(command.stdin(Stdio::null()).output().unwrap())
}

/// Runs `args` with `-j` on `path`, and returns the document.
pub fn document(args: &[&str], path: &Path) -> serde_json::Value {
    let path = path.to_str().unwrap();
    run(args.iter().chain(&["-j", path])).ok().json()
}

/// The samples of a document.
pub fn samples(document: &serde_json::Value) -> &Vec<serde_json::Value> {
    document["benchmark_samples"].as_array().unwrap()
}

/// Limits of a strategy on the filesystem that holds the build, or the reason why it does not run there.
pub fn support(name: &str) -> Result<Limits, String> {
    let target = Target::scratch(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let strategy = iobench::strategies::ALL.iter().find(|strategy| strategy.info().name == name);
    match strategy.map(|strategy| strategy.probe(&target, false)) {
        Some(Support::Yes(limits)) => Ok(limits),
        Some(Support::No(refusal)) => Err(refusal.explanation),
        None => Err("this system has no such strategy".to_owned()),
    }
}

/// True if a strategy runs on the filesystem that holds the build. A test of all strategies leaves out one
/// that does not; `tests/needs/strategies.rs` reports it.
pub fn runs_here(name: &str) -> bool {
    support(name).is_ok()
}

/// The names of the strategies that run on the filesystem that holds the build.
pub fn strategies() -> impl Iterator<Item = &'static str> {
    iobench::strategies::ALL.iter().map(|strategy| strategy.info().name).filter(|name| runs_here(name))
}

/// The words that only this run is explained with.
pub const CHARACTERISTIC: [(&str, &str); 7] = [
    ("warm_read", "is spent copying"),
    ("cold_read", "from the device into the page cache"),
    ("direct_read", "O_DIRECT bypassed the page cache"),
    ("mapped_read", "No system call moved the data"),
    ("write", "-s includes it"),
    ("write_and_sync", "the sync then took"),
    ("one_byte_reads", "is spent entering and leaving the kernel"),
];

/// Asserts that a document obeys its schema.
pub fn assert_valid(schema: &serde_json::Value, document: &serde_json::Value) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The bytes that `-c` puts at an offset.
pub fn pattern(offset_bytes: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    iobench::engine::pattern::fill(&mut bytes, offset_bytes);
    bytes
}

/// A file of `total_bytes` bytes of the pattern.
pub fn data_file(folder: &Path, total_bytes: u64) -> PathBuf {
    let path = folder.join("iofile");
    iobench::engine::create::if_missing(&path, total_bytes).unwrap();
    path
}

/// Size of a filesystem of any kind: mkfs.xfs takes no less than 300 MiB.
pub const FILESYSTEM_BYTES: u64 = 320 << 20;

/// A filesystem to run on, unmounted when dropped.
pub struct Filesystem {
    /// ext4, xfs, btrfs, tmpfs, ramfs, overlay or fuse; `scratch` for the one that holds the build.
    pub name: &'static str,
    folder: PathBuf,
    mounted: bool,
    // Holds the image and the mount point.
    _scratch: TempDir,
}

impl Filesystem {
    /// Where files can be put.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the filesystem that holds the build.
    pub fn scratch() -> Filesystem {
        let scratch = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Filesystem { name: "scratch", folder: scratch.path().to_owned(), mounted: false, _scratch: scratch }
    }

    /// A fresh ext4, xfs, btrfs, tmpfs or ramfs, or an overlay or a FUSE server of folders beside the build.
    /// A test that calls this needs the capability of that name.
    pub fn mount(name: &'static str, size_bytes: u64) -> Filesystem {
        Filesystem::try_mount(name, size_bytes).unwrap_or_else(|reason| panic!("no {name}: {reason}"))
    }

    /// The same, or the reason why it cannot be mounted.
    pub fn try_mount(name: &'static str, size_bytes: u64) -> Result<Filesystem, String> {
        let scratch = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = scratch.path().join("mount");
        std::fs::create_dir(&folder).unwrap();
        let mut mount = Command::new(if name == "fuse" { "bindfs" } else { "mount" });
        if name == "fuse" {
            let served = scratch.path().join("served");
            std::fs::create_dir(&served).unwrap();
            mount.arg(served);
        } else if ["tmpfs", "ramfs"].contains(&name) {
            // ramfs has no size, and overlooks the option.
            mount.args(["-t", name, "-o", &format!("size={size_bytes}"), name]);
        } else if name == "overlay" {
            let layers = ["lowerdir", "upperdir", "workdir"].map(|layer| {
                let folder = scratch.path().join(layer);
                std::fs::create_dir(&folder).unwrap();
                format!("{layer}={}", folder.display())
            });
            mount.args(["-t", name, "-o", &layers.join(","), name]);
        } else {
            let image = scratch.path().join("image");
            std::fs::File::create(&image).unwrap().set_len(size_bytes).unwrap();
            outcome(Command::new(format!("mkfs.{name}")).arg("-q").arg(&image).output().unwrap()).ok();
            mount.args(["-o", "loop"]).arg(&image);
        }
        let mounted = finish(mount.arg(&folder));
        if mounted.code != Some(0) {
            return Err(mounted.stderr.trim().to_owned());
        }
        Ok(Filesystem { name, folder, mounted: true, _scratch: scratch })
    }
}

impl Drop for Filesystem {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

/// A loop device on a file of zeros, detached when dropped.
pub struct LoopDevice {
    /// Its node in /dev.
    pub path: PathBuf,
    /// The file behind it.
    pub image: PathBuf,
    _scratch: Filesystem,
}

impl LoopDevice {
    /// Attaches a device, or returns the reason why there is none. A test that calls this needs the
    /// capability `loop`.
    pub fn attach(size_bytes: u64) -> Result<LoopDevice, String> {
        let scratch = Filesystem::scratch();
        let image = scratch.folder().join("image");
        std::fs::File::create(&image).unwrap().set_len(size_bytes).unwrap();
        let attached = finish(Command::new("losetup").args(["--find", "--show", "--partscan"]).arg(&image));
        if attached.code != Some(0) {
            return Err(attached.stderr.trim().to_owned());
        }
        Ok(LoopDevice { path: attached.stdout.trim().into(), image, _scratch: scratch })
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

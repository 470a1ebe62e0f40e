//! What the black-box tests share: running the program, files to run it on, filesystems to put
//! them on, and skipping loudly.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this module and uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use iobench::engine::support::Support;
use iobench::engine::target::Target;
use tempfile::TempDir;

/// The program under test.
pub fn iobench() -> Command {
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
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Outcome {
    /// Standard output as one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Asserts success.
    pub fn ok(self) -> Outcome {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Whether a test can go on. If not, the reason is printed, and where `IOBENCH_REQUIRE` names
/// the capability (or says `all`) the test fails instead of being skipped.
pub fn have(capability: &str, present: bool, reason: &str) -> bool {
    if present {
        return true;
    }
    let required = std::env::var("IOBENCH_REQUIRE").unwrap_or_default();
    let required = required.split(',').any(|word| word == capability || word == "all");
    assert!(!required, "IOBENCH_REQUIRE asks for {capability}: {reason}");
    eprintln!("SKIPPED, no {capability}: {reason}");
    false
}

/// Whether the test runs as root, which loop mounts and tracers need.
pub fn have_root() -> bool {
    have("root", nix::unistd::geteuid().is_root(), "this test mounts or traces, run it as root")
}

/// Whether a program is on the path.
pub fn have_program(name: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    have(name, found, &format!("install {name}"))
}

/// Whether a strategy runs where the build is: io_uring needs a kernel that has it, and lets one use it.
pub fn have_strategy(name: &str) -> bool {
    let target = Target::scratch(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let strategy = iobench::strategies::ALL.iter().find(|strategy| strategy.info().name == name);
    match strategy.map(|strategy| strategy.probe(&target, false)) {
        Some(Support::Yes(_)) => true,
        Some(Support::No(refusal)) => have(name, false, &refusal.explanation),
        None => have(name, false, "this system has no such strategy"),
    }
}

/// The names of the strategies that run where the build is.
pub fn strategies() -> impl Iterator<Item = &'static str> {
    iobench::strategies::ALL.iter().map(|strategy| strategy.info().name).filter(|name| have_strategy(name))
}

/// Whether the kernel describes its types, which BPF tracers need.
pub fn have_btf() -> bool {
    have("btf", Path::new("/sys/kernel/btf/vmlinux").is_file(), "this test traces, use a kernel with BTF")
}

/// Whether there is a real DTrace.
pub fn have_dtrace() -> bool {
    have("dtrace", iobench::trace::dtrace::find().is_some(), "run docs/tracing/fetch-dtrace.sh")
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

/// A filesystem to run on, unmounted when dropped.
pub struct Filesystem {
    /// ext4, xfs, btrfs, tmpfs or ramfs; `scratch` for the one that holds the build.
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

    /// A fresh ext4, xfs, btrfs, tmpfs or ramfs; `None` (said loudly) if that cannot be had here.
    pub fn mount(name: &'static str, size_bytes: u64) -> Option<Filesystem> {
        let in_memory = ["tmpfs", "ramfs"].contains(&name);
        if !have_root() || (!in_memory && !have_program(&format!("mkfs.{name}"))) {
            return None;
        }
        let scratch = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = scratch.path().join("mount");
        std::fs::create_dir(&folder).unwrap();
        let mut mount = Command::new("mount");
        if in_memory {
            // ramfs has no size, and overlooks the option.
            mount.args(["-t", name, "-o", &format!("size={size_bytes}"), name]);
        } else {
            let image = scratch.path().join("image");
            std::fs::File::create(&image).unwrap().set_len(size_bytes).unwrap();
            let made = Command::new(format!("mkfs.{name}")).arg("-q").arg(&image).output().unwrap();
            assert!(made.status.success(), "mkfs.{name}: {}", String::from_utf8_lossy(&made.stderr));
            mount.args(["-o", "loop"]).arg(&image);
        }
        let mounted = mount.arg(&folder).output().unwrap();
        let reason = String::from_utf8_lossy(&mounted.stderr).into_owned();
        if !have(name, mounted.status.success(), &reason) {
            return None;
        }
        Some(Filesystem { name, folder, mounted: true, _scratch: scratch })
    }

    /// Every filesystem that can be had here, the one that holds the build first. 300 MiB is
    /// the least that mkfs.xfs takes.
    pub fn all() -> Vec<Filesystem> {
        const SIZE_BYTES: u64 = 320 << 20;
        let mounted = ["ext4", "xfs", "btrfs", "tmpfs"].into_iter();
        let mounted = mounted.filter_map(|name| Filesystem::mount(name, SIZE_BYTES));
        std::iter::once(Filesystem::scratch()).chain(mounted).collect()
    }
}

impl Drop for Filesystem {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

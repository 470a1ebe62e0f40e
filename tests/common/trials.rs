//! Tests that not every machine can run: each declares the capabilities that it needs.
//!
//! A test whose capability is missing is reported as ignored with the reason. After the result, each program
//! prints a summary: the number of skipped tests, the reasons, and the tests under each reason.
//!
//! `IOBENCH_REQUIRE` turns a missing capability into a failure. Its value is a list of names, separated by
//! commas, or `all`. `--include-ignored` does not: a test without its capability stays ignored. No test is
//! ignored for another reason, so `--ignored` runs none.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of this module")]

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

use iobench::engine::direct;
use iobench::engine::operation::Direction;
use iobench::engine::target::Target;
use libtest_mimic::{Arguments, Completion, Failed, FormatSetting, Trial};

use crate::common::{self, Filesystem, LoopDevice};

/// Something that a test needs and that a machine may lack.
#[derive(Clone, Copy)]
pub struct Capability {
    /// Its name in `IOBENCH_REQUIRE`.
    name: &'static str,
    /// The capabilities that its probe needs.
    requires: &'static [Capability],
    /// Probes for the capability of this name. The error says why it is missing, or how to get it.
    probe: Probe,
}

type Probe = fn(&'static str) -> Result<(), String>;

const fn program(name: &'static str) -> Capability {
    Capability { name, requires: &[], probe: in_path }
}

const fn capability(name: &'static str, requires: &'static [Capability], probe: Probe) -> Capability {
    Capability { name, requires, probe }
}

/// A strategy of the registry, on the filesystem that holds the build.
pub const fn strategy(name: &'static str) -> Capability {
    capability(name, &[], |name| common::support(name).map(drop))
}

pub const CC: Capability = program("cc");
pub const CHROMIUM: Capability = program("chromium");
pub const LOSETUP: Capability = program("losetup");
pub const MAKE: Capability = program("make");
pub const PRLIMIT: Capability = program("prlimit");
pub const SETPRIV: Capability = program("setpriv");
pub const STRACE: Capability = program("strace");
pub const TASKSET: Capability = program("taskset");
pub const UNSHARE: Capability = program("unshare");

/// The right to mount and to trace.
pub const ROOT: Capability = capability("root", &[], |_| {
    nix::unistd::geteuid().is_root().then_some(()).ok_or_else(|| "run as root".to_owned())
});
/// A user other than root, as whom root can run the program under test.
pub const UNPRIVILEGED: Capability = capability("unprivileged", &[ROOT, SETPRIV], |_| {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(common::iobench().get_program());
    succeeds(command.arg("--version")).map_err(|_| "an unprivileged user cannot reach the program".to_owned())
});

/// The types of the kernel, which BPF tracers need.
pub const BTF: Capability =
    capability("btf", &[], |_| exists("/sys/kernel/btf/vmlinux", "a kernel with BTF"));
pub const BPFTRACE: Capability = capability("bpftrace", &[ROOT, BTF], in_path);
pub const DTRACE: Capability = capability("dtrace", &[ROOT, BTF], |_| {
    iobench::trace::dtrace::find().map(drop).ok_or_else(|| "run docs/tracing/fetch-dtrace.sh".to_owned())
});
pub const UPROBE: Capability = capability("uprobe", &[], |_| {
    exists("/sys/bus/event_source/devices/uprobe", "use a kernel with uprobes")
});

pub const EXT4: Capability = capability("ext4", &[ROOT, program("mkfs.ext4")], mounts);
pub const XFS: Capability = capability("xfs", &[ROOT, program("mkfs.xfs")], mounts);
pub const BTRFS: Capability = capability("btrfs", &[ROOT, program("mkfs.btrfs")], mounts);
pub const TMPFS: Capability = capability("tmpfs", &[ROOT], mounts);
pub const OVERLAY: Capability = capability("overlay", &[ROOT], mounts);
pub const FUSE: Capability = capability("fuse", &[ROOT, program("bindfs")], mounts);
pub const RAMFS: Capability = capability("ramfs", &[ROOT], mounts);
/// O_DIRECT on the filesystem that holds the build.
pub const O_DIRECT: Capability = capability("O_DIRECT", &[], |_| {
    on_scratch(|file| {
        let target = Target::open(file, Direction::Read, false).map_err(|error| error.to_string())?;
        direct::alignment(&target).map(drop).map_err(|refusal| format!("{refusal:?}"))
    })
});
/// The system call that tells which pages of a file are in the page cache.
pub const CACHESTAT: Capability = capability("cachestat", &[], |_| {
    on_scratch(|file| {
        let sample = &common::run(["-Brjt1M", file.to_str().unwrap()]).ok().json()["benchmark_samples"][0];
        let known = !sample["resident_fraction_before"].is_null();
        known.then_some(()).ok_or_else(|| "this kernel does not tell what is in the page cache".to_owned())
    })
});

pub const LOOP: Capability =
    capability("loop", &[ROOT, LOSETUP], |_| LoopDevice::attach(LOOP_BYTES).map(drop));
pub const PARTITIONS: Capability = capability("partitions", &[LOOP, program("addpart")], |_| {
    let device = LoopDevice::attach(LOOP_BYTES)?;
    succeeds(Command::new("addpart").arg(&device.path).args(["1", "2048", "32768"]))
});
pub const SWAP: Capability = capability("swap", &[LOOP, program("mkswap"), program("swapon")], |_| {
    let device = LoopDevice::attach(LOOP_BYTES)?;
    succeeds(Command::new("mkswap").arg(&device.path))?;
    succeeds(Command::new("swapon").arg(&device.path))?;
    succeeds(Command::new("swapoff").arg(&device.path))
});
pub const DEVICE_MAPPER: Capability = capability("device-mapper", &[LOOP, program("dmsetup")], |_| {
    succeeds(Command::new("dmsetup").arg("version"))
});

pub const IO_URING: Capability = strategy("io_uring");
/// io_uring that no sysctl restricts.
pub const IO_URING_SYSCTL: Capability = capability("io_uring_sysctl", &[], |_| {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    let enabled = value.is_ok_and(|value| value.trim() == "0");
    enabled.then_some(()).ok_or_else(|| "kernel.io_uring_disabled is missing or not 0".to_owned())
});

pub const PYTEST: Capability = capability("pytest", &[program("python3")], |_| {
    let imported = succeeds(Command::new("python3").args(["-c", "import pytest"]));
    imported.map_err(|_| "install python3-pytest".to_owned())
});
/// The Python environment of docs/lab.
pub const LAB: Capability = capability("lab", &[], |_| {
    let python = lab_python().ok_or("neither HOME nor IOBENCH_LAB_PYTHON is set")?;
    let reason = format!("{} is missing, see `venv` in .ci/run", python.display());
    python.is_file().then_some(()).ok_or(reason)
});

/// Size of the devices that probes attach.
const LOOP_BYTES: u64 = 32 << 20;

/// Python of the lab's environment: `IOBENCH_LAB_PYTHON`, else that of the environment that `.ci/run` makes.
pub fn lab_python() -> Option<PathBuf> {
    let named = std::env::var_os("IOBENCH_LAB_PYTHON").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    named.or_else(|| Some(cache?.join("iobench/lab-venv/bin/python")))
}

fn in_path(name: &'static str) -> Result<(), String> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    found.then_some(()).ok_or_else(|| format!("install {name}"))
}

fn exists(path: &str, remedy: &str) -> Result<(), String> {
    Path::new(path).exists().then_some(()).ok_or_else(|| remedy.to_owned())
}

fn mounts(name: &'static str) -> Result<(), String> {
    Filesystem::try_mount(name, common::FILESYSTEM_BYTES).map(drop)
}

/// Calls a probe with a file of 1 MiB on the filesystem that holds the build.
fn on_scratch(probe: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let scratch = Filesystem::scratch();
    probe(&common::data_file(scratch.folder(), 1 << 20))
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let message = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("{command:?}: {}", message.trim()))
}

/// A missing capability.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Missing {
    name: &'static str,
    reason: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no {}: {}", self.name, self.reason)
    }
}

impl Capability {
    /// This capability if it is missing, or the missing one that it requires. Each is probed once per
    /// program.
    fn missing(&self) -> Option<Missing> {
        static PROBED: Mutex<BTreeMap<&str, Result<(), String>>> = Mutex::new(BTreeMap::new());
        self.requires.iter().find_map(Capability::missing).or_else(|| {
            let mut probed = PROBED.lock().unwrap();
            let probed = probed.entry(self.name).or_insert_with(|| (self.probe)(self.name));
            let reason = probed.as_ref().err()?.lines().next().unwrap_or("no reason given").to_owned();
            Some(Missing { name: self.name, reason })
        })
    }

    pub fn is_present(&self) -> bool {
        self.missing().is_none()
    }
}

/// A test and the capabilities that it needs.
pub struct Test {
    name: String,
    needs: Vec<Capability>,
    run: Box<dyn FnOnce() + Send>,
}

impl Test {
    /// A test with the name of its program and module in front of its own.
    pub fn new(path: &str, needs: &[Capability], run: impl FnOnce() + Send + 'static) -> Test {
        let (_program, name) = path.split_once("::").unwrap();
        Test { name: name.to_owned(), needs: needs.to_vec(), run: Box::new(run) }
    }

    fn attempt(self) -> Result<Completion, Failed> {
        let missing = |need: &Capability| need.missing().map(|missing| (need.name, missing));
        let missing: Vec<(&str, Missing)> = self.needs.iter().filter_map(missing).collect();
        for (need, missing) in &missing {
            if is_required(need) || is_required(missing.name) {
                return Err(format!("IOBENCH_REQUIRE asks for {need}: {missing}").into());
            }
        }
        let Some((_, missing)) = missing.into_iter().next() else {
            (self.run)();
            return Ok(Completion::Completed);
        };
        let reason = missing.to_string();
        SKIPPED.lock().unwrap().entry(missing).or_default().push(self.name);
        Ok(Completion::ignored_with(reason))
    }
}

fn is_required(name: &str) -> bool {
    let required = std::env::var("IOBENCH_REQUIRE").unwrap_or_default();
    required.split(',').any(|word| word == name || word == "all")
}

/// The tests of a module, one per line: `[capability, ...] => function`.
macro_rules! tests {
    ($([$($need:ident),*] => $run:ident),* $(,)?) => {
        vec![$($crate::trials::Test::new(
            concat!(module_path!(), "::", stringify!($run)),
            &[$($crate::trials::$need),*],
            $run,
        )),*]
    };
}
pub(crate) use tests;

/// The skipped tests of this program.
static SKIPPED: Mutex<BTreeMap<Missing, Vec<String>>> = Mutex::new(BTreeMap::new());

/// Runs the tests as the command line says, and prints the summary of the skipped ones.
pub fn run(arguments: &Arguments, tests: Vec<Test>) -> ExitCode {
    let trial = |test: Test| Trial::ignorable_test(test.name.clone(), || test.attempt());
    let conclusion = libtest_mimic::run(arguments, tests.into_iter().map(trial).collect());
    let summary = summary(&SKIPPED.lock().unwrap());
    if arguments.format == Some(FormatSetting::Json) {
        eprint!("{summary}");
    } else {
        print!("{summary}");
    }
    conclusion.exit_code()
}

fn summary(skipped: &BTreeMap<Missing, Vec<String>>) -> String {
    let count: usize = skipped.values().map(Vec::len).sum();
    let reason = |(missing, tests): (&Missing, &Vec<String>)| {
        format!("    no {} ({}): {}\n", missing.name, missing.reason, tests.join(", "))
    };
    let reasons: String = skipped.iter().map(reason).collect();
    if count == 0 { reasons } else { format!("skipped {count}:\n{reasons}\n") }
}

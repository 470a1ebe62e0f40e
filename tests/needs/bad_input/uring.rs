//! io_uring that cannot be had, each reason by its name.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::common::{Filesystem, data_file, finish, iobench};
use crate::refusal::{MIB, SYSTEM, assert_error, injecting, refused, sentence, through, unprivileged};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => io_uring_that_is_missing_says_for_which_reason,
        [STRACE, IO_URING_SYSCTL] => io_uring_that_a_filter_forbids_says_so,
        [ROOT, STRACE, UNSHARE, IO_URING_SYSCTL] => io_uring_that_a_sysctl_forbids_says_so,
        [UNPRIVILEGED, PRLIMIT, IO_URING] => io_uring_that_may_lock_too_little_is_told_a_depth_that_works,
        [UNPRIVILEGED, PRLIMIT, IO_URING] => io_uring_waits_for_the_locked_memory_of_earlier_rings,
    ]
}

fn io_uring_that_is_missing_says_for_which_reason() {
    let scratch = scratch();
    assert_missing(&scratch, || missing("ENOSYS"), "kernel_too_old", &["older than 5.1", "a newer kernel"]);
    assert_missing(&scratch, || missing("EINVAL"), "system", &["io_uring_setup failed", "another strategy"]);
    let limit = &["the locked-memory limit (RLIMIT_MEMLOCK) of ", "ulimit -l"];
    assert_missing(&scratch, || missing("ENOMEM"), "memlock", limit);
}

fn io_uring_that_a_filter_forbids_says_so() {
    let says = ["a seccomp filter forbids", "container"];
    assert_missing(&scratch(), || missing("EPERM"), "seccomp", &says);
}

fn io_uring_that_a_sysctl_forbids_says_so() {
    let scratch = scratch();
    for level in ["1", "2"] {
        let value = scratch.folder().join("sysctl");
        std::fs::write(&value, format!("{level}\n")).unwrap();
        let disabled = || {
            // Only this process and its children see the other value.
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-ec", "mount --bind \"$1\" \"$2\"; shift 2; exec \"$@\"", "sh"]);
            command.arg(&value).arg("/proc/sys/kernel/io_uring_disabled");
            command.arg("strace").args(missing("EPERM").get_args());
            command
        };
        let says = format!("the sysctl kernel.io_uring_disabled is {level}");
        assert_missing(&scratch, disabled, "sysctl", &[&says, "sysctl kernel.io_uring_disabled=0"]);
    }
}

/// A folder with a data file.
fn scratch() -> Filesystem {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    scratch
}

/// strace that makes io_uring_setup fail.
fn missing(errno: &str) -> Command {
    injecting("io_uring_setup", &format!("error={errno}"), None)
}

/// Asserts that a run without io_uring ends with a sentence that `says` why, and that the list
/// of strategies knows the same `reason`.
fn assert_missing(scratch: &Filesystem, missing: impl Fn() -> Command, reason: &str, says: &[&str]) {
    let folder = scratch.folder();
    let says = [&["io_uring"], says].concat();
    let args = ["-rt1M", "--strategy", "io_uring", "iofile"];
    refused(|| through(missing(), folder, &args), SYSTEM, &says);
    let args = ["-rt1M", "--create", "--strategy", "io_uring", "new"];
    refused(|| through(missing(), folder, &args), SYSTEM, &says);
    assert!(!folder.join("new").exists(), "a file was made for a run that cannot be");

    let mut listing = missing();
    listing.arg(iobench().get_program()).args(["strategies", "-j"]).arg(folder);
    let listing = finish(&mut listing).ok().json();
    let entries = listing["strategies"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["name"] == "io_uring").unwrap();
    assert_eq!((&entry["supported"], &entry["limits"]), (&Value::Bool(false), &Value::Null));
    assert_eq!(entry["refusal"]["reason"], reason, "{entry}");
}

fn io_uring_waits_for_the_locked_memory_of_earlier_rings() {
    let uid = 2_100_000_000 + std::process::id();
    let scratch = Filesystem::scratch();
    std::fs::set_permissions(scratch.folder(), Permissions::from_mode(0o755)).unwrap();
    let file = data_file(scratch.folder(), 4 * MIB);
    std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    // A ring with 32 blocks of 64 KiB locks 2 MiB, and each sample has a ring of its own.
    let args = ["-rBj", "--strategy", "io_uring", "-b", "64k", "-n", "60", "-t", "4M", "iofile"];
    for limit_bytes in ["8388608", "3145728"] {
        let mut command = unprivileged(uid);
        command.args(["prlimit", &format!("--memlock={limit_bytes}")]);
        let document = finish(&mut through(command, scratch.folder(), &args)).ok().json();
        assert_eq!(document["benchmark_samples"].as_array().unwrap().len(), 60, "{limit_bytes}");
    }
}

fn io_uring_that_may_lock_too_little_is_told_a_depth_that_works() {
    // The limit counts for a user, not for a process: each run is that of a user of its own.
    let mut uid = 2_000_000_000 + std::process::id() * 100;
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let file = data_file(folder, 16 * MIB);
    std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    let mut limited = |limit_bytes: u64, args: &[&str]| {
        uid += 1;
        let mut command = unprivileged(uid);
        command.args(["prlimit", &format!("--memlock={limit_bytes}")]);
        finish(&mut through(command, folder, &[args, &["-rjv", "--strategy", "io_uring", "iofile"]].concat()))
    };
    for (block, depth) in
        [("512", "256"), ("4096", "4096"), ("5000", "32"), ("16k", "32"), ("64k", "1"), ("1M", "2")]
    {
        let args = ["-b", block, "-t", if block == "5000" { "5000000" } else { "16M" }];
        let outcome = limited(65536, &[&args[..], &["--iodepth", depth]].concat());
        assert_error(&outcome, SYSTEM);
        let sentence = sentence(&outcome);
        for words in ["io_uring", "RLIMIT_MEMLOCK", "of 65536 bytes", "ENOMEM", "ulimit -l"] {
            assert!(sentence.contains(words), "{sentence}");
        }
        let (_, fix) = sentence.split_once("; use ").unwrap();
        let (fix, _) = fix.split_once(" or less").unwrap();
        let fixed = limited(65536, &args.into_iter().chain(fix.split(' ')).collect::<Vec<_>>()).ok();
        let granted = &fixed.json()["benchmark_configuration"]["granted"]["iodepth"];
        assert!(fix.ends_with(&format!("--iodepth {granted}")), "{fix}, granted {granted}");
    }
    let nothing = limited(0, &["-t1M"]);
    if nothing.code != Some(0) {
        // Since Linux 6.14 the ring itself is counted; before, only the buffers are.
        assert_error(&nothing, SYSTEM);
        assert!(sentence(&nothing).contains("of 0 bytes") && sentence(&nothing).contains("another strategy"));
    }
}

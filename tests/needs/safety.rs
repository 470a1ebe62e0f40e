//! Nothing is destroyed, lost or left behind, where a test needs strace, root or a filesystem of its own.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::common::{Filesystem, LoopDevice, data_file, finish, iobench};
use crate::refusal::{IO, MIB, assert_error, bench, injecting, sentence, through};
use crate::running::Running;
use crate::setup::{Undo, run};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [ROOT] => a_creation_that_fails_leaves_a_device_node_that_took_its_name,
        [ROOT] => a_result_is_written_into_a_device_node,
        [ROOT] => a_result_keeps_the_owner_of_the_file,
        [LOOP] => a_result_never_overwrites_a_block_device,
        [LOOP] => a_device_that_takes_the_name_of_the_file_is_not_written_to,
        [STRACE] => an_error_of_writing_out_ends_a_run,
        [STRACE] => a_file_of_a_worker_that_cannot_be_synced_is_named,
        [LOOP, EXT4, TMPFS] => a_device_that_runs_out_of_space_is_not_a_success,
        [EXT4] => a_result_on_a_full_filesystem_leaves_the_old_one,
        [] => a_check_ends_with_a_killed_selftest,
    ]
}

/// The null device under a name of its own.
fn null_node(path: &Path) {
    mknod(path, SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(1, 3)).unwrap();
}

fn a_creation_that_fails_leaves_a_device_node_that_took_its_name() {
    let scratch = Filesystem::scratch();
    let at = |name: &str| scratch.folder().join(name);
    null_node(&at("node"));
    symlink("data", at("link")).unwrap();
    symlink("node", at("other")).unwrap();
    let mut running = Running::start(&mut bench(scratch.folder(), &["-cj", "-n1000000", "-t1M", "link"]));
    running.wait_until("its file", |_| at("data").metadata().is_ok_and(|metadata| metadata.len() > 0));
    fs::rename(at("other"), at("link")).unwrap();
    let ended = running.end(String::new());
    assert_eq!(ended.code, Some(66), "{ended:?}");
    assert!(sentence(&ended).contains("was replaced"), "{ended:?}");
    assert!(at("node").symlink_metadata().unwrap().file_type().is_char_device());
    assert!(!at("data").exists(), "this run created it");
}

/// A short sweep of the data file with this result file.
fn swept(folder: &Path, output: &Path) -> crate::common::Outcome {
    let mut command = iobench();
    command.args([
        "sweep",
        "--strategy",
        "pread",
        "-b4k",
        "--largest-n",
        "10",
        "--budget",
        "30s",
        "iofile",
        "-o",
    ]);
    finish(command.arg(output).current_dir(folder))
}

fn a_result_is_written_into_a_device_node() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let node = scratch.folder().join("node");
    null_node(&node);
    swept(scratch.folder(), &node).ok();
    assert!(node.symlink_metadata().unwrap().file_type().is_char_device());
}

fn a_result_keeps_the_owner_of_the_file() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let result = scratch.folder().join("result.json");
    fs::write(&result, "old").unwrap();
    std::os::unix::fs::chown(&result, Some(1000), Some(1001)).unwrap();
    fs::set_permissions(&result, fs::Permissions::from_mode(0o600)).unwrap();
    swept(scratch.folder(), &result).ok();
    let metadata = result.metadata().unwrap();
    assert!(metadata.len() > 100);
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1000, 1001, 0o600));
}

fn a_result_never_overwrites_a_block_device() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let device = LoopDevice::attach(MIB).unwrap();
    let before = fs::read(&device.path).unwrap();
    let refused = swept(scratch.folder(), &device.path);
    assert_eq!(refused.code, Some(66), "{refused:?}");
    assert!(sentence(&refused).contains("is a block device"), "{refused:?}");
    assert_eq!(fs::read(&device.path).unwrap(), before);
}

fn a_device_that_takes_the_name_of_the_file_is_not_written_to() {
    let scratch = Filesystem::scratch();
    let at = |name: &str| scratch.folder().join(name);
    data_file(scratch.folder(), MIB);
    let device = LoopDevice::attach(MIB).unwrap();
    let before = fs::read(&device.path).unwrap();
    symlink("iofile", at("link")).unwrap();
    symlink(&device.path, at("other")).unwrap();
    let args = ["-Bwj", "-n100000000", "-t1M", "-b64k", "link"];
    let running = Running::start(&mut bench(scratch.folder(), &args));
    std::thread::sleep(Duration::from_millis(300));
    fs::rename(at("other"), at("link")).unwrap();
    let ended = running.end(String::new());
    assert_error(&ended, (66, "open"));
    assert_eq!(fs::read(&device.path).unwrap(), before, "the device keeps its contents");
}

fn an_error_of_writing_out_ends_a_run() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let run = ["-jw", "-n3", "-t64k", "iofile"];
    // Two for each sample, and one after the last.
    for (nth, samples, place) in
        [(1, 0, "before the sample"), (4, 1, "before the sample"), (7, 3, "after the last")]
    {
        let fault = format!("error=EIO:when={nth}");
        let ended = finish(&mut through(injecting("fsync", &fault, Some(&file)), scratch.folder(), &run));
        let document = assert_error(&ended, IO);
        assert!(sentence(&ended).contains(&format!("fsync {place}")), "{ended:?}");
        assert_eq!(document["benchmark_samples"].as_array().unwrap().len(), samples, "{ended:?}");
    }
    let mut bare = through(injecting("fsync", "error=EIO", Some(&file)), scratch.folder(), &run);
    finish(bare.arg("-B")).ok();
    let mut strace = injecting("fsync", "error=EIO:when=3", Some(&file));
    strace.arg(iobench().get_program()).args(["sweep", "-w", "-j", "--strategy", "pread", "-b4k"]);
    strace.args(["--budget", "2s", "iofile"]).current_dir(scratch.folder());
    assert_error(&finish(&mut strace), IO);
}

fn a_file_of_a_worker_that_cannot_be_synced_is_named() {
    let scratch = Filesystem::scratch();
    for worker in 0..2 {
        std::fs::write(scratch.folder().join(format!("own.{worker}")), vec![1; 32 << 10]).unwrap();
    }
    let run = ["-jw", "-t64k", "-s", "--threads", "2", "--files", "per-thread", "own"];
    // strace counts the calls of each thread: those of the measuring thread are the preparation of both
    // files, its own sync, and that after the last sample.
    let cases = [
        ("own.0", 2, "fsync before the sample", &[][..]),
        ("own.0", 4, "fsync after the last", &[]),
        ("own.1", 2, "fsync before the sample", &[]),
        ("own.1", 3, "fsync after the last", &[]),
        ("own.0", 1, "sync failed", &["-B"]),
        ("own.1", 1, "sync failed", &["-B"]),
    ];
    for (worker, nth, words, more) in cases {
        let (file, fault) = (scratch.folder().join(worker), format!("error=EIO:when={nth}"));
        let mut strace = through(injecting("fsync", &fault, Some(&file)), scratch.folder(), &run);
        let ended = finish(strace.args(more));
        assert_error(&ended, IO);
        let sentence = sentence(&ended);
        assert!(sentence.starts_with(worker) && sentence.contains(words), "{worker}: {sentence}");
    }
}

/// An ext4 in a sparse image on a tmpfs that is full: its page cache takes the writes, and its device does
/// not.
fn thin_filesystem(undo: &mut Undo) -> (Filesystem, PathBuf) {
    let outer = Filesystem::mount("tmpfs", 24 << 20);
    let (image, folder) = (outer.folder().join("image"), outer.folder().join("inner"));
    File::create(&image).unwrap().set_len(128 << 20).unwrap();
    fs::create_dir(&folder).unwrap();
    let (image, target) = (image.to_str().unwrap(), folder.to_str().unwrap());
    run(&["mkfs.ext4", "-q", "-F", "-O", "^has_journal", image]).unwrap();
    run(&["mount", "-o", "loop,errors=continue", image, target]).unwrap();
    undo.push(&["umount", target]);
    let file = folder.join("iofile");
    run(&["fallocate", "-l", "16M", file.to_str().unwrap()]).unwrap();
    run(&["sync", "-f", target]).unwrap();
    // dd ends with an error when the space is used up.
    run(&["dd", "if=/dev/zero", &format!("of={}/filler", outer.folder().display()), "bs=64k"]).unwrap_err();
    (outer, folder)
}

fn a_device_that_runs_out_of_space_is_not_a_success() {
    for args in [
        &["-jw", "-n4", "-t16M", "iofile"][..],
        &["-jw", "-n1", "-t16M", "iofile"],
        &["sweep", "-jw", "--strategy", "pread", "-b64k", "-t16M", "--budget", "2s", "iofile"],
    ] {
        let mut undo = Undo::default();
        let (outer, folder) = thin_filesystem(&mut undo);
        let mut command = iobench();
        command.args(args).current_dir(&folder);
        let ended = finish(if args[0] == "sweep" { &mut command } else { command.args(["--settle", "0"]) });
        let document = ended.json();
        assert_eq!(ended.code, Some(74), "{args:?}: {}", ended.stderr);
        assert_eq!(document["error"]["kind"], "io", "{args:?}");
        assert!(sentence(&ended).contains("fsync"), "{args:?}: {}", ended.stderr);
        drop((undo, outer));
    }
}

fn a_result_on_a_full_filesystem_leaves_the_old_one() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let small = Filesystem::mount("ext4", 16 << 20);
    let result = small.folder().join("result.json");
    swept(scratch.folder(), &result).ok();
    let old = fs::read(&result).unwrap();
    run(&["dd", "if=/dev/zero", &format!("of={}/filler", small.folder().display()), "bs=4k"]).unwrap_err();
    let ended = swept(scratch.folder(), &result);
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert!(sentence(&ended).contains("ENOSPC"), "{ended:?}");
    assert_eq!(fs::read(&result).unwrap(), old);
    let names: Vec<_> =
        fs::read_dir(small.folder()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".iobench")), "{names:?}");
}

fn a_check_ends_with_a_killed_selftest() {
    let scratch = Filesystem::scratch();
    let mut command = iobench();
    command.args(["selftest", "--strategy", "all"]).arg(scratch.folder());
    let mut running = Running::start(&mut command);
    let children = |running: &Running| running.proc(&format!("task/{}/children", running.child.id()));
    running.wait_until("its first check", |running| !children(running).trim().is_empty());
    let child = children(&running).split_whitespace().next().unwrap().to_owned();
    running.signal(Signal::SIGKILL);
    running.end(String::new());
    let deadline = Instant::now() + Duration::from_secs(5);
    let alive = || {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    while alive() {
        assert!(Instant::now() < deadline, "the check outlived its selftest");
        std::thread::sleep(Duration::from_millis(5));
    }
    // What SIGKILL left is named by a later selftest.
    std::thread::sleep(Duration::from_secs(3));
    let mut again = iobench();
    again.args(["selftest", "-j", "--strategy", "null", "--only", "directions"]).arg(scratch.folder());
    let document = finish(&mut again).json();
    assert_eq!(document["warnings"][0]["kind"], "leftover", "{document}");
}

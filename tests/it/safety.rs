//! Nothing is destroyed, lost or left behind: created files, the file of -o, a target that changes during the
//! run, and standard output that cannot be written. Faults that need strace, root or a device are in
//! tests/needs/safety.rs.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::common::{Filesystem, Outcome, data_file, finish, iobench, outcome, strategies};
use crate::refusal::{MIB, SIGNALS, assert_error, bench, sentence};
use crate::running::Running;

/// A creation that takes until it is interrupted.
fn creating(folder: &Path, name: &str) -> Running {
    let mut running = Running::start(&mut bench(folder, &["-cj", "-n1000000", "-t1M", name]));
    let path = folder.join(name);
    running.wait_until("its file", |_| path.metadata().is_ok_and(|metadata| metadata.len() > 0));
    running
}

/// Puts a new file in the place of `path`, in one step.
fn replace(path: &Path, content: &[u8]) {
    let other = path.with_extension("new");
    fs::write(&other, content).unwrap();
    fs::rename(&other, path).unwrap();
}

#[test]
fn a_creation_that_ends_early_leaves_a_file_that_took_its_name() {
    let scratch = Filesystem::scratch();
    let path = scratch.folder().join("doc");
    let running = creating(scratch.folder(), "doc");
    replace(&path, b"another program's");
    running.signal(Signal::SIGINT);
    let outcome = running.end(String::new());
    assert!(matches!(outcome.code, Some(66 | 130)), "{outcome:?}");
    let says = "doc no longer names the incomplete file and was left as it is";
    assert!(sentence(&outcome).ends_with(says), "{outcome:?}");
    assert_eq!(fs::read(&path).unwrap(), b"another program's");
}

#[test]
fn an_interrupted_creation_removes_its_file_and_only_truncates_that_of_the_user() {
    let scratch = Filesystem::scratch();
    let path = scratch.folder().join("doc");
    for (signal, exit_code) in SIGNALS {
        let running = creating(scratch.folder(), "doc");
        running.signal(signal);
        let ended = running.end(String::new());
        assert_error(&ended, (exit_code, "interrupted"));
        assert!(sentence(&ended).ends_with("the incomplete file was removed"), "{ended:?}");
        assert!(!path.exists());
    }
    fs::write(&path, "precious").unwrap();
    let inode = path.metadata().unwrap().ino();
    let mut running = Running::start(&mut bench(scratch.folder(), &["-cj", "-n1000000", "-t1M", "doc"]));
    running.wait_until("its first write", |_| path.metadata().is_ok_and(|metadata| metadata.len() > 8));
    running.signal(Signal::SIGINT);
    let ended = running.end(String::new());
    let document = assert_error(&ended, (130, "interrupted"));
    assert!(sentence(&ended).contains("the file of 8 bytes was truncated and holds "), "{ended:?}");
    assert_eq!(document["benchmark_configuration"]["truncated_bytes"], 8);
    assert_eq!(path.metadata().unwrap().ino(), inode, "it is the user's file");
}

#[test]
fn create_mode_reports_the_size_of_the_file_that_it_truncates() {
    let scratch = Filesystem::scratch();
    let configuration = || {
        let ended = finish(&mut bench(scratch.folder(), &["-cj", "-t1M", "doc"])).ok();
        ended.json()["benchmark_configuration"].clone()
    };
    let first = configuration();
    assert_eq!((&first["created"], &first["truncated_bytes"]), (&Value::Bool(true), &Value::Null));
    let second = configuration();
    assert_eq!((&second["created"], &second["truncated_bytes"]), (&Value::Bool(false), &Value::from(MIB)));
    let text = finish(&mut bench(scratch.folder(), &["-c", "-t1M", "doc"])).ok().stdout;
    assert!(text.contains("\n  truncated_bytes: 1048576\n"), "{text}");
}

#[test]
fn a_refused_creation_leaves_the_file_as_it_is() {
    let scratch = Filesystem::scratch();
    let path = scratch.folder().join("doc");
    fs::write(&path, "precious").unwrap();
    for args in [&["-c", "-t1M", "--cpu", "9999", "doc"][..], &["-c", "-b", "1E", "-t1E", "doc"]] {
        let ended = finish(&mut bench(scratch.folder(), args));
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert_eq!(fs::read(&path).unwrap(), b"precious", "{args:?}");
    }
}

#[test]
fn a_missing_file_gets_its_name_when_it_is_complete() {
    let scratch = Filesystem::scratch();
    symlink("target", scratch.folder().join("link")).unwrap();
    let mut running = Running::start(&mut bench(scratch.folder(), &["-r", "-t1G", "--create", "link"]));
    running.wait_until("its first writes", |running| {
        let io = running.proc("io");
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok());
        written.unwrap_or(0_u64) > 4 * MIB
    });
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end(String::new()).code, None);
    let names = || fs::read_dir(scratch.folder()).unwrap().count();
    assert_eq!(names(), 1, "only the link");
    finish(&mut bench(scratch.folder(), &["-r", "-t1M", "--create", "link"])).ok();
    assert_eq!(scratch.folder().join("target").metadata().unwrap().len(), MIB);
    assert_eq!(names(), 2);
}

#[test]
fn nothing_is_created_before_all_arguments_are_checked() {
    let scratch = Filesystem::scratch();
    fs::create_dir(scratch.folder().join("folder")).unwrap();
    let cases: [&[&str]; 5] = [
        &["ab", "--", "-r", "--create", "-t1M", "new", "--", "-r", "-b", "3", "-t1M", "new"],
        &["ab", "--", "-r", "--create", "-t1M", "new", "--", "-r", "--strategy", "nonsense", "new"],
        &["sweep", "--create", "-b4k", "-o", "missing/result.json", "new"],
        &["sweep", "--create", "-b4k", "-o", "folder", "new"],
        &["sweep", "--create", "-b4k", "--strategy", "pread,nonsense", "new"],
    ];
    for args in cases {
        let ended = finish(iobench().args(args).current_dir(scratch.folder()));
        assert!(matches!(ended.code, Some(64 | 66)), "{args:?}: {ended:?}");
        sentence(&ended);
        assert_eq!(fs::read_dir(scratch.folder()).unwrap().count(), 1, "{args:?}: only the folder");
    }
}

/// A short sweep of `target` with this result file.
fn sweep(folder: &Path, output: &str, target: &str) -> Command {
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
        "-o",
        output,
        target,
    ]);
    command.current_dir(folder);
    command
}

fn is_sweep(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|document| document["runs"].is_array())
}

#[test]
fn the_result_never_replaces_the_measured_file() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    symlink("iofile", scratch.folder().join("link")).unwrap();
    fs::hard_link(&file, scratch.folder().join("hard")).unwrap();
    let content = fs::read(&file).unwrap();
    for name in ["iofile", "./iofile", "link", "hard"] {
        let refused = finish(&mut sweep(scratch.folder(), name, "iofile"));
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(sentence(&refused).contains("this is the file to measure"), "{refused:?}");
    }
    symlink("new", scratch.folder().join("dangling")).unwrap();
    for name in ["new", "./new", "dangling"] {
        let refused = finish(sweep(scratch.folder(), name, "new").arg("--create"));
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(!scratch.folder().join("new").exists(), "{name}");
    }
    finish(&mut sweep(scratch.folder(), "result.json", "iofile")).ok();
    let mut rerun = iobench();
    let refused = finish(rerun.args(["rerun", "-o", "link", "result.json"]).current_dir(scratch.folder()));
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert_eq!(fs::read(&file).unwrap(), content);

    symlink("result.json", scratch.folder().join("picture.svg")).unwrap();
    let mut plot = iobench();
    let plot = plot.args(["plot", "result.json", "-o", "picture.svg"]).current_dir(scratch.folder());
    let refused = finish(plot);
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(is_sweep(&fs::read(scratch.folder().join("result.json")).unwrap()));
}

#[test]
fn a_result_goes_through_links_and_keeps_the_mode_of_the_file() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let at = |name: &str| scratch.folder().join(name);
    fs::write(at("old.json"), "old").unwrap();
    fs::set_permissions(at("old.json"), Permissions::from_mode(0o640)).unwrap();
    symlink("old.json", at("link.json")).unwrap();
    symlink("made.json", at("dangling.json")).unwrap();
    for (name, behind) in [("link.json", "old.json"), ("dangling.json", "made.json")] {
        finish(&mut sweep(scratch.folder(), name, "iofile")).ok();
        assert!(at(name).is_symlink(), "{name}");
        assert!(is_sweep(&fs::read(at(behind)).unwrap()), "{name}");
    }
    assert_eq!(at("old.json").metadata().unwrap().mode() & 0o7777, 0o640);
    let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    let left: Vec<_> = fs::read_dir(scratch.folder()).unwrap().flatten().filter(hidden).collect();
    assert_eq!(left.len(), 0, "{left:?}");
}

#[test]
fn a_result_is_written_into_what_is_not_a_regular_file() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let pipe = scratch.folder().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let unread = finish(&mut sweep(scratch.folder(), "pipe", "iofile"));
    assert_eq!(unread.code, Some(66), "{unread:?}");
    assert!(sentence(&unread).contains("no program reads from it"), "{unread:?}");

    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    // The reader is there once opening for writing does not fail.
    let opened = || OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&pipe);
    let held = loop {
        match opened() {
            Ok(held) => break held,
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    finish(&mut sweep(scratch.folder(), "pipe", "iofile")).ok();
    drop(held);
    assert!(is_sweep(&reader.join().unwrap()), "one document");
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());

    let mut onto_stdout = sweep(scratch.folder(), "/dev/stdout", "iofile");
    let printed = scratch.folder().join("printed");
    let status = onto_stdout.stdout(File::create(&printed).unwrap()).status().unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&printed).unwrap();
    assert!(text.contains("\n{\"schema_version\"") && text.contains("\nMedian bandwidth"), "two results");

    symlink("/dev/null", scratch.folder().join("null")).unwrap();
    finish(&mut sweep(scratch.folder(), "null", "iofile")).ok();
    assert!(scratch.folder().join("null").is_symlink());
}

#[test]
fn what_a_killed_run_left_is_named() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let left = scratch.folder().join(".iobench-left");
    let old = SystemTime::now() - Duration::from_secs(60);
    fs::File::create(&left).unwrap().set_modified(old).unwrap();
    let ended = finish(sweep(scratch.folder(), "result.json", "iofile").arg("-j")).ok();
    let warnings = ended.json()["warnings"].clone();
    let leftover = warnings.as_array().unwrap().iter().find(|warning| warning["kind"] == "leftover").unwrap();
    let message = leftover["message"].as_str().unwrap();
    assert!(message.contains(".iobench-left was left by a run that was killed; remove it"), "{message}");
    assert!(left.exists());
}

/// A run of many short samples that has printed at least one.
fn sampling(folder: &Path, args: &[&str]) -> Running {
    let mut running = Running::start(&mut bench(folder, args));
    let mut first = [0; 7];
    running.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"datum:\n");
    running
}

#[test]
fn a_file_that_is_replaced_during_a_run_ends_it() {
    for strategy in strategies().filter(|name| *name != "null") {
        for flags in ["-Br", "-Bw"] {
            let scratch = Filesystem::scratch();
            let path = data_file(scratch.folder(), MIB);
            let args = [flags, "-n1000000", "-t1M", "-b64k", "--strategy", strategy, "iofile"];
            let running = sampling(scratch.folder(), &args);
            let other = vec![7; MIB as usize];
            replace(&path, &other);
            let ended = running.end(String::new());
            assert_eq!(ended.code, Some(66), "{strategy} {flags}: {ended:?}");
            assert!(sentence(&ended).contains("was replaced or removed after it was checked"), "{ended:?}");
            assert!(fs::read(&path).unwrap() == other, "{strategy} {flags}: another file was written to");
        }
    }
}

#[test]
fn a_pipe_in_the_place_of_the_file_does_not_hang_the_run() {
    let scratch = Filesystem::scratch();
    let path = data_file(scratch.folder(), MIB);
    let running = sampling(scratch.folder(), &["-Br", "-n1000000", "-t1M", "-b64k", "iofile"]);
    let pipe = scratch.folder().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    fs::rename(&pipe, &path).unwrap();
    let ended = running.end(String::new());
    assert_eq!(ended.code, Some(66), "{ended:?}");
    assert!(sentence(&ended).contains("was replaced"), "{ended:?}");
}

#[test]
fn a_file_that_is_truncated_or_extended_during_a_run_is_reported() {
    let scratch = Filesystem::scratch();
    let path = data_file(scratch.folder(), MIB);
    let args = ["-Br", "-n1000000", "-t1M", "-b64k", "iofile"];
    let running = sampling(scratch.folder(), &args);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(MIB / 2).unwrap();
    let ended = running.end(String::new());
    assert_eq!(ended.code, Some(74), "{ended:?}");

    OpenOptions::new().write(true).open(&path).unwrap().set_len(MIB).unwrap();
    let running = sampling(scratch.folder(), &args);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(2 * MIB).unwrap();
    running.signal(Signal::SIGINT);
    let ended = running.end(String::new());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let says = "iofile: another program changed the size from 1048576 to 2097152 bytes during the run";
    assert!(ended.stderr.contains(says), "{ended:?}");
}

#[test]
fn results_name_the_measured_file() {
    let scratch = Filesystem::scratch();
    let path = data_file(scratch.folder(), MIB);
    symlink("iofile", scratch.folder().join("link")).unwrap();
    let ended = finish(&mut bench(scratch.folder(), &["-rjvB", "-t1M", "link"])).ok();
    let metadata = path.metadata().unwrap();
    let target = &ended.json()["benchmark_configuration"]["target"];
    assert_eq!(target["absolute_path"], path.canonicalize().unwrap().to_str().unwrap());
    assert_eq!((&target["device"], &target["inode"]), (&metadata.dev().into(), &metadata.ino().into()));
    assert_eq!(target["size_bytes"], MIB);
    let kept = scratch.folder().join("result.json");
    finish(&mut sweep(scratch.folder(), "result.json", "link")).ok();
    let swept: Value = serde_json::from_slice(&fs::read(kept).unwrap()).unwrap();
    assert_eq!(&swept["runs"][0]["benchmark_configuration"]["target"], target);
}

#[test]
fn a_second_signal_loses_nothing() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for (signal, _) in SIGNALS {
        let running = Running::start(
            iobench()
                .args(["sweep", "-j", "--budget", "60s", "-b", "1..64k", "-o", "result.json", "iofile"])
                .current_dir(scratch.folder()),
        );
        std::thread::sleep(Duration::from_millis(1500));
        running.signal(signal);
        std::thread::sleep(Duration::from_millis(3));
        running.signal(Signal::SIGTERM);
        let ended = running.end(String::new());
        assert!(ended.code.is_some_and(|code| code > 128), "{ended:?}");
        assert!(ended.json()["runs"].as_array().unwrap().len() > 10);
        assert!(is_sweep(&fs::read(scratch.folder().join("result.json")).unwrap()));
        assert_eq!(fs::read_dir(scratch.folder()).unwrap().count(), 2, "no temporary file");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let script = format!("trap '' HUP INT; exec \"$0\" -jr -n100 --settle 0.01 -t1M {}", file.display());
    let mut running = Running::start(Command::new("sh").args(["-c", &script]).arg(iobench().get_program()));
    running.wait_until("its handlers", |running| {
        let status = running.proc("status");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap_or("0");
        u64::from_str_radix(caught, 16).unwrap_or(0) & (1 << (libc::SIGTERM - 1)) != 0
    });
    running.signal(Signal::SIGHUP);
    running.signal(Signal::SIGINT);
    let ended = running.end(String::new());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json()["benchmark_samples"].as_array().unwrap().len(), 100);
}

/// The document in the file that an error names.
fn rescued(ended: &Outcome) -> Value {
    assert_eq!(ended.code, Some(74), "{ended:?}");
    let (_, path) =
        sentence(ended).rsplit_once("; the whole result is in ").unwrap_or_else(|| panic!("{ended:?}"));
    let document = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    fs::remove_file(path).unwrap();
    document
}

#[test]
fn a_result_that_cannot_be_printed_is_saved() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let file = file.to_str().unwrap();
    let commands = [
        format!("-Bjr -n3 -t1M {file}"),
        format!("-Br -n3 -t1M {file}"),
        format!("sweep --strategy pread -b 4k --budget 30s --largest-n 10 -j {file}"),
        format!("sweep --strategy pread -b 4k --budget 30s --largest-n 10 {file}"),
        format!("ab -n 3 -- -rB -t1M {file} -- -rB -t1M {file}"),
    ];
    for command in &commands {
        for redirection in [">&-", ">/dev/full"] {
            let script = format!("exec \"$0\" {command} {redirection}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).arg(iobench().get_program()).env("TMPDIR", scratch.folder());
            let document = rescued(&finish(&mut shell));
            let measured = ["benchmark_samples", "runs", "points"]
                .iter()
                .any(|key| document[key].as_array().is_some_and(|list| !list.is_empty()));
            assert!(measured, "{script}: {document}");
        }
    }
}

#[test]
fn a_slow_non_blocking_reader_gets_the_whole_document() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let flags = OFlag::from_bits_retain(fcntl(&writer, FcntlArg::F_GETFL).unwrap());
    fcntl(&writer, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let mut command = iobench();
    command.args(["-Bjrv", "-n2000", "-t64k", "-b64k"]).arg(&file).stdin(Stdio::null());
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    // The document is larger than the pipe, which is full before the first byte is read.
    std::thread::sleep(Duration::from_millis(1000));
    let mut stdout = String::new();
    reader.read_to_string(&mut stdout).unwrap();
    let ended = outcome(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["benchmark_samples"].as_array().unwrap().len(), 2000);
}

/// Seconds that a sweep takes, and its document.
fn timed_sweep(folder: &Path, args: &[&str]) -> (f64, Value) {
    let started = std::time::Instant::now();
    let ended = finish(iobench().args(["sweep", "-j"]).args(args).arg("iofile").current_dir(folder));
    (started.elapsed().as_secs_f64(), ended.json())
}

#[test]
fn a_budget_holds_for_large_buffers_long_samples_and_many_sizes() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let sizes: Vec<String> = (1000..2000).map(|size| size.to_string()).collect();
    let sizes = sizes.join(",");
    let cases: [(&[&str], usize); 3] = [
        (&["--strategy", "null", "-b", "1..1G"], 31),
        (&["--strategy", "null", "-b", "1", "-t", "1T"], 1),
        (&["--strategy", "pread", "-b", &sizes], 1000),
    ];
    for (args, points) in cases {
        let (seconds, document) = timed_sweep(scratch.folder(), &[args, &["--budget", "2s"]].concat());
        // Four times the limit, because the tests share the machine: without it, these took 20 s and more.
        assert!(seconds < 8.8, "{args:.30?} took {seconds} s");
        assert_eq!(document["runs"].as_array().unwrap().len(), points, "{args:.30?}");
        // A budget that is too short for six samples of each point is an error that names a longer one.
        let error = &document["error"];
        let short = error["message"].as_str().is_some_and(|message| message.starts_with("--budget: 2 s are"));
        assert!(error.is_null() || (short && error["exit_code"] == 64), "{args:.30?}: {error}");
    }
}

#[test]
fn a_signal_ends_a_sweep_of_large_buffers_at_once() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let mut command = iobench();
    command.args(["sweep", "-j", "--strategy", "null", "-b", "1..1G", "--budget", "600s", "iofile"]);
    let running = Running::start(command.current_dir(scratch.folder()));
    std::thread::sleep(Duration::from_secs(1));
    running.signal(Signal::SIGINT);
    let signalled = std::time::Instant::now();
    let ended = running.end(String::new());
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    assert_eq!(ended.code, Some(130));
    assert!(ended.json()["error"]["message"].as_str().unwrap().contains("SIGINT"));
}

#[test]
fn no_hint_destroys_data() {
    let scratch = Filesystem::scratch();
    fs::write(scratch.folder().join("thesis.txt"), "precious").unwrap();
    let ended = finish(&mut bench(scratch.folder(), &["-r", "thesis.txt"]));
    assert_eq!(ended.code, Some(74), "{ended:?}");
    let hint = sentence(&ended);
    assert!(hint.ends_with("use a smaller -b and -t, or another file"), "{hint}");
}

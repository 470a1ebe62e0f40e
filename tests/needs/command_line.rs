//! The command line where seeing its effect takes root, strace, or a filesystem of a kind.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{
    Filesystem, data_file, document, finish, iobench, own_cpu, pattern, run, runs_here, samples, strategies,
};
use crate::trials::{Test, tests};

const MIB: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => bare_leaves_out_the_preparation_and_the_pause,
        [RAMFS] => create_mode_makes_files_on_a_filesystem_that_does_not_count_its_blocks,
        [TASKSET] => a_cpu_set_that_excludes_the_first_cpu_is_obeyed,
        [EXT4] => cold_and_warm_are_proven_by_the_page_cache,
        [TMPFS] => a_cold_run_that_was_not_cold_says_so,
        [STRACE] => noatime_is_asked_for_granted_and_recorded,
        [STRACE] => open_sync_is_a_flag_of_every_open_for_writing,
        [ROOT, SETPRIV] => noatime_on_a_file_of_somebody_else_is_refused_with_the_reason,
        [TMPFS] => strategies_says_why_one_does_not_run_on_a_filesystem,
    ]
}

fn bare_leaves_out_the_preparation_and_the_pause() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let log = scratch.folder().join("strace.log");
    for (flags, fsyncs, syncs, pauses) in [("-rqt1M", 2, 3, 1), ("-rqBt1M", 0, 0, 0)] {
        let mut command = Command::new("strace");
        command.arg("-o").arg(&log).args(["-e", "trace=fsync,sync,nanosleep,clock_nanosleep"]);
        finish(command.arg(iobench().get_program()).arg(flags).arg(&file)).ok();
        let trace = std::fs::read_to_string(&log).unwrap();
        let count = |text: &str| trace.lines().filter(|line| line.contains(text)).count();
        assert_eq!(count("fsync("), fsyncs, "{flags}: {trace}");
        assert_eq!(trace.lines().filter(|line| line.starts_with("sync(")).count(), syncs, "{flags}: {trace}");
        assert_eq!(count("tv_sec=1, tv_nsec=0"), pauses, "{flags}: {trace}");
    }
}

fn create_mode_makes_files_on_a_filesystem_that_does_not_count_its_blocks() {
    let ramfs = Filesystem::mount("ramfs", 0);
    let file = ramfs.folder().join("iofile");
    run(["-c", "-t", "1M", file.to_str().unwrap()]).ok();
    assert!(std::fs::read(&file).unwrap() == pattern(0, MIB as usize));
}

fn a_cpu_set_that_excludes_the_first_cpu_is_obeyed() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let last = *own_cpu::use_all().last().unwrap();
    let mut command = Command::new("taskset");
    command.args(["-c", &last.to_string()]).arg(iobench().get_program()).args(["-rvjBt1M"]).arg(&file);
    let granted = finish(&mut command).ok().json()["benchmark_configuration"]["granted"]["cpu"].clone();
    assert_eq!(granted, last, "the first CPU that is allowed");
}

fn cold_and_warm_are_proven_by_the_page_cache() {
    let ext4 = Filesystem::mount("ext4", 64 << 20);
    let file = data_file(ext4.folder(), 4 * MIB);
    for strategy in ["readwrite", "pread", "mmap", "io_uring"].into_iter().filter(|name| runs_here(name)) {
        for (state, fraction) in [("cold", 0.0), ("warm", 1.0)] {
            let args = ["-rt4M", "-n", "2", "--strategy", strategy, "--cache", state];
            let document = document(&args, &file);
            for sample in samples(&document) {
                assert_eq!(sample["resident_fraction_before"], fraction, "{strategy} {state}");
                assert_eq!(sample["cache_reached"], true, "{strategy} {state}");
                assert_eq!(sample["resident_fraction_after"], 1.0, "{strategy} {state}");
            }
        }
    }
    assert_eq!(samples(&document(&["-rt4M"], &file))[0]["cache_reached"], Value::Null);
}

fn a_cold_run_that_was_not_cold_says_so() {
    let tmpfs = Filesystem::mount("tmpfs", 16 << 20);
    let file = data_file(tmpfs.folder(), MIB);
    let outcome = run(["-rjt1M", "--cache", "cold", file.to_str().unwrap()]).ok();
    assert_eq!(samples(&outcome.json())[0]["cache_reached"], false);
    let message = "the sample did not start cold: 100.0 % of the range was in the page cache, and 0 of \
                   1048576 bytes came from a device";
    let warning = json!([{ "kind": "cache_not_reached", "message": message }]);
    assert_eq!(
        (&outcome.json()["warnings"], outcome.stderr.as_str()),
        (&warning, ""),
        "with -j in the document only"
    );
    let text = run(["-rt1M", "--cache", "cold", file.to_str().unwrap()]).ok();
    assert_eq!(text.stderr, format!("iobench: warning: {message}\n"));
}

fn noatime_is_asked_for_granted_and_recorded() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let log = scratch.folder().join("strace.log");
    for strategy in strategies() {
        for flags in [&[][..], &["--noatime"]] {
            let mut command = Command::new("strace");
            command.arg("-o").arg(&log).args(["-e", "trace=openat"]).arg(iobench().get_program());
            command.args(["-rjvBt1M", "--strategy", strategy]).args(flags).arg(&file);
            let document = finish(&mut command).ok().json();
            let configuration = &document["benchmark_configuration"];
            let performs_io = configuration["properties"]["performs_io"] == true;
            let (asked, granted) = (!flags.is_empty(), !flags.is_empty() && performs_io);
            assert_eq!(configuration["requested"]["noatime"], asked, "{strategy}");
            assert_eq!(configuration["granted"]["noatime"], granted, "{strategy}");
            let seen = std::fs::read_to_string(&log).unwrap().contains("O_NOATIME");
            assert_eq!(seen, granted, "{strategy} {flags:?}");
        }
    }
}

fn open_sync_is_a_flag_of_every_open_for_writing() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let log = scratch.folder().join("strace.log");
    for strategy in strategies().filter(|name| !["mmap", "null"].contains(name)) {
        for (word, flag) in [("none", "O_WRONLY|O_CLOEXEC"), ("dsync", "|O_DSYNC|"), ("sync", "|O_SYNC|")] {
            let mut command = Command::new("strace");
            command.arg("-o").arg(&log).args(["-e", "trace=openat"]).arg(iobench().get_program());
            command.args(["-wqBt64k", "--strategy", strategy, "--open-sync", word]).arg(&file);
            finish(&mut command).ok();
            let log = std::fs::read_to_string(&log).unwrap();
            let writes = |line: &&str| line.contains("iofile") && line.contains("O_WRONLY");
            let opened: Vec<&str> = log.lines().filter(writes).collect();
            let has_flag = |line: &&str| line.contains(flag) || (word == "none" && !line.contains("SYNC|"));
            assert!(!opened.is_empty() && opened.iter().all(has_flag), "{strategy} {word}: {opened:#?}");
        }
    }
}

fn noatime_on_a_file_of_somebody_else_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = data_file(folder.path(), MIB);
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let program = folder.path().join("iobench");
    std::fs::copy(iobench().get_program(), &program).unwrap();
    for strategy in strategies().filter(|name| *name != "null") {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["-rjBt1M", "--noatime", "--strategy", strategy]).arg(&file);
        let refused = finish(&mut command);
        assert_eq!(refused.code, Some(66), "{strategy}: {refused:?}");
        assert_eq!(refused.json()["error"]["errno"], "EPERM", "{strategy}");
        for words in ["O_NOATIME only to the owner", "leave out --noatime"] {
            assert!(refused.stderr.contains(words), "{strategy}: {refused:?}");
        }
    }
}

fn strategies_says_why_one_does_not_run_on_a_filesystem() {
    let tmpfs = Filesystem::mount("tmpfs", 16 << 20);
    let listing = finish(iobench().args(["strategies", "--json"]).arg(tmpfs.folder())).ok().json();
    let entries = listing["strategies"].as_array().unwrap();
    let direct = entries.iter().find(|entry| entry["name"] == "direct").unwrap();
    assert_eq!((&direct["supported"], &direct["limits"]), (&json!(false), &Value::Null));
    assert_eq!(direct["refusal"]["reason"], "filesystem");
    assert!(direct["refusal"]["remedy"].as_str().unwrap().contains("ext4"), "{direct}");
}

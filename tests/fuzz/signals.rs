//! Signals at random moments: every command ends soon, with one document, and leaves no child and no
//! temporary file.

use std::ffi::OsString;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde_json::Value;

use crate::Worker;
use crate::program::{Ended, run, shown};

pub(crate) const SIGNALS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Each runs for seconds.
const COMMANDS: [&str; 13] = [
    "-rj -n100000 --settle 0 -t64k data",
    "-rBjvg -n1000000 -b512 -t64k --strategy pread data",
    "-wj -n100000 --settle 0 -t64k data",
    "-wBj -n1000000 -t64k --strategy mmap data",
    "-cj -n1000000 -t64k new",
    "-rj --create -t1G new",
    "sweep -j -o new --budget 30s data",
    "sweep -j -w --create -t 256k -o folder/new --budget 30s new",
    "ab -j -n 100000000 -- -rB -t64k data -- -rB -b4k -t64k data",
    "rerun -j -o new sweep.json",
    "compare -j sweep.json sweep.json",
    "selftest -j --strategy all --only data,directions,errors folder",
    "trace -j --with strace -- -rB -n1000000 -t64k data",
];

/// Runs a command, and sends it one or two signals.
pub(crate) fn fuzz(worker: &mut Worker) -> Result<(), String> {
    adopt_orphans();
    let words: Vec<OsString> = worker.pick(&COMMANDS).split(' ').map(Into::into).collect();
    let first = Duration::from_micros(worker.random.below(1_200_000) as u64);
    let second = first + Duration::from_micros(worker.random.below(20_000) as u64);
    let mut signals = vec![(first, *worker.pick(&SIGNALS))];
    if worker.once_in(2) {
        signals.push((second, *worker.pick(&SIGNALS)));
    }
    let (folder, temporary) = (worker.sandbox.folder(), worker.sandbox.temporary());
    let ended = run(&words, &folder, &temporary, &signals);
    let answer = ended.and_then(|ended| check(worker, &ended)).and_then(|()| no_orphan());
    let changes = worker.sandbox.check_and_restore(&words);
    answer.and(changes).map_err(|finding| format!("iobench {} with {signals:?}: {finding}", shown(&words)))
}

fn check(worker: &Worker, ended: &Ended) -> Result<(), String> {
    // Before it has installed its handlers, a signal ends the program as any other.
    if ended.code.is_none() && ended.stdout.is_empty() {
        return Ok(());
    }
    worker.oracle.check(ended)?;
    let document: Value =
        serde_json::from_slice(&ended.stdout).map_err(|error| format!("no document ({error})"))?;
    if ended.code.is_some_and(|code| code > 128) {
        let says = |key: &str| document["error"][key].clone();
        if says("kind") != "interrupted" || says("exit_code") != ended.code.unwrap() {
            return Err(format!("the document says {} and not {:?}", document["error"], ended.code));
        }
    }
    let kept = worker.sandbox.folder().join("new");
    let kept = fs::read(kept).unwrap_or_default();
    match std::str::from_utf8(&kept) {
        Ok(text) if text.starts_with('{') => worker.oracle.check_document(text),
        _ => Ok(()),
    }
}

/// Makes orphans children of this process.
#[cfg(target_os = "linux")]
fn adopt_orphans() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
}

/// On FreeBSD orphans are not found.
#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}

/// Every child of this process ends.
fn no_orphan() -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(WaitStatus::StillAlive) => return Err("a child process was left behind".to_owned()),
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
}

//! Result files and names come from elsewhere: they are data, of bounded size, and never reach a terminal as
//! control characters.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::common::{Filesystem, Outcome, data_file, finish, iobench};
use crate::refusal::{MIB, sentence};
use crate::running::Running;

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = iobench();
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command
}

fn swept(folder: &Path, flags: &[&str], result: &str) -> Value {
    let words = [
        &["sweep", "--strategy", "pread,null", "-b", "4k,8k", "--largest-n", "10", "--budget", "30s"][..],
        flags,
    ];
    finish(&mut command(folder, &[&words.concat(), &["-o", result, "iofile"][..]].concat())).ok();
    serde_json::from_slice(&fs::read(folder.join(result)).unwrap()).unwrap()
}

#[test]
fn rerun_overwrites_a_file_only_with_permission() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    swept(scratch.folder(), &["-w"], "writing.json");
    swept(scratch.folder(), &["-r"], "reading.json");
    let precious = vec![b'p'; MIB as usize];
    fs::write(&file, &precious).unwrap();
    // The name of the measured file is that of the result, from any folder.
    let refused = |words: &[&str], says: &str| {
        let mut rerun = command(Path::new("/"), &["rerun"]);
        let ended = finish(rerun.args(words).arg(scratch.folder().join("writing.json")));
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(sentence(&ended).contains(says), "{ended:?}");
        assert!(fs::read(&file).unwrap() == precious, "{words:?}");
    };
    let overwrites = format!("rerun overwrites {}, because the result is of writing", file.display());
    refused(&[], &overwrites);
    refused(&["-j", "--threshold", "5%"], &overwrites);
    let odd = finish(&mut command(scratch.folder(), &["rerun", "-w", "reading.json"]));
    assert!(sentence(&odd).starts_with("-w: the result is of reading"), "{odd:?}");

    let mut rerun = command(Path::new("/"), &["rerun", "-w"]);
    let ended = finish(rerun.arg(scratch.folder().join("writing.json")));
    assert!(matches!(ended.code, Some(0..=2)), "{ended:?}");
    assert!(fs::read(&file).unwrap() != precious);
    // Another file took the name.
    fs::rename(&file, scratch.folder().join("moved")).unwrap();
    fs::write(&file, &precious).unwrap();
    refused(&["-w"], "is not the file that was measured");
}

#[test]
fn compare_says_that_results_are_about_different_files() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    swept(scratch.folder(), &[], "old.json");
    let warnings = || {
        let ended = finish(&mut command(scratch.folder(), &["compare", "-j", "old.json", "new.json"]));
        let kinds = |warning: &Value| warning["kind"].as_str().unwrap().to_owned();
        let document = ended.json();
        document["warnings"].as_array().unwrap().iter().map(kinds).collect::<Vec<_>>()
    };
    swept(scratch.folder(), &[], "new.json");
    assert!(!warnings().contains(&"other_file".to_owned()));
    fs::rename(&file, scratch.folder().join("moved")).unwrap();
    data_file(scratch.folder(), MIB);
    swept(scratch.folder(), &[], "new.json");
    assert!(warnings().contains(&"other_file".to_owned()));
}

#[test]
fn a_result_of_absurd_size_is_refused_at_once() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    swept(scratch.folder(), &[], "result.json");
    let started = Instant::now();
    for words in [
        &["compare", "/dev/zero", "result.json"][..],
        &["plot", "/dev/zero", "-o", "x.svg"],
        &["rerun", "/dev/zero"],
    ] {
        let refused = finish(&mut command(scratch.folder(), words));
        assert_eq!(refused.code, Some(66), "{refused:?}");
        let says = "/dev/zero: is larger than 67108864 bytes, the limit for a result";
        assert!(sentence(&refused).starts_with(says), "{refused:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    let small = ["compare", "--max-result-size", "1k", "result.json", "result.json"];
    let refused = finish(&mut command(scratch.folder(), &small));
    assert!(sentence(&refused).contains("raise the limit with --max-result-size"), "{refused:?}");
}

#[test]
fn a_result_comes_through_a_slow_pipe_or_never() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let document = swept(scratch.folder(), &[], "result.json");
    mkfifo(&scratch.folder().join("pipe"), Mode::S_IRWXU).unwrap();
    let unwritten = finish(&mut command(scratch.folder(), &["compare", "pipe", "result.json"]));
    assert_eq!(unwritten.code, Some(66), "{unwritten:?}");

    let mut compare = command(scratch.folder(), &["compare", "/dev/stdin", "result.json"]);
    let mut child = compare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = document.to_string();
    let mut stdin = child.stdin.take().unwrap();
    for piece in text.as_bytes().chunks(text.len() / 3 + 1) {
        std::thread::sleep(Duration::from_millis(150));
        stdin.write_all(piece).unwrap();
    }
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));

    let mut waiting = command(scratch.folder(), &["compare", "/dev/stdin", "result.json"]);
    let running = Running::start(&mut waiting);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(running);
    let mut child = waiting.stdin(reader).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(writer);
}

/// Asserts that the output has no control character but line ends.
fn assert_plain(ended: &Outcome, words: &[&str]) {
    for text in [&ended.stdout, &ended.stderr] {
        let control = |character: &char| character.is_control() && *character != '\n';
        assert_eq!(text.chars().find(control), None, "{words:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("FAKE")), "{words:?}: {text:?}");
        assert!(!text.contains('\u{202e}'), "{words:?}: {text:?}");
    }
}

const EVIL: &str = "a\x1b]0;title\x07\nFAKE line\u{9b}31m\u{202e}\x7f";

#[test]
fn names_of_files_reach_the_terminal_escaped() {
    let scratch = Filesystem::scratch();
    fs::rename(data_file(scratch.folder(), MIB), scratch.folder().join(EVIL)).unwrap();
    let result = format!("{EVIL}.json");
    let picture = format!("{EVIL}.svg");
    let missing = format!("{EVIL}missing");
    let commands: [&[&str]; 12] = [
        &["-rBv", "-t1M", EVIL],
        &["-r", "-t1M", &missing],
        &["-r", "-t2M", EVIL],
        &["-r", "--strategy", EVIL, "x"],
        &["-r", &format!("--{EVIL}"), "x"],
        &[
            "sweep",
            "--strategy",
            "pread",
            "-b4k,1G",
            "--largest-n",
            "10",
            "--budget",
            "30s",
            "-o",
            &result,
            EVIL,
        ],
        &["compare", &result, &result],
        &["compare", &result, &missing],
        &["plot", &result, "-o", &picture, "--title", EVIL],
        &["strategies", EVIL],
        &["ab", "-n6", "--", "-rB", "-t1M", EVIL, "--", "-rB", "-t1M", EVIL],
        &["rerun", &missing],
    ];
    for words in commands {
        assert_plain(&finish(&mut command(scratch.folder(), words)), words);
    }
    let drawn = fs::read_to_string(scratch.folder().join(&picture)).unwrap();
    roxmltree::Document::parse(&drawn).unwrap();
}

/// Puts evil text into every string of a document that is free text.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(' ') || text.contains('/') || text.contains('.') => {
            *text = EVIL.to_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(fields) => fields.values_mut().for_each(poison),
        _ => {}
    }
}

#[test]
fn strings_of_results_reach_the_terminal_escaped() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let clean = swept(scratch.folder(), &[], "clean.json");
    let mut evil = clean.clone();
    poison(&mut evil);
    evil["runs"][0]["benchmark_configuration"]["strategy"] = json!(EVIL);
    evil["warnings"] = json!([{ "kind": "drift", "message": EVIL }]);
    serde_json::to_writer(File::create(scratch.folder().join("evil.json")).unwrap(), &evil).unwrap();
    for words in [
        &["compare", "clean.json", "evil.json"][..],
        &["compare", "evil.json", "evil.json"],
        &["plot", "evil.json", "-o", "evil.svg"],
        &["plot", "evil.json", "-o", "evil.html"],
        &["rerun", "evil.json"],
    ] {
        assert_plain(&finish(&mut command(scratch.folder(), words)), words);
    }
    let drawn = fs::read_to_string(scratch.folder().join("evil.svg")).unwrap();
    roxmltree::Document::parse(&drawn).unwrap();
}

#[test]
fn absurd_numbers_of_a_result_are_refused() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let clean = swept(scratch.folder(), &[], "clean.json");
    let requested = "/runs/0/benchmark_configuration/requested";
    for (pointer, value) in [
        (format!("{requested}/block_bytes"), json!(0)),
        (format!("{requested}/total_bytes"), json!(0)),
        (format!("{requested}/total_bytes"), json!(4097)),
        (format!("{requested}/iodepth"), json!(0)),
        (format!("{requested}/batch"), json!(0)),
        (format!("{requested}/cpu"), json!(1_000_000)),
        ("/sweep_configuration/budget_seconds".to_owned(), json!(-1.0)),
        ("/sweep_configuration/budget_seconds".to_owned(), json!(1e300)),
    ] {
        let mut absurd = clean.clone();
        *absurd.pointer_mut(&pointer).unwrap() = value;
        serde_json::to_writer(File::create(scratch.folder().join("absurd.json")).unwrap(), &absurd).unwrap();
        let refused = finish(&mut command(scratch.folder(), &["rerun", "absurd.json"]));
        assert_eq!(refused.code, Some(64), "{pointer}: {refused:?}");
        sentence(&refused);
    }
}

#[test]
fn a_result_with_a_point_that_could_not_run_is_read() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    // A total of less than one block.
    let swept = swept(scratch.folder(), &["-t", "4k"], "result.json");
    assert_eq!(swept["runs"][1]["benchmark_configuration"]["blockcount"], 0);
    for words in [&["compare", "result.json", "result.json"][..], &["plot", "result.json", "-o", "x.svg"]] {
        finish(&mut command(scratch.folder(), words)).ok();
    }
}

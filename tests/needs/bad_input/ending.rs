//! Signals that strace sends at a chosen system call.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::common::{Filesystem, Outcome, data_file, finish, iobench};
use crate::refusal::{MIB, SIGNALS, assert_error, injecting, sentence, through};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [STRACE] => json_after_a_signal_holds_the_samples_so_far,
        [STRACE] => a_signal_while_a_file_is_made_leaves_none,
        [STRACE] => a_signal_while_the_machine_writes_out_is_not_followed_by_the_pause,
    ]
}

/// Runs in `folder` with `signal` sent at the `nth` time that `call` is made on `file`, or on any.
fn signalled(
    folder: &Path,
    file: Option<&Path>,
    call: &str,
    nth: u32,
    signal: Signal,
    args: &[&str],
) -> Outcome {
    let fault = format!("signal={signal}:when={nth}");
    finish(&mut through(injecting(call, &fault, file), folder, args))
}

fn json_after_a_signal_holds_the_samples_so_far() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for (signal, exit_code) in SIGNALS {
        // 16 reads a sample: the signal comes in the third.
        let args = ["-rjvt1M", "-b64k", "-n5", "iofile"];
        let outcome = signalled(scratch.folder(), Some(&file), "read", 40, signal, &args);
        let document = assert_error(&outcome, (exit_code, "interrupted"));
        let samples = document["benchmark_samples"].as_array().unwrap();
        assert_eq!(samples.len(), 2);
        assert!(samples.iter().all(|sample| sample["io_count"] == 16), "{samples:?}");
        assert_eq!(document["benchmark_configuration"]["iterations"], 5);
    }
}

fn a_signal_while_a_file_is_made_leaves_none() {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    for (signal, exit_code) in SIGNALS {
        for (call, args) in [
            ("write", &["-cjt4M", "iofile"][..]),
            ("pwrite64", &["-cjt4M", "iofile"]),
            ("pwrite64", &["-rjt4M", "--create", "iofile"]),
        ] {
            // --create writes to a file without a name.
            let named = (args.len() == 2).then_some(file.as_path());
            let outcome = signalled(scratch.folder(), named, call, 2, signal, args);
            assert_error(&outcome, (exit_code, "interrupted"));
            assert!(sentence(&outcome).ends_with("the incomplete file was removed"), "{outcome:?}");
            assert!(!file.exists(), "{args:?}");
        }
    }
}

fn a_signal_while_the_machine_writes_out_is_not_followed_by_the_pause() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    data_file(folder, MIB);
    let log = folder.join("strace.log");
    let mut strace = Command::new("strace");
    strace.args(["-qqq", "-f", "-e", "trace=sync,nanosleep,clock_nanosleep"]).arg("-o").arg(&log);
    strace.args(["-e", "inject=sync:signal=SIGINT:when=1"]).arg(iobench().get_program());
    strace.args(["-rjt1M", "--settle", "0.001", "iofile"]).current_dir(folder).stdin(Stdio::null());
    assert_error(&finish(&mut strace), (130, "interrupted"));
    let trace = std::fs::read_to_string(log).unwrap();
    assert!(trace.contains("sync()") && !trace.contains("nanosleep"), "{trace}");
}

//! Closed output and signals.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::common::{Filesystem, data_file, iobench, outcome, pattern, strategies};
use crate::refusal::{MIB, SIGNALS, assert_error, bench, sentence};
use crate::running::Running;

/// Exit code of a run whose output is closed.
const OUTPUT: i32 = 74;

/// Standard output whose reader is closed.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full_device() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn output_that_cannot_be_written() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let cases: [&[&str]; 11] = [
        &["-rt1M", "--settle", "0", "iofile"],
        &["-rvt1M", "--settle", "0", "iofile"],
        &["-rjt1M", "--settle", "0", "iofile"],
        &["-rgjvt1M", "-n4", "--settle", "0", "iofile"],
        &["describe", "-t1M", "iofile"],
        &["describe", "-jt1M", "iofile"],
        &["strategies"],
        &["strategies", "-j"],
        &["--help"],
        &["--version"],
        &["-cjt1M", "made"],
    ];
    for (output, reason) in
        [(broken_pipe as fn() -> Stdio, "Broken pipe"), (full_device, "No space left on device")]
    {
        for args in cases {
            let mut command = iobench();
            command.args(args).current_dir(scratch.folder()).stdin(Stdio::null()).stdout(output());
            let child = command.stderr(Stdio::piped()).spawn().unwrap();
            let outcome = outcome(child.wait_with_output().unwrap());
            assert_eq!(outcome.code, Some(OUTPUT), "{args:?}: {outcome:?}");
            let expected = "the result could not be written to standard output";
            let sentence = sentence(&outcome);
            assert!(sentence.starts_with(expected) && sentence.contains(reason), "{args:?}: {sentence}");
        }
    }
}

#[test]
fn create_mode_makes_the_file_though_nobody_reads_what_it_says() {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    for flags in ["-ct1M", "-cjt1M"] {
        let mut command = bench(scratch.folder(), &[flags, "iofile"]);
        let child = command.stdout(broken_pipe()).stderr(Stdio::piped()).spawn().unwrap();
        let outcome = outcome(child.wait_with_output().unwrap());
        assert_eq!(outcome.code, Some(OUTPUT), "{outcome:?}");
        sentence(&outcome);
        assert!(std::fs::read(&file).unwrap() == pattern(0, MIB as usize), "{flags}");
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_signal_in_the_settle_pause_ends_the_run_at_once() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for (signal, exit_code) in SIGNALS {
        let args = ["-rjvt1M", "--settle", "86400", file.to_str().unwrap()];
        let mut running = Running::start(iobench().args(args));
        running.wait_until("the pause", |running| {
            let number: i64 = running.proc("syscall").split(' ').next().unwrap().parse().unwrap_or(-1);
            [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&number)
        });
        running.signal(signal);
        let outcome = running.end(String::new());
        let document = assert_error(&outcome, (exit_code, "interrupted"));
        assert!(sentence(&outcome).contains(signal.as_str()), "{outcome:?}");
        assert_eq!(document["benchmark_samples"], serde_json::json!([]));
        assert_eq!(document["benchmark_configuration"]["operation"], "read", "what is known is there");
    }
}

#[test]
fn a_signal_in_the_middle_of_a_long_sample_ends_it() {
    // Hours, a byte at a time.
    let args = ["-Brj", "-b1", "-t1T", "/dev/zero"];
    for (signal, exit_code) in SIGNALS {
        let mut running = Running::start(iobench().args(args));
        running.wait_until("the middle of a sample", |running| {
            let count =
                running.proc("io").lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok());
            count.unwrap_or(0_u64) > MIB
        });
        running.signal(signal);
        let document = assert_error(&running.end(String::new()), (exit_code, "interrupted"));
        assert_eq!(document["benchmark_samples"], serde_json::json!([]), "half a sample is none");
    }
}

#[test]
fn a_signal_ends_a_run_of_every_strategy_with_the_samples_so_far() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 4 * MIB);
    for strategy in strategies() {
        let args = ["-Br", "-n1000000000", "-t4M", "--strategy", strategy, file.to_str().unwrap()];
        let mut running = Running::start(iobench().args(args));
        let mut output = BufReader::new(running.child.stdout.take().unwrap());
        let mut stdout = String::new();
        output.read_line(&mut stdout).unwrap();
        assert_eq!(stdout, "datum:\n", "{strategy}");
        running.signal(Signal::SIGINT);
        output.read_to_string(&mut stdout).unwrap();
        let outcome = running.end(stdout);
        assert_eq!(outcome.code, Some(130), "{strategy}: {outcome:?}");
        assert!(sentence(&outcome).contains("SIGINT"), "{strategy}: {outcome:?}");
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        for datum in lines.chunks(3) {
            let whole = matches!(datum, ["datum:", bandwidth, time]
                if bandwidth.starts_with("  bandwidth: ") && time.ends_with(" seconds"));
            assert!(whole, "{strategy}: {datum:?}");
        }
    }
}

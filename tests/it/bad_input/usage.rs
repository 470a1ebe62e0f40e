//! Command lines that make no sense, and what a strategy cannot do.

use iobench::strategies::ALL;

use crate::common::{Filesystem, data_file, finish, iobench};
use crate::refusal::{MIB, OPEN, USAGE, Untouched, all_refused, assert_error, bench, refused, sentence};

#[test]
fn a_command_line_that_makes_no_sense() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let no_mode = &["no mode", "-c, -r or -w"][..];
    let two_modes = &["two modes", "only one of -c, -r, -w"][..];
    all_refused(
        scratch.folder(),
        USAGE,
        &[
            (&["iofile"], no_mode),
            (&["-gv", "iofile"], no_mode),
            (&["--strategy", "mmap"], no_mode),
            (&["frobnicate", "iofile"], no_mode),
            (&["-r", "-w", "iofile"], two_modes),
            (&["-cr", "iofile"], two_modes),
            (&["-cw", "iofile"], two_modes),
            (&["-crw", "iofile"], two_modes),
            (&["-w", "read", "iofile"], two_modes),
            (&["-r"], &["no path"]),
            (&["read"], &["no path"]),
            (&["-r", ""], &["value is required", "[PATH]"]),
            (&["-r", "iofile", "another"], &["more than one path"]),
            (&["read", "iofile", "another"], &["more than one path"]),
            (&["-r", "iofile", "another", "a third"], &["more than one path"]),
            (&["-r", "--bogus", "iofile"], &["'--bogus'", "see iobench --help"]),
            (&["-rz", "iofile"], &["'-z'"]),
            (&["-r", "iofile", "--buffer", "stale"], &["'stale'", "--buffer", "prefault, fresh"]),
            (&["-r", "iofile", "--cache", "hot"], &["'hot'", "--cache", "warm, cold, as-is"]),
            (&["-r", "iofile", "--settel", "1"], &["'--settel'", "'--settle'"]),
            (&["--create", "-ct1M", "iofile"], &["--create needs -r or -w"]),
            (&["--create", "describe", "iofile"], &["--create needs -r or -w"]),
        ],
    );
}

#[test]
fn a_flag_without_its_value() {
    let scratch = Filesystem::scratch();
    for (flag, says) in [("-b", "'-b <SIZE>'"), ("-n", "'-n <N>'"), ("--strategy", "'--strategy <NAME>'")] {
        let text = finish(&mut bench(scratch.folder(), &["-r", "iofile", flag]));
        assert_eq!((text.code, text.stdout.as_str()), (Some(64), ""));
        assert!(sentence(&text).contains(says) && sentence(&text).contains("value is required"), "{text:?}");
        assert_error(&finish(&mut bench(scratch.folder(), &["-rj", "iofile", flag])), USAGE);
    }
}

#[test]
fn an_unknown_strategy_is_told_the_known_ones() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let known: Vec<&str> = ALL.iter().map(|strategy| strategy.info().name).collect();
    let says = [&["--strategy splce", "there is no such strategy"], &known[..]].concat();
    all_refused(scratch.folder(), USAGE, &[(&["-rt1M", "--strategy", "splce", "iofile"], &says)]);
}

#[test]
fn numbers_that_are_none() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    const ZERO: &str = "a size must be at least 1";
    const SIZE: &str = "is not a size; write bytes, or 4k, 64K, 1M, 1MiB";
    const LARGE: &str = "is more than 2^63 - 1 bytes";
    const COUNT: &str = "is not a positive whole number";
    let sizes = [
        ("0", ZERO),
        ("0k", ZERO),
        ("-1", SIZE),
        ("-4k", SIZE),
        ("", SIZE),
        ("x", SIZE),
        ("k", SIZE),
        ("4kb", SIZE),
        ("4 k", SIZE),
        ("1.5M", SIZE),
        ("0x1000", SIZE),
        ("9223372036854775808", LARGE),
        ("18446744073709551616", LARGE),
        ("9007199254740992k", LARGE),
    ];
    let counts = ["0", "-1", "", "x", "1.5", "1k"].map(|text| (text, COUNT));
    let pauses =
        ["-1", "", "x", "nan", "inf", "1e300"].map(|text| (text, "is not a time; write 0 or more seconds"));
    let cpus = ["-1", "", "x", "0-", "1,,2"]
        .map(|text| (text, "neither a number of a CPU, a list such as 0-3,6, nor none"));
    let seeds = ["-1", "x", "18446744073709551616"].map(|text| (text, "is not a whole number from 0"));
    for (flag, values) in [
        ("-b", &sizes[..]),
        ("-t", &sizes),
        ("-n", &counts),
        ("--iodepth", &counts),
        ("--batch", &counts),
        ("--settle", &pauses),
        ("--cpu", &cpus),
        ("--seed", &seeds),
    ] {
        for (value, reason) in values {
            // A zero is said in words; everything else is quoted.
            let culprit = if reason == &ZERO { flag.to_owned() } else { format!("'{value}'") };
            let says = [flag, culprit.as_str(), reason];
            all_refused(scratch.folder(), USAGE, &[(&["-r", flag, value, "iofile"], &says)]);
        }
    }
    let says = ["-n", "'18446744073709551616' is too large; the maximum is 18446744073709551615"];
    all_refused(scratch.folder(), USAGE, &[(&["-r", "-n", "18446744073709551616", "iofile"], &says)]);
    for flag in ["--iodepth", "--batch"] {
        let says = [flag, "4294967296", "is too large; the maximum is 4294967295"];
        all_refused(scratch.folder(), USAGE, &[(&["-r", flag, "4294967296", "iofile"], &says)]);
    }
}

#[test]
fn a_total_that_is_no_multiple_is_refused_in_the_words_of_the_lab() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for (block, total, sentence) in [
        ("4096", "10000", "FAIL: data size (10000) is not a multiple of buffersize (4096)"),
        ("4k", "1k", "FAIL: data size (1024) is not a multiple of buffersize (4096)"),
        ("3", "1M", "FAIL: data size (1048576) is not a multiple of buffersize (3)"),
    ] {
        for mode in ["-c", "-r", "-w", "describe"] {
            let args = [mode, "-b", block, "-t", total, "iofile"];
            let untouched = Untouched::new(scratch.folder());
            assert_eq!(refused(|| bench(scratch.folder(), &args), USAGE, &[]), sentence);
            untouched.check(args);
        }
    }
}

#[test]
fn what_create_mode_does_not_take() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for flag in ["-B", "-d", "-s", "-v"] {
        let says = [flag, "cannot be used with create mode (-c)", "leave it out"];
        all_refused(
            scratch.folder(),
            USAGE,
            &[(&["-ct1M", flag, "iofile"], &says), (&["create", "-t1M", flag, "iofile"], &says)],
        );
    }
    let says = &["-c always writes with write(2)", "without --strategy, then run -w --strategy mmap"][..];
    all_refused(scratch.folder(), USAGE, &[(&["-ct1M", "--strategy", "mmap", "iofile"], says)]);
}

#[test]
fn q_leaves_standard_output_empty_after_an_error_too() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for (args, exit_code) in [
        (&["-cqt1M", "iofile"][..], 64),
        (&["-cqjt1M", "iofile"], 64),
        (&["-rq", "missing"], 66),
        (&["-rqj", "missing"], 66),
        (&["-rqj", "iofile"], 74),
    ] {
        let outcome = finish(&mut bench(scratch.folder(), args));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(exit_code), ""), "{args:?}");
        sentence(&outcome);
    }
}

#[test]
fn what_a_strategy_cannot_do() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    all_refused(
        scratch.folder(),
        USAGE,
        &[
            (
                &["-rdt1M", "--strategy", "mmap", "iofile"],
                &["mmap", "a mapping is the page cache itself", "leave out -d"],
            ),
            (&["-wdt1M", "--strategy", "mmap", "iofile"], &["mmap", "leave out -d"]),
            (&["-rdt1M", "--strategy", "null", "iofile"], &["null opens no descriptor", "leave out -d"]),
            (
                &["-rdt1M", "--create", "--strategy", "mmap", "missing"],
                &["mmap", "a mapping is the page cache itself"],
            ),
            (&["-rt1M", "--access", "random", "iofile"], &["readwrite", "use --strategy pread"]),
            (
                &["-rt1M", "--strategy", "io_uring", "--iodepth", "5000", "iofile"],
                &["--iodepth 5000", "io_uring takes at most 4096"],
            ),
            (&["-r", "-b4G", "-t4G", "iofile"], &["-b 4294967296", "at most 2147479552", "smaller -b"]),
            (
                &["-r", "-b2G", "-t2G", "--strategy", "io_uring", "iofile"],
                &["-b 2147483648", "io_uring moves at most 1073741824"],
            ),
        ],
    );
}

#[test]
fn a_cpu_that_is_not_there_costs_no_file() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let says = &["--cpu 99999", "is allowed only on CPUs"][..];
    all_refused(
        scratch.folder(),
        USAGE,
        &[
            (&["-rt1M", "--cpu", "99999", "iofile"], says),
            (&["-ct1M", "--cpu", "99999", "iofile"], says),
            (&["-rt1M", "--create", "--cpu", "99999", "missing"], says),
        ],
    );
}

#[test]
fn a_command_that_is_refused_says_so_in_json_too() {
    let scratch = Filesystem::scratch();
    let strategies = |args: &[&str]| {
        let mut command = iobench();
        command.arg("strategies").args(args).current_dir(scratch.folder());
        command
    };
    refused(|| strategies(&["missing"]), OPEN, &["missing: No such file or directory"]);
    refused(|| strategies(&["--bogus"]), USAGE, &["'--bogus'"]);
    refused(|| strategies(&[".", "."]), USAGE, &["'.'"]);
}

#[test]
fn an_unknown_flag_is_named_with_the_help_of_its_command() {
    for (words, expected) in [
        ("-r --nonsense f", "unexpected argument '--nonsense' found; see iobench --help"),
        ("sweep --nonsense f", "unexpected argument '--nonsense' found; see iobench sweep --help"),
        (
            "plot x",
            "the following required arguments were not provided: --output <FILE>; see iobench plot --help",
        ),
    ] {
        let ended = finish(iobench().args(words.split(' ')));
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert_eq!(sentence(&ended), expected);
    }
}

#[test]
fn the_file_size_limit_is_named() {
    let scratch = Filesystem::scratch();
    for (words, says) in [
        ("-c -b 512 -t 1M made", "(EFBIG); the file would exceed the limit of this process (ulimit -f)"),
        ("-w -t 1M --create made", "(EFBIG); the file would exceed the limit of this process (ulimit -f)"),
        ("-c -b 5000 -t 1000000 made", "the file size limit is reached (ulimit -f)"),
    ] {
        // In units of 512 bytes.
        let script = format!("ulimit -f 8; exec \"$0\" --settle 0 {words}");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).arg(iobench().get_program()).current_dir(scratch.folder());
        let ended = finish(&mut shell);
        assert_eq!(ended.code, Some(74), "{ended:?}");
        assert!(sentence(&ended).contains(says), "{ended:?}");
        assert_eq!(std::fs::read_dir(scratch.folder()).unwrap().count(), 0, "nothing is left");
    }
}

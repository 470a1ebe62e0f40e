//! The command line as a black box: every flag of the lab's contract with its default, what
//! iobench adds to them, and the output in both forms.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use iobench::strategies::ALL;
use serde_json::{Value, json};

use crate::common::{
    Filesystem, Outcome, data_file, document, finish, iobench, own_cpu, pattern, run, runs_here, samples,
    strategies,
};

const MIB: u64 = 1 << 20;

/// Keys of the lab's `Host configuration`, in its order.
const HOST_KEYS: [&str; 12] = [
    "hw.machine",
    "hw.model",
    "hw.ncpu",
    "hw.physmem",
    "hw.pagesizes",
    "hw.cpufreq.arm_freq",
    "kern.ostype",
    "kern.osrelease",
    "kern.ident",
    "fstype",
    "fsdev",
    "fspath",
];
/// Keys of the lab's `Benchmark configuration`, in its order.
const BENCHMARK_KEYS: [&str; 6] =
    ["buffersize", "totalsize", "blockcount", "operation", "path", "iterations"];
/// The lab's lines of a sample, as [`shape`] shows them.
const DATUM: [&str; 3] = ["datum:", "  bandwidth: #.00 KBytes/sec", "  time: #.000000000 seconds"];
/// The lines that `-g` adds.
const DATUM_USAGE: [&str; 6] = [
    "  utime: #.000000 seconds",
    "  stime: #.000000 seconds",
    "  nvcsw: # voluntary context switches",
    "  nivcsw: # involuntary context switches",
    "  inblock: # blocks",
    "  oublock: # blocks",
];
/// Keys of a sample in JSON: the lab's, its getrusage keys (with `-g`), and those of iobench.
const SAMPLE_KEYS: [&str; 2] = ["bandwidth", "time"];
const USAGE_KEYS: [&str; 7] = ["utime", "stime", "nvcsw", "nivcsw", "inblock", "oublock", "outblock"];
const ADDED_KEYS: [&str; 14] = [
    "io_count",
    "transferred_bytes",
    "interrupted_calls",
    "started_ns",
    "cpu_ns_per_io",
    "minor_faults",
    "major_faults",
    "run_queue_wait_ns",
    "device_read_bytes",
    "transfer_time_ns",
    "sync_time_ns",
    "resident_fraction_before",
    "resident_fraction_after",
    "cache_reached",
];

/// Runs the program as it is typed, with the lab's pause.
fn exactly(args: &[&str]) -> Outcome {
    finish(iobench().args(args))
}

/// The `benchmark_configuration` of a run with these arguments on `path`.
fn configuration(args: &[&str], path: &Path) -> Value {
    document(&[args, &["-v"]].concat(), path)["benchmark_configuration"].clone()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A line with `#` for the digits of each number, and `0` for each digit behind its point.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for character in line.chars() {
        match (character.is_ascii_digit(), shape.chars().last()) {
            (true, Some('#')) => {}
            (true, Some('.' | '0')) => shape.push('0'),
            (true, _) => shape.push('#'),
            (false, _) => shape.push(character),
        }
    }
    shape
}

/// The keys of the indented lines below the line `heading`.
fn keys_below<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let below = text.lines().skip_while(|line| *line != heading).skip(1);
    let indented = below.take_while(|line| line.starts_with("  "));
    indented.map(|line| line.trim_start().split(": ").next().unwrap()).collect()
}

fn line<'a>(text: &'a str, key: &str) -> &'a str {
    let start = format!("  {key}: ");
    text.lines().find_map(|line| line.strip_prefix(start.as_str())).unwrap_or_else(|| panic!("no {key}"))
}

// The lab's flags.

#[test]
fn without_flags_the_defaults_are_those_of_the_lab() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 16 * MIB);
    let described = exactly(&["describe", "-j", file.to_str().unwrap()]).ok().json();
    let configuration = &described["benchmark_configuration"];
    for (key, value) in [
        ("buffersize", json!(16384)),
        ("totalsize", json!(16_777_216)),
        ("blockcount", json!(1024)),
        ("iterations", json!(1)),
        ("strategy", json!("readwrite")),
        ("bare", json!(false)),
        ("settle_seconds", json!(1.0)),
        ("cache", json!("as-is")),
        ("created", json!(false)),
        ("usage", json!(false)),
        ("requested", {
            json!({
                "direction": "read", "block_bytes": 16384, "total_bytes": 16_777_216, "access": "sequential",
                "seed": 0, "iodepth": null, "batch": null, "direct": false, "noatime": false, "sync": false,
                "buffer": "prefault", "cpu": "default", "latency": false, "threads": 1, "mix": null,
                "sync_every": null, "open_sync": "none", "rate": null, "files": "shared",
            })
        }),
    ] {
        assert_eq!(configuration[key], value, "{key}");
    }
}

#[test]
fn every_flag_of_the_lab_has_its_effect() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for (flags, key, value) in [
        (&["-b", "4096"][..], "buffersize", json!(4096)),
        (&["-b4096"], "buffersize", json!(4096)),
        (&["-b", "512", "-b", "4096"], "buffersize", json!(4096)),
        (&["-t", "65536"], "totalsize", json!(65536)),
        (&["-n", "3"], "iterations", json!(3)),
        (&["-B"], "bare", json!(true)),
        (&["-B"], "settle_seconds", json!(0.0)),
        (&["-g"], "usage", json!(true)),
        (&["-s"], "/requested/sync", json!(true)),
    ] {
        let args = [&["-r", "-t", "1M"], flags].concat();
        let configuration = configuration(&args, &file);
        let found = configuration.get(key).or_else(|| configuration.pointer(key));
        assert_eq!(found, Some(&value), "{flags:?}");
    }
    let direct = configuration(&["-r", "-d", "-t", "1M"], &file);
    assert_eq!((&direct["requested"]["direct"], &direct["granted"]["direct"]), (&json!(true), &json!(true)));
}

#[test]
fn n_gives_that_many_samples_of_the_whole_total() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let document = document(&["-r", "-n", "3", "-b", "64K", "-t", "1M"], &file);
    assert_eq!(samples(&document).len(), 3);
    for sample in samples(&document) {
        assert_eq!((&sample["io_count"], &sample["transferred_bytes"]), (&json!(16), &json!(MIB)));
        let (time, bandwidth) = (sample["time"].as_f64().unwrap(), sample["bandwidth"].as_f64().unwrap());
        let expected = 1024.0 / time;
        assert!((bandwidth / expected - 1.0).abs() < 1e-9, "{bandwidth} is not {expected} KiB/s");
    }
}

#[test]
fn sizes_are_powers_of_1024_and_echoed_in_bytes() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 4 * MIB);
    for (size, bytes) in
        [("4k", 4096), ("4K", 4096), ("64K", 65536), ("1M", MIB), ("1MiB", MIB), ("512", 512)]
    {
        let configuration = configuration(&["describe", "-t", "4M", "-b", size], &file);
        assert_eq!(configuration["buffersize"], bytes, "-b {size}");
        assert_eq!(configuration["totalsize"], 4 * MIB, "-t 4M");
    }
}

#[test]
fn modes_are_flags_or_verbs_with_flags_on_either_side() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = file.to_str().unwrap();
    for (words, operation) in [
        (vec!["-r", "-jvt1M", path], "read"),
        (vec!["-rgjvt", "1M", path], "read"),
        (vec![path, "-jv", "-t1M", "-r"], "read"),
        (vec!["read", path, "-jv", "-t1M"], "read"),
        (vec!["-jv", "-t1M", "read", path], "read"),
        (vec!["-t1M", "read", "-jv", path], "read"),
        (vec!["-jvwt1M", path], "write"),
        (vec!["write", "-jv", path, "-t1M"], "write"),
        (vec!["-jct1M", path], "create"),
        (vec!["-j", "create", path, "-t1M"], "create"),
        (vec!["create", "-t1M", path, "--json"], "create"),
        (vec!["describe", path, "-jt1M"], "describe"),
        (vec!["-t1M", "--json", "describe", path], "describe"),
    ] {
        let document = run(&words).ok().json();
        assert_eq!(document["benchmark_configuration"]["operation"], operation, "{words:?}");
    }
}

#[test]
fn a_file_may_have_the_name_of_a_verb_or_of_a_command() {
    let scratch = Filesystem::scratch();
    for name in ["read", "strategies", "help", "-j"] {
        let made = data_file(scratch.folder(), MIB);
        std::fs::rename(made, scratch.folder().join(name)).unwrap();
        let mut command = iobench();
        command.args(["-rvBt1M", "--", name]).current_dir(scratch.folder());
        assert_eq!(line(&finish(&mut command).ok().stdout, "path"), name);
    }
}

#[test]
fn q_prints_nothing_at_all() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = file.to_str().unwrap();
    for flags in ["-rqt1M", "-wqt1M", "-rqgvst1M", "-rqjt1M", "-rqjgvt1M"] {
        // Warns of an --iodepth without a meaning, and of a cache that is not warm, without -q.
        let quiet = run([flags, "--iodepth", "2", "--cache", "cold", path]).ok();
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""), "{flags}");
    }
}

// Files that are created, and files that stay unchanged.

#[test]
fn create_mode_makes_a_private_file_of_the_pattern() {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    for words in [["-c", "-t", "1M"], ["create", "-t", "1M"]] {
        run(words.iter().copied().chain([file.to_str().unwrap()])).ok();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert!(metadata.blocks() * 512 >= MIB, "written out and allocated");
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes == pattern(0, MIB as usize), "the pattern, in every place");
        let blocks: std::collections::HashSet<&[u8]> = bytes.chunks(512).collect();
        assert_eq!(blocks.len(), 2048, "no two blocks are alike");
        assert!(!blocks.contains(&[0; 512][..]));
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn create_mode_truncates_a_bigger_file_and_keeps_its_mode() {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    std::fs::write(&file, vec![0xff; 3 * MIB as usize]).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    run(["-c", "-t", "1M", "-n", "2", file.to_str().unwrap()]).ok();
    assert!(std::fs::read(&file).unwrap() == pattern(0, MIB as usize));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn reading_and_writing_neither_create_nor_truncate() {
    let scratch = Filesystem::scratch();
    let missing = scratch.folder().join("missing");
    for flag in ["-r", "-w"] {
        assert_eq!(run([flag, missing.to_str().unwrap()]).code, Some(66));
        assert!(!missing.exists(), "{flag}");
    }
    for strategy in strategies() {
        let file = scratch.folder().join(strategy);
        std::fs::write(&file, vec![0xff; 2 * MIB as usize]).unwrap();
        let path = file.to_str().unwrap();
        run(["-r", "-t", "1M", "--strategy", strategy, path]).ok();
        assert!(std::fs::read(&file).unwrap().iter().all(|byte| *byte == 0xff), "{strategy} read");
        run(["-w", "-t", "1M", "--strategy", strategy, path]).ok();
        let (written, rest) = {
            let mut bytes = std::fs::read(&file).unwrap();
            let rest = bytes.split_off(MIB as usize);
            (bytes, rest)
        };
        let untouched = written.iter().all(|byte| *byte == 0xff);
        assert_eq!(untouched, strategy == "null", "{strategy} wrote its total");
        assert!(rest == vec![0xff; MIB as usize], "{strategy} wrote more than its total, or truncated");
    }
}

#[test]
fn create_with_read_or_write_makes_a_missing_file_and_never_touches_another() {
    let scratch = Filesystem::scratch();
    for mode in ["-r", "-w"] {
        let file = scratch.folder().join(format!("made by {mode}"));
        let made = configuration(&[mode, "--create", "-t", "1M"], &file);
        assert_eq!(made["created"], true);
        assert_eq!(file.metadata().unwrap().len(), MIB);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        if mode == "-r" {
            assert!(std::fs::read(&file).unwrap() == pattern(0, MIB as usize));
        }
    }
    let file = scratch.folder().join("there already");
    std::fs::write(&file, vec![0xff; 2 * MIB as usize]).unwrap();
    let state = |file: &Path| {
        let metadata = file.metadata().unwrap();
        (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec(), metadata.len())
    };
    let before = state(&file);
    assert_eq!(configuration(&["-r", "--create", "-t", "1M"], &file)["created"], false);
    assert_eq!(state(&file), before);
    assert!(std::fs::read(&file).unwrap().iter().all(|byte| *byte == 0xff));
    assert_eq!(configuration(&["-w", "--create", "-t", "1M"], &file)["created"], false);
    assert_eq!((state(&file).0, state(&file).4), (before.0, before.4), "overwritten in place");
}

// Text.

#[test]
fn text_of_a_sample_is_that_of_the_lab_line_for_line() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = file.to_str().unwrap();
    for (flags, datum) in [
        ("-rt1M", DATUM.to_vec()),
        ("-wst1M", DATUM.to_vec()),
        ("-rgt1M", [&DATUM[..], &DATUM_USAGE].concat()),
    ] {
        let text = run([flags, "-n", "2", path]).ok();
        let shapes: Vec<String> = text.stdout.lines().map(shape).collect();
        assert_eq!(shapes, datum.repeat(2), "{flags}");
        assert_eq!(text.stderr, "", "{flags}");
    }
}

#[test]
fn verbose_text_begins_with_the_blocks_of_the_lab() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = file.to_str().unwrap();
    let text = run(["-rgvst1M", "-b", "256k", path]).ok().stdout;
    let headings: Vec<&str> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(headings, ["Host configuration:", "Benchmark configuration:", "datum:"]);
    assert_eq!(keys_below(&text, "Host configuration:")[..HOST_KEYS.len()], HOST_KEYS);
    assert_eq!(keys_below(&text, "Benchmark configuration:")[..BENCHMARK_KEYS.len()], BENCHMARK_KEYS);
    let expected = ["262144", "1048576", "4", "read", path, "1"];
    for (key, value) in BENCHMARK_KEYS.iter().zip(expected) {
        assert_eq!(line(&text, key), value, "{key}");
    }
    let datum: Vec<String> = text.lines().skip_while(|line| *line != "datum:").map(shape).collect();
    let lab = [&DATUM[..], &DATUM_USAGE].concat();
    assert_eq!(datum[..lab.len()], lab);
    let added: Vec<&str> = keys_below(&text, "datum:")[lab.len() - 1..].to_vec();
    // No cache state was requested, so there is no statement about reaching it.
    assert_eq!(added, ADDED_KEYS[..ADDED_KEYS.len() - 1]);
}

#[test]
fn create_mode_is_verbose_and_bare() {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    let text = run(["-c", "-t", "1M", "-n", "2", file.to_str().unwrap()]).ok().stdout;
    let headings: Vec<&str> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(headings, ["Host configuration:", "Benchmark configuration:", "datum:", "datum:"]);
    assert_eq!((line(&text, "operation"), line(&text, "bare")), ("create", "true"));
    assert_eq!(line(&text, "created"), "true");
}

#[test]
fn describe_prints_the_configuration_only() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = file.to_str().unwrap();
    let text = exactly(&["describe", "-t1M", path]).ok().stdout;
    let headings: Vec<&str> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(headings, ["Host configuration:", "Benchmark configuration:"]);
    assert_eq!(line(&text, "operation"), "describe");
    let document = exactly(&["describe", "-jt1M", path]).ok().json();
    assert_eq!(document["benchmark_samples"], json!([]));
    assert_eq!(document["benchmark_configuration"]["granted"], Value::Null);
}

// JSON.

#[test]
fn json_is_one_object_with_the_keys_of_the_lab() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let plain = document(&["-rt1M"], &file);
    assert_eq!(keys(&plain), ["schema_version", "benchmark_samples", "warnings"]);
    assert_eq!(keys(&samples(&plain)[0]), [&SAMPLE_KEYS[..], &ADDED_KEYS].concat());

    let full = document(&["-rgvt1M"], &file);
    let top = [
        "schema_version",
        "host_configuration",
        "conditions_before",
        "conditions_after",
        "benchmark_configuration",
        "benchmark_samples",
        "warnings",
    ];
    assert_eq!(keys(&full), top);
    assert_eq!(keys(&full["host_configuration"])[..HOST_KEYS.len()], HOST_KEYS);
    assert_eq!(keys(&full["benchmark_configuration"])[..BENCHMARK_KEYS.len()], BENCHMARK_KEYS);
    let sample = &samples(&full)[0];
    assert_eq!(keys(sample), [&SAMPLE_KEYS[..], &USAGE_KEYS, &ADDED_KEYS].concat());
    for key in SAMPLE_KEYS.iter().chain(&USAGE_KEYS) {
        assert!(sample[key].is_number(), "{key}: {}", sample[key]);
    }
    assert_eq!(sample["oublock"], sample["outblock"]);
    for key in ["buffersize", "totalsize", "blockcount", "iterations"] {
        assert!(full["benchmark_configuration"][key].is_u64(), "{key}");
    }
}

#[test]
fn the_configuration_records_how_the_program_was_called() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let args = ["-r", "-t", "1M", "-v", "--strategy", "pread", "--access", "random", "--seed", "7"];
    let configuration = configuration(&args, &file);
    let argv: Vec<&str> =
        configuration["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(argv[1..=args.len()], args);
    let requested = &configuration["requested"];
    assert_eq!((&requested["access"], &requested["seed"]), (&json!("random"), &json!(7)));
    assert_eq!(configuration["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(configuration["path"], file.to_str().unwrap());
    let start_time = configuration["start_time"].as_str().unwrap();
    assert_eq!(shape(start_time), "#-#-#T#:#:#.000Z", "{start_time}");
}

// What iobench adds.

#[test]
fn s_shows_the_sync_beside_the_transfer() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for strategy in strategies() {
        for mode in ["-r", "-w"] {
            let synced = document(&[mode, "-st1M", "--strategy", strategy], &file);
            let sample = &samples(&synced)[0];
            let ns =
                |key: &str| sample[key].as_u64().unwrap_or_else(|| panic!("{strategy} {mode}: no {key}"));
            let sum_s = (ns("transfer_time_ns") + ns("sync_time_ns")) as f64 / 1e9;
            assert!((sum_s - sample["time"].as_f64().unwrap()).abs() < 1e-9, "{strategy} {mode}: {sample}");
        }
        let unsynced = document(&["-wt1M", "--strategy", strategy], &file);
        assert_eq!(samples(&unsynced)[0]["transfer_time_ns"], Value::Null);
        assert_eq!(samples(&unsynced)[0]["sync_time_ns"], Value::Null);
    }
}

#[test]
fn the_cpu_is_pinned_as_asked_and_reported() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let allowed = own_cpu::use_all();
    let (first, last) = (allowed[0], *allowed.last().unwrap());
    let number = last.to_string();
    for (flags, requested, granted) in [
        (&[][..], json!("default"), json!(first)),
        (&["--cpu", &number], json!(last), json!(last)),
        (&["--cpu", "none"], json!("none"), Value::Null),
    ] {
        let configuration = configuration(&[&["-rt1M"], flags].concat(), &file);
        assert_eq!(configuration["requested"]["cpu"], requested);
        assert_eq!(configuration["granted"]["cpu"], granted, "{flags:?}");
    }
}

#[test]
fn depth_and_batch_are_reported_as_asked_and_as_granted() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 4 * MIB);
    for (strategy, flags, asked, granted) in [
        ("io_uring", &[][..], (Value::Null, Value::Null), (32, 32)),
        ("io_uring", &["--iodepth", "8"], (json!(8), Value::Null), (8, 8)),
        ("io_uring", &["--iodepth", "8", "--batch", "3"], (json!(8), json!(3)), (8, 3)),
        ("io_uring", &["--iodepth", "8", "--batch", "9"], (json!(8), json!(9)), (8, 8)),
        ("io_uring", &["--iodepth", "8", "-d"], (json!(8), Value::Null), (8, 1)),
        // No more slots than I/Os.
        ("io_uring", &["-b", "1M"], (Value::Null, Value::Null), (4, 4)),
        ("readwrite", &[], (Value::Null, Value::Null), (1, 1)),
        ("readwrite", &["--iodepth", "8", "--batch", "2"], (json!(8), json!(2)), (1, 1)),
    ] {
        if !runs_here(strategy) {
            continue;
        }
        let configuration =
            configuration(&[&["-rt4M", "-b", "4k", "--strategy", strategy], flags].concat(), &file);
        let (requested, effective) = (&configuration["requested"], &configuration["granted"]);
        assert_eq!(
            (&requested["iodepth"], &requested["batch"]),
            (&asked.0, &asked.1),
            "{strategy} {flags:?}"
        );
        let expected = (json!(granted.0), json!(granted.1));
        assert_eq!(
            (&effective["iodepth"], &effective["batch"]),
            (&expected.0, &expected.1),
            "{strategy} {flags:?}"
        );
    }
    let warned = run(["-rt4M", "--iodepth", "8", file.to_str().unwrap()]).ok().stderr;
    assert!(warned.starts_with("iobench: warning: --iodepth 8") && warned.contains("readwrite"), "{warned}");
    assert_eq!(warned.lines().count(), 1);
}

#[test]
fn a_fresh_buffer_is_faulted_in_by_the_first_pass_and_a_prefaulted_one_is_not() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 4 * MIB);
    let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap() as u64;
    for strategy in
        ["null", "readwrite", "pread", "direct", "io_uring"].into_iter().filter(|name| runs_here(name))
    {
        let faults = |buffer: &str| {
            let args = ["-rgvt4M", "-b", "1M", "--iodepth", "1", "--strategy", strategy, "--buffer", buffer];
            let document = document(&args, &file);
            let sample = &samples(&document)[0];
            let granted = document["benchmark_configuration"]["granted"]["buffer"].clone();
            let count = |key: &str| sample[key].as_u64().unwrap();
            (granted, count("minor_faults"), count("major_faults"))
        };
        assert_eq!(faults("prefault"), (json!("prefault"), 0, 0), "{strategy}");
        match strategy {
            // Does not touch the buffer.
            "null" => assert_eq!(faults("fresh"), (json!("fresh"), 0, 0)),
            // Registering the buffer faults it in, before the bracket.
            "io_uring" => assert_eq!(faults("fresh"), (json!("prefault"), 0, 0)),
            _ => {
                let (granted, minor_faults, _) = faults("fresh");
                assert_eq!(granted, "fresh", "{strategy}");
                // A page each, unless the kernel gives larger ones.
                let pages = MIB / page_bytes;
                assert!((1..=pages).contains(&minor_faults), "{strategy}: {minor_faults}");
            }
        }
    }
}

/// As a notebook's `output = !...` does: IPython merges standard error into what it reads.
#[test]
fn json_is_whole_where_standard_error_is_merged_into_it_though_there_is_a_warning() {
    let scratch = Filesystem::scratch();
    let sparse = scratch.folder().join("sparsefile");
    std::fs::File::create(&sparse).unwrap().set_len(16 * MIB).unwrap();
    let program = env!("CARGO_BIN_EXE_io-benchmark");
    let cell = format!("{program} -b 4096 -j -n 2 -r -v {} --settle 0 2>&1", sparse.display());
    let document = finish(Command::new("sh").args(["-c", &cell])).ok().json();
    assert_eq!(samples(&document).len(), 2);
    assert_eq!(document["warnings"][0]["kind"], "never_written");
    assert!(document["warnings"][0]["message"].as_str().unwrap().contains("16777216 of 16777216 bytes"));
    let without_v = cell.replace(" -v ", " ");
    let document = finish(Command::new("sh").args(["-c", &without_v])).ok().json();
    assert_eq!(document["warnings"][0]["kind"], "never_written", "without -v too");
}

#[test]
fn settle_takes_fractions_of_a_second() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let path = file.to_str().unwrap();
    let document = exactly(&["-rjvt1M", "--settle", "0.25", path]).ok().json();
    assert_eq!(document["benchmark_configuration"]["settle_seconds"], 0.25);
}

// Commands beside the benchmark.

#[test]
fn without_arguments_each_name_prints_its_usage_on_standard_error() {
    const LAB_USAGE: &str = include_str!("../../src/lab_usage.txt");
    let lab = finish(&mut Command::new(env!("CARGO_BIN_EXE_io-benchmark")));
    assert_eq!((lab.code, lab.stdout.as_str(), lab.stderr.as_str()), (Some(64), "", LAB_USAGE));
    let ours = finish(&mut iobench());
    assert_eq!((ours.code, ours.stdout.as_str()), (Some(64), ""));
    for word in ["strategies", "selftest", "sweep", "compare", "ab", "rerun", "plot", "trace", "Examples:"] {
        assert!(ours.stderr.contains(word), "{word}: {ours:?}");
    }
    let first_line = LAB_USAGE.lines().next().unwrap();
    assert_eq!(
        first_line,
        "usage: io-benchmark -c|-r|-w [-Bdgjqsv] [-b buffersize] [-n iterations] [-t totalsize] path"
    );
}

#[test]
fn under_the_name_of_the_lab_it_is_the_same_program() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    let mut command = Command::new(env!("CARGO_BIN_EXE_io-benchmark"));
    let text = finish(command.args(["-rgBt1M"]).arg(&file)).ok().stdout;
    let shapes: Vec<String> = text.lines().map(shape).collect();
    assert_eq!(shapes, [&DATUM[..], &DATUM_USAGE].concat());
}

#[test]
fn help_and_version_go_to_standard_output() {
    for flag in ["--help", "-h", "--version", "-V"] {
        let outcome = exactly(&[flag]).ok();
        assert_eq!(outcome.stderr, "", "{flag}");
        assert!(!outcome.stdout.is_empty(), "{flag}");
    }
    assert_eq!(exactly(&["--version"]).stdout, concat!("iobench ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = exactly(&["--help"]).stdout;
    let short = "cdgjnqrstvwBb".chars().map(|letter| format!("-{letter}"));
    let long = [
        "--strategy",
        "--iodepth",
        "--batch",
        "--cpu",
        "--buffer",
        "--settle",
        "--create",
        "--cache",
        "--access",
        "--seed",
        "--allow-device-write",
        "--noatime",
        "--help",
        "--version",
        "strategies",
    ];
    for flag in short.chain(long.map(str::to_owned)) {
        assert!(help.contains(&flag), "{flag} is not in the help");
    }
}

#[test]
fn strategies_lists_each_path_and_whether_it_runs_here() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), MIB);
    for place in [scratch.folder(), &file] {
        let place = place.to_str().unwrap();
        let text = exactly(&["strategies", place]).ok().stdout;
        assert_eq!(text.lines().next(), Some(format!("Strategies on {place}:").as_str()));
        let listing = exactly(&["strategies", "-j", place]).ok().json();
        assert_eq!(keys(&listing), ["schema_version", "path", "strategies", "warnings", "error"]);
        let entries = listing["strategies"].as_array().unwrap();
        assert_eq!(entries.len(), ALL.len());
        for (entry, strategy) in entries.iter().zip(ALL) {
            let info = strategy.info();
            assert_eq!((&entry["name"], &entry["summary"]), (&json!(info.name), &json!(info.summary)));
            assert!(text.contains(&format!("{:<10} {}", info.name, info.summary)), "{text}");
            assert_eq!(entry["supported"], entry["refusal"].is_null(), "{entry}");
        }
        let refused = entries.iter().find(|entry| entry["name"] == "mmap").unwrap();
        assert_eq!(refused["direct_refusal"]["reason"], "strategy");
        assert!(text.contains("with -d: no, a mapping is the page cache itself"), "{text}");
    }
    let here = finish(iobench().arg("strategies").current_dir(scratch.folder())).ok();
    assert!(here.stdout.starts_with("Strategies on .:\n"), "{here:?}");
}

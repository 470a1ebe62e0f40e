//! Numbers that misled, where a test needs a mount, another user, or a CPU of its own. The others are in
//! `tests/it/numbers.rs`.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::common::{
    Filesystem, LoopDevice, data_file, document, finish, iobench, own_cpu, pattern, run_in, samples,
    warning_kinds,
};
use crate::refusal::{MIB, bench, unprivileged};
use crate::running::Running;
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [OVERLAY] => an_overlay_tells_what_is_in_the_page_cache,
        [UNPRIVILEGED] => a_state_that_nobody_may_ask_for_is_not_called_cold,
        [EXT4] => the_cache_below_a_loop_device_is_named,
        [FUSE] => a_server_that_caches_is_not_called_cold,
        [BTRFS] => o_direct_that_is_served_from_memory_is_not_granted,
        [] => a_benchmark_on_the_same_cpu_is_reported,
        [TASKSET] => samples_beside_a_busy_loop_on_the_cpu_do_not_count_as_quiet,
        [CACHESTAT] => a_cold_sweep_of_a_small_file_has_no_winner,
        [CACHESTAT] => cold_samples_are_longer_than_the_ramp_of_readahead,
        [] => each_side_of_ab_runs_on_its_own_cpu,
        [] => atime_that_differs_is_an_obstacle,
        [LOOP] => the_steady_state_of_a_device_under_writes_is_judged,
    ]
}

fn an_overlay_tells_what_is_in_the_page_cache() {
    let overlay = Filesystem::mount("overlay", 0);
    let file = data_file(overlay.folder(), 4 * MIB);
    File::open(&file).unwrap().sync_all().unwrap();
    std::fs::read(&file).unwrap();
    let read = ["-B", "-r", "-g", "-v", "-t4M"];
    let state = |more: &[&str]| {
        let document = document(&[&read, more].concat(), &file);
        let sample = &samples(&document)[0];
        (sample["resident_fraction_before"].clone(), sample["cache_reached"].clone())
    };
    assert_eq!(state(&[]), (1.0.into(), Value::Null));
    assert_eq!(state(&["--cache", "warm"]), (1.0.into(), true.into()));
    assert_eq!(state(&["--cache", "cold"]), (0.0.into(), true.into()));
    // SAFETY: nothing changes the file while it is mapped.
    let map = unsafe { memmap2::Mmap::map(&File::open(&file).unwrap()) }.unwrap();
    map.lock().unwrap();
    let locked = document(&[&read[..], &["--cache", "cold"]].concat(), &file);
    assert_eq!(samples(&locked)[0]["cache_reached"], false, "locked pages stay");
    assert!(warning_kinds(&locked).contains(&"cache_not_reached"), "{locked:#}");
}

fn a_state_that_nobody_may_ask_for_is_not_called_cold() {
    let scratch = Filesystem::scratch();
    let file = data_file(scratch.folder(), 4 * MIB);
    for (path, mode) in [(scratch.folder(), 0o755), (&file, 0o644)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let program = iobench();
    let as_nobody = || {
        let mut command = unprivileged(65534);
        command.arg(program.get_program());
        command
    };
    let mut command = as_nobody();
    command.args(["-r", "-g", "-v", "-j", "-t4M", "--settle", "0", "--cache", "cold"]).arg(&file);
    let document = finish(&mut command).ok().json();
    let sample = &samples(&document)[0];
    assert_eq!((&sample["resident_fraction_before"], &sample["cache_reached"]), (&Value::Null, &Value::Null));
    assert!(warning_kinds(&document).contains(&"cache_not_reached"), "{document:#}");
    let mut sweep = as_nobody();
    sweep.args(["sweep", "--strategy", "pread", "-b64k", "--cache", "cold", "--largest-n", "6"]).arg(&file);
    let text = finish(&mut sweep).ok().stdout.replace('\n', " ");
    assert!(text.contains("started cold is unknown"), "{text}");
}

fn the_cache_below_a_loop_device_is_named() {
    let mounted = Filesystem::mount("ext4", 64 * MIB);
    let file = data_file(mounted.folder(), 4 * MIB);
    let document = document(&["-r", "-v", "-t4M", "--cache", "cold"], &file);
    let caches = document["benchmark_configuration"]["target"]["lower_caches"].to_string();
    assert!(caches.contains("which is behind /dev/loop"), "{caches}");
    assert!(warning_kinds(&document).contains(&"lower_cache"), "{document:#}");
}

fn a_server_that_caches_is_not_called_cold() {
    let mounted = Filesystem::mount("fuse", 0);
    let file = data_file(mounted.folder(), 4 * MIB);
    let document = document(&["-B", "-r", "-v", "-t4M", "--cache", "cold"], &file);
    let caches = document["benchmark_configuration"]["target"]["lower_caches"].to_string();
    assert!(caches.contains("the server of "), "{caches}");
    let sample = &samples(&document)[0];
    // The server has just written the file.
    assert_eq!((&sample["resident_fraction_before"], &sample["cache_reached"]), (&0.0.into(), &false.into()));
    assert!(warning_kinds(&document).contains(&"cache_not_reached"), "{document:#}");
}

/// btrfs reads a compressed extent through the page cache although O_DIRECT was accepted.
fn o_direct_that_is_served_from_memory_is_not_granted() {
    let mounted = Filesystem::mount("btrfs", crate::common::FILESYSTEM_BYTES);
    finish(Command::new("mount").args(["-o", "remount,compress-force=zstd"]).arg(mounted.folder())).ok();
    let file = mounted.folder().join("iofile");
    std::fs::write(&file, "compressible ".repeat(400_000)).unwrap();
    File::open(&file).unwrap().sync_all().unwrap();
    std::fs::read(&file).unwrap();
    let read = "-B -r -d -v -b64k -t4M iofile";
    for words in [
        format!("-j {read}"),
        "sweep -j --cache warm --strategy direct -b64k -t4M --largest-n 6 iofile".to_owned(),
        format!("ab -j -n6 -- --cache warm {read} -- -B -r -v -b64k -t4M iofile"),
    ] {
        let document = run_in(mounted.folder(), &words).ok().json();
        assert!(warning_kinds(&document).contains(&"direct_from_memory"), "{words}: {document:#}");
        let granted = ["/benchmark_configuration", "/runs/0/benchmark_configuration", "/configurations/0"]
            .iter()
            .find_map(|place| document.pointer(&format!("{place}/granted")))
            .unwrap();
        assert_eq!(granted["direct"], false, "{words}");
        // The trees of the filesystem may also be read.
        assert!(granted["direct_served_bytes"].as_u64().unwrap() < MIB, "{words}: {granted}");
    }
}

fn a_benchmark_on_the_same_cpu_is_reported() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let [first, ..] = own_cpu::use_all()[..] else { panic!("no CPU") };
    let cpu = first.to_string();
    let mut other = Running::start(&mut bench(
        scratch.folder(),
        &["-B", "-r", "-b64k", "-t1M", "-n100000000", "-q", "--cpu", &cpu, "iofile"],
    ));
    other.wait_until("its CPU", |other| {
        let status = other.proc("status");
        status.lines().any(|line| line.split_whitespace().eq(["Cpus_allowed_list:", cpu.as_str()]))
    });
    let warnings = |cpu: &str| {
        let words = ["-B", "-r", "-b64k", "-t1M", "-n3", "-j", "-g", "--cpu", cpu, "iofile"];
        let output = bench(scratch.folder(), &words).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let waits: Vec<_> = samples(&document).iter().map(|it| it["run_queue_wait_ns"].is_u64()).collect();
        assert_eq!(waits, [true; 3]);
        document["warnings"].to_string()
    };
    let same = warnings(&cpu);
    assert!(same.contains("shared_cpu") && same.contains(&format!("pinned to CPU {cpu}")), "{same}");
    let free = warnings("none");
    assert!(!free.contains(&format!("pinned to CPU {cpu}")), "{free}");
    other.signal(nix::sys::signal::Signal::SIGTERM);
    other.end(String::new());
}

/// A sample of 32 MiB is longer than a time slice of the scheduler, so none is quiet. One of 1 MiB often fits
/// into a slice.
fn samples_beside_a_busy_loop_on_the_cpu_do_not_count_as_quiet() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), 32 * MIB);
    let cpu = own_cpu::use_all()[0].to_string();
    let _busy = Running::start(Command::new("taskset").args(["-c", &cpu, "sh", "-c", "while :; do :; done"]));
    let swept = |total: &str| {
        let words = format!(
            "sweep -j --cpu {cpu} --strategy pread -b 4k -t {total} --largest-n 30 --budget 10s iofile"
        );
        run_in(scratch.folder(), &words).ok().json()
    };
    let long = swept("32M");
    assert_eq!(long["runs"][0]["summary"]["quiet"], false, "{long:#}");
    assert!(warning_kinds(&long).contains(&"not_quiet"), "{long:#}");
    let short = swept("1M");
    let off_cpu = |sample: &&Value| {
        let [time, utime, stime] = ["time", "utime", "stime"].map(|key| sample[key].as_f64().unwrap());
        let wait = sample["run_queue_wait_ns"].as_f64().unwrap() / 1e9;
        wait.min(time - (utime + stime)) > 0.05 * time
    };
    let measured = samples(&short["runs"][0]).iter().filter(|sample| sample["role"] == "measured");
    let off_cpu_count = measured.filter(off_cpu).count();
    assert!(short["runs"][0]["summary"]["quiet"] == false || off_cpu_count == 0, "{short:#}");
}

fn a_cold_sweep_of_a_small_file_has_no_winner() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), 4 * MIB);
    let words = "sweep --cache cold --strategy readwrite,direct -b 1M --largest-n 6 -o kept iofile";
    let ended = run_in(scratch.folder(), words).ok();
    let text = ended.stdout.replace('\n', " ");
    let document: Value =
        serde_json::from_slice(&std::fs::read(scratch.folder().join("kept")).unwrap()).unwrap();
    let window = document["host_configuration"]["device_read_ahead_bytes"].as_u64();
    if window.is_some_and(|bytes| 2 * bytes > 4 * MIB) {
        assert!(
            !ended.stdout.contains("%*")
                && text.contains("No path is called the fastest at 1 MiB: ")
                && !text.contains("O_DIRECT"),
            "{text}"
        );
    }
}

fn cold_samples_are_longer_than_the_ramp_of_readahead() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), 64 * MIB);
    let words = "sweep -j --cache cold --strategy readwrite -b 64k,1M --largest-n 6 iofile";
    let document = run_in(scratch.folder(), words).ok().json();
    let window = document["host_configuration"]["device_read_ahead_bytes"].as_u64().unwrap_or(0);
    for run in document["runs"].as_array().unwrap() {
        let total = run["benchmark_configuration"]["totalsize"].as_u64().unwrap();
        assert!(total >= (4 * window).min(64 * MIB), "{total} {window}");
    }
}

fn each_side_of_ab_runs_on_its_own_cpu() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let cpus = own_cpu::use_all();
    let (first, last) = (cpus[0].to_string(), cpus[cpus.len() - 1].to_string());
    for (old, new) in [(&*first, &*last), ("none", &*last)] {
        let words = format!("ab -j -n6 -- -r -B -t1M --cpu {old} iofile -- -r -B -t1M --cpu {new} iofile");
        let compared = run_in(scratch.folder(), &words);
        // One CPU may be slower than the other, now.
        assert!(matches!(compared.code, Some(0 | 1)), "{compared:?}");
        let document = compared.json();
        let granted = |side: usize| document["configurations"][side]["granted"]["cpu"].to_string();
        assert_eq!((granted(0), granted(1)), (old.replace("none", "null"), new.to_owned()));
    }
}

fn atime_that_differs_is_an_obstacle() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    for (name, more) in [("a", ""), ("b", "--noatime ")] {
        let words = format!("sweep {more}-b 4k --strategy pread --largest-n 10 -o {name} iofile");
        run_in(scratch.folder(), &words).ok();
    }
    let compared = run_in(scratch.folder(), "compare -j a b");
    let obstacles = compared.json()["obstacles"].to_string();
    assert!(obstacles.contains("granted O_NOATIME differs"), "{compared:?}");
}

/// Six samples in as many rounds at least, and the range was written twice before.
fn the_steady_state_of_a_device_under_writes_is_judged() {
    let device = LoopDevice::attach(8 * MIB).unwrap();
    let sweep_of = |strategy: &str, options: &[&str], path: &std::path::Path| {
        let list = ["sweep", "-j", "--strategy", strategy, "-b64k", "-t1M", "--precision", "0.0001%"];
        let ended = finish(iobench().args(list).args(options).args(["--largest-n", "40"]).arg(path));
        ended.ok().json()
    };
    let sweep = |options: &[&str], path: &std::path::Path| sweep_of("pread,null", options, path);
    let preconditioned = ["-w", "--allow-device-write", "--precondition"];
    std::fs::write(&device.path, vec![7; 8 << 20]).unwrap();
    // null writes nothing, so the range holds what was written before its samples.
    sweep_of("null", &preconditioned, &device.path);
    assert!(std::fs::read(&device.path).unwrap()[..MIB as usize] == pattern(0, MIB as usize));
    let document = sweep(&preconditioned, &device.path);
    assert_eq!(document["sweep_configuration"]["preconditioned_bytes"], MIB);
    let run = |name: &str| {
        let runs = document["runs"].as_array().unwrap();
        runs.iter().find(|run| run["benchmark_configuration"]["strategy"] == name).unwrap()
    };
    assert_eq!(run("null")["summary"]["steady_state"], Value::Null, "nothing is written");
    let samples = run("pread")["benchmark_samples"].as_array().unwrap();
    let state = &run("pread")["summary"]["steady_state"];
    let before = state["samples_before"].as_u64();
    assert_eq!(state["reached"], before.is_some(), "{state}");
    // Samples before the steady state do not count.
    let is_before = |sample: &&Value| sample["role"] == "warmup";
    let warmup = samples.iter().take(before.unwrap_or(0) as usize).filter(is_before).count() as u64;
    assert_eq!(warmup, before.unwrap_or(0));
    let bytes = std::fs::read(&device.path).unwrap();
    assert!(bytes[MIB as usize..].iter().all(|byte| *byte == 7), "only the range is written");
    assert!(bytes[..MIB as usize].iter().any(|byte| *byte != 7));

    let document = sweep(&["-r"], &device.path);
    let is_null = |run: &Value| run["summary"]["steady_state"].is_null();
    assert!(document["runs"].as_array().unwrap().iter().all(is_null), "reads have none");
    let scratch = Filesystem::scratch();
    let refused = finish(iobench().args(["sweep", "--precondition"]).arg(data_file(scratch.folder(), MIB)));
    assert_eq!(refused.code, Some(64));
    assert!(refused.stderr.contains("--precondition needs -w"), "{refused:?}");
}

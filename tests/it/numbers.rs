//! Numbers that misled: each test is one kind of fault, with the correct value. Those that need mounts or
//! root are in `tests/needs/numbers.rs`.

use serde_json::Value;

use crate::common::{Filesystem, data_file, run_in, warning_kinds};
use crate::refusal::{MIB, sentence};

/// A folder with a file of 1 MiB.
fn scratch() -> Filesystem {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    scratch
}

#[test]
fn writing_into_holes_is_reported_by_every_command_and_strict_makes_it_an_exit_code() {
    let scratch = scratch();
    std::fs::File::create(scratch.folder().join("sparse")).unwrap().set_len(MIB).unwrap();
    for words in [
        "-j -w -B -t1M sparse",
        "sweep -j -w -b64k --strategy pread --largest-n 6 sparse",
        "ab -j -n6 -- -w -B -t1M iofile -- -w -B -t1M sparse",
    ] {
        std::fs::File::create(scratch.folder().join("sparse")).unwrap().set_len(MIB).unwrap();
        let (command, rest) = words.split_once(' ').unwrap();
        let strict = match command {
            "sweep" | "ab" => format!("{command} --strict {rest}"),
            _ => format!("--strict {words}"),
        };
        let ended = run_in(scratch.folder(), &strict);
        assert!(warning_kinds(&ended.json()).contains(&"never_written"), "{words}: {ended:?}");
        assert_eq!(ended.code, Some(3), "{words}");
    }
    assert_eq!(
        run_in(scratch.folder(), "--strict -j -r -B -t1M iofile").json()["warnings"],
        Value::Array(vec![])
    );
}

#[test]
fn a_row_has_one_total_and_buffers_that_fit_into_half_of_the_l2_cache() {
    let scratch = scratch();
    let words = "sweep -j -b 4k,256k --strategy pread,mmap,io_uring --largest-n 6 iofile";
    let document = run_in(scratch.folder(), words).json();
    let l2 = document["host_configuration"]["cpu_cache_l2_bytes"].as_u64().unwrap_or(256 << 10);
    let runs = document["runs"].as_array().unwrap();
    for run in runs.iter().filter(|run| run["error"].is_null()) {
        let configuration = &run["benchmark_configuration"];
        let same = |other: &&Value| {
            other["error"].is_null()
                && other["benchmark_configuration"]["buffersize"] == configuration["buffersize"]
        };
        let totals = runs.iter().filter(same).map(|it| &it["benchmark_configuration"]["totalsize"]);
        assert!(totals.into_iter().all(|total| *total == configuration["totalsize"]), "{document:#}");
        let granted = &configuration["granted"];
        let (depth, buffers) =
            (granted["iodepth"].as_u64().unwrap(), granted["buffer_bytes"].as_u64().unwrap());
        assert_eq!(buffers, depth * configuration["buffersize"].as_u64().unwrap());
        assert!(depth == 1 || buffers <= l2 / 2, "{granted}");
    }
    let words = "sweep -j -b 4k --iodepth 32 --strategy io_uring --largest-n 6 iofile";
    let document = run_in(scratch.folder(), words).json();
    let run = &document["runs"][0];
    assert!(
        !run["error"].is_null() || run["benchmark_configuration"]["granted"]["iodepth"] == 32,
        "--iodepth overrides the bound: {run}"
    );
}

#[test]
fn o_direct_starts_cold_beside_paths_that_start_warm() {
    let scratch = scratch();
    let words = "sweep -j -b 4k --strategy pread,direct --largest-n 6 iofile";
    let document = run_in(scratch.folder(), words).json();
    let state = |index: usize| document["runs"][index]["benchmark_configuration"]["cache"].clone();
    assert_eq!((state(0), state(1)), ("warm".into(), "cold".into()));
}

#[test]
fn several_runs_on_each_side_are_compared_as_runs() {
    let scratch = scratch();
    for name in ["a1", "a2", "b1", "b2"] {
        let words = format!("sweep -b 4k --strategy pread --largest-n 10 -o {name} iofile");
        run_in(scratch.folder(), &words).ok();
    }
    let compared = run_in(scratch.folder(), "compare -j a1 a2 -- b1 b2");
    assert!(matches!(compared.code, Some(0 | 1)), "{compared:?}");
    let document = compared.json();
    assert_eq!(document["run_counts"], serde_json::json!([2, 2]));
    let point = &document["points"][0];
    assert!(point["smallest_detectable_fraction"].as_f64().unwrap() >= 0.0299, "{point}");
    let single = run_in(scratch.folder(), "compare -j a1 b1").json();
    assert_eq!(single["run_counts"], serde_json::json!([1, 1]));
    for words in ["compare a1", "compare a1 a2 b1", "compare a1 a2 -- b1", "compare a1 -- b1 b2"] {
        let ended = run_in(scratch.folder(), words);
        assert_eq!(ended.code, Some(64), "{words}");
        assert!(sentence(&ended).contains("give two results"), "{ended:?}");
    }
}

/// The time of the floor is that of the processor: two sweeps beside other work differ in it.
#[test]
fn the_floor_is_never_called_slower() {
    let scratch = scratch();
    let words = "sweep -b 4k --strategy null,pread --largest-n 15 -o old iofile";
    run_in(scratch.folder(), words).ok();
    let old = scratch.folder().join("old");
    let mut sweep: Value = serde_json::from_slice(&std::fs::read(&old).unwrap()).unwrap();
    let mut rewrite = |name: &str, factor: f64| {
        for run in sweep["runs"].as_array_mut().unwrap() {
            run["summary"]["quiet"] = true.into();
            for sample in run["benchmark_samples"].as_array_mut().unwrap() {
                sample["role"] = "measured".into();
                sample["time"] = (factor * sample["time"].as_f64().unwrap()).into();
            }
        }
        std::fs::write(scratch.folder().join(name), serde_json::to_vec(&sweep).unwrap()).unwrap();
    };
    rewrite("old", 1.0);
    rewrite("new", 20.0);
    let document = run_in(scratch.folder(), "compare -j old new").json();
    let verdicts = document["points"].as_array().unwrap().iter();
    let verdicts: Vec<(&Value, &Value)> = verdicts.map(|it| (&it["strategy"], &it["verdict"])).collect();
    let expected = [("null", "inconclusive"), ("pread", "slower")].map(|it| (it.0.into(), it.1.into()));
    assert_eq!(verdicts, expected.iter().map(|it: &(Value, Value)| (&it.0, &it.1)).collect::<Vec<_>>());
}

#[test]
fn ab_sizes_its_samples_and_prints_both_medians() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), 16 * MIB);
    let sides = "-- -r -B -b 4k iofile -- -r -B -b 8k iofile";
    let ended = run_in(scratch.folder(), &format!("ab -n 40 {sides}"));
    assert!(
        ended.stdout.contains("Medians of 40 pairs: A ") && ended.stdout.contains(" MiB/s, B "),
        "{ended:?}"
    );
    let document = run_in(scratch.folder(), &format!("ab -j --precision 50% --budget 30s {sides}")).json();
    let pairs = document["pairs"].as_array().unwrap();
    assert!((10..1000).contains(&pairs.len()), "it stops by the precision: {}", pairs.len());
    assert!(pairs[0]["run_queue_wait_ns"][0].is_u64() && pairs[0]["device_read_bytes"][1].is_u64());
    let (a, b) = (&document["medians_mib_per_second"][0], &document["medians_mib_per_second"][1]);
    assert!(a.as_f64().unwrap() > 1.0 && b.as_f64().unwrap() > 1.0);
}

#[test]
fn a_budget_that_is_too_short_names_a_longer_one_and_loses_nothing() {
    let scratch = scratch();
    let ended = run_in(scratch.folder(), "sweep -j --budget 500ms iofile");
    assert_eq!(ended.code, Some(64));
    assert!(sentence(&ended).contains("--budget: 0.5 s are too short for 6 samples of each of"), "{ended:?}");
    assert_eq!(ended.json()["error"]["exit_code"], 64);
    assert!(ended.json()["runs"].as_array().unwrap().len() > 100, "every point is in the document");
}

#[test]
fn the_size_of_a_created_file_is_not_that_of_a_sample() {
    let scratch = Filesystem::scratch();
    let words = "sweep -j --create --file-size 4M -t 1M -b 64k --strategy pread --largest-n 6 made";
    let document = run_in(scratch.folder(), words).ok().json();
    assert_eq!(scratch.folder().join("made").metadata().unwrap().len(), 4 * MIB);
    assert_eq!(document["runs"][0]["benchmark_configuration"]["totalsize"], MIB);
    assert_eq!(run_in(scratch.folder(), "-r --file-size 4M made").code, Some(64), "only with --create");
}

#[test]
fn a_sweep_has_conclusions_a_misfit_and_a_table_of_eighty_columns() {
    let scratch = scratch();
    let words = "sweep -b 512..64k --strategy all --largest-n 12 --precision 50% -o kept iofile";
    let ended = run_in(scratch.folder(), words).ok();
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest}: {}", ended.stdout);
    assert!(!ended.stdout.contains("knee"), "only with --knees");
    let document: Value =
        serde_json::from_slice(&std::fs::read(scratch.folder().join("kept")).unwrap()).unwrap();
    assert!(
        (1..=4).contains(&document["conclusions"].as_array().unwrap().len()),
        "{}",
        document["conclusions"]
    );
    for model in document["models"].as_array().unwrap() {
        let worst = model["misfit_worst_fraction"].as_f64().unwrap();
        let name = model["strategy"].as_str().unwrap();
        let text = ended.stdout.replace('\n', " ");
        let unexplained = text.contains(&format!("{name}: calls and bytes do not explain the times"));
        assert_eq!(unexplained, worst > 0.1, "{model}: {text}");
    }
}

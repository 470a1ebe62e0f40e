//! Commands that read or write results, where they need a filesystem in memory or a strategy.

use crate::common::{Filesystem, data_file, finish, iobench};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [TMPFS] => plot_on_a_full_filesystem_is_an_io_error_and_leaves_nothing,
        [TMPFS] => sweep_does_not_print_as_cold_what_was_not_cold,
        [IO_URING] => rerun_repeats_a_sweep_of_version_1,
    ]
}

fn plot_on_a_full_filesystem_is_an_io_error_and_leaves_nothing() {
    let small = Filesystem::mount("tmpfs", 16 << 10);
    let sweep = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sweep.json");
    let ended = finish(iobench().args(["plot", sweep, "-o"]).arg(small.folder().join("figure.html")));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(74), ""), "{ended:?}");
    assert!(ended.stderr.contains("(ENOSPC)") && ended.stderr.lines().count() == 1, "{ended:?}");
    assert_eq!(small.folder().read_dir().unwrap().count(), 0);
}

fn sweep_does_not_print_as_cold_what_was_not_cold() {
    // Its pages have no other place to be.
    let memory = Filesystem::mount("tmpfs", 4 << 20);
    let file = data_file(memory.folder(), 1 << 20);
    let words =
        ["sweep", "-b64k", "--strategy", "pread", "--cache", "cold", "--precision=90%", "--budget=5s"];
    let table = finish(iobench().args(words).arg(file)).ok().stdout.replace('\n', " ");
    assert!(table.contains("page cache cold (requested; "), "{table}");
}

fn rerun_repeats_a_sweep_of_version_1() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), 1 << 16);
    let sweep = concat!(env!("CARGO_MANIFEST_DIR"), "/python/tests/fixtures/sweep-v1.json");
    let ended = finish(iobench().args(["rerun", "-j", sweep]).current_dir(scratch.folder()));
    assert!([Some(0), Some(1)].contains(&ended.code), "{ended:?}");
    assert_eq!(ended.json()["points"].as_array().unwrap().len(), 6, "three strategies at two sizes");
}

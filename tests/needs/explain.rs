//! `--explain` of live runs; captured ones are in `tests/it/explain.rs`.

use crate::common::{CHARACTERISTIC, Filesystem, data_file, run};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [EXT4, CACHESTAT] => live_runs_are_explained_with_the_words_of_their_kind,
    ]
}

fn live_runs_are_explained_with_the_words_of_their_kind() {
    let filesystem = Filesystem::mount("ext4", 64 << 20);
    let file = data_file(filesystem.folder(), 16 << 20);
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    let runs = [
        "-r -b 64k --cache warm",
        "-r -b 64k --cache cold",
        "-r -b 64k -d --cache cold",
        "-r -b 64k --strategy mmap --cache warm",
        "-w -b 64k",
        "-w -b 64k -s",
        "-r -b 1 -t 128k --cache warm",
    ];
    for ((name, words), flags) in CHARACTERISTIC.iter().zip(runs) {
        let args = ["-B", "-j", "--explain", "-n", "3"].into_iter().chain(flags.split_whitespace());
        let outcome = run(args.chain([file.to_str().unwrap()])).ok();
        let explanation: Vec<String> = serde_json::from_value(outcome.json()["explanation"].clone()).unwrap();
        let says = |words: &str| explanation.iter().any(|sentence| sentence.contains(words));
        assert!(says(words), "no {words:?} in {explanation:#?}");
        for (_, others) in CHARACTERISTIC.iter().filter(|(other, _)| other != name) {
            assert!(!says(others), "{others:?} in {explanation:#?}");
        }
    }
}

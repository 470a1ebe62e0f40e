//! No strategy file is left out of the registry, and no name is used twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use iobench::strategies::ALL;

#[test]
fn every_file_in_strategies_is_registered_under_its_own_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "mod"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let registered: BTreeSet<String> = ALL.iter().map(|strategy| strategy.info().name.to_owned()).collect();
    assert_eq!(files, registered, "files in strategies/ against names in strategies::ALL");
    assert_eq!(registered.len(), ALL.len(), "a name is registered twice");
}

#[test]
fn every_strategy_file_opens_with_what_a_tracer_sees() {
    for strategy in ALL {
        let name = strategy.info().name;
        let path = format!("{}/strategies/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        for wanted in [&format!("//! `{name}`: "), "A tracer sees", "Inside the bracket:"] {
            assert!(head.contains(wanted), "{path}: the head does not say '{wanted}'");
        }
        assert!(["Man page", "Source:"].iter().any(|source| head.contains(source)), "{path}: no source");
    }
}

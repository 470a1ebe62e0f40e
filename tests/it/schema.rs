//! The schemas in docs/ are those of the types that are printed, and every strategy's output obeys.
//! After a wanted change: `IOBENCH_BLESS=1 cargo test --test it schema`, and read the difference.

use std::collections::BTreeSet;

use iobench::report::comparison::Comparison;
use iobench::report::document::Document;
use iobench::report::json::schema;
use iobench::report::strategies::Listing;
use iobench::report::sweep::SweepDocument;
use iobench::selftest::table::Marking;
use serde_json::Value;

use crate::common::{self, Filesystem, assert_valid, strategies};

fn document_schema() -> Value {
    schema::<Document>().to_value()
}

fn assert_current(name: &str, generated: &Value) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(generated).unwrap() + "\n";
    if std::env::var_os("IOBENCH_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{path} is not current: see the head of tests/it/schema.rs");
}

/// Keys of an object, for comparing documents.
fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schemas_in_docs_are_current() {
    assert_current("benchmark.schema.json", &document_schema());
    assert_current("strategies.schema.json", &schema::<Listing>().to_value());
    assert_current("sweep.schema.json", &schema::<SweepDocument>().to_value());
    assert_current("comparison.schema.json", &schema::<Comparison>().to_value());
    assert_current("selftest.schema.json", &schema::<Marking>().to_value());
}

#[test]
fn every_strategy_writes_the_same_keys_and_obeys_the_schema() {
    let scratch = Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    let mut seen = BTreeSet::new();
    for strategy in strategies() {
        for flags in ["-rgjv", "-wsgjv", "-rj"] {
            let args = [flags, "-B", "-n", "2", "-b", "4k", "-t", "1M", "--strategy", strategy];
            let outcome = common::run(args.iter().map(|arg| arg.as_ref()).chain([file.as_os_str()])).ok();
            let document = outcome.json();
            assert_valid(&document_schema(), &document);
            let sample = keys(&document["benchmark_samples"][1]);
            let configuration = document.get("benchmark_configuration").map(keys);
            let granted = document.pointer("/benchmark_configuration/granted").map(keys);
            seen.insert((flags, sample, configuration, granted));
        }
    }
    assert_eq!(seen.len(), 3, "the keys depend on the flags only: {seen:#?}");
}

#[test]
fn a_failed_run_and_a_usage_error_obey_the_schema_too() {
    for args in [["-rj", "-b", "4k", "missing"], ["-rj", "-b", "0", "missing"]] {
        let document = common::run(args).json();
        assert_valid(&document_schema(), &document);
        assert!(document["error"]["message"].is_string());
    }
}

#[test]
fn the_list_of_strategies_obeys_its_schema() {
    let listed = common::iobench().args(["strategies", "-j"]).output().unwrap();
    assert_valid(&schema::<Listing>().to_value(), &common::outcome(listed).ok().json());
}

#[test]
fn the_schema_refuses_what_is_not_a_result() {
    let validator = jsonschema::draft202012::new(&document_schema()).unwrap();
    let samples = [serde_json::json!({ "bandwidth": 1.0 })];
    let sample_without_time =
        serde_json::json!({ "schema_version": 2, "benchmark_samples": samples, "warnings": [] });
    for wrong in [
        serde_json::json!({}),
        sample_without_time,
        serde_json::json!({"schema_version": 2, "benchmark_samples": [], "warnings": [], "x": 1}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

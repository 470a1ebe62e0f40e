//! Documents of version 1 are still read: by the library, compare, plot and rerun.

use std::path::{Path, PathBuf};

use iobench::report::read::{ResultFile, read};
use iobench::strategies::ALL;
use serde_json::{Value, json};

use crate::common::{Filesystem, iobench, outcome};

/// A document that version 0.1.0 wrote, or its twin in the form of version 2, converted by hand. The Python
/// package tests its own upgrade with them.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/tests/fixtures").join(name)
}

fn document(path: &Path) -> Value {
    match read(path, u64::MAX, ALL).unwrap() {
        ResultFile::Run(document) => json!(document),
        ResultFile::Sweep(document) => json!(document),
    }
}

#[test]
fn an_upgraded_document_equals_its_twin_of_version_2() {
    for kind in ["run", "sweep"] {
        let [old, new] = [1, 2].map(|version| document(&fixture(&format!("{kind}-v{version}.json"))));
        assert_eq!(old["schema_version"], 2, "{kind}");
        assert_eq!(old, new, "{kind}");
    }
}

#[test]
fn compare_and_plot_take_documents_of_both_versions() {
    let scratch = Filesystem::scratch();
    for kind in ["run", "sweep"] {
        let [old, new] = [1, 2].map(|version| fixture(&format!("{kind}-v{version}.json")));
        let compared = outcome(iobench().args(["compare", "-j"]).args([&old, &new]).output().unwrap()).ok();
        assert_eq!(compared.json()["obstacles"], json!([]), "{kind}");
        let picture = |file: &Path| {
            let svg = scratch.folder().join("picture.svg");
            outcome(iobench().arg("plot").arg(file).arg("-o").arg(&svg).output().unwrap()).ok();
            std::fs::read_to_string(svg).unwrap()
        };
        assert_eq!(picture(&old), picture(&new), "{kind}");
    }
}

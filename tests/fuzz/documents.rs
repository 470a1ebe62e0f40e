//! Damaged result files, read by every command that reads results.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::Worker;
use crate::program::{run, shown};

const EVIL: &str = "</script><script>evil()</script>\x1b]0;x\x07\nline\u{202e}";

/// Damages a result, and reads it.
pub(crate) fn fuzz(worker: &mut Worker) -> Result<(), String> {
    let results = worker.sandbox.results().to_vec();
    let (_, bytes) = worker.pick(&results);
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    for _ in 0..=worker.random.below(3) {
        damage(worker, &mut value);
    }
    let mut bytes = serde_json::to_vec(&value).unwrap();
    if worker.once_in(8) {
        damage_bytes(worker, &mut bytes);
    }
    check(worker, &bytes)
}

/// Reads these bytes with each command.
pub(crate) fn check(worker: &mut Worker, bytes: &[u8]) -> Result<(), String> {
    for words in [
        "compare -j sweep.json damaged.json",
        "compare damaged.json damaged.json",
        "plot damaged.json -o damaged.svg",
        "plot damaged.json -o damaged.html",
        "plot damaged.json --kind cdf -o damaged.svg",
        "plot damaged.json --kind heatmap --y iops -o damaged.html",
        "plot damaged.json --kind samples --y p50 -o damaged.svg",
        "plot damaged.json --kind ratio --to pread -o damaged.svg",
        "rerun damaged.json",
        "sweep -j --resume damaged.json --budget 300ms -o new",
    ] {
        // Commands that measure run less often.
        if (words.starts_with("rerun") || words.starts_with("sweep")) && !worker.once_in(10) {
            continue;
        }
        read(worker, bytes, &words.split(' ').map(Into::into).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn read(worker: &mut Worker, bytes: &[u8], words: &[OsString]) -> Result<(), String> {
    let (folder, temporary) = (worker.sandbox.folder(), worker.sandbox.temporary());
    fs::write(folder.join("damaged.json"), bytes).unwrap();
    let signals = [(Duration::from_secs(5), Signal::SIGINT)];
    let ended = run(words, &folder, &temporary, &signals);
    let drawn = drawings(&folder);
    let answer = ended.and_then(|ended| worker.oracle.check(&ended)).and(drawn);
    let changes = worker.sandbox.check_and_restore(words);
    answer.and(changes).map_err(|finding| {
        let kept = std::env::temp_dir().join("iobench-fuzz-damaged.json");
        fs::write(&kept, bytes).unwrap();
        format!("iobench {} with damaged.json = {}: {finding}", shown(words), kept.display())
    })
}

/// Pictures are well-formed, and no text of a result becomes markup.
fn drawings(folder: &std::path::Path) -> Result<(), String> {
    if let Ok(svg) = fs::read_to_string(folder.join("damaged.svg")) {
        roxmltree::Document::parse(&svg).map_err(|error| format!("malformed SVG: {error}"))?;
    }
    match fs::read_to_string(folder.join("damaged.html")) {
        Ok(page) if page.contains("<script>evil()") => {
            Err("a string of the result became a script".to_owned())
        }
        _ => Ok(()),
    }
}

/// Changes a random value of a document.
fn damage(worker: &mut Worker, value: &mut Value) {
    let go_deeper = !worker.once_in(6);
    match value {
        Value::Object(fields) if go_deeper && !fields.is_empty() => {
            let key = fields.keys().nth(worker.random.below(fields.len())).cloned().unwrap();
            match worker.random.below(12) {
                0 if worker.once_in(4) => drop(fields.remove(&key)),
                1 if worker.once_in(4) => drop(fields.insert(format!("{key}_"), json!(1))),
                _ => damage(worker, fields.get_mut(&key).unwrap()),
            }
        }
        Value::Array(items) if go_deeper && !items.is_empty() => {
            let at = worker.random.below(items.len());
            match worker.random.below(12) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items.truncate(at),
                _ => damage(worker, &mut items[at]),
            }
        }
        other => *other = replacement(worker, other),
    }
}

fn replacement(worker: &mut Worker, old: &Value) -> Value {
    let extremes = [
        json!(0),
        json!(-1),
        json!(1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(5e-324),
        json!(-0.5),
        json!(4096),
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!(EVIL),
        json!("pread"),
        json!("x".repeat(5000)),
    ];
    // Most documents keep their types: otherwise they are refused, and no further code sees them.
    if worker.once_in(6) {
        return worker.pick(&extremes).clone();
    }
    let factor = [0.0, -1.0, 1e-9, 1e9, 1.5][worker.random.below(5)];
    match old {
        Value::Number(number) if number.is_u64() => {
            json!(*worker.pick(&[0, 1, 3, 4096, 1 << 40, u64::MAX]))
        }
        Value::Number(number) => json!(number.as_f64().unwrap() * factor),
        Value::String(_) => json!(EVIL),
        Value::Bool(value) => json!(!value),
        other => other.clone(),
    }
}

/// Cuts the text, or changes some bytes of it.
fn damage_bytes(worker: &mut Worker, bytes: &mut Vec<u8>) {
    match worker.random.below(4) {
        0 => bytes.truncate(worker.random.below(bytes.len())),
        1 => bytes.splice(0..0, std::iter::repeat_n(b'[', 100_000)).for_each(drop),
        _ => {
            for _ in 0..3 {
                let at = worker.random.below(bytes.len());
                bytes[at] = *worker.pick(b"0\"{}[],:-\xff\x00e");
            }
        }
    }
}

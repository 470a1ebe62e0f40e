//! The arrows of docs/architecture.md: which room may use which.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room, and the rooms that it may use beside itself and `error`.
const ARROWS: &[(&str, &[&str])] = &[
    ("stats", &[]),
    ("host", &[]),
    ("engine", &["host"]),
    ("strategies", &["engine"]),
    ("selftest", &["engine", "stats", "trace"]),
    ("trace", &["engine"]),
    ("report", &["stats", "engine", "host", "trace"]),
    ("cli", &["engine", "report", "selftest", "trace"]),
    ("command", &["cli", "engine", "host", "report", "selftest", "stats", "trace"]),
];

fn sources(place: &Path) -> Vec<PathBuf> {
    if place.with_extension("rs").is_file() {
        return vec![place.with_extension("rs")];
    }
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn room_of(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if name == "strategies" { sources(&root.join(name)) } else { sources(&root.join("src").join(name)) }
}

/// The rooms that a source names behind `crate::`, tests at its end left out.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let behind = code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>());
    behind.flat_map(|rest| first_names(&rest)).collect()
}

/// `engine::x` -> engine; `{engine::x, host}` -> engine, host.
fn first_names(path: &str) -> Vec<String> {
    let name = |part: &str| {
        let part = part.trim_start();
        part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    match path.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default().split(',').map(name).collect(),
        None => vec![name(path)],
    }
}

#[test]
fn every_arrow_goes_the_way_of_the_plan() {
    for (room, allowed) in ARROWS {
        for path in room_of(room) {
            let text = std::fs::read_to_string(&path).unwrap();
            for used in rooms_used(&text) {
                let inside = used == *room || used == "error" || used == "Errno";
                assert!(
                    inside || allowed.contains(&used.as_str()),
                    "{}: {room} may not use {used}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_room_is_in_the_plan() {
    let known = |name: &str| ARROWS.iter().any(|(room, _)| *room == name);
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(known(&name) || ["lib", "main", "bin", "error"].contains(&name.as_str()), "src/{name}");
    }
}

#[test]
fn a_strategy_names_no_other_but_direct_names_pread() {
    for path in room_of("strategies") {
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.lines().filter(|line| line.contains("super::")).count();
        let allowed = usize::from(path.file_name().is_some_and(|name| name == "direct.rs"));
        assert!(named <= allowed, "{}: a strategy sees the engine only", path.display());
    }
}

#[test]
fn the_raw_clock_call_stands_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = [sources(&root.join("src/engine")), room_of("strategies"), room_of("command")].concat();
    let count =
        |path: &PathBuf| std::fs::read_to_string(path).unwrap().matches("libc::syscall(CLOCK").count();
    assert_eq!(all.iter().map(count).sum::<usize>(), 1);
}

#[test]
fn a_use_list_is_taken_apart() {
    assert_eq!(first_names("engine::buffer::Fill;"), ["engine"]);
    assert_eq!(first_names("{host, report::json};"), ["host", "report"]);
    assert!(rooms_used("    // crate::host\n    x(crate::report::y)").contains("report"));
    assert!(!rooms_used("    // crate::host\n").contains("host"));
}

//! The structure that docs/architecture.md describes, checked on the text of the sources: dependencies point
//! one way, no files import each other in a cycle, and no strategy is known by its name. `tidy` checks the
//! language of the text.

mod library;
mod rules;
mod source;
mod tidy;

use std::path::PathBuf;

use library::{Dependency, Library, cycles, relative, root, source_of};

/// Modules at the top of src/ that every other may use.
const USED_BY_ALL: &[&str] = &["error", "printable", "random", "units"];

/// Each module at the top of src/, and the modules that it may use beside itself and those above.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("printable", &[]),
    ("random", &[]),
    ("units", &[]),
    ("process", &[]),
    ("scratch", &[]),
    ("job", &["engine"]),
    ("stats", &[]),
    ("host", &[]),
    ("engine", &["host"]),
    ("strategies", &["engine"]),
    ("trace", &["engine", "process", "scratch"]),
    ("report", &["stats", "engine", "host", "trace"]),
    ("selftest", &["engine", "job", "report", "stats", "trace"]),
    ("cli", &["engine", "report", "selftest", "trace"]),
    (
        "command",
        &["cli", "engine", "host", "job", "process", "report", "scratch", "selftest", "stats", "trace"],
    ),
];

/// Files at the top of src/ that are not modules: the library, which may use every module, and the programs,
/// which use only the library.
const ROOTS: &[&str] = &["lib", "main", "bin"];

/// Strategies that are built on another one.
const BUILT_ON: &[(&str, &str)] = &[("strategies/direct.rs", "strategies/pread.rs")];

/// The strategy of a run that names none. Its name may stand in one place.
const DEFAULT_STRATEGY: &str = "readwrite";

/// Every source of the library and its programs, as a path in the project.
fn sources() -> Vec<String> {
    files_under(&["src", "strategies"], "rs")
}

/// Every file with this extension in these folders of the project, as a path in the project.
fn files_under(folders: &[&str], extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(it) if it == extension => found.push(relative(&path)),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}

/// The module at the top of src/ that a file belongs to; `strategies` for those of the registry.
fn top_module(file: &str) -> &str {
    let name = file.trim_start_matches("src/").split('/').next().unwrap();
    name.trim_end_matches(".rs")
}

fn may_use(user: &str, used: &str) -> bool {
    let listed = DEPENDENCIES.iter().find(|(module, _)| *module == user);
    let listed = listed.is_some_and(|(_, modules)| modules.contains(&used));
    user == "lib" || user == used || USED_BY_ALL.contains(&used) || listed
}

/// Fails if there are any, and prints each on a line.
fn assert_none<T: ToString>(what: &str, found: impl IntoIterator<Item = T>) {
    let found: Vec<String> = found.into_iter().map(|it| it.to_string()).collect();
    assert!(found.is_empty(), "{what}:\n    {}\n", found.join("\n    "));
}

#[test]
fn dependencies_between_modules_point_one_way() {
    let dependencies = Library::read().dependencies();
    let wrong = dependencies.iter().filter(|it| !may_use(top_module(&it.user), top_module(&it.used)));
    assert_none("dependencies that DEPENDENCIES in tests/it/architecture.rs does not list", wrong);
}

#[test]
fn every_module_is_in_the_table() {
    let paths = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let sources = paths.filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "rs"));
    let names = sources.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let known = |name: &str| ROOTS.contains(&name) || DEPENDENCIES.iter().any(|(module, _)| *module == name);
    assert_none(
        "modules that DEPENDENCIES in tests/it/architecture.rs does not list",
        names.filter(|it| !known(it)),
    );
}

#[test]
fn there_is_no_import_cycle_between_files() {
    let dependencies = Library::read().dependencies();
    let shown = |cycle: Vec<&Dependency>| {
        let steps: String = cycle.iter().map(|it| format!("{}:{} -> ", it.user, it.line)).collect();
        steps + &cycle[0].user
    };
    assert_none("import cycles (each file imports the next)", cycles(&dependencies).into_iter().map(shown));
}

#[test]
fn every_source_is_part_of_the_library() {
    let library = Library::read();
    let known = library.paths();
    let files = sources().into_iter().filter(|path| !["main", "bin"].contains(&top_module(path)));
    // A tests.rs is compiled for unit tests only.
    let files = files.filter(|path| !path.ends_with("/tests.rs"));
    assert_none("files that no module declares", files.filter(|path| !known.contains(path.as_str())));
}

#[test]
fn a_strategy_uses_no_other_outside_its_family() {
    let is_strategy = |file: &str| file.starts_with("strategies/") && file != "strategies/mod.rs";
    let allowed = |it: &Dependency| {
        // The family of strategies/uring/sqpoll.rs is strategies/uring; strategies/null.rs has none.
        let family = |file: &str| file.rsplit_once('/').unwrap().0.to_owned();
        let related = family(&it.user) == family(&it.used) && family(&it.user) != "strategies";
        related || BUILT_ON.contains(&(&it.user, &it.used))
    };
    let dependencies = Library::read().dependencies();
    let between =
        dependencies.iter().filter(|it| is_strategy(&it.user) && it.used.starts_with("strategies/"));
    assert_none("strategies that use one of another family", between.filter(|it| !allowed(it)));
}

#[test]
fn no_strategy_is_known_by_name() {
    let names: Vec<&str> = iobench::strategies::ALL.iter().map(|strategy| strategy.info().name).collect();
    let (mut found, mut defaults) = (Vec::new(), Vec::new());
    for path in sources().into_iter().filter(|path| path.starts_with("src/")) {
        let literals = source_of(&root().join(&path)).literals;
        for literal in literals.iter().filter(|literal| names.contains(&literal.text.as_str())) {
            let place = format!("{path}:{} \"{}\"", literal.line, literal.text);
            let places = if literal.text == DEFAULT_STRATEGY { &mut defaults } else { &mut found };
            places.push(place);
        }
    }
    if defaults.len() > 1 {
        found.extend(defaults);
    }
    assert_none("strategies known by name", found);
}

#[test]
fn the_raw_clock_call_is_in_one_place() {
    let calls = |path: String| {
        let count = source_of(&root().join(&path)).code.matches("libc::syscall(CLOCK").count();
        vec![path; count]
    };
    assert_eq!(sources().into_iter().flat_map(calls).collect::<Vec<_>>(), ["src/engine/bracket.rs"]);
}

#[test]
fn the_table_allows_what_it_lists_and_nothing_else() {
    assert_eq!(top_module("src/engine/target.rs"), "engine");
    assert_eq!(top_module("src/cli.rs"), "cli");
    assert_eq!(top_module("strategies/uring/mod.rs"), "strategies");
    assert!(may_use("engine", "host") && may_use("host", "error") && may_use("lib", "command"));
    assert!(!may_use("host", "engine") && !may_use("engine", "lib") && !may_use("stats", "process"));
}

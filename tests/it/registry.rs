//! Every strategy is registered once, under the name that its file opens with.
//!
//! A strategy is a file in strategies/, or belongs to a family: a folder with a mod.rs and a file for each
//! variant.

use std::collections::BTreeSet;
use std::path::Path;

use iobench::strategies::ALL;

/// The start of a strategy's file, such as "//! `pread`: ".
const OPENING: (&str, &str) = ("//! `", "`: ");

/// A source in strategies/ beside the registry itself.
struct File {
    /// Where it is, from strategies/ on.
    path: String,
    /// The comment that it starts with.
    head: String,
    /// The strategies that its head names, each in a line of its own.
    names: Vec<String>,
    /// True if it implements a strategy.
    implements: bool,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let name = |line: &&str| Some(line.strip_prefix(OPENING.0)?.split_once(OPENING.1)?.0.to_owned());
        File {
            path: path.to_owned(),
            names: head.iter().filter_map(name).collect(),
            head: head.join("\n"),
            implements: text.lines().any(is_implementation),
        }
    }

    /// The name that this file or its family's folder has in the file system.
    fn stem(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_family(&self) -> bool {
        self.path.contains('/')
    }

    /// The faults of this file, if these strategies are registered.
    fn problems(&self, registered: &[&str]) -> Vec<String> {
        let unknown = self.names.iter().filter(|name| !registered.contains(&name.as_str()));
        let unknown = unknown.map(|name| format!("`{name}` is not in strategies::ALL"));
        let unnamed = self.implements && self.names.is_empty();
        let unnamed = unnamed.then(|| "it does not open with the name of its strategy".to_owned());
        let other = !self.is_family() && self.names != [self.stem()];
        let other = other.then(|| format!("it opens with {:?} instead of its own name", self.names));
        let problems = unknown.chain(unnamed).chain(other);
        problems.map(|problem| format!("strategies/{}: {problem}", self.path)).collect()
    }
}

fn is_implementation(line: &str) -> bool {
    line.starts_with("impl")
        && [" Blocking for ", " Queued for ", " Strategy for "].iter().any(|it| line.contains(it))
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("strategies");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert!(path.join("mod.rs").is_file(), "{}: a family without a mod.rs", path.display());
                folders.push(path);
            } else if path != root.join("mod.rs") {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap();
                found.push(File::new(relative, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

fn registered() -> Vec<&'static str> {
    ALL.iter().map(|strategy| strategy.info().name).collect()
}

#[test]
fn every_name_is_registered_once() {
    let names = registered();
    let twice = (1..names.len()).filter(|at| names[..*at].contains(&names[*at])).map(|at| names[at]);
    assert_eq!(twice.collect::<Vec<_>>(), [""; 0], "registered more than once in strategies::ALL");
}

#[test]
fn every_registered_name_opens_one_file() {
    let files = files();
    for name in registered() {
        let named = files.iter().filter(|file| file.names.iter().any(|it| it == name));
        let named: Vec<&str> = named.map(|file| file.path.as_str()).collect();
        assert_eq!(
            named.len(),
            1,
            "`{name}` is registered, and {named:?} in strategies/ open with that name"
        );
    }
}

#[test]
fn every_file_and_every_family_is_registered() {
    let files = files();
    let names = registered();
    let problems: Vec<String> = files.iter().flat_map(|file| file.problems(&names)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let families: BTreeSet<&str> = files.iter().filter(|file| file.is_family()).map(File::stem).collect();
    for family in families {
        let mut members = files.iter().filter(|file| file.is_family() && file.stem() == family);
        assert!(
            members.any(|file| !file.names.is_empty()),
            "strategies/{family}: no strategy of it is registered"
        );
    }
}

#[test]
fn every_strategy_file_opens_with_what_a_tracer_sees() {
    for File { path, head, .. } in files().into_iter().filter(|file| !file.names.is_empty()) {
        for wanted in ["A tracer sees", "Inside the bracket:"] {
            assert!(head.contains(wanted), "strategies/{path}: the head does not say '{wanted}'");
        }
        let source = ["Man page", "Source:"].iter().any(|source| head.contains(source));
        assert!(source, "strategies/{path}: the head names no source");
    }
}

#[test]
fn a_file_is_judged_by_its_head() {
    let problems = |path: &str, text: &str| File::new(path, text).problems(&["a", "ring", "ring-poll"]).len();
    let strategy = |name: &str| format!("//! `{name}`: moves blocks.\n\nimpl Blocking for X {{}}\n");
    assert_eq!(problems("a.rs", &strategy("a")), 0);
    assert_eq!(problems("ring/mod.rs", &strategy("ring")), 0);
    assert_eq!(problems("ring/poll.rs", &strategy("ring-poll")), 0);
    assert_eq!(problems("ring/setup.rs", "//! What the variants share.\n"), 0);
    // Another name than the file's, a name that is not registered, and a strategy or a file without one.
    assert_eq!(problems("b.rs", &strategy("a")), 1);
    assert_eq!(problems("ring/poll.rs", &strategy("ring-sleep")), 1);
    assert_eq!(problems("ring/poll.rs", "//! Polls.\nimpl Queued for X {}\n"), 1);
    assert_eq!(problems("b.rs", "//! What strategies share.\n"), 1);
}

//! The files of the library, and which of them uses which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};

use super::source::{self, Source};

/// Re-exports of re-exports that are followed.
const MAX_REEXPORTS: usize = 8;

/// A file of the library.
struct File {
    /// Where it is in the project.
    path: String,
    paths: Vec<source::Path>,
    functions: BTreeSet<String>,
}

/// The files of the library by module path (engine, target for `crate::engine::target`), found by their
/// declarations, as the compiler finds them.
pub(crate) struct Library {
    files: BTreeMap<Vec<String>, File>,
}

/// One file uses another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dependency {
    /// The file that uses the other.
    pub(crate) user: String,
    /// The first line of `user` that does.
    pub(crate) line: usize,
    /// The file that is used.
    pub(crate) used: String,
}

impl Display for Dependency {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} uses {}", self.user, self.line, self.used)
    }
}

impl File {
    fn new(path: String, source: &Source) -> File {
        File { path, paths: source.paths(), functions: source.functions() }
    }
}

impl Library {
    /// Reads all files that src/lib.rs and its modules declare.
    pub(crate) fn read() -> Library {
        let mut library = Library { files: BTreeMap::new() };
        library.add(Vec::new(), &root().join("src/lib.rs"));
        library
    }

    fn add(&mut self, module: Vec<String>, path: &Path) {
        let source = source_of(path);
        for declaration in source.declarations() {
            let file = match declaration.path {
                Some(named) => path.parent().unwrap().join(named).canonicalize().unwrap(),
                None => file_of(&declaration.name, path),
            };
            self.add(child(&module, &declaration.name), &file);
        }
        self.files.insert(module, File::new(relative(path), &source));
    }

    /// The files of the library, as paths in the project.
    pub(crate) fn paths(&self) -> BTreeSet<&str> {
        self.files.values().map(|file| file.path.as_str()).collect()
    }

    /// The dependencies between files, each once.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (module, file) in &self.files {
            for (used, line) in self.used_by(module, file) {
                if used.path != file.path {
                    found.entry((&file.path, &used.path)).or_insert(line);
                }
            }
        }
        let dependency = |((user, used), line): ((&str, &str), usize)| Dependency {
            user: user.to_owned(),
            line,
            used: used.to_owned(),
        };
        found.into_iter().map(dependency).collect()
    }

    /// The files that a file uses, with the lines.
    fn used_by(&self, module: &[String], file: &File) -> Vec<(&File, usize)> {
        // A module in scope is used where something in it is named, and there it counts.
        let mut modules_in_scope: Vec<(&str, Vec<String>)> = Vec::new();
        for path in &file.paths {
            let full = self.absolute(&[module, &path.inside].concat(), &path.names);
            let full = full.filter(|full| self.files.contains_key(full));
            modules_in_scope.extend(path.import.as_deref().zip(full));
        }
        let mut used = Vec::new();
        for path in &file.paths {
            let here = self.absolute(&[module, &path.inside].concat(), &path.names);
            let scope = modules_in_scope.iter().filter(|(name, _)| *name == path.names[0]);
            let scope = scope.map(|(_, full)| [&full[..], &path.names[1..]].concat());
            for item in here.into_iter().chain(scope) {
                used.extend(self.definers(&item, 0).into_iter().map(|definer| (definer, path.line)));
            }
        }
        used
    }

    /// The path from the crate on, if `names`, standing in `module`, starts in this crate.
    fn absolute(&self, module: &[String], names: &[String]) -> Option<Vec<String>> {
        let (mut full, rest) = match names[0].as_str() {
            "crate" => (Vec::new(), &names[1..]),
            "self" => (module.to_vec(), &names[1..]),
            "super" => (module.to_vec(), names),
            name => {
                let child = child(module, name);
                self.files.contains_key(&child).then_some((child, &names[1..]))?
            }
        };
        for name in rest {
            match name.as_str() {
                "super" => drop(full.pop()),
                _ => full.push(name.clone()),
            }
        }
        Some(full)
    }

    /// The files that define the item at this path, several if that depends on the system. A re-export leads
    /// to its source. A re-export by `*` counts as a definition. An item of another crate and a module lead
    /// to no file.
    fn definers(&self, item: &[String], depth: usize) -> Vec<&File> {
        let mut lengths = (0..item.len()).rev();
        let Some(length) = lengths.find(|length| self.files.contains_key(&item[..*length])) else {
            return Vec::new();
        };
        let (module, name) = (&item[..length], &item[length]);
        let file = &self.files[module];
        let imports = file.paths.iter().filter(|path| path.import.as_ref() == Some(name));
        let imports: Vec<&source::Path> = imports.filter(|path| path.inside.is_empty()).collect();
        let own = file.functions.contains(name);
        // A module may have the name of a function or of an import of its parent.
        if self.files.contains_key(item) && imports.is_empty() && !own {
            return Vec::new();
        }
        if imports.is_empty() || depth == MAX_REEXPORTS || name == "*" {
            return vec![file];
        }
        let origins = imports.into_iter().filter_map(|path| self.absolute(module, &path.names));
        let origins = origins.map(|origin| [&origin, &item[length + 1..]].concat());
        let origins = origins.flat_map(|origin| self.definers(&origin, depth + 1));
        origins.chain(own.then_some(file)).collect()
    }
}

/// Import cycles: the shortest one for each dependency that is in a cycle, without those that pass through
/// all files of another one. Each starts with the file that comes first by name.
pub(crate) fn cycles(dependencies: &[Dependency]) -> Vec<Vec<&Dependency>> {
    let mut shortest: Vec<Vec<&Dependency>> =
        dependencies.iter().filter_map(|dependency| shortest_cycle(dependency, dependencies)).collect();
    shortest.sort_by_key(Vec::len);
    let files = |cycle: &[&Dependency]| cycle.iter().map(|it| it.user.clone()).collect::<BTreeSet<String>>();
    let mut found: Vec<Vec<&Dependency>> = Vec::new();
    for cycle in shortest {
        if !found.iter().any(|other| files(other).is_subset(&files(&cycle))) {
            found.push(cycle);
        }
    }
    found.sort_by_key(|cycle| cycle.iter().map(|it| &it.user).collect::<Vec<_>>());
    found
}

/// The shortest way back from the end of `first` to its start, if there is one, searched in breadth.
fn shortest_cycle<'a>(first: &'a Dependency, dependencies: &'a [Dependency]) -> Option<Vec<&'a Dependency>> {
    let mut ways = VecDeque::from([vec![first]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let end = &way[way.len() - 1].used;
        if *end == first.user {
            let start = (0..way.len()).min_by_key(|at| &way[*at].user)?;
            return Some([&way[start..], &way[..start]].concat());
        }
        let next = dependencies.iter().filter(|next| next.user == *end && seen.insert(&next.used));
        ways.extend(next.map(|next| [&way[..], &[next]].concat()));
    }
    None
}

/// Reads the source at `path`.
pub(crate) fn source_of(path: &Path) -> Source {
    Source::new(&std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The folder of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap()
}

/// `path` as a path in the project.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The path of the module `name` inside `module`.
fn child(module: &[String], name: &str) -> Vec<String> {
    [module, &[name.to_owned()]].concat()
}

/// The file of module `name` that the file at `parent` declares.
fn file_of(name: &str, parent: &Path) -> PathBuf {
    let stem = parent.file_stem().unwrap().to_str().unwrap();
    let folder = match stem {
        "mod" | "lib" => parent.parent().unwrap().to_owned(),
        _ => parent.with_extension(""),
    };
    let file = folder.join(name).with_extension("rs");
    if file.is_file() { file } else { folder.join(name).join("mod.rs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library of these files, by module path.
    fn library(files: &[(&str, &str)]) -> Library {
        let file = |(module, text): &(&str, &str)| {
            let names = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            (names, File::new((*module).to_owned(), &Source::new(text)))
        };
        Library { files: files.iter().map(file).collect() }
    }

    /// The modules that a::b uses when it holds `text`, among the modules of a small library.
    fn used_by_a_b(text: &str) -> Vec<String> {
        let library =
            library(&[("", ""), ("a", ""), ("a::b", text), ("a::b::c", ""), ("a::d", ""), ("e", "")]);
        library.dependencies().into_iter().map(|it| it.used).collect()
    }

    #[test]
    fn a_path_leads_to_the_file_that_holds_the_item() {
        assert_eq!(used_by_a_b("use crate::a::d::Item;"), ["a::d"]);
        assert_eq!(used_by_a_b("use super::Item;"), ["a"]);
        assert_eq!(used_by_a_b("use super::{d::{self, Item}, super::e};  d::f();  e::f();"), ["a::d", "e"]);
        assert_eq!(used_by_a_b("use self::c::Item;"), ["a::b::c"]);
        assert_eq!(used_by_a_b("use c::Item;"), ["a::b::c"]);
        assert_eq!(used_by_a_b("fn f() -> crate::e::Item { crate::a::d::f() }"), ["a::d", "e"]);
        assert_eq!(used_by_a_b("c::Type::new();"), ["a::b::c"]);
        assert_eq!(used_by_a_b("use super::*;"), ["a"]);
        assert_eq!(used_by_a_b("use crate::Item;"), [""]);
    }

    #[test]
    fn a_module_in_scope_is_used_where_something_in_it_is_named() {
        assert!(used_by_a_b("use crate::e;").is_empty());
        assert_eq!(used_by_a_b("use crate::a as x; fn f() { x::d::g() }"), ["a::d"]);
        assert_eq!(used_by_a_b("use crate::a; fn f() { a::g() }"), ["a"]);
        assert!(used_by_a_b("use super::d;").is_empty());
        assert_eq!(used_by_a_b("use super::super::a; use a::d::Item;"), ["a::d"]);
    }

    #[test]
    fn what_is_outside_the_crate_or_the_program_does_not_count() {
        assert!(used_by_a_b("pub mod c;").is_empty());
        assert!(used_by_a_b("use e::Item; use ::c::Item; e::f(); std::fs::read();").is_empty());
        assert!(used_by_a_b("//! [`crate::e::Item`]\n/// \"crate::e::Item\"\nfn f() {}").is_empty());
        assert!(
            used_by_a_b("#[cfg(test)]\nmod tests {\n    use crate::e::Item;\n    use super::*;\n}")
                .is_empty()
        );
        assert!(used_by_a_b("mod inline { use super::Item; fn f() { super::c() } }").is_empty());
        assert_eq!(used_by_a_b("mod inline { use super::super::Item; }"), ["a"]);
    }

    #[test]
    fn a_reexport_leads_to_where_the_item_comes_from() {
        let files = [
            ("", "pub use nix::errno::Errno; pub use a::Item;"),
            ("a", "mod b; pub use b::{b, Item};"),
            ("a::b", ""),
            ("c", "use crate::a::b;"),
            ("d", "use crate::{Errno, Item};"),
        ];
        let found = library(&files).dependencies();
        let of = |user: &str| {
            found.iter().filter(|it| it.user == user).map(|it| it.used.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("a"), ["a::b"]);
        assert_eq!(of("c"), ["a::b"]);
        assert_eq!(of("d"), ["a::b"]);
        // A function beside an imported module of the same name.
        let files = [("a", "use crate::b; fn b() {}"), ("b", ""), ("c", "fn f() { crate::a::b() }")];
        assert_eq!(library(&files).dependencies()[0].used, "a");
    }

    #[test]
    fn a_cycle_is_found_with_the_lines_that_make_it() {
        let cycles_of = |files: &[(&str, &str)]| -> Vec<String> {
            let dependencies = library(files).dependencies();
            let shown = |cycle: Vec<&Dependency>| {
                cycle.iter().map(|it| format!("{}:{} ", it.user, it.line)).collect()
            };
            cycles(&dependencies).into_iter().map(shown).collect()
        };
        let files = [("a", "use crate::b::B;"), ("b", "\nuse crate::c::C;"), ("c", "use crate::b::B;")];
        assert_eq!(cycles_of(&files), ["b:2 c:1 "]);
        let files = [("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")];
        assert_eq!(cycles_of(&files), ["a:1 b:1 c:1 "]);
        // The longer one is there as long as the shorter one is.
        let files = [("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::{a::A, b::B};")];
        assert_eq!(cycles_of(&files), ["b:1 c:1 "]);
        // The declaration of a child is not a use of it; a call is.
        let parent = |text| cycles_of(&[("p", text), ("p::q", "use super::Item;")]);
        assert!(parent("pub mod q;").is_empty());
        assert_eq!(parent("pub mod q; fn f() { q::g() }"), ["p:1 p::q:1 "]);
    }
}

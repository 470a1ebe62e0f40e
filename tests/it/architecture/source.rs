//! Reads Rust sources as text: the modules and paths that a file names, its strings and its comments.
//!
//! This is not a parser of Rust. It knows comments, literals, attributes, inline modules, `use` trees and
//! paths, and it leaves out items under `#[cfg(test)]`. Items under any other `#[cfg]` count on every system.

use std::collections::BTreeSet;

/// A source, taken apart.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text with spaces in place of comments, unit tests and the contents of literals. Lines keep their
    /// numbers.
    pub code: String,
    /// String literals outside unit tests.
    pub literals: Vec<Literal>,
    /// All comments, those of unit tests included.
    pub comments: Vec<Comment>,
}

/// A `//` comment up to the end of its line, or a block comment.
#[derive(Debug, PartialEq)]
pub(crate) struct Comment {
    /// Its first line, from 1.
    pub line: usize,
    /// Its text, with its marker.
    pub text: String,
}

/// A string literal.
#[derive(Debug, PartialEq)]
pub(crate) struct Literal {
    /// Where its contents start in the text, in bytes.
    start: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its contents as written, escapes included.
    pub text: String,
}

/// `mod name;`
#[derive(Debug, PartialEq)]
pub(crate) struct Declaration {
    /// The declared module.
    pub name: String,
    /// The file that a `#[path]` attribute names.
    pub path: Option<String>,
}

/// A path such as `crate::engine::target::Target`, or one leaf of a `use` tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// Its line, from 1.
    pub line: usize,
    /// The inline modules around it.
    pub inside: Vec<String>,
    /// Its names. A path that starts with `::` starts with an empty name; a glob ends with `*`.
    pub names: Vec<String>,
    /// The name that a `use` brings into scope.
    pub import: Option<String>,
}

impl Source {
    /// Takes `text` apart.
    pub(crate) fn new(text: &str) -> Source {
        let (mut code, mut literals, comments) = without_literals(text);
        for (start, end) in test_items(&code) {
            code.replace_range(start..end, &blank(&code[start..end]));
            literals.retain(|literal| !(start..end).contains(&literal.start));
        }
        Source { code, literals, comments }
    }

    /// The modules that have a file of their own.
    pub(crate) fn declarations(&self) -> Vec<Declaration> {
        let tokens = tokens(&self.code);
        let mut path = None;
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            match &words(&tokens[at..])[..] {
                ["[", "path", "="] => {
                    path =
                        self.literals.iter().find(|it| it.line == tokens[at].line).map(|it| it.text.clone());
                }
                ["mod", name, ";"] => {
                    found.push(Declaration { name: (*name).to_owned(), path: path.take() });
                }
                _ => {}
            }
        }
        found
    }

    /// The names of the functions, methods included.
    pub(crate) fn functions(&self) -> BTreeSet<String> {
        let tokens = tokens(&self.code);
        let names = tokens.windows(2).filter(|pair| pair[0].text == "fn").map(|pair| pair[1].text);
        names.filter(|name| is_name(name)).map(str::to_owned).collect()
    }

    /// Every path of two names or more, and every leaf of a `use`.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        // What each open brace belongs to: an inline module, or anything else.
        let mut braces: Vec<Option<String>> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let inside = || braces.iter().flatten().cloned().collect::<Vec<_>>();
            match &words(&tokens[at..])[..] {
                // `use<'a>` in a type is not an import.
                ["use", next, ..] if *next != "<" => {
                    at = leaves(&tokens, at + 1, &[], &inside(), &mut found);
                    continue;
                }
                ["mod", name, "{"] => {
                    braces.push(Some((*name).to_owned()));
                    at += 2;
                }
                ["{", ..] => braces.push(None),
                ["}", ..] => {
                    braces.pop();
                }
                [first, "::", ..] if is_name(first) => {
                    let (names, end) = names(&tokens, at);
                    // After a dot stands a method with a turbofish, after `::` the end of a qualified path.
                    let starts = at == 0 || ![".", "::"].contains(&tokens[at - 1].text);
                    if starts && names.len() > 1 {
                        found.push(Path { line: tokens[at].line, inside: inside(), names, import: None });
                    }
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        found
    }
}

#[derive(Debug)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// Names, `::`, and single characters for everything else.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, mut rest) in code.lines().enumerate() {
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            let length = match name_length(rest) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push(Token { line: line + 1, text: &rest[..length] });
            rest = &rest[length..];
        }
    }
    tokens
}

/// The texts of the next three tokens.
fn words<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    tokens.iter().take(3).map(|token| token.text).collect()
}

/// The path that starts at token `at`, and the token behind it.
fn names(tokens: &[Token<'_>], mut at: usize) -> (Vec<String>, usize) {
    let mut names = vec![tokens[at].text.to_owned()];
    while let ["::", name, ..] = &words(&tokens[at + 1..])[..] {
        if !is_name(name) {
            break;
        }
        names.push((*name).to_owned());
        at += 2;
    }
    (names, at + 1)
}

/// Adds each leaf of the `use` tree that starts at token `at`; returns the token behind the tree.
fn leaves(
    tokens: &[Token<'_>],
    mut at: usize,
    before: &[String],
    inside: &[String],
    found: &mut Vec<Path>,
) -> usize {
    let line = tokens[at].line;
    let mut names = before.to_vec();
    loop {
        match &words(&tokens[at..])[..] {
            ["{", ..] => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = leaves(tokens, at, &names, inside, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            ["::", ..] => {
                // A crate, not a module of this one.
                if names.is_empty() {
                    names.push(String::new());
                }
                at += 1;
            }
            [name, "::", ..] => {
                names.push((*name).to_owned());
                at += 2;
            }
            [name, rest @ ..] => {
                if *name != "self" || names.is_empty() {
                    names.push((*name).to_owned());
                }
                let (import, length) = match rest {
                    ["as", alias] => (Some((*alias).to_owned()), 3),
                    _ => (names.last().cloned(), 1),
                };
                found.push(Path { line, inside: inside.to_vec(), names, import });
                return at + length;
            }
            [] => return at,
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn name_length(text: &str) -> usize {
    if is_name(text) {
        text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
    } else {
        0
    }
}

/// As many bytes, each a space, but with the same line ends.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// The text with comments and the contents of literals blanked, its string literals, and its comments.
fn without_literals(text: &str) -> (String, Vec<Literal>, Vec<Comment>) {
    let mut code = String::with_capacity(text.len());
    let (mut literals, mut comments) = (Vec::new(), Vec::new());
    while code.len() < text.len() {
        let at = code.len();
        let rest = &text[at..];
        if let Some(length) = comment_length(rest) {
            let line = text[..at].matches('\n').count() + 1;
            comments.push(Comment { line, text: rest[..length].to_owned() });
            code += &blank(&rest[..length]);
        } else if let Some((opening, closing)) = quotes(rest) {
            let contents = &rest[opening..];
            let length = contents_length(contents, &closing, rest[..opening].contains('r'));
            let line = text[..at].matches('\n').count() + 1;
            literals.push(Literal { start: at + opening, line, text: contents[..length].to_owned() });
            code += &rest[..opening];
            code += &blank(&contents[..length]);
            code += &contents[length..(length + closing.len()).min(contents.len())];
        } else if let Some(length) = character_length(rest) {
            code += &blank(&rest[..length]);
        } else {
            let first = rest.chars().next().map_or(rest.len(), char::len_utf8);
            code += &rest[..name_length(rest).max(first)];
        }
    }
    (code, literals, comments)
}

/// Length of the comment at the start of `text`, if there is one. Block comments nest.
fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while let Some(next) = text[at..].find("/*").into_iter().chain(text[at..].find("*/")).min() {
        depth = if text[at + next..].starts_with("/*") { depth + 1 } else { depth - 1 };
        at += next + 2;
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}

/// Length of the quote that opens a string at the start of `text`, such as `"` or `br#"`, and the quote that
/// closes it.
fn quotes(text: &str) -> Option<(usize, String)> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| text.starts_with(prefix))?;
    let rest = &text[prefix.len()..];
    let hashes = if prefix.ends_with('r') { rest.len() - rest.trim_start_matches('#').len() } else { 0 };
    let closing = format!("\"{}", "#".repeat(hashes));
    rest[hashes..].starts_with('"').then_some((prefix.len() + hashes + 1, closing))
}

/// Length of the contents of a string up to `closing`. A raw string has no escapes.
fn contents_length(text: &str, closing: &str, raw: bool) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if text[at..].starts_with(closing) && !escaped {
            return at;
        }
        escaped = c == '\\' && !escaped && !raw;
    }
    text.len()
}

/// Length of a character literal at the start of `text`. A lifetime is not one.
fn character_length(text: &str) -> Option<usize> {
    let contents = text.strip_prefix('\'')?;
    let first = contents.chars().next()?;
    let length = match first {
        '\\' => 2 + contents.get(2..)?.find('\'')?,
        _ => first.len_utf8(),
    };
    contents.get(length..)?.starts_with('\'').then_some(length + 2)
}

/// Where each item under `#[cfg(test)]`, or under `#[cfg(all(test, ..))]`, starts and ends.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    const ATTRIBUTE: &str = "#[cfg(";
    let mut items: Vec<(usize, usize)> = Vec::new();
    for (start, _) in code.match_indices(ATTRIBUTE) {
        let condition = &code[start + ATTRIBUTE.len()..];
        let condition = &condition[..condition.find(']').unwrap_or(condition.len())];
        let mut words = condition.split(|c: char| !c.is_alphanumeric() && c != '_');
        let tests = words.any(|word| word == "test") && !condition.contains("not(test");
        if tests && items.last().is_none_or(|(_, end)| *end <= start) {
            items.push((start, start + item_length(&code[start..])));
        }
    }
    items
}

/// Length of the item at the start of `code`, its attributes included.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        // Below 0 the item was the last of what surrounds it.
        if depth < 0 {
            return at;
        }
        if depth == 0 && matches!(c, '}' | ';' | ',') {
            return at + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> String {
        Source::new(text).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn strings_of(text: &str) -> Vec<(usize, String)> {
        Source::new(text).literals.into_iter().map(|literal| (literal.line, literal.text)).collect()
    }

    /// `a::b as c` for an import, with the inline modules before a `/`.
    fn paths_of(text: &str) -> Vec<String> {
        let shown = |path: Path| {
            let inside: String = path.inside.iter().map(|name| format!("{name}/")).collect();
            let import = path.import.map_or(String::new(), |name| format!(" as {name}"));
            format!("{}: {inside}{}{import}", path.line, path.names.join("::"))
        };
        Source::new(text).paths().into_iter().map(shown).collect()
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(code_of("a // b \" c\n/// d\ne /* f /* g */ h */ i"), "a e i");
        assert_eq!(code_of("let a = \"// no comment\"; b"), "let a = \" \"; b");
        assert_eq!(strings_of("// \"a\"\n/* \"b\" */ \"c\""), [(2, "c".to_owned())]);
    }

    #[test]
    fn comments_are_kept_with_their_lines() {
        let text = "a // b\n/* c\n/* d */ */ e\n#[cfg(test)]\nmod t {\n    /// f\n}\n\"// g\"";
        let found = Source::new(text).comments;
        let expected = [(1, "// b"), (2, "/* c\n/* d */ */"), (6, "/// f")];
        assert_eq!(found, expected.map(owned).map(|(line, text)| Comment { line, text }));
    }

    #[test]
    fn every_kind_of_string_is_found() {
        let text = r####"f("a", b"b", r"c\", br#"d"e"#, c"f\"g", r#type, 'h')"####;
        let found: Vec<String> = strings_of(text).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, ["a", "b", "c\\", "d\"e", "f\\\"g"]);
        assert_eq!(strings_of("\"a\nb\"\n\"\\\\\" \"c\""), [(1, "a\nb"), (3, "\\\\"), (3, "c")].map(owned));
    }

    fn owned((line, text): (usize, &str)) -> (usize, String) {
        (line, text.to_owned())
    }

    #[test]
    fn a_character_is_no_string_and_a_lifetime_no_character() {
        assert_eq!(strings_of(r#"['"', '\'', '\\', '\u{22}', 'é', "a"]"#), [(1, "a")].map(owned));
        assert_eq!(code_of("fn f<'a>(x: &'a str, y: &'static str) {}").matches('\'').count(), 3);
    }

    #[test]
    fn unit_tests_are_left_out() {
        let text = "fn a() { \"b\" }\n#[cfg(test)]\nmod tests {\n    fn c() { \"}\" }\n}\nfn d() {}";
        assert_eq!(code_of(text), "fn a() { \" \" } fn d() {}");
        assert_eq!(strings_of(text), [(1, "b")].map(owned));
        assert_eq!(code_of("#[cfg(all(test, unix))] use a::b; c"), "c");
        assert_eq!(code_of("#[cfg(test)] #[inline] fn f(x: [u8; 3]) -> u8 { 1 } c"), "c");
        assert_eq!(code_of("S { #[cfg(test)] a: 1, b }"), "S { b }");
        assert_eq!(code_of("S { #[cfg(test)] a }"), "S { }");
    }

    #[test]
    fn other_conditions_are_kept() {
        assert_eq!(code_of("#[cfg(not(test))] a;"), "#[cfg(not(test))] a;");
        assert_eq!(code_of("#[cfg(feature = \"test\")] a;"), "#[cfg(feature = \" \")] a;");
        assert_eq!(code_of("#[cfg(unix)] mod a { b }"), "#[cfg(unix)] mod a { b }");
    }

    #[test]
    fn a_use_tree_is_taken_apart() {
        assert_eq!(paths_of("use crate::a::B;"), ["1: crate::a::B as B"]);
        assert_eq!(paths_of("pub(super) use self::a as b;"), ["1: self::a as b"]);
        assert_eq!(paths_of("use a::*;"), ["1: a::* as *"]);
        assert_eq!(paths_of("use ::a::b;"), ["1: ::a::b as b"]);
        let nested = "use crate::{\n    a::{self, B, c::{D as E, F}},\n    g,\n};";
        let leaves =
            ["a as a", "a::B as B", "a::c::D as E", "a::c::F as F"].map(|it| format!("2: crate::{it}"));
        assert_eq!(paths_of(nested), [&leaves[..], &["3: crate::g as g".to_owned()]].concat());
        assert_eq!(paths_of("fn f() -> impl X + use<'_> {}"), Vec::<String>::new());
    }

    #[test]
    fn paths_in_the_code_are_found() {
        assert_eq!(paths_of("let x: super::A = crate::b::c(1);"), ["1: super::A", "1: crate::b::c"]);
        assert_eq!(paths_of("a::<crate::b::C>()"), ["1: crate::b::C"]);
        assert_eq!(paths_of("x.collect::<a::B>()"), ["1: a::B"]);
        assert_eq!(paths_of("<a::B as c::D>::e::f"), ["1: a::B", "1: c::D"]);
        assert_eq!(paths_of("// crate::a\n\"crate::b\";\n#[cfg(test)]\nmod t { use super::*; }"), [""; 0]);
    }

    #[test]
    fn inline_modules_are_kept_in_mind() {
        let text = "mod a {\n    fn f() { if x {} }\n    use super::B;\n    mod c { d::e }\n}\nf::g";
        assert_eq!(paths_of(text), ["3: a/super::B as B", "4: a/c/d::e", "6: f::g"]);
    }

    #[test]
    fn functions_are_named() {
        let found = Source::new("fn a() {}\nimpl B { pub const fn c(f: fn(u8)) {} }\n// fn d\n").functions();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn declarations_name_files() {
        let text =
            "pub mod a;\n#[path = \"../b/mod.rs\"]\npub mod b;\nmod c {}\n// mod d;\n#[cfg(test)]\nmod e;";
        let found = Source::new(text).declarations();
        let expected = [("a", None), ("b", Some("../b/mod.rs".to_owned()))];
        assert_eq!(found, expected.map(|(name, path)| Declaration { name: name.to_owned(), path }));
    }
}

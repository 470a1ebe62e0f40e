//! The language of comments, messages and Markdown: the rules that can be counted, and the width of lines.

use std::path::Path;

use super::rules::{RULES, Rule, Scope};
use super::source::{Comment, Source};
use super::{assert_none, files_under, root};

/// Maximum number of columns of a line in a .rs file.
const MAX_COLUMNS: usize = 110;

/// Files that hold the patterns as data.
const DATA: &[&str] = &["tests/it/architecture/rules.rs", "tests/it/architecture/tidy.rs"];

/// Text files, by their extension.
const EXTENSIONS: &[&str] = &["rs", "md", "c"];

/// Consecutive lines of text, with their numbers from 1: a paragraph, an item of a list, or a message.
type Passage = Vec<(usize, String)>;

/// A word or a punctuation mark.
#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is_mark(&self) -> bool {
        self.text == ITEM || self.text.chars().all(|c| MARKS.contains(c))
    }

    fn ends_sentence(&self) -> bool {
        [".", "!", "?"].contains(&self.text.as_str())
    }
}

/// Punctuation marks that are tokens of their own.
const MARKS: &str = ".!?,;:#";

/// Stands for the mark of an item of a list, whose text need not be a sentence.
const ITEM: &str = "-";

/// Stands for inline code, which no pattern names. Other tokens are in lower case.
const CODE: &str = "CODE";

/// Words and marks of a passage. Inline code is one word.
fn tokens(passage: &Passage) -> Vec<Token> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (line, text) in passage {
        if text.starts_with("- ") || text.starts_with("* ") {
            found.push(Token { line: *line, text: ITEM.to_owned() });
        }
        let mut prose = String::new();
        for (index, part) in text.split('`').enumerate() {
            in_code ^= index > 0;
            prose += if in_code { CODE } else { part };
        }
        for word in prose.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric() && !MARKS.contains(c));
            let start = word.len() - word.trim_start_matches(|c| MARKS.contains(c)).len();
            let end = word.trim_end_matches(|c: char| !c.is_alphanumeric()).len().max(start);
            let lower = |text: &str| if text.contains(CODE) { CODE.to_owned() } else { text.to_lowercase() };
            let marks =
                |text: &str| text.matches(|c| MARKS.contains(c)).map(str::to_owned).collect::<Vec<_>>();
            let mut texts = marks(&word[..start]);
            texts.extend((start < end).then(|| lower(&word[start..end])));
            texts.extend(marks(&word[end..]));
            found.extend(texts.into_iter().map(|text| Token { line: *line, text }));
        }
    }
    found
}

/// True if `pattern` matches the tokens from `at` on.
fn matches_at(pattern: &[&str], tokens: &[Token], at: usize) -> bool {
    let Some((element, rest)) = pattern.split_first() else { return true };
    let token = tokens.get(at);
    let is_any = |words: &str| token.is_some_and(|token| words.split('|').any(|word| word == token.text));
    match *element {
        "^" => starts_statement(tokens, at) && matches_at(rest, tokens, at),
        "$" => token.is_none_or(Token::is_mark) && matches_at(rest, tokens, at),
        "..." => {
            let length = tokens[at..].iter().take_while(|token| !token.ends_sentence()).count();
            (at..=at + length).any(|next| matches_at(rest, tokens, next))
        }
        "*" => token.is_some_and(|token| !token.is_mark()) && matches_at(rest, tokens, at + 1),
        element => {
            let matched = match element.strip_prefix('!') {
                Some(words) => !is_any(words),
                None => is_any(element),
            };
            matched && matches_at(rest, tokens, at + 1)
        }
    }
}

/// True if a sentence starts at `at` that is not a question.
fn starts_statement(tokens: &[Token], at: usize) -> bool {
    let starts = at == 0 || tokens[at - 1].ends_sentence();
    let end = tokens[at..].iter().find(|token| token.ends_sentence());
    starts && end.is_none_or(|end| end.text != "?")
}

impl Rule {
    /// Lines of a passage in which the pattern starts.
    fn lines(&self, tokens: &[Token]) -> Vec<usize> {
        let pattern: Vec<&str> = self.pattern.split_whitespace().collect();
        // Before the first word there is none, which a leading `!` accepts.
        let at_start = pattern[0].starts_with('!') && matches_at(&pattern[1..], tokens, 0);
        let starts = (0..tokens.len()).filter(|at| matches_at(&pattern, tokens, *at));
        let hits = at_start.then_some(0).into_iter().chain(starts);
        let mut lines: Vec<usize> = hits.map(|at| tokens[at].line).collect();
        lines.dedup();
        lines
    }

    fn applies_to(&self, kind: Kind) -> bool {
        match self.scope {
            Scope::Docs => kind == Kind::Doc,
            Scope::Comments => kind == Kind::Doc || kind == Kind::Comment,
            Scope::Written => kind != Kind::Message,
            Scope::Text => true,
        }
    }
}

/// Kind of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of a doc comment.
    Doc,
    /// Of another comment.
    Comment,
    /// A string literal with several words.
    Message,
    /// Of a Markdown file.
    Markdown,
}

/// Splits Markdown, or the text of a comment, into passages. Code blocks are left out.
fn passages(lines: impl IntoIterator<Item = (usize, String)>) -> Vec<Passage> {
    let mut found: Vec<Passage> = Vec::new();
    let mut current = Passage::new();
    let mut fenced = false;
    // A code block of four spaces follows an empty line. Elsewhere the spaces continue an item of a list.
    let mut after_empty = true;
    for (number, text) in lines {
        let trimmed = text.trim();
        let is_fence = trimmed.starts_with("```");
        fenced ^= is_fence;
        let is_code = fenced || is_fence || (after_empty && text.starts_with("    "));
        let starts =
            trimmed.is_empty() || is_code || ["- ", "* ", "#", "|"].iter().any(|it| trimmed.starts_with(it));
        if starts && !current.is_empty() {
            found.push(std::mem::take(&mut current));
        }
        if !is_code && !trimmed.is_empty() {
            current.push((number, trimmed.to_owned()));
        }
        after_empty = trimmed.is_empty() || (is_code && !is_fence);
    }
    found.push(current);
    found.retain(|passage| !passage.is_empty());
    found
}

/// The passages of comments. Consecutive comments with the same marker are one text.
fn of_comments(comments: &[Comment]) -> Vec<(Kind, Passage)> {
    let mut found = Vec::new();
    let mut block: Vec<(usize, String)> = Vec::new();
    let mut block_marker = "";
    let mut finish = |marker: &str, block: &mut Vec<(usize, String)>| {
        let kind = if ["///", "//!"].contains(&marker) { Kind::Doc } else { Kind::Comment };
        found.extend(passages(std::mem::take(block)).into_iter().map(|passage| (kind, passage)));
    };
    for comment in comments {
        let marker = ["///", "//!", "//"].into_iter().find(|it| comment.text.starts_with(it)).unwrap_or("/*");
        let follows = block.last().is_some_and(|(line, _)| line + 1 == comment.line);
        if marker != block_marker || !follows {
            finish(block_marker, &mut block);
        }
        block_marker = marker;
        for (line, text) in (comment.line..).zip(comment.text.lines()) {
            let text = match marker {
                "/*" => text.trim().trim_start_matches("/*").trim_end_matches("*/").trim_start_matches('*'),
                marker => text.strip_prefix(marker).unwrap_or(text),
            };
            let text = text.strip_prefix(' ').unwrap_or(text);
            // In a comment of one line, spaces at its start are code only if it is documentation.
            block.push((line, if marker.len() == 3 { text } else { text.trim() }.to_owned()));
        }
    }
    finish(block_marker, &mut block);
    found
}

/// The passages of a string literal as written in the source; the escape of a newline separates them.
fn of_message(line: usize, text: &str) -> Vec<Passage> {
    let lines = (line..).zip(text.lines());
    let pieces = lines.flat_map(|(line, text)| {
        let text = text.strip_suffix('\\').unwrap_or(text);
        text.split_inclusive("\\n").map(move |piece| (line, piece.to_owned())).collect::<Vec<_>>()
    });
    let mut found = vec![Passage::new()];
    for (line, piece) in pieces {
        let last = found.len() - 1;
        found[last].push((line, piece.trim_end_matches("\\n").to_owned()));
        if piece.ends_with("\\n") {
            found.push(Passage::new());
        }
    }
    found
}

/// Every passage of the file at `path`, a path in the project.
fn of_file(path: &str, text: &str) -> Vec<(Kind, Passage)> {
    let mut found: Vec<(Kind, Passage)> = Vec::new();
    match Path::new(path).extension().and_then(|it| it.to_str()) {
        Some("md") => {
            let lines = (1..).zip(text.lines().map(str::to_owned));
            found.extend(passages(lines).into_iter().map(|it| (Kind::Markdown, it)));
        }
        Some("c") => found.extend(of_comments(&Source::new(text).comments)),
        Some("rs") => {
            let source = Source::new(text);
            found.extend(of_comments(&source.comments));
            // Texts in tests are expectations and input.
            let messages =
                source.literals.iter().filter(|it| !path.starts_with("tests/") && it.text.contains(' '));
            let messages = messages.flat_map(|it| of_message(it.line, &it.text));
            found.extend(messages.map(|it| (Kind::Message, it)));
        }
        _ => {}
    }
    found
}

/// The violations of the rules in a text: the place, the line, and the advice.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let line_of = |number: usize| lines[number - 1].trim();
    for (kind, passage) in of_file(path, text) {
        let words = tokens(&passage);
        for rule in RULES.iter().filter(|rule| rule.applies_to(kind)) {
            let Rule { pattern, instead, .. } = rule;
            let hits = rule.lines(&words).into_iter().map(|number| (number, line_of(number)));
            found.extend(hits.map(|(number, line)| {
                (number, format!("{path}:{number}: {line}\n        `{pattern}`: write {instead}"))
            }));
        }
    }
    if path.ends_with(".rs") {
        let wide = (1..).zip(text.lines()).filter(|(_, line)| line.chars().count() > MAX_COLUMNS);
        found.extend(wide.map(|(number, line)| {
            (number, format!("{path}:{number}: {}\n        wrap it at {MAX_COLUMNS} columns", line.trim()))
        }));
    }
    found.sort();
    found.into_iter().map(|(_, complaint)| complaint).collect()
}

/// The text files of the project, as paths in it.
fn texts() -> Vec<String> {
    let folders = ["src", "strategies", "examples", "benches", "tests", "docs"];
    let mut found: Vec<String> = EXTENSIONS.iter().flat_map(|it| files_under(&folders, it)).collect();
    let files = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let files =
        files.filter(|path| path.is_file()).filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
    found.extend(files.filter(|name| EXTENSIONS.iter().any(|it| name.ends_with(&format!(".{it}")))));
    found
}

#[test]
fn the_text_follows_the_rules() {
    let is_checked = |path: &String| !DATA.contains(&path.as_str());
    let found = texts().into_iter().filter(is_checked).flat_map(|path| {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        complaints(&path, &text)
    });
    assert_none("text that tests/it/architecture/rules.rs rejects", found);
}

#[test]
fn each_rule_rejects_its_example_and_accepts_the_other() {
    for rule in RULES {
        let hits = |text: &str| {
            let passage = vec![(7, text.to_owned())];
            rule.lines(&tokens(&passage))
        };
        assert_eq!(hits(rule.rejected), [7], "`{}` must reject: {}", rule.pattern, rule.rejected);
        assert_eq!(hits(rule.accepted), [0; 0], "`{}` must accept: {}", rule.pattern, rule.accepted);
        assert!(!rule.instead.is_empty());
    }
}

/// The lines of `text` that are rejected, as a file at `path`.
fn rejected(path: &str, text: &str) -> Vec<usize> {
    let number = |complaint: &String| complaint.split(':').nth(1).unwrap().parse().unwrap();
    complaints(path, text).iter().map(number).collect()
}

#[test]
fn each_kind_of_text_is_read() {
    // A sentence may continue on the next line; the line on which the pattern starts is named.
    assert_eq!(rejected("src/a.rs", "// Maps it\n// anew.\n/// As\n/// far as\n//! none\n//! of"), [2, 3, 5]);
    assert_eq!(rejected("src/a.rs", "let a = \"it is\\\n    mapped anew\"; /* read\nwhole */"), [2, 2]);
    assert_eq!(rejected("src/a.c", "/*\n * Maps it\n * anew.\n */\nputs(\"it is\\n\"); /* too */"), [3, 5]);
    assert_eq!(rejected("docs/a.md", "# Anew\n\n- one, mapped\n  anew\n\n| anew |"), [1, 4, 6]);
}

#[test]
fn code_questions_and_input_of_tests_are_not_read() {
    assert_eq!(
        rejected("src/a.rs", "/// Like `anew`, and\n/// `it is\n/// anew`.\nlet anew = \"anew\";"),
        [0; 0]
    );
    assert_eq!(
        rejected("src/a.rs", "/// ```text\n/// mapped anew\n/// ```\n//!\n//!     mapped anew"),
        [0; 0]
    );
    assert_eq!(rejected("docs/a.md", "```\nanew\n```\n\n    anew\n\n`anew`\n\nWhat is new?"), [0; 0]);
    assert_eq!(
        rejected("src/a.rs", "#[cfg(test)]\nmod tests {\n    const A: &str = \"mapped anew\";\n}"),
        [0; 0]
    );
    assert_eq!(rejected("tests/a.rs", "const A: &str = \"mapped anew\";"), [0; 0]);
}

#[test]
fn a_sentence_is_not_continued_by_the_next() {
    assert_eq!(rejected("src/a.rs", "// One; two. Three; four.\n\n// Five;\n// six;\n// seven."), [3]);
    assert_eq!(rejected("src/a.rs", "//! The first. Whether it\n//! runs.\n//!\n//! - what it is"), [1]);
}

#[test]
fn wide_lines_are_rejected_in_sources_only() {
    let (fits, wide) = ("é".repeat(MAX_COLUMNS), "é".repeat(MAX_COLUMNS + 1));
    assert_eq!(rejected("src/a.rs", &format!("{fits}\n{wide}")), [2]);
    assert_eq!(rejected("docs/a.md", &wide), [0; 0]);
}

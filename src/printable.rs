//! Foreign text on a terminal: names of files, strings of result files, output of tracers.

use std::borrow::Cow;

/// `text` as part of one line: every control character is escaped as in Rust source, as are the characters
/// that change the direction of text.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// `text` in which line ends and tabs stay.
#[cfg(feature = "cli")]
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_control(character) && !matches!(character, '\n' | '\t'))
}

/// C0, DEL, C1, and the embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9).
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_text_is_kept() {
        assert_eq!(line("plain, ä, 日本"), "plain, ä, 日本");
        assert_eq!(line("a\x1b]0;x\x07b\nc\x7f"), "a\\u{1b}]0;x\\u{7}b\\nc\\u{7f}");
        assert_eq!(line("\u{9b}31m\u{202e}evil\u{2066}"), "\\u{9b}31m\\u{202e}evil\\u{2066}");
    }

    #[cfg(feature = "cli")]
    #[test]
    fn lines_and_tabs_stay_in_a_text() {
        assert_eq!(lines("one\n\ttwo\r\n"), "one\n\ttwo\\r\n");
    }
}

//! Values in the files of `/proc` and `/sys`.

use std::path::Path;
use std::str::FromStr;

/// What a file of `/proc` or `/sys` says, without the white space around it; `None` for nothing.
///
/// Bytes that are not UTF-8 (in names of mount points) are replaced, not refused.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // Strings of the device tree end in a zero byte.
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number that stands alone in a file of `/proc` or `/sys`.
pub(super) fn read_number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    read(path)?.parse().ok()
}

/// The alternative in brackets: `none [mq-deadline] kyber` selects `mq-deadline`. A file that
/// offers no choice says its only value without brackets.
pub(super) fn selected(alternatives: &str) -> Option<String> {
    let words = || alternatives.split_whitespace();
    let bracketed = words().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let only = || words().next().filter(|_| words().count() == 1);
    bracketed.or_else(only).map(str::to_owned)
}

/// Names in a folder of `/sys`, sorted; empty if there is no such folder.
pub(super) fn names_in(folder: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_takes_the_word_in_brackets_or_the_only_one() {
        let selected = |text| selected(text);
        assert_eq!(selected("none [mq-deadline] kyber").as_deref(), Some("mq-deadline"));
        assert_eq!(selected("[none] ").as_deref(), Some("none"));
        assert_eq!(selected("none").as_deref(), Some("none"));
        assert_eq!(selected("always madvise"), None);
        assert_eq!(selected("[ ] ]["), None);
        assert_eq!(selected(""), None);
    }

    #[test]
    fn read_of_a_missing_or_empty_file_is_none() {
        assert_eq!(read("/proc/self/no-such-file"), None);
        assert_eq!(read("/dev/null"), None);
        assert_eq!(read_number::<u64>("/proc/self/comm"), None);
    }
}

//! Values in the files of `/proc` and `/sys`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Reads the text of a file without surrounding white space; `None` if there is no text or no such file.
///
/// Invalid UTF-8 (in names of mount points) is replaced, not rejected.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // Strings of the device tree end in a zero byte.
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads a file and parses its text.
pub(super) fn read_with<T>(path: impl AsRef<Path>, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    parse(&read(path)?)
}

/// Reads a file that holds one number.
pub(super) fn read_number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    read_with(path, |text| text.parse().ok())
}

/// Reads a file that holds one number, and multiplies the number by its unit.
pub(super) fn read_scaled(path: impl AsRef<Path>, unit: u64) -> Option<u64> {
    read_number::<u64>(path)?.checked_mul(unit)
}

/// Reads a file that holds 0 (false) or another number (true).
pub(super) fn read_flag(path: impl AsRef<Path>) -> Option<bool> {
    read_number(path).map(|flag: u8| flag != 0)
}

/// Value of the first line `name: value`.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim())
    })
}

/// The selected alternative, which is in brackets: `mq-deadline` in `none [mq-deadline] kyber`. A single
/// alternative may also have no brackets.
pub(super) fn selected(alternatives: &str) -> Option<String> {
    let words = || alternatives.split_whitespace();
    let bracketed = words().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let only = || words().next().filter(|_| words().count() == 1);
    bracketed.or_else(only).map(str::to_owned)
}

/// Paths of the entries of a folder, sorted; empty if the folder does not exist.
pub(super) fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Last component of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
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

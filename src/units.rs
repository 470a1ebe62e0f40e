//! Parsing and printing of sizes, fractions, times and counts.
//!
//! The error of a parser is a clause that quotes the value and states the valid form. The caller names the
//! flag.

use std::num::IntErrorKind;
use std::time::Duration;

/// A size in bytes: a number, or one with k, M, G or T, also as Ki or KiB (powers of 1024).
///
/// # Errors
/// The value is not a size from 1 to 2^63 - 1 bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => Some(0),
        "k" | "ki" | "kib" => Some(10),
        "m" | "mi" | "mib" => Some(20),
        "g" | "gi" | "gib" => Some(30),
        "t" | "ti" | "tib" => Some(40),
        _ => None,
    };
    let Some(shift) = shift.filter(|_| !number.is_empty()) else {
        return Err(format!("'{text}' is not a size; write bytes, or 4k, 64K, 1M, 1MiB (powers of 1024)"));
    };
    let too_large = || format!("'{text}' is more than 2^63 - 1 bytes, the largest file offset");
    let number: u64 = number.parse().map_err(|_| too_large())?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("a size must be at least 1".to_owned()),
        Some(bytes) if bytes <= i64::MAX as u64 => Ok(bytes),
        _ => Err(too_large()),
    }
}

/// Numbers, ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

/// A list of numbers, each of which `parse` accepts. An element is a number, `A..B` for the powers of two
/// from A to B, or `A..B/STEP` for every STEP from A to B.
///
/// # Errors
/// An element is not valid, or a range has no or too many numbers.
fn parse_list(text: &str, parse: impl Fn(&str) -> Result<u64, String>) -> Result<List<u64>, String> {
    let mut numbers = Vec::new();
    for element in text.split(',') {
        match element.split_once("..") {
            Some((first, rest)) => numbers.extend(range(element, first, rest, &parse)?),
            None => numbers.push(parse(element)?),
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(List(numbers))
}

/// Most numbers of a range.
const MOST_NUMBERS: u64 = 10_000;

/// The numbers of the range `first..rest`, which is `text`.
fn range(
    text: &str,
    first: &str,
    rest: &str,
    parse: &impl Fn(&str) -> Result<u64, String>,
) -> Result<Vec<u64>, String> {
    let (last, step) = rest.split_once('/').map_or((rest, None), |(last, step)| (last, Some(step)));
    let (low, high) = (parse(first)?, parse(last)?);
    if low > high {
        return Err(format!(
            "'{text}' is an empty range; write the smaller number first, as in {last}..{first}"
        ));
    }
    let Some(step) = step else {
        let powers = (0..63).map(|exponent| 1 << exponent).filter(|size| (low..=high).contains(size));
        let powers: Vec<u64> = powers.collect();
        let remedy = "write A..B/STEP for other numbers";
        return if powers.is_empty() {
            Err(format!("'{text}' contains no power of two; {remedy}"))
        } else {
            Ok(powers)
        };
    };
    let step = parse_size(step)?;
    if (high - low) / step >= MOST_NUMBERS {
        return Err(format!("'{text}' has more than {MOST_NUMBERS} numbers; use a larger step"));
    }
    Ok((low..=high).step_by(step as usize).collect())
}

/// A list of sizes in bytes.
///
/// # Errors
/// Those of [`parse_list`].
pub(crate) fn parse_sizes(text: &str) -> Result<List<u64>, String> {
    parse_list(text, parse_size)
}

/// A list of whole numbers of at least 1.
///
/// # Errors
/// Those of [`parse_list`].
pub(crate) fn parse_counts(text: &str) -> Result<List<u64>, String> {
    parse_list(text, parse_count)
}

/// A list of lengths of a queue.
///
/// # Errors
/// Those of [`parse_list`].
pub(crate) fn parse_depths(text: &str) -> Result<List<u32>, String> {
    small(parse_list(text, |text| parse_depth(text).map(u64::from))?)
}

/// A list of numbers of workers.
///
/// # Errors
/// Those of [`parse_list`].
pub(crate) fn parse_thread_counts(text: &str) -> Result<List<u32>, String> {
    small(parse_list(text, |text| parse_threads(text).map(u64::from))?)
}

/// A list of percentages.
///
/// # Errors
/// Those of [`parse_list`].
pub(crate) fn parse_percents(text: &str) -> Result<List<u32>, String> {
    small(parse_list(text, |text| parse_percent(text).map(u64::from))?)
}

/// A list of numbers that all fit: their parser saw to it.
fn small(list: List<u64>) -> Result<List<u32>, String> {
    let numbers = list.0.into_iter().map(u32::try_from).collect::<Result<Vec<u32>, _>>();
    numbers.map(List).map_err(|error| error.to_string())
}

/// A fraction: `2%` or `0.02`, above 0 and below 1.
///
/// # Errors
/// The value is not such a fraction.
pub(crate) fn parse_fraction(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let fraction = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    fraction
        .filter(|fraction| *fraction > 0.0 && *fraction < 1.0)
        .ok_or_else(|| format!("'{text}' is not a fraction; write 2% or 0.02"))
}

/// A time with a unit: `60s` or `2min`.
///
/// # Errors
/// The value is not a time above zero.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
    parsed.ok_or_else(|| format!("'{text}' is not a time; write 60s or 2min"))
}

/// A whole number of at least 1.
///
/// # Errors
/// The value is not such a number.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    parse_positive(text, u64::MAX)
}

fn parse_positive(text: &str, maximum: u64) -> Result<u64, String> {
    let too_large = || format!("'{text}' is too large; the maximum is {maximum}");
    match text.parse::<u64>() {
        Ok(number) if number > maximum => Err(too_large()),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(too_large()),
        Ok(0) | Err(_) => Err(format!("'{text}' is not a positive whole number")),
        Ok(number) => Ok(number),
    }
}

/// Length of a queue: a whole number of at least 1.
///
/// # Errors
/// The value is not such a number, or more than any queue takes.
pub(crate) fn parse_depth(text: &str) -> Result<u32, String> {
    parse_positive(text, u32::MAX.into()).map(|depth| depth as u32)
}

/// Maximum number of workers.
pub(crate) const MAX_THREADS: u32 = 1024;

/// A number of workers of at least 1.
///
/// # Errors
/// The value is not such a number, or too large.
pub(crate) fn parse_threads(text: &str) -> Result<u32, String> {
    parse_positive(text, MAX_THREADS.into()).map(|threads| threads as u32)
}

/// A percentage: a whole number from 0 to 100.
///
/// # Errors
/// The value is not such a number.
pub(crate) fn parse_percent(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|percent| *percent <= 100);
    percent.ok_or_else(|| format!("'{text}' is not a percentage; write a whole number from 0 to 100"))
}

/// A pause in seconds: a decimal number of at least 0.
///
/// # Errors
/// The value is not such a number.
pub(crate) fn parse_pause(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("'{text}' is not a time; write 0 or more seconds"))
}

/// A seed: a whole number.
///
/// # Errors
/// The value is not such a number.
pub(crate) fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("'{text}' is not a whole number from 0 to 2^64 - 1"))
}

/// Units of bytes.
const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// A number of bytes in the largest unit that gives at least 1, with three significant digits: `4 KiB`, `1.25
/// MiB`.
pub(crate) fn size(bytes: f64) -> String {
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    let digits = format!("{value:.decimals$}");
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits} {}", UNITS[unit])
}

/// A time in the unit that gives one to three digits before the point.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.1} us", s * 1e6),
        s => format!("{:.1} ns", s * 1e9),
    }
}

/// `1 time`, `3 times`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The text with a capital letter at its start.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("1", 1),
            ("4k", 4096),
            ("64K", 65536),
            ("1M", 1 << 20),
            ("1MiB", 1 << 20),
            ("2Gi", 2 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_values_are_refused_with_a_reason() {
        for text in [
            "",
            "k",
            "0",
            "0k",
            "-1",
            "4kb",
            "4KB",
            "4 k",
            "1.5M",
            "x",
            "99999999999999999999",
            "9999999999T",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert!(parse_size("9223372036854775807").is_ok());
        assert!(parse_size("9223372036854775808").is_err());
    }

    #[test]
    fn ranges_and_lists_of_sizes() {
        assert_eq!(parse_sizes("1..16M").map(|sizes| sizes.0.len()), Ok(25));
        assert_eq!(parse_sizes("4k,64k,4k"), Ok(List(vec![4096, 65536])));
        assert_eq!(parse_sizes("3..9"), Ok(List(vec![4, 8])));
        assert_eq!(parse_sizes("4k..16k/4k"), Ok(List(vec![4096, 8192, 12288, 16384])));
        assert_eq!(parse_depths("1..8,3,12..20/4"), Ok(List(vec![1, 2, 3, 4, 8, 12, 16, 20])));
        assert_eq!(parse_percents("0..100/25"), Ok(List(vec![0, 25, 50, 75, 100])));
        assert_eq!(parse_thread_counts("2,1"), Ok(List(vec![1, 2])));
        for text in
            ["1..4/0", "1..4/x", "4..1/1", "..", "1..", "..4", "1,,2", "", "1..18446744073709551615/1"]
        {
            assert!(parse_counts(text).is_err(), "{text}");
        }
        assert!(parse_thread_counts("1..2048").is_err() && parse_percents("0..100").is_ok());
        assert!(parse_sizes("5..7").is_err() && parse_sizes("9..3").is_err() && parse_sizes("1..x").is_err());
    }

    #[test]
    fn fractions_times_and_counts() {
        assert_eq!(parse_fraction("2%"), Ok(0.02));
        assert_eq!(parse_fraction("0.5"), Ok(0.5));
        assert!(["0%", "100%", "x"].iter().all(|text| parse_fraction(text).is_err()));
        assert_eq!(parse_time("2min"), Ok(Duration::from_secs(120)));
        assert!(parse_time("0s").is_err() && parse_time("5").is_err());
        assert_eq!(parse_pause("0.25"), Ok(Duration::from_millis(250)));
        assert!(["-1", "nan", "1e300"].iter().all(|text| parse_pause(text).is_err()));
        assert!(parse_depth("4294967296").is_err() && parse_depth("0").is_err());
        assert_eq!((parse_percent("70"), parse_percent("0%")), (Ok(70), Ok(0)));
        assert!(["101", "-1", "70.5", "", "%"].iter().all(|text| parse_percent(text).is_err()));
        assert!(
            parse_threads("1024") == Ok(1024)
                && parse_threads("1025").is_err()
                && parse_threads("0").is_err()
        );
    }

    #[test]
    fn printed_sizes_and_times_have_their_unit() {
        for (bytes, text) in [
            (1.0, "1 B"),
            (512.0, "512 B"),
            (4096.0, "4 KiB"),
            (1.25 * 1024.0, "1.25 KiB"),
            (1023.9, "1 KiB"),
            (4300.0, "4.2 KiB"),
            (1310720.0, "1.25 MiB"),
            (1048575.9, "1 MiB"),
            (f64::from(15 << 20), "15 MiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(seconds(0.0215), "21.5 ms");
        assert_eq!(counted(1, "time"), "1 time");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..proptest::prelude::ProptestConfig::default()
        })]

        #[test]
        fn no_text_breaks_a_parser(text in ".{0,24}") {
            let sizes = parse_sizes(&text).map(|sizes| sizes.0).unwrap_or_default();
            proptest::prop_assert!(sizes.iter().all(|bytes| (1..=i64::MAX as u64).contains(bytes)));
            proptest::prop_assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]));
            let _ = (parse_fraction(&text), parse_time(&text), parse_pause(&text), parse_depth(&text));
            let _ = (parse_count(&text), parse_seed(&text));
        }

        #[test]
        fn a_size_in_any_unit_is_the_same(number in 1..1_000_000_u64, unit in 0..4_u8, case in 0..3_usize) {
            let unit = usize::from(unit);
            let units = [["k", "Ki", "KiB"], ["M", "mi", "MiB"], ["g", "Gi", "GIB"], ["T", "ti", "tib"]];
            let text = format!("{number}{}", units[unit][case]);
            proptest::prop_assert_eq!(parse_size(&text), Ok(number << (10 * (unit + 1))));
        }

        #[test]
        fn a_fraction_is_a_number_or_percent(percent in 0.001..99.9_f64) {
            let of_percent = parse_fraction(&format!("{percent}%")).unwrap();
            let of_number = parse_fraction(&(percent / 100.0).to_string()).unwrap();
            proptest::prop_assert!((of_percent / of_number - 1.0).abs() < 1e-12);
        }
    }
}

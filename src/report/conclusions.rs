//! Conclusions from a sweep that a reader can act on: two to four sentences. Each follows from intervals that
//! do not overlap, or that lie close together; a sentence that the intervals do not support is left out.

use super::axes::{self, Axis};
use super::sweep::{SweepDocument, SweepRun};
use super::winner::{Cell, RAMP_WINDOWS, Winner, read_ahead_bytes, winner};
use crate::units;

/// Paths are alike if no interval is further than this from another, as a fraction.
const ALIKE: f64 = 0.05;

/// The sentences.
pub(super) fn sentences(document: &SweepDocument) -> Vec<String> {
    if !document.further_axes().is_empty() {
        return of_many_axes(document);
    }
    let rows = rows(document);
    let on_ramp = on_ramp(&rows, read_ahead_bytes(document));
    let sentences = [fastest(&rows), on_ramp, direct(&rows), alike(&rows), sufficient_size(&rows)];
    sentences.into_iter().flatten().take(MOST).collect()
}

/// Most sentences, of which the first are the most important.
const MOST: usize = 4;

/// The best points of a sweep over more axes than strategy and buffer size, and how much of an axis they
/// need.
fn of_many_axes(document: &SweepDocument) -> Vec<String> {
    let bandwidths: Vec<Ranked> = document.runs.iter().filter_map(Ranked::by_bandwidth).collect();
    let latencies: Vec<Ranked> = document.runs.iter().filter_map(Ranked::by_p99).collect();
    let Some(fastest) = best(&bandwidths) else { return Vec::new() };
    let all: Vec<Axis> = Axis::ALL.into_iter().filter(|axis| names(document, *axis)).collect();
    let words = |ranked: &Ranked| axes::words(&all, &ranked.run.benchmark_configuration);
    let others = |count: usize, than: &str| match count {
        0 => String::new(),
        1 => format!("; another point is not clearly {than}"),
        count => format!("; {count} other points are not clearly {than}"),
    };
    let ios = |ranked: &Ranked| {
        let block_bytes = ranked.run.benchmark_configuration.buffersize as f64;
        format!(
            "{:.0} MiB/s, {:.0} I/Os per second",
            ranked.median / 1024.0,
            ranked.median * 1024.0 / block_bytes
        )
    };
    let mut sentences = vec![format!(
        "Highest bandwidth: {} ({}{}).",
        words(fastest),
        ios(fastest),
        others(fastest.rivals(&bandwidths), "lower")
    )];
    sentences.extend(best(&latencies).map(|lowest| {
        let p99 = units::seconds(-lowest.median / 1e9);
        format!("Lowest p99: {} ({p99}{}).", words(lowest), others(lowest.rivals(&latencies), "higher"))
    }));
    let enough = [Axis::Iodepth, Axis::Threads].into_iter();
    sentences.extend(enough.filter_map(|axis| sufficient(document, axis, fastest, &bandwidths)));
    sentences
}

/// True if points are named by this axis: if it varies, and always by strategy and size.
fn names(document: &SweepDocument, axis: Axis) -> bool {
    [Axis::Strategy, Axis::Buffersize].contains(&axis) || document.sweep_configuration.axes.contains(&axis)
}

/// A point with a value of which more is better, and its interval.
#[derive(Clone, Copy)]
struct Ranked<'a> {
    run: &'a SweepRun,
    low: f64,
    median: f64,
    high: f64,
}

impl<'a> Ranked<'a> {
    fn by_bandwidth(run: &'a SweepRun) -> Option<Ranked<'a>> {
        Cell::of(run).map(|Cell { low, median, high, .. }| Ranked { run, low, median, high })
    }

    /// By the p99 of the latency: less is better, so its sign is changed.
    fn by_p99(run: &'a SweepRun) -> Option<Ranked<'a>> {
        let p99 = run.summary.as_ref()?.latencies.latency_ns.as_ref()?.p99?;
        let (low, high) = p99.interval.filter(|_| !run.benchmark_configuration.is_floor())?;
        Some(Ranked { run, low: -high, median: -p99.median, high: -low })
    }

    /// Number of other points whose intervals overlap with this one.
    fn rivals(&self, all: &[Ranked]) -> usize {
        let is_rival = |other: &&Ranked| !std::ptr::eq(other.run, self.run) && other.high >= self.low;
        all.iter().filter(is_rival).count()
    }
}

fn best<'a, 'b>(all: &'b [Ranked<'a>]) -> Option<&'b Ranked<'a>> {
    all.iter().max_by(|a, b| a.low.total_cmp(&b.low))
}

/// The smallest value on an axis with which the `fastest` point reaches nearly all of its bandwidth.
fn sufficient(document: &SweepDocument, axis: Axis, fastest: &Ranked, all: &[Ranked]) -> Option<String> {
    if !document.sweep_configuration.axes.contains(&axis) {
        return None;
    }
    let others: Vec<Axis> =
        Axis::ALL.into_iter().filter(|other| *other != axis && names(document, *other)).collect();
    let of = |ranked: &Ranked| axes::words(&others, &ranked.run.benchmark_configuration);
    let value = |ranked: &Ranked| axis.value(&ranked.run.benchmark_configuration);
    let mut curve: Vec<&Ranked> = all.iter().filter(|ranked| of(ranked) == of(fastest)).collect();
    curve.sort_by(|a, b| value(a).number.unwrap_or(0.0).total_cmp(&value(b).number.unwrap_or(0.0)));
    let enough = curve.iter().find(|ranked| ranked.low >= fastest.high * (1.0 - ALIKE))?;
    (value(enough) != value(fastest)).then(|| {
        format!(
            "{} reaches 95 % of the bandwidth of {} ({}).",
            value(enough).words,
            value(fastest).words,
            of(fastest)
        )
    })
}

/// The points of one size that have an interval, without the floor. None if cold samples of the size are too
/// short to be compared.
struct Row<'a> {
    block_bytes: u64,
    cells: Vec<Cell<'a>>,
    winner: Winner<'a>,
}

fn rows(document: &SweepDocument) -> Vec<Row<'_>> {
    let row = |block_bytes: &u64| {
        let runs: Vec<&SweepRun> = document
            .runs
            .iter()
            .filter(|run| run.benchmark_configuration.buffersize == *block_bytes)
            .collect();
        let winner = winner(&runs, document);
        let compared = runs.iter().filter(|_| winner != Winner::OnRamp);
        let cells = compared.filter_map(|run| Cell::of(run)).collect();
        Row { block_bytes: *block_bytes, cells, winner }
    };
    document.sweep_configuration.block_sizes_bytes.iter().map(row).collect()
}

fn size(bytes: u64) -> String {
    units::size(bytes as f64)
}

/// A range of sizes in words.
fn range(rows: &[&Row]) -> String {
    match rows {
        [only] => size(only.block_bytes),
        [first, .., last] => format!("{} to {}", size(first.block_bytes), size(last.block_bytes)),
        [] => String::new(),
    }
}

/// Neighbouring rows for which `key` has the same value, as ranges in words by that value.
fn ranges<'a>(rows: &'a [Row], key: impl Fn(&Row<'a>) -> Option<&'a str>) -> Vec<(&'a str, Vec<String>)> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    for chunk in rows.chunk_by(|one, other| key(one) == key(other)) {
        let Some(name) = chunk.first().and_then(&key) else { continue };
        let words = range(&chunk.iter().collect::<Vec<_>>());
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some((_, ranges)) => ranges.push(words),
            None => found.push((name, vec![words])),
        }
    }
    found
}

/// The fastest path of each range of sizes that has one.
fn fastest(rows: &[Row]) -> Option<String> {
    let compared = rows.iter().filter(|row| row.cells.len() > 1).count();
    let undecided = rows.iter().filter(|row| row.winner == Winner::None && row.cells.len() > 1).count();
    let winners = ranges(rows, |row| row.winner.name());
    let words: Vec<String> =
        winners.iter().map(|(name, ranges)| format!("{name} ({})", ranges.join(", "))).collect();
    let rest = match undecided {
        0 => String::new(),
        count => format!("; at {} no path is clearly the fastest", units::counted(count as u64, "size")),
    };
    match (compared, words.is_empty()) {
        (0, _) => None,
        (_, true) => Some("No path is clearly the fastest at any size.".to_owned()),
        (_, false) => Some(format!("Fastest by buffer size: {}{rest}.", words.join(", "))),
    }
}

/// The sizes at which no path is compared, because cold samples are too short.
fn on_ramp(rows: &[Row], window_bytes: u64) -> Option<String> {
    let (_, sizes) = ranges(rows, |row| (row.winner == Winner::OnRamp).then_some("")).pop()?;
    Some(format!(
        "No path is called the fastest at {}: the file or the total is smaller than {RAMP_WINDOWS} readahead \
         windows of {}, so cold samples mostly measure the start of readahead.",
        sizes.join(", "),
        size(window_bytes)
    ))
}

/// The size from which all paths through the page cache are alike.
fn alike(rows: &[Row]) -> Option<String> {
    let is_alike = |row: &&Row| {
        let buffered: Vec<&Cell> = row.cells.iter().filter(|cell| !cell.direct).collect();
        let low = buffered.iter().map(|cell| cell.low).fold(f64::INFINITY, f64::min);
        let high = buffered.iter().map(|cell| cell.high).fold(0.0, f64::max);
        buffered.len() > 1 && high <= low * (1.0 + ALIKE)
    };
    let from = rows.iter().rev().take_while(is_alike).last()?;
    Some(format!("From {} on, all paths through the page cache are within 5 %.", size(from.block_bytes)))
}

/// The size from which the fastest path reaches nearly all of its highest bandwidth.
fn sufficient_size(rows: &[Row]) -> Option<String> {
    let cells = || rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    let (_, best) = cells().max_by(|(_, a), (_, b)| a.low.total_cmp(&b.low))?;
    let (best_row, _) = cells().find(|(_, cell)| std::ptr::eq(*cell, best))?;
    let enough = |cell: &Cell| cell.strategy == best.strategy && cell.low >= best.high * (1.0 - ALIKE);
    let (from, _) = cells().find(|(_, cell)| enough(cell))?;
    if from.block_bytes == best_row.block_bytes {
        return None;
    }
    Some(format!(
        "{} reaches 95 % of its highest bandwidth ({:.0} MiB/s, at {}) with {}.",
        best.strategy,
        best.median_mib_per_second(),
        size(best_row.block_bytes),
        size(from.block_bytes)
    ))
}

/// The gain or loss of O_DIRECT.
fn direct(rows: &[Row]) -> Option<String> {
    let pays = ranges(rows, |row| (row.best(true)?.low > row.best(false)?.high).then_some(""));
    if let Some((_, sizes)) = pays.first() {
        return Some(format!("O_DIRECT pays off at {}.", sizes.join(", ")));
    }
    // The fraction of the fastest other path that O_DIRECT reaches at most.
    let reached = |row: &Row| Some(row.best(true)?.high / row.best(false)?.low);
    let fractions = rows.iter().filter_map(|row| Some((row, reached(row)?)));
    let (row, fraction) = fractions.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (fraction < 1.0).then(|| {
        format!(
            "O_DIRECT does not pay off here: it reaches at most {:.0} % of the fastest other path, at {}.",
            (100.0 * fraction).ceil(),
            size(row.block_bytes)
        )
    })
}

impl Row<'_> {
    /// The cell with the highest lower end, with or without O_DIRECT.
    fn best(&self, direct: bool) -> Option<&Cell<'_>> {
        let cells = self.cells.iter().filter(|cell| cell.direct == direct);
        cells.max_by(|a, b| a.low.total_cmp(&b.low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(block_bytes: u64, winner: Option<&'a str>, cells: &[(&'a str, f64, f64, bool)]) -> Row<'a> {
        let cell = |(strategy, low, high, direct): &(&'a str, f64, f64, bool)| Cell {
            strategy,
            low: *low,
            high: *high,
            median: (low + high) / 2.0,
            direct: *direct,
        };
        let winner = winner.map_or(Winner::None, Winner::Is);
        Row { block_bytes, winner, cells: cells.iter().map(cell).collect() }
    }

    #[test]
    fn ranges_with_one_winner_are_joined() {
        let two = |a: f64, b: f64| [("a", a, a + 1.0, false), ("b", b, b + 1.0, false)];
        let rows = [
            row(1024, Some("a"), &two(20.0, 10.0)),
            row(2048, Some("a"), &two(30.0, 20.0)),
            row(4096, None, &two(40.0, 40.5)),
            row(8192, Some("b"), &two(50.0, 60.0)),
        ];
        assert_eq!(
            fastest(&rows).unwrap(),
            "Fastest by buffer size: a (1 KiB to 2 KiB), b (8 KiB); at 1 size no path is clearly the fastest."
        );
        assert_eq!(fastest(&rows[2..3]).unwrap(), "No path is clearly the fastest at any size.");
        assert_eq!(fastest(&[row(1024, None, &[("a", 1.0, 2.0, false)])]), None, "nothing to compare");
    }

    #[test]
    fn sizes_on_the_ramp_are_named_and_not_compared() {
        let ramp = |bytes| Row { winner: Winner::OnRamp, ..row(bytes, None, &[]) };
        let rows = [ramp(1024), ramp(2048), row(4096, Some("a"), &[]), ramp(8192)];
        let sentence = on_ramp(&rows, 8 << 20).unwrap();
        let begin = "No path is called the fastest at 1 KiB to 2 KiB, 8 KiB: ";
        assert!(
            sentence.starts_with(begin) && sentence.contains("4 readahead windows of 8 MiB"),
            "{sentence}"
        );
        assert_eq!(on_ramp(&rows[2..3], 8 << 20), None);
        assert_eq!((fastest(&rows[..2]), direct(&rows[..2])), (None, None));
    }

    #[test]
    fn alike_is_a_suffix_of_the_sizes_without_o_direct() {
        let alike_row = |bytes, high| {
            row(bytes, None, &[("a", 100.0, 101.0, false), ("b", 101.0, high, false), ("d", 5.0, 6.0, true)])
        };
        let rows =
            [alike_row(1024, 103.0), alike_row(2048, 106.0), alike_row(4096, 104.0), alike_row(8192, 105.0)];
        assert_eq!(alike(&rows).unwrap(), "From 4 KiB on, all paths through the page cache are within 5 %.");
        assert_eq!(alike(&rows[1..2]), None);
    }

    #[test]
    fn o_direct_pays_off_only_where_its_interval_lies_above() {
        let rows =
            |direct: f64| [row(4096, None, &[("a", 100.0, 101.0, false), ("d", direct, direct + 1.0, true)])];
        assert_eq!(direct(&rows(150.0)).unwrap(), "O_DIRECT pays off at 4 KiB.");
        assert_eq!(
            direct(&rows(49.0)).unwrap(),
            "O_DIRECT does not pay off here: it reaches at most 50 % of the fastest other path, at 4 KiB."
        );
        assert_eq!(direct(&rows(100.5)), None, "the intervals overlap");
    }

    #[test]
    fn the_sufficient_size_is_the_first_within_five_percent_of_the_best() {
        let at = |bytes, low: f64| row(bytes, None, &[("a", low, low * 1.01, false)]);
        let rows = [
            at(1024, 50.0 * 1024.0),
            at(2048, 98.0 * 1024.0),
            at(4096, 99.0 * 1024.0),
            at(8192, 100.0 * 1024.0),
        ];
        assert_eq!(
            sufficient_size(&rows).unwrap(),
            "a reaches 95 % of its highest bandwidth (100 MiB/s, at 8 KiB) with 2 KiB."
        );
        assert_eq!(sufficient_size(&rows[3..]), None);
    }
}

//! The page of `iobench plot` in a browser, with a mouse and a keyboard.

mod chromium;

use std::path::PathBuf;

use chromium::Page;
use serde_json::Value;
use tempfile::TempDir;

use crate::common;
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [CHROMIUM] => the_page_answers_to_mouse_and_keyboard_and_asks_nobody,
        [CHROMIUM] => the_switches_are_those_that_a_figure_has,
    ]
}

const SWEEP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sweep.json");

/// The page of the sweep, and the folder that holds it.
fn page() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("page.html");
    let output = common::iobench()
        .args(["plot", SWEEP, "--knees", "--mark", "100k", "-o"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    (folder, path)
}

/// The runs of the sweep with a summary: name of the series, bytes, summary.
fn points() -> Vec<(String, u64, Value)> {
    let sweep: Value = serde_json::from_str(&std::fs::read_to_string(SWEEP).unwrap()).unwrap();
    let runs = sweep["runs"].as_array().unwrap().iter().filter(|run| !run["summary"].is_null());
    let point = |run: &Value| {
        let configuration = &run["benchmark_configuration"];
        let strategy = configuration["strategy"].as_str().unwrap().to_owned();
        (strategy, configuration["buffersize"].as_u64().unwrap(), run["summary"].clone())
    };
    runs.map(point).collect()
}

fn marker(series: &str, bytes: u64) -> String {
    format!(".linear .marker[aria-label^='{series}'][aria-label*='({bytes} bytes)']")
}

/// Text of the box beside a marker; empty if it is hidden.
fn hover(page: &mut Page) -> String {
    let text = page.value(
        "(() => { const it = document.getElementById('hover'); return it.hidden ? '' : it.textContent; })()",
    );
    text.as_str().unwrap().to_owned()
}

/// Asserts that a text has the numbers of a summary, in MiB/s with four significant digits.
fn assert_says(text: &str, series: &str, bytes: u64, summary: &Value) {
    let interval = &summary["interval_kib_per_second"];
    let number = |value: &Value| {
        let mib = value.as_f64().unwrap() / 1024.0;
        let decimals = (3 - mib.log10().floor() as i32).max(0) as usize;
        let text = format!("{mib:.decimals$}");
        if text.contains('.') { text.trim_end_matches(['0', '.']).to_owned() } else { text }
    };
    for expected in [
        format!("{series}\n"),
        format!("({bytes} bytes)"),
        format!("median {} MiB/s", number(&summary["median_kib_per_second"])),
        format!("interval {} MiB/s to {} MiB/s", number(&interval[0]), number(&interval[1])),
        format!("n = {}", summary["n"]),
    ] {
        assert!(text.contains(&expected), "{expected} is not in {text}");
    }
}

/// Number of elements that a selector finds and that are shown.
fn visible(page: &mut Page, selector: &str) -> usize {
    let all = format!("[...document.querySelectorAll(\"{selector}\")]");
    let count = page.value(&format!("{all}.filter((it) => it.getClientRects().length > 0).length"));
    count.as_u64().unwrap() as usize
}

fn the_page_answers_to_mouse_and_keyboard_and_asks_nobody() {
    let (_folder, path) = page();
    let mut page = Page::open(&path);
    hovering_shows_the_values_of_the_result(&mut page);
    the_table_has_every_point(&mut page);
    a_click_in_the_legend_hides_a_series_and_brings_it_back(&mut page);
    a_knee_is_hidden_with_the_last_of_its_series(&mut page);
    the_switches_change_the_axis(&mut page);
    the_switches_hide_samples_and_marked_sizes(&mut page);
    the_keyboard_reaches_every_point(&mut page);
    the_environment_is_there(&mut page);
    assert_eq!(page.complaints, Vec::<String>::new());
    let address = format!("file://{}", path.display());
    let outside = page.requests.iter().filter(|it| **it != address && !it.starts_with("data:"));
    assert_eq!(outside.collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(page.requests.contains(&address), "requests are seen");
}

/// A sweep over depth and threads with latencies, as a page of each kind.
fn the_switches_are_those_that_a_figure_has() {
    let scratch = common::Filesystem::scratch();
    let file = common::data_file(scratch.folder(), 1 << 20);
    let (result, page) = (scratch.folder().join("deep.json"), scratch.folder().join("page.html"));
    let list = "sweep --strategy pread,io_uring -b 4k --iodepth 1,4 --threads 1,2 --latency --largest-n 6 -o";
    let mut command = common::iobench();
    common::finish(command.args(list.split_whitespace()).arg(&result).arg(file)).ok();
    // Kind, whether it has scales and samples to switch, rows of the table, and what the first series
    // consists of.
    for (options, scales, samples, rows, part) in [
        ("", true, true, 6, ".marker"),
        ("--kind samples", true, false, 0, "circle"),
        ("--kind cdf", false, false, 6 * 3, ".marker"),
        ("--kind ratio --to pread", true, false, 4, ".marker"),
        ("--kind heatmap", false, false, 0, ".cell"),
    ] {
        let mut command = common::iobench();
        command.arg("plot").arg(&result).args(options.split_whitespace()).arg("-o").arg(&page);
        common::finish(&mut command).ok();
        let page = &mut Page::open(&page);
        assert_eq!(visible(page, "input[name=y]") > 0, scales, "{options}");
        assert_eq!(visible(page, "input[name=samples]") > 0, samples, "{options}");
        assert_eq!(visible(page, "input[name=verticals]"), 0, "{options}");
        let found = page.value("document.querySelectorAll('#points tbody tr').length").as_u64().unwrap();
        assert!(found as usize >= rows && (rows > 0 || found == 0), "{options}: {found} rows");
        let shown = visible(page, &format!("#stage {part}"));
        assert!(shown > 0, "{options}");
        if part == ".cell" {
            assert_eq!(shown, 6);
            continue;
        }
        // A series is hidden in all panels, and comes back.
        let number = page.value("document.querySelector('#legend button').dataset.series");
        let number = number.as_str().unwrap();
        let of_series = format!("#stage [data-series='{number}'] {part}");
        let own = visible(page, &of_series);
        assert!(own > 0 && own <= shown, "{options}");
        for expected in [0, own] {
            page.click(&format!("#legend button[data-series='{number}']"));
            assert_eq!(visible(page, &of_series), expected, "{options}");
            assert_eq!(visible(page, &format!("#stage {part}")), shown - own + expected, "{options}");
        }
        if scales {
            page.click("input[name=y][value=log]");
            assert_eq!(visible(page, &format!("#stage .log {part}")), shown, "{options}");
            assert_eq!(visible(page, &format!("#stage .linear {part}")), 0, "{options}");
        }
        assert_eq!(page.complaints, Vec::<String>::new(), "{options}");
    }
}

/// Points whose marker another one covers get no mouse: they are reached by keyboard.
fn on_top(page: &mut Page, selector: &str) -> bool {
    let (x, y) = page.point_at(selector);
    page.value(&format!("document.elementFromPoint({x}, {y})?.matches(\"{selector}\") ?? false")) == true
}

fn hovering_shows_the_values_of_the_result(page: &mut Page) {
    let mut seen = 0;
    for (series, bytes, summary) in points() {
        if on_top(page, &marker(&series, bytes)) {
            assert_says(&hover(page), &series, bytes, &summary);
            seen += 1;
        }
    }
    assert!(seen > points().len() / 2, "{seen} points can be pointed at");
    page.point_at("h1");
    assert_eq!(hover(page), "");
}

fn the_table_has_every_point(page: &mut Page) {
    let rows = page.value(
        "[...document.querySelectorAll('#points tbody tr')].map((row) => [...row.cells].map((cell) => \
         cell.textContent))",
    );
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), points().len());
    for (row, (series, bytes, summary)) in rows.iter().zip(points()) {
        assert_eq!((&row[0], &row[1]), (&Value::from(series), &Value::from(bytes.to_string())));
        assert_eq!(row[3], Value::from(summary["n"].to_string()));
        for (column, key) in [(4, "median"), (6, "q1"), (7, "q3")] {
            let expected = summary[format!("{key}_kib_per_second")].as_f64().unwrap() / 1024.0;
            let shown: f64 = row[column].as_str().unwrap().parse().unwrap();
            assert!((shown / expected - 1.0).abs() <= 0.0006, "{key}: {row}");
        }
    }
}

/// Presses the entry of a series in the legend, and checks that it then is as expected.
fn press_in_legend(page: &mut Page, number: usize, series: &str, pressed: &str) {
    let button = format!("#legend button[data-series='{number}']");
    page.click(&button);
    let it = page.value(&format!("document.querySelector(\"{button}\").textContent"));
    assert_eq!(it.as_str().unwrap().trim(), series);
    page.until(&format!("document.querySelector(\"{button}\").getAttribute('aria-pressed') === '{pressed}'"));
}

fn a_click_in_the_legend_hides_a_series_and_brings_it_back(page: &mut Page) {
    let of_series = points().iter().filter(|(series, ..)| series == "mmap").count();
    let samples = ".samples[data-series='2'] circle";
    assert_eq!(visible(page, ".marker[aria-label^='mmap']"), of_series);
    for (pressed, expected) in [("false", 0), ("true", of_series)] {
        press_in_legend(page, 2, "mmap", pressed);
        assert_eq!(visible(page, ".marker[aria-label^='mmap']"), expected);
        assert_eq!(visible(page, samples), 7 * expected);
        assert_eq!(visible(page, ".marker[aria-label^='readwrite']"), 6);
    }
}

fn a_knee_is_hidden_with_the_last_of_its_series(page: &mut Page) {
    let all = visible(page, ".vertical");
    let (own, shared) = (".vertical[data-series='2']", ".vertical[data-series='2 0']");
    assert_eq!((visible(page, own), visible(page, shared)), (1, 1));
    press_in_legend(page, 2, "mmap", "false");
    assert_eq!((visible(page, own), visible(page, shared)), (0, 1));
    press_in_legend(page, 0, "readwrite", "false");
    assert_eq!((visible(page, own), visible(page, shared)), (0, 0));
    press_in_legend(page, 2, "mmap", "true");
    press_in_legend(page, 0, "readwrite", "true");
    assert_eq!(visible(page, ".vertical"), all);
}

/// Horizontal and vertical places of the visible markers of readwrite, in pixels of the picture.
fn places(page: &mut Page) -> Vec<(f64, f64)> {
    let numbers = page.value(
        "[...document.querySelectorAll(\".marker[aria-label^='readwrite']\")]
            .filter((it) => it.getClientRects().length > 0)
            .map((it) => it.transform.baseVal[0].matrix).map((matrix) => [matrix.e, matrix.f])",
    );
    let place = |pair: &Value| (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap());
    numbers.as_array().unwrap().iter().map(place).collect()
}

/// True if equal ratios of size are equal distances; places are rounded to a tenth of a pixel.
fn evenly_spaced(places: &[(f64, f64)]) -> bool {
    let gaps: Vec<f64> = places.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    gaps.iter().all(|gap| (gap - gaps[0]).abs() < 0.21)
}

fn the_switches_change_the_axis(page: &mut Page) {
    let rates: Vec<f64> = points()
        .iter()
        .filter(|(series, ..)| series == "readwrite")
        .map(|(.., summary)| summary["median_kib_per_second"].as_f64().unwrap())
        .collect();
    // The share of the way from the first to the last point at which the second one lies.
    let share = |of: &dyn Fn(f64) -> f64| (of(rates[1]) - of(rates[0])) / (of(rates[4]) - of(rates[0]));
    let seen = |places: &[(f64, f64)]| (places[1].1 - places[0].1) / (places[4].1 - places[0].1);
    let linear = places(page);
    assert!(linear.len() == 6 && evenly_spaced(&linear), "sizes are powers of two: {linear:?}");
    assert!((seen(&linear) - share(&|rate| rate)).abs() < 1e-3);
    page.click("input[name=y][value=log]");
    let log = places(page);
    assert!(log.len() == 6 && evenly_spaced(&log), "{log:?}");
    assert!((seen(&log) - share(&f64::ln)).abs() < 1e-3, "{log:?}");
    let titles = page.value(
        "[...document.querySelectorAll('#stage text')].filter((it) => it.getClientRects().length > 0)
            .map((it) => it.textContent).filter((text) => text === 'Bandwidth (MiB/s)').length",
    );
    assert_eq!(titles.as_u64(), Some(1), "the axis has its unit");
    page.click("input[name=y][value=linear]");
    assert_eq!(places(page), linear);
}

fn the_switches_hide_samples_and_marked_sizes(page: &mut Page) {
    for (switch, parts) in [("samples", "#stage circle"), ("verticals", "#stage .vertical")] {
        let all = visible(page, parts);
        assert!(all > 0, "{parts}");
        for expected in [0, all] {
            page.click(&format!("input[name={switch}]"));
            assert_eq!(visible(page, parts), expected, "{switch}");
            assert_eq!(visible(page, ".marker"), points().len());
        }
    }
}

fn the_keyboard_reaches_every_point(page: &mut Page) {
    for series in ["readwrite", "direct", "mmap"] {
        let own: Vec<_> = points().into_iter().filter(|(name, ..)| name == series).collect();
        page.value(&format!("document.querySelector(\"{}\").focus()", marker(series, own[0].1)));
        for (name, bytes, summary) in &own {
            assert_says(&hover(page), name, *bytes, summary);
            page.press("ArrowRight", 39);
        }
    }
    page.value("document.activeElement.blur()");
    assert_eq!(hover(page), "");
    // Tab goes to the next series, from whichever point.
    page.value(&format!("document.querySelector(\"{}\").focus()", marker("readwrite", 64)));
    page.press("ArrowRight", 39);
    assert_eq!(page.value("document.activeElement.getAttribute('tabindex')"), "0");
    assert_eq!(visible(page, ".marker[tabindex='0']"), 3, "one stop per series");
    page.press("Tab", 9);
    assert!(hover(page).starts_with("direct\n"), "{}", hover(page));
}

fn the_environment_is_there(page: &mut Page) {
    let text = page.value("document.getElementById('environment').textContent");
    for expected in ["AMD EPYC", "kern.osrelease", "precision", "O_DIRECT moves multiples", "random"] {
        assert!(text.as_str().unwrap().contains(expected), "{expected}: {text}");
    }
}

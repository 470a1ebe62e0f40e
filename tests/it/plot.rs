//! `iobench plot` as a black box: every format from a sweep and from plain runs, and every refusal.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{self, Outcome, outcome};

/// A small sweep as it was measured: readwrite and mmap at six sizes, direct at five of them.
const SWEEP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sweep.json");
const POINTS: usize = 17;
const SAMPLES: usize = POINTS * 7;

fn sweep() -> Value {
    serde_json::from_str(&std::fs::read_to_string(SWEEP).unwrap()).unwrap()
}

fn write(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn plot(inputs: &[&Path], output: &Path, more: &[&str]) -> Outcome {
    outcome(common::iobench().arg("plot").args(inputs).arg("-o").arg(output).args(more).output().unwrap())
}

/// The drawing of these inputs.
fn drawn(inputs: &[&Path], name: &str, more: &[&str]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join(name);
    let ended = plot(inputs, &output, more).ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the output is left: {left:?}");
    std::fs::read(output).unwrap()
}

fn svg(inputs: &[&Path], more: &[&str]) -> String {
    String::from_utf8(drawn(inputs, "figure.svg", more)).unwrap()
}

/// How many elements of this class a picture has; panics if it is not well-formed.
fn count(svg: &str, class: &str) -> usize {
    let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error}"));
    document.descendants().filter(|node| node.attribute("class") == Some(class)).count()
}

fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text().map(str::to_owned)).collect()
}

/// A plain document of a run at each of these sizes.
fn plain_runs(folder: &TempDir, sizes: &[&str], flags: &str) -> Vec<PathBuf> {
    let file = common::data_file(folder.path(), 1 << 20);
    let run = |size: &&str| {
        let args = [flags, "-b", size, "-t", "64k", "-n", "7", "--strategy", "pread", "--settle", "0"];
        let output = common::iobench().args(args).arg(&file).output().unwrap();
        write(folder, &format!("run-{size}.json"), output.stdout)
    };
    sizes.iter().map(run).collect()
}

#[test]
fn a_picture_has_a_marker_for_every_point_and_a_dot_for_every_sample() {
    for more in [[].as_slice(), &["--log-y"]] {
        let picture = svg(&[Path::new(SWEEP)], more);
        assert_eq!(count(&picture, "marker"), POINTS);
        assert_eq!(count(&picture, "interval"), POINTS, "a bar is the interval of the median");
        assert_eq!(count(&picture, "series"), 3);
        assert_eq!(count(&picture, "reference"), 2);
        assert_eq!(picture.matches("<circle").count(), SAMPLES);
    }
}

#[test]
fn a_picture_says_what_its_numbers_mean() {
    let words = texts(&svg(&[Path::new(SWEEP)], &[])).join(" ");
    for expected in [
        "Read bandwidth by buffer size",
        "n = 7 per point",
        "95 % interval of the median",
        "page cache state not controlled",
        "AMD EPYC",
        "Linux 6.18.44",
        "ext4",
        "2026-11-23",
        "iobench 0.1.0",
        "One point could not be measured",
        "Bandwidth (MiB/s)",
        "bars are their 95 % intervals",
        "memory copy",
        "one bare system call per block",
        "page",
        "L1d cache",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!words.contains("GiB/s") && !words.contains("KiB/s"), "one unit: {words}");
    assert!(!words.contains("fitted knees") && !words.contains("Open markers"), "{words}");
    let words = texts(&svg(&[Path::new(SWEEP)], &["--knees"])).join(" ");
    assert!(words.contains("fitted knees"), "{words}");
}

/// The values of an attribute of all elements of this class.
fn attributes(svg: &str, class: &str, name: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let elements = document.descendants().filter(|node| node.attribute("class") == Some(class));
    elements.map(|node| node.attribute(name).unwrap().to_owned()).collect()
}

fn open_markers(svg: &str) -> usize {
    attributes(svg, "marker", "fill").iter().filter(|fill| *fill == "#fff").count()
}

/// Places of the dots in the picture.
fn dots(svg: &str) -> Vec<[f64; 2]> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let dots = document.descendants().filter(|node| node.has_tag_name("circle"));
    dots.map(|dot| ["cx", "cy"].map(|name| dot.attribute(name).unwrap().parse().unwrap())).collect()
}

/// With seven samples the interval of the median goes from the lowest to the highest.
#[test]
fn a_bar_spans_the_interval_and_a_point_without_an_interval_has_none() {
    let picture = svg(&[Path::new(SWEEP)], &[]);
    let dots = dots(&picture);
    for bar in attributes(&picture, "interval", "d") {
        let (before, low) = bar.split_once('V').unwrap();
        let (_, upper_end) = before.rsplit_once('M').unwrap();
        let (x, high) = upper_end.split_once(',').unwrap();
        for end in [low, high] {
            let end = [x, end].map(|number| number.parse().unwrap());
            assert!(dots.contains(&end), "{bar}");
        }
    }
    let folder = TempDir::new().unwrap();
    let mut sweep = sweep();
    sweep["runs"][0]["benchmark_samples"].as_array_mut().unwrap().truncate(5);
    let path = write(&folder, "few.json", serde_json::to_vec(&sweep).unwrap());
    let picture = svg(&[&path], &[]);
    assert_eq!((count(&picture, "marker"), count(&picture, "interval")), (POINTS, POINTS - 1));
    assert_eq!(picture.matches("no interval: too few samples").count(), 1);
}

#[test]
fn a_point_that_was_not_quiet_has_an_open_marker_and_conclusions_are_on_the_page() {
    let folder = TempDir::new().unwrap();
    let mut sweep: Value = serde_json::from_slice(&std::fs::read(SWEEP).unwrap()).unwrap();
    sweep["runs"][0]["summary"]["quiet"] = false.into();
    sweep["conclusions"] = serde_json::json!(["mmap <is> fastest."]);
    let path = write(&folder, "unquiet.json", serde_json::to_vec(&sweep).unwrap());
    let picture = svg(&[&path], &[]);
    assert_eq!((open_markers(&picture), open_markers(&svg(&[Path::new(SWEEP)], &[]))), (1, 0));
    let words = texts(&picture).join(" ");
    assert!(
        words.contains(&format!("Open markers (1 of {POINTS}) were not measured under quiet")),
        "{words}"
    );
    let page = String::from_utf8(drawn(&[&path], "figure.html", &[])).unwrap();
    assert!(page.contains("<li>mmap &lt;is&gt; fastest.</li>"));
    // Both plots of the page have the point.
    assert_eq!(page.matches("\nnot measured under quiet conditions").count(), 2);
}

#[test]
fn the_same_result_is_the_same_picture() {
    assert_eq!(svg(&[Path::new(SWEEP)], &[]), svg(&[Path::new(SWEEP)], &[]));
}

#[test]
fn titles_marks_and_axes_are_as_asked_for() {
    let marked = ["--mark", "4k,100k", "--title", "A <b>&amp; \"title\"", "--log-y"];
    let words = texts(&svg(&[Path::new(SWEEP)], &marked));
    let has = |text: &str| words.iter().any(|word| word == text);
    assert!(has("A <b>&amp; \"title\"") && has("4 KiB, page") && has("100 KiB"), "{words:?}");
    assert!(has("1024") && has("Bandwidth (MiB/s)"), "{words:?}");
}

#[cfg(feature = "png")]
#[test]
fn a_png_has_the_resolution_of_print_and_shows_text() {
    let png = drawn(&[Path::new(SWEEP)], "figure.PNG", &["--log-y", "--mark", "4k"]);
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert!((2000..3000).contains(&side(16)) && (1400..3000).contains(&side(20)));
    let titled = drawn(&[Path::new(SWEEP)], "figure.png", &["--log-y", "--mark", "4k", "--title", "Title"]);
    assert_ne!(png, titled);
}

#[cfg(not(feature = "png"))]
#[test]
fn png_is_refused_with_two_ways_to_get_one() {
    let ended = plot(&[Path::new(SWEEP)], Path::new("a/figure.png"), &[]);
    assert_refused(&ended, 64, "this program was built without PNG");
    assert!(ended.stderr.contains("rebuild it with --features png"), "{ended:?}");
    assert!(ended.stderr.contains("rsvg-convert -z 3 -o a/figure.png a/figure.svg"), "{ended:?}");
}

#[test]
fn pdf_is_refused_with_the_command_that_makes_one() {
    let ended = plot(&[Path::new(SWEEP)], Path::new("a/figure.PDF"), &[]);
    assert_refused(&ended, 64, "iobench does not write PDF");
    assert!(ended.stderr.contains("rsvg-convert -f pdf -o a/figure.PDF a/figure.svg"), "{ended:?}");
}

/// The two plots of a page: with a linear and with a logarithmic axis.
fn plots(page: &str) -> [&str; 2] {
    ["linear", "log"].map(|class| {
        let begin = page.find(&format!("<svg class=\"{class}\"")).unwrap();
        let end = page[begin..].find("</svg>").unwrap() + "</svg>".len();
        &page[begin..begin + end]
    })
}

#[test]
fn a_page_holds_the_drawing_with_either_axis_and_a_row_for_every_point() {
    let page = String::from_utf8(drawn(&[Path::new(SWEEP)], "page.html", &["--log-y"])).unwrap();
    assert!(page.contains("value=\"log\" checked") && !page.contains("value=\"linear\" checked"));
    assert_eq!(page.matches("<tr><th scope=\"row\">mmap</th>").count(), 6);
    for (plot, more) in plots(&page).iter().zip([[].as_slice(), &["--log-y"]]) {
        assert_eq!((count(plot, "marker"), count(plot, "series")), (POINTS, 3));
        assert_eq!(plot.matches("<circle").count(), SAMPLES);
        // Everything of the plot stands in the picture of the same axis, at the same place.
        let picture = svg(&[Path::new(SWEEP)], more);
        let (_, body) = plot.split_once(">\n").unwrap();
        assert!(picture.contains(body.strip_suffix("</svg>").unwrap()));
    }
}

#[test]
fn a_page_is_self_contained_and_no_text_can_become_markup() {
    let folder = TempDir::new().unwrap();
    let mut hostile = sweep();
    let warning = "</script><script>alert(1)</script><!-- {script}";
    hostile["warnings"] = serde_json::json!([warning]);
    let input = write(&folder, "\"><script>alert(3).json", hostile.to_string());
    let title = "</title><script>alert(2)</script> {style}";
    let inputs = [Path::new(SWEEP), &input];
    let page = String::from_utf8(drawn(&inputs, "page.html", &["--title", title])).unwrap();
    assert!(page.len() < 5 << 20);
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("alert(1)</script>") && !page.contains("<script>alert"));
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let escaped = |text: &str| text.replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    assert!(page.contains(&format!("<td>{}</td>", escaped(warning))));
    assert!(page.contains(&format!("<title>{}</title>", escaped(title))));
    // The name of a series is that of its file: in the legend, in the table and at every marker.
    for plot in plots(&page) {
        assert_eq!(count(plot, "marker"), 2 * POINTS);
        let titles = roxmltree::Document::parse(plot).unwrap();
        let titles = titles.descendants().filter(|node| node.has_tag_name("title"));
        let named = titles.filter(|title| title.text().unwrap().starts_with("\"><script>alert(3): "));
        assert_eq!(named.count(), POINTS);
    }
    let name = escaped("\"><script>alert(3): mmap");
    assert!(page.contains(&format!("{name}</button>")) && page.contains(&format!("row\">{name}</th>")));
}

#[test]
fn plain_runs_of_one_setting_are_one_curve() {
    let folder = TempDir::new().unwrap();
    let runs = plain_runs(&folder, &["1k", "4k", "16k"], "-rjv");
    let runs: Vec<&Path> = runs.iter().map(PathBuf::as_path).collect();
    let picture = svg(&runs, &[]);
    assert_eq!((count(&picture, "series"), count(&picture, "marker")), (1, 3));
    assert!(texts(&picture).contains(&"pread".to_owned()));
    assert!(!drawn(&runs[..1], "figure.html", &[]).is_empty());
}

#[test]
fn several_results_are_told_apart_by_file_and_strategy() {
    let folder = TempDir::new().unwrap();
    let copy = write(&folder, "after.json", sweep().to_string());
    let twin = write(&TempDir::new_in(folder.path()).unwrap(), "after.json", "{}");
    std::fs::create_dir_all(twin.parent().unwrap()).unwrap();
    std::fs::copy(&copy, &twin).unwrap();
    let words = texts(&svg(&[Path::new(SWEEP), &copy], &[]));
    assert!(words.contains(&"sweep: mmap".to_owned()) && words.contains(&"after: mmap".to_owned()));
    let words = texts(&svg(&[&copy, &twin], &[]));
    assert!(words.contains(&format!("{}: mmap", twin.display())), "{words:?}");
}

#[track_caller]
fn assert_refused(ended: &Outcome, code: i32, clause: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(clause), "{clause}: {ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("figure.svg");
    let mut other_version = sweep();
    other_version["schema_version"] = 3.into();
    let mut bent = sweep();
    bent["runs"][0]["summary"]["n"] = "ten".into();
    let mut empty = sweep();
    empty["runs"] = serde_json::json!([]);
    let unexplained = plain_runs(&folder, &["4k"], "-rj").remove(0);
    for (input, clause) in [
        (folder.path().join("missing.json"), "No such file or directory (ENOENT)"),
        (folder.path().to_owned(), "Is a directory (EISDIR)"),
        (write(&folder, "binary", [0xff, 0xfe]), "not JSON"),
        (write(&folder, "text", "bandwidth: 7"), "not JSON"),
        (write(&folder, "foreign", "{\"fio version\": \"fio-3.33\"}"), "no schema_version"),
        (
            write(&folder, "version", other_version.to_string()),
            "schema_version 3, but this program reads only 1 to 2",
        ),
        (write(&folder, "bent", bent.to_string()), "not a result of iobench"),
        (write(&folder, "empty", empty.to_string()), "no measured sample"),
        (unexplained, "measure it with -j -v"),
    ] {
        assert_refused(&plot(&[&input], &output, &[]), 66, clause);
    }
    assert!(!output.exists());
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_anything_is_read() {
    let missing = Path::new("missing.json");
    for (output, more, clause) in [
        ("figure.jpg", [].as_slice(), "use .svg, .html or .png"),
        ("figure", &[], "use .svg, .html or .png"),
        ("figure.svg", &["--mark", "4k,x"], "--mark: 'x' is not a size"),
        ("figure.svg", &["--mark", "-1"], "--mark: '-1' is not a size"),
    ] {
        assert_refused(&plot(&[missing], Path::new(output), more), 64, clause);
    }
    let no_output = outcome(common::iobench().args(["plot", SWEEP]).output().unwrap());
    assert_eq!(no_output.code, Some(64));
}

#[test]
fn an_output_that_cannot_be_written_is_refused_and_an_old_one_stays() {
    let folder = TempDir::new().unwrap();
    let sweep = Path::new(SWEEP);
    assert_refused(&plot(&[sweep], &folder.path().join("no/figure.svg"), &[]), 66, "(ENOENT)");
    let directory = folder.path().join("folder.svg");
    std::fs::create_dir(&directory).unwrap();
    assert_refused(&plot(&[sweep], &directory, &[]), 66, "(EISDIR)");
    let old = write(&folder, "old.svg", "old");
    assert_eq!(plot(&[&folder.path().join("missing")], &old, &[]).code, Some(66));
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
    plot(&[sweep], &old, &[]).ok();
    assert!(std::fs::read_to_string(&old).unwrap().starts_with("<?xml"));
}

//! A figure as a page: one file, no request to anywhere, with the values behind every point.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::read::Kept;
use super::{Figure, Input, host_of};

/// The page without its data. The content policy forbids every request, whatever a title says.
const PAGE: &str = include_str!("page.html");
/// What draws it.
const SCRIPT: &str = include_str!("page.js");
/// How it looks, on screen and in print.
const STYLE: &str = include_str!("page.css");

/// What a result says of where and how it was measured.
#[derive(Serialize)]
struct Environment {
    /// The file.
    file: String,
    /// The machine: keys and values as text.
    host_configuration: Vec<(String, String)>,
    /// The sweep or the run, as in the result.
    configuration: Value,
    /// Points that could not be measured, or not to the end: strategy, bytes, reason.
    missing: Vec<(String, u64, String)>,
    /// What the sweep warns of.
    warnings: Vec<String>,
}

/// The page of `figure`, which was made of these results.
pub fn page(figure: &Figure, inputs: &[Input]) -> String {
    let environments: Vec<Environment> = inputs.iter().map(environment).collect();
    let data = json!({ "figure": figure, "environments": environments });
    // In this order no text of the user can be taken for a place to fill: it has no '<' any more.
    PAGE.replace("/*STYLE*/", STYLE)
        .replace("/*SCRIPT*/", SCRIPT)
        .replacen("/*DATA*/", &in_script(&data.to_string()), 1)
        .replace("<!--TITLE-->", &in_text(&figure.title))
}

/// JSON that cannot end the element it stands in, nor open a comment in it: `</script>`, `<!--`.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

fn in_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn environment((path, kept): &Input) -> Environment {
    let host = host_of(kept).map(|host| host.lines()).unwrap_or_default();
    let (configuration, missing, warnings) = match kept {
        Kept::Sweep(sweep) => {
            let unmeasured = sweep.runs.iter().filter(|run| run.summary.is_none() || run.error.is_some());
            let missing = unmeasured.map(|run| {
                let reason = run.error.as_ref().map_or("no sample was taken", |error| error.message.as_str());
                let configuration = &run.benchmark_configuration;
                (configuration.strategy.clone(), configuration.buffersize, reason.to_owned())
            });
            (json!(sweep.sweep_configuration), missing.collect(), sweep.warnings.clone())
        }
        Kept::Run(run) => (json!(run.benchmark_configuration), Vec::new(), Vec::new()),
    };
    let file = path.display().to_string();
    Environment { file, host_configuration: host, configuration, missing, warnings }
}

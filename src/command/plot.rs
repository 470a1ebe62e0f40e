//! `iobench plot`: draws results as a picture or an HTML page.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::context::Context;
use super::file;
use crate::cli::PlotArgs;
use crate::error::Error;
use crate::report::figure::{Figure, FigureOptions, Input, build, html, svg};
use crate::report::read;

/// Format of the output file, selected by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Pdf,
    Png,
    Html,
}

/// Draws the results and writes the file.
///
/// # Errors
/// A usage error for an unknown extension; an open error for a result that cannot be read or drawn, or an
/// output that cannot be created; an I/O error for an output that cannot be written.
pub(crate) fn run(args: &PlotArgs, context: &Context) -> Result<ExitCode, Error> {
    // The arguments are checked before a file is read.
    let format = format_of(&args.output)?;
    let options =
        FigureOptions { log_y: args.log_y, marks_bytes: args.mark.clone(), title: args.title.clone() };
    let input =
        |path: &PathBuf| Ok(Input { path: path.clone(), result: read::read(path, context.strategies)? });
    let inputs = args.results.iter().map(input).collect::<Result<Vec<Input>, Error>>()?;
    let figure = build::figure(&inputs, options)?;
    file::replace(&args.output, &rendered(format, &figure, &inputs)?)?;
    Ok(ExitCode::SUCCESS)
}

fn format_of(path: &Path) -> Result<Format, Error> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("pdf") => Ok(Format::Pdf),
        Some("png") => Ok(Format::Png),
        Some("html") => Ok(Format::Html),
        _ => Err(Error::usage(format!(
            "-o {}: the extension selects the format; use .svg, .pdf, .png or .html",
            path.display()
        ))),
    }
}

fn rendered(format: Format, figure: &Figure, inputs: &[Input]) -> Result<Vec<u8>, Error> {
    match format {
        Format::Svg => Ok(svg::picture(figure).into_bytes()),
        Format::Html => Ok(html::page(figure, inputs).into_bytes()),
        Format::Pdf | Format::Png => converted(format, &svg::picture(figure)),
    }
}

#[cfg(feature = "plot")]
fn converted(format: Format, svg: &str) -> Result<Vec<u8>, Error> {
    use crate::report::figure::{pdf, png};
    let converted = if format == Format::Pdf { pdf::from_svg(svg) } else { png::from_svg(svg) };
    let remedy = "write .svg instead, which needs no conversion";
    converted.map_err(|reason| Error::unavailable("drawing", reason, remedy))
}

#[cfg(not(feature = "plot"))]
fn converted(_: Format, _: &str) -> Result<Vec<u8>, Error> {
    Err(Error::usage("this program was built without the feature plot; write .svg or .html"))
}

//! `iobench plot`: results as a picture or a page.

use std::path::{Path, PathBuf};

use super::file;
use crate::cli::{self, PlotArgs};
use crate::error::Error;
use crate::report::figure::{Figure, FigureOptions, Input, build, html, svg};
use crate::report::read;

/// What the output is, by its extension.
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
/// [`Error::Usage`] for an extension that is none of the four or a mark that is no size;
/// [`Error::Open`] for a result that cannot be read or drawn, or an output that cannot be made;
/// [`Error::Io`] for one that cannot be written.
pub fn run(args: &PlotArgs) -> Result<(), Error> {
    // What was typed is checked before anything is read.
    let format = format_of(&args.output)?;
    let marks_bytes: Result<Vec<u64>, String> =
        args.mark.iter().map(|text| cli::size_bytes(text.trim())).collect();
    let marks_bytes = marks_bytes.map_err(|reason| Error::Usage(format!("--mark: {reason}")))?;
    let options = FigureOptions { log_y: args.log_y, marks_bytes, title: args.title.clone() };
    let input = |path: &PathBuf| Ok(Input { path: path.clone(), kept: read::read(path)? });
    let inputs = args.results.iter().map(input).collect::<Result<Vec<Input>, Error>>()?;
    let figure = build::figure(&inputs, options)?;
    file::replace(&args.output, &rendered(format, &figure, &inputs)?)
}

fn format_of(path: &Path) -> Result<Format, Error> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("pdf") => Ok(Format::Pdf),
        Some("png") => Ok(Format::Png),
        Some("html") => Ok(Format::Html),
        _ => Err(Error::Usage(format!(
            "-o {}: the extension says what to draw, and must be .svg, .pdf, .png or .html",
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
    converted.map_err(|reason| Error::System {
        call: "drawing",
        reason,
        remedy: "write .svg instead, which needs no conversion".to_owned(),
    })
}

#[cfg(not(feature = "plot"))]
fn converted(_: Format, _: &str) -> Result<Vec<u8>, Error> {
    Err(Error::Usage("this program was built without the feature plot; write .svg or .html".to_owned()))
}

//! `iobench plot`: draws results as a picture or an HTML page.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::context::Context;
use super::file::OutputFile;
use crate::cli::PlotArgs;
use crate::engine::inode::Inode;
use crate::engine::interrupt;
use crate::error::Error;
use crate::report::figure::{Figure, FigureOptions, Input, build, html, svg};
use crate::report::read;

/// Format of the output file, selected by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Html,
    #[cfg(feature = "png")]
    Png,
}

/// Draws the results and writes the file.
///
/// # Errors
/// - Usage: an unknown extension.
/// - Open: a result that cannot be read or drawn, or an output that cannot be created.
/// - I/O: an output that cannot be written.
pub(crate) fn run(args: &PlotArgs, context: &Context) -> Result<ExitCode, Error> {
    // The arguments are checked before a file is read.
    let format = format_of(&args.output)?;
    let options = FigureOptions {
        kind: args.kind,
        x: args.x,
        y: args.y,
        series: args.series,
        to: args.to.clone(),
        log_y: args.log_y,
        knees: args.knees,
        marks_bytes: args.mark.clone(),
        title: args.title.clone(),
    };
    let input = |path: &PathBuf| {
        Ok(Input {
            path: path.clone(),
            result: read::read(path, args.reading.max_result_size, context.strategies)?,
        })
    };
    let inputs = args.results.iter().map(input).collect::<Result<Vec<Input>, Error>>()?;
    let used = args.results.iter().filter_map(|path| Inode::named(path));
    let used: Vec<(Inode, &str)> = used.map(|inode| (inode, "a result to draw")).collect();
    let output = OutputFile::new(&args.output, &used)?;
    let figure = build::figure(&inputs, &options)?;
    output.write(&rendered(format, &figure, &inputs)?)?;
    interrupt::check().map(|()| ExitCode::SUCCESS)
}

fn format_of(path: &Path) -> Result<Format, Error> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let (output, svg) = (path.display(), path.with_extension("svg"));
    let svg = svg.display();
    match extension.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("html") => Ok(Format::Html),
        #[cfg(feature = "png")]
        Some("png") => Ok(Format::Png),
        #[cfg(not(feature = "png"))]
        Some("png") => Err(Error::usage(format!(
            "-o {output}: this program was built without PNG; rebuild it with --features png, or write \
             {svg} and convert it: rsvg-convert -z 3 -o {output} {svg}"
        ))),
        Some("pdf") => Err(Error::usage(format!(
            "-o {output}: iobench does not write PDF; write {svg} and convert it, which keeps text as text: \
             rsvg-convert -f pdf -o {output} {svg}"
        ))),
        _ => Err(Error::usage(format!(
            "-o {output}: the extension selects the format; use .svg, .html or .png"
        ))),
    }
}

fn rendered(format: Format, figure: &Figure, inputs: &[Input]) -> Result<Vec<u8>, Error> {
    match format {
        Format::Svg => Ok(svg::picture(figure).into_bytes()),
        Format::Html => Ok(html::page(figure, inputs).into_bytes()),
        #[cfg(feature = "png")]
        Format::Png => {
            let remedy = "write .svg instead, which needs no conversion";
            let png = crate::report::figure::png::from_svg(&svg::picture(figure));
            png.map_err(|reason| Error::unavailable("drawing", reason, remedy))
        }
    }
}

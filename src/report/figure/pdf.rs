//! A figure as PDF, with selectable text.

use std::sync::Arc;

use svg2pdf::usvg::fontdb::{Database, Source};
use svg2pdf::usvg::{Options, Tree};
use svg2pdf::{ConversionOptions, PageOptions};

/// CSS pixels per inch. Lengths in [`super::svg`] are CSS pixels.
const DOTS_PER_INCH: f32 = 96.0;

/// Converts an SVG of [`super::svg`] to PDF.
///
/// # Errors
/// The reason if the conversion fails.
pub(crate) fn from_svg(svg: &str) -> Result<Vec<u8>, String> {
    let page = PageOptions { dpi: DOTS_PER_INCH };
    svg2pdf::to_pdf(&tree(svg)?, ConversionOptions::default(), page).map_err(|error| error.to_string())
}

/// Parses the SVG with the font that is built into the program, so that a picture is the same on every
/// machine and needs no installed font.
pub(super) fn tree(svg: &str) -> Result<Tree, String> {
    let mut fonts = Database::new();
    fonts.load_font_source(Source::Binary(Arc::new(dejavu::sans::regular())));
    let options = Options { fontdb: Arc::new(fonts), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|error| error.to_string())
}

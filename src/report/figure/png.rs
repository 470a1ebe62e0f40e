//! A figure as PNG.

use resvg::tiny_skia::{Pixmap, Transform};

use super::pdf;

/// Dots per CSS pixel. The picture has 288 dots per inch, which is enough for print.
const SCALE: f32 = 3.0;

/// Converts an SVG of [`super::svg`] to PNG.
///
/// # Errors
/// The reason if the picture is too large or is not SVG.
pub(crate) fn from_svg(svg: &str) -> Result<Vec<u8>, String> {
    let tree = pdf::tree(svg)?;
    let size = tree.size();
    let (width, height) = (size.width() * SCALE, size.height() * SCALE);
    let mut pixels = Pixmap::new(width.ceil() as u32, height.ceil() as u32)
        .ok_or_else(|| format!("a picture of {width} x {height} dots is too large"))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| error.to_string())
}

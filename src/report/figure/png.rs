//! A figure as PNG.

use resvg::tiny_skia::{Pixmap, Transform};

use super::pdf;

/// Dots per pixel of the SVG: 288 per inch, enough for print.
const SCALE: f32 = 3.0;

/// The PNG of an SVG that [`super::svg`] has drawn.
///
/// # Errors
/// The reason, in words, if the picture is too large or not SVG.
pub(crate) fn from_svg(svg: &str) -> Result<Vec<u8>, String> {
    let tree = pdf::tree(svg)?;
    let size = tree.size();
    let (width, height) = (size.width() * SCALE, size.height() * SCALE);
    let mut pixels = Pixmap::new(width.ceil() as u32, height.ceil() as u32)
        .ok_or_else(|| format!("{width} x {height} dots are too many"))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| error.to_string())
}

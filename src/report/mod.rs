//! A result in the forms that people and programs read: one file a form.

pub mod axis;
pub mod caption;
pub mod document;
pub mod explain;
pub mod figure;
pub mod html;
pub mod json;
#[cfg(feature = "plot")]
pub mod pdf;
#[cfg(feature = "plot")]
pub mod png;
pub mod read;
pub mod style;
pub mod svg;
pub mod sweep;
pub mod text;

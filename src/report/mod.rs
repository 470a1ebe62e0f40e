//! A result in the forms that people and programs read: one file a form.

pub mod analysis;
pub mod axis;
pub mod caption;
pub mod comparison;
pub mod constants;
pub mod csv;
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
pub mod strategies;
pub mod style;
pub mod svg;
pub mod sweep;
pub mod table;
pub mod text;

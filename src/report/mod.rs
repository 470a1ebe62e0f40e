//! A result in the forms that people and programs read: one file a form.

pub mod analysis;
pub mod comparison;
pub mod csv;
pub mod document;
pub mod explain;
pub mod file;
pub mod json;
pub mod sweep;
pub mod table;
pub mod text;

//! A result in the forms that people and programs read: one file a form.

pub mod document;
pub mod explain;
pub mod json;
pub mod sweep;
pub mod text;

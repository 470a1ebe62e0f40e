//! The documents, and their output forms for people and programs, with one file per form.

pub mod analysis;
pub mod axes;
pub mod comparison;
mod conclusions;
pub mod csv;
pub mod document;
pub mod explain;
pub(crate) mod figure;
pub mod json;
pub mod latency;
pub mod read;
pub mod strategies;
pub mod sweep;
pub mod table;
pub mod text;
pub(crate) mod winner;

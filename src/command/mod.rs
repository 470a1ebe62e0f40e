//! What a person types, carried out: one file a command.

pub mod file;
pub mod output;
pub mod plot;
pub mod prepared;
pub mod request;
pub mod run;
pub mod strategies;
pub mod trace;

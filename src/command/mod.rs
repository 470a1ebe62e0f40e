//! What a person types, carried out: one file a command.

pub mod ab;
pub mod compare;
pub mod file;
pub mod output;
pub mod plot;
pub mod prepared;
pub mod request;
pub mod rerun;
pub mod run;
pub mod selftest;
pub mod strategies;
pub mod sweep;
pub mod trace;

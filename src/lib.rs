//! iobench
pub mod host;

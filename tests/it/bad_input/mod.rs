//! Bad input, as a black box: each kind with the contract's exit code, one clear sentence on
//! standard error, nothing or one JSON document on standard output, and no file lost on the way.

#[cfg(target_os = "linux")]
mod ending;
mod memory;
mod paths;
mod usage;

//! Checks that a strategy keeps its promises, for any [`crate::engine::strategy::Strategy`], inside this
//! project or outside.
//!
//! A check needs only a folder for its files. It compares the data of the strategy with the data that the
//! standard library reads and writes, and returns a sentence that describes the fault. Some facts need a
//! tracer, such as the calls between the brackets and injected errors. For these, the program runs under
//! strace ([`traced`]).
//!
//! [`subject`] and [`table`] hold the types, [`checks`] lists the checks, and [`marking`] summarizes them
//! under a few criteria for `iobench selftest`.

mod bracket;
pub mod checks;
mod data;
mod data_file;
mod errors;
mod granted;
pub mod injection;
pub mod invocation;
pub mod marking;
mod speed;
pub mod subject;
pub mod table;
pub mod traced;
mod trial;

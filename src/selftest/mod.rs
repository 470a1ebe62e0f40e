//! Whether a strategy keeps its promises: named checks over any [`crate::engine::strategy::Strategy`], in the tree or
//! out of it.
//!
//! A check needs nothing but a folder to put files into. It compares what went through the strategy with what the
//! standard library reads and writes, and answers with a sentence that says what is wrong. What only a tracer can see
//! (the calls between the brackets, injected errors) also needs the program, which is then run under strace
//! ([`traced`]).
//!
//! [`subject`] and [`table`] hold the types, [`checks`] lists the checks, and [`marking`] sums them up under a few
//! criteria for `iobench selftest`.

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

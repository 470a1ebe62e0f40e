//! Measures what an I/O path costs.
//!
//! # Meaning of a result
//!
//! One iteration maps a buffer, opens the file and prepares the machine. It then encloses one pass over the
//! file between two raw `clock_gettime` system calls, the *bracket* ([`engine::bracket`]). Between them a
//! strategy moves every block, and the harness does no other work: it makes no other system call, allocates
//! no memory, prints no output and takes no page fault of its own. A kernel tracer that matches on the two
//! calls therefore sees exactly the benchmark.
//!
//! # Structure
//!
//! The [`engine`] measures and owns the buffer; a strategy ([`strategies`]) only moves bytes. [`report`]
//! holds the documents. Dependencies point one way, which a test verifies.
//!
//! # A strategy of your own
//!
//! A program that depends on this crate implements [`engine::strategy::IoPath`] with
//! [`engine::blocking::Blocking`] or [`engine::queued::Queued`] and calls [`main_with`]. It then has every
//! flag, check and output of `iobench`. See `examples/splice.rs` and `docs/adding-a-strategy.md`. Without the
//! default feature `cli`, the engine and the strategies remain, for other benchmarks.

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
compile_error!(
    "iobench supports only Linux and FreeBSD, because it makes their system calls directly: \
     build it on one of them, for example in a virtual machine"
);

pub mod engine;
pub mod error;
#[doc(hidden)]
pub mod host;
mod printable;
#[doc(hidden)]
pub mod random;
#[path = "../strategies/mod.rs"]
pub mod strategies;

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod job;
#[cfg(feature = "cli")]
mod process;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
mod scratch;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod selftest;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod stats;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod trace;
#[cfg(feature = "cli")]
mod units;

/// Errors of the kernel are errnos, as nix names them.
pub use nix::errno::Errno;

#[cfg(feature = "cli")]
pub use program::main_with;

#[cfg(feature = "cli")]
mod program {
    use std::ffi::OsString;
    use std::io::Write;
    use std::path::Path;
    use std::process::ExitCode;

    use crate::cli;
    use crate::command;
    use crate::engine::strategy::Strategy;

    /// The whole program, over these strategies: arguments in, exit code out.
    pub fn main_with(strategies: &[&'static dyn Strategy]) -> ExitCode {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let argv: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        if argv.len() <= 1 {
            let usage = if is_lab_name(argv.first()) { cli::LAB_USAGE.to_owned() } else { cli::help() };
            // If standard error is closed, there is no place for the usage.
            let _ = std::io::stderr().write_all(usage.as_bytes());
            return ExitCode::from(64);
        }
        match cli::parse(&arguments) {
            Ok(cli) => command::run(&cli, &argv, strategies),
            Err(error) => command::not_parsed(&error, &argv),
        }
    }

    /// True if the program was started by the name that the lab's scripts match on.
    fn is_lab_name(program: Option<&String>) -> bool {
        program
            .is_some_and(|program| Path::new(program).file_name().is_some_and(|name| name == "io-benchmark"))
    }
}

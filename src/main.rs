//! `iobench`: passes its arguments to the library and returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    iobench::main_with(iobench::strategies::ALL)
}

//! `iobench`: argv in, exit code out; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    iobench::main_with(iobench::strategies::ALL)
}

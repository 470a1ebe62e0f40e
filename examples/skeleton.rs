//! A strategy to start from, with every method and its purpose.
//!
//!     cargo run --release --example skeleton -- --strategy mine --create -r -b 4k iofile
//!
//! A tracer sees between the brackets: `pread64` or `pwrite64`, one per block; `fsync` with `-s`.
//! Inside the bracket: those calls and their copies.
//! Man pages: pread(2), fsync(2).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use iobench::Errno;
use iobench::engine::blocking::{Blocking, blocking};
use iobench::engine::descriptor;
use iobench::engine::operation::{Direction, Op};
use iobench::engine::strategy::{Call, IoPath, OpenSpec};
use iobench::engine::workload::Workload;
use iobench::error::Error;

/// State of one iteration. `open` creates it, and it is dropped after the closing bracket.
pub struct Mine {
    file: File,
}

impl IoPath for Mine {
    // The value of --strategy. In strategies/ it is also the name of the file.
    const NAME: &'static str = "mine";
    // One line, for lists and help.
    const SUMMARY: &'static str = "pread(2) and pwrite(2), to start from";
    // Everything else has a default that suits a system call on a file: see IoPath.

    /// The system calls that a tracer sees between the brackets, without that of `-s`. `selftest` verifies
    /// it.
    fn calls(workload: &Workload) -> Vec<Call> {
        Call::one_per_block(workload, "pread64", "pwrite64")
    }

    /// Outside the bracket, once per iteration: open, map, allocate and register here.
    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        Ok(Mine { file: descriptor::open(spec)? })
    }

    /// Inside the bracket with -s: bring the written data to stable storage.
    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

impl Blocking for Mine {
    /// Inside the bracket, once per block: move `block.len()` bytes at `op.offset_bytes`, and return how many
    /// moved. Do not allocate, print, or make a call that `calls` does not declare. Return EINTR as it is:
    /// the engine counts it and calls again. Fewer bytes end the run.
    #[inline(always)]
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let (descriptor, offset) = (self.file.as_raw_fd(), op.offset_bytes as libc::off_t);
        // SAFETY: `block` is valid for its whole length, and the file keeps the descriptor open.
        let moved = unsafe {
            match op.direction {
                Direction::Read => libc::pread(descriptor, block.as_mut_ptr().cast(), block.len(), offset),
                Direction::Write => libc::pwrite(descriptor, block.as_ptr().cast(), block.len(), offset),
            }
        };
        Errno::result(moved).map(|moved| moved as usize)
    }
}

fn main() -> ExitCode {
    let mut strategies = iobench::strategies::ALL.to_vec();
    strategies.push(&const { blocking::<Mine>() });
    iobench::main_with(&strategies)
}

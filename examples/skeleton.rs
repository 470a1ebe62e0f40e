//! A strategy to start from: every method, with what it is for.
//!
//!     cargo run --release --example skeleton -- --strategy mine --create -r -b 4k iofile
//!
//! A tracer sees between the brackets: `pread64` or `pwrite64`, once a block; `fsync` with `-s`.
//! Inside the bracket: those calls and the copy they make.
//! Man pages: pread(2), fsync(2).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use iobench::Errno;
use iobench::engine::blocking::{Blocking, blocking};
use iobench::engine::descriptor;
use iobench::engine::strategy::{Call, DirectIo, Direction, Info, MAX_CALL_BYTES, Op, OpenSpec, Work};
use iobench::error::Error;

/// What one iteration has open: made by `open`, dropped after the closing bracket.
pub struct Mine {
    file: File,
}

impl Blocking for Mine {
    const INFO: Info = Info {
        // The value of --strategy; in the tree also the name of the file.
        name: "mine",
        // One line, for lists and help.
        summary: "pread(2) and pwrite(2), to start from",
        // Whether op.offset_bytes may jump: --access random.
        random: true,
        // False only for a strategy that measures the harness: checks of the data pass it over.
        moves_data: true,
        // 1: a call returns when the bytes have moved. Rings implement Queued instead.
        deepest_queue: 1,
        // What -d means: OnRequest, Always, or Never with the reason.
        direct: DirectIo::OnRequest,
        // The largest -b.
        max_block_bytes: MAX_CALL_BYTES,
    };

    /// What a tracer will see between the brackets of a pass of this size. It is tested.
    fn calls(work: &Work) -> Vec<Call> {
        let name = match work.direction {
            Direction::Read => "pread64",
            Direction::Write => "pwrite64",
        };
        let mut calls = vec![Call::exactly(name, work.blocks)];
        calls.extend(work.sync.then(|| Call::exactly("fsync", 1)));
        calls
    }

    /// Outside the bracket, once an iteration: open, map, allocate and register here.
    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        Ok(Mine { file: descriptor::open(spec)? })
    }

    /// Inside the bracket, once a block: move `block.len()` bytes at `op.offset_bytes`, and return
    /// how many moved. No allocation, no output, no call that `calls` does not declare. EINTR goes
    /// back as it is: the engine counts it and calls again. Fewer bytes end the run.
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

    /// Inside the bracket with -s: bring what was written to stable storage.
    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

fn main() -> ExitCode {
    let mut strategies = iobench::strategies::ALL.to_vec();
    strategies.push(&const { blocking::<Mine>() });
    iobench::main_with(&strategies)
}

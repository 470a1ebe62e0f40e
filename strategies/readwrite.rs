//! `readwrite`: read(2) and write(2), the path of the lab's `io-benchmark`.
//!
//! The plainest path: the kernel keeps the position in the open file, each call copies one block
//! between the page cache and the buffer and moves the position on. Each call pays for the way
//! into the kernel and back; small blocks are that price, large ones are the copy.
//!
//! A tracer sees between the brackets: `read` or `write`, once a block; `fsync` with `-s`.
//! Inside the bracket: those calls and the copy they make; on a cold file the wait for the device.
//! Man pages: read(2), write(2), fsync(2).

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use crate::engine::blocking::Blocking;
use crate::engine::descriptor;
use crate::engine::strategy::{Call, DirectIo, Direction, Info, MAX_CALL_BYTES, Op, OpenSpec, Work};
use crate::error::Error;

/// See the head of this file.
#[derive(Debug)]
pub struct ReadWrite {
    file: File,
}

impl Blocking for ReadWrite {
    const INFO: Info = Info {
        name: "readwrite",
        summary: "read(2) and write(2) at the file's own position",
        random: false,
        moves_data: true,
        deepest_queue: 1,
        direct: DirectIo::OnRequest,
        max_block_bytes: MAX_CALL_BYTES,
    };

    fn calls(work: &Work) -> Vec<Call> {
        let mut calls = vec![Call::exactly(work.direction.name(), work.blocks)];
        calls.extend(work.sync.then(|| Call::exactly("fsync", 1)));
        calls
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        Ok(ReadWrite { file: descriptor::open(spec)? })
    }

    #[inline(always)]
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let descriptor = self.file.as_raw_fd();
        // SAFETY: `block` is valid for its whole length, and the file keeps the descriptor open.
        let moved = unsafe {
            match op.direction {
                Direction::Read => libc::read(descriptor, block.as_mut_ptr().cast(), block.len()),
                Direction::Write => libc::write(descriptor, block.as_ptr().cast(), block.len()),
            }
        };
        Errno::result(moved).map(|moved| moved as usize)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

//! `readwrite`: read(2) and write(2), the path of the lab's `io-benchmark`.
//!
//! This is the simplest path. The kernel keeps the position in the open file. Each call copies one block
//! between the page cache and the buffer and advances the position. Each call also enters and leaves the
//! kernel. With small blocks this dominates the time; with large blocks the copy does.
//!
//! A tracer sees between the brackets: one `read` or `write` per block, and `fsync` with `-s`.
//! Inside the bracket: those calls and their copies; on a cold file also the wait for the device.
//! Man pages: read(2), write(2), fsync(2).

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use crate::engine::blocking::Blocking;
use crate::engine::descriptor;
use crate::engine::operation::{Direction, Op};
use crate::engine::strategy::{Call, IoPath, OpenSpec};
use crate::engine::workload::Workload;
use crate::error::{Error, errno_of};

/// See the head of this file.
#[derive(Debug)]
pub struct ReadWrite {
    file: File,
}

impl IoPath for ReadWrite {
    const NAME: &'static str = "readwrite";
    const SUMMARY: &'static str = "read(2) and write(2) at the file position";
    const RANDOM: bool = false;
    const DATA_SYNC_CALL: Option<&'static str> = descriptor::DATA_SYNC_CALL;

    fn calls(workload: &Workload) -> Vec<Call> {
        Call::one_per_block(workload, "read", "write")
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let mut file = descriptor::open(spec)?;
        // With --threads each worker starts at a segment of its own.
        if spec.first_bytes > 0 {
            file.seek(SeekFrom::Start(spec.first_bytes))
                .map_err(|error| Error::system("lseek", errno_of(&error), "use --strategy pread"))?;
        }
        Ok(ReadWrite { file })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }

    fn flush_data(&mut self) -> Result<(), Errno> {
        descriptor::sync_data(&self.file)
    }
}

impl Blocking for ReadWrite {
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
}

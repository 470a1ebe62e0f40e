//! `pread`: pread(2) and pwrite(2), which take the offset as an argument.
//!
//! Unlike with `readwrite`, the kernel does not use or lock the position of the open file. Blocks can be
//! visited in any order, and threads could share the descriptor. The copy is the same.
//!
//! A tracer sees between the brackets: `pread64` or `pwrite64` (their names on Linux), one per block; `fsync`
//! with `-s`.
//! Inside the bracket: those calls and their copies; on a cold file also the wait for the device.
//! Man pages: pread(2), fsync(2).

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use crate::engine::blocking::Blocking;
use crate::engine::descriptor;
use crate::engine::operation::{Direction, Op};
use crate::engine::strategy::{Call, IoPath, OpenSpec};
use crate::engine::workload::Workload;
use crate::error::Error;

/// See the head of this file.
#[derive(Debug)]
pub struct Pread {
    file: File,
}

/// Names of the calls for reading and writing, as tracers print them.
const CALL_NAMES: (&str, &str) =
    if cfg!(target_os = "linux") { ("pread64", "pwrite64") } else { ("pread", "pwrite") };

impl IoPath for Pread {
    const NAME: &'static str = "pread";
    const SUMMARY: &'static str = "pread(2) and pwrite(2) at explicit offsets";
    const DATA_SYNC_CALL: Option<&'static str> = descriptor::DATA_SYNC_CALL;

    fn calls(workload: &Workload) -> Vec<Call> {
        Call::one_per_block(workload, CALL_NAMES.0, CALL_NAMES.1)
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        Ok(Pread { file: descriptor::open(spec)? })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }

    fn flush_data(&mut self) -> Result<(), Errno> {
        descriptor::sync_data(&self.file)
    }
}

impl Blocking for Pread {
    #[inline(always)]
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let descriptor = self.file.as_raw_fd();
        let offset = op.offset_bytes as libc::off_t;
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

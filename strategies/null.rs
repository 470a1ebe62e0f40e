//! `null`: moves no data. Its cost is the cost of the harness.
//!
//! A benchmark cannot be more precise than its own loop. This strategy passes through the same bracket, the
//! same loop and the same checks as every other, and reports each block as moved without touching it. The
//! time per I/O that it shows is the floor of all other results.
//!
//! A tracer sees between the brackets: no system call.
//! Inside the bracket: the loop, a comparison per block, the interrupt flag.
//! Source: the idea is that of fio's `null` engine (engines/null.c).

use std::hint::black_box;

use nix::errno::Errno;

use crate::engine::blocking::Blocking;
use crate::engine::operation::Op;
use crate::engine::strategy::{Call, DirectIo, IoPath, OpenSpec};
use crate::engine::workload::Workload;
use crate::error::Error;

/// See the head of this file.
#[derive(Debug)]
pub struct Null;

impl IoPath for Null {
    const NAME: &'static str = "null";
    const SUMMARY: &'static str = "moves no bytes; measures the harness itself";
    const PERFORMS_IO: bool = false;
    const FILLS_BUFFER: bool = false;
    const DIRECT: DirectIo = DirectIo::Never("null opens no descriptor");
    const MAX_BLOCK_BYTES: u64 = u64::MAX;
    const SYNC_CALL: Option<&'static str> = None;

    fn calls(_: &Workload) -> Vec<Call> {
        Vec::new()
    }

    fn open(_: &OpenSpec) -> Result<Self, Error> {
        Ok(Null)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Blocking for Null {
    #[inline(always)]
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        // Keeps the compiler from removing a loop that does nothing.
        black_box(op.offset_bytes);
        Ok(block.len())
    }
}

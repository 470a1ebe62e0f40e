//! `direct`: `pread` on a file opened with O_DIRECT. It is the `pread` strategy, always with `-d`.
//!
//! O_DIRECT bypasses the page cache: the device transfers each block directly to or from the buffer. Offset,
//! length and memory address must therefore have the alignment that the device requires (statx(2),
//! STATX_DIOALIGN). The kernel reads nothing ahead and caches nothing, and every call waits for the device.
//!
//! A tracer sees between the brackets: `pread64` or `pwrite64`, one per block, each with its block requests;
//! `fsync` with `-s`.
//! Inside the bracket: those calls and the wait for the device.
//! Man pages: open(2) on O_DIRECT, statx(2).

use nix::errno::Errno;

use super::pread::Pread;
use crate::engine::blocking::Blocking;
use crate::engine::operation::Op;
use crate::engine::strategy::{Call, DirectIo, IoPath, OpenSpec};
use crate::engine::workload::Workload;
use crate::error::Error;

/// See the head of this file.
#[derive(Debug)]
pub struct Direct(Pread);

impl IoPath for Direct {
    const NAME: &'static str = "direct";
    const SUMMARY: &'static str = "pread(2) and pwrite(2) with O_DIRECT, bypassing the page cache";
    const DIRECT: DirectIo = DirectIo::Always;
    const DATA_SYNC_CALL: Option<&'static str> = Pread::DATA_SYNC_CALL;

    fn calls(workload: &Workload) -> Vec<Call> {
        Pread::calls(workload)
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        Pread::open(spec).map(Direct)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        self.0.flush()
    }

    fn flush_data(&mut self) -> Result<(), Errno> {
        self.0.flush_data()
    }
}

impl Blocking for Direct {
    #[inline(always)]
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        self.0.transfer(op, block)
    }
}

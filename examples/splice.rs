//! A strategy outside this project: splice(2) through a pipe.
//!
//! It has every flag, check and output of `iobench`:
//!
//!     cargo run --release --example splice -- --strategy splice --create -r -b 65536 iofile
//!
//! `splice` does not copy data. It puts references to pages of the page cache into a pipe. Only the read(2)
//! from the pipe copies, into the buffer. For writes, write(2) copies the block into the pipe, and `splice`
//! moves it on into the file.
//!
//! A tracer sees between the brackets: `splice` and `read` (or `write`), one of each per piece of a block
//! that fits into the pipe, 64 KiB by default; `fsync` with `-s`.
//! Man pages: splice(2), pipe(7).

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::ExitCode;

use iobench::Errno;
use iobench::engine::blocking::{Blocking, blocking};
use iobench::engine::descriptor;
use iobench::engine::operation::{Direction, Op};
use iobench::engine::strategy::{Call, IoPath, OpenSpec};
use iobench::engine::workload::Workload;
use iobench::error::Error;

/// Default capacity of a pipe, in bytes (pipe(7)).
const PIPE_BYTES: usize = 64 * 1024;

struct Splice {
    file: File,
    pipe_out: File,
    pipe_in: File,
}

impl IoPath for Splice {
    const NAME: &'static str = "splice";
    const SUMMARY: &'static str = "splice(2) through a pipe";

    fn calls(workload: &Workload) -> Vec<Call> {
        let (blocks, block_bytes) = (workload.blocks(), workload.block_bytes);
        let pieces = blocks * block_bytes.div_ceil(PIPE_BYTES as u64);
        // The kernel may move a piece in several steps of at least a page each.
        let at_most = blocks * (block_bytes.div_ceil(4096) + 1);
        let copy = workload.direction.name();
        ["splice", copy].map(|name| Call::between(name, pieces, at_most)).into()
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let file = descriptor::open(spec)?;
        let mut ends = [0; 2];
        // SAFETY: pipe2 writes two descriptors into the array.
        Errno::result(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })
            .map_err(|errno| Error::system("pipe2", errno, "close some files"))?;
        // SAFETY: both descriptors are new, and this function owns them.
        let [pipe_out, pipe_in] = ends.map(|end| unsafe { File::from_raw_fd(end) });
        Ok(Splice { file, pipe_out, pipe_in })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

impl Blocking for Splice {
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let mut offset = op.offset_bytes as i64;
        let mut done = 0;
        while done < block.len() {
            let piece = &mut block[done..];
            let length = piece.len().min(PIPE_BYTES);
            let moved = match op.direction {
                Direction::Read => {
                    let spliced = self.splice_from_file(&mut offset, length)?;
                    // SAFETY: the piece has room for `spliced` bytes.
                    let moved =
                        unsafe { libc::read(self.pipe_out.as_raw_fd(), piece.as_mut_ptr().cast(), spliced) };
                    Errno::result(moved)? as usize
                }
                Direction::Write => {
                    // SAFETY: the piece holds `length` bytes.
                    let copied =
                        unsafe { libc::write(self.pipe_in.as_raw_fd(), piece.as_ptr().cast(), length) };
                    self.splice_to_file(&mut offset, Errno::result(copied)? as usize)?
                }
            };
            if moved == 0 {
                break;
            }
            done += moved;
        }
        Ok(done)
    }
}

impl Splice {
    fn splice_from_file(&self, offset: &mut i64, length: usize) -> Result<usize, Errno> {
        splice((&self.file, Some(offset)), (&self.pipe_in, None), length)
    }

    fn splice_to_file(&self, offset: &mut i64, length: usize) -> Result<usize, Errno> {
        let mut done = 0;
        while done < length {
            match splice((&self.pipe_out, None), (&self.file, Some(&mut *offset)), length - done)? {
                0 => break,
                moved => done += moved,
            }
        }
        Ok(done)
    }
}

/// One end of a splice: the file at an offset, which the kernel advances, or the pipe without one.
type End<'a> = (&'a File, Option<&'a mut i64>);

#[cfg(target_os = "linux")]
fn splice(from: End, to: End, length: usize) -> Result<usize, Errno> {
    let pointer = |offset: Option<&mut i64>| offset.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let (from_offset, to_offset) = (pointer(from.1), pointer(to.1));
    // SAFETY: both descriptors are open, and both offsets live across the call or are null.
    let moved =
        unsafe { libc::splice(from.0.as_raw_fd(), from_offset, to.0.as_raw_fd(), to_offset, length, 0) };
    Errno::result(moved).map(|moved| moved as usize)
}

/// Only Linux has splice(2).
#[cfg(not(target_os = "linux"))]
fn splice(_: End, _: End, _: usize) -> Result<usize, Errno> {
    Err(Errno::ENOSYS)
}

fn main() -> ExitCode {
    let mut strategies = iobench::strategies::ALL.to_vec();
    strategies.push(&const { blocking::<Splice>() });
    iobench::main_with(&strategies)
}

//! Strategies with one flaw each, as students make them.

use std::fs::File;
use std::hint::black_box;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use iobench::Errno;
use iobench::engine::blocking::{Blocking, blocking};
use iobench::engine::descriptor;
use iobench::engine::operation::{Direction, Op};
use iobench::engine::strategy::{Call, IoPath, OpenSpec, Strategy};
use iobench::engine::workload::Workload;
use iobench::error::Error;

/// Each flaw: name, the only row that it makes red, and words of that row's sentence.
pub(crate) const FLAWS: &[(&str, &str, &[&str])] = &[
    (
        "rounds",
        "data",
        &["reading 136 blocks of 1 bytes", "the block at offset 1 differs", "op.offset_bytes"],
    ),
    ("deaf", "directions", &["writing succeeds but does not change the file", "Direction::Write"]),
    ("seeks", "bracket", &["lseek is called 256 times but is not declared", "move that work to open"]),
    ("chatty", "bracket", &["write to standard error is called 256 times but is not declared"]),
    ("swallows", "errors", &["the pass succeeded", "return the number of bytes that the call moved"]),
    ("hides", "errors", &["pread64 failed with EIO in a read, but the run continued", "Errno::result"]),
    ("impatient", "errors", &["a signal interrupted pread64", "0 interrupted calls were counted"]),
    ("buffers", "fallback", &["O_DIRECT was granted, but the read went through the page cache"]),
    ("pretends", "fallback", &["preadv is declared to move the bytes, but pread64 moved them in 256 calls"]),
    ("replaces", "fallback", &["preadv was refused with EOPNOTSUPP, and pread64 moved the bytes"]),
    (
        "reopens",
        "fallback",
        &["refused to open the file with O_DIRECT (EINVAL), but the strategy opened it without O_DIRECT"],
    ),
];

/// Name of the strategy that is only too slow.
pub(crate) const SLOW: &str = "slow";
/// The name of the one that ends the program.
pub(crate) const CRASHES: &str = "crashes";

/// Every one of them, as an own program registers its strategies.
pub(crate) const ALL: [&dyn Strategy; 13] = [
    &blocking::<Flawed<Rounds>>(),
    &blocking::<Flawed<Deaf>>(),
    &blocking::<Flawed<Seeks>>(),
    &blocking::<Flawed<Chatty>>(),
    &blocking::<Flawed<Swallows>>(),
    &blocking::<Flawed<Hides>>(),
    &blocking::<Flawed<Impatient>>(),
    &blocking::<Flawed<Buffers>>(),
    &blocking::<Flawed<Pretends>>(),
    &blocking::<Flawed<Replaces>>(),
    &blocking::<Flawed<Reopens>>(),
    &blocking::<Flawed<Slow>>(),
    &blocking::<Flawed<Crashes>>(),
];

/// The flaw. Everything else is correct and uses pread(2) and pwrite(2).
trait Flaw: 'static {
    const NAME: &'static str;

    /// Names of the calls that it declares to read and to write by.
    const DECLARED: [&'static str; 2] = ["pread64", "pwrite64"];

    fn open(spec: &OpenSpec) -> Result<File, Error> {
        descriptor::open(spec)
    }

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        transfer(file, op, block)
    }
}

struct Flawed<F> {
    file: File,
    flaw: PhantomData<F>,
}

impl<F: Flaw> IoPath for Flawed<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = "wrong in one thing";

    fn calls(workload: &Workload) -> Vec<Call> {
        Call::one_per_block(workload, F::DECLARED[0], F::DECLARED[1])
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        Ok(Flawed { file: F::open(spec)?, flaw: PhantomData })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        descriptor::sync(&self.file)
    }
}

impl<F: Flaw> Blocking for Flawed<F> {
    fn transfer(&mut self, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        F::transfer(&self.file, op, block)
    }
}

/// As it should be.
fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
    let (descriptor, offset) = (file.as_raw_fd(), op.offset_bytes as libc::off_t);
    // SAFETY: `block` is valid for its whole length, and the file keeps the descriptor open.
    let moved = unsafe {
        match op.direction {
            Direction::Read => libc::pread(descriptor, block.as_mut_ptr().cast(), block.len(), offset),
            Direction::Write => libc::pwrite(descriptor, block.as_ptr().cast(), block.len(), offset),
        }
    };
    Errno::result(moved).map(|moved| moved as usize)
}

/// By preadv(2) and pwritev(2), as it should be.
fn transfer_vectored(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
    let (descriptor, offset) = (file.as_raw_fd(), op.offset_bytes as libc::off_t);
    let vector = libc::iovec { iov_base: block.as_mut_ptr().cast(), iov_len: block.len() };
    // SAFETY: the vector is one entry, of a block that is valid for its whole length.
    let moved = unsafe {
        match op.direction {
            Direction::Read => libc::preadv(descriptor, &vector, 1, offset),
            Direction::Write => libc::pwritev(descriptor, &vector, 1, offset),
        }
    };
    Errno::result(moved).map(|moved| moved as usize)
}

/// Reads whole pages, and so from the wrong offset where a block does not begin at one.
struct Rounds;

impl Flaw for Rounds {
    const NAME: &'static str = "rounds";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        match op.direction {
            Direction::Read => transfer(file, Op { offset_bytes: op.offset_bytes & !4095, ..op }, block),
            Direction::Write => transfer(file, op, block),
        }
    }
}

/// Overhears that it is to write.
struct Deaf;

impl Flaw for Deaf {
    const NAME: &'static str = "deaf";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        if op.direction == Direction::Write { Ok(block.len()) } else { transfer(file, op, block) }
    }
}

/// Makes one call more than it declares.
struct Seeks;

impl Flaw for Seeks {
    const NAME: &'static str = "seeks";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: lseek takes a descriptor, and the file keeps it open.
        unsafe { libc::lseek(file.as_raw_fd(), op.offset_bytes as libc::off_t, libc::SEEK_SET) };
        transfer(file, op, block)
    }
}

/// Left its debug output in.
struct Chatty;

impl Flaw for Chatty {
    const NAME: &'static str = "chatty";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        eprintln!("block");
        transfer(file, op, block)
    }
}

/// Says that the whole block moved, whatever the kernel says.
struct Swallows;

impl Flaw for Swallows {
    const NAME: &'static str = "swallows";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let _ = transfer(file, op, block);
        Ok(block.len())
    }
}

/// Hides EIO alone: nothing on a healthy machine shows it.
struct Hides;

impl Flaw for Hides {
    const NAME: &'static str = "hides";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        match transfer(file, op, block) {
            Err(Errno::EIO) => Ok(block.len()),
            moved => moved,
        }
    }
}

/// Takes an interrupted call for a finished one.
struct Impatient;

impl Flaw for Impatient {
    const NAME: &'static str = "impatient";

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        match transfer(file, op, block) {
            Err(Errno::EINTR) => Ok(block.len()),
            moved => moved,
        }
    }
}

fn buffered(spec: &OpenSpec) -> Workload {
    Workload { direct: false, ..*spec.workload }
}

/// Opens without O_DIRECT although it is requested.
struct Buffers;

impl Flaw for Buffers {
    const NAME: &'static str = "buffers";

    fn open(spec: &OpenSpec) -> Result<File, Error> {
        descriptor::open(&OpenSpec { workload: &buffered(spec), ..*spec })
    }
}

/// Declares one path and goes another.
struct Pretends;

impl Flaw for Pretends {
    const NAME: &'static str = "pretends";
    const DECLARED: [&'static str; 2] = ["preadv", "pwritev"];
}

/// Goes another path where the kernel does not take its own.
struct Replaces;

impl Flaw for Replaces {
    const NAME: &'static str = "replaces";
    const DECLARED: [&'static str; 2] = ["preadv", "pwritev"];

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        match transfer_vectored(file, op, block) {
            Err(Errno::EOPNOTSUPP) => transfer(file, op, block),
            moved => moved,
        }
    }
}

/// Opens without O_DIRECT where the kernel does not open with it.
struct Reopens;

impl Flaw for Reopens {
    const NAME: &'static str = "reopens";

    fn open(spec: &OpenSpec) -> Result<File, Error> {
        match descriptor::open(spec) {
            Err(_) if spec.workload.direct => {
                descriptor::open(&OpenSpec { workload: &buffered(spec), ..*spec })
            }
            opened => opened,
        }
    }
}

/// Takes many times as long as the call, which copies 16 KiB in a few microseconds.
struct Slow;

impl Flaw for Slow {
    const NAME: &'static str = SLOW;

    fn transfer(file: &File, op: Op, block: &mut [u8]) -> Result<usize, Errno> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(50) {}
        transfer(file, op, block)
    }
}

/// Reads from an address where nothing is.
struct Crashes;

impl Flaw for Crashes {
    const NAME: &'static str = CRASHES;

    fn transfer(_: &File, _: Op, block: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: none; it is what a student's wrong pointer does.
        block[0] = unsafe { black_box(64 as *const u8).read_volatile() };
        Ok(block.len())
    }
}

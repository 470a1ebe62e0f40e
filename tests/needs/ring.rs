//! A ring of io_uring that goes away with an operation in flight.

use std::io::Write;

use iobench::Errno;
use iobench::engine::buffer::BufferPool;
use iobench::engine::operation::{Direction, Op};
use iobench::engine::queued::{Queued, Slot};
use iobench::engine::strategy::{IoPath, OpenSpec};
use iobench::engine::target::Target;
use iobench::engine::workload::Workload;
use iobench::strategies::io_uring::Uring;

use crate::common;
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [IO_URING] => a_ring_dropped_with_an_operation_in_flight_keeps_its_buffer,
    ]
}

/// A ring that goes away while the kernel still may write to its buffer must not give the memory
/// back: a read from a terminal without input never completes.
fn a_ring_dropped_with_an_operation_in_flight_keeps_its_buffer() {
    let (terminal, path) = pseudo_terminal();
    let target = Target::open(&path, Direction::Read, false).unwrap();
    let plain = Workload::new(Direction::Read, 4096, 8192);
    let workload = Workload { iodepth: Some(2), batch: Some(1), ..plain };
    let buffer = BufferPool::default().buffer(&workload, 1).unwrap();
    let block = buffer.block_ptr(0) as usize;
    let spec = OpenSpec { target: &target, workload: &workload, first_bytes: 0, buffer: &buffer };
    let mut ring = Uring::open(&spec).unwrap();
    // SAFETY: slot 0 is pushed once, and nothing else uses its block.
    ring.push(Op { direction: Direction::Read, offset_bytes: 0 }, unsafe { Slot::returned(0) });
    let mut completed = 0;
    ring.reap(0, &mut |_| completed += 1).unwrap();
    assert_eq!(completed, 0, "the read is in flight");
    let observer = std::sync::Arc::downgrade(&buffer);
    drop(ring);
    drop(buffer);
    assert!(observer.strong_count() > 0, "the buffer was freed under an operation in flight");

    // New memory is other memory, and the late answer does not reach it.
    let writing = Workload { direction: Direction::Write, ..workload };
    let fresh = BufferPool::default().buffer(&writing, 1).unwrap();
    assert_ne!(fresh.block_ptr(0) as usize, block);
    std::fs::File::from(terminal).write_all(b"too late\n").unwrap();
    // SAFETY: no ring knows this buffer.
    assert_eq!(unsafe { fresh.block_mut(0) }, common::pattern(0, 4096));
}

/// The master of a new terminal, and the path of its other end.
fn pseudo_terminal() -> (std::os::fd::OwnedFd, std::path::PathBuf) {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    // SAFETY: posix_openpt takes flags, and its answer is checked.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) };
    assert!(master >= 0, "{}", Errno::last());
    // SAFETY: the descriptor is new, and has no other owner.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    let mut name = [0; 128];
    // SAFETY: the descriptor is a master, and the name is written within the length given.
    let named = unsafe {
        libc::grantpt(master.as_raw_fd());
        libc::unlockpt(master.as_raw_fd());
        libc::ptsname_r(master.as_raw_fd(), name.as_mut_ptr(), name.len())
    };
    assert_eq!(named, 0);
    // SAFETY: ptsname_r ended the name with a null byte.
    let name = unsafe { std::ffi::CStr::from_ptr(name.as_ptr()) };
    (master, name.to_str().unwrap().into())
}

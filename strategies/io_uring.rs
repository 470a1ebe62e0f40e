//! `io_uring`: a queue of operations shared with the kernel, and one call for many of them.
//!
//! Two rings lie in memory that program and kernel share. Into the submission queue the program
//! writes entries ("read 4 KiB at offset 0 into buffer 7"); io_uring_enter(2) tells the kernel to
//! start them and may wait; from the completion queue the program reads the results, in whatever
//! order they came. One call thus starts and finishes many I/Os, and a device sees them all at
//! once.
//!
//! What is set up outside the bracket, to make each operation cheaper:
//! - the file is *registered*: the kernel does not look the descriptor up for each operation;
//! - the buffer is *registered*: its pages are pinned and mapped once, not for each operation;
//! - IORING_SETUP_SINGLE_ISSUER (Linux 6.0): the kernel may rely on one submitting thread;
//! - IORING_SETUP_DEFER_TASKRUN (6.1): completions are finished when this thread asks for them,
//!   not in the middle of its other work;
//! - IORING_SETUP_NO_SQARRAY (6.6): one indirection less in the submission queue.
//!
//! Flags that a kernel does not know are left out; the result names those that were granted.
//!
//! The engine pushes until the queue is full, then submits and waits for `--batch` completions.
//! On the page cache that is the whole queue (`--iodepth` operations a call: a read of a cached
//! page is finished while it is being submitted). With O_DIRECT it is one, so that the device's
//! queue never runs dry.
//!
//! A tracer sees between the brackets: `io_uring_enter`, once a batch; one more for the fsync of
//! `-s`. The reads and writes themselves are no system calls: tracepoints io_uring:* show them.
//! Inside the bracket: filling entries, those calls, emptying the completion queue.
//! Man pages: io_uring(7), io_uring_setup(2), io_uring_enter(2), io_uring_register(2).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::{IoUring, opcode, types};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::json;

use crate::engine::buffer::Buffer;
use crate::engine::descriptor;
use crate::engine::operation::{Direction, Op};
use crate::engine::queued::{Completion, Queued, Slot};
use crate::engine::strategy::{Call, Effective, IoPath, Mechanism, OpenSpec, probe_direct};
use crate::engine::support::{Reason, Refusal, Support};
use crate::engine::target::Target;
use crate::engine::workload::{PageState, Workload};
use crate::error::{Error, errno_of};

/// See the head of this file.
pub struct Uring {
    // Dropped first: closing the ring ends what is in flight before file and buffer go.
    ring: IoUring,
    buffer: Arc<Buffer>,
    /// A registered buffer holds two to this power of the engine's blocks.
    blocks_log2: u32,
    /// Operations that the kernel has not completed.
    in_flight: u32,
    /// An fsync is queued or under way: a signal interrupted the wait for it.
    syncing: bool,
    /// Setup flags that the kernel granted.
    flags: &'static [&'static str],
    _file: File,
}

/// The call that submits and waits, as tracers print it.
const ENTER: &str = "io_uring_enter";
/// Place of the file in the ring's table of registered files.
const FILE: types::Fixed = types::Fixed(0);
/// `user_data` of the fsync; slots count from 0.
const FSYNC: u64 = u64::MAX;
/// One registered buffer may be 1 GiB (io_uring_register(2), IORING_REGISTER_BUFFERS).
const MAX_REGISTERED_BYTES: u64 = 1 << 30;

impl IoPath for Uring {
    const NAME: &'static str = "io_uring";
    const SUMMARY: &'static str = "batches of operations through a ring shared with the kernel";
    const MECHANISM: Mechanism = Mechanism::Queue;
    // Beyond a few thousand nothing is gained.
    const MAX_IODEPTH: u32 = 4096;
    const MAX_BLOCK_BYTES: u64 = MAX_REGISTERED_BYTES;
    const SYNC_CALL: Option<&'static str> = Some(ENTER);

    fn probe(target: &Target, direct: bool) -> Support {
        match build(1) {
            Ok(_) => probe_direct(&Self::INFO, target, direct),
            Err(errno) => Support::No(refusal(errno)),
        }
    }

    fn calls(workload: &Workload) -> Vec<Call> {
        // Every call but the last brings `batch` completions at least, and may bring all in flight.
        let at_least = workload.blocks().div_ceil(u64::from(workload.depth()));
        let at_most = workload.blocks().div_ceil(u64::from(workload.waits_for()));
        vec![Call::between(ENTER, at_least, at_most)]
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let file = descriptor::open(spec)?;
        let (ring, flags) = build(spec.workload.depth()).map_err(|errno| setup_error(errno, spec))?;
        ring.submitter()
            .register_files(&[file.as_raw_fd()])
            .map_err(|error| Error::system("io_uring_register", errno_of(&error), "use another strategy"))?;
        let blocks_log2 = register_buffers(&ring, spec)?;
        let buffer = Arc::clone(spec.buffer);
        Ok(Uring { ring, buffer, blocks_log2, in_flight: 0, syncing: false, flags, _file: file })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        if !self.syncing {
            let entry = opcode::Fsync::new(FILE).build().user_data(FSYNC);
            // SAFETY: an fsync refers to no memory.
            unsafe { self.ring.submission().push(&entry) }.map_err(|_| Errno::EBUSY)?;
            self.syncing = true;
        }
        loop {
            self.ring.submit_and_wait(1).map_err(|error| errno_of(&error))?;
            if let Some(entry) = self.ring.completion().find(|entry| entry.user_data() == FSYNC) {
                self.syncing = false;
                return moved(entry.result()).map(drop);
            }
        }
    }

    fn grant(&self, mut granted: Effective) -> Effective {
        granted.details.insert("ring_flags".to_owned(), json!(self.flags));
        granted.details.insert("ring_registered".to_owned(), json!(true));
        // Registering pins the pages, which faults them in.
        Effective { buffer: PageState::Prefault, ..granted }
    }
}

impl Queued for Uring {
    #[inline]
    fn push(&mut self, op: Op, slot: Slot) {
        let index = slot.index();
        let (start, length) = (self.buffer.block_ptr(index), self.buffer.block_bytes() as u32);
        let registered = (index >> self.blocks_log2) as u16;
        let entry = match op.direction {
            Direction::Read => {
                opcode::ReadFixed::new(FILE, start, length, registered).offset(op.offset_bytes).build()
            }
            Direction::Write => opcode::WriteFixed::new(FILE, start.cast_const(), length, registered)
                .offset(op.offset_bytes)
                .build(),
        };
        // SAFETY: the block belongs to this operation until its completion, because its slot does;
        // the memory outlives the ring, because `self` shares its ownership.
        let pushed = unsafe { self.ring.submission().push(&entry.user_data(u64::from(index))) };
        debug_assert!(pushed.is_ok(), "the ring has an entry for each slot");
        self.in_flight += 1;
    }

    #[inline]
    fn reap(&mut self, min: u32, sink: &mut impl FnMut(Completion)) -> Result<(), Errno> {
        self.ring.submit_and_wait(min as usize).map_err(|error| errno_of(&error))?;
        for entry in self.ring.completion() {
            self.in_flight -= 1;
            // SAFETY: `user_data` is the index of the slot that was pushed with this operation.
            let slot = unsafe { Slot::returned(entry.user_data() as u32) };
            sink(Completion { slot, moved: moved(entry.result()) });
        }
        Ok(())
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            // A pass that failed left operations behind. The kernel may still write to their
            // blocks: better to leak the memory than to let it be used for something else.
            std::mem::forget(Arc::clone(&self.buffer));
        }
    }
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring").field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// The `res` of a completion: bytes moved, or a negated errno.
#[inline]
fn moved(result: i32) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::from_raw(-result))
}

/// A ring with `entries` entries, with as many of the wanted flags as the kernel grants.
fn build(entries: u32) -> Result<(IoUring, &'static [&'static str]), Errno> {
    const FLAGS: [&str; 3] = ["single_issuer", "defer_taskrun", "no_sqarray"];
    for granted in (1..=FLAGS.len()).rev() {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer();
        if granted >= 2 {
            builder.setup_defer_taskrun();
        }
        if granted >= 3 {
            builder.setup_no_sqarray();
        }
        match builder.build(entries).map_err(|error| errno_of(&error)) {
            // The answer to a flag that the kernel does not know (io_uring_setup(2)).
            Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
            Ok(ring) => return Ok((ring, &FLAGS[..granted])),
        }
    }
    let ring = IoUring::new(entries).map_err(|error| errno_of(&error))?;
    Ok((ring, &[]))
}

/// Registers the blocks of the buffer, as many as fit into each registered buffer: most often that
/// is one for all, and the kernel finds it in its CPU's cache each time. Returns the binary
/// logarithm of the number of blocks in each.
fn register_buffers(ring: &IoUring, spec: &OpenSpec) -> Result<u32, Error> {
    let blocks_log2 = (MAX_REGISTERED_BYTES as usize / spec.buffer.stride_bytes()).max(1).ilog2();
    let depth = spec.workload.depth();
    let buffers = (0..depth).step_by(1 << blocks_log2).map(|first| {
        let blocks = (depth - first).min(1 << blocks_log2) as usize;
        libc::iovec {
            iov_base: spec.buffer.block_ptr(first).cast(),
            iov_len: (blocks - 1) * spec.buffer.stride_bytes() + spec.buffer.block_bytes(),
        }
    });
    let buffers: Vec<libc::iovec> = buffers.collect();
    // SAFETY: the buffers lie in the mapping, and the session shares ownership of them with the engine.
    let registered = unsafe { ring.submitter().register_buffers(&buffers) };
    registered.map(|()| blocks_log2).map_err(|error| match errno_of(&error) {
        Errno::ENOMEM => memlock_error("io_uring_register", spec),
        errno => Error::system("io_uring_register", errno, "use a smaller -b or --iodepth"),
    })
}

fn setup_error(errno: Errno, spec: &OpenSpec) -> Error {
    if errno == Errno::ENOMEM {
        return memlock_error("io_uring_setup", spec);
    }
    let Refusal { explanation, remedy, .. } = refusal(errno);
    Error::unavailable("io_uring_setup", explanation, remedy).because(errno)
}

fn memlock_error(call: &'static str, spec: &OpenSpec) -> Error {
    let limit_bytes = memlock_bytes();
    let (block_bytes, depth) = (spec.buffer.block_bytes() as u64, u64::from(spec.workload.depth()));
    let reason = format!(
        "{depth} blocks of {block_bytes} bytes and the ring are more than may be locked in memory: the limit \
         (memlock, RLIMIT_MEMLOCK) is {limit_bytes} bytes (ENOMEM)"
    );
    let fitting = within_memlock(limit_bytes, spec.buffer.stride_bytes() as u64, depth);
    Error::unavailable(call, reason, format!("{fitting}, or raise the limit with ulimit -l"))
        .because(Errno::ENOMEM)
}

fn memlock_bytes() -> u64 {
    getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft)
}

/// What to ask for so that ring and blocks can be locked.
fn within_memlock(limit_bytes: u64, stride_bytes: u64, depth: u64) -> String {
    let fitting = lockable_depth(limit_bytes, stride_bytes).min(depth.saturating_sub(1));
    match (fitting, lockable_depth(limit_bytes, PAGE_BYTES)) {
        (0, 0) => "use another strategy".to_owned(),
        (0, fitting) => format!("use -b {PAGE_BYTES} --iodepth {fitting} or less"),
        (fitting, _) => format!("use --iodepth {fitting} or less"),
    }
}

/// Unit in which memory is locked; larger pages only make the estimate of [`lockable_depth`] wrong.
const PAGE_BYTES: u64 = 4096;
/// A small ring locks two pages, the ring of the probe may not be gone yet (it is freed by a worker
/// of the kernel), and the last block may end within a page.
const RINGS_BYTES: u64 = 5 * PAGE_BYTES;
/// An entry of the submission queue (64 bytes) and two of the completion queue (16 bytes each),
/// doubled because the queues are rounded up to powers of two.
const ENTRY_BYTES: u64 = 192;

/// A depth at which ring and blocks, `stride_bytes` apart, fit into `limit_bytes` of locked memory;
/// there may be more. The blocks count for the pages that they touch, the ring since Linux 6.14.
fn lockable_depth(limit_bytes: u64, stride_bytes: u64) -> u64 {
    limit_bytes.saturating_sub(RINGS_BYTES) / (stride_bytes + ENTRY_BYTES)
}

/// Which of the reasons for having no io_uring this errno of io_uring_setup(2) stands for.
fn refusal(errno: Errno) -> Refusal {
    let (reason, explanation, remedy) = match errno {
        Errno::ENOSYS => (
            Reason::KernelTooOld,
            "the kernel has no io_uring (ENOSYS): it is older than 5.1, built without it, or emulated (qemu-user)"
                .to_owned(),
            "use a newer kernel, or another strategy",
        ),
        Errno::EPERM => match disabled_by_sysctl() {
            Some(level) => (
                Reason::Sysctl,
                format!("the sysctl kernel.io_uring_disabled is {level} (EPERM)"),
                "set it to 0 as root: sysctl kernel.io_uring_disabled=0",
            ),
            None => (
                Reason::Seccomp,
                "a seccomp filter forbids io_uring_setup (EPERM), as container runtimes do by default"
                    .to_owned(),
                "run outside the container, or with a seccomp profile that allows io_uring",
            ),
        },
        Errno::ENOMEM => (
            Reason::Memlock,
            format!(
                "the smallest ring is more than may be locked in memory: the limit (memlock, \
                 RLIMIT_MEMLOCK) is {} bytes (ENOMEM)",
                memlock_bytes()
            ),
            "raise the limit with ulimit -l, or use another strategy",
        ),
        errno => return Refusal::system("io_uring_setup", errno, "use another strategy"),
    };
    Refusal::new(reason, explanation, remedy)
}

/// The value of kernel.io_uring_disabled (Linux 6.6) if it switches io_uring off for somebody.
fn disabled_by_sysctl() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok().filter(|level| *level > 0)
}

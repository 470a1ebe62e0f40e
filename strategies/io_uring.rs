//! `io_uring`: operations through two queues that the program shares with the kernel. One system call submits
//! many.
//!
//! Setting up a ring creates two queues in memory that the program and the kernel both access:
//!
//! - The *submission queue*. The program adds entries, such as "read 4 KiB at offset 0 into buffer 7".
//! - The *completion queue*. The kernel adds results: the number of bytes moved, or a negated errno. Results
//!   arrive in any order, so each carries the `user_data` of its entry.
//!
//! io_uring_enter(2) makes the kernel start the new entries, and it can wait until a given number of results
//! has arrived. pread(2) takes one system call per block. Here, one call submits a batch of blocks and waits
//! for a batch of results, and the device can work on all of them at the same time.
//!
//! The setup happens outside the bracket and makes each operation cheaper:
//!
//! - The file is *registered*. Otherwise the kernel looks up the descriptor for each operation.
//! - The buffer is *registered*: its pages are pinned and mapped once. Otherwise the kernel does this for
//!   each operation.
//! - IORING_SETUP_SINGLE_ISSUER (Linux 6.0) promises that only one thread submits, so the kernel can optimize
//!   for it.
//! - IORING_SETUP_DEFER_TASKRUN (6.1) finishes operations when this thread waits for results. Otherwise the
//!   kernel interrupts the other work of the thread.
//! - IORING_SETUP_NO_SQARRAY (6.6) removes one indirection from the submission queue.
//!
//! Flags that a kernel does not know are left out. The result lists the flags that were granted.
//!
//! The engine adds entries until `--iodepth` operations are in flight. It then submits them and waits for
//! `--batch` results. On the page cache the batch is the whole queue, because the read of a cached page
//! finishes during its submission. With O_DIRECT the batch is 1: each finished operation is replaced at once,
//! by a call of its own if several have finished, so the device's queue stays full.
//!
//! A tracer sees between the brackets: `io_uring_enter`, one per batch; one more for the fsync of `-s`. The
//! reads and writes are not system calls. The tracepoints io_uring:* show them.
//! Inside the bracket: adding entries, those calls, and taking results from the completion queue.
//! Man pages: io_uring(7), io_uring_setup(2), io_uring_enter(2), io_uring_register(2).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, types};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::json;

use crate::engine::buffer::Buffer;
use crate::engine::descriptor;
use crate::engine::interrupt;
use crate::engine::operation::{Direction, Op};
use crate::engine::queued::{Completion, Queued, Slot};
use crate::engine::strategy::{Call, Effective, IoPath, Mechanism, OpenSpec, probe_direct};
use crate::engine::support::{Reason, Refusal, Support};
use crate::engine::target::Target;
use crate::engine::workload::{PageState, Workload};
use crate::error::{Error, errno_of};

/// See the head of this file.
pub struct Uring {
    // Dropped first: closing the ring ends the operations in flight before the file and the buffer are
    // released.
    ring: IoUring,
    buffer: Arc<Buffer>,
    /// Binary logarithm of the number of blocks per registered buffer.
    blocks_log2: u32,
    /// Operations that the kernel has not completed.
    in_flight: u32,
    /// True while an fsync is queued or in flight. It outlives a wait that a signal interrupts.
    syncing: bool,
    /// Setup flags that the kernel granted.
    flags: &'static [&'static str],
    _file: File,
}

/// The call that submits and waits, as tracers print it.
const ENTER: &str = "io_uring_enter";
/// Index of the file in the ring's table of registered files.
const FILE: types::Fixed = types::Fixed(0);
/// `user_data` of the fsync. Slots count from 0.
const FSYNC: u64 = u64::MAX;
/// One registered buffer may be 1 GiB (io_uring_register(2), IORING_REGISTER_BUFFERS).
const MAX_REGISTERED_BYTES: u64 = 1 << 30;

impl IoPath for Uring {
    const NAME: &'static str = "io_uring";
    const SUMMARY: &'static str = "batches of operations through a ring shared with the kernel";
    const MECHANISM: Mechanism = Mechanism::Queue;
    // Deeper queues bring no gain.
    const MAX_IODEPTH: u32 = 4096;
    const MAX_BLOCK_BYTES: u64 = MAX_REGISTERED_BYTES;
    const SYNC_CALL: Option<&'static str> = Some(ENTER);

    fn probe(target: &Target, direct: bool) -> Support {
        match released(PAGE_BYTES, || build(1)) {
            Ok(_) => probe_direct(&Self::INFO, target, direct),
            Err(errno) => Support::No(refusal(errno)),
        }
    }

    fn calls(workload: &Workload) -> Vec<Call> {
        // Every call but the last returns at least `batch` completions, and may return all in flight. With a
        // batch of 1, each call submits an operation or returns one of the last.
        let (blocks, depth) = (workload.blocks(), u64::from(workload.depth()));
        let at_most = match workload.waits_for() {
            1 => blocks + depth - 1,
            batch => blocks.div_ceil(u64::from(batch)),
        };
        vec![Call::between(ENTER, blocks.div_ceil(depth), at_most)]
    }

    fn open(spec: &OpenSpec) -> Result<Self, Error> {
        let file = descriptor::open(spec)?;
        let depth = spec.workload.depth();
        let locked_bytes = spec.buffer.stride_bytes() as u64 * u64::from(spec.workload.slots());
        let built = released(locked_bytes, || build(depth));
        let (ring, flags) = built.map_err(|errno| setup_error(errno, spec))?;
        ring.submitter()
            .register_files(&[file.as_raw_fd()])
            .map_err(|error| Error::system("io_uring_register", errno_of(&error), "use another strategy"))?;
        let blocks_log2 = register_buffers(&ring, spec)?;
        let buffer = Arc::clone(spec.buffer);
        Ok(Uring { ring, buffer, blocks_log2, in_flight: 0, syncing: false, flags, _file: file })
    }

    fn flush(&mut self) -> Result<(), Errno> {
        self.fsync(types::FsyncFlags::empty())
    }

    fn flush_data(&mut self) -> Result<(), Errno> {
        self.fsync(types::FsyncFlags::DATASYNC)
    }

    fn grant(&self, mut granted: Effective) -> Effective {
        granted.details.insert("ring_flags".to_owned(), json!(self.flags));
        granted.details.insert("ring_registered".to_owned(), json!(true));
        // Registering pins the pages, which faults them in.
        Effective { buffer: PageState::Prefault, ..granted }
    }
}

impl Uring {
    /// Submits what was pushed, and lets the kernel finish what is ready, without waiting.
    fn look(&mut self) -> Result<(), Errno> {
        const GETEVENTS: u32 = 1;
        let pushed = self.ring.submission().len() as u32;
        // SAFETY: without a signal mask the call refers to no memory but the queues.
        let entered = unsafe { self.ring.submitter().enter::<libc::sigset_t>(pushed, 0, GETEVENTS, None) };
        entered.map(drop).map_err(|error| errno_of(&error))
    }

    /// Queues an fsync, if none is queued, and waits for it.
    fn fsync(&mut self, flags: types::FsyncFlags) -> Result<(), Errno> {
        if !self.syncing {
            let entry = opcode::Fsync::new(FILE).flags(flags).build().user_data(FSYNC);
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
        // SAFETY: the block belongs to this operation until its completion, because its slot does. The memory
        // outlives the ring, because `self` shares its ownership.
        let pushed = unsafe { self.ring.submission().push(&entry.user_data(u64::from(index))) };
        debug_assert!(pushed.is_ok(), "the ring has an entry for each slot");
        self.in_flight += 1;
    }

    fn submit(&mut self) -> Result<(), Errno> {
        self.ring.submit().map(drop).map_err(|error| errno_of(&error))
    }

    #[inline]
    fn reap(&mut self, min: u32, sink: &mut impl FnMut(Completion)) -> Result<(), Errno> {
        if min == 0 {
            self.look()?;
        } else {
            self.ring.submit_and_wait(min as usize).map_err(|error| errno_of(&error))?;
        }
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
            // A failed pass left operations in flight. The kernel may still write to their blocks, so the
            // memory is leaked and not used again.
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

/// Longest wait for the locked memory of an earlier ring.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
const RELEASE_PAUSE: Duration = Duration::from_millis(1);

/// Repeats `attempt` while it lacks locked memory that an earlier ring may still hold: a worker of the kernel
/// releases it some time after the ring was closed. More than the limit is never released.
fn released<T>(locked_bytes: u64, mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let may_fit = locked_bytes <= memlock_bytes();
    let started = Instant::now();
    loop {
        match attempt() {
            Err(Errno::ENOMEM) if may_fit && started.elapsed() < RELEASE_LIMIT && !interrupt::requested() => {
                std::thread::sleep(RELEASE_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// A ring with `entries` entries and as many of the wanted flags as the kernel grants.
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
            // The kernel does not know one of the flags (io_uring_setup(2)).
            Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
            Ok(ring) => return Ok((ring, &FLAGS[..granted])),
        }
    }
    let ring = IoUring::new(entries).map_err(|error| errno_of(&error))?;
    Ok((ring, &[]))
}

/// Registers the blocks of the buffer, as many per registered buffer as fit. One registered buffer usually
/// holds all, and the kernel finds it in the CPU's cache each time. Returns the binary logarithm of the
/// number of blocks per registered buffer.
fn register_buffers(ring: &IoUring, spec: &OpenSpec) -> Result<u32, Error> {
    let blocks_log2 = (MAX_REGISTERED_BYTES as usize / spec.buffer.stride_bytes()).max(1).ilog2();
    let slots = spec.workload.slots();
    let buffers = (0..slots).step_by(1 << blocks_log2).map(|first| {
        let blocks = (slots - first).min(1 << blocks_log2) as usize;
        libc::iovec {
            iov_base: spec.buffer.block_ptr(first).cast(),
            iov_len: (blocks - 1) * spec.buffer.stride_bytes() + spec.buffer.block_bytes(),
        }
    });
    let buffers: Vec<libc::iovec> = buffers.collect();
    let locked_bytes = spec.buffer.stride_bytes() as u64 * u64::from(spec.workload.slots());
    let registered = released(locked_bytes, || {
        // SAFETY: the buffers lie in the mapping, and the session shares ownership of them with the engine.
        let registered = unsafe { ring.submitter().register_buffers(&buffers) };
        registered.map_err(|error| errno_of(&error))
    });
    registered.map(|()| blocks_log2).map_err(|errno| match errno {
        Errno::ENOMEM => memlock_error("io_uring_register", spec),
        errno => Error::system("io_uring_register", errno, "use a smaller -b or --iodepth"),
    })
}

fn setup_error(errno: Errno, spec: &OpenSpec) -> Error {
    if errno == Errno::ENOMEM {
        return memlock_error("io_uring_setup", spec);
    }
    let Refusal { reason, explanation, remedy } = refusal(errno);
    match reason {
        Reason::System => Error::system("io_uring_setup", errno, remedy),
        _ => Error::unavailable("io_uring_setup", explanation, remedy).because(errno),
    }
}

fn memlock_error(call: &'static str, spec: &OpenSpec) -> Error {
    let limit_bytes = memlock_bytes();
    let (block_bytes, depth) = (spec.buffer.block_bytes() as u64, u64::from(spec.workload.depth()));
    let plural = if depth == 1 { "" } else { "s" };
    let reason = format!(
        "the ring and {depth} block{plural} of {block_bytes} bytes exceed the locked-memory limit \
         (RLIMIT_MEMLOCK) of {limit_bytes} bytes (ENOMEM)"
    );
    let fitting = within_memlock(limit_bytes, spec.buffer.stride_bytes() as u64, depth);
    Error::unavailable(call, reason, format!("{fitting}, or raise the limit with ulimit -l"))
        .because(Errno::ENOMEM)
}

fn memlock_bytes() -> u64 {
    getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft)
}

/// Options with which the ring and the blocks can be locked.
fn within_memlock(limit_bytes: u64, stride_bytes: u64, depth: u64) -> String {
    let fitting = lockable_depth(limit_bytes, stride_bytes).min(depth.saturating_sub(1));
    match (fitting, lockable_depth(limit_bytes, PAGE_BYTES)) {
        (0, 0) => "use another strategy".to_owned(),
        (0, fitting) => format!("use -b {PAGE_BYTES} --iodepth {fitting} or less"),
        (fitting, _) => format!("use --iodepth {fitting} or less"),
    }
}

/// Unit of locked memory. With larger pages the estimate of [`lockable_depth`] is wrong.
const PAGE_BYTES: u64 = 4096;
/// Locked memory other than blocks and entries. A small ring locks two pages. The ring of the probe may still
/// exist, because a worker of the kernel frees it. The last block may end within a page.
const RINGS_BYTES: u64 = 5 * PAGE_BYTES;
/// Bytes per operation: an entry of the submission queue (64 bytes) and two of the completion queue (16 bytes
/// each), doubled because the queues are rounded up to powers of two.
const ENTRY_BYTES: u64 = 192;

/// A depth at which the ring and blocks `stride_bytes` apart fit into `limit_bytes` of locked memory. A
/// deeper queue may also fit. Blocks count by the pages that they touch. The ring counts since Linux 6.14.
fn lockable_depth(limit_bytes: u64, stride_bytes: u64) -> u64 {
    limit_bytes.saturating_sub(RINGS_BYTES) / (stride_bytes + ENTRY_BYTES)
}

/// The reason for having no io_uring, from an errno of io_uring_setup(2).
fn refusal(errno: Errno) -> Refusal {
    let (reason, explanation, remedy) = match errno {
        Errno::ENOSYS => (
            Reason::KernelTooOld,
            "the kernel has no io_uring (ENOSYS): it is older than 5.1, built without it, or emulated \
             (qemu-user)"
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
                "the smallest ring exceeds the locked-memory limit (RLIMIT_MEMLOCK) of {} bytes (ENOMEM)",
                memlock_bytes()
            ),
            "raise the limit with ulimit -l, or use another strategy",
        ),
        errno => return Refusal::system("io_uring_setup", errno, "use another strategy"),
    };
    Refusal::new(reason, explanation, remedy)
}

/// The value of kernel.io_uring_disabled (Linux 6.6), if it disables io_uring for some processes.
fn disabled_by_sysctl() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok().filter(|level| *level > 0)
}

//! Standard output, which may be closed, full, slow or non-blocking.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Standard output without a buffer of its own. It waits where a non-blocking pipe or terminal is full.
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if WAS_CLOSED.load(Ordering::Relaxed) {
            return Err(Errno::EBADF.into());
        }
        let stdout = io::stdout();
        loop {
            match nix::unistd::write(stdout.as_fd(), bytes) {
                Err(Errno::EAGAIN) => wait_for_room(&stdout)?,
                Err(Errno::EINTR) => {}
                answer => return Ok(answer?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait_for_room(stdout: &io::Stdout) -> io::Result<()> {
    match poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// True if standard output was closed when the program started.
static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before the standard library opens /dev/null in place of a closed standard output, where a result
/// would be lost without an error.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: F_GETFD reads the flags of a descriptor, and fails if it is not open.
    let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0;
    WAS_CLOSED.store(closed, Ordering::Relaxed);
}

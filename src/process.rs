//! A child process in its own process group, with a time limit. It ends with this program, however that ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Pause between two checks of a running child.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A child process and its descendants. Ctrl-C at the terminal does not reach them, and they are killed when
/// dropped.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    child: Child,
}

impl ProcessGroup {
    /// Starts `command`.
    ///
    /// # Errors
    /// Those of [`Command::spawn`].
    pub(crate) fn spawn(command: &mut Command) -> io::Result<ProcessGroup> {
        end_with_this_process(command);
        command.process_group(0).spawn().map(|child| ProcessGroup { child })
    }

    /// The process itself.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its exit status, if it has exited.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the exit of the process. Returns `None` if it takes longer than `limit`. Calls `check` at
    /// intervals.
    ///
    /// # Errors
    /// Those of `check`.
    pub(crate) fn wait_within<E>(
        &mut self,
        limit: Duration,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<Option<ExitStatus>, E> {
        let started = Instant::now();
        loop {
            check()?;
            match self.ended() {
                None if started.elapsed() < limit => std::thread::sleep(LOOK_INTERVAL),
                status => return Ok(status),
            }
        }
    }

    /// Asks the process itself to end, as Ctrl-C does.
    pub(crate) fn interrupt(&mut self) {
        // The signal fails only if the process has exited.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT);
    }

    /// Kills the group if the process has not exited. A surviving descendant could hold the output open for a
    /// reader.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() {
            // A group that no longer exists needs no signal. The child is reaped in any case.
            let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Makes the kernel kill the child when this thread ends, which covers SIGKILL of this program. The
/// descendants of a tracer or of a check exit when their pipes close.
#[cfg(target_os = "linux")]
fn end_with_this_process(command: &mut Command) {
    use nix::sys::prctl::set_pdeathsig;
    let parent = nix::unistd::getpid();
    let prepare = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have ended before the call.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: the closure makes two system calls and allocates nothing, as required between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

/// FreeBSD: procctl(2) PROC_PDEATHSIG_CTL is not wrapped by nix.
#[cfg(not(target_os = "linux"))]
fn end_with_this_process(_: &mut Command) {}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

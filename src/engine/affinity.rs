//! The CPU that a benchmark is pinned to.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::Error;

/// What `--cpu` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuChoice {
    /// CPU 0, as the lab does, or the first one that is allowed.
    First,
    /// This one.
    Number(usize),
    /// No pinning.
    Unpinned,
}

/// Pins the process. Returns the CPU, or `None` if it was not pinned.
///
/// # Errors
/// [`Error::Usage`] if the CPU that was asked for is not among those allowed.
pub fn pin(choice: CpuChoice) -> Result<Option<usize>, Error> {
    if choice == CpuChoice::Unpinned {
        return Ok(None);
    }
    let allowed = allowed_cpus()?;
    let cpu = match choice {
        CpuChoice::Number(cpu) if allowed.contains(&cpu) => Some(cpu),
        CpuChoice::Number(cpu) => {
            return Err(Error::Usage(format!("--cpu {cpu}: this process may run on CPUs {allowed:?} only")));
        }
        _ => allowed.first().copied(),
    };
    let Some(cpu) = cpu else { return Ok(None) };
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).map_err(failed)?;
    Ok(Some(cpu))
}

fn allowed_cpus() -> Result<Vec<usize>, Error> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(failed)?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

fn failed(errno: Errno) -> Error {
    Error::system("sched_setaffinity", errno, "use --cpu none to run without pinning")
}

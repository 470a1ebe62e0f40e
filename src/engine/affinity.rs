//! The CPU that a benchmark is pinned to.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The CPU to run on: `default`, `none`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub enum CpuChoice {
    /// CPU 0, as the lab does, or the first one that is allowed.
    First,
    /// This one.
    Number(usize),
    /// No pinning.
    Unpinned,
}

impl fmt::Display for CpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CpuChoice::First => f.write_str("default"),
            CpuChoice::Unpinned => f.write_str("none"),
            CpuChoice::Number(cpu) => write!(f, "{cpu}"),
        }
    }
}

impl FromStr for CpuChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<CpuChoice, String> {
        match text {
            "default" => Ok(CpuChoice::First),
            "none" => Ok(CpuChoice::Unpinned),
            _ => match text.parse() {
                Ok(cpu) => Ok(CpuChoice::Number(cpu)),
                Err(_) => Err(format!("'{text}' is neither the number of a CPU nor none")),
            },
        }
    }
}

impl From<CpuChoice> for String {
    fn from(choice: CpuChoice) -> String {
        choice.to_string()
    }
}

impl TryFrom<String> for CpuChoice {
    type Error = String;

    fn try_from(text: String) -> Result<CpuChoice, String> {
        text.parse()
    }
}

/// Pins the process. Returns the CPU, or `None` if it was not pinned.
///
/// # Errors
/// A usage error if the CPU that was asked for is not among those allowed.
pub fn pin(choice: CpuChoice) -> Result<Option<usize>, Error> {
    if choice == CpuChoice::Unpinned {
        return Ok(None);
    }
    let allowed = allowed_cpus()?;
    let cpu = match choice {
        CpuChoice::Number(cpu) if allowed.contains(&cpu) => Some(cpu),
        CpuChoice::Number(cpu) => {
            return Err(Error::usage(format!("--cpu {cpu}: this process may run on CPUs {allowed:?} only")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_parsed_as_it_is_printed() {
        for choice in [CpuChoice::First, CpuChoice::Unpinned, CpuChoice::Number(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("-3".parse::<CpuChoice>().is_err());
    }
}

//! The CPUs that the workers of a benchmark are pinned to.

use std::str::FromStr;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The CPUs to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CpuChoice {
    /// The allowed CPUs in ascending order: one worker runs on CPU 0, as in `io-benchmark`, or on the first
    /// CPU that is allowed.
    Default,
    /// No pinning.
    None,
    /// The CPU with this number.
    #[serde(untagged)]
    Number(usize),
    /// These CPUs, in ascending order.
    #[serde(untagged)]
    List(CpuList),
}

impl FromStr for CpuChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<CpuChoice, String> {
        match text {
            "default" => Ok(CpuChoice::Default),
            "none" => Ok(CpuChoice::None),
            _ => match text.parse() {
                Ok(cpu) => Ok(CpuChoice::Number(cpu)),
                Err(_) => text.parse().map(CpuChoice::List),
            },
        }
    }
}

/// Number of CPUs that a [`CpuList`] can hold.
const MAX_CPUS: usize = 1024;

/// CPUs by number, such as `0-3,6`. In JSON it is the list of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
#[schemars(with = "Vec<usize>")]
pub struct CpuList {
    bits: [u64; MAX_CPUS / 64],
}

impl CpuList {
    fn has(&self, cpu: usize) -> bool {
        self.bits[cpu / 64] & (1 << (cpu % 64)) != 0
    }
}

impl From<CpuList> for Vec<usize> {
    fn from(list: CpuList) -> Vec<usize> {
        (0..MAX_CPUS).filter(|cpu| list.has(*cpu)).collect()
    }
}

impl TryFrom<Vec<usize>> for CpuList {
    type Error = String;

    fn try_from(cpus: Vec<usize>) -> Result<CpuList, String> {
        let mut list = CpuList { bits: [0; MAX_CPUS / 64] };
        for cpu in cpus {
            let word =
                list.bits.get_mut(cpu / 64).ok_or_else(|| format!("CPU {cpu} is above {}", MAX_CPUS - 1))?;
            *word |= 1 << (cpu % 64);
        }
        Ok(list)
    }
}

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<CpuList, String> {
        let no_list = || format!("'{text}' is neither a number of a CPU, a list such as 0-3,6, nor none");
        let number = |text: &str| text.parse::<usize>().map_err(|_| no_list());
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last || last >= MAX_CPUS {
                return Err(format!("'{part}' is not a range of CPUs from 0 to {}", MAX_CPUS - 1));
            }
            cpus.extend(first..=last);
        }
        CpuList::try_from(cpus)
    }
}

/// Pins the calling thread to the first CPU of the choice, or lets it run again wherever the process was
/// allowed to run at first. Returns the CPU, or `None` if it is not pinned.
///
/// # Errors
/// A usage error if a requested CPU is not allowed.
pub fn pin(choice: CpuChoice) -> Result<Option<usize>, Error> {
    let cpu = cpus(choice)?.first().copied();
    pin_to(cpu).map(|()| cpu)
}

/// Pins the calling thread to a CPU, or to none.
///
/// # Errors
/// A system error.
pub(super) fn pin_to(cpu: Option<usize>) -> Result<(), Error> {
    let Some(cpu) = cpu else {
        return sched_setaffinity(Pid::from_raw(0), original()?).map_err(failed);
    };
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).map_err(failed)
}

/// The CPUs for the workers of a pass, in order. Empty without pinning.
///
/// # Errors
/// A usage error if a requested CPU is not allowed.
pub fn cpus(choice: CpuChoice) -> Result<Vec<usize>, Error> {
    let allowed = allowed()?;
    let wanted = match choice {
        CpuChoice::Default => return Ok(allowed),
        CpuChoice::None => return Ok(Vec::new()),
        CpuChoice::Number(cpu) => vec![cpu],
        CpuChoice::List(list) => list.into(),
    };
    match wanted.iter().find(|cpu| !allowed.contains(cpu)) {
        None => Ok(wanted),
        Some(cpu) => {
            Err(Error::usage(format!("--cpu {cpu}: this process is allowed only on CPUs {allowed:?}")))
        }
    }
}

/// True if each of `threads` threads has a CPU of its own.
///
/// # Errors
/// Those of [`cpus`].
pub fn has_cpu_each(choice: CpuChoice, threads: u32) -> Result<bool, Error> {
    let cpus = if choice == CpuChoice::None { allowed()? } else { cpus(choice)? };
    Ok(threads as usize <= cpus.len())
}

/// Numbers of the CPUs that the process was allowed to run on at first.
fn allowed() -> Result<Vec<usize>, Error> {
    let original = original()?;
    Ok((0..CpuSet::count()).filter(|cpu| original.is_set(*cpu).unwrap_or(false)).collect())
}

/// The CPUs that the process was allowed to run on before the first call of [`pin`]: later ones must not look
/// at what the first has left.
fn original() -> Result<&'static CpuSet, Error> {
    static ORIGINAL: OnceLock<CpuSet> = OnceLock::new();
    match ORIGINAL.get() {
        Some(set) => Ok(set),
        None => {
            let set = sched_getaffinity(Pid::from_raw(0)).map_err(failed)?;
            Ok(ORIGINAL.get_or_init(|| set))
        }
    }
}

fn failed(errno: Errno) -> Error {
    Error::system("sched_setaffinity", errno, "use --cpu none to run without pinning")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_word_or_a_number_in_text_and_in_json() {
        for (choice, text, json) in [
            (CpuChoice::Default, "default", "\"default\""),
            (CpuChoice::None, "none", "\"none\""),
            (CpuChoice::Number(3), "3", "3"),
            (CpuChoice::List(vec![0, 1, 2, 6].try_into().unwrap()), "0-2,6", "[0,1,2,6]"),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(serde_json::to_string(&choice).unwrap(), json);
            assert_eq!(serde_json::from_str::<CpuChoice>(json).unwrap(), choice);
        }
        for wrong in ["-3", "", "0-", "3-1", "0,,1", "0-1024", "all"] {
            assert!(wrong.parse::<CpuChoice>().is_err(), "{wrong}");
        }
    }
}

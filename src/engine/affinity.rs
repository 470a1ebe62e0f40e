//! The CPU that a benchmark is pinned to.

use std::str::FromStr;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The CPU to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CpuChoice {
    /// CPU 0, as in `io-benchmark`, or the first CPU that is allowed.
    Default,
    /// No pinning.
    None,
    /// The CPU with this number.
    #[serde(untagged)]
    Number(usize),
}

impl FromStr for CpuChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<CpuChoice, String> {
        match text {
            "default" => Ok(CpuChoice::Default),
            "none" => Ok(CpuChoice::None),
            _ => match text.parse() {
                Ok(cpu) => Ok(CpuChoice::Number(cpu)),
                Err(_) => Err(format!("'{text}' is neither the number of a CPU nor none")),
            },
        }
    }
}

/// Pins the process, or lets it run again wherever it was allowed to run at first. Returns the CPU, or `None`
/// if it is not pinned.
///
/// # Errors
/// A usage error if the requested CPU is not allowed.
pub fn pin(choice: CpuChoice) -> Result<Option<usize>, Error> {
    let original = original()?;
    if choice == CpuChoice::None {
        return sched_setaffinity(Pid::from_raw(0), original).map(|()| None).map_err(failed);
    }
    let allowed: Vec<usize> =
        (0..CpuSet::count()).filter(|cpu| original.is_set(*cpu).unwrap_or(false)).collect();
    let cpu = match choice {
        CpuChoice::Number(cpu) if allowed.contains(&cpu) => Some(cpu),
        CpuChoice::Number(cpu) => {
            return Err(Error::usage(format!(
                "--cpu {cpu}: this process is allowed only on CPUs {allowed:?}"
            )));
        }
        _ => allowed.first().copied(),
    };
    let Some(cpu) = cpu else { return Ok(None) };
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).map_err(failed)?;
    Ok(Some(cpu))
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
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(serde_json::to_string(&choice).unwrap(), json);
            assert_eq!(serde_json::from_str::<CpuChoice>(json).unwrap(), choice);
        }
        assert!("-3".parse::<CpuChoice>().is_err());
    }
}

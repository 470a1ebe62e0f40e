//! Every way a run can end early, as a type; the exit codes are those of sysexits(3),
//! as in the contract of the lab's `io-benchmark`.

use std::path::PathBuf;

use nix::errno::Errno;

/// An error of the library. Its `Display` is one sentence for a person: what, where, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line asks for something that cannot be: exit 64.
    #[error("{0}")]
    Usage(String),

    /// A path that cannot be used as asked: exit 66.
    #[error("{}: {reason}; {remedy}", path.display())]
    Open {
        /// The path that was named.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
        /// What the user can do about it.
        remedy: String,
    },

    /// A call of the operating system failed outside the timed loop: exit 71.
    #[error("{call} failed: {reason}; {remedy}")]
    System {
        /// The system call or facility.
        call: &'static str,
        /// The kernel's answer.
        reason: String,
        /// What the user can do about it.
        remedy: String,
    },

    /// An I/O of the timed loop, or of its preparation, failed: exit 74.
    #[error("{}: {failure}", path.display())]
    Io {
        /// The file that was read or written.
        path: PathBuf,
        /// What failed, and where in the file.
        failure: Failure,
    },

    /// The file holds less than the run would move, or no longer holds what it moved: exit 74.
    #[error(
        "{}: the file holds {size_bytes} bytes, the run needs {total_bytes}; \
         {}make it anew with -c -t {total_bytes}",
        path.display(),
        fitting_total(*size_bytes, *block_bytes)
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// What it holds.
        size_bytes: u64,
        /// What the run needs.
        total_bytes: u64,
        /// Buffer size of the run, so that the proposed total is a multiple of it.
        block_bytes: u64,
    },

    /// A file that was being made could not be finished; the exit code is that of the cause.
    #[error("{cause}; {}", left_behind(path, *removed))]
    HalfMade {
        /// What went wrong.
        cause: Box<Error>,
        /// The file that was being made.
        path: PathBuf,
        /// Whether what there was of it could be removed.
        removed: bool,
    },

    /// Standard output went away before the result was written: exit 74.
    #[error("the result could not be written to standard output: {0}; what was printed is incomplete")]
    Output(#[source] std::io::Error),

    /// A signal asked the run to end: exit 128 + its number.
    #[error("interrupted by {}; the samples finished until then are reported", signal_name(*signal))]
    Interrupted {
        /// Number of the signal.
        signal: i32,
    },
}

/// Proposes the largest total that fits into the file; nothing if not even one block does.
fn fitting_total(size_bytes: u64, block_bytes: u64) -> String {
    match size_bytes / block_bytes * block_bytes {
        0 => String::new(),
        total_bytes => format!("use -t {total_bytes} or "),
    }
}

fn left_behind(path: &std::path::Path, removed: bool) -> String {
    match removed {
        true => "the half-made file was removed".to_owned(),
        false => format!("a half-made file is left at {}", path.display()),
    }
}

fn signal_name(signal: i32) -> &'static str {
    nix::sys::signal::Signal::try_from(signal).map_or("a signal", |known| known.as_str())
}

impl Error {
    /// The exit code of sysexits(3) that the lab's contract gives this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 64,
            Error::Open { .. } => 66,
            Error::System { .. } => 71,
            Error::Io { .. } | Error::Short { .. } | Error::Output(_) => 74,
            Error::HalfMade { cause, .. } => cause.exit_code(),
            Error::Interrupted { signal } => 128u8.wrapping_add(*signal as u8),
        }
    }

    /// A word for programs: the `kind` of the `error` object in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Usage(_) => "usage",
            Error::Open { .. } => "open",
            Error::System { .. } => "system",
            Error::Io { .. } => "io",
            Error::Short { .. } => "short_file",
            Error::HalfMade { cause, .. } => cause.kind(),
            Error::Output(_) => "output",
            Error::Interrupted { .. } => "interrupted",
        }
    }

    /// An [`Error::Open`] from the kernel's answer to opening `path`.
    pub fn open(path: &std::path::Path, errno: Errno) -> Error {
        let remedy = match errno {
            Errno::ENOENT => "make it first with -c, or add --create",
            Errno::EACCES | Errno::EPERM => "use a file that you may open in this mode, or another user",
            Errno::EROFS => "the filesystem is mounted read-only: use -r, or a file elsewhere",
            Errno::EISDIR => "name a file or a block device, not a directory",
            Errno::EINVAL => "this filesystem does not take these open flags (O_DIRECT?): leave out -d",
            _ => "name a file that exists and that you may open",
        };
        Error::Open { path: path.to_owned(), reason: describe(errno), remedy: remedy.to_owned() }
    }

    /// An [`Error::System`] from a failed `call`.
    pub fn system(call: &'static str, errno: Errno, remedy: impl Into<String>) -> Error {
        Error::System { call, reason: describe(errno), remedy: remedy.into() }
    }
}

/// The kernel's text for an errno with its name, as in `No space left on device (ENOSPC)`.
pub(crate) fn describe(errno: Errno) -> String {
    format!("{} ({errno:?})", errno.desc())
}

/// What ended a timed loop early. Small, because it is built on the cold path of a hot loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The operation that failed: `read`, `write` or `sync`.
    pub operation: &'static str,
    /// Where in the file, in bytes; `None` for a sync.
    pub offset_bytes: Option<u64>,
    /// What happened there.
    pub fault: Fault,
}

/// The fault behind a [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The kernel answered with an errno.
    Errno(Errno),
    /// Fewer bytes were moved than asked for; the lab's contract makes that an error.
    Partial {
        /// Bytes that were moved.
        moved_bytes: u64,
        /// Bytes that were asked for.
        wanted_bytes: u64,
    },
    /// A signal asked the run to end; no I/O failed.
    Interrupted,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.offset_bytes.map_or(String::new(), |offset| format!(" at offset {offset}"));
        let operation = self.operation;
        match self.fault {
            // A result or a picture is written as a whole, and has no -t.
            Fault::Errno(errno @ Errno::ENOSPC) if operation == "write" && self.offset_bytes.is_none() => {
                write!(f, "write failed: {}; free some space or write elsewhere", describe(errno))
            }
            Fault::Errno(errno @ Errno::ENOSPC) => {
                write!(
                    f,
                    "{operation}{place} failed: {}; free some space or use a smaller -t",
                    describe(errno)
                )
            }
            Fault::Errno(errno) => {
                write!(f, "{operation}{place} failed: {}; the kernel log may say more", describe(errno))
            }
            Fault::Partial { moved_bytes, wanted_bytes } => write!(
                f,
                "partial {operation}{place}: {moved_bytes} of {wanted_bytes} bytes; \
                 did the file shrink or the device end there?"
            ),
            Fault::Interrupted => write!(f, "{operation}{place} was given up after a signal"),
        }
    }
}

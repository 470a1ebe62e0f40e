//! Errors: the operation that failed, its place, the reason, and a remedy. The exit codes are those of
//! sysexits(3), as in the contract of the lab's `io-benchmark`.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::printable;

/// Kind of an error. It decides the exit code, and programs match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line requests something that is not possible: exit 64.
    Usage,
    /// A path cannot be used as requested: exit 66.
    Open,
    /// A call of the operating system failed outside the timed loop: exit 71.
    System,
    /// An I/O of the timed loop, or of its preparation, failed: exit 74.
    Io,
    /// The file is smaller than the run needs, or became smaller: exit 74.
    ShortFile,
    /// Standard output was closed before the result was written: exit 74.
    Output,
    /// A signal requested the end of the run: exit 128 plus its number.
    Interrupted,
}

/// An error of the library. It holds facts; `Display` forms a sentence from them.
#[derive(Debug)]
pub struct Error(Box<Facts>);

/// Facts about an error.
#[derive(Debug)]
struct Facts {
    kind: ErrorKind,
    exit_code: u8,
    path: Option<PathBuf>,
    /// Operation, if the reason does not name it.
    operation: Option<&'static str>,
    /// The I/O that failed.
    failure: Option<Failure>,
    errno: Option<Errno>,
    /// A predicate of the operation or of the path. `None` if the errno is sufficient.
    reason: String,
    remedy: String,
    /// Consequence: a clause.
    consequence: Option<String>,
    source: Option<std::io::Error>,
}

impl Error {
    fn new(kind: ErrorKind, exit_code: u8, reason: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error(Box::new(Facts {
            kind,
            exit_code,
            path: None,
            operation: None,
            failure: None,
            errno: None,
            reason: reason.into(),
            remedy: remedy.into(),
            consequence: None,
            source: None,
        }))
    }

    /// A command line that requests something that is not possible. The sentence names the argument.
    pub fn usage(sentence: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, 64, sentence, "")
    }

    /// A path that cannot be used as requested.
    pub fn unusable(path: &Path, reason: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::new(ErrorKind::Open, 66, reason, remedy).at(path)
    }

    /// The kernel's answer to opening `path`.
    pub fn open(path: &Path, errno: Errno) -> Error {
        let remedy = match errno {
            Errno::ENOENT => "make it first with -c, or add --create",
            Errno::EACCES | Errno::EPERM => {
                "use a file that you may open in this mode, or run as another user"
            }
            Errno::EROFS => "the filesystem is mounted read-only: use -r, or a file elsewhere",
            Errno::EISDIR => "name a file or a block device, not a directory",
            Errno::EINVAL => "this filesystem rejects the open flags, probably O_DIRECT: leave out -d",
            Errno::EOPNOTSUPP => "this filesystem lacks the operation: use a file on another one",
            _ => "name a file that exists and that you may open",
        };
        Error::unusable(path, describe(errno), remedy).because(errno)
    }

    /// A failed call of the operating system.
    pub fn system(operation: &'static str, errno: Errno, remedy: impl Into<String>) -> Error {
        Error::unavailable(operation, describe(errno), remedy).because(errno)
    }

    /// A service of the operating system that is not available, for a reason other than an errno.
    pub fn unavailable(
        operation: &'static str,
        reason: impl fmt::Display,
        remedy: impl Into<String>,
    ) -> Error {
        let mut error = Error::new(ErrorKind::System, 71, format!("failed: {reason}"), remedy);
        error.0.operation = Some(operation);
        error
    }

    /// An I/O on the file at `path` that failed.
    pub fn io(path: &Path, failure: Failure) -> Error {
        let mut error = Error::new(ErrorKind::Io, 74, failure.fault.to_string(), failure.remedy()).at(path);
        error.0.operation = Some(failure.operation);
        error.0.failure = Some(failure);
        match failure.fault {
            Fault::Errno(errno) => error.because(errno),
            _ => error,
        }
    }

    /// A file of `size_bytes` bytes, where a run with blocks of `block_bytes` bytes needs `total_bytes`.
    pub fn short_file(path: &Path, size_bytes: u64, total_bytes: u64, block_bytes: u64) -> Error {
        let reason = format!("the file holds {size_bytes} bytes, the run needs {total_bytes}");
        // Creating the file again is not advised, because its contents may be precious.
        let remedy = match size_bytes / block_bytes * block_bytes {
            0 => "use a smaller -b and -t, or another file".to_owned(),
            total_bytes => format!("use -t {total_bytes}, or another file"),
        };
        Error::new(ErrorKind::ShortFile, 74, reason, remedy).at(path)
    }

    /// Standard output was closed before the result was written.
    pub fn output(source: std::io::Error) -> Error {
        let reason = format!("the result could not be written to standard output: {source}");
        let mut error = Error::new(ErrorKind::Output, 74, reason, "the printed result is incomplete");
        error.0.errno = source.raw_os_error().map(Errno::from_raw);
        error.0.source = Some(source);
        error
    }

    /// A run that this signal ended.
    pub fn interrupted(signal: i32) -> Error {
        let known = nix::sys::signal::Signal::try_from(signal);
        let name = known.map_or("a signal", |known| known.as_str());
        let exit_code = 128_u8.wrapping_add(signal as u8);
        let remedy = "the samples that had finished are reported";
        Error::new(ErrorKind::Interrupted, exit_code, format!("interrupted by {name}"), remedy)
    }

    /// The same error about the file at `path`.
    fn at(mut self, path: &Path) -> Error {
        self.0.path = Some(path.to_owned());
        self
    }

    /// The same error with this errno as its cause.
    #[must_use]
    pub fn because(mut self, errno: Errno) -> Error {
        self.0.errno = Some(errno);
        self
    }

    /// The same error with another remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Error {
        self.0.remedy = remedy.into();
        self
    }

    /// The same error, with another remedy if the path does not exist.
    #[must_use]
    pub(crate) fn with_remedy_if_missing(self, remedy: &str) -> Error {
        if self.errno() == Some(Errno::ENOENT) { self.with_remedy(remedy) } else { self }
    }

    /// The same error with a consequence: a clause.
    #[must_use]
    pub fn with_consequence(mut self, consequence: impl Into<String>) -> Error {
        self.0.consequence = Some(consequence.into());
        self
    }

    /// Kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The exit code that the lab's contract gives this error.
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code
    }

    /// The file or device that the error is about.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The operation or system call that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The I/O that failed.
    pub fn failure(&self) -> Option<Failure> {
        self.0.failure
    }

    /// Offset of the I/O that failed, in bytes.
    pub fn offset_bytes(&self) -> Option<u64> {
        self.0.failure?.offset_bytes
    }

    /// The kernel's answer.
    pub fn errno(&self) -> Option<Errno> {
        self.0.errno
    }
}

impl fmt::Display for Error {
    /// One line, whatever the name of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { path, operation, reason, remedy, consequence, .. } = &*self.0;
        let subject = path.as_ref().map_or(String::new(), |path| format!("{}: ", path.display()));
        let place = operation.map_or(String::new(), |it| format!("{} ", place(it, self.offset_bytes())));
        let mut sentence = format!("{subject}{place}{reason}");
        let clauses = [remedy.as_str(), consequence.as_deref().unwrap_or_default()];
        for clause in clauses.iter().filter(|clause| !clause.is_empty()) {
            sentence.push_str("; ");
            sentence.push_str(clause);
        }
        f.write_str(&printable::line(&sentence))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

fn place(operation: &str, offset_bytes: Option<u64>) -> String {
    offset_bytes.map_or_else(|| operation.to_owned(), |offset| format!("{operation} at offset {offset}"))
}

/// The kernel's text for an errno with its name, as in `No space left on device (ENOSPC)`.
pub(crate) fn describe(errno: Errno) -> String {
    format!("{} ({errno:?})", errno.desc())
}

/// The errno of an I/O error of the standard library; `EIO` if it has none.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Failure that ended a timed loop early. It is small, because it is built on the cold path of a hot loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The operation that failed: `read`, `write` or `sync`.
    pub operation: &'static str,
    /// Place in the file, in bytes; `None` for a sync.
    pub offset_bytes: Option<u64>,
    /// Fault at that place.
    pub fault: Fault,
}

/// The fault behind a [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The kernel answered with an errno.
    Errno(Errno),
    /// Fewer bytes were moved than requested, which is an error in the lab's contract.
    Partial {
        /// Bytes that were moved.
        moved_bytes: u64,
        /// Bytes that were requested.
        wanted_bytes: u64,
    },
    /// The pass reported success but did not move every block.
    Incomplete {
        /// I/Os that were counted.
        io_count: u64,
        /// I/Os of the pass.
        blocks: u64,
    },
    /// A signal requested the end of the run. No I/O failed.
    Interrupted,
}

impl Failure {
    /// The failure of an operation without an offset.
    pub(crate) fn of(operation: &'static str, errno: Errno) -> Failure {
        Failure { operation, offset_bytes: None, fault: Fault::Errno(errno) }
    }

    fn remedy(&self) -> &'static str {
        match self.fault {
            Fault::Errno(errno) => transfer_remedy(errno),
            Fault::Partial { .. } if self.operation == "write" => {
                "the device ends there, the filesystem is full, or the file size limit is reached (ulimit -f)"
            }
            Fault::Partial { .. } => "the file or device ends there, or was truncated during the run",
            Fault::Incomplete { .. } => "the strategy must move every block or return an error",
            Fault::Interrupted => "",
        }
    }
}

/// The remedy for an errno of a transfer. Only errors of devices and filesystems are in the kernel's log.
fn transfer_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => "free some space or use a smaller -t",
        Errno::EFBIG => {
            "the file would exceed the limit of this process (ulimit -f) or of the filesystem: raise the \
             limit or use a smaller -t"
        }
        Errno::ENOMEM | Errno::ENOBUFS => "free some memory or use a smaller -b",
        Errno::EAGAIN => "the kernel would have had to wait: use another strategy",
        Errno::EINVAL => "this file rejects the transfer: use another -b, or leave out -d",
        Errno::EPERM | Errno::EACCES => "use a file that you may transfer, or run as another user",
        Errno::ENOSYS | Errno::EOPNOTSUPP => {
            "this kernel or filesystem lacks the operation: use another strategy"
        }
        Errno::EBADF => "the strategy must keep its file open",
        Errno::EFAULT => "the strategy must keep its buffer mapped",
        _ => "the kernel log may say more",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", place(self.operation, self.offset_bytes), self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Errno(errno) => write!(f, "failed: {}", describe(*errno)),
            Fault::Partial { moved_bytes, wanted_bytes } => {
                write!(f, "moved {moved_bytes} of {wanted_bytes} bytes")
            }
            Fault::Incomplete { io_count, blocks } => {
                write!(f, "succeeded after {io_count} of {blocks} I/Os")
            }
            Fault::Interrupted => write!(f, "was abandoned after a signal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_kernel_has_its_remedy() {
        let sentence = |errno| Error::io(Path::new("f"), Failure::of("write", errno)).to_string();
        for (errno, remedy) in [
            (Errno::ENOSPC, "free some space"),
            (Errno::EDQUOT, "free some space"),
            (Errno::EFBIG, "ulimit -f"),
            (Errno::EAGAIN, "use another strategy"),
            (Errno::EINVAL, "leave out -d"),
            (Errno::ENOMEM, "free some memory"),
            (Errno::EIO, "the kernel log may say more"),
            (Errno::ENXIO, "the kernel log may say more"),
        ] {
            assert!(sentence(errno).contains(remedy), "{}", sentence(errno));
            let is_logged = matches!(errno, Errno::EIO | Errno::ENXIO);
            assert_eq!(sentence(errno).contains("kernel log"), is_logged, "{errno}");
        }
    }

    #[test]
    fn a_sentence_is_one_line() {
        let error = Error::unusable(Path::new("a\nb\x1b"), "is odd", "rename it");
        assert_eq!(error.to_string(), "a\\nb\\u{1b}: is odd; rename it");
    }
}

//! After an I/O that did not move its whole block: it is repeated, or it ends the pass.

use nix::errno::Errno;

use super::interrupt;
use super::operation::{Op, Tally};
use super::target::Target;
use crate::error::{Error, Failure, Fault};

/// Returns `Ok` if a transfer that did not move its whole block is to be repeated.
///
/// # Errors
/// The failure that ends the pass.
#[cold]
pub(super) fn irregular(
    op: Op,
    moved: Result<usize, Errno>,
    wanted_bytes: usize,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let fault = match moved {
        Err(errno) => return interrupted_call(errno, tally).map_err(|fault| failure(op, fault)),
        Ok(moved) => Fault::Partial { moved_bytes: moved as u64, wanted_bytes: wanted_bytes as u64 },
    };
    Err(failure(op, fault))
}

/// Counts a call that a signal interrupted. Returns `Ok` if it is to be repeated.
///
/// # Errors
/// The fault that ends the pass: any other errno, or a signal that requests the end of the run.
#[cold]
pub(super) fn interrupted_call(errno: Errno, tally: &mut Tally) -> Result<(), Fault> {
    match errno {
        Errno::EINTR if interrupt::requested() => Err(Fault::Interrupted),
        Errno::EINTR => {
            tally.interrupted_calls += 1;
            Ok(())
        }
        errno => Err(Fault::Errno(errno)),
    }
}

/// Calls `sync`, and again after each interruption by a signal.
///
/// # Errors
/// The failure that ends the pass.
pub(super) fn repeated(
    tally: &mut Tally,
    mut sync: impl FnMut() -> Result<(), Errno>,
) -> Result<(), Failure> {
    while let Err(errno) = sync() {
        interrupted_call(errno, tally).map_err(|fault| Failure {
            operation: "sync",
            offset_bytes: None,
            fault,
        })?;
    }
    Ok(())
}

/// The error of a pass on `target` that ended with this failure.
pub(super) fn error(target: &Target, failure: Failure) -> Error {
    match failure.fault {
        Fault::Interrupted => interrupt::error(),
        _ => Error::io(target.path(), failure),
    }
}

/// The failure of a pass that a signal ends at this operation.
#[cold]
pub(super) fn interrupted(op: Op) -> Failure {
    failure(op, Fault::Interrupted)
}

fn failure(op: Op, fault: Fault) -> Failure {
    Failure { operation: op.direction.name(), offset_bytes: Some(op.offset_bytes), fault }
}

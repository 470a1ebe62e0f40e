//! The registry: every I/O path of iobench, one file per path.
//!
//! A new strategy is a new file in this folder, its `pub mod` line and its line in [`ALL`].
//! `docs/adding-a-strategy.md` shows the steps. Help texts, `iobench strategies`, the tests and the benches
//! all iterate over [`ALL`].

pub mod direct;
#[cfg(target_os = "linux")]
pub mod io_uring;
pub mod mmap;
pub mod null;
pub mod pread;
pub mod readwrite;

use crate::engine::blocking::blocking;
#[cfg(target_os = "linux")]
use crate::engine::queued::queued;
use crate::engine::strategy::Strategy;

/// Every strategy, in the order of lists and tables.
pub static ALL: &[&dyn Strategy] = &[
    &blocking::<null::Null>(),
    &blocking::<readwrite::ReadWrite>(),
    &blocking::<pread::Pread>(),
    &blocking::<direct::Direct>(),
    &blocking::<mmap::Mmap>(),
    #[cfg(target_os = "linux")]
    &queued::<io_uring::Uring>(),
];

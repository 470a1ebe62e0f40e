//! Bad input that takes root, strace or a filesystem of a kind; see `tests/it/bad_input`.

use crate::trials::Test;

#[cfg(target_os = "linux")]
mod devices;
#[cfg(target_os = "linux")]
mod ending;
mod filesystems;
mod memory;
mod paths;
mod uring;

pub(crate) fn tests() -> Vec<Test> {
    let modules: &[fn() -> Vec<Test>] = &[
        #[cfg(target_os = "linux")]
        devices::tests,
        #[cfg(target_os = "linux")]
        ending::tests,
        filesystems::tests,
        memory::tests,
        paths::tests,
        uring::tests,
    ];
    modules.iter().flat_map(|tests| tests()).collect()
}

//! Paths that another user may not use.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::common::{Filesystem, data_file, finish};
use crate::refusal::{MIB, OPEN, Untouched, refused, through, unprivileged};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [UNPRIVILEGED] => a_file_without_permission,
    ]
}

fn a_file_without_permission() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    for (name, mode) in [("hidden", 0o600), ("readable", 0o644)] {
        std::fs::rename(data_file(folder, MIB), folder.join(name)).unwrap();
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let untouched = Untouched::new(folder);
    let says =
        "Permission denied (EACCES); use a file that you may open in this mode, or run as another user";
    for args in [
        &["-rt1M", "hidden"][..],
        &["-wt1M", "hidden"],
        &["-wt1M", "readable"],
        &["-wt1M", "readable", "--strategy", "mmap"],
        &["-wt1M", "readable", "--strategy", "io_uring"],
        &["-ct1M", "readable"],
        &["-ct1M", "missing"],
        &["-rt1M", "--create", "missing"],
        &["-wt1M", "--create", "missing"],
    ] {
        let name = args.iter().find(|word| ["hidden", "readable", "missing"].contains(word)).unwrap();
        let command = || through(unprivileged(65534), folder, args);
        refused(command, OPEN, &[&format!("{name}: {says}")]);
        untouched.check(args);
    }
    finish(&mut through(unprivileged(65534), folder, &["-rt1M", "readable"])).ok();
}

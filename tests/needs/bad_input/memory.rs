//! A buffer larger than the memory that the program may have.

use std::process::Command;

use crate::common::{Filesystem, data_file};
use crate::refusal::{MIB, SYSTEM, Untouched, refused, through};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [PRLIMIT] => a_buffer_larger_than_the_memory_costs_no_file,
    ]
}

fn a_buffer_larger_than_the_memory_costs_no_file() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let untouched = Untouched::new(scratch.folder());
    for args in
        [["-c", "-b512M", "-t512M", "iofile", "-n1"], ["-r", "-b512M", "-t512M", "missing", "--create"]]
    {
        let limited = || {
            let mut command = Command::new("prlimit");
            command.arg("--as=268435456");
            through(command, scratch.folder(), &args)
        };
        let says = [
            "mapping the buffer failed: it takes 536870912 bytes, but the kernel says Out of memory (ENOMEM)",
            "use a smaller -b",
        ];
        refused(limited, SYSTEM, &says);
        untouched.check(args);
    }
}

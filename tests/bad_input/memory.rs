//! Buffers larger than the memory.

use std::process::Command;

use crate::common::{Filesystem, data_file, have_program};
use crate::refusal::{MIB, SYSTEM, Untouched, all_refused, refused, through};

#[test]
fn a_buffer_larger_than_the_memory() {
    let scratch = Filesystem::scratch();
    let says = &[
        "mapping the buffer failed: it takes 8796093022208 bytes, but ",
        "use a smaller -b or --iodepth",
    ][..];
    all_refused(
        scratch.folder(),
        SYSTEM,
        &[
            (&["-r", "-b8T", "-t8T", "--strategy", "null", "--buffer", "fresh", "/dev/zero"], says),
            (&["-r", "-b8T", "-t8T", "--strategy", "null", "/dev/zero"], says),
            (
                &["-r", "-b1G", "-t4T", "--iodepth", "4096", "--strategy", "io_uring", "/dev/zero"],
                &["mapping the buffer failed: it takes 4398046511104 bytes", "use a smaller -b or --iodepth"],
            ),
            (&["-r", "-b8T", "-t8T", "--strategy", "null", "--create", "missing"], says),
        ],
    );
}

#[test]
fn a_list_of_offsets_larger_than_the_memory() {
    let scratch = Filesystem::scratch();
    data_file(scratch.folder(), MIB);
    let says = &[
        "laying out the offsets failed: the list takes 8796093022208 bytes, but ",
        "use a smaller -t or a larger -b",
    ][..];
    let args = &["-r", "-b1", "-t1T", "--strategy", "null", "--access", "random", "iofile"];
    all_refused(scratch.folder(), SYSTEM, &[(args, says)]);
}

#[test]
fn a_buffer_larger_than_the_memory_costs_no_file() {
    if !have_program("prlimit") {
        return;
    }
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

//! Buffers larger than the memory.

use crate::common::{Filesystem, data_file};
use crate::refusal::{MIB, SYSTEM, all_refused};

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
        "allocating the block offsets failed: they need 8796093022208 bytes, but ",
        "use a smaller -t or a larger -b",
    ][..];
    let args = &["-r", "-b1", "-t1T", "--strategy", "null", "--access", "random", "iofile"];
    all_refused(scratch.folder(), SYSTEM, &[(args, says)]);
}

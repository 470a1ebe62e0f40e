//! Paths that cannot be used as asked.

use std::fs::File;
use std::path::Path;

use iobench::strategies::ALL;

use crate::common::{Filesystem, data_file, finish};
use crate::refusal::{MIB, OPEN, SHORT, all_refused, bench, refused};

#[test]
fn a_path_that_cannot_be_used() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    std::fs::create_dir(folder.join("folder")).unwrap();
    nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    data_file(folder, MIB);
    let missing =
        &["missing: No such file or directory (ENOENT)", "make it first with -c, or add --create"][..];
    let directory = &["folder: Is a directory (EISDIR)", "name a file or a block device"][..];
    let pipe = &["fifo: is a pipe or a socket", "name a regular file or a device"][..];
    let socket = &["socket: is a pipe or a socket", "name a regular file or a device"][..];
    let irregular = &["is not a regular file", "name another path"][..];
    let no_folder = &["nowhere/iofile: its folder does not exist", "make the folder first"][..];
    all_refused(
        folder,
        OPEN,
        &[
            (&["-r", "missing"], missing),
            (&["-w", "missing"], missing),
            (&["describe", "missing"], missing),
            (&["-r", "nowhere/iofile"], &["nowhere/iofile: No such file"]),
            (&["-r", "iofile/below"], &["iofile/below: Not a directory"]),
            (&["-r", "folder"], directory),
            (&["-w", "folder"], directory),
            (&["describe", "folder"], directory),
            (&["-r", "--create", "folder"], directory),
            (&["-c", "folder"], irregular),
            (&["-r", "fifo"], pipe),
            (&["-w", "fifo"], pipe),
            (&["-w", "--create", "fifo"], pipe),
            (&["-c", "fifo"], irregular),
            (&["-r", "socket"], socket),
            (&["-c", "nowhere/iofile"], no_folder),
            (&["-r", "--create", "nowhere/iofile"], no_folder),
        ],
    );
}

#[test]
fn a_file_shorter_than_the_total_is_told_what_works() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    for (size_bytes, total_bytes, sentence) in [
        (
            MIB + 1,
            2 * MIB,
            "the file holds 1048577 bytes, the run needs 2097152; use -t 1048576, or another file",
        ),
        (
            MIB,
            16 * MIB,
            "the file holds 1048576 bytes, the run needs 16777216; use -t 1048576, or another file",
        ),
        // Not even one buffer of 16,384 bytes fits.
        (
            100,
            2 * MIB,
            "the file holds 100 bytes, the run needs 2097152; use a smaller -b and -t, or another file",
        ),
        (
            0,
            2 * MIB,
            "the file holds 0 bytes, the run needs 2097152; use a smaller -b and -t, or another file",
        ),
    ] {
        // What moves nothing needs no file to hold anything.
        let moving = ALL.iter().map(|strategy| strategy.info()).filter(|info| info.properties.performs_io);
        for strategy in moving.map(|info| info.name) {
            File::create(folder.join("iofile")).unwrap().set_len(size_bytes).unwrap();
            let total = total_bytes.to_string();
            for mode in ["-r", "-w", "describe"] {
                let args = [mode, "-t", &total, "--strategy", strategy, "iofile"];
                all_refused(folder, SHORT, &[(&args, &["iofile: ", sentence])]);
            }
        }
        let args = ["-r", "-t", &total_bytes.to_string(), "iofile"];
        follow_the_advice(folder, &refused(|| bench(folder, &args), SHORT, &[]));
    }
}

/// Follows the advice about a short file: the run with the proposed total succeeds.
fn follow_the_advice(folder: &Path, sentence: &str) {
    let total = sentence.split_once("use -t ").and_then(|(_, rest)| rest.split(',').next());
    if let Some(total) = total {
        finish(&mut bench(folder, &["-r", "-t", total, "iofile"])).ok();
    }
}

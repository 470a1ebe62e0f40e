//! Filesystems that are read-only, full, or without O_DIRECT.

use std::fs::File;
use std::process::Command;

use crate::common::{Filesystem, data_file, finish, iobench, outcome, strategies};
use crate::refusal::{IO, MIB, OPEN, USAGE, all_refused, assert_error, bench, injecting, sentence, through};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [TMPFS, EXT4] => a_filesystem_that_is_read_only,
        [TMPFS, EXT4] => a_filesystem_that_is_full_is_found_before_anything_is_lost,
        [TMPFS, EXT4] => a_filesystem_that_is_filled_by_the_run_keeps_the_file_of_the_user,
        [STRACE] => a_file_that_is_left_half_made_is_removed_and_that_is_said,
        [STRACE] => a_half_made_file_that_cannot_be_removed_is_named,
        [STRACE] => behind_a_symbolic_link_the_half_made_file_is_removed_and_not_the_link,
        [TMPFS] => direct_io_on_a_filesystem_without_it,
        [EXT4] => a_buffer_that_direct_io_cannot_take_is_told_the_nearest_that_works,
    ]
}

fn a_filesystem_that_is_read_only() {
    for name in ["tmpfs", "ext4"] {
        let filesystem = Filesystem::mount(name, 32 << 20);
        let folder = filesystem.folder();
        // Not by this process, whose open files a test beside this one may hand on for a moment: a
        // file that is open for writing keeps the filesystem writable.
        finish(&mut bench(folder, &["-ct1M", "iofile"])).ok();
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(folder).status().unwrap();
        assert!(remounted.success());
        let says = &["iofile: Read-only file system (EROFS)", "use -r, or a file elsewhere"][..];
        let says_missing = &["missing: Read-only file system (EROFS)"][..];
        all_refused(
            folder,
            OPEN,
            &[
                (&["-wt1M", "iofile"], says),
                (&["-wt1M", "--strategy", "pread", "iofile"], says),
                (&["-wt1M", "--strategy", "mmap", "iofile"], says),
                (&["-wt1M", "--strategy", "io_uring", "iofile"], says),
                (&["-ct1M", "iofile"], says),
                (&["-ct1M", "missing"], says_missing),
                (&["-rt1M", "--create", "missing"], says_missing),
            ],
        );
        finish(&mut bench(folder, &["-rt1M", "iofile"])).ok();
    }
}

fn a_filesystem_that_is_full_is_found_before_anything_is_lost() {
    for name in ["tmpfs", "ext4"] {
        let filesystem = Filesystem::mount(name, 16 << 20);
        data_file(filesystem.folder(), MIB);
        let says = &["No space left on device (ENOSPC)", "free some space or use a smaller -t"][..];
        all_refused(
            filesystem.folder(),
            IO,
            &[
                (&["-ct32M", "iofile"], says),
                (&["-ct32M", "missing"], says),
                (&["-rt32M", "--create", "missing"], says),
                (&["-wt32M", "--create", "missing"], says),
                (&["-c", "-b1", "-t9223372036854775807", "iofile"], says),
            ],
        );
    }
}

fn a_filesystem_that_is_filled_by_the_run_keeps_the_file_of_the_user() {
    for name in ["tmpfs", "ext4"] {
        let filesystem = Filesystem::mount(name, 16 << 20);
        let folder = filesystem.folder();
        for strategy in strategies().filter(|strategy| !["null", "direct"].contains(strategy)) {
            // All holes: the writes of the run find the end of the space.
            File::create(folder.join("iofile")).unwrap().set_len(32 << 20).unwrap();
            let outcome = finish(&mut bench(folder, &["-wjt32M", "--strategy", strategy, "iofile"]));
            let document = assert_error(&outcome, IO);
            let message = document["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("iofile: write at offset "), "{strategy}: {message}");
            assert!(
                message.contains("(ENOSPC); free some space or use a smaller -t"),
                "{strategy}: {message}"
            );
            assert_eq!(folder.join("iofile").metadata().unwrap().len(), 32 << 20, "not ours to remove");
        }
    }
}

fn a_file_that_is_left_half_made_is_removed_and_that_is_said() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    let file = folder.join("iofile");
    for (call, fault, args, error, says) in [
        // The timed writes of -c, the pattern over them, and the writing out at its end.
        ("write", "error=ENOSPC:when=3", &["-ct4M", "iofile"][..], IO, "write at offset 32768 failed"),
        ("pwrite64", "error=ENOSPC:when=3", &["-ct4M", "iofile"], IO, "write at offset 2097152 failed"),
        ("pwrite64", "error=EIO:when=1", &["-ct4M", "iofile"], IO, "write at offset 0 failed"),
        ("fsync", "error=ENOSPC", &["-ct4M", "iofile"], IO, "sync failed"),
        ("write", "retval=100:when=2", &["-ct4M", "iofile"], IO, "100 of 16384 bytes"),
        ("pwrite64", "error=ENOSPC:when=3", &["-rt4M", "--create", "iofile"], IO, "write at offset 2097152"),
        ("fsync", "error=ENOSPC", &["-wt4M", "--create", "iofile"], IO, "sync failed"),
    ] {
        for exists_before in [false, true] {
            let prepare = || {
                let _ = std::fs::remove_file(&file);
                // --create does not touch what is there, so only -c has a file in its way.
                if exists_before && args[0].starts_with("-c") {
                    data_file(folder, MIB);
                }
                // --create writes to a file without a name. -P resolves the path, so it must be absolute.
                let named = args[0].starts_with("-c").then_some(file.as_path());
                through(injecting(call, fault, named), folder, args)
            };
            for json in [false, true] {
                let mut command = prepare();
                let outcome = finish(if json { command.arg("-j") } else { &mut command });
                assert_eq!(outcome.code, Some(error.0), "{call} {fault}: {outcome:?}");
                let sentence = sentence(&outcome);
                assert!(sentence.starts_with("iofile: ") && sentence.contains(says), "{sentence}");
                if exists_before && args[0].starts_with("-c") {
                    let holds = file.metadata().unwrap().len();
                    let left =
                        format!("the file of {MIB} bytes was truncated and holds {holds} bytes of this run");
                    assert!(sentence.ends_with(&left), "{sentence}");
                } else {
                    assert!(sentence.ends_with("the incomplete file was removed"), "{sentence}");
                    assert!(!file.exists(), "{call} {fault} {args:?}");
                }
                if json {
                    assert_error(&outcome, error);
                }
            }
        }
    }
}

fn a_half_made_file_that_cannot_be_removed_is_named() {
    let scratch = Filesystem::scratch();
    let file = scratch.folder().join("iofile");
    let mut strace = injecting("pwrite64", "error=ENOSPC:when=3", None);
    strace.args(["-e", "trace=pwrite64,unlink", "-e", "inject=unlink:error=EROFS"]);
    let outcome = finish(&mut through(strace, scratch.folder(), &["-ct4M", "iofile"]));
    assert_eq!(outcome.code, Some(74), "{outcome:?}");
    assert!(sentence(&outcome).ends_with("; an incomplete file remains at iofile"), "{outcome:?}");
    assert!(file.exists());
}

fn behind_a_symbolic_link_the_half_made_file_is_removed_and_not_the_link() {
    let scratch = Filesystem::scratch();
    let folder = scratch.folder();
    std::os::unix::fs::symlink("iofile", folder.join("link")).unwrap();
    let strace = injecting("pwrite64", "error=ENOSPC:when=1", None);
    let outcome = finish(&mut through(strace, folder, &["-ct1M", "link"]));
    assert!(sentence(&outcome).ends_with("the incomplete file was removed"), "{outcome:?}");
    assert!(!folder.join("iofile").exists() && folder.join("link").is_symlink());
}

fn direct_io_on_a_filesystem_without_it() {
    let tmpfs = Filesystem::mount("tmpfs", 16 << 20);
    data_file(tmpfs.folder(), MIB);
    let says = &["tmpfs accepts O_DIRECT but still uses the page cache", "leave out -d"][..];
    all_refused(
        tmpfs.folder(),
        OPEN,
        &[
            (&["-rdt1M", "iofile"], says),
            (&["-wdt1M", "iofile"], says),
            (&["-rdt1M", "--strategy", "pread", "iofile"], says),
            (&["-rdt1M", "--strategy", "io_uring", "iofile"], says),
            (&["-rt1M", "--strategy", "direct", "iofile"], says),
            (&["-wt1M", "--strategy", "direct", "--create", "missing"], says),
        ],
    );
}

fn a_buffer_that_direct_io_cannot_take_is_told_the_nearest_that_works() {
    let ext4 = Filesystem::mount("ext4", 32 << 20);
    let folder = ext4.folder();
    data_file(folder, MIB);
    let listing = outcome(iobench().args(["strategies", "-j"]).arg(folder).output().unwrap()).ok().json();
    let direct =
        listing["strategies"].as_array().unwrap().iter().find(|entry| entry["name"] == "direct").unwrap();
    let unit_bytes = direct["limits"]["alignment"]["offset_bytes"].as_u64().unwrap();
    let cases = [
        (unit_bytes + 1, vec![unit_bytes, 2 * unit_bytes]),
        (3 * unit_bytes - 1, vec![2 * unit_bytes, 3 * unit_bytes]),
        (1, vec![unit_bytes]),
    ];
    for (block_bytes, nearest) in cases {
        let listed = nearest.iter().map(u64::to_string).collect::<Vec<_>>().join(" or -b ");
        let says = [
            &format!("multiples of {unit_bytes} bytes"),
            &format!("-b is {block_bytes};"),
            &format!("use -b {listed}"),
        ];
        let says = says.map(String::as_str);
        let (block, total) = (block_bytes.to_string(), (block_bytes * 8).to_string());
        for strategy in ["direct", "readwrite", "pread", "io_uring"] {
            let args = ["-rd", "-b", &block, "-t", &total, "--strategy", strategy, "iofile"];
            all_refused(folder, USAGE, &[(&args, &says), (&[&["-wd"], &args[1..]].concat(), &says)]);
        }
        for block_bytes in nearest {
            let (block, total) = (block_bytes.to_string(), (block_bytes * 8).to_string());
            finish(&mut bench(folder, &["-rd", "-b", &block, "-t", &total, "iofile"])).ok();
        }
    }
}

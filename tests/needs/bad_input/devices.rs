//! Block devices: written only with permission, and never while they are in use.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use iobench::strategies::ALL;

use crate::common::{Filesystem, data_file, finish, iobench, pattern};
use crate::refusal::{MIB, OPEN, SHORT, USAGE, bench, refused, sentence};
use crate::setup::{Undo, run};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [LOOP, IO_URING] => a_device_is_written_only_with_permission,
        [LOOP] => a_device_that_is_shorter_than_the_total,
        [LOOP, EXT4] => a_device_that_is_mounted_is_never_written,
        [PARTITIONS, EXT4] => a_disk_with_a_mounted_partition_is_never_written,
        [LOOP, EXT4] => a_device_whose_holder_is_mounted_is_never_written,
        [DEVICE_MAPPER, EXT4] => a_device_below_a_mounted_device_mapper_volume_is_never_written,
        [SWAP] => a_device_that_is_swapped_to_is_never_written,
        [LOOP, EXT4] => a_file_behind_a_mounted_device_is_never_written,
        [LOOP] => a_file_behind_an_idle_device_is_written_only_with_permission,
        [SWAP] => a_file_that_is_swapped_to_is_never_written,
        [] => a_file_that_another_program_locked_is_written_only_with_permission,
    ]
}

const DEVICE_BYTES: u64 = 32 << 20;

/// A loop device, on a file of zeros or on `backing`.
fn loop_device(scratch: &Filesystem, backing: Option<&str>, undo: &mut Undo) -> String {
    let image = scratch.folder().join("image");
    let backing = backing.unwrap_or_else(|| {
        File::create(&image).unwrap().set_len(DEVICE_BYTES).unwrap();
        image.to_str().unwrap()
    });
    let device = run(&["losetup", "--find", "--show", "--partscan", backing]).unwrap();
    undo.push(&["losetup", "--detach", &device]);
    device
}

/// Makes an ext4 on `device` and mounts it.
fn mount(device: &str, scratch: &Filesystem, undo: &mut Undo) -> PathBuf {
    let folder = scratch.folder().join("mounted");
    std::fs::create_dir(&folder).unwrap();
    let target = folder.to_str().unwrap();
    run(&["mkfs.ext4", "-q", "-F", device]).unwrap();
    run(&["mount", device, target]).unwrap();
    undo.push(&["umount", target]);
    folder
}

/// Asserts that writing to `device` is refused because it is in use, permission or not.
fn refused_in_use(device: &str, scratch: &Filesystem, user: &str) {
    for strategy in ALL.iter().map(|strategy| strategy.info().name) {
        for permission in [&[][..], &["--allow-device-write"]] {
            let args = [&["-wt1M", "--strategy", strategy, device], permission].concat();
            let says = [&format!("{device}: is in use"), user, "unmount it, or name another"];
            refused(|| bench(scratch.folder(), &args), OPEN, &says);
        }
    }
}

fn a_device_is_written_only_with_permission() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let device = loop_device(&scratch, None, &mut undo);
    let says = [&format!("{device}: -w on a device destroys its contents"), "--allow-device-write"];
    let first_blocks = || {
        let mut bytes = vec![0; 2 * MIB as usize];
        File::open(&device).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    for strategy in ALL.iter().map(|strategy| strategy.info().name) {
        let args = ["-wt1M", "--strategy", strategy, &device];
        refused(|| bench(scratch.folder(), &args), USAGE, &says);
    }
    refused(|| bench(scratch.folder(), &["-ct1M", &device]), OPEN, &["is not a regular file"]);
    finish(&mut bench(scratch.folder(), &["-rt1M", &device])).ok();
    assert!(first_blocks().iter().all(|byte| *byte == 0), "a refused run wrote to the device");

    for strategy in ["readwrite", "direct", "mmap", "io_uring"] {
        let zeros = vec![0; 2 * MIB as usize];
        File::options().write(true).open(&device).unwrap().write_all_at(&zeros, 0).unwrap();
        let args = ["-wt1M", "-b64k", "--allow-device-write", "--strategy", strategy, &device];
        finish(&mut bench(scratch.folder(), &args)).ok();
        let bytes = first_blocks();
        assert!(bytes[..65536] == pattern(0, 65536), "{strategy} with permission");
        assert!(bytes[MIB as usize..].iter().all(|byte| *byte == 0), "{strategy} wrote beyond its total");
    }
}

fn a_device_that_is_shorter_than_the_total() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let device = loop_device(&scratch, None, &mut undo);
    let says = ["holds 33554432 bytes, the run needs 67108864; use -t 33554432"];
    refused(|| bench(scratch.folder(), &["-rt64M", &device]), SHORT, &says);
    refused(|| bench(scratch.folder(), &["-wt64M", "--allow-device-write", &device]), SHORT, &says);
}

fn a_device_that_is_mounted_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let device = loop_device(&scratch, None, &mut undo);
    let folder = mount(&device, &scratch, &mut undo);
    let file = data_file(&folder, MIB);
    refused_in_use(&device, &scratch, &format!("is mounted on {}", folder.display()));
    assert!(std::fs::read(file).unwrap() == pattern(0, MIB as usize));
    finish(&mut bench(scratch.folder(), &["-rt1M", &device])).ok();
}

fn a_disk_with_a_mounted_partition_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let disk = loop_device(&scratch, None, &mut undo);
    // The second half, in sectors of 512 bytes.
    run(&["addpart", &disk, "1", "32768", "32768"]).unwrap();
    let partition = format!("{disk}p1");
    let folder = mount(&partition, &scratch, &mut undo);
    let user = format!("{partition} is mounted on {}", folder.display());
    refused_in_use(&disk, &scratch, &user);
    refused_in_use(&partition, &scratch, &user);
}

fn a_device_whose_holder_is_mounted_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let lower = loop_device(&scratch, None, &mut undo);
    let upper = loop_device(&scratch, Some(&lower), &mut undo);
    let folder = mount(&upper, &scratch, &mut undo);
    let name = upper.trim_start_matches("/dev/");
    refused_in_use(&lower, &scratch, &format!("held by {name}, which is mounted on {}", folder.display()));
}

fn a_device_below_a_mounted_device_mapper_volume_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let lower = loop_device(&scratch, None, &mut undo);
    let name = format!("iobench-test-{}", std::process::id());
    let table = format!("0 {} linear {lower} 0", DEVICE_BYTES / 512);
    run(&["dmsetup", "create", &name, "--table", &table]).unwrap();
    undo.push(&["dmsetup", "remove", "--retry", &name]);
    let folder = mount(&format!("/dev/mapper/{name}"), &scratch, &mut undo);
    refused_in_use(&lower, &scratch, &format!("which is mounted on {}", folder.display()));
}

fn a_device_that_is_swapped_to_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let device = loop_device(&scratch, None, &mut undo);
    run(&["mkswap", &device]).unwrap();
    run(&["swapon", &device]).unwrap();
    undo.push(&["swapoff", &device]);
    refused_in_use(&device, &scratch, "is in use as swap");
}

/// Asserts that every way to write to `file` is refused and changes nothing.
fn file_refused(folder: &Path, file: &str, permission: &[&str], error: (i32, &str), says: &[&str]) {
    let before = std::fs::read(folder.join(file)).unwrap();
    for args in [&["-wt1M", file][..], &["-ct1M", file], &["-wBt1M", "--strategy", "mmap", file]] {
        refused(|| bench(folder, &[args, permission].concat()), error, says);
    }
    for args in
        [&["sweep", "-w", "-b4k", file][..], &["ab", "--", "-w", "-t1M", file, "--", "-w", "-t1M", file]]
    {
        if args[0] == "sweep" || permission.is_empty() {
            let mut command = iobench();
            let ended = finish(command.args(args).args(permission).current_dir(folder));
            assert_eq!(ended.code, Some(error.0), "{args:?}: {ended:?}");
            assert!(says.iter().all(|words| sentence(&ended).contains(words)), "{ended:?}");
        }
    }
    assert!(std::fs::read(folder.join(file)).unwrap() == before, "{file} was written to");
}

fn a_file_behind_a_mounted_device_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let folder = scratch.folder();
    let device = loop_device(&scratch, None, &mut undo);
    let mounted = mount(&device, &scratch, &mut undo);
    run(&["sync"]).unwrap();
    std::os::unix::fs::symlink("image", folder.join("link")).unwrap();
    std::fs::hard_link(folder.join("image"), folder.join("hard")).unwrap();
    let user = format!("(behind {device}: {device} is mounted on {})", mounted.display());
    for name in ["image", "link", "hard"] {
        for permission in [&[][..], &["--allow-device-write"]] {
            file_refused(folder, name, permission, OPEN, &["is in use", &user, "unmount it"]);
        }
    }
    // The image under another name: the kernel knows it by its inode.
    std::fs::rename(folder.join("image"), folder.join("moved")).unwrap();
    std::fs::write(folder.join("image"), "").unwrap();
    file_refused(folder, "moved", &[], OPEN, &["is in use", &user]);
    finish(&mut bench(folder, &["-rt1M", "moved"])).ok();
}

fn a_file_behind_an_idle_device_is_written_only_with_permission() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let device = loop_device(&scratch, None, &mut undo);
    let says = [&format!("the file is behind {device}"), "add --allow-device-write"];
    file_refused(scratch.folder(), "image", &[], USAGE, &says.map(|words| words as &str));
    finish(&mut bench(scratch.folder(), &["-wt1M", "--allow-device-write", "image"])).ok();
}

fn a_file_that_is_swapped_to_is_never_written() {
    let (scratch, mut undo) = (Filesystem::scratch(), Undo::default());
    let file = scratch.folder().join("swap");
    let path = file.to_str().unwrap();
    std::fs::write(&file, vec![0; 4 << 20]).unwrap();
    run(&["mkswap", path]).unwrap();
    run(&["chmod", "600", path]).unwrap();
    run(&["swapon", path]).unwrap();
    undo.push(&["swapoff", path]);
    for permission in [&[][..], &["--allow-device-write"]] {
        // The kernel itself refuses to open it for writing (ETXTBSY).
        let ended = finish(&mut bench(scratch.folder(), &[&["-wt1M", "swap"], permission].concat()));
        assert_eq!(ended.code, Some(66), "{ended:?}");
        assert!(sentence(&ended).contains("is in use (as swap)"), "{ended:?}");
    }
}

fn a_file_that_another_program_locked_is_written_only_with_permission() {
    let scratch = Filesystem::scratch();
    let file = File::options().read(true).write(true).open(data_file(scratch.folder(), MIB)).unwrap();
    let byte = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 100,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_OFD_SETLK(&byte)).unwrap();
    file_refused(scratch.folder(), "iofile", &[], USAGE, &["locked by another program"]);
    finish(&mut bench(scratch.folder(), &["-wt1M", "--allow-device-write", "iofile"])).ok();
    drop(file);
    finish(&mut bench(scratch.folder(), &["-wt1M", "iofile"])).ok();
}

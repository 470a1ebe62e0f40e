//! `device_users` against real loop devices.

use std::fs::File;
use std::path::{Path, PathBuf};

use iobench::host;

use crate::setup::{Undo, run};
use crate::trials::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        [LOOP, EXT4] => a_mounted_device_names_its_mount_point_until_it_is_unmounted,
        [LOOP, EXT4] => mounts_are_found_through_loop_devices_in_both_directions,
        [PARTITIONS, EXT4] => a_partition_and_its_disk_know_of_each_other,
        [LOOP, BTRFS] => every_device_of_a_btrfs_is_in_use_and_its_files_know_their_device,
        [SWAP] => an_active_swap_area_is_a_user,
        [LOOP] => a_claim_that_no_table_shows_is_a_user,
        [LOOP] => the_size_of_a_device_is_that_of_its_image,
    ]
}

/// A new loop device on a sparse file of 64 MiB, or on the whole of a block device.
fn attach(backing: &Path, undo: &mut Undo) -> PathBuf {
    if !backing.exists() {
        File::create(backing).unwrap().set_len(64 << 20).unwrap();
    }
    let device = run(&["losetup", "--find", "--show", "--partscan", backing.to_str().unwrap()]).unwrap();
    undo.push(&["losetup", "--detach", &device]);
    device.into()
}

fn users(device: &Path) -> Vec<String> {
    host::device_users(&device.metadata().unwrap())
}

fn a_mounted_device_names_its_mount_point_until_it_is_unmounted() {
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let device = attach(&scratch.path().join("image"), &mut undo);
    let node = device.to_str().unwrap();
    assert_eq!(users(&device), Vec::<String>::new());

    run(&["mkfs.ext4", "-q", node]).unwrap();
    let mount_point = scratch.path().join("mount point");
    std::fs::create_dir(&mount_point).unwrap();
    let target = mount_point.to_str().unwrap();
    run(&["mount", node, target]).unwrap();
    undo.push(&["umount", target]);
    assert_eq!(users(&device), [format!("{node} is mounted on {target}")]);

    let filesystem = host::filesystem(&mount_point.join("new file")).unwrap();
    assert_eq!(filesystem.kind, "ext4");
    assert_eq!(filesystem.device, node);
    assert_eq!(filesystem.mount_point, mount_point);
    let storage = host::configuration(Some(&mount_point)).storage;
    assert_eq!(storage.device_name.as_deref(), node.strip_prefix("/dev/"));
    assert_eq!(storage.device_size_bytes, Some(64 << 20));

    undo.run_last();
    assert_eq!(users(&device), Vec::<String>::new());
}

fn mounts_are_found_through_loop_devices_in_both_directions() {
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let lower = attach(&scratch.path().join("image"), &mut undo);
    let upper = attach(&lower, &mut undo);
    let (lower_node, upper_node) = (lower.to_str().unwrap(), upper.to_str().unwrap());
    let upper_name = upper_node.strip_prefix("/dev/").unwrap();
    assert_eq!(users(&lower), [format!("{lower_node} is held by {upper_name}")]);
    assert_eq!(users(&upper), Vec::<String>::new());

    run(&["mkfs.ext4", "-q", upper_node]).unwrap();
    let target = scratch.path().join("mounted");
    std::fs::create_dir(&target).unwrap();
    let target = target.to_str().unwrap();
    run(&["mount", upper_node, target]).unwrap();
    undo.push(&["umount", target]);
    assert_eq!(
        users(&lower),
        [format!("{lower_node} is held by {upper_name}, which is mounted on {target}")]
    );
    undo.run_last();

    run(&["mount", lower_node, target]).unwrap();
    undo.push(&["umount", target]);
    assert_eq!(users(&upper), [format!("{lower_node} is mounted on {target}")]);
}

fn a_partition_and_its_disk_know_of_each_other() {
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let disk = attach(&scratch.path().join("image"), &mut undo);
    let node = disk.to_str().unwrap();
    // Two partitions of 32,768 and of 65,536 sectors of 512 bytes.
    for (number, start, length) in [("1", "2048", "32768"), ("2", "34816", "65536")] {
        run(&["addpart", node, number, start, length]).unwrap();
    }
    let (first, second) = (format!("{node}p1"), format!("{node}p2"));
    run(&["mkfs.ext4", "-q", &first]).unwrap();
    let target = scratch.path().join("mounted");
    std::fs::create_dir(&target).unwrap();
    let target = target.to_str().unwrap();
    run(&["mount", &first, target]).unwrap();
    undo.push(&["umount", target]);
    let mounted = [format!("{first} is mounted on {target}")];
    assert_eq!(users(&disk), mounted);
    assert_eq!(users(Path::new(&first)), mounted);
    // A mount of another partition on the same disk does not count.
    assert_eq!(users(Path::new(&second)), Vec::<String>::new());
    undo.run_last();

    // A write to a partition damages a filesystem on the whole disk, and the reverse.
    run(&["mkfs.ext4", "-q", "-F", node]).unwrap();
    run(&["mount", node, target]).unwrap();
    undo.push(&["umount", target]);
    assert_eq!(users(Path::new(&second)), [format!("{node} is mounted on {target}")]);
}

fn every_device_of_a_btrfs_is_in_use_and_its_files_know_their_device() {
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    // 128 MiB each: mkfs.btrfs refuses much less.
    let devices = ["one", "two"].map(|name| {
        let image = scratch.path().join(name);
        File::create(&image).unwrap().set_len(128 << 20).unwrap();
        attach(&image, &mut undo)
    });
    let [one, two] = [0, 1].map(|index: usize| devices[index].to_str().unwrap());
    run(&["mkfs.btrfs", "-q", one, two]).unwrap();
    let target = scratch.path().join("mounted");
    std::fs::create_dir(&target).unwrap();
    let target = target.to_str().unwrap();
    let both = format!("device={one},device={two}");
    run(&["mount", "-t", "btrfs", "-o", &both, one, target]).unwrap();
    undo.push(&["umount", target]);
    for device in [one, two] {
        let mounted = [format!("{device} is mounted on {target}")];
        assert_eq!(users(Path::new(device)), mounted);
    }
    let file = Path::new(target).join("file");
    File::create(&file).unwrap();
    let configuration = host::configuration(Some(&file));
    let name = configuration.storage.device_name.unwrap();
    assert!(devices.contains(&Path::new("/dev").join(name)));
    assert_eq!(configuration.identity.filesystem_type.as_deref(), Some("btrfs"));
    assert_eq!(configuration.storage.device_logical_block_bytes, Some(512));
}

fn an_active_swap_area_is_a_user() {
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let device = attach(&scratch.path().join("image"), &mut undo);
    let node = device.to_str().unwrap();
    run(&["mkswap", node]).unwrap();
    run(&["swapon", node]).unwrap();
    undo.push(&["swapoff", node]);
    assert_eq!(users(&device), [format!("{node} is in use as swap")]);
}

fn a_claim_that_no_table_shows_is_a_user() {
    use std::os::unix::fs::OpenOptionsExt;
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let device = attach(&scratch.path().join("image"), &mut undo);
    let claim = File::options().read(true).custom_flags(libc::O_EXCL).open(&device).unwrap();
    let users_while_claimed = users(&device);
    drop(claim);
    assert_eq!(users_while_claimed.len(), 1);
    assert!(users_while_claimed[0].contains("is claimed by"));
    assert_eq!(users(&device), Vec::<String>::new());
}

fn the_size_of_a_device_is_that_of_its_image() {
    let scratch = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let device = attach(&scratch.path().join("image"), &mut undo);
    let file = File::open(&device).unwrap();
    assert_eq!(host::device_size_bytes(&file), Some(64 << 20));
    assert_eq!(host::logical_block_bytes(&file.metadata().unwrap()), Some(512));
}

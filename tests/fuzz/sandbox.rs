//! A folder with every kind of file. After a command, only what the command names may have changed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

/// Bytes of the data file.
pub(crate) const DATA_BYTES: usize = 1 << 16;

/// Names of the data file, through links.
const DATA_NAMES: [&str; 3] = ["data", "link", "hard"];

/// Names in the sandbox. The last two do not exist.
pub(crate) const NAMES: [&str; 17] = [
    "data",
    "link",
    "hard",
    "readonly",
    "dangling",
    "folder",
    "pipe",
    "socket",
    "null",
    "zero",
    "full",
    "sweep.json",
    "deep.json",
    "run.json",
    "old.json",
    "new",
    "folder/new",
];

pub(crate) struct Sandbox {
    top: TempDir,
    before: Snapshot,
    /// The results that the sandbox starts with.
    results: Vec<(&'static str, Vec<u8>)>,
}

type Snapshot = BTreeMap<PathBuf, State>;

#[derive(Debug, Clone, PartialEq)]
struct State {
    is_file: bool,
    mode: u32,
    inode: u64,
    content: u64,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        let top = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut sandbox = Sandbox { top, before: Snapshot::new(), results: Vec::new() };
        sandbox.build();
        sandbox.results = sandbox.measure();
        sandbox.build();
        sandbox
    }

    /// The folder that commands run in.
    pub(crate) fn folder(&self) -> PathBuf {
        self.top.path().join("sandbox")
    }

    /// Folder of temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.top.path().join("temporary")
    }

    /// Contents of the results.
    pub(crate) fn results(&self) -> &[(&'static str, Vec<u8>)] {
        &self.results
    }

    fn build(&mut self) {
        let folder = self.folder();
        for folder in [&folder, &self.temporary()] {
            if folder.exists() {
                fs::remove_dir_all(folder).unwrap();
            }
            fs::create_dir(folder).unwrap();
        }
        let at = |name: &str| folder.join(name);
        let data: Vec<u8> = (0..DATA_BYTES).map(|index| index as u8 ^ (index >> 8) as u8 | 1).collect();
        fs::write(at("data"), &data).unwrap();
        fs::write(at("readonly"), &data).unwrap();
        fs::set_permissions(at("readonly"), fs::Permissions::from_mode(0o444)).unwrap();
        fs::hard_link(at("data"), at("hard")).unwrap();
        symlink("data", at("link")).unwrap();
        symlink("made", at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("folder/precious"), "precious").unwrap();
        fs::write(at("precious"), "precious").unwrap();
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        for (name, minor) in [("null", 3), ("zero", 5), ("full", 7)] {
            if make_device(&at(name), minor).is_err() {
                symlink(Path::new("/dev").join(name), at(name)).unwrap();
            }
        }
        for (name, bytes) in &self.results {
            fs::write(at(name), bytes).unwrap();
        }
        self.before = self.snapshot();
    }

    /// Makes a sweep and a run of the data file, and adds a result of version 1.
    fn measure(&self) -> Vec<(&'static str, Vec<u8>)> {
        let run = |words: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_iobench"));
            let output = command.args(words.split(' ')).current_dir(self.folder()).output().unwrap();
            assert!(output.status.success(), "{words}: {output:?}");
            output.stdout
        };
        let old = concat!(env!("CARGO_MANIFEST_DIR"), "/python/tests/fixtures/sweep-v1.json");
        vec![
            (
                "sweep.json",
                run("sweep -j --strategy null,pread -b 512,4k,16k --budget 30s --largest-n 10 data"),
            ),
            (
                "deep.json",
                run("sweep -j --strategy pread,io_uring -b 512 --iodepth 1,2 --threads 1,2 --latency \
                     --budget 30s --largest-n 6 data"),
            ),
            ("run.json", run("-rjvgB -n7 -b4k -t64k data")),
            ("old.json", fs::read(old).unwrap()),
        ]
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for folder in [self.folder(), self.folder().join("folder"), self.temporary()] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                let bytes = if metadata.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                let state = State {
                    is_file: metadata.is_file(),
                    mode: metadata.mode(),
                    inode: metadata.ino(),
                    content: hasher.finish(),
                };
                snapshot.insert(path, state);
            }
        }
        snapshot
    }

    /// Checks that only files that `words` name have changed, and builds the sandbox again if any has.
    pub(crate) fn check_and_restore(&mut self, words: &[OsString]) -> Result<(), String> {
        let after = self.snapshot();
        if after == self.before {
            return Ok(());
        }
        let answer = self.difference(&after, words);
        self.build();
        answer
    }

    fn difference(&self, after: &Snapshot, words: &[OsString]) -> Result<(), String> {
        for (path, old) in &self.before {
            let name = path.file_name().unwrap();
            match after.get(path) {
                Some(new) if new == old => {}
                Some(new) if old.is_file && new.is_file && new.mode == old.mode && is_named(name, words) => {}
                // The data file counts under all of its names.
                other => return Err(format!("{} changed: {old:?} -> {other:?}", path.display())),
            }
        }
        let new = after.keys().filter(|path| !self.before.contains_key(*path));
        let mut unnamed = new.filter(|path| {
            let name = path.file_name().unwrap();
            !is_named(name, words) && !is_of_a_worker(name, words)
        });
        unnamed.next().map_or(Ok(()), |path| Err(format!("{} was left behind", path.display())))
    }
}

/// Makes a memory device with this minor number, which only root may.
#[cfg(target_os = "linux")]
fn make_device(path: &Path, minor: u64) -> nix::Result<()> {
    use nix::sys::stat::{SFlag, makedev, mknod};
    mknod(path, SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(1, minor))
}

#[cfg(not(target_os = "linux"))]
fn make_device(_: &Path, _: u64) -> nix::Result<()> {
    Err(nix::errno::Errno::ENOSYS)
}

/// True for the file of a worker (--files per-thread): `PATH.0`, `PATH.1` and so on.
fn is_of_a_worker(name: &OsStr, words: &[OsString]) -> bool {
    let asked = words.iter().any(|word| word.to_string_lossy().contains("per-thread"));
    let path = Path::new(name);
    let is_number = path.extension().is_some_and(|it| it.to_string_lossy().parse::<u32>().is_ok());
    asked && is_number && path.file_stem().is_some_and(|stem| is_named(stem, words))
}

/// True if a word ends with the name, or with another name of the same file.
fn is_named(name: &OsStr, words: &[OsString]) -> bool {
    let mut names = vec![name];
    if DATA_NAMES.iter().any(|alias| name == *alias) {
        names.extend(DATA_NAMES.iter().map(OsStr::new));
    }
    if name == "made" {
        names.push(OsStr::new("dangling"));
    }
    words.iter().any(|word| names.iter().any(|name| word.as_bytes().ends_with(name.as_bytes())))
}

//! A file for a check. Only the standard library creates, changes and reads it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::operation::Direction;
use crate::engine::pattern;
use crate::engine::target::Target;

/// A data file and its expected contents. It is removed when dropped.
pub(super) struct DataFile {
    path: PathBuf,
    file: File,
    expected: Vec<u8>,
}

impl DataFile {
    /// A new file in `folder` of `size_bytes` bytes of the position-dependent pattern.
    pub(super) fn new(folder: &Path, size_bytes: u64) -> Result<DataFile, String> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("iobench-selftest-{}-{serial}", std::process::id()));
        let cannot = |error| format!("{}: cannot create the test file: {error}", path.display());
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path).map_err(cannot)?;
        let mut expected = vec![0; size_bytes as usize];
        pattern::fill(&mut expected, 0);
        file.write_all_at(&expected, 0).map_err(cannot)?;
        Ok(DataFile { path, file, expected })
    }

    /// The file as a target of the engine.
    pub(super) fn target(&self, direction: Direction) -> Result<Target, String> {
        Target::open(&self.path, direction, false).map_err(|error| error.to_string())
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Expected contents from `offset_bytes` on.
    pub(super) fn expected(&self, offset_bytes: u64, length: usize) -> &[u8] {
        &self.expected[offset_bytes as usize..][..length]
    }

    /// Contents from `offset_bytes` on.
    pub(super) fn found(&self, offset_bytes: u64, length: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset_bytes);
        read.map_err(|error| format!("std::fs cannot read {length} bytes at {offset_bytes}: {error}"))?;
        Ok(bytes)
    }

    /// Expects `bytes` at `offset_bytes` from now on.
    pub(super) fn expect(&mut self, offset_bytes: u64, bytes: &[u8]) {
        self.expected[offset_bytes as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Verifies the size and contents of the file.
    pub(super) fn verify(&self) -> Result<(), String> {
        let found = std::fs::read(&self.path).map_err(|error| format!("std::fs cannot read: {error}"))?;
        if found.len() != self.expected.len() {
            let (was, is) = (self.expected.len(), found.len());
            return Err(format!("the size of the file changed from {was} to {is} bytes"));
        }
        match first_difference(&found, &self.expected) {
            None => Ok(()),
            Some(at) => Err(format!("byte {at} of the file changed, but no block was written there")),
        }
    }

    /// Truncates the file.
    pub(super) fn truncate(&self, size_bytes: u64) -> Result<(), String> {
        self.file.set_len(size_bytes).map_err(|error| format!("cannot truncate: {error}"))
    }

    /// Removes the file's name, so it can no longer be opened.
    pub(super) fn unlink(&self) -> Result<(), String> {
        std::fs::remove_file(&self.path).map_err(|error| format!("cannot remove: {error}"))
    }

    /// Writes the file out to the device.
    pub(super) fn write_out(&self) -> Result<(), String> {
        self.file.sync_all().map_err(|error| format!("cannot sync: {error}"))
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        // A check may have removed it already.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Index of the first byte in which the two differ.
pub(super) fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == right {
        return None;
    }
    let differs = left.iter().zip(right).position(|(left, right)| left != right);
    Some(differs.unwrap_or(left.len().min(right.len())))
}

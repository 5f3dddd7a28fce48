//! The outside world, as the pure crates may see it.
//!
//! The server implements these with real files and clocks; the simulator with its own, so that a
//! run is a function of its seed.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One reading of the clocks. Handlers are given one instead of asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Milliseconds since 1970; may jump.
    pub wall_ms: i64,
    /// Milliseconds since some fixed instant; never goes back. All timeouts are measured in it.
    pub mono_ms: u64,
}

pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
}

pub trait Rng: Send + Sync {
    fn next_u64(&self) -> u64;

    fn next_uuid(&self) -> crate::Uuid {
        loop {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
            bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
            let id = crate::Uuid::random_from(bytes);
            // Kafka avoids a leading dash, because command lines take it for an option.
            if !id.is_reserved() && !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

/// A small deterministic generator (splitmix64) for tests and for the simulator.
pub struct SeededRng(AtomicU64);

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        SeededRng(AtomicU64::new(seed))
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist.
    Read,
    /// The file must exist.
    ReadWrite,
    /// Made when absent, kept when present.
    Create,
    /// Made when absent, emptied when present.
    Truncate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    pub name: String,
    pub is_dir: bool,
    /// In bytes; 0 for a directory.
    pub len: u64,
}

/// Of the file system that holds a path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    pub usable: u64,
}

/// Held while a directory is ours; dropping it gives the directory up.
pub trait DiskLock: Send + Sync {}

/// A file system. What is written is durable only after [`DiskFile::sync`], and a name only after
/// [`Disk::sync_dir`] of its directory.
pub trait Disk: Send + Sync {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// In no particular order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Replaces the target, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn exists(&self, path: &Path) -> bool;
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes a POSIX record lock on the file, as Kafka does; `WouldBlock` when another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;

    /// The whole of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; file.len()? as usize];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Puts a small file in place so that after a crash either the old or the new one is there.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = Path::new(&name);
        let file = self.open(temporary, OpenMode::Truncate)?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        drop(file);
        self.rename(temporary, path)?;
        match path.parent() {
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }
}

/// An open file. All positions are explicit, so that one handle serves many readers.
pub trait DiskFile: Send + Sync {
    /// Fills `buf` unless the file ends first; returns the bytes read.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Writes all of `parts`, one after the other.
    fn write_all_at(&self, parts: &[&[u8]], mut position: u64) -> io::Result<()> {
        for part in parts {
            self.write_at(part, position)?;
            position += part.len() as u64;
        }
        Ok(())
    }
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Data and length are durable when this returns.
    fn sync(&self) -> io::Result<()>;
    /// For `sendfile`; `None` where the file is not one of the kernel's.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// A stretch of an open file, to be sent without being read into memory first.
#[derive(Clone)]
pub struct FileSlice {
    pub file: Arc<dyn DiskFile>,
    pub position: u64,
    pub len: usize,
}

impl FileSlice {
    /// All of it, into memory. An error when the file has become shorter.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        if self.file.read_at(&mut bytes, self.position)? < self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

impl std::fmt::Debug for FileSlice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileSlice({} bytes at {})", self.len, self.position)
    }
}

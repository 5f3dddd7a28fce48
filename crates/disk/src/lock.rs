//! The lock that keeps two brokers, of whatever make, out of one directory.

use ottla_base::DiskLock;
use rustix::fs::FlockOperation;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Device and inode of the files locked by this process. A POSIX record lock does not exclude the process that
/// has it, and even goes away when that process closes any other handle of the file: so a second lock must be
/// refused before the file is opened.
static HELD: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

struct RealLock {
    _file: File,
    id: (u64, u64),
}

impl DiskLock for RealLock {}

impl Drop for RealLock {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

pub(crate) fn take(path: &Path) -> io::Result<Box<dyn DiskLock>> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let refused = || io::Error::new(io::ErrorKind::WouldBlock, format!("{} is locked", path.display()));
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    if let Ok(metadata) = path.metadata()
        && held.contains(&id(metadata))
    {
        return Err(refused());
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let id = id(file.metadata()?);
    // What the JVM's FileChannel.tryLock takes: a record lock over the whole file.
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => return Err(refused()),
        Err(error) => return Err(error.into()),
    }
    held.insert(id);
    Ok(Box::new(RealLock { _file: file, id }))
}

//! A disk in memory, for tests and as the ground of the simulator's faulty one.

use crate::env::{DirEntry, Disk, DiskFile, DiskLock, OpenMode, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Default)]
pub struct MemDisk(Arc<Mutex<Tree>>);

#[derive(Default)]
struct Tree {
    files: BTreeMap<PathBuf, Arc<MemFile>>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
}

#[derive(Default)]
struct MemFile(Mutex<Vec<u8>>);

struct MemLock {
    disk: MemDisk,
    path: PathBuf,
}

impl DiskLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.disk.tree().locks.remove(&self.path);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{}: no such file or directory", path.display()))
}

impl MemDisk {
    pub fn new() -> Self {
        Self::default()
    }

    /// What is left when the process that used the disk dies: all that it wrote, and no locks. What
    /// still holds the old disk writes into the void.
    pub fn after_the_process_died(&self) -> MemDisk {
        let tree = self.tree();
        let copy = |file: &Arc<MemFile>| Arc::new(MemFile(Mutex::new(lock(&file.0).clone())));
        let files = tree.files.iter().map(|(path, file)| (path.clone(), copy(file))).collect();
        MemDisk(Arc::new(Mutex::new(Tree { files, dirs: tree.dirs.clone(), locks: BTreeSet::new() })))
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.0)
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut tree = self.tree();
        let exists = tree.files.get(path).cloned();
        match (exists, mode) {
            (Some(file), OpenMode::Truncate) => {
                lock(&file.0).clear();
                Ok(file)
            }
            (Some(file), _) => Ok(file),
            (None, OpenMode::Read | OpenMode::ReadWrite) => Err(not_found(path)),
            (None, OpenMode::Create | OpenMode::Truncate) => {
                if let Some(parent) = path.parent()
                    && !parent.as_os_str().is_empty()
                    && !tree.dirs.contains(parent)
                {
                    return Err(not_found(parent));
                }
                let file = Arc::new(MemFile::default());
                tree.files.insert(path.to_owned(), file.clone());
                Ok(file)
            }
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let tree = self.tree();
        if !tree.dirs.contains(path) {
            return Err(not_found(path));
        }
        let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
        let files = tree
            .files
            .iter()
            .filter(|(p, _)| p.parent() == Some(path))
            .filter_map(|(p, f)| Some(DirEntry { name: name(p)?, is_dir: false, len: lock(&f.0).len() as u64 }));
        let dirs = tree
            .dirs
            .iter()
            .filter(|p| p.parent() == Some(path))
            .filter_map(|p| Some(DirEntry { name: name(p)?, is_dir: true, len: 0 }));
        Ok(files.chain(dirs).collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        tree.dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        if let Some(file) = tree.files.remove(from) {
            tree.files.insert(to.to_owned(), file);
            return Ok(());
        }
        if !tree.dirs.contains(from) {
            return Err(not_found(from));
        }
        let moved = |p: &Path| {
            p.strip_prefix(from).map(|rest| if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
        };
        tree.dirs = tree.dirs.iter().map(|p| moved(p).unwrap_or_else(|_| p.clone())).collect();
        tree.files = std::mem::take(&mut tree.files).into_iter().map(|(p, f)| (moved(&p).unwrap_or(p), f)).collect();
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.tree().files.remove(path).map(|_| ()).ok_or_else(|| not_found(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        tree.files.retain(|p, _| !p.starts_with(path));
        tree.dirs.retain(|p| !p.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        let tree = self.tree();
        tree.files.contains_key(path) || tree.dirs.contains(path)
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        Ok(Space { total: 1 << 40, usable: 1 << 40 })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        if !self.tree().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemLock { disk: self.clone(), path: path.to_owned() }))
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let bytes = lock(&self.0);
        let start = (position as usize).min(bytes.len());
        let len = buf.len().min(bytes.len() - start);
        buf[..len].copy_from_slice(&bytes[start..start + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut content = lock(&self.0);
        let end = position as usize + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[position as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.0).resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_directory_takes_its_files_along() -> io::Result<()> {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/d/a"))?;
        disk.write_atomic(Path::new("/d/a/f"), b"x")?;
        disk.rename(Path::new("/d/a"), Path::new("/d/b"))?;
        assert_eq!(disk.read(Path::new("/d/b/f"))?, b"x");
        assert!(!disk.exists(Path::new("/d/a")));
        Ok(())
    }

    #[test]
    fn a_lock_excludes_until_dropped() -> io::Result<()> {
        let disk = MemDisk::new();
        let held = disk.lock(Path::new("/.lock"))?;
        assert!(disk.lock(Path::new("/.lock")).is_err());
        drop(held);
        disk.lock(Path::new("/.lock")).map(|_| ())
    }
}

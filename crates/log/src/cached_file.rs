//! Files that are open only while somebody uses them: a bounded number of handles for any number of segments.

use crate::names::{self, FileKind};
use ottla_base::{Disk, DiskFile, Offset, OpenMode};
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Weak};

/// Where a partition's files are. All of them follow when the directory is renamed.
pub(crate) struct LogDir(RwLock<Arc<Path>>);

impl LogDir {
    pub(crate) fn new(path: &Path) -> Arc<LogDir> {
        Arc::new(LogDir(RwLock::new(path.into())))
    }

    pub(crate) fn path(&self) -> Arc<Path> {
        self.0.read().clone()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn moved_to(&self, path: &Path) {
        *self.0.write() = path.into();
    }
}

/// The open handles of all logs: at most `limit`, beyond which the longest unused are closed. Those with something
/// to be synced wait for [`FileCache::close_overdue`], up to as many again.
pub struct FileCache {
    pub(crate) disk: Arc<dyn Disk>,
    limit: usize,
    open: Mutex<Handles>,
}

#[derive(Default)]
struct Handles {
    /// Oldest first. An entry used since it was last looked at gets a second round.
    queue: VecDeque<Weak<CachedFile>>,
    /// To be closed, but not by whoever only wants to open another file: that would have to wait for the disk.
    overdue: Vec<Weak<CachedFile>>,
}

impl FileCache {
    /// `limit` is the number of handles kept open; at most twice as many are, and those in the hands of readers.
    pub fn new(disk: Arc<dyn Disk>, limit: usize) -> Arc<FileCache> {
        assert!(limit > 0, "a file cache must hold at least one file");
        Arc::new(FileCache { disk, limit, open: Mutex::default() })
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Handles currently held open, those of forgotten logs included until they are next looked at.
    pub fn open_files(&self) -> usize {
        let handles = self.open.lock();
        let is_open = |file: &&Weak<CachedFile>| file.upgrade().is_some_and(|file| file.slot.lock().is_some());
        handles.queue.iter().chain(&handles.overdue).filter(is_open).count()
    }

    /// Syncs and closes what is overdue, if it was not used since. Waits for the disk.
    pub fn close_overdue(&self) {
        let overdue = std::mem::take(&mut self.open.lock().overdue);
        for entry in overdue {
            match entry.upgrade() {
                Some(file) if file.used.swap(false, Ordering::Relaxed) => self.open.lock().queue.push_back(entry),
                Some(file) => file.close(),
                None => {}
            }
        }
    }

    fn opened(&self, file: &Arc<CachedFile>) {
        let mut victims = Vec::new();
        {
            let mut handles = self.open.lock();
            handles.queue.push_back(Arc::downgrade(file));
            let mut rounds = 2 * handles.queue.len();
            while handles.queue.len() > self.limit && rounds > 0 {
                rounds -= 1;
                let Some(entry) = handles.queue.pop_front() else { break };
                let Some(candidate) = entry.upgrade() else { continue };
                if Arc::ptr_eq(&candidate, file) || candidate.used.swap(false, Ordering::Relaxed) {
                    handles.queue.push_back(entry);
                } else if candidate.dirty.load(Ordering::Acquire) && handles.overdue.len() < self.limit {
                    handles.overdue.push(entry);
                } else {
                    victims.push(candidate);
                }
            }
        }
        for victim in victims {
            victim.close();
        }
    }
}

const SUFFIXES: [&str; 2] = ["", names::DELETED];

/// One file of a log, opened when needed and perhaps closed behind one's back in between.
pub(crate) struct CachedFile {
    cache: Arc<FileCache>,
    dir: Arc<LogDir>,
    offset: Offset,
    kind: FileKind,
    /// Into `SUFFIXES`.
    suffix: AtomicU8,
    slot: Mutex<Option<Arc<dyn DiskFile>>>,
    used: AtomicBool,
    /// Something was written, or may have been before a crash, that no sync covered.
    dirty: AtomicBool,
    /// A sync failed when the handle was closed: what the file holds is unknown.
    failed: AtomicBool,
}

impl CachedFile {
    /// `dirty` says that the content may not be on disk yet, as after an unclean shutdown.
    pub(crate) fn new(
        cache: &Arc<FileCache>,
        dir: &Arc<LogDir>,
        offset: Offset,
        kind: FileKind,
        dirty: bool,
    ) -> Arc<CachedFile> {
        Arc::new(CachedFile {
            cache: cache.clone(),
            dir: dir.clone(),
            offset,
            kind,
            suffix: AtomicU8::new(0),
            slot: Mutex::new(None),
            used: AtomicBool::new(false),
            dirty: AtomicBool::new(dirty),
            failed: AtomicBool::new(false),
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        let suffix = SUFFIXES[usize::from(self.suffix.load(Ordering::Acquire))];
        self.dir.file(&(names::file_name(self.offset, self.kind) + suffix))
    }

    /// A handle, which stays good for as long as the caller keeps it. The file is made when it does not exist.
    pub(crate) fn get(self: &Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        self.handle(OpenMode::Create)
    }

    /// As `get`, but `None` where there is no file.
    pub(crate) fn get_existing(self: &Arc<Self>) -> io::Result<Option<Arc<dyn DiskFile>>> {
        match self.handle(OpenMode::ReadWrite) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn handle(self: &Arc<Self>, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.used.store(true, Ordering::Relaxed);
        let file = {
            let mut slot = self.slot.lock();
            if let Some(file) = &*slot {
                return Ok(file.clone());
            }
            slot.insert(self.cache.disk.open(&self.path(), mode)?).clone()
        };
        self.cache.opened(self);
        Ok(file)
    }

    pub(crate) fn write_at(self: &Arc<Self>, bytes: &[u8], position: u64) -> io::Result<()> {
        let file = self.get()?;
        self.dirty.store(true, Ordering::Release);
        file.write_at(bytes, position)
    }

    pub(crate) fn set_len(self: &Arc<Self>, len: u64) -> io::Result<()> {
        let file = self.get()?;
        self.dirty.store(true, Ordering::Release);
        file.set_len(len)
    }

    /// Everything written before the call is on disk when this returns.
    pub(crate) fn sync(self: &Arc<Self>) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(io::Error::other(format!("an earlier sync of {} failed", self.path().display())));
        }
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let result = self.get().and_then(|file| file.sync());
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    /// Gives the handle up. What it wrote is synced first: with the handle would go the only way to hear of a
    /// failed write-back.
    pub(crate) fn close(self: &Arc<Self>) {
        let Some(file) = self.slot.lock().take() else { return };
        if self.dirty.swap(false, Ordering::AcqRel) && file.sync().is_err() {
            self.failed.store(true, Ordering::Release);
        }
    }

    /// Gives the file the suffix that marks it for deletion. Readers with it in their hands can go on.
    pub(crate) fn rename_to_deleted(&self) -> io::Result<()> {
        let from = self.path();
        let mut to = from.clone().into_os_string();
        to.push(names::DELETED);
        match self.cache.disk.rename(&from, Path::new(&to)) {
            // The transaction index, for one, exists only where a transaction was aborted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        self.suffix.store(1, Ordering::Release);
        // Nobody will want its content after a crash.
        self.dirty.store(false, Ordering::Release);
        Ok(())
    }

    /// Gives the handle up; the content is not wanted any more.
    pub(crate) fn discard(&self) {
        self.dirty.store(false, Ordering::Release);
        *self.slot.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::MemDisk;

    fn files(limit: usize, count: i64) -> (Arc<FileCache>, Vec<Arc<CachedFile>>) {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/d/t-0")).unwrap();
        let cache = FileCache::new(Arc::new(disk), limit);
        let dir = LogDir::new(Path::new("/d/t-0"));
        let files = (0..count).map(|i| CachedFile::new(&cache, &dir, i, FileKind::Log, false)).collect();
        (cache, files)
    }

    #[test]
    fn the_number_of_handles_is_bounded() {
        let (cache, files) = files(3, 10);
        for file in &files {
            file.write_at(b"x", 0).unwrap();
            assert!(cache.open_files() <= 6);
        }
        cache.close_overdue();
        assert!(cache.open_files() <= 3);
        for file in &files {
            assert_eq!(file.get().unwrap().len().unwrap(), 1);
        }
    }

    #[test]
    fn what_is_used_stays_open() {
        let (_, files) = files(3, 10);
        files[0].get().unwrap();
        for file in &files[1..] {
            file.get().unwrap();
            files[0].get().unwrap();
        }
        assert!(files[0].slot.lock().is_some());
        assert!(files[1].slot.lock().is_none());
    }

    #[test]
    fn a_file_follows_renames() {
        let (cache, files) = files(1, 2);
        files[0].write_at(b"abc", 0).unwrap();
        files[0].rename_to_deleted().unwrap();
        files[1].get().unwrap();
        cache.disk.rename(Path::new("/d/t-0"), Path::new("/d/gone")).unwrap();
        files[0].dir.moved_to(Path::new("/d/gone"));
        assert_eq!(files[0].get().unwrap().len().unwrap(), 3);
        files[0].discard();
        cache.disk.remove_dir_all(Path::new("/d/gone")).unwrap();
        assert!(files[0].get_existing().unwrap().is_none());
    }
}

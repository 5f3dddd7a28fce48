//! A disk that forgets what was not synced.

use ottla_base::{DirEntry, Disk, DiskFile, DiskLock, MemDisk, OpenMode, Rng, Space};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a crash leaves of the files is decided in [`CrashDisk::crash`]; until then it is a disk like any other.
#[derive(Clone)]
pub(super) struct CrashDisk {
    live: MemDisk,
    durable: Arc<Mutex<BTreeMap<PathBuf, Durable>>>,
    /// Changes of names that no sync of their directory covered, oldest first.
    journal: Arc<Mutex<Vec<Change>>>,
    /// After so many more writes and syncs, all of them fail.
    fail_after: Arc<Mutex<Option<u64>>>,
}

#[derive(Clone, Default)]
struct Durable {
    content: Vec<u8>,
    /// The directory was synced since the file was made.
    named: bool,
}

/// How to undo it.
enum Change {
    Renamed { from: PathBuf, to: PathBuf, replaced: Option<Durable> },
    Removed { path: PathBuf, file: Durable },
}

struct CrashFile {
    disk: CrashDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl CrashDisk {
    pub(super) fn new() -> Self {
        CrashDisk { live: MemDisk::new(), durable: Arc::default(), journal: Arc::default(), fail_after: Arc::default() }
    }

    pub(super) fn fail_after(&self, operations: Option<u64>) {
        *self.fail_after.lock() = operations;
    }

    fn maybe_fail(&self) -> io::Result<()> {
        match &mut *self.fail_after.lock() {
            Some(0) => Err(io::Error::other("the disk is broken")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The disk as a machine may find it after losing power: of every file what was synced, and any part of what
    /// was written since; of a file whose name was not synced, perhaps nothing.
    pub(super) fn crash(&self, rng: &dyn Rng) -> CrashDisk {
        let after = CrashDisk::new();
        let mut pending = vec![PathBuf::from("/")];
        let durable = self.durable.lock();
        while let Some(dir) = pending.pop() {
            after.live.create_dir_all(&dir).unwrap();
            for entry in self.live.read_dir(&dir).unwrap_or_default() {
                let path = dir.join(&entry.name);
                if entry.is_dir {
                    pending.push(path);
                    continue;
                }
                let known = durable.get(&path).cloned().unwrap_or_default();
                if !known.named && rng.next_u64().is_multiple_of(2) {
                    continue;
                }
                let content = torn(&known.content, &self.live.read(&path).unwrap(), rng);
                after.live.open(&path, OpenMode::Truncate).unwrap().write_at(&content, 0).unwrap();
                after.durable.lock().insert(path, Durable { content, named: true });
            }
        }
        drop(durable);
        self.undo_names(&after, rng);
        after
    }

    /// Of the changes of names a crash takes back the latest, any number of them.
    fn undo_names(&self, after: &CrashDisk, rng: &dyn Rng) {
        let mut journal = self.journal.lock();
        let keep = rng.next_u64() as usize % (journal.len() + 1);
        let put = |path: PathBuf, file: Durable| {
            after.live.open(&path, OpenMode::Truncate).unwrap().write_at(&file.content, 0).unwrap();
            after.durable.lock().insert(path, file);
        };
        for change in journal.drain(..).skip(keep).collect::<Vec<_>>().into_iter().rev() {
            match change {
                Change::Renamed { from, to, replaced } => {
                    // Whatever became of it since goes along.
                    if after.live.exists(&to) {
                        let _ = after.rename(&to, &from);
                    }
                    if let Some(file) = replaced {
                        put(to, file);
                    }
                }
                Change::Removed { path, file } => put(path, file),
            }
        }
        after.journal.lock().clear();
    }
}

fn torn(durable: &[u8], live: &[u8], rng: &dyn Rng) -> Vec<u8> {
    let Some(written) = live.strip_prefix(durable) else {
        // It was cut, and perhaps written over.
        return if rng.next_u64().is_multiple_of(2) { live.to_vec() } else { durable.to_vec() };
    };
    let kept = if written.is_empty() { 0 } else { rng.next_u64() as usize % (written.len() + 1) };
    let mut content = live[..durable.len() + kept].to_vec();
    match rng.next_u64() % 4 {
        // The length came to the disk, the data did not.
        0 => content.resize(live.len(), 0),
        // A page in the middle did not.
        1 if kept > 20 => {
            let at = durable.len() + rng.next_u64() as usize % (kept - 10);
            content[at..at + 10].fill(0);
        }
        _ => {}
    }
    content
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.live.open(path, mode)?;
        Ok(Arc::new(CrashFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.live.read_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.live.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.live.rename(from, to)?;
        let mut durable = self.durable.lock();
        let known = durable.remove(from).unwrap_or_default();
        let replaced = durable.insert(to.to_owned(), known);
        self.journal.lock().push(Change::Renamed { from: from.to_owned(), to: to.to_owned(), replaced });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.live.remove_file(path)?;
        if let Some(file) = self.durable.lock().remove(path) {
            self.journal.lock().push(Change::Removed { path: path.to_owned(), file });
        }
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.durable.lock().retain(|file, _| !file.starts_with(path));
        self.live.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.maybe_fail()?;
        self.journal.lock().retain(|change| match change {
            Change::Renamed { to, .. } => to.parent() != Some(path),
            Change::Removed { path: removed, .. } => removed.parent() != Some(path),
        });
        let mut durable = self.durable.lock();
        for entry in self.live.read_dir(path)? {
            if !entry.is_dir {
                durable.entry(path.join(entry.name)).or_default().named = true;
            }
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.live.exists(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.live.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.live.lock(path)
    }
}

impl DiskFile for CrashFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if let Err(error) = self.disk.maybe_fail() {
            // A part of it may have been written.
            self.file.write_at(&bytes[..bytes.len() / 2], position)?;
            return Err(error);
        }
        self.file.write_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.maybe_fail()?;
        let mut content = vec![0; self.file.len()? as usize];
        self.file.read_at(&mut content, 0)?;
        // By its present name; handles of files that were renamed since only sync what nobody will look for.
        if self.disk.live.exists(&self.path) {
            self.disk.durable.lock().entry(self.path.clone()).or_default().content = content;
        }
        Ok(())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

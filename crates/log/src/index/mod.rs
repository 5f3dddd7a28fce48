//! The indexes of a segment: files of fixed-size entries in rising order.

mod offset_index;
mod time_index;
mod txn_index;

pub(crate) use offset_index::OffsetIndex;
pub(crate) use time_index::{TimeIndex, TimestampOffset};
pub use txn_index::AbortedTxn;
pub(crate) use txn_index::TxnIndex;

use crate::cached_file::CachedFile;
use std::io;
use std::sync::Arc;

/// New entries are written to the file this many bytes at a time; until then they are in memory only.
/// A crash in between costs nothing: the index of a segment that was not flushed is rebuilt.
const WRITE_BYTES: usize = 4096;

/// Below this many entries a search reads them all at once.
const READ_ENTRIES: u32 = 256;

/// The largest entry, in bytes.
const MAX_ENTRY: usize = 12;

type RawEntry = [u8; MAX_ENTRY];

/// A file of entries of `N` bytes, of which the last may not be written yet.
struct EntryFile {
    file: Arc<CachedFile>,
    entry_size: usize,
    /// Entries in the file.
    written: u32,
    /// Entries that follow those in the file.
    pending: Vec<u8>,
}

impl EntryFile {
    /// Takes over what the file holds. `is_padding` recognises the zeroes at the end of an index that Kafka
    /// allocates in full and cuts only when it closes it.
    fn open(file: Arc<CachedFile>, entry_size: usize, is_padding: fn(&RawEntry) -> bool) -> io::Result<EntryFile> {
        let len = match file.get_existing()? {
            Some(handle) => handle.len()?,
            None => 0,
        };
        let entries = u32::try_from(len / entry_size as u64).unwrap_or(u32::MAX);
        let mut index = EntryFile { file, entry_size, written: entries, pending: Vec::new() };
        if entries > 0 && is_padding(&index.entry(entries - 1)?) {
            index.written = index.partition_point(|entry| !is_padding(entry))?;
        }
        Ok(index)
    }

    /// An index without entries, whatever the file holds.
    fn create(file: Arc<CachedFile>, entry_size: usize) -> io::Result<EntryFile> {
        file.set_len(0)?;
        Ok(EntryFile { file, entry_size, written: 0, pending: Vec::new() })
    }

    fn entries(&self) -> u32 {
        self.written + (self.pending.len() / self.entry_size) as u32
    }

    fn entry(&self, n: u32) -> io::Result<RawEntry> {
        let mut entry = RawEntry::default();
        let size = self.entry_size;
        match n.checked_sub(self.written) {
            Some(n) => {
                let start = n as usize * size;
                entry[..size].copy_from_slice(self.pending.get(start..start + size).ok_or_else(unexpected_end)?);
            }
            None => {
                let read = self.file.get()?.read_at(&mut entry[..size], u64::from(n) * size as u64)?;
                if read < size {
                    return Err(unexpected_end());
                }
            }
        }
        Ok(entry)
    }

    /// The number of entries at the front for which `before` holds.
    fn partition_point(&self, before: impl Fn(&RawEntry) -> bool) -> io::Result<u32> {
        let (mut low, mut high) = (0, self.entries());
        if high > self.written && self.written > 0 && before(&self.entry(self.written)?) {
            low = self.written;
        } else if high > self.written && self.written > 0 {
            high = self.written;
        }
        while high - low > READ_ENTRIES {
            let middle = low + (high - low) / 2;
            if before(&self.entry(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let size = self.entry_size;
        let mut bytes = vec![0; (high - low) as usize * size];
        self.read_entries(low, &mut bytes)?;
        let mut entry = RawEntry::default();
        let found = bytes.chunks_exact(size).take_while(|raw| {
            entry[..size].copy_from_slice(raw);
            before(&entry)
        });
        Ok(low + found.count() as u32)
    }

    fn read_entries(&self, from: u32, bytes: &mut [u8]) -> io::Result<()> {
        let size = self.entry_size;
        let start = from as usize * size;
        let in_file = (self.written as usize * size).saturating_sub(start).min(bytes.len());
        let (file_part, pending_part) = bytes.split_at_mut(in_file);
        if !file_part.is_empty() && self.file.get()?.read_at(file_part, start as u64)? < in_file {
            return Err(unexpected_end());
        }
        let skip = (start + in_file).saturating_sub(self.written as usize * size);
        let source = self.pending.get(skip..skip + pending_part.len()).ok_or_else(unexpected_end)?;
        pending_part.copy_from_slice(source);
        Ok(())
    }

    fn push(&mut self, entry: &[u8]) -> io::Result<()> {
        debug_assert_eq!(entry.len(), self.entry_size);
        self.pending.extend_from_slice(entry);
        if self.pending.len() + self.entry_size > WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Puts what is only in memory into the file.
    fn write(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.file.write_at(&self.pending, u64::from(self.written) * self.entry_size as u64)?;
            self.written = self.entries();
            self.pending = Vec::new();
        }
        Ok(())
    }

    /// Keeps the first `entries`.
    fn truncate(&mut self, entries: u32) -> io::Result<()> {
        match entries.checked_sub(self.written) {
            Some(pending) => self.pending.truncate(pending as usize * self.entry_size),
            None => {
                self.pending.clear();
                self.written = entries;
                self.trim()?;
            }
        }
        Ok(())
    }

    /// Writes everything and cuts off what does not belong there.
    fn trim(&mut self) -> io::Result<()> {
        self.write()?;
        let len = u64::from(self.written) * self.entry_size as u64;
        if self.file.get()?.len()? != len {
            self.file.set_len(len)?;
        }
        Ok(())
    }
}

fn unexpected_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "an index file has become shorter")
}

fn be_i32(raw: &[u8]) -> i32 {
    raw.try_into().map_or(0, i32::from_be_bytes)
}

fn be_i64(raw: &[u8]) -> i64 {
    raw.try_into().map_or(0, i64::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod test_files {
    use crate::cached_file::{CachedFile, FileCache, LogDir};
    use crate::names::FileKind;
    use ottla_base::{Disk, MemDisk};
    use std::path::Path;
    use std::sync::Arc;

    pub(crate) fn file(kind: FileKind) -> Arc<CachedFile> {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/d/t-0")).unwrap();
        let cache = FileCache::new(Arc::new(disk), 10);
        CachedFile::new(&cache, &LogDir::new(Path::new("/d/t-0")), 100, kind, false)
    }
}

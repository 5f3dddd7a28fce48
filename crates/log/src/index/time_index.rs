//! `.timeindex`: from timestamps to offsets (KIP-33).

use super::{EntryFile, RawEntry, be_i32, be_i64};
use crate::cached_file::CachedFile;
use ottla_base::{Offset, TimestampMs};
use std::io;
use std::sync::Arc;

const ENTRY_SIZE: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    pub(crate) timestamp: TimestampMs,
    /// The last offset of the batch that has this as its largest timestamp.
    pub(crate) offset: Offset,
}

/// An entry says: no record up to its offset has a larger timestamp.
pub(crate) struct TimeIndex {
    base_offset: Offset,
    entries: EntryFile,
    last: TimestampOffset,
}

impl TimeIndex {
    pub(crate) fn open(file: Arc<CachedFile>, base_offset: Offset) -> io::Result<TimeIndex> {
        let entries = EntryFile::open(file, ENTRY_SIZE, |entry| entry[..ENTRY_SIZE] == [0; ENTRY_SIZE])?;
        Self::with(entries, base_offset)
    }

    pub(crate) fn create(file: Arc<CachedFile>, base_offset: Offset) -> io::Result<TimeIndex> {
        Self::with(EntryFile::create(file, ENTRY_SIZE)?, base_offset)
    }

    fn with(entries: EntryFile, base_offset: Offset) -> io::Result<TimeIndex> {
        let mut index =
            TimeIndex { base_offset, entries, last: TimestampOffset { timestamp: -1, offset: base_offset } };
        index.load_last()?;
        Ok(index)
    }

    fn load_last(&mut self) -> io::Result<()> {
        self.last = match self.entries() {
            0 => TimestampOffset { timestamp: -1, offset: self.base_offset },
            count => self.parse(&self.entries.entry(count - 1)?),
        };
        Ok(())
    }

    pub(crate) fn entries(&self) -> u32 {
        self.entries.entries()
    }

    /// The last entry; timestamp -1 when there is none.
    pub(crate) fn last(&self) -> TimestampOffset {
        self.last
    }

    /// The last entry not above `timestamp`; the start of the segment when there is none.
    pub(crate) fn lookup(&self, timestamp: TimestampMs) -> io::Result<TimestampOffset> {
        match self.entries.partition_point(|entry| self.parse(entry).timestamp <= timestamp)? {
            0 => Ok(TimestampOffset { timestamp: -1, offset: self.base_offset }),
            count => Ok(self.parse(&self.entries.entry(count - 1)?)),
        }
    }

    /// Appends an entry if its timestamp rises.
    pub(crate) fn maybe_append(&mut self, entry: TimestampOffset) -> io::Result<()> {
        if entry.timestamp <= self.last.timestamp || (self.entries() > 0 && entry.offset < self.last.offset) {
            return Ok(());
        }
        let Ok(relative) = i32::try_from(entry.offset.wrapping_sub(self.base_offset)) else { return Ok(()) };
        let mut raw = [0; ENTRY_SIZE];
        raw[..8].copy_from_slice(&entry.timestamp.to_be_bytes());
        raw[8..].copy_from_slice(&relative.to_be_bytes());
        self.last = entry;
        self.entries.push(&raw)
    }

    /// Drops the entries for `offset` and above.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> io::Result<()> {
        let keep = self.entries.partition_point(|entry| self.parse(entry).offset < offset)?;
        self.entries.truncate(keep)?;
        self.load_last()
    }

    pub(crate) fn trim(&mut self) -> io::Result<()> {
        self.entries.trim()
    }

    pub(crate) fn write(&mut self) -> io::Result<()> {
        self.entries.write()
    }

    pub(crate) fn file(&self) -> &Arc<CachedFile> {
        &self.entries.file
    }

    fn parse(&self, raw: &RawEntry) -> TimestampOffset {
        TimestampOffset {
            timestamp: be_i64(&raw[..8]),
            offset: self.base_offset.saturating_add(i64::from(be_i32(&raw[8..ENTRY_SIZE]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_files;
    use super::*;
    use crate::names::FileKind;

    const fn at(timestamp: TimestampMs, offset: Offset) -> TimestampOffset {
        TimestampOffset { timestamp, offset }
    }

    #[test]
    fn only_rising_timestamps_get_in() {
        let file = test_files::file(FileKind::TimeIndex);
        let mut index = TimeIndex::create(file.clone(), 100).unwrap();
        for entry in [at(-1, 101), at(5, 110), at(5, 120), at(4, 130), at(9, 140)] {
            index.maybe_append(entry).unwrap();
        }
        assert_eq!((index.entries(), index.last()), (2, at(9, 140)));
        assert_eq!(index.lookup(4).unwrap(), at(-1, 100));
        assert_eq!(index.lookup(5).unwrap(), at(5, 110));
        assert_eq!(index.lookup(100).unwrap(), at(9, 140));
        index.trim().unwrap();
        file.set_len(12 * 50).unwrap();
        let mut reopened = TimeIndex::open(file, 100).unwrap();
        assert_eq!((reopened.entries(), reopened.last()), (2, at(9, 140)));
        reopened.truncate_to(140).unwrap();
        assert_eq!(reopened.last(), at(5, 110));
        reopened.truncate_to(100).unwrap();
        assert_eq!(reopened.last(), at(-1, 100));
    }
}

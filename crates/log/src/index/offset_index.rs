//! `.index`: from offsets to positions in the segment.

use super::{EntryFile, RawEntry, be_i32};
use crate::cached_file::CachedFile;
use ottla_base::Offset;
use std::io;
use std::sync::Arc;

const ENTRY_SIZE: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    /// The last offset of the batch at `position`.
    pub(crate) offset: Offset,
    pub(crate) position: u32,
}

pub(crate) struct OffsetIndex {
    base_offset: Offset,
    entries: EntryFile,
    last: Option<OffsetPosition>,
}

impl OffsetIndex {
    pub(crate) fn open(file: Arc<CachedFile>, base_offset: Offset) -> io::Result<OffsetIndex> {
        // No real entry is for position 0: the first comes only after some bytes.
        let entries = EntryFile::open(file, ENTRY_SIZE, |entry| entry[..ENTRY_SIZE] == [0; ENTRY_SIZE])?;
        Self::with(entries, base_offset)
    }

    pub(crate) fn create(file: Arc<CachedFile>, base_offset: Offset) -> io::Result<OffsetIndex> {
        Self::with(EntryFile::create(file, ENTRY_SIZE)?, base_offset)
    }

    fn with(entries: EntryFile, base_offset: Offset) -> io::Result<OffsetIndex> {
        let mut index = OffsetIndex { base_offset, entries, last: None };
        index.load_last()?;
        Ok(index)
    }

    fn load_last(&mut self) -> io::Result<()> {
        self.last = match self.entries() {
            0 => None,
            count => Some(self.parse(&self.entries.entry(count - 1)?)),
        };
        Ok(())
    }

    pub(crate) fn entries(&self) -> u32 {
        self.entries.entries()
    }

    pub(crate) fn last(&self) -> Option<OffsetPosition> {
        self.last
    }

    /// The last entry not above `offset`; the start of the segment when there is none.
    pub(crate) fn lookup(&self, offset: Offset) -> io::Result<OffsetPosition> {
        if let Some(last) = self.last
            && last.offset <= offset
        {
            return Ok(last);
        }
        match self.entries.partition_point(|entry| self.parse(entry).offset <= offset)? {
            0 => Ok(OffsetPosition { offset: self.base_offset, position: 0 }),
            count => Ok(self.parse(&self.entries.entry(count - 1)?)),
        }
    }

    /// The first entry at or after `position`.
    pub(crate) fn first_at_position(&self, position: u64) -> io::Result<Option<OffsetPosition>> {
        if self.last.is_none_or(|last| u64::from(last.position) < position) {
            return Ok(None);
        }
        let before = self.entries.partition_point(|entry| u64::from(self.parse(entry).position) < position)?;
        Ok(Some(self.parse(&self.entries.entry(before)?)))
    }

    /// Appends an entry; one that does not rise is left out, as it would break the search.
    pub(crate) fn append(&mut self, offset: Offset, position: u32) -> io::Result<()> {
        if self.last.is_some_and(|last| offset <= last.offset) {
            return Ok(());
        }
        let Ok(relative) = i32::try_from(offset.wrapping_sub(self.base_offset)) else { return Ok(()) };
        let mut entry = [0; ENTRY_SIZE];
        entry[..4].copy_from_slice(&relative.to_be_bytes());
        entry[4..].copy_from_slice(&position.to_be_bytes());
        self.last = Some(OffsetPosition { offset, position });
        self.entries.push(&entry)
    }

    /// Drops the entries for `offset` and above.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> io::Result<()> {
        let keep = self.entries.partition_point(|entry| self.parse(entry).offset < offset)?;
        self.entries.truncate(keep)?;
        self.load_last()
    }

    /// Writes everything and cuts the file to its entries.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        self.entries.trim()
    }

    pub(crate) fn write(&mut self) -> io::Result<()> {
        self.entries.write()
    }

    pub(crate) fn file(&self) -> &Arc<CachedFile> {
        &self.entries.file
    }

    fn parse(&self, raw: &RawEntry) -> OffsetPosition {
        OffsetPosition {
            offset: self.base_offset.saturating_add(i64::from(be_i32(&raw[..4]))),
            position: be_i32(&raw[4..8]).max(0) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_files;
    use super::*;
    use crate::names::FileKind;

    const fn at(offset: Offset, position: u32) -> OffsetPosition {
        OffsetPosition { offset, position }
    }

    #[test]
    fn looks_up_across_file_and_memory() {
        let file = test_files::file(FileKind::OffsetIndex);
        let mut index = OffsetIndex::create(file.clone(), 100).unwrap();
        assert_eq!(index.lookup(500).unwrap(), at(100, 0));
        for i in 1..2000 {
            index.append(100 + i * 10, (i * 5000) as u32).unwrap();
        }
        assert!(index.entries.written > 0 && !index.entries.pending.is_empty());
        for i in 1..2000 {
            assert_eq!(index.lookup(100 + i * 10 + 9).unwrap(), at(100 + i * 10, (i * 5000) as u32));
            assert_eq!(index.first_at_position(i as u64 * 5000 - 4999).unwrap().unwrap().position, (i * 5000) as u32);
        }
        assert_eq!(index.lookup(109).unwrap(), at(100, 0));
        assert_eq!(index.first_at_position(1999 * 5000 + 1).unwrap(), None);
        index.trim().unwrap();
        let reopened = OffsetIndex::open(file, 100).unwrap();
        assert_eq!((reopened.entries(), reopened.last()), (1999, index.last()));
    }

    #[test]
    fn truncation_drops_the_offset_itself() {
        let mut index = OffsetIndex::create(test_files::file(FileKind::OffsetIndex), 100).unwrap();
        for i in 1..1000 {
            index.append(100 + i, i as u32).unwrap();
        }
        index.truncate_to(900).unwrap();
        assert_eq!(index.last(), Some(at(899, 799)));
        index.truncate_to(111).unwrap();
        assert_eq!((index.last(), index.entries()), (Some(at(110, 10)), 10));
        index.append(120, 50).unwrap();
        assert_eq!(index.lookup(119).unwrap(), at(110, 10));
        index.truncate_to(0).unwrap();
        assert_eq!(index.last(), None);
    }

    #[test]
    fn zero_padding_is_not_an_entry() {
        let file = test_files::file(FileKind::OffsetIndex);
        let mut index = OffsetIndex::create(file.clone(), 100).unwrap();
        index.append(110, 5000).unwrap();
        index.append(120, 9999).unwrap();
        index.trim().unwrap();
        file.set_len(1024 * 8 + 3).unwrap();
        let mut reopened = OffsetIndex::open(file.clone(), 100).unwrap();
        assert_eq!((reopened.entries(), reopened.last()), (2, Some(at(120, 9999))));
        reopened.trim().unwrap();
        assert_eq!(file.get().unwrap().len().unwrap(), 16);
        file.set_len(0).unwrap();
        file.set_len(80).unwrap();
        assert_eq!(OffsetIndex::open(file, 100).unwrap().entries(), 0);
    }
}

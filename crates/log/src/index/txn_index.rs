//! `.txnindex`: the aborted transactions that end in a segment (KIP-98).

use super::{be_i64, unexpected_end};
use crate::cached_file::CachedFile;
use crate::error::invalid_data;
use ottla_base::Offset;
use std::io;
use std::sync::Arc;

const ENTRY_SIZE: usize = 34;
const VERSION: i16 = 0;

/// An aborted transaction, whose records a read-committed consumer must leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    pub producer_id: i64,
    pub first_offset: Offset,
    /// The offset of its abort marker.
    pub last_offset: Offset,
    /// What the last stable offset became with the marker.
    pub last_stable_offset: Offset,
}

impl AbortedTxn {
    fn to_bytes(self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (slot, field) in bytes[2..].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<AbortedTxn> {
        let version = i16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
        let mut fields = bytes.get(2..ENTRY_SIZE)?.chunks_exact(8).map(be_i64);
        Some(AbortedTxn {
            producer_id: fields.next()?,
            first_offset: fields.next()?,
            last_offset: fields.next()?,
            last_stable_offset: fields.next()?,
        })
        .filter(|_| version == VERSION)
    }
}

/// The file is made with the first entry, so that most segments have none. Entries are few: they are all in memory.
pub(crate) struct TxnIndex {
    file: Arc<CachedFile>,
    entries: Vec<AbortedTxn>,
}

impl TxnIndex {
    pub(crate) fn open(file: Arc<CachedFile>, base_offset: Offset) -> io::Result<TxnIndex> {
        let mut entries = Vec::new();
        if let Some(handle) = file.get_existing()? {
            let mut bytes = vec![0; handle.len()? as usize];
            if handle.read_at(&mut bytes, 0)? < bytes.len() {
                return Err(unexpected_end());
            }
            for raw in bytes.chunks_exact(ENTRY_SIZE) {
                match AbortedTxn::from_bytes(raw) {
                    Some(txn) if txn.last_offset >= base_offset => entries.push(txn),
                    _ => {
                        let path = file.path();
                        return Err(invalid_data(format!("transaction index {} is corrupt", path.display())));
                    }
                }
            }
        }
        Ok(TxnIndex { file, entries })
    }

    pub(crate) fn create(file: Arc<CachedFile>) -> io::Result<TxnIndex> {
        if file.get_existing()?.is_some() {
            file.set_len(0)?;
        }
        Ok(TxnIndex { file, entries: Vec::new() })
    }

    pub(crate) fn append(&mut self, txn: AbortedTxn) -> io::Result<()> {
        self.file.write_at(&txn.to_bytes(), (self.entries.len() * ENTRY_SIZE) as u64)?;
        self.entries.push(txn);
        Ok(())
    }

    /// Adds to `found` the transactions with records in `from..to`. True when no later segment can have more.
    pub(crate) fn collect(&self, from: Offset, to: Offset, found: &mut Vec<AbortedTxn>) -> bool {
        for txn in &self.entries {
            if txn.last_offset >= from && txn.first_offset < to {
                found.push(*txn);
            }
            if txn.last_stable_offset >= to {
                return true;
            }
        }
        false
    }

    /// Drops the transactions whose marker is at `offset` or above.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> io::Result<()> {
        let keep = self.entries.iter().position(|txn| txn.last_offset >= offset);
        if let Some(keep) = keep {
            self.entries.truncate(keep);
            self.file.set_len((keep * ENTRY_SIZE) as u64)?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn entries(&self) -> &[AbortedTxn] {
        &self.entries
    }

    pub(crate) fn file(&self) -> &Arc<CachedFile> {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_files;
    use super::*;
    use crate::names::FileKind;

    fn txn(producer_id: i64, first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTxn {
        AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset }
    }

    #[test]
    fn no_entry_no_file() {
        let file = test_files::file(FileKind::TxnIndex);
        let index = TxnIndex::create(file.clone()).unwrap();
        assert!(index.entries().is_empty());
        assert!(file.get_existing().unwrap().is_none());
    }

    #[test]
    fn collects_what_overlaps() {
        let file = test_files::file(FileKind::TxnIndex);
        let mut index = TxnIndex::create(file.clone()).unwrap();
        let txns = [txn(1, 100, 110, 105), txn(2, 105, 120, 121), txn(1, 130, 140, 141)];
        for txn in txns {
            index.append(txn).unwrap();
        }
        let mut index = TxnIndex::open(file.clone(), 100).unwrap();
        assert_eq!(index.entries(), txns);
        let mut found = Vec::new();
        assert!(index.collect(111, 121, &mut found));
        assert_eq!(found, [txns[1]]);
        found.clear();
        assert!(!index.collect(100, 1000, &mut found));
        assert_eq!(found, txns);
        index.truncate_to(120).unwrap();
        assert_eq!(TxnIndex::open(file.clone(), 100).unwrap().entries(), &txns[..1]);
        assert!(TxnIndex::open(file, 111).is_err());
    }
}

//! `.snapshot`: the producers at one offset, so that a start need not read the log.

use super::entry::{BatchMetadata, ProducerEntry};
use crc_fast::CrcAlgorithm;
use std::collections::BTreeMap;

const VERSION: i16 = 1;
/// Version and checksum; the checksum is over what follows.
const ENTRIES_OFFSET: usize = 6;
const ENTRY_SIZE: usize = 46;

pub(crate) fn encode(producers: &BTreeMap<i64, ProducerEntry>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRIES_OFFSET + 4 + producers.len() * ENTRY_SIZE);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(producers.len() as i32).to_be_bytes());
    for (producer_id, entry) in producers {
        let last = entry.last_batch();
        bytes.extend_from_slice(&producer_id.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence().to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = checksum(&bytes[ENTRIES_OFFSET..]);
    bytes[2..ENTRIES_OFFSET].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The error says what is wrong with the bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, String> {
    let mut reader = Reader(bytes);
    let too_short = || format!("{} bytes are too few", bytes.len());
    let version = reader.take::<2>().map(i16::from_be_bytes).ok_or_else(too_short)?;
    if version != VERSION {
        return Err(format!("unknown version {version}, expected {VERSION}"));
    }
    let stored = reader.take::<4>().map(u32::from_be_bytes).ok_or_else(too_short)?;
    let computed = checksum(reader.0);
    if stored != computed {
        return Err(format!("checksum {stored} does not match the content ({computed})"));
    }
    let count = reader.take::<4>().map(i32::from_be_bytes).ok_or_else(too_short)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(reader.entry().ok_or_else(too_short)?);
    }
    Ok(entries)
}

fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn entry(&mut self) -> Option<(i64, ProducerEntry)> {
        let producer_id = i64::from_be_bytes(self.take()?);
        let epoch = i16::from_be_bytes(self.take()?);
        let last_sequence = i32::from_be_bytes(self.take()?);
        let last_offset = i64::from_be_bytes(self.take()?);
        let offset_delta = i32::from_be_bytes(self.take()?);
        let timestamp = i64::from_be_bytes(self.take()?);
        let coordinator_epoch = i32::from_be_bytes(self.take()?);
        let first_offset = i64::from_be_bytes(self.take()?);
        let txn = (first_offset >= 0).then_some(first_offset);
        let mut entry = ProducerEntry::new(epoch, coordinator_epoch, timestamp, txn);
        if last_offset >= 0 {
            entry.add_batch(epoch, BatchMetadata { last_sequence, last_offset, offset_delta, timestamp });
        }
        Some((producer_id, entry))
    }
}

//! Batches in memory: finding them, checking them, reading their records.

use bytes::Bytes;
use crc_fast::CrcAlgorithm;

use super::header::{
    ATTRIBUTES_OFFSET, BatchHeader, HEADER_SIZE_UP_TO_MAGIC, LENGTH_OFFSET, LOG_OVERHEAD, MAGIC_OFFSET, MAGIC_V2,
    RECORD_BATCH_OVERHEAD, RECORD_OVERHEAD_V0, RECORDS_OFFSET,
};
use super::record::{Record, RecordView};
use super::{Compression, ControlType, RecordsError, decompress, legacy};

/// What [`Batch::records`] lets a batch decompress to, in bytes. Batches in a log passed a stricter
/// check when they were produced.
pub const DEFAULT_DECOMPRESSED_LIMIT: usize = 1 << 30;

/// A whole batch, its checksum not yet looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub header: BatchHeader,
    /// From base offset to the last record.
    pub bytes: Bytes,
}

impl Batch {
    /// Takes the batch at the front of `bytes`; more may follow it.
    pub fn parse(bytes: &Bytes) -> Result<Batch, RecordsError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.size_in_bytes();
        if bytes.len() < needed {
            return Err(RecordsError::Truncated { needed, available: bytes.len() });
        }
        Ok(Batch { header, bytes: bytes.slice(..needed) })
    }

    pub fn verify_crc(&self) -> Result<(), RecordsError> {
        verify_crc(&self.header, &self.bytes)
    }

    /// The records as they are stored, compressed or not. Empty in formats 0 and 1.
    pub fn payload(&self) -> Bytes {
        if self.header.magic < MAGIC_V2 {
            Bytes::new()
        } else {
            self.bytes.slice(RECORDS_OFFSET.min(self.bytes.len())..)
        }
    }

    /// The records, decompressed.
    pub fn decompressed_payload(&self, limit: usize) -> Result<Bytes, RecordsError> {
        match self.header.compression()? {
            Compression::None => Ok(self.payload()),
            codec => Ok(decompress(codec, &self.payload(), limit)?.into()),
        }
    }

    pub fn records(&self) -> Result<RecordIter, RecordsError> {
        self.records_with_limit(DEFAULT_DECOMPRESSED_LIMIT)
    }

    /// `limit` bounds the decompressed size, in bytes.
    pub fn records_with_limit(&self, limit: usize) -> Result<RecordIter, RecordsError> {
        if self.header.magic < MAGIC_V2 {
            return Ok(RecordIter::Legacy(legacy::records(self, limit)?.into_iter()));
        }
        let base_offset = self.header.base_offset;
        let count = self.header.records_count;
        let left = u32::try_from(count)
            .map_err(|_| RecordsError::invalid(base_offset, format!("a record count of {count}")))?;
        // Kafka does not look at what an empty batch might hold.
        let payload = if left == 0 { Bytes::new() } else { self.decompressed_payload(limit)? };
        Ok(RecordIter::V2(V2Iter { header: self.header, payload, pos: 0, left }))
    }

    /// The offset of the first record, which formats 0 and 1 hide behind their compression.
    pub fn base_offset(&self) -> Result<i64, RecordsError> {
        if self.header.magic >= MAGIC_V2 || self.header.compression()? == Compression::None {
            return Ok(self.header.base_offset);
        }
        let first = self.records()?.next().transpose()?;
        Ok(first.map_or(self.header.base_offset, |record| record.offset))
    }

    /// Of a control batch, told by its first record; `None` for a batch of data and for an empty one.
    pub fn control_type(&self) -> Result<Option<ControlType>, RecordsError> {
        if !self.header.is_control() {
            return Ok(None);
        }
        let Some(record) = self.records()?.next().transpose()? else { return Ok(None) };
        let key = record.key.unwrap_or_default();
        ControlType::parse_key(&key).map(Some).map_err(|reason| RecordsError::invalid(self.header.base_offset, reason))
    }
}

/// The records of one batch. Ends after the first error.
#[derive(Debug)]
pub enum RecordIter {
    V2(V2Iter),
    /// Formats 0 and 1 must be read to the end before the first offset is known.
    Legacy(std::vec::IntoIter<Record>),
}

#[derive(Debug)]
pub struct V2Iter {
    header: BatchHeader,
    payload: Bytes,
    pos: usize,
    left: u32,
}

impl V2Iter {
    fn advance(&mut self) -> Result<Record, &'static str> {
        self.left -= 1;
        let record = RecordView::parse(&self.payload, &mut self.pos)?.to_record(&self.header, &self.payload);
        if self.left == 0 && self.pos != self.payload.len() {
            return Err("bytes remain after the last record");
        }
        Ok(record)
    }
}

impl Iterator for RecordIter {
    type Item = Result<Record, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            RecordIter::Legacy(records) => records.next().map(Ok),
            RecordIter::V2(iter) if iter.left == 0 => None,
            RecordIter::V2(iter) => Some(iter.advance().map_err(|reason| {
                iter.left = 0;
                RecordsError::invalid(iter.header.base_offset, reason)
            })),
        }
    }
}

/// The checksum that `batch`, one whole batch, ought to have.
pub(super) fn compute_crc(magic: i8, batch: &[u8]) -> u32 {
    if magic >= MAGIC_V2 {
        let covered = batch.get(ATTRIBUTES_OFFSET..).unwrap_or_default();
        crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, covered) as u32
    } else {
        let covered = batch.get(MAGIC_OFFSET..).unwrap_or_default();
        crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, covered) as u32
    }
}

/// `batch` is the one whole batch that `header` was read from.
pub fn verify_crc(header: &BatchHeader, batch: &[u8]) -> Result<(), RecordsError> {
    let computed = compute_crc(header.magic, batch);
    if computed != header.crc {
        return Err(RecordsError::Corrupt { base_offset: header.base_offset, stored: header.crc, computed });
    }
    Ok(())
}

/// The size in bytes of the batch at the front, if it is all there.
fn complete_batch_size(bytes: &[u8]) -> Result<Option<usize>, RecordsError> {
    let Some(length) = bytes.get(LENGTH_OFFSET..).and_then(|rest| rest.first_chunk()) else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    if length < RECORD_OVERHEAD_V0 as i32 {
        let base_offset = bytes.first_chunk().map_or(-1, |offset| i64::from_be_bytes(*offset));
        let size = i64::from(length) + LOG_OVERHEAD as i64;
        return Err(RecordsError::InvalidSize { base_offset, size, min: LOG_OVERHEAD + RECORD_OVERHEAD_V0 });
    }
    if bytes.len() < HEADER_SIZE_UP_TO_MAGIC {
        return Ok(None);
    }
    let size = LOG_OVERHEAD + length as usize;
    Ok((bytes.len() >= size).then_some(size))
}

/// The whole batches in `bytes`, which may end in the middle of one.
pub fn batches(bytes: Bytes) -> BatchIter {
    BatchIter { bytes, consumed: 0, failed: false }
}

/// Ends before a batch that is cut off, and after an error.
#[derive(Debug)]
pub struct BatchIter {
    bytes: Bytes,
    consumed: usize,
    failed: bool,
}

impl BatchIter {
    /// In bytes, of the batches yielded so far. At the end, what is missing to the input's length
    /// belongs to a batch that is cut off or damaged.
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

impl Iterator for BatchIter {
    type Item = Result<Batch, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let size = complete_batch_size(&self.bytes).transpose()?;
        let batch = size.and_then(|size| {
            let header = BatchHeader::parse(self.bytes.get(..size).unwrap_or_default())?;
            self.consumed += size;
            Ok(Batch { header, bytes: self.bytes.split_to(size) })
        });
        self.failed = batch.is_err();
        Some(batch)
    }
}

/// As [`batches`], without owning anything: headers, each with the bytes of its batch.
pub fn headers(bytes: &[u8]) -> HeaderIter<'_> {
    HeaderIter { bytes, consumed: 0, failed: false }
}

/// Ends before a batch that is cut off, and after an error.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    bytes: &'a [u8],
    consumed: usize,
    failed: bool,
}

impl HeaderIter<'_> {
    /// As [`BatchIter::consumed`].
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let size = complete_batch_size(self.bytes).transpose()?;
        let batch = size.and_then(|size| {
            let (batch, rest) = self.bytes.split_at_checked(size).unwrap_or((self.bytes, &[]));
            let header = BatchHeader::parse(batch)?;
            self.bytes = rest;
            self.consumed += size;
            Ok((header, batch))
        });
        self.failed = batch.is_err();
        Some(batch)
    }
}

/// One whole batch and nothing else: its size, format, checksum, and that its counts are not absurd.
/// What a client may write is narrower: see [`super::check_client_header`].
pub fn validate_batch_bytes(bytes: &[u8]) -> Result<BatchHeader, RecordsError> {
    let header = BatchHeader::parse(bytes)?;
    let size = header.size_in_bytes();
    if bytes.len() < size {
        return Err(RecordsError::Truncated { needed: size, available: bytes.len() });
    }
    if bytes.len() > size {
        return Err(RecordsError::TrailingBytes(bytes.len() - size));
    }
    verify_crc(&header, bytes)?;
    let codec = header.compression()?;
    if header.magic >= MAGIC_V2 {
        let invalid = |reason| Err(RecordsError::invalid(header.base_offset, reason));
        if header.last_offset_delta < 0 {
            return invalid(format!("a last offset delta of {}", header.last_offset_delta));
        }
        // Offsets strictly increase, so there cannot be more records than offsets; compaction leaves fewer.
        if header.records_count < 0 || i64::from(header.records_count) > i64::from(header.last_offset_delta) + 1 {
            return invalid(format!(
                "{} records in a range of {} offsets",
                header.records_count,
                i64::from(header.last_offset_delta) + 1
            ));
        }
        if codec == Compression::None && header.records_count as usize > size - RECORD_BATCH_OVERHEAD {
            return invalid(format!("{} records in {size} bytes", header.records_count));
        }
    }
    Ok(header)
}

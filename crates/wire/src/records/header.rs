//! The fixed part at the front of a batch.

use super::{Compression, RecordsError};

/// Of base offset and size, which all formats start with; the size counts the bytes after it.
pub const LOG_OVERHEAD: usize = 12;
/// Of everything before the records in format 2.
pub const RECORD_BATCH_OVERHEAD: usize = 61;
/// The least that tells the format.
pub const HEADER_SIZE_UP_TO_MAGIC: usize = 17;
/// Of a record without key and value in formats 0 and 1, after base offset and size.
pub const RECORD_OVERHEAD_V0: usize = 14;
pub const RECORD_OVERHEAD_V1: usize = 22;

pub const BASE_OFFSET_OFFSET: usize = 0;
pub const LENGTH_OFFSET: usize = 8;
pub const PARTITION_LEADER_EPOCH_OFFSET: usize = 12;
pub const MAGIC_OFFSET: usize = 16;
pub const CRC_OFFSET: usize = 17;
pub const ATTRIBUTES_OFFSET: usize = 21;
pub const LAST_OFFSET_DELTA_OFFSET: usize = 23;
pub const BASE_TIMESTAMP_OFFSET: usize = 27;
pub const MAX_TIMESTAMP_OFFSET: usize = 35;
pub const PRODUCER_ID_OFFSET: usize = 43;
pub const PRODUCER_EPOCH_OFFSET: usize = 51;
pub const BASE_SEQUENCE_OFFSET: usize = 53;
pub const RECORDS_COUNT_OFFSET: usize = 57;
pub const RECORDS_OFFSET: usize = RECORD_BATCH_OVERHEAD;

pub const MAGIC_V0: i8 = 0;
pub const MAGIC_V1: i8 = 1;
pub const MAGIC_V2: i8 = 2;

pub const NO_TIMESTAMP: i64 = -1;
pub const NO_PRODUCER_ID: i64 = -1;
pub const NO_PRODUCER_EPOCH: i16 = -1;
pub const NO_SEQUENCE: i32 = -1;
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

pub const COMPRESSION_CODEC_MASK: i16 = 0x07;
pub const TIMESTAMP_TYPE_MASK: i16 = 0x08;
pub const TRANSACTIONAL_MASK: i16 = 0x10;
pub const CONTROL_MASK: i16 = 0x20;
pub const DELETE_HORIZON_MASK: i16 = 0x40;

/// Who set the timestamp (KIP-32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Format 0 has no timestamps.
    NoTimestamp,
    CreateTime,
    LogAppendTime,
}

impl TimestampType {
    /// The name in configs and tools.
    pub fn name(self) -> &'static str {
        match self {
            TimestampType::NoTimestamp => "NoTimestampType",
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        }
    }
}

/// The header of a batch (format 2), or of the message that stands for one (formats 0 and 1).
///
/// In formats 0 and 1 a message carries the offset of its *last* record (a compressed message wraps
/// several), so there `base_offset` is the last offset, `last_offset_delta` is 0, `base_timestamp` and
/// `max_timestamp` are both the message's timestamp, and what the format lacks is -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Of all that follows this field, in bytes.
    pub batch_length: i32,
    pub partition_leader_epoch: i32,
    pub magic: i8,
    /// CRC-32C in format 2, CRC-32 (IEEE) before.
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    /// The delete horizon, when that attribute is set (KIP-534).
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// -1 in formats 0 and 1.
    pub records_count: i32,
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl BatchHeader {
    /// Reads the header; the records need not be there. Checks the format and that the size can
    /// hold the header, not the checksum.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, RecordsError> {
        let short = |needed| RecordsError::Truncated { needed, available: bytes.len() };
        let Some(magic) = bytes.get(MAGIC_OFFSET) else { return Err(short(HEADER_SIZE_UP_TO_MAGIC)) };
        match *magic as i8 {
            MAGIC_V2 => Self::parse_v2(bytes).ok_or(short(RECORD_BATCH_OVERHEAD))?.checked(RECORD_BATCH_OVERHEAD),
            MAGIC_V0 => {
                let min = LOG_OVERHEAD + RECORD_OVERHEAD_V0;
                Self::parse_legacy(bytes, MAGIC_V0).ok_or(short(min))?.checked(min)
            }
            MAGIC_V1 => {
                let min = LOG_OVERHEAD + RECORD_OVERHEAD_V1;
                Self::parse_legacy(bytes, MAGIC_V1).ok_or(short(min))?.checked(min)
            }
            magic => Err(RecordsError::UnsupportedMagic {
                base_offset: array(bytes, BASE_OFFSET_OFFSET).map_or(-1, i64::from_be_bytes),
                magic,
            }),
        }
    }

    fn parse_v2(bytes: &[u8]) -> Option<BatchHeader> {
        let header: &[u8; RECORD_BATCH_OVERHEAD] = bytes.first_chunk()?;
        Some(BatchHeader {
            base_offset: i64::from_be_bytes(array(header, BASE_OFFSET_OFFSET)?),
            batch_length: i32::from_be_bytes(array(header, LENGTH_OFFSET)?),
            partition_leader_epoch: i32::from_be_bytes(array(header, PARTITION_LEADER_EPOCH_OFFSET)?),
            magic: MAGIC_V2,
            crc: u32::from_be_bytes(array(header, CRC_OFFSET)?),
            attributes: i16::from_be_bytes(array(header, ATTRIBUTES_OFFSET)?),
            last_offset_delta: i32::from_be_bytes(array(header, LAST_OFFSET_DELTA_OFFSET)?),
            base_timestamp: i64::from_be_bytes(array(header, BASE_TIMESTAMP_OFFSET)?),
            max_timestamp: i64::from_be_bytes(array(header, MAX_TIMESTAMP_OFFSET)?),
            producer_id: i64::from_be_bytes(array(header, PRODUCER_ID_OFFSET)?),
            producer_epoch: i16::from_be_bytes(array(header, PRODUCER_EPOCH_OFFSET)?),
            base_sequence: i32::from_be_bytes(array(header, BASE_SEQUENCE_OFFSET)?),
            records_count: i32::from_be_bytes(array(header, RECORDS_COUNT_OFFSET)?),
        })
    }

    fn parse_legacy(bytes: &[u8], magic: i8) -> Option<BatchHeader> {
        let timestamp =
            if magic == MAGIC_V0 { NO_TIMESTAMP } else { i64::from_be_bytes(array(bytes, MAGIC_OFFSET + 2)?) };
        Some(BatchHeader {
            base_offset: i64::from_be_bytes(array(bytes, BASE_OFFSET_OFFSET)?),
            batch_length: i32::from_be_bytes(array(bytes, LENGTH_OFFSET)?),
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            magic,
            // Here the checksum stands where format 2 has the leader epoch.
            crc: u32::from_be_bytes(array(bytes, PARTITION_LEADER_EPOCH_OFFSET)?),
            attributes: i16::from(*bytes.get(MAGIC_OFFSET + 1)?),
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            records_count: -1,
        })
    }

    fn checked(self, min: usize) -> Result<BatchHeader, RecordsError> {
        let size = i64::from(self.batch_length) + LOG_OVERHEAD as i64;
        if size < min as i64 {
            return Err(RecordsError::InvalidSize { base_offset: self.base_offset, size, min });
        }
        Ok(self)
    }

    /// Of the whole batch. Meaningful for a header that [`BatchHeader::parse`] let through.
    pub fn size_in_bytes(&self) -> usize {
        LOG_OVERHEAD + self.batch_length.max(0) as usize
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    pub fn compression(&self) -> Result<Compression, RecordsError> {
        Compression::from_attributes(self.attributes)
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic == MAGIC_V0 {
            TimestampType::NoTimestamp
        } else if self.attributes & TIMESTAMP_TYPE_MASK == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.magic >= MAGIC_V2 && self.attributes & TRANSACTIONAL_MASK != 0
    }

    pub fn is_control(&self) -> bool {
        self.magic >= MAGIC_V2 && self.attributes & CONTROL_MASK != 0
    }

    /// When compaction may drop the batch's tombstones and markers (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.magic >= MAGIC_V2 && self.attributes & DELETE_HORIZON_MASK != 0).then_some(self.base_timestamp)
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// The batch's own, when the broker stamped it.
    pub(super) fn record_timestamp(&self, delta: i64) -> i64 {
        if self.timestamp_type() == TimestampType::LogAppendTime {
            self.max_timestamp
        } else {
            self.base_timestamp.wrapping_add(delta)
        }
    }

    /// Of records, where the header tells (format 2).
    pub fn count(&self) -> Option<i32> {
        (self.magic >= MAGIC_V2).then_some(self.records_count)
    }
}

/// Sequence numbers run from 0 to `i32::MAX` and start over.
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(increment) {
        increment.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1)
    } else {
        sequence.wrapping_add(increment)
    }
}

/// The other way round.
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    if sequence < decrement {
        i32::MAX.wrapping_sub(decrement.wrapping_sub(sequence)).wrapping_add(1)
    } else {
        sequence.wrapping_sub(decrement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap() {
        assert_eq!(increment_sequence(5, 3), 8);
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(increment_sequence(0, i32::MAX), i32::MAX);
        assert_eq!(decrement_sequence(1, 3), i32::MAX - 1);
        assert_eq!(decrement_sequence(8, 3), 5);
        // Nonsense from the wire must not overflow.
        increment_sequence(i32::MAX, i32::MIN);
        increment_sequence(i32::MIN, i32::MIN);
        decrement_sequence(i32::MIN, i32::MAX);
    }

    #[test]
    fn a_short_header_says_how_much_it_needs() {
        let mut bytes = vec![0u8; 60];
        bytes[MAGIC_OFFSET] = 2;
        bytes[LENGTH_OFFSET + 3] = 49;
        assert_eq!(BatchHeader::parse(&bytes), Err(RecordsError::Truncated { needed: 61, available: 60 }));
        assert_eq!(BatchHeader::parse(&bytes[..16]), Err(RecordsError::Truncated { needed: 17, available: 16 }));
        bytes.push(0);
        assert_eq!(BatchHeader::parse(&bytes).unwrap().size_in_bytes(), 61);
        bytes[LENGTH_OFFSET + 3] = 48;
        assert_eq!(
            BatchHeader::parse(&bytes),
            Err(RecordsError::InvalidSize { base_offset: 0, size: 60, min: RECORD_BATCH_OVERHEAD })
        );
        bytes[LENGTH_OFFSET] = 0xff;
        assert!(matches!(BatchHeader::parse(&bytes), Err(RecordsError::InvalidSize { .. })));
        bytes[MAGIC_OFFSET] = 3;
        assert_eq!(BatchHeader::parse(&bytes), Err(RecordsError::UnsupportedMagic { base_offset: 0, magic: 3 }));
    }
}

//! Writing batches of format 2.

use bytes::Bytes;

use super::header::{
    ATTRIBUTES_OFFSET, BASE_OFFSET_OFFSET, BASE_SEQUENCE_OFFSET, BASE_TIMESTAMP_OFFSET, BatchHeader, CONTROL_MASK,
    DELETE_HORIZON_MASK, LAST_OFFSET_DELTA_OFFSET, LENGTH_OFFSET, LOG_OVERHEAD, MAGIC_OFFSET, MAGIC_V2,
    MAX_TIMESTAMP_OFFSET, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
    PARTITION_LEADER_EPOCH_OFFSET, PRODUCER_EPOCH_OFFSET, PRODUCER_ID_OFFSET, RECORD_BATCH_OVERHEAD,
    RECORDS_COUNT_OFFSET, TIMESTAMP_TYPE_MASK, TRANSACTIONAL_MASK, TimestampType,
};
use super::record::{Header, record_size, write_record};
use super::{Compression, ControlType, EndTxnMarker, RecordsError, compress, patch};

/// Collects records, then compresses them at once. Settings may come in any order, before or between
/// the records; only [`BatchBuilder::delete_horizon_ms`] must precede them.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    base_offset: i64,
    last_offset: Option<i64>,
    /// Compaction keeps the range of the batch it rewrites, so that the last sequence stays known.
    range_end: Option<i64>,
    partition_leader_epoch: i32,
    compression: Compression,
    level: Option<i32>,
    timestamp_type: TimestampType,
    log_append_time: i64,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    offset_of_max_timestamp: i64,
    delete_horizon_ms: Option<i64>,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    transactional: bool,
    control: bool,
    count: i32,
    /// The header's place, then the records.
    buffer: Vec<u8>,
}

impl BatchBuilder {
    pub fn new(base_offset: i64) -> BatchBuilder {
        BatchBuilder {
            base_offset,
            last_offset: None,
            range_end: None,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            compression: Compression::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            log_append_time: NO_TIMESTAMP,
            base_timestamp: None,
            max_timestamp: NO_TIMESTAMP,
            offset_of_max_timestamp: -1,
            delete_horizon_ms: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
            count: 0,
            buffer: vec![0; RECORD_BATCH_OVERHEAD],
        }
    }

    /// For a batch that takes the place of the one with this header and keeps its range of offsets,
    /// producer, leader epoch, flags, timestamp type, delete horizon and codec (at the default level),
    /// as compaction needs it. Of formats 0 and 1 it keeps what there is and starts at `base_offset`.
    pub fn replacing(header: &BatchHeader, base_offset: i64) -> Result<BatchBuilder, RecordsError> {
        let mut builder = BatchBuilder::new(base_offset)
            .compression(header.compression()?, None)
            .leader_epoch(header.partition_leader_epoch)
            .producer(header.producer_id, header.producer_epoch, header.base_sequence)
            .transactional(header.is_transactional())
            .control(header.is_control());
        if header.timestamp_type() == TimestampType::LogAppendTime {
            builder = builder.log_append_time(header.max_timestamp);
        }
        if let Some(horizon) = header.delete_horizon_ms() {
            builder = builder.delete_horizon_ms(horizon);
        }
        if header.magic >= MAGIC_V2 {
            builder = builder.range_end(header.last_offset());
        }
        Ok(builder)
    }

    /// `None` is the codec's default level; one that the codec does not have becomes the nearest.
    pub fn compression(mut self, codec: Compression, level: Option<i32>) -> Self {
        self.compression = codec;
        self.level = level.and_then(|level| {
            let range = codec.level_range()?;
            if codec.is_valid_level(level) { Some(level) } else { Some(level.clamp(*range.start(), *range.end())) }
        });
        self
    }

    pub fn leader_epoch(mut self, epoch: i32) -> Self {
        self.partition_leader_epoch = epoch;
        self
    }

    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.producer_id = producer_id;
        self.producer_epoch = producer_epoch;
        self.base_sequence = base_sequence;
        self
    }

    pub fn transactional(mut self, transactional: bool) -> Self {
        self.transactional = transactional;
        self
    }

    pub fn control(mut self, control: bool) -> Self {
        self.control = control;
        self
    }

    /// `LogAppendTime` needs [`BatchBuilder::log_append_time`], which sets both.
    pub fn timestamp_type(mut self, timestamp_type: TimestampType) -> Self {
        self.timestamp_type = timestamp_type;
        self
    }

    /// The time of all records, whatever their own, and the timestamp type to go with it.
    pub fn log_append_time(mut self, now_ms: i64) -> Self {
        self.timestamp_type = TimestampType::LogAppendTime;
        self.log_append_time = now_ms;
        self
    }

    /// Before the first record: their timestamps are stored relative to it (KIP-534).
    pub fn delete_horizon_ms(mut self, horizon_ms: i64) -> Self {
        assert!(self.count == 0, "the delete horizon must be set before the first record");
        self.delete_horizon_ms = Some(horizon_ms);
        self.base_timestamp = Some(horizon_ms);
        self
    }

    /// The batch's last offset, where it lies behind the last record's.
    pub fn range_end(mut self, last_offset: i64) -> Self {
        self.range_end = Some(last_offset);
        self
    }

    /// At the next offset.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), RecordsError> {
        self.append_at(self.next_offset(), timestamp, key, value, headers)
    }

    /// Offsets must increase, but may leave gaps. On an error the batch is as it was.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), RecordsError> {
        let offset_delta = self.offset_delta(offset)?;
        if timestamp < 0 && timestamp != NO_TIMESTAMP {
            return Err(RecordsError::CannotAppend(format!("a record has the timestamp {timestamp}")));
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp.unwrap_or(timestamp));
        let size = record_size(offset_delta, timestamp_delta, key, value, headers);
        if size.saturating_add(self.buffer.len()) > i32::MAX as usize {
            return Err(RecordsError::CannotAppend(format!("it would have more than {} bytes", i32::MAX)));
        }
        self.base_timestamp.get_or_insert(timestamp);
        write_record(&mut self.buffer, offset_delta, timestamp_delta, key, value, headers);
        self.count += 1;
        self.last_offset = Some(offset);
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.offset_of_max_timestamp = offset;
        }
        Ok(())
    }

    /// Makes it a control batch. `value` is the encoded message that belongs to the type.
    pub fn append_control(
        &mut self,
        timestamp: i64,
        control_type: ControlType,
        value: &[u8],
    ) -> Result<(), RecordsError> {
        assert!(self.control || self.count == 0, "control and data records do not mix in a batch");
        self.control = true;
        self.append(timestamp, Some(&control_type.key()), Some(value), &[])
    }

    /// Ends a transaction; the producer must be set.
    pub fn append_end_txn(&mut self, timestamp: i64, commit: bool, coordinator_epoch: i32) -> Result<(), RecordsError> {
        self.transactional = true;
        let control_type = if commit { ControlType::Commit } else { ControlType::Abort };
        self.append_control(timestamp, control_type, &EndTxnMarker { coordinator_epoch }.to_bytes())
    }

    fn offset_delta(&self, offset: i64) -> Result<i32, RecordsError> {
        if self.last_offset.is_some_and(|last| offset <= last) || offset < self.base_offset {
            let after = self.last_offset.unwrap_or(self.base_offset);
            return Err(RecordsError::CannotAppend(format!("offset {offset} does not follow {after}")));
        }
        i32::try_from(offset.wrapping_sub(self.base_offset)).map_err(|_| {
            let base = self.base_offset;
            RecordsError::CannotAppend(format!("offset {offset} is too far from the base offset {base}"))
        })
    }

    /// Of the record that [`BatchBuilder::append`] adds next.
    pub fn next_offset(&self) -> i64 {
        self.last_offset.map_or(self.base_offset, |last| last.wrapping_add(1))
    }

    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// In records.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Of the batch in bytes, before compression.
    pub fn estimated_size(&self) -> usize {
        self.buffer.len()
    }

    /// As the header will have it.
    pub fn max_timestamp(&self) -> i64 {
        if self.timestamp_type == TimestampType::LogAppendTime { self.log_append_time } else { self.max_timestamp }
    }

    /// Of the first record with the greatest timestamp, -1 without one.
    pub fn offset_of_max_timestamp(&self) -> i64 {
        self.offset_of_max_timestamp
    }

    /// What [`BatchBuilder::estimated_size`] would be after adding a record.
    pub fn size_with(&self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
        let offset_delta = self.next_offset().wrapping_sub(self.base_offset) as i32;
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp.unwrap_or(timestamp));
        self.buffer.len() + record_size(offset_delta, timestamp_delta, key, value, headers)
    }

    /// No bytes at all without records.
    pub fn build(mut self) -> Bytes {
        if self.count == 0 {
            return Bytes::new();
        }
        self.compress_records();
        let header = self.header();
        write_header(&mut self.buffer, &header);
        self.buffer.into()
    }

    /// In the unlikely case that the codec fails, the batch stays uncompressed, which every reader understands.
    fn compress_records(&mut self) {
        if self.compression == Compression::None {
            return;
        }
        let records = self.buffer.get(RECORD_BATCH_OVERHEAD..).unwrap_or_default();
        match compress(self.compression, self.level, records) {
            Ok(compressed) if compressed.len() < i32::MAX as usize - RECORD_BATCH_OVERHEAD => {
                self.buffer.truncate(RECORD_BATCH_OVERHEAD);
                self.buffer.extend_from_slice(&compressed);
            }
            Ok(_) => self.compression = Compression::None,
            Err(error) => {
                tracing::warn!("batch at offset {} is written uncompressed: {error}", self.base_offset);
                self.compression = Compression::None;
            }
        }
    }

    fn header(&self) -> BatchHeader {
        let last_record = self.last_offset.unwrap_or(self.base_offset);
        let last_offset = self.range_end.map_or(last_record, |end| end.max(last_record));
        let mut attributes = self.compression.id();
        for (flag, mask) in [
            (self.timestamp_type == TimestampType::LogAppendTime, TIMESTAMP_TYPE_MASK),
            (self.transactional, TRANSACTIONAL_MASK),
            (self.control, CONTROL_MASK),
            (self.delete_horizon_ms.is_some(), DELETE_HORIZON_MASK),
        ] {
            if flag {
                attributes |= mask;
            }
        }
        BatchHeader {
            base_offset: self.base_offset,
            batch_length: (self.buffer.len() - LOG_OVERHEAD) as i32,
            partition_leader_epoch: self.partition_leader_epoch,
            magic: MAGIC_V2,
            crc: 0,
            attributes,
            last_offset_delta: last_offset.wrapping_sub(self.base_offset) as i32,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.max_timestamp(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            records_count: self.count,
        }
    }
}

/// Compaction keeps the header of a batch that lost all records while its producer may still need the
/// sequence in it.
pub fn empty_batch(header: &BatchHeader) -> Bytes {
    let kept = TIMESTAMP_TYPE_MASK | TRANSACTIONAL_MASK | CONTROL_MASK;
    let mut buffer = vec![0; RECORD_BATCH_OVERHEAD];
    let empty = BatchHeader {
        batch_length: (RECORD_BATCH_OVERHEAD - LOG_OVERHEAD) as i32,
        magic: MAGIC_V2,
        attributes: header.attributes & kept,
        base_timestamp: NO_TIMESTAMP,
        records_count: 0,
        ..*header
    };
    write_header(&mut buffer, &empty);
    buffer.into()
}

/// Into the front of a whole batch, whose checksum is then computed.
fn write_header(buffer: &mut [u8], header: &BatchHeader) {
    let mut put = |at: usize, value: &[u8]| buffer[at..at + value.len()].copy_from_slice(value);
    put(BASE_OFFSET_OFFSET, &header.base_offset.to_be_bytes());
    put(LENGTH_OFFSET, &header.batch_length.to_be_bytes());
    put(PARTITION_LEADER_EPOCH_OFFSET, &header.partition_leader_epoch.to_be_bytes());
    put(MAGIC_OFFSET, &header.magic.to_be_bytes());
    put(ATTRIBUTES_OFFSET, &header.attributes.to_be_bytes());
    put(LAST_OFFSET_DELTA_OFFSET, &header.last_offset_delta.to_be_bytes());
    put(BASE_TIMESTAMP_OFFSET, &header.base_timestamp.to_be_bytes());
    put(MAX_TIMESTAMP_OFFSET, &header.max_timestamp.to_be_bytes());
    put(PRODUCER_ID_OFFSET, &header.producer_id.to_be_bytes());
    put(PRODUCER_EPOCH_OFFSET, &header.producer_epoch.to_be_bytes());
    put(BASE_SEQUENCE_OFFSET, &header.base_sequence.to_be_bytes());
    put(RECORDS_COUNT_OFFSET, &header.records_count.to_be_bytes());
    patch::recompute_crc(buffer);
}

/// A batch of one control record.
pub fn control_batch(
    base_offset: i64,
    leader_epoch: i32,
    timestamp: i64,
    control_type: ControlType,
    value: &[u8],
) -> Result<Bytes, RecordsError> {
    let mut builder = BatchBuilder::new(base_offset).leader_epoch(leader_epoch);
    builder.append_control(timestamp, control_type, value)?;
    Ok(builder.build())
}

/// The batch that ends a transaction in a partition (base offset 0, to be assigned by the log).
pub fn end_txn_batch(
    timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    commit: bool,
    coordinator_epoch: i32,
) -> Result<Bytes, RecordsError> {
    let mut builder = BatchBuilder::new(0).producer(producer_id, producer_epoch, NO_SEQUENCE);
    builder.append_end_txn(timestamp, commit, coordinator_epoch)?;
    Ok(builder.build())
}

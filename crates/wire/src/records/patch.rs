//! Changes to a batch of format 2, one whole batch per call. The broker stamps produced batches this
//! way, mostly in place, and keeps their records as they are.
//!
//! Panics on fewer bytes than a header has: callers have parsed the batch before.

use super::batch::compute_crc;
use super::header::{
    ATTRIBUTES_OFFSET, BASE_OFFSET_OFFSET, BASE_SEQUENCE_OFFSET, COMPRESSION_CODEC_MASK, CONTROL_MASK, CRC_OFFSET,
    DELETE_HORIZON_MASK, LENGTH_OFFSET, LOG_OVERHEAD, MAGIC_OFFSET, MAGIC_V2, MAX_TIMESTAMP_OFFSET,
    PARTITION_LEADER_EPOCH_OFFSET, PRODUCER_EPOCH_OFFSET, PRODUCER_ID_OFFSET, RECORD_BATCH_OVERHEAD, RECORDS_OFFSET,
    TIMESTAMP_TYPE_MASK, TRANSACTIONAL_MASK, TimestampType,
};
use super::{BatchHeader, Compression, RecordsError, compress, decompress};

fn put(batch: &mut [u8], at: usize, value: &[u8]) {
    assert!(
        batch.len() >= RECORD_BATCH_OVERHEAD && batch[MAGIC_OFFSET] == MAGIC_V2 as u8,
        "only a whole batch of format 2 can be changed in place"
    );
    batch[at..at + value.len()].copy_from_slice(value);
}

/// Not part of the checksum.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    put(batch, BASE_OFFSET_OFFSET, &base_offset.to_be_bytes());
}

/// Not part of the checksum.
pub fn set_partition_leader_epoch(batch: &mut [u8], epoch: i32) {
    put(batch, PARTITION_LEADER_EPOCH_OFFSET, &epoch.to_be_bytes());
}

/// Computes the checksum anew only if something changes.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_type: TimestampType, max_timestamp: i64) {
    // Invariant: callers hand over a batch that was checked.
    let header = BatchHeader::parse(batch).expect("only a whole batch of format 2 can be changed in place");
    if header.timestamp_type() == timestamp_type && header.max_timestamp == max_timestamp {
        return;
    }
    // Unknown attributes do not survive, as in Kafka.
    let kept = COMPRESSION_CODEC_MASK | TRANSACTIONAL_MASK | CONTROL_MASK | DELETE_HORIZON_MASK;
    let log_append = if timestamp_type == TimestampType::LogAppendTime { TIMESTAMP_TYPE_MASK } else { 0 };
    put(batch, ATTRIBUTES_OFFSET, &(header.attributes & kept | log_append).to_be_bytes());
    put(batch, MAX_TIMESTAMP_OFFSET, &max_timestamp.to_be_bytes());
    recompute_crc(batch);
}

pub fn set_producer(batch: &mut [u8], producer_id: i64, producer_epoch: i16, base_sequence: i32) {
    put(batch, PRODUCER_ID_OFFSET, &producer_id.to_be_bytes());
    put(batch, PRODUCER_EPOCH_OFFSET, &producer_epoch.to_be_bytes());
    put(batch, BASE_SEQUENCE_OFFSET, &base_sequence.to_be_bytes());
    recompute_crc(batch);
}

/// After any other change.
pub fn recompute_crc(batch: &mut [u8]) {
    let crc = compute_crc(MAGIC_V2, batch);
    put(batch, CRC_OFFSET, &crc.to_be_bytes());
}

/// The batch of format 2 with its records compressed otherwise and everything else as it was; `limit`
/// bounds their decompressed size in bytes. A topic's `compression.type` asks for this, and it does
/// not touch a record.
pub fn recompress(
    header: &BatchHeader,
    batch: &[u8],
    codec: Compression,
    level: Option<i32>,
    limit: usize,
) -> Result<Vec<u8>, RecordsError> {
    let payload = batch.get(RECORDS_OFFSET..).unwrap_or_default();
    let records = decompress(header.compression()?, payload, limit)?;
    let compressed = compress(codec, level, &records).map_err(|e| RecordsError::CannotAppend(e.to_string()))?;
    let size = RECORD_BATCH_OVERHEAD + compressed.len();
    let length = i32::try_from(size - LOG_OVERHEAD)
        .map_err(|_| RecordsError::CannotAppend(format!("recompressed, the batch would have {size} bytes")))?;
    let mut output = Vec::with_capacity(size);
    output.extend_from_slice(batch.get(..RECORDS_OFFSET).unwrap_or_default());
    output.extend_from_slice(&compressed);
    let attributes = header.attributes & !COMPRESSION_CODEC_MASK | codec.id();
    put(&mut output, ATTRIBUTES_OFFSET, &attributes.to_be_bytes());
    put(&mut output, LENGTH_OFFSET, &length.to_be_bytes());
    recompute_crc(&mut output);
    Ok(output)
}

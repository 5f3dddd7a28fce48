//! Formats 0 and 1, which old segments may still hold: messages, of which a compressed one wraps
//! several others in its value.

use bytes::Bytes;

use super::batch::Batch;
use super::header::{BatchHeader, LOG_OVERHEAD, MAGIC_OFFSET, MAGIC_V0, MAGIC_V1, NO_SEQUENCE, TimestampType};
use super::record::Record;
use super::{Compression, RecordsError, decompress_for};

pub(super) fn records(batch: &Batch, limit: usize) -> Result<Vec<Record>, RecordsError> {
    let wrapper = &batch.header;
    let message = message(wrapper, &batch.bytes)?;
    let codec = wrapper.compression()?;
    if codec == Compression::None {
        return Ok(vec![message]);
    }
    let invalid = |reason: &str| Err(RecordsError::invalid(wrapper.base_offset, reason));
    if codec == Compression::Zstd {
        return invalid("zstd is not allowed in formats 0 and 1");
    }
    let Some(value) = message.value else { return invalid("a compressed message has no value") };
    let mut inner = inner_records(wrapper, decompress_for(wrapper.magic, codec, &value, limit)?.into())?;
    let Some(last) = inner.last().map(|record| record.offset) else {
        return invalid("a compressed message holds no messages");
    };
    if wrapper.magic == MAGIC_V1 {
        // Inner offsets count from 0, the wrapper has the last one's. Some versions of librdkafka left
        // the wrapper's at 0.
        let base = if wrapper.base_offset == 0 { 0 } else { wrapper.base_offset.wrapping_sub(last) };
        if base < 0 {
            return invalid("the last inner offset is beyond the offset of the compressed message");
        }
        for record in &mut inner {
            record.offset = record.offset.wrapping_add(base);
        }
    }
    Ok(inner)
}

fn inner_records(wrapper: &BatchHeader, inner: Bytes) -> Result<Vec<Record>, RecordsError> {
    let mut records = Vec::new();
    for batch in super::batches(inner) {
        let batch = batch?;
        let invalid = |reason: &str| Err(RecordsError::invalid(wrapper.base_offset, reason));
        if batch.header.magic > MAGIC_V1 {
            return invalid("a compressed message of format 0 or 1 holds one of format 2");
        }
        if batch.header.compression()? != Compression::None {
            return invalid("a compressed message holds another");
        }
        let mut record = message(&batch.header, &batch.bytes)?;
        if batch.header.magic == MAGIC_V1 && wrapper.timestamp_type() == TimestampType::LogAppendTime {
            record.timestamp = wrapper.max_timestamp;
        }
        records.push(record);
    }
    Ok(records)
}

fn message(header: &BatchHeader, bytes: &Bytes) -> Result<Record, RecordsError> {
    let mut pos = MAGIC_OFFSET + 2 + if header.magic == MAGIC_V0 { 0 } else { 8 };
    debug_assert!(pos > LOG_OVERHEAD);
    let fields = nullable(bytes, &mut pos).and_then(|key| Some((key, nullable(bytes, &mut pos)?)));
    let Some((key, value)) = fields else {
        return Err(RecordsError::invalid(header.base_offset, "key and value do not fit into the message"));
    };
    Ok(Record {
        offset: header.base_offset,
        timestamp: header.max_timestamp,
        sequence: NO_SEQUENCE,
        key,
        value,
        headers: Vec::new(),
    })
}

fn nullable(bytes: &Bytes, pos: &mut usize) -> Option<Option<Bytes>> {
    let size = i32::from_be_bytes(*bytes.get(*pos..)?.first_chunk()?);
    let start = *pos + 4;
    let end = start.checked_add(usize::try_from(size).unwrap_or(0))?;
    if end > bytes.len() {
        return None;
    }
    *pos = end;
    Some((size >= 0).then(|| bytes.slice(start..end)))
}

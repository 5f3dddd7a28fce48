//! What the leader checks of a batch that a client produced.

use super::header::{BatchHeader, MAGIC_V2, NO_TIMESTAMP, RECORDS_OFFSET};
use super::record::RecordView;
use super::stream::{Outline, RecordStream};
use super::{Compression, RecordsError};

/// What there is to know of a batch's records without keeping them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSummary {
    /// -1 without records or timestamps.
    pub max_timestamp: i64,
    /// Of the first record with the greatest timestamp; -1 like it.
    pub offset_of_max_timestamp: i64,
    /// -1 without records or timestamps; the least of the others.
    pub min_timestamp: i64,
    /// Offset deltas are 0, 1, 2… Where not, Kafka writes a compressed batch anew (some old clients
    /// get this wrong) and takes an uncompressed one as it is.
    pub consecutive_offsets: bool,
    /// The index of the first record without a key, which a compacted topic refuses.
    pub first_without_key: Option<u32>,
    /// Of the records, decompressed, in bytes.
    pub size_in_bytes: usize,
}

impl RecordsSummary {
    fn new() -> RecordsSummary {
        RecordsSummary {
            max_timestamp: NO_TIMESTAMP,
            offset_of_max_timestamp: -1,
            min_timestamp: NO_TIMESTAMP,
            consecutive_offsets: true,
            first_without_key: None,
            size_in_bytes: 0,
        }
    }

    fn add(&mut self, header: &BatchHeader, index: u32, record: Outline) {
        self.consecutive_offsets &= i64::from(record.offset_delta) == i64::from(index);
        if !record.has_key && self.first_without_key.is_none() {
            self.first_without_key = Some(index);
        }
        let timestamp = header.record_timestamp(record.timestamp_delta);
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.offset_of_max_timestamp = header.base_offset.wrapping_add(i64::from(record.offset_delta));
        }
        if timestamp != NO_TIMESTAMP && (self.min_timestamp == NO_TIMESTAMP || timestamp < self.min_timestamp) {
            self.min_timestamp = timestamp;
        }
    }
}

/// Of a batch in a Produce request: it counts as many records as offsets and at least one, is no
/// control batch, and has a sequence if it has a producer id.
pub fn check_client_header(header: &BatchHeader) -> Result<(), RecordsError> {
    let invalid = |reason: String| Err(RecordsError::invalid(header.base_offset, reason));
    if header.magic < MAGIC_V2 {
        return invalid(format!("format (magic) {}; clients must write format 2", header.magic));
    }
    let (count, range) = (header.records_count, header.last_offset_delta);
    if range < 0 || header.base_offset.checked_add(i64::from(range)).is_none() {
        return invalid(format!("an offset range from {} to {}", header.base_offset, header.last_offset()));
    }
    if count <= 0 {
        return invalid(format!("a record count of {count}"));
    }
    if i64::from(range) + 1 != i64::from(count) {
        return invalid(format!("{count} records in a range of {} offsets", i64::from(range) + 1));
    }
    if header.is_control() {
        return invalid("clients may not write control records".into());
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return invalid(format!("sequence {} with producer id {}", header.base_sequence, header.producer_id));
    }
    Ok(())
}

/// Walks the records of a decompressed batch of format 2 without allocating. An error where sizes or
/// the count do not agree.
pub fn check_records(header: &BatchHeader, payload: &[u8]) -> Result<RecordsSummary, RecordsError> {
    let mut summary = RecordsSummary::new();
    for (index, view) in record_views(header, payload).enumerate() {
        summary.add(header, index as u32, view?.into());
    }
    summary.size_in_bytes = payload.len();
    Ok(summary)
}

/// [`check_records`] for a whole batch of format 2, compressed or not. It is decompressed piece by piece:
/// into `scratch`, which the caller may keep for the next call and which stays around the size of a
/// piece (at most 4 MiB, or one bare snappy block), and up to `limit` bytes altogether.
pub fn check_batch(
    header: &BatchHeader,
    batch: &[u8],
    scratch: &mut Vec<u8>,
    limit: usize,
) -> Result<RecordsSummary, RecordsError> {
    let payload = batch.get(RECORDS_OFFSET..).unwrap_or_default();
    let codec = header.compression()?;
    if codec == Compression::None {
        return check_records(header, payload);
    }
    let count = u32::try_from(header.records_count)
        .map_err(|_| RecordsError::invalid(header.base_offset, "the record count is negative"))?;
    let mut summary = RecordsSummary::new();
    if count == 0 {
        return Ok(summary);
    }
    let mut records = RecordStream::new(header, codec, payload, scratch, limit)?;
    for index in 0..count {
        summary.add(header, index, records.next_record()?);
    }
    summary.size_in_bytes = records.finish()?;
    Ok(summary)
}

/// The records of a decompressed batch of format 2, in place. Ends after the first error.
pub fn record_views<'a>(header: &BatchHeader, payload: &'a [u8]) -> RecordViews<'a> {
    RecordViews { base_offset: header.base_offset, left: i64::from(header.records_count), payload, pos: 0 }
}

#[derive(Clone, Debug)]
pub struct RecordViews<'a> {
    base_offset: i64,
    /// Negative for a header that counts so.
    left: i64,
    payload: &'a [u8],
    pos: usize,
}

impl<'a> RecordViews<'a> {
    fn advance(&mut self) -> Result<RecordView<'a>, &'static str> {
        if self.left < 0 {
            return Err("the record count is negative");
        }
        self.left -= 1;
        let view = RecordView::parse(self.payload, &mut self.pos)?;
        if self.left == 0 && self.pos != self.payload.len() {
            return Err("bytes remain after the last record");
        }
        Ok(view)
    }
}

impl<'a> Iterator for RecordViews<'a> {
    type Item = Result<RecordView<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let view = self.advance();
        if view.is_err() {
            self.left = 0;
        }
        Some(view.map_err(|reason| RecordsError::invalid(self.base_offset, reason)))
    }
}

//! Records on their way to one partition.

use std::time::Instant;

use bytes::Bytes;
use ottla_base::{TimestampMs, TopicPartition};
use ottla_wire::records::varint::size_of_varint;
use ottla_wire::records::{BatchBuilder, Header, RECORD_BATCH_OVERHEAD, record_size};
use tokio::sync::oneshot;

use super::{ProducerConfig, RecordMetadata};
use crate::error::{Error, Result};

/// What a record may take in a batch at most: its size and its deltas count with all the bytes they can have.
pub(super) fn upper_bound(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    const LONGEST_SIZE: usize = 5;
    let exact = record_size(i32::MAX, i64::MAX, key, value, headers);
    let shortest = |body: usize| size_of_varint(i32::try_from(body).unwrap_or(i32::MAX));
    // The size in front counts what is behind it.
    let size_len = (1..=LONGEST_SIZE).find(|len| shortest(exact - len) == *len).unwrap_or(LONGEST_SIZE);
    exact - size_len + LONGEST_SIZE
}

#[derive(Debug)]
pub(super) struct Buffered {
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    /// As reserved from the buffer's memory.
    pub bytes: usize,
    pub delivery: oneshot::Sender<Result<RecordMetadata>>,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub created: Instant,
    pub records: Vec<Buffered>,
    pub bytes: usize,
    /// Given when it is first sent, and kept when it is sent again.
    pub base_sequence: Option<i32>,
    pub attempts: u32,
    /// Not before then, after a failure.
    pub retry_at: Option<Instant>,
}

impl Batch {
    pub fn new(now: Instant) -> Batch {
        Batch {
            created: now,
            records: Vec::new(),
            bytes: RECORD_BATCH_OVERHEAD,
            base_sequence: None,
            attempts: 0,
            retry_at: None,
        }
    }

    pub fn has_room(&self, bytes: usize, limit: usize) -> bool {
        self.records.is_empty() || self.bytes + bytes <= limit
    }

    pub fn push(&mut self, record: Buffered) {
        self.bytes += record.bytes;
        self.records.push(record);
    }

    /// In records.
    pub fn len(&self) -> i32 {
        self.records.len() as i32
    }

    /// The bytes for the wire.
    pub fn encode(&self, config: &ProducerConfig, producer: Option<(i64, i16)>) -> Result<Bytes> {
        let mut builder = BatchBuilder::new(0).compression(config.compression, config.compression_level);
        if let (Some((id, epoch)), Some(sequence)) = (producer, self.base_sequence) {
            builder = builder.producer(id, epoch, sequence);
        }
        for record in &self.records {
            builder
                .append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)
                .map_err(|error| Error::from_response(error.error_code(), Some(&error.to_string())))?;
        }
        Ok(builder.build())
    }

    /// Two of half the records each, for a batch that the broker found too large.
    pub fn split(mut self) -> (Batch, Batch) {
        let second = self.records.split_off(self.records.len() / 2);
        let half = |records: Vec<Buffered>| {
            let mut batch = Batch::new(self.created);
            records.into_iter().for_each(|record| batch.push(record));
            batch
        };
        (half(self.records), half(second))
    }

    /// Tells every waiting sender; returns the memory to give back.
    pub fn complete(self, partition: &TopicPartition, outcome: &Result<(i64, TimestampMs)>) -> usize {
        let mut freed = 0;
        for (index, record) in self.records.into_iter().enumerate() {
            freed += record.bytes;
            let result = outcome.clone().map(|(base_offset, append_time)| RecordMetadata {
                partition: partition.clone(),
                offset: if base_offset < 0 { -1 } else { base_offset + index as i64 },
                timestamp: if append_time < 0 { record.timestamp } else { append_time },
            });
            // Many callers do not wait for the outcome.
            let _ = record.delivery.send(result);
        }
        freed
    }
}

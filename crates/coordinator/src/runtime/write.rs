//! What a driver is asked to append.

use super::AppendId;
use bytes::Bytes;

/// A key, and a value or a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl Record {
    /// Close to what the record takes in a batch, in bytes.
    pub fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + 16
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendKind {
    /// One batch, in no transaction.
    Plain,
    /// One transactional batch of this producer.
    Transactional { transactional_id: String, producer_id: i64, producer_epoch: i16 },
    /// No records of ours but the control batch that ends the transaction.
    Marker { producer_id: i64, producer_epoch: i16, coordinator_epoch: i32, commit: bool },
}

/// To be appended to the log as one batch. Until the driver has said how it went, the shard asks for no other
/// append, so an append may take its time without anything else overtaking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    pub id: AppendId,
    pub kind: AppendKind,
    pub records: Vec<Record>,
}

//! One producer.

use ottla_base::{Offset, TimestampMs};
use ottla_wire::records::{BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP, decrement_sequence};
use std::collections::VecDeque;

/// So many batches may be in flight of an idempotent producer, and so many are recognised when they come again.
const BATCHES_TO_RETAIN: usize = 5;

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: Offset,
    /// From the first offset to the last.
    pub offset_delta: i32,
    pub timestamp: TimestampMs,
}

impl BatchMetadata {
    pub fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    pub fn first_offset(&self) -> Offset {
        self.last_offset.wrapping_sub(i64::from(self.offset_delta))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: TimestampMs,
    pub(crate) current_txn_first_offset: Option<Offset>,
    /// Of the current epoch, oldest first.
    batches: VecDeque<BatchMetadata>,
}

impl Default for ProducerEntry {
    fn default() -> Self {
        ProducerEntry::new(NO_PRODUCER_EPOCH, -1, NO_TIMESTAMP, None)
    }
}

impl ProducerEntry {
    pub(crate) fn new(
        epoch: i16,
        coordinator_epoch: i32,
        last_timestamp: TimestampMs,
        current_txn_first_offset: Option<Offset>,
    ) -> Self {
        ProducerEntry { epoch, coordinator_epoch, last_timestamp, current_txn_first_offset, batches: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(crate) fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches.back()
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub(crate) fn add_batch(&mut self, epoch: i16, batch: BatchMetadata) {
        self.set_epoch(epoch);
        self.push(batch);
        self.last_timestamp = batch.timestamp;
    }

    fn push(&mut self, batch: BatchMetadata) {
        if self.batches.len() == BATCHES_TO_RETAIN {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    /// A transaction marker: ends the transaction, and fences lower epochs.
    pub(crate) fn end_txn(&mut self, epoch: i16, coordinator_epoch: i32, timestamp: TimestampMs) {
        self.set_epoch(epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.current_txn_first_offset = None;
        self.last_timestamp = timestamp;
    }

    /// Takes over what an append added to a copy without batches.
    pub(crate) fn merge(&mut self, mut update: ProducerEntry) {
        self.set_epoch(update.epoch);
        for batch in update.batches.drain(..) {
            self.push(batch);
        }
        self.coordinator_epoch = update.coordinator_epoch;
        self.current_txn_first_offset = update.current_txn_first_offset;
        self.last_timestamp = update.last_timestamp;
    }

    /// The same, but with no batch remembered: what an append starts from.
    pub(crate) fn without_batches(&self) -> ProducerEntry {
        ProducerEntry::new(self.epoch, self.coordinator_epoch, self.last_timestamp, self.current_txn_first_offset)
    }

    /// The batch with exactly the sequences of `header`, if it was appended before.
    pub(crate) fn find_duplicate(&self, header: &BatchHeader) -> Option<BatchMetadata> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let same = |batch: &&BatchMetadata| {
            batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        self.batches.iter().find(same).copied()
    }
}

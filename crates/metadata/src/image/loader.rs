//! Committed batches of the log into images. What a metadata transaction (KIP-868) contains is seen when it ends, or never.

use super::{MetadataDelta, MetadataImage, Provenance, ReplayError};
use ottla_base::{LeaderEpoch, Offset, TimestampMs};
use ottla_wire::metadata_records::MetadataRecord;
use std::sync::Arc;

/// Where a batch is from.
#[derive(Clone, Copy, Debug)]
pub struct BatchInfo {
    pub last_offset: Offset,
    pub epoch: LeaderEpoch,
    /// When it was appended.
    pub timestamp: TimestampMs,
}

/// A new image, and how it came from the one before.
pub struct Published {
    pub image: Arc<MetadataImage>,
    pub delta: MetadataDelta,
}

/// Follows the log. Feed it every committed batch in order, then [`flush`](MetadataLoader::flush) when there is none left
/// for now.
pub struct MetadataLoader {
    image: Arc<MetadataImage>,
    delta: MetadataDelta,
    /// The last batch that was loaded.
    seen: Provenance,
    /// What waits for the end of its transaction.
    transaction: Option<Transaction>,
}

struct Transaction {
    /// Just before it began.
    start: Provenance,
    records: Vec<MetadataRecord>,
}

impl Default for MetadataLoader {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl MetadataLoader {
    pub fn new(image: Arc<MetadataImage>) -> MetadataLoader {
        let delta = MetadataDelta::new(&image);
        let seen = image.provenance;
        MetadataLoader { image, delta, seen, transaction: None }
    }

    /// The last one that was published.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.image
    }

    /// The last committed batch that was loaded, published or not.
    pub fn seen(&self) -> Provenance {
        self.seen
    }

    /// A batch of control records has none of these records; pass it too, so that the image's offset moves on.
    pub fn load_batch(&mut self, batch: BatchInfo, records: Vec<MetadataRecord>) -> Result<(), ReplayError> {
        let first = batch.last_offset + 1 - records.len() as i64;
        for (offset, record) in (first..).zip(records) {
            match (record, &mut self.transaction) {
                (MetadataRecord::BeginTransaction(_), None) => {
                    let inside = Provenance { offset: offset - 1, epoch: batch.epoch, timestamp: batch.timestamp };
                    let start = if offset == first { self.seen } else { inside };
                    self.transaction = Some(Transaction { start, records: Vec::new() });
                }
                (MetadataRecord::BeginTransaction(_), Some(_)) => {
                    return Err(ReplayError::new("Encountered BeginTransactionRecord while already in a transaction"));
                }
                (MetadataRecord::EndTransaction(_), Some(transaction)) => {
                    let records = std::mem::take(&mut transaction.records);
                    self.transaction = None;
                    for record in &records {
                        self.delta.replay(record)?;
                    }
                }
                (MetadataRecord::AbortTransaction(_), Some(_)) => self.transaction = None,
                (MetadataRecord::EndTransaction(_) | MetadataRecord::AbortTransaction(_), None) => {
                    return Err(ReplayError::new("Encountered the end of a transaction that was never begun"));
                }
                (record, Some(transaction)) => transaction.records.push(record),
                (record, None) => self.delta.replay(&record)?,
            }
        }
        self.seen = Provenance { offset: batch.last_offset, epoch: batch.epoch, timestamp: batch.timestamp };
        Ok(())
    }

    /// The next image, when anything was loaded since the last. While a transaction is open it ends before that.
    pub fn flush(&mut self) -> Option<Published> {
        let seen = self.transaction.as_ref().map_or(self.seen, |transaction| transaction.start);
        if seen == self.image.provenance {
            return None;
        }
        let image = self.delta.apply(seen);
        self.image = image.clone();
        let delta = std::mem::replace(&mut self.delta, MetadataDelta::new(&image));
        Some(Published { image, delta })
    }

    /// The records of a whole snapshot; what was loaded before is forgotten.
    pub fn load_snapshot(
        &mut self,
        provenance: Provenance,
        records: &[MetadataRecord],
    ) -> Result<Published, ReplayError> {
        let mut delta = MetadataDelta::from_snapshot(&self.image);
        for record in records {
            delta.replay(record)?;
        }
        let image = delta.apply(provenance);
        *self = MetadataLoader::new(image.clone());
        Ok(Published { image, delta })
    }
}

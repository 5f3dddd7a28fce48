//! The checks on what a producer appends.

use super::entry::{BatchMetadata, ProducerEntry};
use super::state::{CompletedTxn, TxnStart};
use crate::error::{LogError, Result};
use ottla_base::{ErrorCode, TimestampMs, TopicPartition};
use ottla_wire::records::{BatchHeader, ControlType, EndTxnMarker, NO_PRODUCER_EPOCH, NO_SEQUENCE};

/// Who appends, which decides what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A Produce request.
    Client,
    /// A group, transaction or share coordinator, or the transaction coordinator's markers.
    Coordinator,
    /// A follower, or a log being loaded: the leader has checked everything.
    Replication,
    /// The leader of the metadata quorum, whose batches carry their offsets already.
    RaftLeader,
}

/// `transaction.version` of the coordinator that wrote a marker (KIP-890): from 2 on, a marker must carry a
/// higher epoch than the transaction it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxnVersion(pub i16);

impl TxnVersion {
    /// Where no marker can be in the batch, or the leader has checked it.
    pub const UNKNOWN: TxnVersion = TxnVersion(-1);
    pub const TV2: TxnVersion = TxnVersion(2);
}

/// What a request for verification remembers until the first append of the transaction (KIP-890).
#[derive(Clone, Copy, Debug)]
pub(crate) struct VerificationState {
    pub(super) created_ms: TimestampMs,
    pub(super) guard: u64,
    pub(super) lowest_sequence: i32,
    pub(super) epoch: i16,
    pub(super) supports_epoch_bump: bool,
}

/// The effect of some batches of one producer, collected before any of it is written.
pub(crate) struct ProducerAppend {
    producer_id: i64,
    origin: AppendOrigin,
    current: ProducerEntry,
    updated: ProducerEntry,
    verification: Option<VerificationState>,
    started: Vec<TxnStart>,
}

impl ProducerAppend {
    pub(super) fn new(
        producer_id: i64,
        origin: AppendOrigin,
        current: ProducerEntry,
        verification: Option<VerificationState>,
    ) -> Self {
        let updated = current.without_batches();
        ProducerAppend { producer_id, origin, current, updated, verification, started: Vec::new() }
    }

    pub(super) fn finish(self) -> (i64, ProducerEntry, Vec<TxnStart>) {
        (self.producer_id, self.updated, self.started)
    }

    /// Checks and takes in one batch. `marker` is the content of a control batch, `position` where the batch
    /// will be in its segment.
    pub(crate) fn append(
        &mut self,
        partition: &TopicPartition,
        header: &BatchHeader,
        marker: Option<(ControlType, EndTxnMarker)>,
        version: TxnVersion,
        start: TxnStart,
    ) -> Result<Option<CompletedTxn>> {
        if !header.is_control() {
            self.append_data(partition, header, start)?;
            return Ok(None);
        }
        // A control batch without records: the whole transaction has been compacted away.
        let Some((control_type, marker)) = marker else { return Ok(None) };
        self.append_marker(partition, header, control_type, marker, version)
    }

    fn append_data(&mut self, partition: &TopicPartition, header: &BatchHeader, start: TxnStart) -> Result<()> {
        self.check_epoch(partition, header, TxnVersion::UNKNOWN)?;
        if self.origin == AppendOrigin::Client {
            self.check_sequence(partition, header)?;
        }
        let batch = BatchMetadata {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        };
        self.updated.add_batch(header.producer_epoch, batch);
        match (self.updated.current_txn_first_offset, header.is_transactional()) {
            (Some(_), false) => Err(LogError::new(
                ErrorCode::InvalidTxnState,
                format!(
                    "producer {} wrote outside of its open transaction at offset {} in partition {partition}",
                    self.producer_id, header.base_offset
                ),
            )),
            (None, true) => {
                self.updated.current_txn_first_offset = Some(header.base_offset);
                self.started.push(start);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn append_marker(
        &mut self,
        partition: &TopicPartition,
        header: &BatchHeader,
        control_type: ControlType,
        marker: EndTxnMarker,
        version: TxnVersion,
    ) -> Result<Option<CompletedTxn>> {
        if !matches!(control_type, ControlType::Abort | ControlType::Commit) {
            return Ok(None);
        }
        // A follower does not learn the version. The leader has checked; the lenient rule is right for it.
        self.check_epoch(partition, header, version.max(TxnVersion(0)))?;
        if self.updated.coordinator_epoch > marker.coordinator_epoch && self.origin != AppendOrigin::Replication {
            return Err(LogError::new(
                ErrorCode::TransactionCoordinatorFenced,
                format!(
                    "transaction marker for producer {} in partition {partition} comes from coordinator epoch {}, \
                     but epoch {} has been seen",
                    self.producer_id, marker.coordinator_epoch, self.updated.coordinator_epoch
                ),
            ));
        }
        // A marker for a transaction that wrote nothing here has no effect on the last stable offset.
        let completed = self.updated.current_txn_first_offset.map(|first_offset| CompletedTxn {
            producer_id: self.producer_id,
            first_offset,
            last_offset: header.base_offset,
            aborted: control_type == ControlType::Abort,
        });
        self.updated.end_txn(header.producer_epoch, marker.coordinator_epoch, header.max_timestamp);
        Ok(completed)
    }

    fn check_epoch(&self, partition: &TopicPartition, header: &BatchHeader, version: TxnVersion) -> Result<()> {
        let (epoch, current) = (header.producer_epoch, self.updated.epoch);
        let strict = version >= TxnVersion::TV2;
        if epoch > current || (epoch == current && !strict) || self.origin == AppendOrigin::Replication {
            return Ok(());
        }
        // A marker that was written before, whose writer did not hear of it (KAFKA-19999).
        let retried = epoch == current && (self.updated.current_txn_first_offset.is_none() || epoch == i16::MAX);
        if strict && retried {
            return Ok(());
        }
        let comparison = if strict { "not above" } else { "below" };
        Err(LogError::new(
            ErrorCode::InvalidProducerEpoch,
            format!(
                "epoch {epoch} of producer {} at offset {} in partition {partition} is {comparison} the last seen \
                 epoch {current}",
                self.producer_id, header.base_offset
            ),
        ))
    }

    fn check_sequence(&self, partition: &TopicPartition, header: &BatchHeader) -> Result<()> {
        let first = header.base_sequence;
        let refuse = |expected: String| {
            Err(LogError::new(
                ErrorCode::OutOfOrderSequenceNumber,
                format!(
                    "out of order sequence number {first} of producer {} (epoch {}) at offset {} in partition \
                     {partition}: expected {expected}",
                    self.producer_id, header.producer_epoch, header.base_offset
                ),
            ))
        };
        if let Some(verification) = &self.verification {
            if verification.supports_epoch_bump && first != 0 && self.current.is_empty() {
                return refuse("0, as nothing is known of the producer here".to_owned());
            }
            if first > verification.lowest_sequence {
                return refuse(format!("{}, the lowest seen so far", verification.lowest_sequence));
            }
        }
        if header.producer_epoch != self.updated.epoch {
            // Of a producer never seen any sequence will do: its records may have been deleted.
            if first != 0 && self.updated.epoch != NO_PRODUCER_EPOCH {
                return refuse(format!("0 after epoch {}", self.updated.epoch));
            }
            return Ok(());
        }
        let last = if !self.updated.is_empty() {
            self.updated.last_sequence()
        } else if header.producer_epoch == self.current.epoch {
            self.current.last_sequence()
        } else {
            NO_SEQUENCE
        };
        let follows = i64::from(first) == i64::from(last) + 1 || (first == 0 && last == i32::MAX);
        if self.current.epoch == NO_PRODUCER_EPOCH || follows {
            return Ok(());
        }
        refuse(format!("the one after {last}"))
    }
}

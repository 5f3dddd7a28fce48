//! All producers of a partition.

use super::append::{AppendOrigin, ProducerAppend, TxnVersion, VerificationState};
use super::entry::{BatchMetadata, ProducerEntry};
use super::snapshot;
use crate::cached_file::LogDir;
use crate::error::{LogError, Result};
use crate::names::{self, FileKind};
use ottla_base::{Disk, ErrorCode, Offset, TimestampMs, TopicPartition};
use ottla_wire::records::{BatchHeader, ControlType, EndTxnMarker};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// A transaction counts as hanging this long, in ms, after its producer's timeout at the latest.
const LATE_TRANSACTION_BUFFER_MS: i64 = 5 * 60 * 1000;

/// The broker's settings for producers, the same for all partitions.
#[derive(Clone, Copy, Debug)]
pub struct ProducerStateConfig {
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable` (KIP-890)
    pub transaction_verification_enabled: bool,
    /// `transaction.max.timeout.ms`
    pub max_transaction_timeout_ms: i64,
}

impl Default for ProducerStateConfig {
    fn default() -> Self {
        ProducerStateConfig {
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            transaction_verification_enabled: true,
            max_transaction_timeout_ms: 15 * 60 * 1000,
        }
    }
}

/// Proves to an append that its transaction was verified with the coordinator after the last marker (KIP-890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

impl VerificationGuard {
    /// Proves nothing; for appends that need no proof.
    pub const NONE: VerificationGuard = VerificationGuard(0);
}

/// Where a transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxnStart {
    pub(crate) producer_id: i64,
    pub(crate) offset: Offset,
    /// Base offset of the segment and position in it, where known.
    pub(crate) location: Option<(Offset, u64)>,
}

/// A transaction whose marker was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTxn {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: Offset,
    /// Of the marker.
    pub(crate) last_offset: Offset,
    pub(crate) aborted: bool,
}

/// One producer as DescribeProducers shows it (KIP-664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerInfo {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub last_sequence: i32,
    pub last_timestamp: TimestampMs,
    pub coordinator_epoch: i32,
    pub current_txn_start_offset: Option<Offset>,
    /// Of its last batch of data.
    pub last_offset: Option<Offset>,
}

pub(crate) struct ProducerStates {
    config: ProducerStateConfig,
    producers: BTreeMap<i64, ProducerEntry>,
    /// By first offset.
    ongoing: BTreeMap<Offset, TxnStart>,
    /// Transactions whose marker is not below the high watermark yet, by first offset, with the marker's offset.
    unreplicated: BTreeMap<Offset, (TxnStart, Offset)>,
    verifications: BTreeMap<i64, VerificationState>,
    last_guard: u64,
    /// The state is that of the log up to here.
    end_offset: Offset,
    last_snapshot: Offset,
    snapshots: BTreeSet<Offset>,
}

impl ProducerStates {
    pub(crate) fn new(config: ProducerStateConfig, snapshots: BTreeSet<Offset>) -> Self {
        ProducerStates {
            config,
            producers: BTreeMap::new(),
            ongoing: BTreeMap::new(),
            unreplicated: BTreeMap::new(),
            verifications: BTreeMap::new(),
            last_guard: 0,
            end_offset: 0,
            last_snapshot: 0,
            snapshots,
        }
    }

    pub(crate) fn end_offset(&self) -> Offset {
        self.end_offset
    }

    pub(crate) fn set_end_offset(&mut self, offset: Offset) {
        self.end_offset = offset;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.unreplicated.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.producers.len()
    }

    /// Nothing would be lost by loading it from its snapshot again.
    pub(crate) fn can_reload(&self) -> bool {
        let saved = self.last_snapshot == self.end_offset || self.producers.is_empty();
        saved && self.ongoing.is_empty() && self.unreplicated.is_empty() && self.verifications.is_empty()
    }

    /// The first record that a read-committed consumer must not see yet.
    pub(crate) fn first_unstable(&self) -> Option<TxnStart> {
        let ongoing = self.ongoing.first_key_value().map(|(_, txn)| *txn);
        let unreplicated = self.unreplicated.first_key_value().map(|(_, (txn, _))| *txn);
        match (ongoing, unreplicated) {
            (Some(a), Some(b)) => Some(if a.offset < b.offset { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    pub(crate) fn high_watermark_moved(&mut self, high_watermark: Offset) {
        self.unreplicated.retain(|_, (_, last_offset)| *last_offset >= high_watermark);
    }

    pub(crate) fn log_start_moved(&mut self, log_start_offset: Offset) {
        self.high_watermark_moved(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
        self.last_snapshot = self.latest_snapshot().unwrap_or(log_start_offset);
    }

    // --- appending ---

    pub(crate) fn find_duplicate(&self, header: &BatchHeader) -> Option<BatchMetadata> {
        self.producers.get(&header.producer_id)?.find_duplicate(header)
    }

    pub(crate) fn prepare(&self, producer_id: i64, origin: AppendOrigin) -> ProducerAppend {
        let current = self.producers.get(&producer_id).cloned().unwrap_or_default();
        ProducerAppend::new(producer_id, origin, current, self.verifications.get(&producer_id).copied())
    }

    pub(crate) fn update(&mut self, append: ProducerAppend) {
        let (producer_id, updated, started) = append.finish();
        self.producers.entry(producer_id).or_default().merge(updated);
        self.ongoing.extend(started.into_iter().map(|txn| (txn.offset, txn)));
    }

    /// What the last stable offset will be once `completed` has been taken in.
    pub(crate) fn last_stable_offset_after(&self, completed: &CompletedTxn) -> Offset {
        let other = self.ongoing.values().find(|txn| txn.producer_id != completed.producer_id);
        other.map_or(completed.last_offset + 1, |txn| txn.offset)
    }

    pub(crate) fn complete(&mut self, completed: &CompletedTxn) {
        if let Some(txn) = self.ongoing.remove(&completed.first_offset) {
            self.unreplicated.insert(completed.first_offset, (txn, completed.last_offset));
        }
    }

    /// Takes in a batch of the log that is being read.
    pub(crate) fn replay(
        &mut self,
        partition: &TopicPartition,
        header: &BatchHeader,
        marker: Option<(ControlType, EndTxnMarker)>,
    ) -> Result<Option<CompletedTxn>> {
        if !header.has_producer_id() {
            return Ok(None);
        }
        let mut append = self.prepare(header.producer_id, AppendOrigin::Replication);
        let start = TxnStart { producer_id: header.producer_id, offset: header.base_offset, location: None };
        let completed = append.append(partition, header, marker, TxnVersion::UNKNOWN, start)?;
        self.update(append);
        Ok(completed)
    }

    // --- verification (KIP-890) ---

    pub(crate) fn has_ongoing_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        let entry = self.producers.get(&producer_id);
        entry.is_some_and(|entry| entry.current_txn_first_offset.is_some() && entry.epoch == epoch)
    }

    /// `None` when the transaction is known already; otherwise what the append must bring along.
    pub(crate) fn start_verification(
        &mut self,
        partition: &TopicPartition,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        supports_epoch_bump: bool,
        now_ms: TimestampMs,
    ) -> Result<Option<VerificationGuard>> {
        self.check_not_fenced(partition, producer_id, epoch)?;
        if self.has_ongoing_transaction(producer_id, epoch) {
            return Ok(None);
        }
        let next = self.last_guard + 1;
        let state = self.verifications.entry(producer_id).or_insert(VerificationState {
            created_ms: now_ms,
            guard: next,
            lowest_sequence: sequence,
            epoch,
            supports_epoch_bump,
        });
        self.last_guard = self.last_guard.max(state.guard);
        if epoch == state.epoch {
            state.lowest_sequence = state.lowest_sequence.min(sequence);
        } else if epoch > state.epoch {
            state.epoch = epoch;
            state.lowest_sequence = sequence;
        }
        Ok(Some(VerificationGuard(state.guard)))
    }

    fn check_not_fenced(&self, partition: &TopicPartition, producer_id: i64, epoch: i16) -> Result<()> {
        match self.producers.get(&producer_id) {
            Some(entry) if epoch < entry.epoch => Err(LogError::new(
                ErrorCode::InvalidProducerEpoch,
                format!(
                    "epoch {epoch} of producer {producer_id} in partition {partition} is below the last seen epoch {}",
                    entry.epoch
                ),
            )),
            _ => Ok(()),
        }
    }

    /// A transaction may only begin in a partition that its coordinator knows of.
    pub(crate) fn check_verified(
        &self,
        partition: &TopicPartition,
        header: &BatchHeader,
        guard: VerificationGuard,
    ) -> Result<()> {
        if !header.is_transactional() || self.has_ongoing_transaction(header.producer_id, header.producer_epoch) {
            return Ok(());
        }
        self.check_not_fenced(partition, header.producer_id, header.producer_epoch)?;
        let known = self.verifications.get(&header.producer_id).map(|state| state.guard);
        let verified = guard != VerificationGuard::NONE && known == Some(guard.0);
        if self.config.transaction_verification_enabled && !header.is_control() && !verified {
            return Err(LogError::new(
                ErrorCode::InvalidTxnState,
                format!(
                    "a record of producer {} in partition {partition} was not part of an ongoing transaction",
                    header.producer_id
                ),
            ));
        }
        Ok(())
    }

    /// A batch of the transaction is written: from now on the producer's state says what is needed.
    pub(crate) fn verification_used(&mut self, header: &BatchHeader) {
        // With epochs that rise by transaction, a marker may come when the next one is being verified already.
        let keep = self.verifications.get(&header.producer_id).is_some_and(|state| {
            state.supports_epoch_bump && header.is_control() && state.epoch == header.producer_epoch
        });
        if header.is_transactional() && !keep {
            self.verifications.remove(&header.producer_id);
        }
    }

    // --- expiration and listing ---

    fn is_expired(&self, entry: &ProducerEntry, now_ms: TimestampMs) -> bool {
        entry.current_txn_first_offset.is_none()
            && now_ms.saturating_sub(entry.last_timestamp) >= self.config.producer_id_expiration_ms
    }

    pub(crate) fn remove_expired(&mut self, now_ms: TimestampMs) {
        let mut producers = std::mem::take(&mut self.producers);
        producers.retain(|_, entry| !self.is_expired(entry, now_ms));
        self.producers = producers;
        let limit = self.config.producer_id_expiration_ms;
        self.verifications.retain(|_, state| now_ms.saturating_sub(state.created_ms) < limit);
    }

    pub(crate) fn has_late_transaction(&self, now_ms: TimestampMs) -> bool {
        let oldest = self.ongoing.first_key_value().and_then(|(_, txn)| self.producers.get(&txn.producer_id));
        let limit = self.config.max_transaction_timeout_ms + LATE_TRANSACTION_BUFFER_MS;
        oldest.is_some_and(|entry| entry.last_timestamp > 0 && now_ms - entry.last_timestamp > limit)
    }

    pub(crate) fn list(&self) -> Vec<ProducerInfo> {
        let info = |(producer_id, entry): (&i64, &ProducerEntry)| ProducerInfo {
            producer_id: *producer_id,
            producer_epoch: entry.epoch,
            last_sequence: entry.last_sequence(),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_start_offset: entry.current_txn_first_offset,
            last_offset: entry.last_batch().map(|batch| batch.last_offset),
        };
        self.producers.iter().map(info).collect()
    }

    // --- snapshots ---

    fn latest_snapshot(&self) -> Option<Offset> {
        self.snapshots.last().copied()
    }

    pub(crate) fn has_snapshots(&self) -> bool {
        !self.snapshots.is_empty()
    }

    /// Writes the state at `end_offset`, unless it was written before. The caller syncs the file in its own time:
    /// a snapshot that a crash damages is noticed by its checksum.
    pub(crate) fn take_snapshot(&mut self, disk: &dyn Disk, dir: &LogDir) -> io::Result<Option<Offset>> {
        if self.end_offset <= self.last_snapshot {
            return Ok(None);
        }
        let path = dir.file(&names::file_name(self.end_offset, FileKind::Snapshot));
        disk.open(&path, ottla_base::OpenMode::Truncate)?.write_at(&snapshot::encode(&self.producers), 0)?;
        self.snapshots.insert(self.end_offset);
        self.last_snapshot = self.end_offset;
        Ok(Some(self.end_offset))
    }

    pub(crate) fn delete_snapshot(&mut self, disk: &dyn Disk, dir: &LogDir, offset: Offset) -> io::Result<()> {
        if !self.snapshots.remove(&offset) {
            return Ok(());
        }
        match disk.remove_file(&dir.file(&names::file_name(offset, FileKind::Snapshot))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Snapshots that belong to no segment go, except the latest: that is where a clean shutdown left it.
    pub(crate) fn remove_stray_snapshots(
        &mut self,
        disk: &dyn Disk,
        dir: &LogDir,
        segments: &BTreeSet<Offset>,
    ) -> io::Result<()> {
        let stray: Vec<Offset> = self.snapshots.difference(segments).copied().collect();
        for (i, offset) in stray.iter().enumerate() {
            let is_last = i + 1 == stray.len();
            if !is_last || segments.last().is_some_and(|last| offset < last) {
                self.delete_snapshot(disk, dir, *offset)?;
            }
        }
        Ok(())
    }

    /// Goes back to the latest snapshot at or below `log_end_offset`. What follows it in the log is the
    /// caller's to replay.
    pub(crate) fn truncate_and_reload(
        &mut self,
        disk: &dyn Disk,
        dir: &LogDir,
        log_start_offset: Offset,
        log_end_offset: Offset,
        now_ms: TimestampMs,
    ) -> io::Result<()> {
        let out_of_range: Vec<Offset> =
            self.snapshots.iter().copied().filter(|s| *s > log_end_offset || *s <= log_start_offset).collect();
        for offset in out_of_range {
            self.delete_snapshot(disk, dir, offset)?;
        }
        if log_end_offset == self.end_offset {
            self.log_start_moved(log_start_offset);
            return Ok(());
        }
        self.producers.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
        self.load_latest_snapshot(disk, dir, log_start_offset, now_ms)
    }

    fn load_latest_snapshot(
        &mut self,
        disk: &dyn Disk,
        dir: &LogDir,
        log_start_offset: Offset,
        now_ms: TimestampMs,
    ) -> io::Result<()> {
        while let Some(offset) = self.latest_snapshot() {
            let path = dir.file(&names::file_name(offset, FileKind::Snapshot));
            match snapshot::decode(&disk.read(&path)?) {
                Ok(entries) => {
                    for (producer_id, entry) in entries {
                        if !self.is_expired(&entry, now_ms) {
                            self.load(producer_id, entry);
                        }
                    }
                    self.last_snapshot = offset;
                    self.end_offset = offset;
                    return Ok(());
                }
                Err(what) => {
                    tracing::warn!("removing damaged producer snapshot {}: {what}", path.display());
                    self.delete_snapshot(disk, dir, offset)?;
                }
            }
        }
        self.last_snapshot = log_start_offset;
        self.end_offset = log_start_offset;
        Ok(())
    }

    pub(super) fn load(&mut self, producer_id: i64, entry: ProducerEntry) {
        if let Some(offset) = entry.current_txn_first_offset {
            self.ongoing.insert(offset, TxnStart { producer_id, offset, location: None });
        }
        self.producers.insert(producer_id, entry);
    }

    /// Forgets everything; the log begins anew at `offset`.
    pub(crate) fn reset(&mut self, disk: &dyn Disk, dir: &Arc<LogDir>, offset: Offset) -> io::Result<()> {
        self.producers.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
        for snapshot in self.snapshots.clone() {
            self.delete_snapshot(disk, dir, snapshot)?;
        }
        self.last_snapshot = 0;
        self.end_offset = offset;
        Ok(())
    }
}

#[cfg(test)]
impl ProducerStates {
    pub(super) fn snapshot_offsets(&self) -> Vec<Offset> {
        self.snapshots.iter().copied().collect()
    }
}

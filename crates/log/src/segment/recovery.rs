//! Reading a segment through after a crash.

use super::Segment;
use crate::epochs::LeaderEpochs;
use crate::index::AbortedTxn;
use crate::producer::ProducerStates;
use bytes::Bytes;
use ottla_base::{LeaderEpoch, TopicPartition};
use ottla_wire::records::{Batch, BatchHeader, ControlType, EndTxnMarker, MAGIC_V2, verify_crc};
use std::io;

/// What the batches of a log build up while they are read again.
pub(crate) struct Replay<'a> {
    pub(crate) partition: &'a TopicPartition,
    pub(crate) epochs: &'a mut LeaderEpochs,
    pub(crate) producers: &'a mut ProducerStates,
    /// Of the last batch read; -1 at the beginning.
    pub(crate) last_epoch: LeaderEpoch,
}

/// Type and content of a control batch; `None` for data, for an empty batch, and for markers of other kinds.
pub(crate) fn marker_of(header: &BatchHeader, bytes: &[u8]) -> Result<Option<(ControlType, EndTxnMarker)>, String> {
    if !header.is_control() || header.count() == Some(0) {
        return Ok(None);
    }
    let batch = Batch { header: *header, bytes: Bytes::copy_from_slice(bytes) };
    let mut records = batch.records().map_err(|error| error.to_string())?;
    let Some(record) = records.next() else { return Ok(None) };
    let record = record.map_err(|error| error.to_string())?;
    let control_type = ControlType::parse_key(&record.key.unwrap_or_default())?;
    if !matches!(control_type, ControlType::Abort | ControlType::Commit) {
        return Ok(None);
    }
    let marker = EndTxnMarker::parse(&record.value.unwrap_or_default())?;
    Ok(Some((control_type, marker)))
}

impl Segment {
    /// Reads all batches, builds the indexes anew, and cuts the file off where the first batch is damaged.
    /// Returns the bytes cut.
    pub(crate) fn recover(&self, index_interval_bytes: u64, replay: &mut Replay<'_>) -> io::Result<u64> {
        // What is in memory of them is about the old content.
        self.release_indexes();
        let indexes = self.new_indexes()?;
        *self.indexes.lock() = Some(indexes);
        let valid = self.replay_valid(index_interval_bytes, replay)?;
        let cut = self.size() - valid;
        if cut > 0 {
            tracing::warn!(
                "{}: cutting off {cut} bytes at the end that are not whole and undamaged batches",
                self.file.path().display()
            );
        }
        self.size.store(valid, std::sync::atomic::Ordering::Release);
        self.file.set_len(valid)?;
        self.with_indexes(|indexes| {
            indexes.time.maybe_append(indexes.max_timestamp)?;
            indexes.offset.trim()?;
            indexes.time.trim()?;
            indexes.bytes_since_entry = 0;
            Ok(())
        })?;
        Ok(cut)
    }

    /// Returns where the first damaged batch begins, or the end.
    fn replay_valid(&self, index_interval_bytes: u64, replay: &mut Replay<'_>) -> io::Result<u64> {
        let path = self.file.path();
        let mut valid = 0;
        let mut last_offset = self.base_offset - 1;
        let mut scanner = self.scan(0)?;
        loop {
            let found = match scanner.next() {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(valid),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!("{}: damaged batch: {error}", path.display());
                    return Ok(valid);
                }
                Err(error) => return Err(error),
            };
            let bytes = scanner.batch_bytes(&found)?;
            if let Err(error) = verify_crc(&found.header, bytes) {
                tracing::warn!("{}: damaged batch at position {}: {error}", path.display(), found.position);
                return Ok(valid);
            }
            let header = &found.header;
            // The checksum does not cover offset and epoch. And after a truncation that did not get to the disk, there
            // may be whole batches of the past.
            let epoch = header.partition_leader_epoch;
            if header.base_offset <= last_offset || (epoch >= 0 && epoch < replay.last_epoch) {
                tracing::warn!(
                    "{}: offset {} of leader epoch {epoch} cannot follow offset {last_offset} of epoch {}",
                    path.display(),
                    header.base_offset,
                    replay.last_epoch
                );
                return Ok(valid);
            }
            if !self.takes_offset(header.last_offset()) {
                // Versions of Kafka before 1.1 could write such segments. Better no log than half of one.
                return Err(crate::error::invalid_data(format!(
                    "{}: offset {} is too far from the segment's base offset",
                    path.display(),
                    header.last_offset()
                )));
            }
            last_offset = header.last_offset();
            replay.last_epoch = epoch.max(replay.last_epoch);
            let marker = match marker_of(header, bytes) {
                Ok(marker) => marker,
                Err(what) => {
                    tracing::warn!("{}: damaged control batch: {what}", path.display());
                    return Ok(valid);
                }
            };
            self.with_indexes(|indexes| indexes.note_batch(&found, index_interval_bytes))?;
            valid = found.end();
            if header.magic >= MAGIC_V2 {
                self.replay_batch(header, marker, replay)?;
            }
        }
    }

    fn replay_batch(
        &self,
        header: &BatchHeader,
        marker: Option<(ControlType, EndTxnMarker)>,
        replay: &mut Replay<'_>,
    ) -> io::Result<()> {
        replay.epochs.observe(header.partition_leader_epoch, header.base_offset, header.last_offset());
        let completed = replay
            .producers
            .replay(replay.partition, header, marker)
            // Checks of the producer protocol passed when the batch was appended.
            .unwrap_or_else(|error| {
                tracing::warn!("{}: {error}", self.file.path().display());
                None
            });
        if let Some(completed) = completed {
            let last_stable_offset = replay.producers.last_stable_offset_after(&completed);
            if completed.aborted {
                self.append_aborted(AbortedTxn {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.last_offset,
                    last_stable_offset,
                })?;
            }
            replay.producers.complete(&completed);
        }
        replay.producers.set_end_offset(header.next_offset());
        Ok(())
    }
}

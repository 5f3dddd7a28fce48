//! Checkpoint files (`bootstrap.checkpoint`, `__cluster_metadata-0/*.checkpoint`): metadata records
//! between a snapshot header and a snapshot footer (KIP-630), with the voters where kraft.version
//! is 1 (KIP-853). Offsets count from 0 in each file.

use bytes::Bytes;
use ottla_base::{LeaderEpoch, Offset, TimestampMs};
use ottla_wire::data::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord};
use ottla_wire::metadata_records::MetadataRecord;
use ottla_wire::records::{BatchBuilder, ControlType, batches};
use ottla_wire::{Message, WireError};

/// Records per batch are bounded so that a reader needs little memory.
const MAX_BATCH_BYTES: usize = 512 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{0}")]
    Records(#[from] ottla_wire::records::RecordsError),
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("{0}")]
    Format(String),
}

/// What a checkpoint says.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// Of the last record that the snapshot covers, in milliseconds since 1970.
    pub last_contained_log_timestamp: TimestampMs,
    pub kraft_version: Option<KRaftVersionRecord>,
    pub voters: Option<VotersRecord>,
    pub records: Vec<MetadataRecord>,
}

/// Writes a checkpoint piece by piece, so that a large image never stands in memory twice.
pub struct CheckpointWriter {
    epoch: LeaderEpoch,
    now_ms: TimestampMs,
    next_offset: Offset,
    batch: Option<BatchBuilder>,
    out: Vec<u8>,
}

impl CheckpointWriter {
    /// `epoch` is the snapshot id's.
    pub fn new(epoch: LeaderEpoch, now_ms: TimestampMs) -> Self {
        CheckpointWriter { epoch, now_ms, next_offset: 0, batch: None, out: Vec::new() }
    }

    fn builder(&self) -> BatchBuilder {
        BatchBuilder::new(self.next_offset).leader_epoch(self.epoch)
    }

    fn finish_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.next_offset = batch.next_offset();
            self.out.extend_from_slice(&batch.build());
        }
    }

    /// The first thing in the file. The quorum's state stands in it with kraft.version 1 only.
    pub fn header(
        &mut self,
        last_contained_log_timestamp: TimestampMs,
        quorum: Option<(&KRaftVersionRecord, &VotersRecord)>,
    ) -> Result<(), CheckpointError> {
        let mut batch = self.builder();
        let header = SnapshotHeaderRecord { last_contained_log_timestamp, ..Default::default() };
        batch.append_control(self.now_ms, ControlType::SnapshotHeader, &header.to_bytes(0)?)?;
        if let Some((version, voters)) = quorum {
            batch.append_control(self.now_ms, ControlType::KraftVersion, &version.to_bytes(0)?)?;
            batch.append_control(self.now_ms, ControlType::KraftVoters, &voters.to_bytes(0)?)?;
        }
        self.batch = Some(batch);
        self.finish_batch();
        Ok(())
    }

    pub fn record(&mut self, record: &MetadataRecord, version: i16) -> Result<(), CheckpointError> {
        let value = record.to_value(version)?;
        if self.batch.as_ref().is_some_and(|batch| batch.estimated_size() + value.len() > MAX_BATCH_BYTES) {
            self.finish_batch();
        }
        let fresh = self.builder();
        self.batch.get_or_insert(fresh).append(self.now_ms, None, Some(&value), &[])?;
        Ok(())
    }

    /// Bytes that are complete so far, to be written out by the caller.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The rest of the file.
    pub fn finish(mut self) -> Result<Vec<u8>, CheckpointError> {
        self.finish_batch();
        let mut batch = self.builder();
        batch.append_control(
            self.now_ms,
            ControlType::SnapshotFooter,
            &SnapshotFooterRecord::default().to_bytes(0)?,
        )?;
        self.out.extend_from_slice(&batch.build());
        Ok(self.out)
    }
}

/// Reads a whole checkpoint. One that lacks its footer was never finished.
pub fn read(bytes: Bytes) -> Result<Checkpoint, CheckpointError> {
    let mut checkpoint = Checkpoint::default();
    let (mut begun, mut finished) = (false, false);
    for batch in batches(bytes) {
        let batch = batch?;
        batch.verify_crc()?;
        for record in batch.records()? {
            let record = record?;
            let value = record.value.unwrap_or_default();
            if !batch.header.is_control() {
                checkpoint.records.push(MetadataRecord::from_value(value)?);
                continue;
            }
            match ControlType::parse_key(&record.key.unwrap_or_default()).map_err(CheckpointError::Format)? {
                ControlType::SnapshotHeader => {
                    let header = SnapshotHeaderRecord::from_bytes(value, 0)?;
                    checkpoint.last_contained_log_timestamp = header.last_contained_log_timestamp;
                    begun = true;
                }
                ControlType::KraftVersion => {
                    checkpoint.kraft_version = Some(KRaftVersionRecord::from_bytes(value, 0)?);
                }
                ControlType::KraftVoters => checkpoint.voters = Some(VotersRecord::from_bytes(value, 0)?),
                ControlType::SnapshotFooter => finished = true,
                _ => {}
            }
        }
    }
    match (begun, finished) {
        (true, true) => Ok(checkpoint),
        (false, _) => Err(CheckpointError::Format("the file does not begin with a snapshot header".into())),
        (true, false) => Err(CheckpointError::Format("the file does not end with a snapshot footer".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::metadata_records::FeatureLevelRecord;

    fn sample() -> MetadataRecord {
        FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30, ..Default::default() }.into()
    }

    #[test]
    fn what_is_written_is_read() -> Result<(), CheckpointError> {
        let mut writer = CheckpointWriter::new(3, 1000);
        writer.header(77, Some((&KRaftVersionRecord::default(), &VotersRecord::default())))?;
        writer.record(&sample(), 0)?;
        let checkpoint = read(writer.finish()?.into())?;
        assert_eq!(checkpoint.records, [sample()]);
        assert_eq!(checkpoint.last_contained_log_timestamp, 77);
        assert!(checkpoint.voters.is_some());
        Ok(())
    }

    #[test]
    fn an_unfinished_file_is_refused() -> Result<(), CheckpointError> {
        let mut writer = CheckpointWriter::new(0, 0);
        writer.header(0, None)?;
        assert!(read(writer.take_bytes().into()).is_err());
        assert!(read(Bytes::new()).is_err());
        Ok(())
    }
}

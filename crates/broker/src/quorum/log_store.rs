//! `__cluster_metadata-0`: the metadata log and its snapshots, on disk.

use super::control_records;
use super::settings::Retention;
use bytes::Bytes;
use ottla_base::{Disk, DiskFile, ErrorCode, FileSlice, LeaderEpoch, Offset, OpenMode, Time, TopicPartition};
use ottla_log::{FetchIsolation, FileCache, Log, LogConfig, LogContext, LogParams, ProducerStateConfig};
use ottla_raft::{ControlEntry, ControlRecord, EpochStart, LogState, OffsetAndEpoch};
use ottla_storage::checkpoint::{self, Checkpoint, CheckpointWriter};
use ottla_wire::data::{KRaftVersionRecord, VotersRecord};
use ottla_wire::metadata_records::MetadataRecord;
use ottla_wire::records::{Batch, batches};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// How much of the log is read at once while it is applied, in bytes.
const READ_BYTES: usize = 8 * 1024 * 1024;
/// The largest batch that the log takes: a request for thousands of topics is one batch.
const MAX_BATCH_BYTES: i32 = i32::MAX;

pub struct MetadataLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log: Log,
    /// The clock as of the last call that knew it.
    now_ms: i64,
    /// The snapshot that is being fetched.
    unfinished: Option<(OffsetAndEpoch, Arc<dyn DiskFile>)>,
}

fn failed(error: ottla_log::LogError) -> io::Error {
    io::Error::other(error.message)
}

fn snapshot_name(id: OffsetAndEpoch) -> String {
    format!("{:020}-{:010}.checkpoint", id.offset, id.epoch)
}

fn parse_snapshot_name(name: &str) -> Option<OffsetAndEpoch> {
    let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    Some(OffsetAndEpoch::new(offset.parse().ok()?, epoch.parse().ok()?))
}

/// What the metadata log needs to know of the settings.
#[derive(Clone, Copy, Debug)]
pub struct MetadataLogConfig {
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: i32,
    /// `metadata.log.segment.ms`.
    pub segment_ms: i64,
}

impl MetadataLog {
    /// Reads through the whole log after an unclean stop, so that what is damaged is cut off.
    pub fn open(disk: Arc<dyn Disk>, log_dir: &Path, config: MetadataLogConfig, now: Time) -> io::Result<MetadataLog> {
        let dir = log_dir.join(format!("{METADATA_TOPIC}-0"));
        let log_config = LogConfig {
            segment_bytes: config.segment_bytes,
            segment_ms: config.segment_ms,
            max_message_bytes: MAX_BATCH_BYTES,
            // Old segments go when a snapshot covers them, not by their age.
            retention_ms: -1,
            retention_bytes: -1,
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        };
        let files = FileCache::new(disk.clone(), 64);
        let context = LogContext::new(files, ProducerStateConfig::default(), now.wall_ms);
        let params = LogParams { clean_shutdown: false, ..LogParams::fresh(Arc::new(log_config)) };
        let log = Log::open(&context, TopicPartition::new(METADATA_TOPIC, 0), &dir, params).map_err(failed)?;
        log.assign_topic_id(ottla_base::Uuid::METADATA_TOPIC_ID).map_err(failed)?;
        let store = MetadataLog { disk, dir, log, now_ms: now.wall_ms, unfinished: None };
        store.begin_at_latest_snapshot()?;
        store.log.flush(now.wall_ms).map_err(failed)?;
        Ok(store)
    }

    /// A snapshot that was installed just before a crash is ahead of the log: the log begins there.
    fn begin_at_latest_snapshot(&self) -> io::Result<()> {
        let Some(latest) = self.snapshots()?.into_iter().max() else { return Ok(()) };
        if self.end_offset() < latest.offset {
            self.log.truncate_fully_and_start_at(latest.offset, None, self.now_ms).map_err(failed)?;
        }
        Ok(())
    }

    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The directory `__cluster_metadata-0`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What raft must know of the log at its start.
    pub(super) fn state(&self) -> io::Result<LogState> {
        let mut controls = vec![];
        if let Some((id, checkpoint)) = self.read_latest_snapshot()? {
            controls.extend(checkpoint_controls(id, &checkpoint));
        }
        let from = controls.last().map_or(self.start_offset(), |last: &ControlEntry| last.offset + 1);
        let mut next = from.max(self.start_offset());
        while next < self.end_offset() {
            let found = self.batches(next, self.end_offset())?;
            let Some(last) = found.last() else { break };
            next = last.header.next_offset();
            for batch in &found {
                controls.extend(control_records::decode(batch).map_err(io::Error::other)?);
            }
        }
        let epochs = self.log.epochs().map_err(failed)?;
        Ok(LogState {
            start_offset: self.start_offset(),
            end_offset: self.end_offset(),
            epochs: epochs.iter().map(|e| EpochStart { epoch: e.epoch, start_offset: e.start_offset }).collect(),
            snapshots: self.snapshots()?,
            controls,
        })
    }

    pub fn start_offset(&self) -> Offset {
        self.log.log_start_offset()
    }

    pub fn end_offset(&self) -> Offset {
        self.log.log_end_offset().unwrap_or(0)
    }

    pub(super) fn append(&self, batch: &[u8], epoch: LeaderEpoch) -> io::Result<()> {
        self.log.append_raft(batch, epoch, self.now_ms).map(|_| ()).map_err(failed)
    }

    /// Waits for the disk; returns the end of what is durable.
    pub(super) fn flush(&self) -> io::Result<Offset> {
        let end = self.end_offset();
        self.log.flush(self.now_ms).map_err(failed)?;
        Ok(end)
    }

    pub(super) fn truncate(&self, to: Offset) -> io::Result<()> {
        self.log.truncate_to(to, self.now_ms).map(|_| ()).map_err(failed)
    }

    /// Whole batches from the one that contains `from` on, of those before `end`: some, not all.
    pub(super) fn batches(&self, from: Offset, end: Offset) -> io::Result<Vec<Batch>> {
        let found = self.log.read(from, READ_BYTES, FetchIsolation::LogEnd, true).map_err(failed)?;
        let Some(slice) = found.records else { return Ok(vec![]) };
        let mut whole = vec![];
        for batch in batches(Bytes::from(slice.read()?)) {
            let batch = batch.map_err(io::Error::other)?;
            if batch.header.next_offset() > end {
                break;
            }
            if batch.header.next_offset() > from {
                whole.push(batch);
            }
        }
        Ok(whole)
    }

    /// Records for a follower, committed or not.
    pub fn read_for_fetch(&self, from: Offset, max_bytes: usize) -> Result<Option<FileSlice>, ErrorCode> {
        let found = self.log.read(from, max_bytes, FetchIsolation::LogEnd, true).map_err(|error| error.code)?;
        Ok(found.records)
    }

    pub(super) fn close(&self, now: Time) -> io::Result<()> {
        self.log.close(now.wall_ms).map_err(failed)
    }

    // ---- snapshots ----

    fn snapshot_path(&self, id: OffsetAndEpoch) -> PathBuf {
        self.dir.join(snapshot_name(id))
    }

    /// All finished ones.
    fn snapshots(&self) -> io::Result<Vec<OffsetAndEpoch>> {
        let entries = self.disk.read_dir(&self.dir)?;
        Ok(entries.iter().filter_map(|entry| parse_snapshot_name(&entry.name)).collect())
    }

    pub(super) fn read_snapshot(&self, id: OffsetAndEpoch) -> io::Result<Checkpoint> {
        let path = self.snapshot_path(id);
        let bytes = self.disk.read(&path)?;
        checkpoint::read(bytes.into()).map_err(|e| io::Error::other(format!("{}: {e}", path.display())))
    }

    pub(super) fn read_latest_snapshot(&self) -> io::Result<Option<(OffsetAndEpoch, Checkpoint)>> {
        match self.snapshots()?.into_iter().max() {
            Some(id) => Ok(Some((id, self.read_snapshot(id)?))),
            None => Ok(None),
        }
    }

    /// A part of a snapshot's file, for a replica that fetches it.
    pub fn snapshot_slice(&self, id: OffsetAndEpoch, position: u64, max: usize) -> io::Result<(u64, FileSlice)> {
        let file = self.disk.open(&self.snapshot_path(id), OpenMode::Read)?;
        let size = file.len()?;
        let len = size.saturating_sub(position).min(max as u64) as usize;
        Ok((size, FileSlice { file, position, len }))
    }

    pub(super) fn write_snapshot(
        &self,
        id: OffsetAndEpoch,
        last_timestamp: i64,
        now_ms: i64,
        quorum: Option<(KRaftVersionRecord, VotersRecord)>,
        records: Vec<(MetadataRecord, i16)>,
    ) -> io::Result<()> {
        let path = self.snapshot_path(id);
        let part = path.with_extension("checkpoint.part");
        let file = self.disk.open(&part, OpenMode::Truncate)?;
        let mut writer = CheckpointWriter::new(id.epoch, now_ms);
        let mut position = 0;
        let mut put = |bytes: Vec<u8>| -> io::Result<()> {
            file.write_at(&bytes, position)?;
            position += bytes.len() as u64;
            Ok(())
        };
        writer.header(last_timestamp, quorum.as_ref().map(|(v, s)| (v, s))).map_err(io::Error::other)?;
        for (record, version) in records {
            writer.record(&record, version).map_err(io::Error::other)?;
            put(writer.take_bytes())?;
        }
        put(writer.finish().map_err(io::Error::other)?)?;
        file.sync()?;
        self.disk.rename(&part, &path)?;
        self.disk.sync_dir(&self.dir)
    }

    pub(super) fn write_snapshot_chunk(&mut self, id: OffsetAndEpoch, position: u64, bytes: &[u8]) -> io::Result<()> {
        if position == 0 || self.unfinished.as_ref().is_none_or(|(of, _)| *of != id) {
            let part = self.snapshot_path(id).with_extension("checkpoint.part");
            self.unfinished = Some((id, self.disk.open(&part, OpenMode::Truncate)?));
        }
        match &self.unfinished {
            Some((_, file)) => file.write_at(bytes, position),
            None => Ok(()),
        }
    }

    pub(super) fn abandon_snapshot(&mut self, id: OffsetAndEpoch) -> io::Result<()> {
        self.unfinished = None;
        let part = self.snapshot_path(id).with_extension("checkpoint.part");
        if self.disk.exists(&part) { self.disk.remove_file(&part) } else { Ok(()) }
    }

    /// Makes the fetched snapshot one of ours, and begins the log anew behind it.
    pub(super) fn install_snapshot(&mut self, id: OffsetAndEpoch) -> io::Result<Checkpoint> {
        let Some((_, file)) = self.unfinished.take() else {
            return Err(io::Error::other(format!("snapshot {id} was never fetched")));
        };
        file.sync()?;
        drop(file);
        let path = self.snapshot_path(id);
        self.disk.rename(&path.with_extension("checkpoint.part"), &path)?;
        self.disk.sync_dir(&self.dir)?;
        let content = self.read_snapshot(id)?;
        self.log.truncate_fully_and_start_at(id.offset, None, self.now_ms).map_err(failed)?;
        self.log.assign_epoch_start_offset(id.epoch, id.offset).map_err(failed)?;
        Ok(content)
    }

    /// Removes segments that the newest snapshot covers, and snapshots but the newest, once they are
    /// beyond the retention limits. Returns where the log begins now, if that changed.
    pub(super) fn clean(&mut self, retention: &Retention, now: Time) -> io::Result<Option<Offset>> {
        self.now_ms = now.wall_ms;
        let mut snapshots = self.snapshots()?;
        snapshots.sort();
        let size = self.log.size().map_err(failed)?;
        let too_large = retention.bytes >= 0 && size > retention.bytes as u64;
        let mut new_start = None;
        // The newest is kept, and the one before it until the limits say otherwise.
        while snapshots.len() > 1 {
            let next = snapshots[1];
            let too_old = retention.ms >= 0 && self.age_of(snapshots[0], now).is_some_and(|age| age > retention.ms);
            if !too_large && !too_old {
                break;
            }
            let old = snapshots.remove(0);
            self.disk.remove_file(&self.snapshot_path(old))?;
            let reason = ottla_log::LogStartOffsetReason::SnapshotGenerated;
            self.log.increment_log_start_offset(next.offset, reason).map_err(failed)?;
            self.log.delete_old_segments(now.wall_ms).map_err(failed)?;
            self.log.delete_due_files(now.wall_ms).map_err(failed)?;
            new_start = Some(next.offset);
        }
        Ok(new_start)
    }

    fn age_of(&self, id: OffsetAndEpoch, now: Time) -> Option<i64> {
        let checkpoint = self.read_snapshot(id).ok()?;
        Some(now.wall_ms - checkpoint.last_contained_log_timestamp)
    }

    /// The log may delete what is below this.
    pub(super) fn committed(&self, high_watermark: Offset) -> io::Result<()> {
        self.log.update_high_watermark(high_watermark).map(|_| ()).map_err(failed)
    }

    pub(super) fn saw_time(&mut self, now: Time) {
        self.now_ms = now.wall_ms;
    }
}

/// What a snapshot says of the quorum, for raft.
pub(super) fn checkpoint_controls(id: OffsetAndEpoch, checkpoint: &Checkpoint) -> Vec<ControlEntry> {
    let offset = id.offset - 1;
    let version = checkpoint.kraft_version.as_ref().map(|v| ControlRecord::KRaftVersion(v.k_raft_version));
    let voters = checkpoint.voters.as_ref().map(|v| ControlRecord::Voters(control_records::voter_set(v)));
    version.into_iter().chain(voters).map(|record| ControlEntry { offset, record }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_names_are_kafkas() {
        let id = OffsetAndEpoch::new(169, 2);
        assert_eq!(snapshot_name(id), "00000000000000000169-0000000002.checkpoint");
        assert_eq!(parse_snapshot_name(&snapshot_name(id)), Some(id));
        assert_eq!(parse_snapshot_name("00000000000000000169.log"), None);
    }
}

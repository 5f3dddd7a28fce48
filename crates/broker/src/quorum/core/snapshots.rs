//! Snapshots of the metadata: loading, installing, making and cleaning them (KIP-630).

use super::Core;
use crate::quorum::control_records;
use crate::quorum::log_store::checkpoint_controls;
use ottla_base::Time;
use ottla_metadata::image::Provenance;
use ottla_raft::{ControlEntry, Event};
use ottla_wire::metadata_records::MetadataRecord;
use std::io;

impl Core {
    pub(super) fn load_latest_snapshot(&mut self) -> io::Result<()> {
        match self.log.read_latest_snapshot()? {
            // What formatting wrote is not the cluster's yet: the first leader puts it into the log.
            Some((id, _)) if id == ottla_raft::OffsetAndEpoch::BOOTSTRAP_SNAPSHOT => Ok(()),
            Some((id, checkpoint)) => {
                self.load_snapshot(id, checkpoint.last_contained_log_timestamp, &checkpoint.records)
            }
            None => Ok(()),
        }
    }

    fn load_snapshot(
        &mut self,
        id: ottla_raft::OffsetAndEpoch,
        timestamp: i64,
        records: &[MetadataRecord],
    ) -> io::Result<()> {
        let provenance = Provenance { offset: id.offset - 1, epoch: id.epoch, timestamp };
        self.loaded = Some(self.loader.load_snapshot(provenance, records).map_err(io::Error::other)?);
        if let Some(controller) = &mut self.controller {
            controller.load_snapshot(provenance, records).map_err(io::Error::other)?;
        }
        self.applied = id.offset;
        self.high_watermark = self.high_watermark.max(id.offset);
        Ok(())
    }

    pub(super) fn install_snapshot(&mut self, id: ottla_raft::OffsetAndEpoch) -> io::Result<Vec<ControlEntry>> {
        let checkpoint = self.log.install_snapshot(id)?;
        let controls = checkpoint_controls(id, &checkpoint);
        self.load_snapshot(id, checkpoint.last_contained_log_timestamp, &checkpoint.records)?;
        Ok(controls)
    }

    pub(super) fn write_snapshot_chunk(
        &mut self,
        correlation: u64,
        id: ottla_raft::OffsetAndEpoch,
        position: i64,
    ) -> io::Result<()> {
        let chunk = self.snapshot_chunk.take().filter(|(of, _)| *of == correlation);
        let bytes = chunk.map(|(_, bytes)| bytes).unwrap_or_default();
        self.log.write_snapshot_chunk(id, position as u64, &bytes)
    }

    /// After `metadata.log.max.record.bytes.between.snapshots` bytes, or when the newest one is
    /// older than `metadata.log.max.snapshot.interval.ms` and there is something new.
    pub(super) fn snapshot_if_due(&mut self, now: Time) {
        let age_ms = now.wall_ms - self.last_snapshot_ms;
        let by_size = self.bytes_since_snapshot >= self.settings.snapshot_after_bytes;
        let by_age = self.settings.snapshot_interval_ms > 0 && age_ms >= self.settings.snapshot_interval_ms;
        if !(by_size || by_age) {
            return;
        }
        self.bytes_since_snapshot = 0;
        self.last_snapshot_ms = now.wall_ms;
        // What an open transaction contains is not in the image, so the snapshot ends before it.
        let seen = self.loader.image().provenance;
        let id = ottla_raft::OffsetAndEpoch::new(seen.offset + 1, seen.epoch);
        match self.write_snapshot(id, now) {
            Ok(()) => {
                self.step(Event::SnapshotCreated { id }, now);
                self.clean(now);
            }
            Err(error) => tracing::error!("no snapshot of the metadata at {id}: {error}"),
        }
    }

    fn write_snapshot(&self, id: ottla_raft::OffsetAndEpoch, now: Time) -> io::Result<()> {
        let level = self.raft.kraft_version_at(id.offset - 1);
        let quorum = self
            .raft
            .voters_at(id.offset - 1)
            .filter(|_| level > 0)
            .map(|voters| (control_records::kraft_version_record(level), control_records::voters_record(voters)));
        let image = self.loader.image();
        self.log.write_snapshot(id, image.provenance.timestamp, now.wall_ms, quorum, image.to_records())
    }

    /// Deletes what older snapshots and segments the newest snapshot makes needless.
    fn clean(&mut self, now: Time) {
        match self.log.clean(&self.settings.retention, now) {
            Ok(Some(start_offset)) => self.step(Event::LogStartAdvanced { start_offset }, now),
            Ok(None) => {}
            Err(error) => tracing::error!("old metadata cannot be deleted: {error}"),
        }
    }
}

//! Offsets: where the log begins and ends, how far it is replicated, and finding them by time and epoch.

use super::read::{LogOffsets, OffsetMetadata};
use super::{Log, State};
use crate::epochs::EpochEntry;
use crate::error::{Context, LogError, Result};
use crate::names::{self, FileKind};
use crate::segment::TimestampAndOffset;
use ottla_base::{DirEntry, ErrorCode, LeaderEpoch, Offset, TimestampMs};

impl Log {
    /// All of them at one moment.
    pub fn offsets(&self) -> Result<LogOffsets> {
        self.with_open(|open| Ok(open.offsets()))
    }

    /// Does not open the log.
    pub fn log_start_offset(&self) -> Offset {
        match &*self.state.lock() {
            State::Closed(params) => params.log_start_offset,
            State::Open(open) => open.log_start_offset,
            State::Gone => 0,
        }
    }

    /// The offset that the next record will get.
    pub fn log_end_offset(&self) -> Result<Offset> {
        self.with_open(|open| Ok(open.end_offset))
    }

    /// With its place in the log.
    pub fn log_end_offset_metadata(&self) -> Result<OffsetMetadata> {
        self.with_open(|open| Ok(open.end_metadata()))
    }

    /// Does not open the log: before that it is what the checkpoint says.
    pub fn high_watermark(&self) -> Offset {
        match &*self.state.lock() {
            State::Closed(params) => params.high_watermark.max(params.log_start_offset),
            State::Open(open) => open.high_watermark.offset,
            State::Gone => 0,
        }
    }

    pub fn last_stable_offset(&self) -> Result<Offset> {
        self.with_open(|open| Ok(open.last_stable_offset()))
    }

    /// The first offset of a transaction that is open, or whose marker is not below the high watermark.
    pub fn first_unstable_offset(&self) -> Result<Option<Offset>> {
        self.with_open(|open| Ok(open.first_unstable.map(|txn| txn.offset)))
    }

    /// Everything below is on disk. Does not open the log.
    pub fn recovery_point(&self) -> Offset {
        match &*self.state.lock() {
            State::Closed(params) => params.recovery_point,
            State::Open(open) => open.recovery_point,
            State::Gone => 0,
        }
    }

    /// Of all segments, in bytes.
    pub fn size(&self) -> Result<u64> {
        if let State::Open(open) = &*self.state.lock() {
            return Ok(open.segments.iter().map(|segment| segment.size()).sum());
        }
        let dir = self.dir.path();
        match self.disk().read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            listed => {
                let is_log = |entry: &&DirEntry| names::parse_file_name(&entry.name, FileKind::Log).is_some();
                Ok(listed.doing("listing", &dir)?.iter().filter(is_log).map(|entry| entry.len).sum())
            }
        }
    }

    /// The log start offset, if the log's files do not tell it. Does not open the log.
    pub(crate) fn log_start_to_checkpoint(&self) -> Option<Offset> {
        match &*self.state.lock() {
            State::Closed(params) => Some(params.log_start_offset).filter(|start| *start > 0),
            State::Open(open) => {
                let first = open.segments.first().map_or(0, |segment| segment.base_offset());
                Some(open.log_start_offset).filter(|start| *start > first)
            }
            State::Gone => None,
        }
    }

    pub fn segment_count(&self) -> Result<usize> {
        self.with_open(|open| Ok(open.segments.len()))
    }

    /// Base offset and size in bytes of every segment.
    pub fn segments(&self) -> Result<Vec<(Offset, u64)>> {
        self.with_open(|open| Ok(open.segments.iter().map(|s| (s.base_offset(), s.size())).collect()))
    }

    /// Sets the high watermark, within what the log has. Returns what it became.
    pub fn update_high_watermark(&self, high_watermark: Offset) -> Result<Offset> {
        self.with_open(|open| {
            open.set_high_watermark(high_watermark);
            Ok(open.high_watermark.offset)
        })
    }

    /// Raises the high watermark; returns the old one if that changed it.
    pub fn maybe_increment_high_watermark(&self, high_watermark: Offset) -> Result<Option<Offset>> {
        self.with_open(|open| {
            let old = open.high_watermark.offset;
            if high_watermark <= old {
                return Ok(None);
            }
            open.set_high_watermark(high_watermark);
            Ok(Some(old).filter(|old| *old != open.high_watermark.offset))
        })
    }

    // --- leader epochs ---

    pub fn latest_epoch(&self) -> Result<Option<LeaderEpoch>> {
        self.with_open(|open| Ok(open.epochs.latest().map(|entry| entry.epoch)))
    }

    pub fn epochs(&self) -> Result<Vec<EpochEntry>> {
        self.with_open(|open| Ok(open.epochs.entries().to_vec()))
    }

    /// Notes that a leader epoch begins at an offset, on disk too. A new leader says so before it appends.
    pub fn assign_epoch_start_offset(&self, epoch: LeaderEpoch, start_offset: Offset) -> Result<()> {
        self.with_writable(|open| {
            open.assign_epoch(epoch, start_offset);
            Ok(())
        })?;
        self.persist_epochs()
    }

    /// The largest epoch not above `epoch`, and where it ends. `None` when the log does not know.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Result<Option<(LeaderEpoch, Offset)>> {
        self.with_open(|open| Ok(open.epochs.end_offset_for(epoch, open.end_offset)))
    }

    /// The leader epoch of the record at `offset`.
    pub fn epoch_for_offset(&self, offset: Offset) -> Result<Option<LeaderEpoch>> {
        self.with_open(|open| Ok(open.epochs.epoch_for_offset(offset)))
    }

    // --- timestamps ---

    /// The first record with at least this timestamp.
    pub fn offset_for_timestamp(&self, timestamp: TimestampMs) -> Result<Option<TimestampAndOffset>> {
        let (segments, start) = self.with_open(|open| Ok((open.segments.clone(), open.log_start_offset)))?;
        let dir = self.dir.path();
        for segment in segments {
            if segment.max_timestamp().doing("reading", &dir)? >= timestamp {
                return segment.find_timestamp(timestamp, start).doing("reading", &dir);
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of all (KIP-734).
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampAndOffset>> {
        let segments = self.with_open(|open| Ok(open.segments.clone()))?;
        let dir = self.dir.path();
        let mut latest = None;
        for segment in segments {
            let timestamp = segment.max_timestamp().doing("reading", &dir)?;
            if latest.as_ref().is_none_or(|(max, _)| timestamp > *max) {
                latest = Some((timestamp, segment));
            }
        }
        match latest {
            Some((timestamp, segment)) if timestamp >= 0 => segment.find_max_timestamp().doing("reading", &dir),
            _ => Ok(None),
        }
    }

    pub(super) fn out_of_range(&self, what: String) -> LogError {
        LogError::new(ErrorCode::OffsetOutOfRange, format!("{what} (partition {})", self.partition))
    }
}

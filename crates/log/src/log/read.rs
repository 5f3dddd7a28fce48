//! Reading, without copying records.

use super::{Log, OpenLog};
use crate::error::{Context, LogError, Result};
use crate::index::AbortedTxn;
use crate::segment::{Segment, SegmentRead};
use ottla_base::{ErrorCode, FileSlice, Offset};
use std::io;
use std::sync::Arc;

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchIsolation {
    /// To the end: for followers.
    LogEnd,
    /// What cannot be lost any more: for consumers.
    HighWatermark,
    /// What belongs to no open transaction either: for consumers with `isolation.level=read_committed`.
    LastStable,
}

/// An offset and, where known, the base offset of its segment and its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetMetadata {
    pub offset: Offset,
    pub location: Option<(Offset, u64)>,
}

/// The offsets of a log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
}

/// What a read found.
#[derive(Clone, Debug)]
pub struct FetchData {
    /// The batches, as they are in the file. The first may begin before the offset asked for.
    /// Of one segment only, as Kafka does it. Not necessarily whole at the end.
    pub records: Option<FileSlice>,
    /// Base offset and place of the first batch; where nothing is to be had, the offset asked for.
    pub fetch_offset: OffsetMetadata,
    /// The first batch is larger than what was allowed to be read.
    pub first_entry_incomplete: bool,
    /// With `LastStable` only: the aborted transactions that have records in the part read.
    pub aborted: Option<Vec<AbortedTxn>>,
    pub offsets: LogOffsets,
}

impl FetchData {
    /// In bytes.
    pub fn size(&self) -> usize {
        self.records.as_ref().map_or(0, |records| records.len)
    }

    fn empty(offset: OffsetMetadata, offsets: LogOffsets, isolation: FetchIsolation) -> FetchData {
        FetchData {
            records: None,
            fetch_offset: offset,
            first_entry_incomplete: false,
            aborted: (isolation == FetchIsolation::LastStable).then(Vec::new),
            offsets,
        }
    }
}

/// What a read takes from the log under its lock.
struct ReadPlan {
    offsets: LogOffsets,
    bound: OffsetMetadata,
    segment: Arc<Segment>,
    truncations: u64,
}

impl Log {
    /// Finds the batches from `offset` on: at most `max_bytes`, but at least the first one if `min_one_message`.
    /// `OFFSET_OUT_OF_RANGE` where the log does not have the offset.
    pub fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        isolation: FetchIsolation,
        min_one_message: bool,
    ) -> Result<FetchData> {
        loop {
            let plan = self.with_open(|open| {
                open.last_used_ms = self.context.now_ms();
                self.plan_read(open, offset, isolation)
            })?;
            match self.read_planned(&plan, offset, max_bytes as u64, isolation, min_one_message) {
                Ok(data) => return Ok(data),
                Err(error) => {
                    // The log may have been cut while it was read.
                    if self.with_open(|open| Ok(open.truncations))? == plan.truncations {
                        return Err(LogError::storage("reading", &self.dir.path(), &error));
                    }
                }
            }
        }
    }

    fn plan_read(&self, open: &OpenLog, offset: Offset, isolation: FetchIsolation) -> Result<ReadPlan> {
        let segment = open.floor_segment(offset);
        let (Some(segment), true) = (segment, (open.log_start_offset..=open.end_offset).contains(&offset)) else {
            return Err(LogError::new(
                ErrorCode::OffsetOutOfRange,
                format!(
                    "offset {offset} is not in the log of partition {}, which has {} to {}",
                    self.partition, open.log_start_offset, open.end_offset
                ),
            ));
        };
        let bound = match isolation {
            FetchIsolation::LogEnd => open.end_metadata(),
            FetchIsolation::HighWatermark => open.high_watermark_metadata(),
            FetchIsolation::LastStable => open.last_stable_metadata(),
        };
        Ok(ReadPlan { offsets: open.offsets(), bound, segment: segment.clone(), truncations: open.truncations })
    }

    fn read_planned(
        &self,
        plan: &ReadPlan,
        offset: Offset,
        max_bytes: u64,
        isolation: FetchIsolation,
        min_one: bool,
    ) -> io::Result<FetchData> {
        if offset >= plan.bound.offset {
            // A follower that waits at the end is answered with the place, by which the leader sees how far it is.
            let at = if offset == plan.bound.offset { plan.bound } else { OffsetMetadata { offset, location: None } };
            let at = self.resolve(at)?;
            return Ok(FetchData::empty(at, plan.offsets, isolation));
        }
        let Some((bound_segment, bound_position)) = self.resolve(plan.bound)?.location else {
            let at = OffsetMetadata { offset, location: None };
            return Ok(FetchData::empty(at, plan.offsets, isolation));
        };
        let mut segment = plan.segment.clone();
        loop {
            let base_offset = segment.base_offset();
            let end_position = match base_offset.cmp(&bound_segment) {
                std::cmp::Ordering::Less => segment.size(),
                std::cmp::Ordering::Equal => bound_position,
                std::cmp::Ordering::Greater => 0,
            };
            if let Some(found) = segment.read(offset, max_bytes, end_position, min_one)? {
                return self.found(plan, &segment, offset, max_bytes, isolation, min_one, found);
            }
            // Compaction may have removed all that was left of a segment.
            let next = self.with_open(|open| Ok(open.segment_after(base_offset).cloned()));
            match next.map_err(|error| io::Error::other(error.message))? {
                Some(next) => segment = next,
                None => return Ok(FetchData::empty(plan.bound, plan.offsets, isolation)),
            }
        }
    }

    fn found(
        &self,
        plan: &ReadPlan,
        segment: &Arc<Segment>,
        offset: Offset,
        max_bytes: u64,
        isolation: FetchIsolation,
        min_one: bool,
        found: SegmentRead,
    ) -> io::Result<FetchData> {
        let first = &found.first;
        let aborted = match isolation {
            FetchIsolation::LastStable => Some(self.aborted_in(plan, segment, offset, &found)?),
            _ => None,
        };
        let records = match found.len {
            0 => None,
            len => Some(FileSlice { file: segment.file().get()?, position: first.position, len: len as usize }),
        };
        Ok(FetchData {
            records,
            fetch_offset: OffsetMetadata {
                offset: first.base_offset,
                location: Some((segment.base_offset(), first.position)),
            },
            first_entry_incomplete: !min_one && max_bytes < first.size,
            aborted,
            offsets: plan.offsets,
        })
    }

    fn aborted_in(
        &self,
        plan: &ReadPlan,
        segment: &Arc<Segment>,
        from: Offset,
        found: &SegmentRead,
    ) -> io::Result<Vec<AbortedTxn>> {
        let later: Vec<Arc<Segment>> = self
            .with_open(|open| {
                let from = open.segments.partition_point(|s| s.base_offset() <= segment.base_offset());
                Ok(open.segments.get(from..).unwrap_or_default().to_vec())
            })
            .map_err(|error| io::Error::other(error.message))?;
        let end = match segment.upper_bound(&found.first, found.len)? {
            Some(end) => end,
            None => later.first().map_or(plan.offsets.log_end_offset, |next| next.base_offset()),
        };
        let mut aborted = Vec::new();
        for segment in std::iter::once(segment).chain(&later) {
            if segment.collect_aborted(from, end, &mut aborted)? {
                break;
            }
        }
        Ok(aborted)
    }

    /// The aborted transactions with records in `from..to`.
    pub fn aborted_transactions(&self, from: Offset, to: Offset) -> Result<Vec<AbortedTxn>> {
        let segments = self.with_open(|open| {
            let first = open.segments.partition_point(|segment| segment.base_offset() <= from).saturating_sub(1);
            Ok(open.segments.get(first..).unwrap_or_default().to_vec())
        })?;
        let mut aborted = Vec::new();
        for segment in segments {
            if segment.collect_aborted(from, to, &mut aborted).doing("reading", &self.dir.path())? {
                break;
            }
        }
        Ok(aborted)
    }

    /// Finds the place of an offset, and remembers that of the high watermark.
    fn resolve(&self, metadata: OffsetMetadata) -> io::Result<OffsetMetadata> {
        if metadata.location.is_some() {
            return Ok(metadata);
        }
        let io_error = |error: LogError| io::Error::other(error.message);
        let offset = metadata.offset;
        let segment = self.with_open(|open| Ok(open.floor_segment(offset).cloned())).map_err(io_error)?;
        let Some(segment) = segment else { return Ok(metadata) };
        let location = match segment.locate(offset)? {
            Some(found) => (segment.base_offset(), found.position),
            // Behind the last batch of its segment.
            None => (segment.base_offset(), segment.size()),
        };
        let resolved = OffsetMetadata { offset, location: Some(location) };
        self.with_open(|open| {
            if open.high_watermark == metadata {
                open.high_watermark = resolved;
            }
            Ok(())
        })
        .map_err(io_error)?;
        Ok(resolved)
    }
}

impl OpenLog {
    pub(super) fn offsets(&self) -> LogOffsets {
        LogOffsets {
            log_start_offset: self.log_start_offset,
            log_end_offset: self.end_offset,
            high_watermark: self.high_watermark.offset,
            last_stable_offset: self.last_stable_offset(),
        }
    }

    pub(super) fn end_metadata(&self) -> OffsetMetadata {
        let active = self.active();
        OffsetMetadata { offset: self.end_offset, location: Some((active.base_offset(), active.size())) }
    }

    fn high_watermark_metadata(&self) -> OffsetMetadata {
        if self.high_watermark.offset == self.end_offset { self.end_metadata() } else { self.high_watermark }
    }

    fn last_stable_metadata(&self) -> OffsetMetadata {
        let offset = self.last_stable_offset();
        if offset == self.high_watermark.offset {
            return self.high_watermark_metadata();
        }
        let location = self.first_unstable.filter(|txn| txn.offset == offset).and_then(|txn| txn.location);
        OffsetMetadata { offset, location }
    }
}

//! Cutting the log at its end.

use super::load::rebuild_producers;
use super::{Log, OffsetMetadata, OpenLog};
use crate::error::{Context, Result};
use crate::segment::Segment;
use ottla_base::{Offset, TimestampMs};
use std::sync::Arc;

impl Log {
    /// Removes all records from `offset` on. True when there were any.
    pub fn truncate_to(&self, offset: Offset, now_ms: TimestampMs) -> Result<bool> {
        self.context.saw_time(now_ms);
        if offset < 0 {
            return Err(self.out_of_range(format!("cannot truncate to the negative offset {offset}")));
        }
        let truncated = self.with_writable(|open| {
            if offset < open.high_watermark.offset {
                tracing::warn!(
                    "partition {}: truncating to offset {offset}, below the high watermark {}",
                    self.partition,
                    open.high_watermark.offset
                );
            }
            if offset >= open.end_offset {
                // A leader may have begun an epoch here and failed before it appended anything.
                open.epochs_dirty |= open.epochs.truncate_from_end(open.end_offset);
                return Ok(false);
            }
            tracing::info!("partition {}: truncating to offset {offset}", self.partition);
            if open.segments.first().is_some_and(|first| first.base_offset() > offset) {
                self.restart_at(open, offset, None, now_ms)?;
            } else {
                self.cut(open, offset, now_ms)?;
            }
            Ok(true)
        })?;
        self.persist_epochs()?;
        Ok(truncated)
    }

    fn cut(&self, open: &mut OpenLog, offset: Offset, now_ms: TimestampMs) -> Result<()> {
        open.truncations += 1;
        let keep = open.segments.partition_point(|segment| segment.base_offset() <= offset);
        let removed = open.segments.split_off(keep);
        self.mark_deleted(open, &removed, now_ms)?;
        let dir = self.dir.path();
        open.active().truncate_to(offset).doing("truncating", &dir)?;
        open.end_offset = offset;
        // The cut is not on disk before the segment is flushed again.
        open.recovery_point = open.recovery_point.min(open.active().base_offset());
        open.epochs_dirty |= open.epochs.truncate_from_end(offset);
        open.log_start_offset = open.log_start_offset.min(offset);
        rebuild_producers(self, open, false).doing("reading", &dir)?;
        let high_watermark = open.high_watermark.offset.min(offset);
        open.high_watermark.location = None;
        open.set_high_watermark(high_watermark);
        Ok(())
    }

    /// Removes all records; the log goes on at `offset`, which is also where it begins unless `log_start_offset`
    /// says otherwise.
    pub fn truncate_fully_and_start_at(
        &self,
        offset: Offset,
        log_start_offset: Option<Offset>,
        now_ms: TimestampMs,
    ) -> Result<()> {
        self.context.saw_time(now_ms);
        self.with_writable(|open| self.restart_at(open, offset, log_start_offset, now_ms))?;
        self.persist_epochs()
    }

    pub(super) fn restart_at(
        &self,
        open: &mut OpenLog,
        offset: Offset,
        log_start_offset: Option<Offset>,
        now_ms: TimestampMs,
    ) -> Result<()> {
        let dir = self.dir.path();
        open.truncations += 1;
        let removed = std::mem::take(&mut open.segments);
        let deleted = self.mark_deleted(open, &removed, now_ms);
        // Even after a failure there must be a segment to be appended to.
        let segment = self.create_segment(open, offset, now_ms);
        match (deleted, segment) {
            (Ok(()), Ok(segment)) => open.segments.push(segment),
            (Err(error), _) | (_, Err(error)) => {
                open.segments = removed;
                return Err(error);
            }
        }
        open.end_offset = offset;
        open.epochs_dirty |= open.epochs.clear();
        open.producers.reset(self.disk(), &self.dir, offset).doing("deleting snapshots of", &dir)?;
        open.log_start_offset = log_start_offset.unwrap_or(offset);
        open.recovery_point = open.recovery_point.min(offset);
        rebuild_producers(self, open, false).doing("reading", &dir)?;
        open.high_watermark = OffsetMetadata { offset, location: None };
        open.set_high_watermark(offset);
        Ok(())
    }

    /// Renames the files of segments that are out of the list already; they are deleted after
    /// `file.delete.delay.ms`, when nobody reads them any more.
    pub(super) fn mark_deleted(&self, open: &mut OpenLog, removed: &[Arc<Segment>], now_ms: TimestampMs) -> Result<()> {
        let dir = self.dir.path();
        for segment in removed {
            segment.rename_to_deleted().doing("marking a segment for deletion in", &dir)?;
            open.producers
                .delete_snapshot(self.disk(), &self.dir, segment.base_offset())
                .doing("deleting a snapshot of", &dir)?;
            let due = now_ms.saturating_add(open.config.file_delete_delay_ms);
            open.deletions.push((due, segment.base_offset()));
        }
        Ok(())
    }
}

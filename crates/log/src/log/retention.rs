//! Removing old records.

use super::{Log, OpenLog};
use crate::error::{Context, Result};
use crate::segment::{Segment, delete_marked};
use ottla_base::{Offset, TimestampMs};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Why the log begins later than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStartOffsetReason {
    /// DeleteRecords, here or on the leader.
    ClientRecordDeletion,
    LeaderOffsetIncremented,
    SegmentDeletion,
    /// A snapshot of the metadata log covers what is before.
    SnapshotGenerated,
}

impl Log {
    /// Raises the log start offset: records before it are not served any more, and removed when their whole
    /// segment can go. It cannot be above the high watermark. True when that changed it.
    pub fn increment_log_start_offset(&self, offset: Offset, reason: LogStartOffsetReason) -> Result<bool> {
        let changed = self.with_writable(|open| {
            if offset > open.high_watermark.offset {
                return Err(self.out_of_range(format!(
                    "the log start offset cannot become {offset}, which is above the high watermark {}",
                    open.high_watermark.offset
                )));
            }
            Ok(self.raise_start(open, offset, reason))
        })?;
        if changed {
            self.persist_epochs()?;
        }
        Ok(changed)
    }

    fn raise_start(&self, open: &mut OpenLog, offset: Offset, reason: LogStartOffsetReason) -> bool {
        if offset <= open.log_start_offset {
            return false;
        }
        tracing::info!("partition {}: the log start offset is {offset} now ({reason:?})", self.partition);
        open.set_log_start_offset(offset);
        open.epochs_dirty |= open.epochs.truncate_from_start(offset);
        open.producers.log_start_moved(offset);
        open.first_unstable = open.producers.first_unstable();
        true
    }

    /// Removes the segments that are below the log start offset or, where the topic's policy is to delete, beyond
    /// `retention.bytes` or `retention.ms`. Returns how many.
    pub fn delete_old_segments(&self, now_ms: TimestampMs) -> Result<usize> {
        self.context.saw_time(now_ms);
        let mut deleted = self.delete_below_start(now_ms)?;
        let config = self.config();
        if config.cleanup_policy.delete {
            if config.retention_bytes >= 0 {
                deleted += self.delete_beyond_size(config.retention_bytes as u64, now_ms)?;
            }
            if config.retention_ms >= 0 {
                deleted += self.delete_beyond_time(config.retention_ms, now_ms)?;
            }
        }
        if deleted > 0 {
            self.persist_epochs()?;
        }
        Ok(deleted)
    }

    /// As `delete_old_segments`, without looking at a log of which is known that nothing is due, and leaving a log
    /// closed that was.
    pub(crate) fn retain(&self, now_ms: TimestampMs) -> Result<usize> {
        let was_open = self.is_open();
        if !was_open && now_ms < self.retention_due_ms.load(Ordering::Relaxed) {
            return Ok(0);
        }
        if !was_open && self.size()? == 0 {
            self.retention_due_ms.store(i64::MAX, Ordering::Relaxed);
            return Ok(0);
        }
        let deleted = self.delete_old_segments(now_ms)?;
        let dir = self.dir.path();
        let due = self.with_open(|open| {
            let retention_ms = open.config.retention_ms;
            let next =
                if open.config.cleanup_policy.delete && retention_ms >= 0 { open.segments.first() } else { None };
            match next {
                Some(first) if open.log_start_offset < open.end_offset => {
                    let largest = first.largest_timestamp().doing("reading", &dir)?;
                    Ok(largest.saturating_add(retention_ms))
                }
                _ => Ok(i64::MAX),
            }
        })?;
        self.retention_due_ms.store(due, Ordering::Relaxed);
        if !was_open {
            self.persist_epochs()?;
            self.park(TimestampMs::MAX)?;
        }
        Ok(deleted)
    }

    fn delete_below_start(&self, now_ms: TimestampMs) -> Result<usize> {
        self.delete_first(now_ms, "below the log start offset", |open, _, next| {
            Ok(next.is_some_and(|next| next.base_offset() <= open.log_start_offset))
        })
    }

    fn delete_beyond_size(&self, limit: u64, now_ms: TimestampMs) -> Result<usize> {
        let mut excess = self.size()?.checked_sub(limit).map(|excess| excess as i64);
        self.delete_first(now_ms, "beyond retention.bytes", |_, segment, _| {
            excess = excess.map(|excess| excess - segment.size() as i64);
            Ok(excess.is_some_and(|excess| excess >= 0))
        })
    }

    fn delete_beyond_time(&self, limit: i64, now_ms: TimestampMs) -> Result<usize> {
        let dir = self.dir.path();
        self.delete_first(now_ms, "beyond retention.ms", |_, segment, _| {
            let largest = segment.largest_timestamp().doing("reading", &dir)?;
            Ok(now_ms.saturating_sub(largest) > limit)
        })
    }

    /// Removes segments from the front for as long as `condition` holds for one (and the one after it).
    fn delete_first(
        &self,
        now_ms: TimestampMs,
        why: &str,
        mut condition: impl FnMut(&OpenLog, &Arc<Segment>, Option<&Arc<Segment>>) -> Result<bool>,
    ) -> Result<usize> {
        self.with_writable(|open| {
            let mut count = 0;
            for (at, segment) in open.segments.iter().enumerate() {
                let next = open.segments.get(at + 1);
                let upper_bound = next.map_or(open.end_offset, |next| next.base_offset());
                let last_and_empty = next.is_none() && segment.size() == 0;
                // What is not replicated stays, so that the log never begins above the high watermark.
                if open.high_watermark.offset < upper_bound || last_and_empty || !condition(open, segment, next)? {
                    break;
                }
                count += 1;
            }
            if count > 0 {
                tracing::info!("partition {}: deleting {count} segments {why}", self.partition);
                self.delete_segments(open, count, now_ms)?;
            }
            Ok(count)
        })
    }

    fn delete_segments(&self, open: &mut OpenLog, count: usize, now_ms: TimestampMs) -> Result<()> {
        if count == open.segments.len() {
            self.roll_locked(open, 0, now_ms)?;
        }
        let removed: Vec<Arc<Segment>> = open.segments.drain(..count).collect();
        let start = open.segments.first().map_or(open.end_offset, |first| first.base_offset());
        self.raise_start(open, start, LogStartOffsetReason::SegmentDeletion);
        open.recovery_point = open.recovery_point.max(start);
        self.mark_deleted(open, &removed, now_ms)
    }

    /// Removes the files whose time has come. Returns how many segments they were.
    pub fn delete_due_files(&self, now_ms: TimestampMs) -> Result<usize> {
        let due: Vec<Offset> = match &mut *self.state.lock() {
            super::State::Open(open) => {
                let (due, later) = open.deletions.iter().partition(|(due, _)| *due <= now_ms);
                open.deletions = later;
                let due: Vec<(TimestampMs, Offset)> = due;
                due.into_iter().map(|(_, offset)| offset).collect()
            }
            _ => Vec::new(),
        };
        let dir = self.dir.path();
        for base_offset in &due {
            delete_marked(&self.context.files, &self.dir, *base_offset).doing("deleting from", &dir)?;
        }
        Ok(due.len())
    }
}

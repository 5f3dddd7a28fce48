//! Flushing, rolling, closing.

use super::{Log, LogParams, OpenLog, State};
use crate::error::{Context, Result};
use crate::names::{self, FileKind};
use crate::segment::Segment;
use ottla_base::{Offset, OpenMode, TimestampMs};
use std::sync::Arc;

/// What a flush takes from the log under its lock, to wait for the disk without it.
struct FlushPlan {
    up_to: Offset,
    segments: Vec<Arc<Segment>>,
    snapshots: Vec<Offset>,
    truncations: u64,
}

impl Log {
    /// Everything appended before the call is on disk when this returns.
    pub fn flush(&self, now_ms: TimestampMs) -> Result<()> {
        self.flush_up_to(Offset::MAX, now_ms)
    }

    /// Flushes the closed segments, so that what a crash leaves to be read through is the last one only. To be
    /// called after an append that says it rolled, in the background.
    pub fn flush_rolled(&self, now_ms: TimestampMs) -> Result<()> {
        let up_to = self.with_open(|open| {
            open.rolled_unflushed = false;
            Ok(open.active().base_offset())
        })?;
        self.flush_up_to(up_to, now_ms)
    }

    /// Everything below `offset` is on disk when this returns. The lock is not held meanwhile.
    pub fn flush_up_to(&self, offset: Offset, now_ms: TimestampMs) -> Result<()> {
        self.context.saw_time(now_ms);
        let Some(plan) = self.with_writable(|open| Ok(open.plan_flush(offset)))? else { return self.persist_epochs() };
        // Epochs first: what is below the recovery point is not read through again to find them.
        let flushed = self.persist_epochs().and_then(|()| self.run_flush(&plan));
        self.with_writable(|open| {
            if let Err(error) = flushed {
                open.unsynced_snapshots.extend(plan.snapshots);
                return Err(error);
            }
            if open.truncations == plan.truncations {
                open.recovery_point = open.recovery_point.max(plan.up_to);
                open.last_flush_ms = now_ms;
            }
            Ok(())
        })
    }

    fn run_flush(&self, plan: &FlushPlan) -> Result<()> {
        let dir = self.dir.path();
        for segment in &plan.segments {
            segment.flush().doing("flushing a segment of", &dir)?;
        }
        for offset in &plan.snapshots {
            self.sync_snapshot(*offset)?;
        }
        self.disk().sync_dir(&dir).doing("flushing", &dir)
    }

    fn sync_snapshot(&self, offset: Offset) -> Result<()> {
        let path = self.dir.file(&names::file_name(offset, FileKind::Snapshot));
        let synced = self.disk().open(&path, OpenMode::ReadWrite).and_then(|file| file.sync());
        match synced {
            // Deleted since, with its segment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result.doing("flushing", &path),
        }
    }

    /// What is due of the log's upkeep: files to be deleted, closed segments to be flushed, `flush.ms`.
    pub fn maintain(&self, now_ms: TimestampMs) -> Result<()> {
        self.persist_topic_id()?;
        self.delete_due_files(now_ms)?;
        let (rolled, time) = match &*self.state.lock() {
            State::Open(open) if open.failed.is_none() => {
                let since = now_ms.saturating_sub(open.last_flush_ms);
                let dirty = open.recovery_point < open.end_offset;
                (open.rolled_unflushed, dirty && since >= open.config.flush_ms)
            }
            _ => return Ok(()),
        };
        match (time, rolled) {
            (true, _) => self.flush(now_ms),
            (false, true) => self.flush_rolled(now_ms),
            (false, false) => self.persist_epochs(),
        }
    }

    /// When the log was last flushed.
    pub fn last_flush_ms(&self) -> Option<TimestampMs> {
        match &*self.state.lock() {
            State::Open(open) => Some(open.last_flush_ms),
            _ => None,
        }
    }

    /// Closes the last segment and begins a new one, unless the last is empty.
    pub fn roll(&self, now_ms: TimestampMs) -> Result<()> {
        self.with_writable(|open| if open.active().size() == 0 { Ok(()) } else { self.roll_locked(open, 0, now_ms) })
    }

    /// The new segment begins at the end of the log, or at `expected_offset` if that is higher.
    pub(super) fn roll_locked(&self, open: &mut OpenLog, expected_offset: Offset, now_ms: TimestampMs) -> Result<()> {
        let base_offset = expected_offset.max(open.end_offset);
        let active = open.active().clone();
        let dir = self.dir.path();
        // One that is empty and yet full: its index may hold no entries at all, or the offset is too far away.
        let replaced = active.base_offset() == base_offset;
        if replaced {
            active.release();
        } else {
            active.become_inactive().doing("closing a segment of", &dir)?;
        }
        let segment = self.create_segment(open, base_offset, now_ms)?;
        if replaced {
            open.segments.pop();
        }
        open.segments.push(segment);
        open.rolled_unflushed = true;
        // So that a recovery of the new segment can begin with the state at its start.
        open.producers.set_end_offset(base_offset);
        let snapshot = open.producers.take_snapshot(self.disk(), &self.dir).doing("writing a snapshot to", &dir)?;
        open.unsynced_snapshots.extend(snapshot);
        tracing::debug!("partition {}: rolled a new segment at offset {base_offset}", self.partition);
        Ok(())
    }

    pub(super) fn create_segment(
        &self,
        open: &OpenLog,
        base_offset: Offset,
        now_ms: TimestampMs,
    ) -> Result<Arc<Segment>> {
        let dir = self.dir.path();
        let segment = Segment::create(&self.context.files, &self.dir, base_offset, &open.config, now_ms);
        Ok(Arc::new(segment.doing("creating a segment in", &dir)?))
    }

    /// Flushes everything and leaves the files as after a clean shutdown. The log may be used again afterwards;
    /// then it opens anew.
    pub fn close(&self, now_ms: TimestampMs) -> Result<()> {
        self.persist_topic_id()?;
        if !self.is_open() {
            return Ok(());
        }
        self.flush(now_ms)?;
        let mut state = self.state.lock();
        let State::Open(open) = &mut *state else { return Ok(()) };
        open.check_writable(&self.partition)?;
        let closed = self.close_locked(open);
        match closed {
            Ok(params) => {
                *state = State::Closed(params);
                Ok(())
            }
            Err(error) => {
                self.fail(open, &error);
                Err(error)
            }
        }
    }

    fn close_locked(&self, open: &mut OpenLog) -> Result<LogParams> {
        let dir = self.dir.path();
        let snapshot = open.producers.take_snapshot(self.disk(), &self.dir).doing("writing a snapshot to", &dir)?;
        open.unsynced_snapshots.extend(snapshot);
        for offset in std::mem::take(&mut open.unsynced_snapshots) {
            self.sync_snapshot(offset)?;
        }
        for segment in &open.segments {
            segment.close().doing("closing a segment of", &dir)?;
        }
        for (_, base_offset) in std::mem::take(&mut open.deletions) {
            crate::segment::delete_marked(&self.context.files, &self.dir, base_offset).doing("deleting from", &dir)?;
        }
        self.disk().sync_dir(&dir).doing("flushing", &dir)?;
        open.recovery_point = open.end_offset;
        Ok(open.params(true))
    }

    /// Gives up the memory and handles of a log that is not in use, if nothing is lost by that: it must be flushed,
    /// without open transactions, and unused since `before_ms`. True when it was done.
    pub fn park(&self, before_ms: TimestampMs) -> Result<bool> {
        let mut state = self.state.lock();
        let State::Open(open) = &mut *state else { return Ok(false) };
        if open.last_used_ms >= before_ms || !open.can_park() {
            return Ok(false);
        }
        let dir = self.dir.path();
        for segment in &open.segments {
            segment.close().doing("closing a segment of", &dir)?;
        }
        *state = State::Closed(open.params(true));
        Ok(true)
    }
}

impl OpenLog {
    fn plan_flush(&mut self, offset: Offset) -> Option<FlushPlan> {
        let up_to = offset.min(self.end_offset);
        if up_to <= self.recovery_point && self.unsynced_snapshots.is_empty() {
            return None;
        }
        let from = self.segments.partition_point(|s| s.base_offset() <= self.recovery_point).saturating_sub(1);
        let to = self.segments.partition_point(|s| s.base_offset() < up_to);
        Some(FlushPlan {
            up_to,
            segments: self.segments.get(from..to).unwrap_or_default().to_vec(),
            snapshots: std::mem::take(&mut self.unsynced_snapshots),
            truncations: self.truncations,
        })
    }

    fn params(&self, clean_shutdown: bool) -> LogParams {
        LogParams {
            config: self.config.clone(),
            log_start_offset: self.log_start_offset,
            recovery_point: self.recovery_point,
            high_watermark: self.high_watermark.offset,
            clean_shutdown,
        }
    }

    fn can_park(&self) -> bool {
        self.failed.is_none()
            && self.recovery_point == self.end_offset
            && !self.epochs_dirty
            && self.first_unstable.is_none()
            && self.deletions.is_empty()
            && self.unsynced_snapshots.is_empty()
            && self.producers.can_reload()
    }
}

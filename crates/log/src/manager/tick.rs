//! What has to be done from time to time.

use super::LogManager;
use ottla_base::{TimestampMs, TopicPartition};
use std::path::PathBuf;

/// Logs whose retention is looked at in one tick: a broker may have very many.
const RETENTION_BATCH: usize = 256;

/// When each duty was last done.
pub(super) struct Schedule {
    recovery_points_ms: TimestampMs,
    log_start_offsets_ms: TimestampMs,
    high_watermarks_ms: TimestampMs,
    producers_ms: TimestampMs,
    parking_ms: TimestampMs,
    retention_round_ms: TimestampMs,
    /// The last partition of the round under way; `None` between rounds.
    retention_at: Option<TopicPartition>,
}

impl Schedule {
    pub(super) fn new(now_ms: TimestampMs) -> Self {
        Schedule {
            recovery_points_ms: now_ms,
            log_start_offsets_ms: now_ms,
            high_watermarks_ms: now_ms,
            producers_ms: now_ms,
            parking_ms: now_ms,
            retention_round_ms: now_ms,
            retention_at: None,
        }
    }
}

/// What a tick came across.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Directories that went out of service, and why.
    pub failed_dirs: Vec<(PathBuf, String)>,
    /// Partitions that are offline by that.
    pub offline: Vec<TopicPartition>,
    pub deleted_segments: usize,
    pub deleted_dirs: usize,
    pub parked: usize,
}

/// Whether `interval` has passed since `last`, which then becomes now.
fn due(last: &mut TimestampMs, interval: i64, now_ms: TimestampMs) -> bool {
    if now_ms.saturating_sub(*last) < interval {
        return false;
    }
    *last = now_ms;
    true
}

impl LogManager {
    /// Does what is due: retention, deletion of files, flushes, checkpoints, expiry of producers, closing what is
    /// idle. It waits for disks; call it about once a second from a thread that may.
    pub fn tick(&self, now_ms: TimestampMs) -> TickReport {
        self.context.saw_time(now_ms);
        let mut report = TickReport::default();
        self.collect_failures(&mut report);
        self.delete_due_dirs(now_ms, &mut report);
        // One tick at a time; a second one finds nothing due.
        let Some(mut schedule) = self.schedule.try_lock() else { return report };
        let config = &self.config;
        let expire = due(&mut schedule.producers_ms, config.producer_expiration_interval_ms, now_ms);
        let park = due(&mut schedule.parking_ms, config.park_after_ms / 4, now_ms);
        self.maintain_open_logs(now_ms, expire, park, &mut report);
        self.retention(&mut schedule, now_ms, &mut report);
        if due(&mut schedule.recovery_points_ms, config.recovery_point_interval_ms, now_ms) {
            self.checkpoint_recovery_points();
        }
        if due(&mut schedule.log_start_offsets_ms, config.log_start_offset_interval_ms, now_ms) {
            self.checkpoint_log_start_offsets();
        }
        if due(&mut schedule.high_watermarks_ms, config.high_watermark_interval_ms, now_ms) {
            self.checkpoint_high_watermarks();
        }
        self.context.files().close_overdue();
        self.collect_failures(&mut report);
        report
    }

    fn collect_failures(&self, report: &mut TickReport) {
        for failure in self.context.take_failures() {
            let Some(dir) = failure.dir.parent() else { continue };
            let offline = self.fail_dir(dir, &failure.message);
            report.failed_dirs.push((dir.to_owned(), failure.message));
            report.offline.extend(offline);
        }
    }

    fn delete_due_dirs(&self, now_ms: TimestampMs, report: &mut TickReport) {
        let due = {
            let mut deletions = self.deletions.lock();
            let (due, later) = std::mem::take(&mut *deletions).into_iter().partition(|d| d.due_ms <= now_ms);
            *deletions = later;
            let due: Vec<super::Deletion> = due;
            due
        };
        for deletion in due {
            let Ok(dir) = self.online_dir(deletion.dir) else { continue };
            match self.disk().remove_dir_all(&deletion.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    self.fail_dir(&dir.path, &error.to_string());
                }
                _ => report.deleted_dirs += 1,
            }
        }
    }

    /// Only the logs that are open: an idle one costs nothing here.
    fn maintain_open_logs(&self, now_ms: TimestampMs, expire: bool, park: bool, report: &mut TickReport) {
        for partition in self.context.opened() {
            let logs = [self.get(&partition), self.get_future(&partition)];
            let mut any_open = false;
            for log in logs.into_iter().flatten() {
                if let Err(error) = log.maintain(now_ms) {
                    tracing::error!("upkeep of partition {partition}: {error}");
                    continue;
                }
                if expire && log.is_open() {
                    let _ = log.remove_expired_producers(now_ms);
                }
                if park && matches!(log.park(now_ms.saturating_sub(self.config.park_after_ms)), Ok(true)) {
                    report.parked += 1;
                }
                any_open |= log.is_open();
            }
            if !any_open {
                self.context.forget_opened(&partition);
            }
        }
    }

    fn retention(&self, schedule: &mut Schedule, now_ms: TimestampMs, report: &mut TickReport) {
        let begin = schedule.retention_at.is_none();
        if begin && !due(&mut schedule.retention_round_ms, self.config.retention_check_interval_ms, now_ms) {
            return;
        }
        let batch: Vec<TopicPartition> = {
            let logs = self.logs.read();
            let from = match &schedule.retention_at {
                Some(at) => std::ops::Bound::Excluded(at),
                None => std::ops::Bound::Unbounded,
            };
            let rest = logs.current.range::<TopicPartition, _>((from, std::ops::Bound::Unbounded));
            rest.take(RETENTION_BATCH).map(|(partition, _)| partition.clone()).collect()
        };
        schedule.retention_at = if batch.len() == RETENTION_BATCH { batch.last().cloned() } else { None };
        for partition in &batch {
            for log in [self.get(partition), self.get_future(partition)].into_iter().flatten() {
                // What has to be recovered is not opened for this.
                if log.needs_recovery() || log.failure().is_some() {
                    continue;
                }
                match log.retain(now_ms) {
                    Ok(deleted) => report.deleted_segments += deleted,
                    Err(error) => tracing::error!("retention of partition {partition}: {error}"),
                }
            }
        }
    }
}

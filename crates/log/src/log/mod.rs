//! One partition's log.

mod append;
mod flush;
mod load;
mod offsets;
mod producers;
mod read;
mod retention;
mod truncate;
mod validate;

pub use append::{AppendInfo, AppendOptions};
pub use read::{FetchData, FetchIsolation, LogOffsets, OffsetMetadata};
pub use retention::LogStartOffsetReason;

use crate::cached_file::{FileCache, LogDir};
use crate::config::LogConfig;
use crate::epochs::LeaderEpochs;
use crate::error::{Context, LogError, Result};
use crate::files::{checkpoint, partition_metadata};
use crate::names;
use crate::producer::{ProducerStateConfig, ProducerStates, TxnStart};
use crate::segment::Segment;
use ottla_base::{ErrorCode, Offset, TimestampMs, TopicPartition, Uuid};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// What all logs of a broker share.
pub struct LogContext {
    pub(crate) files: Arc<FileCache>,
    pub(crate) producers: ProducerStateConfig,
    /// The latest time anybody told; for what has no time of its own.
    now_ms: AtomicI64,
    failures: Mutex<Vec<LogFailure>>,
    /// Logs that were opened; some may be closed again.
    opened: Mutex<BTreeSet<TopicPartition>>,
}

/// A log that can no longer be written, because the disk failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFailure {
    /// The partition's directory.
    pub dir: PathBuf,
    pub message: String,
}

impl LogContext {
    pub fn new(files: Arc<FileCache>, producers: ProducerStateConfig, now_ms: TimestampMs) -> Arc<LogContext> {
        Arc::new(LogContext {
            files,
            producers,
            now_ms: AtomicI64::new(now_ms),
            failures: Mutex::default(),
            opened: Mutex::default(),
        })
    }

    pub fn files(&self) -> &Arc<FileCache> {
        &self.files
    }

    pub(crate) fn saw_time(&self, now_ms: TimestampMs) {
        self.now_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    fn now_ms(&self) -> TimestampMs {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self) -> Vec<TopicPartition> {
        self.opened.lock().iter().cloned().collect()
    }

    pub(crate) fn forget_opened(&self, partition: &TopicPartition) {
        self.opened.lock().remove(partition);
    }

    /// The failures since the last call.
    pub fn take_failures(&self) -> Vec<LogFailure> {
        std::mem::take(&mut self.failures.lock())
    }
}

/// What is known of a log from outside its directory: the checkpoint files, and how the last shutdown went.
#[derive(Clone, Debug)]
pub struct LogParams {
    pub config: Arc<LogConfig>,
    /// From `log-start-offset-checkpoint`, or 0.
    pub log_start_offset: Offset,
    /// From `recovery-point-offset-checkpoint`, or 0.
    pub recovery_point: Offset,
    /// From `replication-offset-checkpoint`, or 0.
    pub high_watermark: Offset,
    /// The log was closed properly: nothing needs to be read through.
    pub clean_shutdown: bool,
}

impl LogParams {
    /// For a log that does not exist yet.
    pub fn fresh(config: Arc<LogConfig>) -> Self {
        LogParams { config, log_start_offset: 0, recovery_point: 0, high_watermark: 0, clean_shutdown: true }
    }
}

/// A partition's log. Cheap until it is first used: only then are its files looked at.
///
/// All methods may be called from any thread. The lock inside is held for short; what waits for a disk
/// to write runs outside of it.
pub struct Log {
    context: Arc<LogContext>,
    partition: TopicPartition,
    dir: Arc<LogDir>,
    state: Mutex<State>,
    topic_id: Mutex<Option<Uuid>>,
    /// The topic id is known but not written yet.
    topic_id_dirty: AtomicBool,
    /// Before this time retention has nothing to do, unless something is appended.
    retention_due_ms: AtomicI64,
    /// Orders the writers of the leader epoch checkpoint.
    epoch_file: Mutex<()>,
}

enum State {
    Closed(LogParams),
    Open(Box<OpenLog>),
    /// The directory has been deleted, or given to another purpose.
    Gone,
}

struct OpenLog {
    config: Arc<LogConfig>,
    /// In order, never empty; the last one is appended to.
    segments: Vec<Arc<Segment>>,
    log_start_offset: Offset,
    end_offset: Offset,
    /// Everything below is on disk.
    recovery_point: Offset,
    high_watermark: OffsetMetadata,
    first_unstable: Option<TxnStart>,
    epochs: LeaderEpochs,
    epochs_dirty: bool,
    producers: ProducerStates,
    /// Producer snapshots written but not synced.
    unsynced_snapshots: Vec<Offset>,
    /// Segments marked for deletion, and when they are due.
    deletions: Vec<(TimestampMs, Offset)>,
    last_flush_ms: TimestampMs,
    last_used_ms: TimestampMs,
    /// A segment was closed and not flushed yet.
    rolled_unflushed: bool,
    /// Counts truncations, so that a flush that ran beside one does not claim too much.
    truncations: u64,
    /// Why nothing can be written any more.
    failed: Option<Arc<str>>,
}

impl Log {
    /// Does not touch the disk.
    pub fn new(context: &Arc<LogContext>, partition: TopicPartition, dir: &Path, params: LogParams) -> Log {
        Log {
            context: context.clone(),
            partition,
            dir: LogDir::new(dir),
            state: Mutex::new(State::Closed(params)),
            topic_id: Mutex::new(None),
            topic_id_dirty: AtomicBool::new(false),
            retention_due_ms: AtomicI64::new(i64::MIN),
            epoch_file: Mutex::new(()),
        }
    }

    /// As `new`, then opens it: makes the directory if need be, and recovers after an unclean shutdown.
    pub fn open(context: &Arc<LogContext>, partition: TopicPartition, dir: &Path, params: LogParams) -> Result<Log> {
        let log = Log::new(context, partition, dir, params);
        log.ensure_open()?;
        Ok(log)
    }

    /// Opens the log if it is not open yet.
    pub fn ensure_open(&self) -> Result<()> {
        self.with_open(|_| Ok(()))
    }

    pub fn is_open(&self) -> bool {
        matches!(*self.state.lock(), State::Open(_))
    }

    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The partition's directory.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_path_buf()
    }

    fn disk(&self) -> &dyn ottla_base::Disk {
        &*self.context.files.disk
    }

    fn gone(&self) -> LogError {
        LogError::new(ErrorCode::KafkaStorageError, format!("the log of partition {} is deleted", self.partition))
    }

    /// Runs `f` on the open log, which is opened if need be.
    fn with_open<T>(&self, f: impl FnOnce(&mut OpenLog) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        f(self.opened(&mut state)?)
    }

    fn opened<'a>(&self, state: &'a mut MutexGuard<'_, State>) -> Result<&'a mut OpenLog> {
        if let State::Closed(params) = &**state {
            let open = load::load(self, params)?;
            self.context.opened.lock().insert(self.partition.clone());
            **state = State::Open(Box::new(open));
        }
        match &mut **state {
            State::Open(open) => Ok(open),
            _ => Err(self.gone()),
        }
    }

    /// As `with_open`, for what changes the files: refused after a failure, and a failure of the disk stays.
    fn with_writable<T>(&self, f: impl FnOnce(&mut OpenLog) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        let open = self.opened(&mut state)?;
        open.check_writable(&self.partition)?;
        let result = f(open);
        if let Err(error) = &result
            && error.is_storage()
        {
            self.fail(open, error);
        }
        result
    }

    /// From now on nothing is written: what the files hold is unknown until they are read again.
    fn fail(&self, open: &mut OpenLog, error: &LogError) {
        tracing::error!("partition {} goes offline: {}", self.partition, error.message);
        open.failed.get_or_insert_with(|| error.message.as_str().into());
        self.context.failures.lock().push(LogFailure { dir: self.dir(), message: error.message.clone() });
    }

    /// Why the log can no longer be written, if so.
    pub fn failure(&self) -> Option<String> {
        match &*self.state.lock() {
            State::Open(open) => open.failed.as_ref().map(|reason| reason.to_string()),
            _ => None,
        }
    }

    pub fn config(&self) -> Arc<LogConfig> {
        match &*self.state.lock() {
            State::Closed(params) => params.config.clone(),
            State::Open(open) => open.config.clone(),
            State::Gone => Arc::default(),
        }
    }

    pub fn update_config(&self, config: Arc<LogConfig>) {
        self.retention_due_ms.store(i64::MIN, Ordering::Relaxed);
        match &mut *self.state.lock() {
            State::Closed(params) => params.config = config,
            State::Open(open) => open.config = config,
            State::Gone => {}
        }
    }

    /// The topic id of the directory, if it has one.
    pub fn topic_id(&self) -> Result<Option<Uuid>> {
        let mut known = self.topic_id.lock();
        if known.is_none() {
            let dir = self.dir.path();
            *known =
                partition_metadata::read_topic_id(self.disk(), &dir).doing("reading partition.metadata of", &dir)?;
        }
        Ok(*known)
    }

    /// Gives the directory its topic id, which must not change afterwards.
    pub fn assign_topic_id(&self, topic_id: Uuid) -> Result<()> {
        match self.topic_id()? {
            Some(known) if known == topic_id => Ok(()),
            Some(known) => Err(LogError::new(
                ErrorCode::InconsistentTopicId,
                format!(
                    "tried to assign topic id {topic_id} to the log of partition {}, which has topic id {known} already",
                    self.partition
                ),
            )),
            None => {
                *self.topic_id.lock() = Some(topic_id);
                self.topic_id_dirty.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Writes the topic id if it is not on disk yet. Always before the first record, so that no record can end up
    /// in a topic of the same name that was made later.
    pub(crate) fn persist_topic_id(&self) -> Result<()> {
        if !self.topic_id_dirty.load(Ordering::Acquire) {
            return Ok(());
        }
        let topic_id = self.topic_id.lock();
        if let Some(id) = *topic_id {
            let dir = self.dir.path();
            self.disk().create_dir_all(&dir).doing("creating", &dir)?;
            partition_metadata::write_topic_id(self.disk(), &dir, id).doing("writing partition.metadata of", &dir)?;
        }
        self.topic_id_dirty.store(false, Ordering::Release);
        Ok(())
    }

    /// The log was not closed properly, and nobody has looked at what that did to it.
    pub fn needs_recovery(&self) -> bool {
        matches!(&*self.state.lock(), State::Closed(params) if !params.clean_shutdown)
    }

    /// Writes the leader epochs if they changed. Not under the log's lock, as it waits for the disk.
    fn persist_epochs(&self) -> Result<()> {
        let _ordered = self.epoch_file.lock();
        let entries = match &mut *self.state.lock() {
            State::Open(open) if open.epochs_dirty => {
                open.epochs_dirty = false;
                open.epochs.entries().to_vec()
            }
            _ => return Ok(()),
        };
        let path = self.dir.file(names::LEADER_EPOCH_CHECKPOINT);
        let written = checkpoint::write_epochs(self.disk(), &path, &entries).doing("writing", &path);
        if let Err(error) = &written
            && let State::Open(open) = &mut *self.state.lock()
        {
            open.epochs_dirty = true;
            self.fail(open, error);
        }
        written
    }

    /// The directory has a new name; open files come along.
    pub(crate) fn moved_to(&self, dir: &Path) {
        self.dir.moved_to(dir);
    }

    /// No use of the log is possible any more. Its handles are given up.
    pub(crate) fn abandon(&self) {
        let state = std::mem::replace(&mut *self.state.lock(), State::Gone);
        if let State::Open(open) = state {
            for segment in &open.segments {
                segment.discard();
            }
        }
    }
}

impl OpenLog {
    fn check_writable(&self, partition: &TopicPartition) -> Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(reason) => Err(LogError::new(
                ErrorCode::KafkaStorageError,
                format!("the log of partition {partition} is offline since an earlier failure: {reason}"),
            )),
        }
    }

    fn active(&self) -> &Arc<Segment> {
        // Invariant: opening a log makes a segment, and whoever removes the last one has made another before.
        self.segments.last().expect("a log always has a segment")
    }

    /// The segment that `offset` falls into.
    fn floor_segment(&self, offset: Offset) -> Option<&Arc<Segment>> {
        let after = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        after.checked_sub(1).and_then(|at| self.segments.get(at))
    }

    fn segment_after(&self, base_offset: Offset) -> Option<&Arc<Segment>> {
        let at = self.segments.partition_point(|segment| segment.base_offset() <= base_offset);
        self.segments.get(at)
    }

    fn assign_epoch(&mut self, epoch: i32, start_offset: Offset) {
        self.epochs_dirty |= self.epochs.assign(epoch, start_offset);
    }

    fn last_stable_offset(&self) -> Offset {
        let unstable = self.first_unstable.map(|txn| txn.offset.max(self.log_start_offset));
        unstable.unwrap_or(i64::MAX).min(self.high_watermark.offset)
    }

    fn set_high_watermark(&mut self, offset: Offset) {
        let offset = offset.clamp(self.log_start_offset, self.end_offset.max(self.log_start_offset));
        if offset != self.high_watermark.offset {
            self.high_watermark = OffsetMetadata { offset, location: None };
        }
        self.producers.high_watermark_moved(offset);
        self.first_unstable = self.producers.first_unstable();
    }

    fn set_log_start_offset(&mut self, offset: Offset) {
        self.log_start_offset = offset;
        if self.high_watermark.offset < offset {
            self.set_high_watermark(offset);
        }
        // The recovery point follows only when segments go: what is left of the first one still has to be flushed,
        // or its recovery would find it torn.
        let first = self.segments.first().map_or(0, |segment| segment.base_offset());
        self.recovery_point = self.recovery_point.max(first);
    }
}

#[cfg(test)]
mod crash_disk;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

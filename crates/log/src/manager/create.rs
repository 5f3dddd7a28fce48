//! Making, moving and deleting logs.

use super::{Deletion, Entry, LogManager};
use crate::error::{Context, LogError, Result};
use crate::log::{Log, LogParams};
use crate::names::{self, DirKind};
use ottla_base::{ErrorCode, Offset, TimestampMs, TopicPartition, Uuid};
use std::collections::BTreeSet;
use std::sync::Arc;

impl LogManager {
    /// The log of a partition, made if there is none: in the given directory, else in the one with the fewest logs.
    /// With directories out of service, a log that is not `is_new` may be in one of them and is not made again.
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        is_new: bool,
        directory: Option<Uuid>,
    ) -> Result<Arc<Log>> {
        let _one_at_a_time = self.changing.lock();
        let log = match self.get(partition) {
            Some(log) => log,
            None => {
                if !is_new && self.dirs.iter().any(|dir| !dir.is_online()) {
                    return Err(self.offline_error(&format!("cannot make a log for {partition}, it may exist already")));
                }
                let at = self.choose_dir(directory)?;
                self.create(partition, at, DirKind::Current)?
            }
        };
        if let Some(topic_id) = topic_id {
            log.assign_topic_id(topic_id)?;
        }
        Ok(log)
    }

    /// The copy of a partition's log that is being made in another directory (KIP-113).
    pub fn get_or_create_future(
        &self,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        directory: Uuid,
    ) -> Result<Arc<Log>> {
        let _one_at_a_time = self.changing.lock();
        let log = match self.get_future(partition) {
            Some(log) => log,
            None => {
                let at = self.choose_dir(Some(directory))?;
                if self.logs.read().current.get(partition).is_some_and(|entry| entry.dir == at) {
                    let what = format!("the log of {partition} is in directory {directory} already");
                    return Err(LogError::new(ErrorCode::InvalidRequest, what));
                }
                self.create(partition, at, DirKind::Future)?
            }
        };
        if let Some(topic_id) = topic_id {
            log.assign_topic_id(topic_id)?;
        }
        Ok(log)
    }

    fn choose_dir(&self, wanted: Option<Uuid>) -> Result<usize> {
        // Ids that say "somewhere" name no directory.
        let wanted = wanted.filter(|id| !id.is_reserved());
        if let Some(id) = wanted {
            let found = self.dirs.iter().position(|dir| dir.id == Some(id) && dir.is_online());
            return found.ok_or_else(|| {
                LogError::new(ErrorCode::LogDirNotFound, format!("no log directory with id {id} is in service"))
            });
        }
        let mut online = self.dirs.iter().enumerate().filter(|(_, dir)| dir.is_online());
        if let (Some((only, _)), None) = (online.next(), online.next()) {
            return Ok(only);
        }
        let mut counts = vec![0usize; self.dirs.len()];
        for (_, entry) in self.logs.read().all() {
            if let Some(count) = counts.get_mut(entry.dir) {
                *count += 1;
            }
        }
        let online = self.dirs.iter().enumerate().filter(|(_, dir)| dir.is_online());
        let fewest = online.min_by_key(|(at, _)| counts.get(*at).copied());
        fewest.map(|(at, _)| at).ok_or_else(|| self.offline_error("no log directory is left"))
    }

    fn create(&self, partition: &TopicPartition, at: usize, kind: DirKind) -> Result<Arc<Log>> {
        let dir = self.online_dir(at)?;
        let path = dir.path.join(names::dir_name(partition, kind, self.rng.next_uuid()));
        if let Err(error) = self.disk().create_dir_all(&path) {
            self.fail_dir(&dir.path, &error.to_string());
            return Err(LogError::storage("creating", &path, &error));
        }
        let params = LogParams::fresh(self.topic_config(&partition.topic));
        let log = Arc::new(Log::new(&self.context, partition.clone(), &path, params));
        let entry = Entry { log: log.clone(), dir: at };
        self.logs.write().map_mut(kind == DirKind::Future).insert(partition.clone(), entry);
        Ok(log)
    }

    /// Takes logs out of use, their future copies included. Their directories are renamed now and removed after
    /// `file.delete.delay.ms` by [`LogManager::tick`].
    pub fn delete<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        now_ms: TimestampMs,
    ) -> Result<()> {
        self.remove(partitions, DirKind::Delete, now_ms)
    }

    /// Puts logs aside that the cluster's metadata does not know of.
    pub fn mark_stray<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        self.remove(partitions, DirKind::Stray, 0)
    }

    /// Gives up the copy that was being made.
    pub fn delete_future(&self, partition: &TopicPartition, now_ms: TimestampMs) -> Result<()> {
        let _one_at_a_time = self.changing.lock();
        match self.logs.write().future.remove(partition) {
            Some(entry) => self.put_aside(&entry, DirKind::Delete, now_ms),
            None => Ok(()),
        }
    }

    fn remove<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        kind: DirKind,
        now_ms: TimestampMs,
    ) -> Result<()> {
        let _one_at_a_time = self.changing.lock();
        let mut touched = BTreeSet::new();
        let mut first_error = None;
        for partition in partitions {
            for future in [false, true] {
                let removed = self.logs.write().map_mut(future).remove(partition);
                let Some(entry) = removed else { continue };
                touched.insert(entry.dir);
                if let Err(error) = self.put_aside(&entry, kind, now_ms) {
                    first_error.get_or_insert(error);
                }
            }
        }
        // A topic of the same name must not inherit the offsets.
        for at in touched {
            self.write_checkpoints_of(at);
        }
        first_error.map_or(Ok(()), Err)
    }

    fn put_aside(&self, entry: &Entry, kind: DirKind, now_ms: TimestampMs) -> Result<()> {
        let log = &entry.log;
        log.abandon();
        self.context.forget_opened(log.partition());
        let from = log.dir();
        let dir = self.online_dir(entry.dir)?;
        let to = dir.path.join(names::dir_name(log.partition(), kind, self.rng.next_uuid()));
        match self.disk().rename(&from, &to) {
            Ok(()) => {}
            // It was never used.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.fail_dir(&dir.path, &error.to_string());
                return Err(LogError::storage("renaming", &from, &error));
            }
        }
        log.moved_to(&to);
        self.disk().sync_dir(&dir.path).doing("flushing", &dir.path)?;
        if kind == DirKind::Delete {
            let due_ms = now_ms.saturating_add(self.default_config.read().file_delete_delay_ms);
            self.deletions.lock().push(Deletion { due_ms, path: to, dir: entry.dir });
        } else {
            tracing::warn!("the log of {} is stray and now in {}", log.partition(), to.display());
            self.strays.lock().push(to);
        }
        Ok(())
    }

    /// Removes the records of a log, or of the copy being made of it, from `offset` on. The recovery point on disk
    /// follows at once: were it above what the log has then, records appended next would count as flushed.
    pub fn truncate_to(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        future: bool,
        now_ms: TimestampMs,
    ) -> Result<bool> {
        let entry = self.entry(partition, future)?;
        let truncated = entry.log.truncate_to(offset, now_ms)?;
        if truncated {
            self.write_recovery_points_of(entry.dir);
        }
        Ok(truncated)
    }

    /// Removes all records of a log; see [`Log::truncate_fully_and_start_at`].
    pub fn truncate_fully_and_start_at(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        log_start_offset: Option<Offset>,
        future: bool,
        now_ms: TimestampMs,
    ) -> Result<()> {
        let entry = self.entry(partition, future)?;
        entry.log.truncate_fully_and_start_at(offset, log_start_offset, now_ms)?;
        self.write_recovery_points_of(entry.dir);
        Ok(())
    }

    fn entry(&self, partition: &TopicPartition, future: bool) -> Result<Entry> {
        let found = self.logs.write().map_mut(future).get(partition).cloned();
        found.ok_or_else(|| {
            LogError::new(ErrorCode::UnknownTopicOrPartition, format!("there is no log of partition {partition}"))
        })
    }

    /// Puts the copy in the place of a partition's log, which is deleted. The copy takes over the high watermark.
    pub fn replace_current_with_future(&self, partition: &TopicPartition, now_ms: TimestampMs) -> Result<Arc<Log>> {
        let _one_at_a_time = self.changing.lock();
        let (future, current) = {
            let logs = self.logs.read();
            (logs.future.get(partition).cloned(), logs.current.get(partition).cloned())
        };
        let Some(future) = future else {
            let what = format!("there is no copy of {partition} to take the place of its log");
            return Err(LogError::new(ErrorCode::KafkaStorageError, what));
        };
        let dir = self.online_dir(future.dir)?;
        let to = dir.path.join(names::dir_name(partition, DirKind::Current, Uuid::ZERO));
        let high_watermark: Option<Offset> = current.as_ref().map(|entry| entry.log.high_watermark());
        // With both in one directory (after a failure in between) the place must be free first.
        let mut touched = BTreeSet::from([future.dir]);
        if let Some(entry) = &current {
            touched.insert(entry.dir);
            self.logs.write().current.remove(partition);
            self.put_aside(entry, DirKind::Delete, now_ms)?;
        }
        let from = future.log.dir();
        self.disk().rename(&from, &to).doing("renaming", &from)?;
        future.log.moved_to(&to);
        self.disk().sync_dir(&dir.path).doing("flushing", &dir.path)?;
        {
            let mut logs = self.logs.write();
            logs.future.remove(partition);
            logs.current.insert(partition.clone(), future.clone());
        }
        if let Some(high_watermark) = high_watermark {
            future.log.update_high_watermark(high_watermark)?;
        }
        for at in touched {
            self.write_checkpoints_of(at);
        }
        Ok(future.log)
    }
}

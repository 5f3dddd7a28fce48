//! Starting and stopping.

use super::dirs::{Checkpoints, Dir};
use super::tick::Schedule;
use super::{Deletion, Entry, LogManager, LogManagerConfig, Logs};
use crate::cached_file::FileCache;
use crate::error::{LogError, Result};
use crate::files::clean_shutdown;
use crate::log::{Log, LogContext, LogParams};
use crate::names::{self, DirKind};
use ottla_base::{Disk, Rng, TimestampMs, TopicPartition};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

impl LogManager {
    /// Locks the directories, and finds the logs in them. Directories whose disk does not work are left out; it
    /// is an error when none is left, when another broker uses one, or when a partition is in two of them.
    ///
    /// Afterwards the mark of a clean shutdown is gone: its content is in [`LogManager::dirs`].
    pub fn start(
        disk: Arc<dyn Disk>,
        rng: Arc<dyn Rng>,
        config: LogManagerConfig,
        now_ms: TimestampMs,
    ) -> io::Result<LogManager> {
        let mut paths = BTreeSet::new();
        for path in &config.log_dirs {
            if !paths.insert(path) {
                let what = format!("log directory {} is given twice in log.dirs", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
        }
        let dirs: Vec<Dir> = config.log_dirs.iter().map(|path| Dir::open(&*disk, path)).collect::<io::Result<_>>()?;
        let files = FileCache::new(disk, config.max_open_files);
        let mut manager = LogManager {
            context: LogContext::new(files, config.producers, now_ms),
            rng,
            dirs,
            logs: RwLock::new(Logs::default()),
            topic_configs: RwLock::default(),
            default_config: RwLock::new(config.default_config.clone()),
            deletions: Mutex::default(),
            strays: Mutex::default(),
            changing: Mutex::new(()),
            schedule: Mutex::new(Schedule::new(now_ms)),
            config,
        };
        let mut topics = BTreeSet::new();
        for at in 0..manager.dirs.len() {
            manager.find_logs(at, &mut topics, now_ms)?;
        }
        if !manager.dirs.iter().any(Dir::is_online) {
            let failures: Vec<String> = manager
                .dirs
                .iter()
                .map(|dir| format!("{}: {}", dir.path.display(), dir.info(0).failure.unwrap_or_default()))
                .collect();
            return Err(io::Error::other(format!("none of the log.dirs can be used: {}", failures.join("; "))));
        }
        Ok(manager)
    }

    fn find_logs(&mut self, at: usize, topics: &mut BTreeSet<Arc<str>>, now_ms: TimestampMs) -> io::Result<()> {
        let Some(dir) = self.dirs.get(at).filter(|dir| dir.is_online()) else { return Ok(()) };
        let disk = &**self.context.files().disk();
        let path = dir.path.clone();
        let listed = disk.read_dir(&path).and_then(|entries| {
            // Before anything is changed: from here on a crash is a crash.
            clean_shutdown::remove(disk, &path)?;
            Ok(entries)
        });
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                dir.fail(&error.to_string());
                return Ok(());
            }
        };
        let clean = dir.had_clean_shutdown;
        let mut checkpoints = dir.read_checkpoints(disk);
        for entry in entries.iter().filter(|entry| entry.is_dir) {
            self.found_dir(at, &path.join(&entry.name), &entry.name, clean, &mut checkpoints, topics, now_ms)?;
        }
        let logs = self.logs.get_mut();
        let here = |partition: &TopicPartition| {
            let maps = [&logs.current, &logs.future];
            maps.iter().any(|map| map.get(partition).is_some_and(|entry| entry.dir == at))
        };
        let stale = checkpoints.log_start_offsets.keys().chain(checkpoints.high_watermarks.keys()).any(|p| !here(p));
        if stale {
            // A partition that is made anew must not inherit from one that was deleted.
            self.write_checkpoints_of(at);
        }
        Ok(())
    }

    fn found_dir(
        &mut self,
        at: usize,
        path: &Path,
        name: &str,
        clean: bool,
        checkpoints: &mut Checkpoints,
        topics: &mut BTreeSet<Arc<str>>,
        now_ms: TimestampMs,
    ) -> io::Result<()> {
        if name == names::REMOTE_INDEX_CACHE_DIR {
            return Ok(());
        }
        let (partition, kind) = match names::parse_dir_name(name) {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::warn!("{}: ignored: {error}", path.display());
                return Ok(());
            }
        };
        if &*partition.topic == names::CLUSTER_METADATA_TOPIC {
            return Ok(());
        }
        match kind {
            DirKind::Delete => {
                let due_ms = now_ms + self.config.default_config.file_delete_delay_ms;
                self.deletions.get_mut().push(Deletion { due_ms, path: path.to_owned(), dir: at });
                return Ok(());
            }
            DirKind::Stray => {
                self.strays.get_mut().push(path.to_owned());
                return Ok(());
            }
            DirKind::Current | DirKind::Future => {}
        }
        // One name in memory for all partitions of a topic.
        if !topics.contains(&partition.topic) {
            topics.insert(partition.topic.clone());
        }
        let topic = topics.get(&partition.topic).cloned().unwrap_or(partition.topic);
        let partition = TopicPartition { topic, partition: partition.partition };
        let of = |map: &BTreeMap<TopicPartition, i64>| map.get(&partition).copied().unwrap_or(0);
        let params = LogParams {
            config: self.default_config.get_mut().clone(),
            log_start_offset: of(&checkpoints.log_start_offsets),
            recovery_point: of(&checkpoints.recovery_points),
            high_watermark: of(&checkpoints.high_watermarks),
            clean_shutdown: clean,
        };
        let log = Arc::new(Log::new(&self.context, partition.clone(), path, params));
        let map = self.logs.get_mut().map_mut(kind == DirKind::Future);
        if let Some(other) = map.insert(partition.clone(), Entry { log, dir: at }) {
            return Err(io::Error::other(format!(
                "partition {partition} is in two log directories, {} and {}: a disk probably failed while the \
                 partition was moved; delete the one in the directory that failed, after making sure it is the older",
                other.log.dir().display(),
                path.display()
            )));
        }
        Ok(())
    }

    /// The broker epoch of the last clean shutdown, if all directories agree on it (KIP-966).
    pub fn previous_broker_epoch(&self) -> Option<i64> {
        let first = self.dirs.first()?.previous_broker_epoch?;
        let agree = |dir: &Dir| dir.is_online() && dir.previous_broker_epoch == Some(first);
        self.dirs.iter().all(agree).then_some(first)
    }

    /// Opens up to `count` logs that were not closed properly. Returns how many remain. To be called until none
    /// does, by as many threads as the disks can take.
    pub fn recover_some(&self, count: usize) -> usize {
        let pending: Vec<Arc<Log>> =
            self.logs.read().all().map(|(_, entry)| entry.log.clone()).filter(|log| log.needs_recovery()).collect();
        let mut remaining = pending.len();
        for log in pending.into_iter().take(count) {
            if let Err(error) = log.ensure_open() {
                tracing::error!("cannot recover the log of partition {}: {error}", log.partition());
                self.log_failed(&log, &error);
            }
            remaining -= 1;
        }
        remaining
    }

    pub(super) fn log_failed(&self, log: &Log, error: &LogError) {
        if error.is_storage()
            && let Some(dir) = log.dir().parent()
        {
            self.fail_dir(dir, &error.message);
        }
    }

    /// Closes all logs, writes the checkpoints and, where every log of a directory is in order, the mark of a clean
    /// shutdown. Logs may be closed beforehand, by several threads: see [`LogManager::logs`] and [`Log::close`].
    pub fn shutdown(&self, broker_epoch: i64, now_ms: TimestampMs) -> Result<()> {
        let entries: Vec<Entry> = self.logs.read().all().map(|(_, entry)| entry.clone()).collect();
        let mut unclean = BTreeSet::new();
        let mut first_error = None;
        for entry in entries {
            if entry.log.needs_recovery() {
                unclean.insert(entry.dir);
            } else if let Err(error) = entry.log.close(now_ms) {
                tracing::error!("cannot close the log of partition {}: {error}", entry.log.partition());
                unclean.insert(entry.dir);
                first_error.get_or_insert(error);
            }
        }
        for (at, dir) in self.dirs.iter().enumerate() {
            let in_order = dir.is_online() && self.write_checkpoints_of(at) && !unclean.contains(&at);
            if in_order && let Err(error) = clean_shutdown::write(self.disk(), &dir.path, broker_epoch) {
                tracing::error!("cannot mark {} as cleanly closed: {error}", dir.path.display());
            }
            dir.unlock();
        }
        first_error.map_or(Ok(()), Err)
    }
}

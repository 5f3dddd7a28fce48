//! All logs of a broker, in its log directories.

mod checkpoints;
mod create;
mod dirs;
mod start;
#[cfg(test)]
mod tests;
mod tick;

pub use dirs::LogDirInfo;
pub use tick::TickReport;

use crate::config::LogConfig;
use crate::error::{LogError, Result};
use crate::log::{Log, LogContext};
use crate::producer::ProducerStateConfig;
use dirs::Dir;
use ottla_base::{Disk, ErrorCode, Rng, TimestampMs, TopicPartition, Uuid};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The broker's settings for all its logs; Kafka's keys and defaults unless it says otherwise.
#[derive(Clone, Debug)]
pub struct LogManagerConfig {
    /// `log.dirs`
    pub log_dirs: Vec<PathBuf>,
    /// For topics without a configuration of their own.
    pub default_config: Arc<LogConfig>,
    pub producers: ProducerStateConfig,
    /// Ottla's own: the handles kept open for all logs together.
    pub max_open_files: usize,
    /// Ottla's own: a log unused for so long gives up memory and handles.
    pub park_after_ms: i64,
    /// `log.retention.check.interval.ms`
    pub retention_check_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`
    pub recovery_point_interval_ms: i64,
    /// `log.flush.start.offset.checkpoint.interval.ms`
    pub log_start_offset_interval_ms: i64,
    /// `replica.high.watermark.checkpoint.interval.ms`
    pub high_watermark_interval_ms: i64,
    /// `producer.id.expiration.check.interval.ms`
    pub producer_expiration_interval_ms: i64,
}

impl LogManagerConfig {
    pub fn new(log_dirs: Vec<PathBuf>) -> Self {
        LogManagerConfig {
            log_dirs,
            default_config: Arc::default(),
            producers: ProducerStateConfig::default(),
            max_open_files: 10_000,
            park_after_ms: 10 * 60_000,
            retention_check_interval_ms: 5 * 60_000,
            recovery_point_interval_ms: 60_000,
            log_start_offset_interval_ms: 60_000,
            high_watermark_interval_ms: 5_000,
            producer_expiration_interval_ms: 10 * 60_000,
        }
    }
}

/// A log and the directory it is in, by its place in `LogManager::dirs`.
#[derive(Clone)]
struct Entry {
    log: Arc<Log>,
    dir: usize,
}

#[derive(Default)]
struct Logs {
    current: BTreeMap<TopicPartition, Entry>,
    /// Copies being made in another directory (KIP-113).
    future: BTreeMap<TopicPartition, Entry>,
}

impl Logs {
    fn map_mut(&mut self, future: bool) -> &mut BTreeMap<TopicPartition, Entry> {
        if future { &mut self.future } else { &mut self.current }
    }

    fn all(&self) -> impl Iterator<Item = (&TopicPartition, &Entry)> {
        self.current.iter().chain(&self.future)
    }
}

/// A renamed directory, and when its files may go.
struct Deletion {
    due_ms: TimestampMs,
    path: PathBuf,
    dir: usize,
}

/// The logs of a broker. A start lists directories and reads checkpoints; logs open when first used.
pub struct LogManager {
    config: LogManagerConfig,
    context: Arc<LogContext>,
    rng: Arc<dyn Rng>,
    dirs: Vec<Dir>,
    logs: RwLock<Logs>,
    topic_configs: RwLock<BTreeMap<Arc<str>, Arc<LogConfig>>>,
    default_config: RwLock<Arc<LogConfig>>,
    deletions: Mutex<Vec<Deletion>>,
    strays: Mutex<Vec<PathBuf>>,
    /// Makes creations and deletions happen one at a time.
    changing: Mutex<()>,
    schedule: Mutex<tick::Schedule>,
}

impl LogManager {
    fn disk(&self) -> &dyn Disk {
        &*self.context.files().disk
    }

    pub fn context(&self) -> &Arc<LogContext> {
        &self.context
    }

    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().current.get(partition).map(|entry| entry.log.clone())
    }

    pub fn get_future(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().future.get(partition).map(|entry| entry.log.clone())
    }

    /// All logs but those in the making, in the order of their partitions.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().current.values().map(|entry| entry.log.clone()).collect()
    }

    pub fn future_logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().future.values().map(|entry| entry.log.clone()).collect()
    }

    pub fn len(&self) -> usize {
        self.logs.read().current.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Directories of partitions that the cluster's metadata does not know; left for a person to look at.
    pub fn strays(&self) -> Vec<PathBuf> {
        self.strays.lock().clone()
    }

    // --- configuration ---

    /// The configuration of a topic's logs, present and to come. `None` takes it back to the default.
    pub fn update_topic_config(&self, topic: &str, config: Option<Arc<LogConfig>>) {
        let effective = config.clone().unwrap_or_else(|| self.default_config.read().clone());
        match config {
            Some(config) => self.topic_configs.write().insert(topic.into(), config),
            None => self.topic_configs.write().remove(topic),
        };
        for log in self.logs_of_topic(topic) {
            log.update_config(effective.clone());
        }
    }

    /// The configuration of topics that have none of their own.
    pub fn update_default_config(&self, config: Arc<LogConfig>) {
        *self.default_config.write() = config.clone();
        let configured = self.topic_configs.read();
        for (partition, entry) in self.logs.read().all() {
            if !configured.contains_key(&partition.topic) {
                entry.log.update_config(config.clone());
            }
        }
    }

    pub fn topic_config(&self, topic: &str) -> Arc<LogConfig> {
        let known = self.topic_configs.read().get(topic).cloned();
        known.unwrap_or_else(|| self.default_config.read().clone())
    }

    fn logs_of_topic(&self, topic: &str) -> Vec<Arc<Log>> {
        let logs = self.logs.read();
        let first = TopicPartition::new(topic, i32::MIN);
        let of_topic = |map: &BTreeMap<TopicPartition, Entry>| -> Vec<Arc<Log>> {
            let from = map.range(first.clone()..);
            from.take_while(|(partition, _)| *partition.topic == *topic).map(|(_, entry)| entry.log.clone()).collect()
        };
        let mut found = of_topic(&logs.current);
        found.extend(of_topic(&logs.future));
        found
    }

    // --- directories ---

    /// Every configured directory, the failed ones included.
    pub fn dirs(&self) -> Vec<LogDirInfo> {
        let logs = self.logs.read();
        self.dirs
            .iter()
            .enumerate()
            .map(|(at, dir)| dir.info(logs.all().filter(|(_, entry)| entry.dir == at).count()))
            .collect()
    }

    pub fn online_directory_ids(&self) -> Vec<Uuid> {
        self.dirs.iter().filter(|dir| dir.is_online()).filter_map(|dir| dir.id).collect()
    }

    /// The id of the directory that a partition's log is in.
    pub fn directory_of(&self, partition: &TopicPartition) -> Option<Uuid> {
        let logs = self.logs.read();
        self.dirs.get(logs.current.get(partition)?.dir)?.id
    }

    /// The path of the directory that a partition's log is in.
    pub fn directory_path_of(&self, partition: &TopicPartition) -> Option<PathBuf> {
        let logs = self.logs.read();
        Some(self.dirs.get(logs.current.get(partition)?.dir)?.path.clone())
    }

    /// Takes a directory out of service, after an error of its disk. Returns the partitions that are offline by that.
    pub fn fail_dir(&self, path: &Path, reason: &str) -> Vec<TopicPartition> {
        let Some(at) = self.dirs.iter().position(|dir| dir.path == path) else { return Vec::new() };
        if !self.dirs.get(at).is_some_and(|dir| dir.fail(reason)) {
            return Vec::new();
        }
        let mut logs = self.logs.write();
        let mut offline = Vec::new();
        for future in [false, true] {
            let map = std::mem::take(logs.map_mut(future));
            let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = map.into_iter().partition(|(_, e)| e.dir == at);
            *logs.map_mut(future) = kept;
            for (partition, entry) in gone {
                entry.log.abandon();
                if !future {
                    offline.push(partition);
                }
            }
        }
        offline
    }

    fn offline_error(&self, what: &str) -> LogError {
        let offline: Vec<String> =
            self.dirs.iter().filter(|dir| !dir.is_online()).map(|dir| dir.path.display().to_string()).collect();
        LogError::new(
            ErrorCode::KafkaStorageError,
            format!("{what}: log directories {} are offline", offline.join(", ")),
        )
    }

    fn online_dir(&self, at: usize) -> Result<&Dir> {
        match self.dirs.get(at) {
            Some(dir) if dir.is_online() => Ok(dir),
            _ => Err(self.offline_error("cannot use the log directory")),
        }
    }
}

//! One log directory.

use crate::files::meta_properties::MetaProperties;
use crate::files::{checkpoint, clean_shutdown};
use crate::names;
use ottla_base::{Disk, DiskLock, Offset, TopicPartition, Uuid};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A log directory, as one asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirInfo {
    pub path: PathBuf,
    pub id: Option<Uuid>,
    /// Why it is out of service, if it is.
    pub failure: Option<String>,
    pub had_clean_shutdown: bool,
    /// From the mark of the last clean shutdown.
    pub previous_broker_epoch: Option<i64>,
    pub meta: Option<MetaProperties>,
    pub log_count: usize,
}

pub(super) struct Dir {
    pub(super) path: PathBuf,
    pub(super) id: Option<Uuid>,
    pub(super) meta: Option<MetaProperties>,
    pub(super) had_clean_shutdown: bool,
    pub(super) previous_broker_epoch: Option<i64>,
    lock: Mutex<Option<Box<dyn DiskLock>>>,
    failure: Mutex<Option<String>>,
    /// What the checkpoint files hold, by a hash, so that nothing is written that is there already.
    pub(super) written: Mutex<BTreeMap<&'static str, u64>>,
}

/// The offsets in the checkpoint files of a directory.
#[derive(Default)]
pub(super) struct Checkpoints {
    pub(super) recovery_points: BTreeMap<TopicPartition, Offset>,
    pub(super) log_start_offsets: BTreeMap<TopicPartition, Offset>,
    pub(super) high_watermarks: BTreeMap<TopicPartition, Offset>,
}

impl Dir {
    /// Makes the directory if need be, locks it, and reads what says whose it is. A directory that is locked by
    /// another broker is an error; one whose disk does not work is a directory out of service.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Dir> {
        let mut dir = Dir {
            path: path.to_owned(),
            id: None,
            meta: None,
            had_clean_shutdown: false,
            previous_broker_epoch: None,
            lock: Mutex::new(None),
            failure: Mutex::new(None),
            written: Mutex::default(),
        };
        match dir.prepare(disk) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    format!(
                        "Failed to acquire lock on file {} in {}. A Kafka instance in another process or thread is using \
                         this directory: stop it, or give this one a log.dirs of its own.",
                        names::LOCK_FILE,
                        path.display()
                    ),
                ));
            }
            Err(error) => {
                dir.fail(&error.to_string());
            }
        }
        Ok(dir)
    }

    fn prepare(&mut self, disk: &dyn Disk) -> io::Result<()> {
        disk.create_dir_all(&self.path)?;
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent)?;
        }
        *self.lock.get_mut() = Some(disk.lock(&self.path.join(names::LOCK_FILE))?);
        self.meta = MetaProperties::read(disk, &self.path)?;
        self.id = self.meta.as_ref().and_then(|meta| meta.directory_id);
        self.had_clean_shutdown = clean_shutdown::exists(disk, &self.path);
        self.previous_broker_epoch = clean_shutdown::read_broker_epoch(disk, &self.path);
        Ok(())
    }

    pub(super) fn is_online(&self) -> bool {
        self.failure.lock().is_none()
    }

    /// Takes it out of service; false if it was already.
    pub(super) fn fail(&self, reason: &str) -> bool {
        let mut failure = self.failure.lock();
        if failure.is_some() {
            return false;
        }
        tracing::error!("log directory {} is out of service: {reason}", self.path.display());
        *failure = Some(reason.to_owned());
        *self.lock.lock() = None;
        true
    }

    pub(super) fn unlock(&self) {
        *self.lock.lock() = None;
    }

    pub(super) fn info(&self, log_count: usize) -> LogDirInfo {
        LogDirInfo {
            path: self.path.clone(),
            id: self.id,
            failure: self.failure.lock().clone(),
            had_clean_shutdown: self.had_clean_shutdown,
            previous_broker_epoch: self.previous_broker_epoch,
            meta: self.meta.clone(),
            log_count,
        }
    }

    /// A damaged file of recovery points or log start offsets costs a longer recovery, no more, so it does not keep
    /// the broker from starting.
    pub(super) fn read_checkpoints(&self, disk: &dyn Disk) -> Checkpoints {
        let read = |name: &str| {
            let path = self.path.join(name);
            match checkpoint::read_offsets(disk, &path) {
                Ok(entries) => entries.into_iter().collect(),
                Err(error) => {
                    tracing::warn!("ignoring checkpoint file {}: {error}", path.display());
                    BTreeMap::new()
                }
            }
        };
        Checkpoints {
            recovery_points: read(names::RECOVERY_POINT_CHECKPOINT),
            log_start_offsets: read(names::LOG_START_OFFSET_CHECKPOINT),
            high_watermarks: read(names::HIGH_WATERMARK_CHECKPOINT),
        }
    }
}

//! Writing the checkpoint files.

use super::LogManager;
use crate::files::checkpoint;
use crate::log::Log;
use crate::names;
use ottla_base::{Offset, TopicPartition};

/// Which offset of a log a checkpoint file holds.
type Pick = fn(&Log) -> Option<Offset>;

const RECOVERY_POINTS: (&str, Pick) = (names::RECOVERY_POINT_CHECKPOINT, |log| Some(log.recovery_point()));
const LOG_START_OFFSETS: (&str, Pick) = (names::LOG_START_OFFSET_CHECKPOINT, |log| log.log_start_to_checkpoint());
const HIGH_WATERMARKS: (&str, Pick) = (names::HIGH_WATERMARK_CHECKPOINT, |log| Some(log.high_watermark()));

impl LogManager {
    /// How far every log is on disk.
    pub fn checkpoint_recovery_points(&self) {
        self.checkpoint_everywhere(RECOVERY_POINTS);
    }

    /// Where logs begin that do not begin with a segment.
    pub fn checkpoint_log_start_offsets(&self) {
        self.checkpoint_everywhere(LOG_START_OFFSETS);
    }

    pub fn checkpoint_high_watermarks(&self) {
        self.checkpoint_everywhere(HIGH_WATERMARKS);
    }

    fn checkpoint_everywhere(&self, (name, pick): (&'static str, Pick)) {
        for at in 0..self.dirs.len() {
            self.checkpoint(at, name, pick);
        }
    }

    /// All files of one directory. False when the directory is out of service, perhaps by this.
    pub(super) fn write_checkpoints_of(&self, at: usize) -> bool {
        let files = [RECOVERY_POINTS, LOG_START_OFFSETS, HIGH_WATERMARKS];
        files.into_iter().all(|(name, pick)| self.checkpoint(at, name, pick))
    }

    pub(super) fn write_recovery_points_of(&self, at: usize) -> bool {
        let (name, pick) = RECOVERY_POINTS;
        self.checkpoint(at, name, pick)
    }

    fn checkpoint(&self, at: usize, name: &'static str, pick: Pick) -> bool {
        let Ok(dir) = self.online_dir(at) else { return false };
        // Two writers must not use the same temporary file.
        let mut written = dir.written.lock();
        let entries: Vec<(TopicPartition, Offset)> = {
            let logs = self.logs.read();
            let here = logs.current.iter().filter(|(_, entry)| entry.dir == at);
            here.filter_map(|(partition, entry)| Some((partition.clone(), pick(&entry.log)?))).collect()
        };
        let hash = hash_of(&entries);
        if written.get(name) == Some(&hash) {
            return true;
        }
        let path = dir.path.join(name);
        let lines = entries.iter().map(|(partition, offset)| (partition, *offset));
        let result = checkpoint::write_offsets(self.disk(), &path, lines);
        if result.is_ok() {
            written.insert(name, hash);
        }
        drop(written);
        match result {
            Ok(()) => true,
            Err(error) => {
                self.fail_dir(&dir.path, &format!("writing {}: {error}", path.display()));
                false
            }
        }
    }
}

/// FNV-1a.
fn hash_of(entries: &[(TopicPartition, Offset)]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(&entries.len().to_be_bytes());
    for (partition, offset) in entries {
        add(partition.topic.as_bytes());
        add(&partition.partition.to_be_bytes());
        add(&offset.to_be_bytes());
    }
    hash
}

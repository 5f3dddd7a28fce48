//! Names of files and directories.

use crate::error::invalid_data;
use ottla_base::{Offset, TopicPartition, Uuid};
use std::io;

pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";
pub const LOCK_FILE: &str = ".lock";
pub const META_PROPERTIES_FILE: &str = "meta.properties";
pub const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
pub const LOG_START_OFFSET_CHECKPOINT: &str = "log-start-offset-checkpoint";
pub const HIGH_WATERMARK_CHECKPOINT: &str = "replication-offset-checkpoint";
pub const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
pub const PARTITION_METADATA_FILE: &str = "partition.metadata";
pub const REMOTE_INDEX_CACHE_DIR: &str = "remote-log-index-cache";
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

pub(crate) const DELETED: &str = ".deleted";
pub(crate) const CLEANED: &str = ".cleaned";
pub(crate) const SWAP: &str = ".swap";
/// Snapshots of KRaft live in the log's directory, but are the quorum's to delete.
pub(crate) const DELETED_CHECKPOINT: &str = ".checkpoint.deleted";

/// A directory name may have this many bytes on the usual file systems.
const MAX_DIR_NAME: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl FileKind {
    pub(crate) const OF_SEGMENT: [FileKind; 4] =
        [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

    pub(crate) fn extension(self) -> &'static str {
        match self {
            FileKind::Log => ".log",
            FileKind::OffsetIndex => ".index",
            FileKind::TimeIndex => ".timeindex",
            FileKind::TxnIndex => ".txnindex",
            FileKind::Snapshot => ".snapshot",
        }
    }
}

/// `00000000000000000042.log`
pub(crate) fn file_name(offset: Offset, kind: FileKind) -> String {
    format!("{offset:020}{}", kind.extension())
}

/// The offset a file name starts with, and what follows it.
pub(crate) fn parse_offset(name: &str) -> Option<(Offset, &str)> {
    let dot = name.find('.')?;
    // The greatest offset is left out, so that there is always a next one.
    let offset = name[..dot].parse::<Offset>().ok().filter(|offset| (0..Offset::MAX).contains(offset))?;
    Some((offset, &name[dot..]))
}

/// The offset in the name of a file of this kind, `None` for other files.
pub(crate) fn parse_file_name(name: &str, kind: FileKind) -> Option<Offset> {
    parse_offset(name).filter(|(_, rest)| *rest == kind.extension()).map(|(offset, _)| offset)
}

/// What a partition's directory is for, from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirKind {
    /// `topic-0`
    Current,
    /// `topic-0.<id>-future`: the copy being made in another log directory (KIP-113).
    Future,
    /// `topic-0.<id>-delete`: waits for its files to be removed.
    Delete,
    /// `topic-0.<id>-stray`: not of this cluster's metadata; left for a person to look at.
    Stray,
}

impl DirKind {
    fn suffix(self) -> &'static str {
        match self {
            DirKind::Current => "",
            DirKind::Future => "-future",
            DirKind::Delete => "-delete",
            DirKind::Stray => "-stray",
        }
    }
}

/// The name of a partition's directory. `id` tells apart the several that may exist of one partition;
/// the topic is cut where the name would become too long for a file system, except for `-future`.
pub fn dir_name(partition: &TopicPartition, kind: DirKind, id: Uuid) -> String {
    if kind == DirKind::Current {
        return partition.to_string();
    }
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let rest = format!("-{}.{hex}{}", partition.partition, kind.suffix());
    let mut topic: &str = &partition.topic;
    if kind != DirKind::Future {
        let mut end = topic.len().min(MAX_DIR_NAME - rest.len());
        while !topic.is_char_boundary(end) {
            end -= 1;
        }
        topic = &topic[..end];
    }
    format!("{topic}{rest}")
}

/// Reads a directory name. For `-delete` and `-stray` the topic may have been cut.
pub fn parse_dir_name(name: &str) -> io::Result<(TopicPartition, DirKind)> {
    let error = || {
        invalid_data(format!(
            "found directory '{name}', which is not in the form topic-partition (or topic-partition.uniqueId-delete, \
             -future or -stray): log directories must only contain topic data; move it elsewhere"
        ))
    };
    let kind = [DirKind::Delete, DirKind::Future, DirKind::Stray].into_iter().find(|k| name.ends_with(k.suffix()));
    let partition = match kind {
        None => name,
        Some(_) => name.rsplit_once('.').ok_or_else(error)?.0,
    };
    let (topic, number) = partition.rsplit_once('-').ok_or_else(error)?;
    if topic.is_empty() {
        return Err(error());
    }
    let number = number.parse::<i32>().map_err(|_| error())?;
    Ok((TopicPartition::new(topic, number), kind.unwrap_or(DirKind::Current)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_kafkas() {
        assert_eq!(file_name(42, FileKind::TimeIndex), "00000000000000000042.timeindex");
        assert_eq!(parse_file_name("00000000000000000042.log", FileKind::Log), Some(42));
        assert_eq!(parse_file_name("00000000000000000042.log.deleted", FileKind::Log), None);
        assert_eq!(parse_file_name("leader-epoch-checkpoint", FileKind::Log), None);
    }

    #[test]
    fn directory_names_go_there_and_back() {
        let partition = TopicPartition::new("a-b.c", 7);
        for kind in [DirKind::Current, DirKind::Future, DirKind::Delete, DirKind::Stray] {
            let name = dir_name(&partition, kind, Uuid::ONE);
            assert_eq!(parse_dir_name(&name).unwrap(), (partition.clone(), kind), "{name}");
        }
        assert_eq!(dir_name(&partition, DirKind::Delete, Uuid::ONE), "a-b.c-7.00000000000000000000000000000001-delete");
    }

    #[test]
    fn a_long_topic_is_cut() {
        let partition = TopicPartition::new("x".repeat(249), 12);
        assert_eq!(dir_name(&partition, DirKind::Delete, Uuid::ONE).len(), 255);
        assert_eq!(dir_name(&partition, DirKind::Future, Uuid::ONE).len(), 249 + 3 + 1 + 32 + 7);
    }

    #[test]
    fn foreign_directories_are_refused() {
        for name in ["lost+found", "topic", "-0", "topic-x", "topic-0-delete"] {
            assert!(parse_dir_name(name).is_err(), "{name}");
        }
    }
}

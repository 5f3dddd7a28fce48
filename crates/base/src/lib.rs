//! What every other crate shares: ids, error codes, and the traits through which the pure crates
//! reach the outside world ([`Disk`], [`Clock`], [`Rng`]).
//!
//! Invariant: this crate imports nothing of ours and touches no clock, file, socket or thread.

mod env;
mod error_code;
mod hash;
mod mem_disk;
mod uuid;

pub use env::{Clock, DirEntry, Disk, DiskFile, DiskLock, FileSlice, OpenMode, Rng, SeededRng, Space, Time};
pub use error_code::ErrorCode;
pub use hash::{java_string_hash, murmur2, partition_for_key};
pub use mem_disk::MemDisk;
pub use uuid::{ParseUuidError, Uuid};

use std::fmt;
use std::sync::Arc;

/// A record's position in a partition. -1 where Kafka means "none".
pub type Offset = i64;
/// The term of a partition leader (or of a raft leader). -1 where Kafka means "none".
pub type LeaderEpoch = i32;
/// A broker's or controller's `node.id`. -1 where Kafka means "none".
pub type NodeId = i32;
/// A wall-clock instant: milliseconds since 1970, as records carry it. -1 where Kafka means "none".
pub type TimestampMs = i64;

/// One partition of one topic, by name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

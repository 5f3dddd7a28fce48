//! What a log needs to know of its topic's configuration.

use ottla_wire::records::TimestampType;
use std::fmt;

/// `compression.type` (KIP-390 for the levels).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// Kept as the producer sent it.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// `cleanup.policy`: any subset of `delete` and `compact`, the empty one included (KIP-1141).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub delete: bool,
    pub compact: bool,
}

impl CleanupPolicy {
    pub const DELETE: CleanupPolicy = CleanupPolicy { delete: true, compact: false };
    pub const COMPACT: CleanupPolicy = CleanupPolicy { delete: false, compact: true };
    pub const NONE: CleanupPolicy = CleanupPolicy { delete: false, compact: false };
}

/// The configuration of one topic's logs. Every field is Kafka's topic config of the same name,
/// the default Kafka's default; bytes and milliseconds unless the name says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    pub segment_bytes: i32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: at this size an index is full and its segment rolls.
    pub segment_index_bytes: i32,
    pub index_interval_bytes: i32,
    /// -1 for no limit.
    pub retention_bytes: i64,
    /// -1 for no limit.
    pub retention_ms: i64,
    pub max_message_bytes: i32,
    pub message_timestamp_type: TimestampType,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_after_max_ms: i64,
    pub compression_type: CompressionType,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_zstd_level: i32,
    pub cleanup_policy: CleanupPolicy,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    /// `flush.messages`
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub preallocate: bool,
    pub unclean_leader_election_enable: bool,
    pub min_insync_replicas: i32,
}

const HOUR_MS: i64 = 60 * 60 * 1000;

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * HOUR_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_bytes: -1,
            retention_ms: 7 * 24 * HOUR_MS,
            max_message_bytes: 1_048_588,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: HOUR_MS,
            compression_type: CompressionType::Producer,
            compression_gzip_level: -1,
            compression_lz4_level: 9,
            compression_zstd_level: 3,
            cleanup_policy: CleanupPolicy::DELETE,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * HOUR_MS,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            preallocate: false,
            unclean_leader_election_enable: false,
            min_insync_replicas: 1,
        }
    }
}

impl LogConfig {
    /// A compacted topic must also roll early enough for `max.compaction.lag.ms` to be kept.
    pub(crate) fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            self.max_compaction_lag_ms.min(self.segment_ms)
        } else {
            self.segment_ms
        }
    }

    pub(crate) fn max_offset_index_entries(&self) -> u32 {
        (self.segment_index_bytes.max(0) / 8) as u32
    }

    pub(crate) fn max_time_index_entries(&self) -> u32 {
        (self.segment_index_bytes.max(0) / 12) as u32
    }
}

impl fmt::Display for CleanupPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.compact, self.delete) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            (false, true) => "delete",
            (false, false) => "",
        })
    }
}

//! A topic's settings, in the log's terms.

use ottla_config::{BrokerCompressionType, TimestampType, TopicSettings};
use ottla_log::{CleanupPolicy, CompressionType, LogConfig};

pub fn log_config(settings: &TopicSettings) -> LogConfig {
    LogConfig {
        segment_bytes: settings.segment_size(),
        segment_ms: settings.segment_ms,
        segment_jitter_ms: settings.segment_jitter_ms,
        segment_index_bytes: settings.segment_index_bytes,
        index_interval_bytes: settings.index_interval_bytes,
        retention_bytes: settings.retention_bytes,
        retention_ms: settings.retention_ms,
        max_message_bytes: settings.max_message_bytes,
        message_timestamp_type: match settings.message_timestamp_type {
            TimestampType::CreateTime => ottla_log::TimestampType::CreateTime,
            TimestampType::LogAppendTime => ottla_log::TimestampType::LogAppendTime,
        },
        message_timestamp_before_max_ms: settings.message_timestamp_before_max_ms,
        message_timestamp_after_max_ms: settings.message_timestamp_after_max_ms,
        compression_type: match settings.compression_type {
            BrokerCompressionType::Producer => CompressionType::Producer,
            BrokerCompressionType::Uncompressed => CompressionType::Uncompressed,
            BrokerCompressionType::Gzip => CompressionType::Gzip,
            BrokerCompressionType::Snappy => CompressionType::Snappy,
            BrokerCompressionType::Lz4 => CompressionType::Lz4,
            BrokerCompressionType::Zstd => CompressionType::Zstd,
        },
        compression_gzip_level: settings.compression_gzip_level,
        compression_lz4_level: settings.compression_lz4_level,
        compression_zstd_level: settings.compression_zstd_level,
        cleanup_policy: CleanupPolicy {
            delete: settings.cleanup_policy.delete,
            compact: settings.cleanup_policy.compact,
        },
        min_cleanable_dirty_ratio: settings.min_cleanable_dirty_ratio,
        min_compaction_lag_ms: settings.min_compaction_lag_ms,
        max_compaction_lag_ms: settings.max_compaction_lag_ms,
        delete_retention_ms: settings.delete_retention_ms,
        file_delete_delay_ms: settings.file_delete_delay_ms,
        flush_messages: settings.flush_messages,
        flush_ms: settings.flush_ms,
        preallocate: settings.preallocate,
        unclean_leader_election_enable: settings.unclean_leader_election_enable,
        min_insync_replicas: settings.min_insync_replicas,
    }
}

//! Settings of the group coordinator, by the names and with the defaults of Kafka's broker configs.

/// Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `offset.metadata.max.bytes` (compared, as in Kafka, with the length in UTF-16 units).
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: u64,
    /// `offsets.commit.timeout.ms`: how long a write may wait for the high watermark.
    pub offset_commit_timeout_ms: u64,
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.max.size`
    pub max_size: usize,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// How long a member that has not joined before may stay in a rebalance without a sign of life. No config
    /// in Kafka.
    pub new_member_join_timeout_ms: i32,
    /// Records of several requests go into one batch up to this many bytes. Must be below the `max.message.bytes`
    /// of `__consumer_offsets`.
    pub append_max_bytes: usize,
}

impl Default for GroupConfig {
    fn default() -> Self {
        const MINUTE_MS: i32 = 60_000;
        GroupConfig {
            offset_metadata_max_bytes: 4096,
            offsets_retention_ms: 7 * 24 * 60 * i64::from(MINUTE_MS),
            offsets_retention_check_interval_ms: 600_000,
            offset_commit_timeout_ms: 5000,
            min_session_timeout_ms: 6000,
            max_session_timeout_ms: 30 * MINUTE_MS,
            max_size: i32::MAX as usize,
            initial_rebalance_delay_ms: 3000,
            new_member_join_timeout_ms: 5 * MINUTE_MS,
            append_max_bytes: 512 * 1024,
        }
    }
}

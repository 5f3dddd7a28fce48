//! The effective settings of one topic, typed: Kafka's `LogConfig`.

use std::collections::BTreeMap;

use crate::broker_config::BrokerConfig;
use crate::definitions;
use crate::error::ConfigError;
use crate::java;
use crate::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub compact: bool,
    pub delete: bool,
}

/// `compression.type`. `Producer` keeps what the producer used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerCompressionType {
    Uncompressed,
    Zstd,
    Lz4,
    Snappy,
    Gzip,
    Producer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// `leader.replication.throttled.replicas` and its sister.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    All,
    /// Partition and broker; empty for none.
    Some(Vec<(i32, i32)>),
}

impl ThrottledReplicas {
    pub fn contains(&self, partition: i32, broker: i32) -> bool {
        match self {
            ThrottledReplicas::All => true,
            ThrottledReplicas::Some(replicas) => replicas.contains(&(partition, broker)),
        }
    }

    fn from_list(items: &[String]) -> ThrottledReplicas {
        if items.iter().any(|item| java::trim(item) == "*") {
            return ThrottledReplicas::All;
        }
        let pair = |item: &String| {
            let (partition, broker) = java::trim(item).split_once(':')?;
            Some((java::parse_int(partition)?, java::parse_int(broker)?))
        };
        ThrottledReplicas::Some(items.iter().filter_map(pair).collect())
    }
}

/// All settings of a topic, with nothing left to look up. Times are milliseconds, sizes bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSettings {
    pub cleanup_policy: CleanupPolicy,
    /// 1 to 9, or -1 for the default level.
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_type: BrokerCompressionType,
    pub compression_zstd_level: i32,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    /// Records between two forced flushes.
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub follower_replication_throttled_replicas: ThrottledReplicas,
    pub index_interval_bytes: i32,
    /// For tests; takes the place of `segment_bytes` and may be smaller: see [`TopicSettings::segment_size`].
    pub internal_segment_bytes: Option<i32>,
    pub leader_replication_throttled_replicas: ThrottledReplicas,
    /// -1 for no limit; -2 to follow `retention_bytes`: see [`TopicSettings::effective_local_retention_bytes`].
    pub local_retention_bytes: i64,
    /// -1 for no limit; -2 to follow `retention_ms`: see [`TopicSettings::effective_local_retention_ms`].
    pub local_retention_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: i32,
    pub message_timestamp_after_max_ms: i64,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_type: TimestampType,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub remote_log_copy_disable: bool,
    pub remote_log_delete_on_disable: bool,
    pub remote_storage_enable: bool,
    /// Negative for no limit.
    pub retention_bytes: i64,
    /// -1 for no limit.
    pub retention_ms: i64,
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
}

impl Default for TopicSettings {
    /// What a topic has when neither it nor the server sets anything.
    fn default() -> Self {
        match Self::from_parsed(&parse(&BTreeMap::new(), &BTreeMap::new())) {
            Ok(settings) => settings,
            // Invariant: the keys are written in this source, and the tables have them all.
            Err(error) => panic!("the defaults of topic settings are not valid: {error}"),
        }
    }
}

impl TopicSettings {
    /// What counts for a topic with these overrides on this server. `broker` must include what was changed while the
    /// server runs. Unknown overrides are ignored, as Kafka ignores what an older or newer controller left behind.
    pub fn resolve(overrides: &BTreeMap<String, String>, broker: &BrokerConfig) -> Result<TopicSettings, ConfigError> {
        Self::from_parsed(&parse(overrides, &broker_defaults(broker)))
    }

    fn from_parsed(values: &Result<TopicValues, ConfigError>) -> Result<TopicSettings, ConfigError> {
        let values = values.as_ref().map_err(Clone::clone)?;
        let policies = values.list("cleanup.policy");
        let has = |name: &str| policies.iter().any(|policy| policy == name);
        Ok(TopicSettings {
            cleanup_policy: CleanupPolicy { compact: has("compact"), delete: has("delete") },
            compression_gzip_level: values.int("compression.gzip.level"),
            compression_lz4_level: values.int("compression.lz4.level"),
            compression_type: compression_type(values.text("compression.type")),
            compression_zstd_level: values.int("compression.zstd.level"),
            delete_retention_ms: values.long("delete.retention.ms"),
            file_delete_delay_ms: values.long("file.delete.delay.ms"),
            flush_messages: values.long("flush.messages"),
            flush_ms: values.long("flush.ms"),
            follower_replication_throttled_replicas: ThrottledReplicas::from_list(
                values.list("follower.replication.throttled.replicas"),
            ),
            index_interval_bytes: values.int("index.interval.bytes"),
            internal_segment_bytes: values.optional_int("internal.segment.bytes"),
            leader_replication_throttled_replicas: ThrottledReplicas::from_list(
                values.list("leader.replication.throttled.replicas"),
            ),
            local_retention_bytes: values.long("local.retention.bytes"),
            local_retention_ms: values.long("local.retention.ms"),
            max_compaction_lag_ms: values.long("max.compaction.lag.ms"),
            max_message_bytes: values.int("max.message.bytes"),
            message_timestamp_after_max_ms: values.long("message.timestamp.after.max.ms"),
            message_timestamp_before_max_ms: values.long("message.timestamp.before.max.ms"),
            message_timestamp_type: timestamp_type(values.text("message.timestamp.type")),
            min_cleanable_dirty_ratio: values.double("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: values.long("min.compaction.lag.ms"),
            min_insync_replicas: values.int("min.insync.replicas"),
            preallocate: values.boolean("preallocate"),
            remote_log_copy_disable: values.boolean("remote.log.copy.disable"),
            remote_log_delete_on_disable: values.boolean("remote.log.delete.on.disable"),
            remote_storage_enable: values.boolean("remote.storage.enable"),
            retention_bytes: values.long("retention.bytes"),
            retention_ms: values.long("retention.ms"),
            segment_bytes: values.int("segment.bytes"),
            segment_index_bytes: values.int("segment.index.bytes"),
            segment_jitter_ms: values.long("segment.jitter.ms"),
            segment_ms: values.long("segment.ms"),
            unclean_leader_election_enable: values.boolean("unclean.leader.election.enable"),
        })
    }

    /// How large a segment may become, in bytes.
    pub fn segment_size(&self) -> i32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }

    /// How old a segment may become, in milliseconds: sooner where compaction must come sooner.
    pub fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            self.max_compaction_lag_ms.min(self.segment_ms)
        } else {
            self.segment_ms
        }
    }

    /// How many milliseconds earlier than due a segment rolls, from a random number.
    pub fn segment_jitter(&self, random: u64) -> i64 {
        let bound = self.segment_jitter_ms.min(self.segment_ms);
        if bound <= 0 { 0 } else { ((random >> 33) % bound as u64) as i64 }
    }

    pub fn effective_local_retention_ms(&self) -> i64 {
        if self.local_retention_ms == -2 { self.retention_ms } else { self.local_retention_ms }
    }

    pub fn effective_local_retention_bytes(&self) -> i64 {
        if self.local_retention_bytes == -2 { self.retention_bytes } else { self.local_retention_bytes }
    }
}

fn compression_type(name: &str) -> BrokerCompressionType {
    match name {
        "uncompressed" => BrokerCompressionType::Uncompressed,
        "zstd" => BrokerCompressionType::Zstd,
        "lz4" => BrokerCompressionType::Lz4,
        "snappy" => BrokerCompressionType::Snappy,
        "gzip" => BrokerCompressionType::Gzip,
        // The validator let no other name through.
        _ => BrokerCompressionType::Producer,
    }
}

fn timestamp_type(name: &str) -> TimestampType {
    if name == "LogAppendTime" { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
}

/// Every topic setting, parsed, by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicValues(pub(crate) BTreeMap<&'static str, Value>);

impl TopicValues {
    fn known(&self, key: &str) -> &Value {
        match self.0.get(key) {
            Some(value) => value,
            // Invariant: the keys are written in this source, and the tables have them all.
            None => panic!("Kafka has no topic setting {key}"),
        }
    }

    pub(crate) fn long(&self, key: &str) -> i64 {
        match self.known(key).as_i64() {
            Some(n) => n,
            // Invariant: the keys are written in this source, and the tables have them all.
            None => panic!("{key} is not a number"),
        }
    }

    fn optional_int(&self, key: &str) -> Option<i32> {
        self.known(key).as_i64().map(|n| n as i32)
    }

    fn int(&self, key: &str) -> i32 {
        self.long(key) as i32
    }

    fn double(&self, key: &str) -> f64 {
        match *self.known(key) {
            Value::Double(n) => n,
            // Invariant: the keys are written in this source, and the tables have them all.
            ref other => panic!("{key} is not a double but {other:?}"),
        }
    }

    pub(crate) fn boolean(&self, key: &str) -> bool {
        *self.known(key) == Value::Boolean(true)
    }

    fn text(&self, key: &str) -> &str {
        self.known(key).as_str().unwrap_or_default()
    }

    pub(crate) fn list(&self, key: &str) -> &[String] {
        self.known(key).as_list().unwrap_or_default()
    }
}

/// The overrides, then `defaults`, then Kafka's defaults; checked one by one in Kafka's order.
pub(crate) fn parse(
    overrides: &BTreeMap<String, String>,
    defaults: &BTreeMap<&'static str, Value>,
) -> Result<TopicValues, ConfigError> {
    let mut values = BTreeMap::new();
    for def in &definitions::TOPIC {
        let value = match (overrides.get(def.name), defaults.get(def.name)) {
            (Some(text), _) => def.parse_value(text)?,
            (None, Some(value)) => {
                def.validate(value)?;
                value.clone()
            }
            (None, None) => def.default_value(),
        };
        values.insert(def.name, value);
    }
    Ok(TopicValues(values))
}

/// What a server's own settings mean for topics that do not override them (`KafkaConfig.extractLogConfigMap`).
pub(crate) fn broker_defaults(broker: &BrokerConfig) -> BTreeMap<&'static str, Value> {
    let mut defaults = BTreeMap::new();
    for def in &definitions::TOPIC {
        let value = match def.name {
            "segment.ms" => Value::Long(broker.log_roll_ms()),
            "segment.jitter.ms" => Value::Long(broker.log_roll_jitter_ms()),
            "retention.ms" => Value::Long(broker.log_retention_ms()),
            "flush.ms" => Value::Long(broker.log_flush_interval_ms()),
            _ => match def.synonyms.first().and_then(|synonym| broker.value(synonym.name)) {
                Some(value) => value.clone(),
                None => continue,
            },
        };
        defaults.insert(def.name, value);
    }
    defaults
}

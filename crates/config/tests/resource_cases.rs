//! Every case in `data/resource-cases.txt` ends as it does with the real classes (`data/resource-outcomes.txt`): settings
//! of topics, groups and subscriptions, and dynamic settings of brokers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use ottla_config::schema::ConfigLayers;
use ottla_config::{
    BrokerCompressionType, BrokerConfig, ConfigError, DescribedConfig, DynamicBrokerConfig, ErrorKind, GroupSettings,
    Properties, ShareAutoOffsetReset, ThrottledReplicas, TimestampType, TopicSettings, definitions,
    describe_client_metrics, validate_client_metrics_config, validate_dynamic_configs, validate_group_config,
    validate_topic_config, validate_topic_config_change,
};

type Map = BTreeMap<String, String>;

/// The parts of a case: `static/key=value` is a key of the part `static`, a lone word a part without keys.
struct Case(BTreeMap<String, Map>);

impl Case {
    fn parse(text: &str) -> Case {
        let mut parts: BTreeMap<String, Map> = BTreeMap::new();
        for (key, entry) in Properties::parse(text.as_bytes(), "case").unwrap().iter() {
            let (part, key) = key.split_once('/').unwrap_or((key, ""));
            let part = parts.entry(part.to_owned()).or_default();
            if !key.is_empty() {
                part.insert(key.to_owned(), entry.value.clone());
            }
        }
        Case(parts)
    }

    fn has(&self, part: &str) -> bool {
        self.0.contains_key(part)
    }

    fn part(&self, name: &str) -> Map {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn broker(&self) -> DynamicBrokerConfig {
        let base = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("controller.quorum.voters", "1@localhost:9093"),
        ];
        let mut properties: Properties = base.into_iter().collect();
        for (key, value) in self.part("static") {
            properties.set(&key, &value, "case");
        }
        let mut config = DynamicBrokerConfig::new(Arc::new(BrokerConfig::new(&properties).unwrap()));
        config.update_default(&self.part("default"));
        config.update_broker(&self.part("broker"));
        config
    }
}

fn outcome<T>(what: &str, result: &Result<T, ConfigError>, out: &mut String) {
    let text = match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let class = match error.kind {
                ErrorKind::Config => "ConfigException",
                ErrorKind::InvalidConfiguration => "InvalidConfigurationException",
                ErrorKind::InvalidRequest => "InvalidRequestException",
                ErrorKind::InvalidTopic => "InvalidTopicException",
                ErrorKind::IllegalArgument => "IllegalArgumentException",
            };
            format!("{class}: {}", error.message)
        }
    };
    let _ = writeln!(out, "{what}: {text}");
}

fn throttled(replicas: &ThrottledReplicas) -> String {
    match replicas {
        ThrottledReplicas::All => "*".to_owned(),
        ThrottledReplicas::Some(list) => {
            list.iter().map(|(partition, broker)| format!("{partition}:{broker}")).collect::<Vec<_>>().join(",")
        }
    }
}

fn topic_settings(s: &TopicSettings, out: &mut String) {
    let mut policy = Vec::new();
    policy.extend(s.cleanup_policy.compact.then_some("compact"));
    policy.extend(s.cleanup_policy.delete.then_some("delete"));
    let compression = match s.compression_type {
        BrokerCompressionType::Uncompressed => "uncompressed",
        BrokerCompressionType::Zstd => "zstd",
        BrokerCompressionType::Lz4 => "lz4",
        BrokerCompressionType::Snappy => "snappy",
        BrokerCompressionType::Gzip => "gzip",
        BrokerCompressionType::Producer => "producer",
    };
    let timestamp = match s.message_timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let ratio = match s.min_cleanable_dirty_ratio {
        1e-5 => "1.0E-5".to_owned(),
        nan if nan.is_nan() => "NaN".to_owned(),
        ratio => format!("{ratio:?}"),
    };
    let values = [
        ("cleanup.policy", policy.join(",")),
        ("compression.gzip.level", s.compression_gzip_level.to_string()),
        ("compression.lz4.level", s.compression_lz4_level.to_string()),
        ("compression.type", compression.to_owned()),
        ("compression.zstd.level", s.compression_zstd_level.to_string()),
        ("delete.retention.ms", s.delete_retention_ms.to_string()),
        ("file.delete.delay.ms", s.file_delete_delay_ms.to_string()),
        ("flush.messages", s.flush_messages.to_string()),
        ("flush.ms", s.flush_ms.to_string()),
        ("follower.replication.throttled.replicas", throttled(&s.follower_replication_throttled_replicas)),
        ("index.interval.bytes", s.index_interval_bytes.to_string()),
        ("internal.segment.bytes", s.internal_segment_bytes.map_or("null".to_owned(), |n| n.to_string())),
        ("leader.replication.throttled.replicas", throttled(&s.leader_replication_throttled_replicas)),
        ("local.retention.bytes", s.local_retention_bytes.to_string()),
        ("local.retention.ms", s.local_retention_ms.to_string()),
        ("max.compaction.lag.ms", s.max_compaction_lag_ms.to_string()),
        ("max.message.bytes", s.max_message_bytes.to_string()),
        ("message.timestamp.after.max.ms", s.message_timestamp_after_max_ms.to_string()),
        ("message.timestamp.before.max.ms", s.message_timestamp_before_max_ms.to_string()),
        ("message.timestamp.type", timestamp.to_owned()),
        ("min.cleanable.dirty.ratio", ratio),
        ("min.compaction.lag.ms", s.min_compaction_lag_ms.to_string()),
        ("min.insync.replicas", s.min_insync_replicas.to_string()),
        ("preallocate", s.preallocate.to_string()),
        ("remote.log.copy.disable", s.remote_log_copy_disable.to_string()),
        ("remote.log.delete.on.disable", s.remote_log_delete_on_disable.to_string()),
        ("remote.storage.enable", s.remote_storage_enable.to_string()),
        ("retention.bytes", s.retention_bytes.to_string()),
        ("retention.ms", s.retention_ms.to_string()),
        ("segment.bytes", s.segment_bytes.to_string()),
        ("segment.index.bytes", s.segment_index_bytes.to_string()),
        ("segment.jitter.ms", s.segment_jitter_ms.to_string()),
        ("segment.ms", s.segment_ms.to_string()),
        ("unclean.leader.election.enable", s.unclean_leader_election_enable.to_string()),
    ];
    assert_eq!(values.len(), definitions::TOPIC.len());
    for (key, value) in values {
        let default = definitions::topic(key).unwrap().default_value().to_text().unwrap_or("null".to_owned());
        if value != default {
            let _ = writeln!(out, "{key}={value}");
        }
    }
    let _ = writeln!(
        out,
        "derived: {} {} {} {}",
        s.segment_size(),
        s.max_segment_ms(),
        s.effective_local_retention_ms(),
        s.effective_local_retention_bytes()
    );
}

fn group_settings(s: &GroupSettings, out: &mut String) {
    let reset = match s.share_auto_offset_reset {
        ShareAutoOffsetReset::Earliest => "earliest".to_owned(),
        ShareAutoOffsetReset::Latest => "latest".to_owned(),
        ShareAutoOffsetReset::ByDuration(ms) => format!("by_duration:PT{}H", ms / 3_600_000),
    };
    let isolation = if s.share_read_committed { "read_committed" } else { "read_uncommitted" };
    let values = [
        ("consumer.assignment.interval.ms", s.consumer_assignment_interval_ms.to_string()),
        ("consumer.heartbeat.interval.ms", s.consumer_heartbeat_interval_ms.to_string()),
        ("consumer.session.timeout.ms", s.consumer_session_timeout_ms.to_string()),
        ("share.assignment.interval.ms", s.share_assignment_interval_ms.to_string()),
        ("share.auto.offset.reset", reset),
        ("share.delivery.count.limit", s.share_delivery_count_limit.to_string()),
        ("share.heartbeat.interval.ms", s.share_heartbeat_interval_ms.to_string()),
        ("share.isolation.level", isolation.to_owned()),
        ("share.partition.max.record.locks", s.share_partition_max_record_locks.to_string()),
        ("share.record.lock.duration.ms", s.share_record_lock_duration_ms.to_string()),
        ("share.renew.acknowledge.enable", s.share_renew_acknowledge_enable.to_string()),
        ("share.session.timeout.ms", s.share_session_timeout_ms.to_string()),
        ("streams.assignment.interval.ms", s.streams_assignment_interval_ms.to_string()),
        ("streams.heartbeat.interval.ms", s.streams_heartbeat_interval_ms.to_string()),
        ("streams.initial.rebalance.delay.ms", s.streams_initial_rebalance_delay_ms.to_string()),
        ("streams.num.standby.replicas", s.streams_num_standby_replicas.to_string()),
        ("streams.session.timeout.ms", s.streams_session_timeout_ms.to_string()),
    ];
    assert_eq!(values.len(), definitions::GROUP.len());
    for (key, value) in values {
        if Some(&value) != definitions::group(key).unwrap().default_value().to_text().as_ref() {
            let _ = writeln!(out, "{key}={value}");
        }
    }
}

fn described(configs: &[DescribedConfig], all: bool, out: &mut String) {
    let text = |value: &Option<String>| value.clone().unwrap_or("null".to_owned());
    for c in configs.iter().filter(|c| all || c.source.id() != 5) {
        let _ = write!(out, "{}={} source {} type {}", c.name, text(&c.value), c.source.id(), c.config_type_id());
        out.push_str(if c.read_only { " read-only" } else { "" });
        out.push_str(if c.is_sensitive { " sensitive" } else { "" });
        for synonym in &c.synonyms {
            let _ = write!(out, " {{{}={} {}}}", synonym.name, text(&synonym.value), synonym.source.id());
        }
        out.push('\n');
    }
}

fn run(case: &Case) -> String {
    let mut out = String::new();
    let broker = case.broker();
    let all = case.has("all");
    if case.has("topic") {
        let topic = case.part("topic");
        outcome("alone", &validate_topic_config(&topic), &mut out);
        let change = validate_topic_config_change(&case.part("existing"), &topic, broker.current());
        outcome("with broker", &change, &mut out);
        let settings = TopicSettings::resolve(&topic, broker.current());
        if let Ok(settings) = &settings {
            topic_settings(settings, &mut out);
        }
        outcome("settings", &settings, &mut out);
        if case.has("describe") {
            described(&broker.describe_topic(&topic, None).unwrap(), all, &mut out);
        }
    }
    if case.has("schema") {
        let (file, default, broker, topic) =
            (case.part("static"), case.part("default"), case.part("broker"), case.part("topic"));
        let layers =
            ConfigLayers { static_node: &file, dynamic_cluster: &default, dynamic_node: &broker, topic: &topic };
        for config in layers.effective_topic_configs() {
            if config.source.id() != 5 {
                let value = config.value.unwrap_or("null".to_owned());
                let _ = writeln!(out, "schema {}={value} {}", config.name, config.source.id());
            }
        }
    }
    if case.has("group") {
        let group = case.part("group");
        outcome("validate", &validate_group_config(&group, broker.current()), &mut out);
        let settings = GroupSettings::resolve("g", &group, broker.current()).map(|(settings, _)| settings);
        if let Ok(settings) = &settings {
            group_settings(settings, &mut out);
        }
        outcome("settings", &settings, &mut out);
        if case.has("describe") {
            described(&broker.describe_group(&group, None).unwrap(), all, &mut out);
        }
    }
    if case.has("client-metrics") {
        let settings = case.part("client-metrics");
        outcome("validate", &validate_client_metrics_config("s", &settings), &mut out);
        if case.has("describe") {
            described(&describe_client_metrics(&settings, None).unwrap(), all, &mut out);
        }
    }
    if case.has("change-broker") {
        outcome("change of a broker", &validate_dynamic_configs(&case.part("change-broker"), true), &mut out);
    }
    if case.has("change-default") {
        outcome("change of the default", &validate_dynamic_configs(&case.part("change-default"), false), &mut out);
    }
    if case.has("validate-broker") {
        outcome("validate for a broker", &broker.validate(&case.part("validate-broker"), true), &mut out);
    }
    if case.has("validate-default") {
        outcome("validate the default", &broker.validate(&case.part("validate-default"), false), &mut out);
    }
    if case.has("describe-broker") {
        described(&broker.describe_broker(None), all, &mut out);
    }
    if case.has("describe-default") {
        described(&broker.describe_default_broker(None), all, &mut out);
    }
    out
}

/// Two differences are meant: a typed list has no empty members, and text that is no number is refused as elsewhere.
fn as_typed(line: &str) -> &str {
    match line {
        "settings: NumberFormatException: For input string: \"abc\"" => {
            "settings: ConfigException: Invalid value abc for configuration consumer.session.timeout.ms: Not a number \
             of type INT"
        }
        _ => line.trim_end_matches(','),
    }
}

fn blocks(text: &str) -> BTreeMap<&str, &str> {
    text.split("\n== ")
        .map(|block| block.strip_prefix("== ").unwrap_or(block))
        .map(|block| block.split_once('\n').unwrap_or((block, "")))
        .map(|(name, body)| (name, body.trim_end_matches('\n')))
        .collect()
}

#[test]
fn as_the_real_classes() {
    let cases = blocks(include_str!("data/resource-cases.txt"));
    let outcomes = blocks(include_str!("data/resource-outcomes.txt"));
    assert!(cases.len() > 240);
    let mut wrong = Vec::new();
    for (name, text) in &cases {
        let ours = run(&Case::parse(text));
        let ours: Vec<&str> = ours.lines().collect();
        let theirs: Vec<&str> = outcomes[name].lines().map(as_typed).collect();
        let missing: Vec<&&str> = theirs.iter().filter(|line| !ours.contains(line)).collect();
        let surplus: Vec<&&str> = ours.iter().filter(|line| !theirs.contains(line)).collect();
        if !missing.is_empty() || !surplus.is_empty() {
            wrong.push(format!("== {name}\n{text}\n-- only ours\n{surplus:#?}\n-- only Kafka's\n{missing:#?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

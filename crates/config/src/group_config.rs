//! The settings of one consumer, share or streams group: Kafka's `GroupConfig`.

use std::collections::BTreeMap;

use crate::broker_config::{BrokerConfig, Warning};
use crate::definitions;
use crate::error::ConfigError;
use crate::java;
use crate::value::Value;

type Map = BTreeMap<String, String>;

/// Where a share group begins that has no position yet (KIP-932).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareAutoOffsetReset {
    Earliest,
    Latest,
    /// That many milliseconds ago.
    ByDuration(i64),
}

/// The effective settings of a group. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    pub consumer_session_timeout_ms: i32,
    pub consumer_heartbeat_interval_ms: i32,
    pub consumer_assignment_interval_ms: i32,
    pub share_session_timeout_ms: i32,
    pub share_heartbeat_interval_ms: i32,
    pub share_record_lock_duration_ms: i32,
    pub share_delivery_count_limit: i32,
    pub share_partition_max_record_locks: i32,
    pub share_auto_offset_reset: ShareAutoOffsetReset,
    pub share_read_committed: bool,
    pub share_renew_acknowledge_enable: bool,
    pub share_assignment_interval_ms: i32,
    pub streams_session_timeout_ms: i32,
    pub streams_heartbeat_interval_ms: i32,
    pub streams_num_standby_replicas: i32,
    pub streams_initial_rebalance_delay_ms: i32,
    pub streams_assignment_interval_ms: i32,
}

impl GroupSettings {
    /// What counts for a group with these overrides on this broker. Overrides outside the broker's bounds are brought
    /// within them, with a warning, because the bounds may have become narrower since they were set.
    pub fn resolve(
        group: &str,
        overrides: &Map,
        broker: &BrokerConfig,
    ) -> Result<(GroupSettings, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let overrides = clamped(group, overrides, broker, &mut warnings);
        let values = parse(&overrides, &broker_defaults(broker))?;
        let int = |key: &str| number(&values, key) as i32;
        let text = |key: &str| values.get(key).and_then(Value::as_str).unwrap_or_default();
        let settings = GroupSettings {
            consumer_session_timeout_ms: int("consumer.session.timeout.ms"),
            consumer_heartbeat_interval_ms: int("consumer.heartbeat.interval.ms"),
            consumer_assignment_interval_ms: int("consumer.assignment.interval.ms"),
            share_session_timeout_ms: int("share.session.timeout.ms"),
            share_heartbeat_interval_ms: int("share.heartbeat.interval.ms"),
            share_record_lock_duration_ms: int("share.record.lock.duration.ms"),
            share_delivery_count_limit: int("share.delivery.count.limit"),
            share_partition_max_record_locks: int("share.partition.max.record.locks"),
            share_auto_offset_reset: share_auto_offset_reset(text("share.auto.offset.reset")),
            share_read_committed: text("share.isolation.level") == "read_committed",
            share_renew_acknowledge_enable: values.get("share.renew.acknowledge.enable") == Some(&Value::Boolean(true)),
            share_assignment_interval_ms: int("share.assignment.interval.ms"),
            streams_session_timeout_ms: int("streams.session.timeout.ms"),
            streams_heartbeat_interval_ms: int("streams.heartbeat.interval.ms"),
            streams_num_standby_replicas: int("streams.num.standby.replicas"),
            streams_initial_rebalance_delay_ms: int("streams.initial.rebalance.delay.ms"),
            streams_assignment_interval_ms: int("streams.assignment.interval.ms"),
        };
        Ok((settings, warnings))
    }
}

fn share_auto_offset_reset(text: &str) -> ShareAutoOffsetReset {
    match text.strip_prefix("by_duration:").and_then(java::parse_duration_ms) {
        Some(ms) => ShareAutoOffsetReset::ByDuration(ms),
        None if text == "earliest" => ShareAutoOffsetReset::Earliest,
        // The validator let nothing else through.
        None => ShareAutoOffsetReset::Latest,
    }
}

pub(crate) type GroupValues = BTreeMap<&'static str, Value>;

fn number(values: &GroupValues, key: &str) -> i64 {
    match values.get(key).and_then(Value::as_i64) {
        Some(n) => n,
        // Invariant: the tables give these keys a number.
        None => panic!("{key} is not a number"),
    }
}

pub(crate) fn parse(overrides: &Map, defaults: &GroupValues) -> Result<GroupValues, ConfigError> {
    let mut values = BTreeMap::new();
    for def in &definitions::GROUP {
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
    Ok(values)
}

/// What the broker's settings mean for groups that do not override them.
pub(crate) fn broker_defaults(broker: &BrokerConfig) -> GroupValues {
    let value = |def: &crate::ConfigDef| broker.value(def.synonyms.first()?.name).cloned();
    definitions::GROUP.iter().filter_map(|def| Some((def.name, value(def)?))).collect()
}

/// Each numeric override that the broker bounds: the group's key, and the part of the broker's keys after `min.` and
/// `max.`. In the order in which Kafka checks them.
const BOUNDED: [(&str, &str, &str); 12] = [
    ("consumer.heartbeat.interval.ms", "group.consumer.", "heartbeat.interval.ms"),
    ("consumer.session.timeout.ms", "group.consumer.", "session.timeout.ms"),
    ("consumer.assignment.interval.ms", "group.consumer.", "assignment.interval.ms"),
    ("share.heartbeat.interval.ms", "group.share.", "heartbeat.interval.ms"),
    ("share.session.timeout.ms", "group.share.", "session.timeout.ms"),
    ("share.record.lock.duration.ms", "group.share.", "record.lock.duration.ms"),
    ("share.delivery.count.limit", "group.share.", "delivery.count.limit"),
    ("share.partition.max.record.locks", "group.share.", "partition.max.record.locks"),
    ("share.assignment.interval.ms", "group.share.", "assignment.interval.ms"),
    ("streams.heartbeat.interval.ms", "group.streams.", "heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "group.streams.", "session.timeout.ms"),
    ("streams.assignment.interval.ms", "group.streams.", "assignment.interval.ms"),
];

/// Are these a group's overrides, within what the broker allows?
pub fn validate_group_config(new: &Map, broker: &BrokerConfig) -> Result<(), ConfigError> {
    let unknown = new.keys().filter(|key| definitions::group(key).is_none()).cloned().collect();
    if let Some(key) = java::grown_set_order(unknown, new.len()).first() {
        let message = format!("Unknown group config name: {key}");
        return Err(ConfigError::invalid_configuration(message).about(key));
    }
    let values = parse(new, &broker_defaults(broker))?;
    for (key, prefix, rest) in BOUNDED {
        if key == "streams.assignment.interval.ms" {
            let max_key = "group.streams.max.standby.replicas";
            at_most(number(&values, "streams.num.standby.replicas"), broker, "streams.num.standby.replicas", max_key)?;
        }
        // The broker's default of these may change at any time, only an override is held to the bounds.
        if rest == "assignment.interval.ms" && !new.contains_key(key) {
            continue;
        }
        let value = number(&values, key);
        let min_key = format!("{prefix}min.{rest}");
        if value < broker.long(&min_key) {
            let message = format!("{key} must be greater than or equal to {min_key}");
            return Err(ConfigError::invalid_configuration(message).about(key));
        }
        at_most(value, broker, key, &format!("{prefix}max.{rest}"))?;
    }
    for kind in ["consumer", "share", "streams"] {
        let (session, heartbeat) = (format!("{kind}.session.timeout.ms"), format!("{kind}.heartbeat.interval.ms"));
        if number(&values, &session) <= number(&values, &heartbeat) {
            let message = format!("{session} must be greater than {heartbeat}");
            return Err(ConfigError::invalid_configuration(message).about(&session));
        }
    }
    Ok(())
}

fn at_most(value: i64, broker: &BrokerConfig, key: &str, max_key: &str) -> Result<(), ConfigError> {
    if value <= broker.long(max_key) {
        return Ok(());
    }
    let message = format!("{key} must be less than or equal to {max_key}");
    Err(ConfigError::invalid_configuration(message).about(key))
}

fn clamped(group: &str, overrides: &Map, broker: &BrokerConfig, warnings: &mut Vec<Warning>) -> Map {
    let mut clamped = overrides.clone();
    let standby = ("streams.num.standby.replicas", None, "group.streams.max.standby.replicas".to_owned());
    let bounded = BOUNDED
        .map(|(key, prefix, rest)| (key, Some(format!("{prefix}min.{rest}")), format!("{prefix}max.{rest}")))
        .into_iter()
        .chain([standby]);
    for (key, min_key, max_key) in bounded {
        let Some(value) = overrides.get(key).and_then(|text| java::parse_int(java::trim(text))) else { continue };
        let min = min_key.map_or(i32::MIN, |key| broker.int(&key));
        let max = broker.int(&max_key);
        let (which, bound) = match value {
            _ if value < min => ("is below the broker's allowed minimum", min),
            _ if value > max => ("exceeds the broker's allowed maximum", max),
            _ => continue,
        };
        let message = format!(
            "The group config '{key}' for group '{group}' has value {value} which {which} {bound}. The effective value \
             will be capped to {bound}."
        );
        warnings.push(Warning { message, origin: None });
        clamped.insert(key.to_owned(), bound.to_string());
    }
    clamped
}

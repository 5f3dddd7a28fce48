//! The checks of the group coordinators' settings against each other, at start.

use std::collections::HashMap;

use crate::error::ConfigError;
use crate::value::Value;

type Values = HashMap<&'static str, Value>;

fn number(values: &Values, key: &str) -> i64 {
    match values.get(key).and_then(Value::as_i64) {
        Some(n) => n,
        // Invariant: the tables give these keys a number.
        None => panic!("{key} is not a number"),
    }
}

fn at_least(values: &Values, key: &str, bound: &str) -> Result<(), ConfigError> {
    if number(values, key) >= number(values, bound) {
        return Ok(());
    }
    Err(ConfigError::illegal_argument(format!("{key} must be greater than or equal to {bound}")).about(key))
}

fn at_most(values: &Values, key: &str, bound: &str) -> Result<(), ConfigError> {
    if number(values, key) <= number(values, bound) {
        return Ok(());
    }
    Err(ConfigError::illegal_argument(format!("{key} must be less than or equal to {bound}")).about(key))
}

fn within(values: &Values, kind: &str, what: &str) -> Result<(), ConfigError> {
    let (min, key, max) =
        (format!("group.{kind}.min.{what}"), format!("group.{kind}.{what}"), format!("group.{kind}.max.{what}"));
    at_least(values, &max, &min)?;
    at_least(values, &key, &min)?;
    at_most(values, &key, &max)
}

/// `GroupCoordinatorConfig`, `ShareGroupConfig` and `ShareCoordinatorConfig` are built in this order.
pub(crate) fn check_broker_config(values: &Values) -> Result<(), ConfigError> {
    check_assignors(values, "group.consumer.assignors", &["uniform", "range"])?;
    check_compression_codec(values, "offsets.topic.compression.codec")?;
    check_assignors(values, "group.share.assignors", &["simple"])?;
    for kind in ["consumer", "share", "streams"] {
        within(values, kind, "heartbeat.interval.ms")?;
        within(values, kind, "session.timeout.ms")?;
        let (heartbeat, session) =
            (format!("group.{kind}.heartbeat.interval.ms"), format!("group.{kind}.session.timeout.ms"));
        if number(values, &heartbeat) >= number(values, &session) {
            let message = format!("{heartbeat} must be less than {session}");
            return Err(ConfigError::illegal_argument(message).about(&heartbeat));
        }
        if kind == "share" {
            check_one_share_assignor(values)?;
        }
        within(values, kind, "assignment.interval.ms")?;
    }
    at_most(values, "group.streams.num.standby.replicas", "group.streams.max.standby.replicas")?;
    check_share_groups(values)?;
    check_compression_codec(values, "share.coordinator.state.topic.compression.codec")
}

/// Kafka also takes class names here and loads them; its own are known by their class as well.
fn check_assignors(values: &Values, key: &str, builtin: &[&str]) -> Result<(), ConfigError> {
    let is_builtin = |text: &str| {
        builtin.iter().any(|name| {
            let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
            text == *name || text == format!("org.apache.kafka.coordinator.group.assignor.{capital}Assignor")
        })
    };
    let assignors = values.get(key).and_then(Value::as_list).unwrap_or_default();
    match assignors.iter().find(|name| !is_builtin(name)) {
        None => Ok(()),
        Some(name) => Err(ConfigError::illegal_argument(format!("Class {name} cannot be found"))
            .about(key)
            .helped(format!("Allowed: {}. Classes written in Java cannot be loaded.", builtin.join(", ")))),
    }
}

fn check_one_share_assignor(values: &Values) -> Result<(), ConfigError> {
    const KEY: &str = "group.share.assignors";
    let assignors = values.get(KEY).and_then(Value::as_list).unwrap_or_default();
    if assignors.len() == 1 {
        return Ok(());
    }
    let message = format!("{KEY} must contain exactly one assignor, but found {}", assignors.len());
    Err(ConfigError::illegal_argument(message).about(KEY))
}

fn check_compression_codec(values: &Values, key: &str) -> Result<(), ConfigError> {
    let id = number(values, key);
    if (0..=4).contains(&id) {
        return Ok(());
    }
    Err(ConfigError::illegal_argument(format!("Unknown compression type id: {id}"))
        .about(key)
        .helped("There are 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) and 4 (zstd)."))
}

fn check_share_groups(values: &Values) -> Result<(), ConfigError> {
    let name = |bound: &str, what: &str| format!("group.share.{bound}{what}");
    for what in ["delivery.count.limit", "partition.max.record.locks"] {
        at_least(values, &name("max.", what), &name("", what))?;
        at_least(values, &name("", what), &name("min.", what))?;
    }
    let what = "record.lock.duration.ms";
    at_least(values, &name("", what), &name("min.", what))?;
    at_least(values, &name("max.", what), &name("", what))?;
    at_least(values, "group.share.max.share.sessions", "group.share.max.size")
}

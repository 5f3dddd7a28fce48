//! What the controller asks of a topic's settings before it takes them (`LogConfig.validate`).

use std::collections::BTreeMap;

use crate::broker_config::BrokerConfig;
use crate::definitions;
use crate::error::ConfigError;
use crate::java;
use crate::suggest::suggest_topic;
use crate::topic_settings::{TopicValues, broker_defaults, parse};

type Map = BTreeMap<String, String>;

/// Are these a topic's overrides? Without a broker's settings, as tools ask.
pub fn validate_topic_config(new: &Map) -> Result<(), ConfigError> {
    validate_names(new)?;
    check_compaction_lags(&parse(new, &BTreeMap::new())?)
}

/// The same as the controller asks, which knows the broker settings behind the topic's, and what the topic had before.
pub fn validate_topic_config_change(existing: &Map, new: &Map, broker: &BrokerConfig) -> Result<(), ConfigError> {
    validate_names(new)?;
    let values = parse(new, &broker_defaults(broker))?;
    check_compaction_lags(&values)?;
    if values.boolean("remote.storage.enable") {
        check_remote_storage(&values, broker)
    } else {
        let was_enabled = existing.get("remote.storage.enable").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        check_turning_off(&values, was_enabled)
    }
}

fn validate_names(new: &Map) -> Result<(), ConfigError> {
    let unknown = new.keys().filter(|key| definitions::topic(key).is_none()).cloned().collect();
    let Some(key) = java::grown_set_order(unknown, new.len()).into_iter().next() else { return Ok(()) };
    let error = ConfigError::invalid_configuration(format!("Unknown topic config name: {key}")).about(&key);
    Err(match suggest_topic(&key) {
        Some(name) => error.helped(format!("Did you mean {name}?")),
        None => error,
    })
}

fn check_compaction_lags(values: &TopicValues) -> Result<(), ConfigError> {
    let (min, max) = (values.long("min.compaction.lag.ms"), values.long("max.compaction.lag.ms"));
    if min <= max {
        return Ok(());
    }
    Err(ConfigError::invalid_configuration(format!(
        "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
    )))
}

fn check_remote_storage(values: &TopicValues, broker: &BrokerConfig) -> Result<(), ConfigError> {
    if !broker.boolean("remote.log.storage.system.enable") {
        return Err(ConfigError::config(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ));
    }
    let policy = values.list("cleanup.policy");
    if !policy.is_empty() && policy != ["delete"] {
        return Err(ConfigError::config(
            "Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy being an empty list.",
        ));
    }
    check_local_retention(values, "bytes")?;
    check_local_retention(values, "ms")?;
    if !values.boolean("remote.log.copy.disable") {
        return Ok(());
    }
    for what in ["bytes", "ms"] {
        let (local, all) = (values.long(&format!("local.retention.{what}")), values.long(&format!("retention.{what}")));
        if local != -2 && local != all {
            return Err(ConfigError::invalid_configuration(format!(
                "When `remote.log.copy.disable` is set to true, the `local.retention.{what}` and `retention.{what}` \
                 must be set to the identical value because there will be no more logs copied to the remote storage."
            )));
        }
    }
    Ok(())
}

/// What stays on the broker's disk is part of what stays at all.
fn check_local_retention(values: &TopicValues, what: &str) -> Result<(), ConfigError> {
    let (local_key, key) = (format!("local.retention.{what}"), format!("retention.{what}"));
    let (local, all) = (values.long(&local_key), values.long(&key));
    let unlimited = if what == "ms" { all == -1 } else { all <= -1 };
    if unlimited || local == -2 {
        return Ok(());
    }
    if local == -1 {
        let why = format!("Value must not be -1 as {key} value is set as {all}.");
        return Err(ConfigError::value(&local_key, local, why));
    }
    if local > all {
        let why = format!("Value must not be more than {key} property value: {all}");
        return Err(ConfigError::value(&local_key, local, why));
    }
    Ok(())
}

fn check_turning_off(values: &TopicValues, was_enabled: bool) -> Result<(), ConfigError> {
    if !was_enabled || values.boolean("remote.log.delete.on.disable") {
        return Ok(());
    }
    Err(ConfigError::invalid_configuration(
        "It is invalid to disable remote storage without deleting remote data. If you want to keep the remote data and \
         turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable \
         remote storage and delete all remote data, please set \
         `remote.storage.enable=false,remote.log.delete.on.disable=true`.",
    ))
}

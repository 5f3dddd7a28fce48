//! What a running server refuses to change at once, although each value alone would be fine.
//!
//! Kafka answers all of these with `Invalid dynamic configuration` and puts the reason into its log; we add it as help.

use std::collections::BTreeSet;

use crate::broker_config::BrokerConfig;
use crate::definitions;
use crate::dynamic::SECURITY_CONFIGS;
use crate::error::ConfigError;
use crate::listeners::config_prefix;
use crate::value::Value;

/// Thread counts change by at most half or double at a time.
const THREAD_COUNTS: [&str; 9] = [
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
    "num.network.threads",
    "remote.log.reader.threads",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
];

pub(crate) fn check(current: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    let changed = changed_keys(current, new);
    let reason = check_threads(current, new)
        .and_then(|()| check_cleaner_threads(current, new))
        .and_then(|()| if changed.iter().any(|key| is_log_config(key)) { check_log(new) } else { Ok(()) })
        .and_then(|()| {
            if changed.iter().any(|key| is_listener_config(key)) { check_listeners(current, new) } else { Ok(()) }
        })
        .and_then(|()| check_listener_limits(new));
    reason.map_err(|reason| ConfigError::config("Invalid dynamic configuration").helped(reason))
}

fn changed_keys<'a>(current: &'a BrokerConfig, new: &'a BrokerConfig) -> BTreeSet<&'a str> {
    let keys = current.originals().iter().chain(new.originals().iter()).map(|(key, _)| key);
    keys.filter(|key| current.originals().get(key) != new.originals().get(key)).collect()
}

fn is_log_config(key: &str) -> bool {
    key == "cordoned.log.dirs"
        || definitions::TOPIC.iter().any(|def| def.synonyms.first().is_some_and(|synonym| synonym.name == key))
}

fn is_listener_config(key: &str) -> bool {
    let area = definitions::broker(key).map(|def| def.area);
    area.is_some_and(|area| matches!(area, "security" | "socket/listener")) || key.starts_with("listener.name.")
}

fn check_threads(current: &BrokerConfig, new: &BrokerConfig) -> Result<(), String> {
    for key in THREAD_COUNTS {
        let (old_count, count) = (current.long(key), new.long(key));
        let reason = match count {
            _ if count == old_count => continue,
            _ if count <= 0 => "value should be at least 1".to_owned(),
            _ if count < old_count / 2 => format!("value should be at least half the current value {old_count}"),
            _ if count > old_count * 2 => {
                format!("value should not be greater than double the current value {old_count}")
            }
            _ => continue,
        };
        return Err(format!("Dynamic thread count update validation failed for {key}={count}, {reason}"));
    }
    Ok(())
}

fn check_cleaner_threads(current: &BrokerConfig, new: &BrokerConfig) -> Result<(), String> {
    let (old, count) = (current.long("log.cleaner.threads"), new.long("log.cleaner.threads"));
    match count {
        _ if count < 1 => Err("Log cleaner threads should be at least 1".to_owned()),
        _ if count < old / 2 => {
            Err(format!("Log cleaner threads cannot be reduced to less than half the current value {old}"))
        }
        _ if count > old * 2 => {
            Err(format!("Log cleaner threads cannot be increased to more than double the current value {old}"))
        }
        _ => Ok(()),
    }
}

fn check_log(new: &BrokerConfig) -> Result<(), String> {
    let local = |key: &str, bound_key: &str, bound: i64| {
        let value = new.long(key);
        if bound < 0 || value == -2 {
            return Ok(());
        }
        let invalid = |why: String| Err(format!("Invalid value {value} for configuration {key}: {why}"));
        match value {
            -1 => invalid(format!("Value must not be -1 as {bound_key} value is set as {bound}.")),
            _ if value > bound => invalid(format!("Value must not be more than {bound_key} property value: {bound}")),
            _ => Ok(()),
        }
    };
    local("log.local.retention.ms", "log.retention.ms", new.log_retention_ms())?;
    local("log.local.retention.bytes", "log.retention.bytes", new.long("log.retention.bytes"))?;
    match new.cordoned_log_dirs().iter().find(|dir| !new.log_dirs().contains(dir)) {
        None => Ok(()),
        Some(dir) => Err(format!(
            "Invalid entry in cordoned.log.dirs: {dir}. All cordoned log dirs must be entries of log.dirs or log.dir."
        )),
    }
}

fn check_listeners(current: &BrokerConfig, new: &BrokerConfig) -> Result<(), String> {
    let names = |config: &BrokerConfig| config.listeners().iter().map(|l| l.name.clone()).collect::<BTreeSet<_>>();
    let (old_names, new_names) = (names(current), names(new));
    if let Some(missing) = current.advertised_broker_listeners().iter().find(|l| !new_names.contains(&l.name)) {
        return Err(format!("Advertised listener {} must be one of the listeners.", missing.name));
    }
    for name in old_names.intersection(&new_names) {
        if immutable_settings(current, name) != immutable_settings(new, name) {
            return Err(format!(
                "Configs cannot be updated dynamically for existing listener {name}, restart broker or create a new \
                 listener for update"
            ));
        }
        if current.protocol_map().get(name) != new.protocol_map().get(name) {
            return Err(format!("Security protocol cannot be updated for existing listener {name}"));
        }
    }
    Ok(())
}

/// What is set for one listener and needs a restart.
fn immutable_settings(config: &BrokerConfig, listener_name: &str) -> Vec<(String, String)> {
    let prefix = config_prefix(listener_name);
    let settings = config.originals().iter().filter_map(|(key, entry)| Some((key.strip_prefix(&prefix)?, entry)));
    settings
        .filter(|(key, _)| {
            let dynamic = ["max.connections", "max.connection.creation.rate", "num.network.threads"];
            !SECURITY_CONFIGS.contains(key) && !dynamic.contains(key)
        })
        .map(|(key, entry)| (key.to_owned(), entry.value.clone()))
        .collect()
}

/// A listener must let somebody in.
fn check_listener_limits(new: &BrokerConfig) -> Result<(), String> {
    for listener in new.listeners() {
        for key in ["max.connections", "max.connection.creation.rate"] {
            let full_key = listener.config_prefix() + key;
            if !new.originals().contains(&full_key) {
                continue;
            }
            if let Ok(Some(Value::Int(limit))) = new.listener_value(&listener.name, key)
                && limit <= 0
            {
                return Err(format!("Invalid {full_key} {limit}"));
            }
        }
    }
    Ok(())
}

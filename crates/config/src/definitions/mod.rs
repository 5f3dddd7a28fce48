//! The tables of all settings, generated from `data/` by `cargo xtask codegen`, and ways to find one.

mod broker;
mod others;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use broker::BROKER;
pub use others::{CLIENT_METRICS, GROUP, IP, TOPIC, USER};
pub(crate) use words::describe;

use crate::definition::{ConfigDef, UpdateMode};

static BROKER_BY_NAME: LazyLock<HashMap<&'static str, &'static ConfigDef>> =
    LazyLock::new(|| BROKER.iter().map(|def| (def.name, def)).collect());

/// What the tables are written in.
mod names {
    pub(super) use crate::definition::ConfigDef;
    pub(super) use crate::definition::DefaultValue::{Null, Required, Text};
    pub(super) use crate::definition::Importance::{High, Low, Medium};
    pub(super) use crate::definition::Synonym;
    pub(super) use crate::definition::UpdateMode::{ClusterWide, PerBroker, ReadOnly, Resource};
    pub(super) use crate::definition::Validator::{
        Any, BootstrapServers, GzipLevel, List as ListOf, NonEmptyString, NonNull, OneOf, OneOfIgnoringCase,
        QuorumVoters, Range, ShareAutoOffsetReset, ThrottledReplicas,
    };
    pub(super) use crate::value::ConfigType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
}

/// These three can only be set while the server runs (KIP-73).
pub const DYNAMIC_ONLY: [&str; 3] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// A broker setting by its exact name.
pub fn broker(name: &str) -> Option<&'static ConfigDef> {
    BROKER_BY_NAME.get(name).copied()
}

/// A broker setting that `server.properties` may hold, by its exact name.
pub(crate) fn static_broker_named(name: &str) -> Option<&'static ConfigDef> {
    broker(name).filter(|def| !DYNAMIC_ONLY.contains(&def.name))
}

/// The broker settings that `server.properties` may hold.
pub fn static_broker() -> impl Iterator<Item = &'static ConfigDef> {
    BROKER.iter().filter(|def| !DYNAMIC_ONLY.contains(&def.name))
}

pub fn topic(name: &str) -> Option<&'static ConfigDef> {
    TOPIC.iter().find(|def| def.name == name)
}

pub fn group(name: &str) -> Option<&'static ConfigDef> {
    GROUP.iter().find(|def| def.name == name)
}

pub fn client_metrics(name: &str) -> Option<&'static ConfigDef> {
    CLIENT_METRICS.iter().find(|def| def.name == name)
}

/// What follows `listener.name.<listener>.`.
pub(crate) fn without_listener_prefix(key: &str) -> Option<&str> {
    key.strip_prefix("listener.name.")?.split_once('.').map(|(_listener, rest)| rest)
}

/// Settings that may also have a SASL mechanism between the listener's prefix and their name.
pub(crate) const LISTENER_MECHANISM_CONFIGS: [&str; 5] = [
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

/// The names under which Kafka looks for a broker setting, in its order: `log.retention.ms`, `.minutes`, `.hours`, and
/// the name without a listener's prefix.
pub fn broker_synonyms(name: &str, match_listener_override: bool) -> Vec<&str> {
    const LOG_ROLL: [&str; 2] = ["log.roll.ms", "log.roll.hours"];
    const LOG_ROLL_JITTER: [&str; 2] = ["log.roll.jitter.ms", "log.roll.jitter.hours"];
    const LOG_RETENTION: [&str; 3] = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    if name == "log.flush.interval.ms" {
        return vec![name, "log.flush.scheduler.interval.ms"];
    }
    for family in [LOG_ROLL.as_slice(), LOG_ROLL_JITTER.as_slice(), LOG_RETENTION.as_slice()] {
        if family.contains(&name) {
            return family.to_vec();
        }
    }
    match without_listener_prefix(name) {
        Some(base) if match_listener_override => {
            let mechanism = LISTENER_MECHANISM_CONFIGS.into_iter().find(|config| base.ends_with(config));
            vec![name, mechanism.unwrap_or(base)]
        }
        _ => vec![name],
    }
}

/// A broker setting by its name or by a name with a listener's prefix.
pub fn broker_for_key(key: &str) -> Option<&'static ConfigDef> {
    broker(key).or_else(|| broker_synonyms(key, true).into_iter().find_map(broker))
}

impl ConfigDef {
    /// May be changed while the server runs.
    pub fn is_dynamic(&self) -> bool {
        self.update_mode != UpdateMode::ReadOnly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_for_settings_that_exist() {
        for (key, _) in words::WORDS {
            let exists = [broker(key), topic(key), group(key), client_metrics(key)].iter().any(Option::is_some);
            assert!(exists, "{key}");
        }
    }

    #[test]
    fn synonyms_of_broker_settings() {
        assert_eq!(broker_synonyms("log.retention.hours", true)[0], "log.retention.ms");
        assert_eq!(broker_synonyms("log.flush.scheduler.interval.ms", true), ["log.flush.scheduler.interval.ms"]);
        assert_eq!(
            broker_synonyms("listener.name.a.scram-sha-256.sasl.jaas.config", true),
            ["listener.name.a.scram-sha-256.sasl.jaas.config", "sasl.jaas.config"]
        );
        assert_eq!(broker_synonyms("listener.name.a.ssl.client.auth", false), ["listener.name.a.ssl.client.auth"]);
        assert_eq!(broker_for_key("listener.name.a.ssl.client.auth").map(|def| def.name), Some("ssl.client.auth"));
    }
}

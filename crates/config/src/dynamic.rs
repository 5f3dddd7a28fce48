//! Broker settings that change while the server runs (KIP-226): which may, what counts, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::broker_config::{BrokerConfig, Warning};
use crate::definition::{ConfigDef, UpdateMode};
use crate::error::ConfigError;
use crate::value::{ConfigType, Value};
use crate::{Properties, definitions, java, reconfiguration};

type Map = BTreeMap<String, String>;

/// They may only be changed under a listener's prefix: `SslConfigs.RECONFIGURABLE_CONFIGS`.
pub(crate) const SECURITY_CONFIGS: [&str; 10] = [
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.truststore.certificates",
];

/// These are the cluster's affair even under a listener's prefix.
const CLUSTER_LEVEL_LISTENER_CONFIGS: [&str; 3] =
    ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// The settings of a running server: what its file says, overridden by the cluster's default, overridden by its own
/// dynamic settings. Kafka's `DynamicBrokerConfig`.
#[derive(Clone, Debug)]
pub struct DynamicBrokerConfig {
    static_config: Arc<BrokerConfig>,
    dynamic_default: Map,
    dynamic_broker: Map,
    current: Arc<BrokerConfig>,
}

impl DynamicBrokerConfig {
    pub fn new(static_config: Arc<BrokerConfig>) -> Self {
        let current = Arc::clone(&static_config);
        DynamicBrokerConfig { static_config, dynamic_default: Map::new(), dynamic_broker: Map::new(), current }
    }

    /// What counts now.
    pub fn current(&self) -> &Arc<BrokerConfig> {
        &self.current
    }

    /// What the file says.
    pub fn static_config(&self) -> &Arc<BrokerConfig> {
        &self.static_config
    }

    /// What is set for all brokers of the cluster, without what had to be ignored.
    pub fn dynamic_default(&self) -> &Map {
        &self.dynamic_default
    }

    /// What is set for this broker, without what had to be ignored.
    pub fn dynamic_broker(&self) -> &Map {
        &self.dynamic_broker
    }

    /// Takes the cluster's default settings from the metadata. What cannot be used is left out, with a warning.
    pub fn update_default(&mut self, persistent: &Map) -> Vec<Warning> {
        self.update(persistent, false)
    }

    /// Takes this broker's settings from the metadata. What cannot be used is left out, with a warning.
    pub fn update_broker(&mut self, persistent: &Map) -> Vec<Warning> {
        self.update(persistent, true)
    }

    fn update(&mut self, persistent: &Map, per_broker: bool) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let usable = usable(persistent, per_broker, &mut warnings);
        let mut next = self.clone();
        *(if per_broker { &mut next.dynamic_broker } else { &mut next.dynamic_default }) = usable;
        let mut properties = next.static_config.originals().clone();
        override_with(&mut properties, &next.dynamic_default, "cluster default");
        override_with(&mut properties, &next.dynamic_broker, "dynamic broker setting");
        clamp(&mut properties, &mut warnings);
        let checked = BrokerConfig::new(&properties)
            .and_then(|config| reconfiguration::check(&self.current, &config).map(|()| config));
        match checked {
            Ok(config) => {
                next.current = Arc::new(config);
                *self = next;
            }
            Err(error) => {
                let whose = if per_broker { "Per-broker" } else { "Cluster default" };
                let keys: Vec<&str> = persistent.keys().map(String::as_str).collect();
                let message = format!("{whose} configs could not be applied: [{}]: {error}", keys.join(", "));
                warnings.push(Warning { message, origin: None });
            }
        }
        warnings
    }

    /// Would this be accepted as the whole of the dynamic settings of this broker (or else of the cluster's default)?
    /// This is what a broker asks before it passes a change on to the controller.
    pub fn validate(&self, settings: &Map, per_broker: bool) -> Result<(), ConfigError> {
        let settings: Map = settings.iter().filter(|(k, _)| !k.starts_with("config.providers")).map(clone).collect();
        validate_dynamic_configs(&settings, per_broker)?;
        let mut properties = self.static_config.originals().clone();
        if per_broker {
            override_with(&mut properties, &self.dynamic_default, "cluster default");
            override_with(&mut properties, &settings, "dynamic broker setting");
        } else {
            override_with(&mut properties, &settings, "cluster default");
            override_with(&mut properties, &self.dynamic_broker, "dynamic broker setting");
        }
        let config = BrokerConfig::new(&properties)?;
        reconfiguration::check(&self.current, &config)
    }

    /// One of the three limits that exist only as dynamic settings, in bytes per second (KIP-73).
    pub fn throttled_rate(&self, key: &str) -> i64 {
        let text = self.dynamic_broker.get(key).or_else(|| self.dynamic_default.get(key));
        text.and_then(|text| java::parse_integer(java::trim(text), 0, i64::MAX)).unwrap_or(i64::MAX)
    }
}

fn clone((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// A setting that is overridden takes its synonyms out, so that `log.roll.hours` from above beats `log.roll.ms` below.
fn override_with(properties: &mut Properties, overrides: &Map, origin: &str) {
    for (key, value) in overrides {
        for synonym in definitions::broker_synonyms(key, false) {
            properties.remove(synonym);
        }
        properties.set(key, value, origin);
    }
}

/// Assignment intervals are kept within the broker's bounds, because the bounds may have become narrower since.
fn clamp(properties: &mut Properties, warnings: &mut Vec<Warning>) {
    for kind in ["consumer", "share", "streams"] {
        let key = format!("group.{kind}.assignment.interval.ms");
        let bound = |which: &str| {
            let name = format!("group.{kind}.{which}.assignment.interval.ms");
            let text = properties.get(&name).map(java::trim);
            text.and_then(java::parse_int).or_else(|| match definitions::broker(&name)?.default_value() {
                Value::Int(n) => Some(n),
                _ => None,
            })
        };
        let value = properties.get(&key).map(java::trim).and_then(java::parse_int);
        let (Some(value), Some(min), Some(max)) = (value, bound("min"), bound("max")) else { continue };
        let (which, bound) = match value {
            _ if value < min => ("is below the allowed minimum", min),
            _ if value > max => ("exceeds the allowed maximum", max),
            _ => continue,
        };
        let message = format!(
            "The config '{key}' has value {value} which {which} {bound}. The effective value will be capped to {bound}."
        );
        warnings.push(Warning { message, origin: None });
        properties.set(&key, &bound.to_string(), "capped");
    }
}

/// The base name under a listener's prefix, or the key itself.
fn base_name(key: &str) -> &str {
    definitions::without_listener_prefix(key).unwrap_or(key)
}

fn is_read_only(key: &str) -> bool {
    definitions::broker(key).is_some_and(|def| def.update_mode == UpdateMode::ReadOnly)
}

fn is_per_broker(key: &str) -> bool {
    match definitions::without_listener_prefix(key) {
        Some(base) => !CLUSTER_LEVEL_LISTENER_CONFIGS.contains(&base),
        None => definitions::broker(key).is_some_and(|def| def.update_mode == UpdateMode::PerBroker),
    }
}

fn matching(settings: &Map, is: impl Fn(&str) -> bool) -> Vec<String> {
    settings.keys().filter(|key| is(key)).cloned().collect()
}

fn refuse(names: Vec<String>, why: &str) -> Result<(), ConfigError> {
    if names.is_empty() {
        return Ok(());
    }
    Err(ConfigError::config(format!("{why}: {}", java::list_to_string(&names))))
}

/// May these settings be changed at all, and have they the right form? Names that Kafka does not know are let through,
/// they may belong to a plug-in. (`DynamicBrokerConfig.validateConfigs`)
pub fn validate_dynamic_configs(settings: &Map, per_broker: bool) -> Result<(), ConfigError> {
    let read_only = java::copied_set_order(matching(settings, is_read_only), settings.len());
    refuse(read_only, "Cannot update these configs dynamically")?;
    refuse(
        grown(matching(settings, |key| SECURITY_CONFIGS.contains(&key))),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    validate_types(settings)?;
    if per_broker {
        return Ok(());
    }
    refuse(
        grown(matching(settings, is_per_broker)),
        "Cannot update these configs at default cluster level, broker id must be specified",
    )
}

fn grown(names: Vec<String>) -> Vec<String> {
    let total = names.len();
    java::grown_set_order(names, total)
}

fn validate_types(settings: &Map) -> Result<(), ConfigError> {
    let by_base: BTreeMap<&str, &str> = settings.iter().map(|(k, v)| (base_name(k), v.as_str())).collect();
    for def in dynamic_definitions() {
        match by_base.get(def.name) {
            Some(text) if !def.name.starts_with("config.providers") => drop(def.parse_value(text)?),
            _ => {}
        }
    }
    Ok(())
}

/// In the order in which Kafka checks them: the dynamic-only ones first.
fn dynamic_definitions() -> impl Iterator<Item = &'static ConfigDef> {
    let only = definitions::DYNAMIC_ONLY.into_iter().filter_map(definitions::broker);
    only.chain(definitions::static_broker().filter(|def| def.is_dynamic()))
}

/// What of the persistent settings can be used.
fn usable(persistent: &Map, per_broker: bool, warnings: &mut Vec<Warning>) -> Map {
    let mut usable = persistent.clone();
    let mut leave_out = |names: Vec<String>, why: &str, usable: &mut Map| {
        if !names.is_empty() {
            usable.retain(|key, _| !names.contains(key));
            warnings.push(Warning { message: format!("{why}: {}", java::list_to_string(&names)), origin: None });
        }
    };
    let is_invalid =
        |(key, value): &(&String, &String)| validate_types(&Map::from([((*key).clone(), (*value).clone())])).is_err();
    let invalid: Vec<String> = persistent.iter().filter(is_invalid).map(|(key, _)| key.clone()).collect();
    let source = if per_broker { "broker" } else { "default cluster" };
    let why = format!("Dynamic {source} config contains invalid values, these configs will be ignored");
    leave_out(invalid, &why, &mut usable);
    leave_out(matching(&usable, is_read_only), "Non-dynamic configs will be ignored", &mut usable);
    let security = matching(&usable, |key| SECURITY_CONFIGS.contains(&key));
    let why = "Security configs can be dynamically updated only using listener prefix, base configs will be ignored";
    leave_out(security, why, &mut usable);
    if !per_broker {
        let why = "Per-broker configs defined at default cluster level will be ignored";
        leave_out(matching(&usable, is_per_broker), why, &mut usable);
    }
    usable
}

/// One change of an `IncrementalAlterConfigs` request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterOp {
    Set(String),
    Delete,
    Append(String),
    Subtract(String),
}

/// Applies the changes of an `IncrementalAlterConfigs` request to the settings of a broker, as the broker that receives
/// it does before it validates the result.
pub fn apply_alter_ops(settings: &mut Map, ops: &[(String, AlterOp)]) -> Result<(), ConfigError> {
    for (key, op) in ops {
        match op {
            AlterOp::Set(value) => drop(settings.insert(key.clone(), value.clone())),
            AlterOp::Delete => drop(settings.remove(key)),
            AlterOp::Append(value) => {
                let mut items = current_items(settings, key, "append")?;
                items.retain(|item| !item.is_empty());
                let seen: BTreeSet<String> = items.iter().cloned().collect();
                items.extend(java_split(value).filter(|item| !seen.contains(*item)).map(str::to_owned));
                settings.insert(key.clone(), items.join(","));
            }
            AlterOp::Subtract(value) => {
                let mut items = current_items(settings, key, "subtract")?;
                for gone in java_split(value) {
                    if let Some(index) = items.iter().position(|item| item == gone) {
                        items.remove(index);
                    }
                }
                settings.insert(key.clone(), items.join(","));
            }
        }
    }
    Ok(())
}

/// Java's `split(",")`, which forgets empty parts at the end.
fn java_split(text: &str) -> impl Iterator<Item = &str> {
    text.trim_end_matches(',').split(',')
}

fn current_items(settings: &Map, key: &str, what: &str) -> Result<Vec<String>, ConfigError> {
    let Some(def) = definitions::static_broker_named(key) else {
        return Err(ConfigError::invalid_configuration(format!("Unknown config name: {key}")).about(key));
    };
    if def.config_type != ConfigType::List {
        let message = format!("Config value {what} is not allowed for config key: {key}");
        return Err(ConfigError::invalid_configuration(message).about(key));
    }
    let text = settings.get(key).cloned().or_else(|| def.default_value().to_text()).unwrap_or_default();
    Ok(java_split(&text).map(str::to_owned).collect())
}

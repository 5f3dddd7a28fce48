//! What the controller knows of settings without a broker's parsed configuration: Kafka's `KafkaConfigSchema`.

use std::collections::BTreeMap;

use crate::definition::ConfigDef;
use crate::definitions;
use crate::describe::ConfigSource;
use crate::java;
use crate::value::ConfigType;

type Map = BTreeMap<String, String>;

/// What settings belong to, with its id on the wire and in the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceType {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceType {
    pub fn id(self) -> i8 {
        self as i8
    }

    pub fn from_id(id: i8) -> Option<ResourceType> {
        use ResourceType::{Broker, BrokerLogger, ClientMetrics, Group, Topic};
        [Topic, Broker, BrokerLogger, ClientMetrics, Group].into_iter().find(|resource| resource.id() == id)
    }

    /// A setting as the controller knows it. It knows those of brokers and topics only.
    fn definition(self, key: &str) -> Option<&'static ConfigDef> {
        match self {
            ResourceType::Topic => definitions::topic(key),
            ResourceType::Broker => definitions::static_broker_named(key),
            _ => None,
        }
    }
}

/// A list, to which `APPEND` and `SUBTRACT` apply.
pub fn is_splittable(resource: ResourceType, key: &str) -> bool {
    resource.definition(key).is_some_and(|def| def.config_type == ConfigType::List)
}

/// A secret, or not known to be none.
pub fn is_sensitive(resource: ResourceType, key: &str) -> bool {
    resource.definition(key).is_none_or(|def| def.config_type.is_sensitive())
}

/// The default as text; `None` where there is none or it is null.
pub fn default_text(resource: ResourceType, key: &str) -> Option<String> {
    resource.definition(key)?.default_value().to_text()
}

/// One setting of a topic in a `CreateTopics` response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveConfig {
    pub name: &'static str,
    pub value: Option<String>,
    pub source: ConfigSource,
    pub is_sensitive: bool,
    pub config_type: ConfigType,
}

/// The settings that matter to the controller for one topic: what this node's file says, what is set for all brokers,
/// for this node, and for the topic. None is parsed, as in Kafka.
pub struct ConfigLayers<'a> {
    pub static_node: &'a Map,
    pub dynamic_cluster: &'a Map,
    pub dynamic_node: &'a Map,
    pub topic: &'a Map,
}

impl ConfigLayers<'_> {
    /// All settings of the topic; internal ones only where it overrides them.
    pub fn effective_topic_configs(&self) -> Vec<EffectiveConfig> {
        let shown = |def: &&ConfigDef| !def.internal || self.topic.contains_key(def.name);
        definitions::TOPIC.iter().filter(shown).map(|def| self.effective(def)).collect()
    }

    /// One setting of the topic; `None` when there is none of this name.
    pub fn effective_topic_config(&self, key: &str) -> Option<EffectiveConfig> {
        definitions::topic(key).map(|def| self.effective(def))
    }

    fn effective(&self, def: &'static ConfigDef) -> EffectiveConfig {
        let (value, source) = self.find(def);
        EffectiveConfig {
            name: def.name,
            value,
            source,
            is_sensitive: def.config_type.is_sensitive(),
            config_type: def.config_type,
        }
    }

    fn find(&self, def: &ConfigDef) -> (Option<String>, ConfigSource) {
        if let Some(text) = self.topic.get(def.name) {
            return (Some(text.clone()), ConfigSource::Topic);
        }
        let layers = [
            (self.dynamic_node, ConfigSource::DynamicBroker),
            (self.dynamic_cluster, ConfigSource::DynamicDefaultBroker),
            (self.static_node, ConfigSource::StaticBroker),
        ];
        for (layer, source) in layers {
            for synonym in def.synonyms {
                if let Some(text) = layer.get(synonym.name) {
                    return (Some(convert(text, synonym.factor)), source);
                }
            }
        }
        (def.default_value().to_text(), ConfigSource::Default)
    }
}

/// Hours or minutes to milliseconds; what is no number counts as 0.
fn convert(text: &str, factor: i64) -> String {
    if factor == 1 {
        return text.to_owned();
    }
    (i64::from(java::parse_int(java::trim(text)).unwrap_or(0)) * factor).to_string()
}

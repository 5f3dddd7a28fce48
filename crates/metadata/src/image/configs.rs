//! What was set for topics, brokers, groups and client metrics subscriptions.

use crate::pmap::PMap;
use ottla_config::{ResourceType, definitions};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Kafka's constant, as messages show it.
pub(crate) fn type_name(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::Topic => "TOPIC",
        ResourceType::Broker => "BROKER",
        ResourceType::BrokerLogger => "BROKER_LOGGER",
        ResourceType::ClientMetrics => "CLIENT_METRICS",
        ResourceType::Group => "GROUP",
    }
}

/// Whether a setting is kept at all: what was removed from Kafka may still be in an old log, and is passed over.
pub(super) fn is_supported(resource_type: ResourceType, key: &str) -> bool {
    match resource_type {
        ResourceType::Topic => definitions::topic(key).is_some(),
        // Listener prefixes and plug-ins bring names of their own.
        ResourceType::Broker => true,
        ResourceType::ClientMetrics => definitions::client_metrics(key).is_some(),
        ResourceType::Group => definitions::group(key).is_some(),
        ResourceType::BrokerLogger => false,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    pub resource_type: ResourceType,
    /// Empty for the default of all brokers.
    pub name: String,
}

impl ConfigResource {
    pub fn new(resource_type: ResourceType, name: impl Into<String>) -> ConfigResource {
        ConfigResource { resource_type, name: name.into() }
    }

    pub fn topic(name: impl Into<String>) -> ConfigResource {
        Self::new(ResourceType::Topic, name)
    }

    pub fn broker(id: i32) -> ConfigResource {
        Self::new(ResourceType::Broker, id.to_string())
    }

    /// What counts for every broker that has no value of its own.
    pub fn all_brokers() -> ConfigResource {
        Self::new(ResourceType::Broker, "")
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", type_name(self.resource_type), self.name)
    }
}

pub type ConfigMap = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigsImage {
    resources: PMap<ConfigResource, Arc<ConfigMap>>,
}

static NOTHING: ConfigMap = ConfigMap::new();

impl ConfigsImage {
    /// What was set for the resource; empty when nothing was.
    pub fn get(&self, resource: &ConfigResource) -> &ConfigMap {
        self.resources.get(resource).map_or(&NOTHING, |map| map)
    }

    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// In the order of type and name. None of the maps is empty.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &ConfigMap)> {
        self.resources.iter().map(|(resource, map)| (resource, &**map))
    }

    pub(super) fn set(&mut self, resource: ConfigResource, key: &str, value: Option<&str>) {
        match (self.resources.get_mut(&resource), value) {
            (Some(map), Some(value)) => {
                Arc::make_mut(map).insert(key.to_owned(), value.to_owned());
            }
            (Some(map), None) => {
                let map = Arc::make_mut(map);
                map.remove(key);
                if map.is_empty() {
                    self.resources.remove(&resource);
                }
            }
            (None, Some(value)) => {
                let map = ConfigMap::from([(key.to_owned(), value.to_owned())]);
                self.resources.insert(resource, Arc::new(map));
            }
            (None, None) => {}
        }
    }

    pub(super) fn remove(&mut self, resource: &ConfigResource) -> bool {
        self.resources.remove(resource).is_some()
    }
}

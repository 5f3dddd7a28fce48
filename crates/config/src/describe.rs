//! What `DescribeConfigs` answers: each setting, where its value comes from, and what else it could come from.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::ConfigDef;
use crate::dynamic::DynamicBrokerConfig;
use crate::error::ConfigError;
use crate::value::{ConfigType, Value};
use crate::{client_metrics, definitions, group_config, suggest, topic_settings};

type Map = BTreeMap<String, String>;

/// Where a value comes from, with its id on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    DynamicBrokerLogger = 6,
    ClientMetrics = 7,
    Group = 8,
}

impl ConfigSource {
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// One place that gives a setting a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedSynonym {
    pub name: String,
    /// `None` when it is secret.
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// One setting of a `DescribeConfigs` response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConfig {
    pub name: String,
    /// `None` for null and for secrets.
    pub value: Option<String>,
    pub read_only: bool,
    pub source: ConfigSource,
    pub is_sensitive: bool,
    /// In Kafka's order, the one that counts first. Leave them out of the response unless they were asked for.
    pub synonyms: Vec<DescribedSynonym>,
    /// `None` where Kafka does not know the setting.
    pub config_type: Option<ConfigType>,
}

impl DescribedConfig {
    /// The type's id on the wire, 0 for unknown.
    pub fn config_type_id(&self) -> i8 {
        self.config_type.map_or(0, ConfigType::wire_id)
    }

    /// For `include_documentation`.
    pub fn documentation(&self) -> Option<String> {
        suggest::explain(&self.name)
    }
}

/// A value on its way into an answer: parsed where Kafka knows the setting, else as it was written.
enum Shown<'a> {
    Parsed(&'a Value),
    Text(&'a str),
}

impl Shown<'_> {
    fn to_text(&self) -> Option<String> {
        match self {
            Shown::Parsed(value) => value.to_text(),
            Shown::Text(text) => Some((*text).to_owned()),
        }
    }
}

/// What is not known may be a secret.
fn is_sensitive(config_type: Option<ConfigType>) -> bool {
    config_type.is_none_or(ConfigType::is_sensitive)
}

/// All settings that are not internal, plus whatever else is set: internal ones and ones that Kafka does not know.
fn entries<'a>(
    defs: impl Iterator<Item = &'static ConfigDef>,
    value: impl Fn(&ConfigDef) -> Option<&'a Value>,
    originals: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(&'a str, Shown<'a>)> {
    let mut entries: Vec<(&str, Shown<'_>)> =
        defs.filter(|def| !def.internal).filter_map(|def| Some((def.name, Shown::Parsed(value(def)?)))).collect();
    let known: BTreeSet<&str> = entries.iter().map(|(name, _)| *name).collect();
    entries.extend(originals.filter(|(name, _)| !known.contains(name)).map(|(name, text)| (name, Shown::Text(text))));
    entries.sort_by_key(|(name, _)| *name);
    entries
}

fn wanted(keys: Option<&[String]>, name: &str) -> bool {
    keys.is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| key == name))
}

impl DynamicBrokerConfig {
    /// Every place from which a broker setting may come, the one that counts first.
    fn synonyms(&self, name: &str, sensitive: bool) -> Vec<DescribedSynonym> {
        let names = definitions::broker_synonyms(name, true);
        let mut all = Vec::new();
        let mut add = |value: &dyn Fn(&str) -> Option<String>, source| {
            for name in &names {
                if let Some(value) = value(name) {
                    let value = (!sensitive).then_some(value);
                    all.push(DescribedSynonym { name: (*name).to_owned(), value, source });
                }
            }
        };
        add(&|name| self.dynamic_broker().get(name).cloned(), ConfigSource::DynamicBroker);
        add(&|name| self.dynamic_default().get(name).cloned(), ConfigSource::DynamicDefaultBroker);
        let originals = self.static_config().originals();
        add(&|name| originals.get(name).map(str::to_owned), ConfigSource::StaticBroker);
        let default = |name: &str| definitions::static_broker_named(name)?.default_value().to_text();
        add(&default, ConfigSource::Default);
        // Kafka shows no synonyms before the setting's own name, and so none at all where only another name is set.
        all.into_iter().skip_while(|synonym| synonym.name != name).collect()
    }

    /// The settings of this broker. `keys` restricts the answer, as in the request.
    pub fn describe_broker(&self, keys: Option<&[String]>) -> Vec<DescribedConfig> {
        let current = self.current();
        let originals = current.originals().iter().map(|(key, entry)| (key, entry.value.as_str()));
        entries(definitions::static_broker(), |def| current.value(def.name), originals)
            .into_iter()
            .filter(|(name, _)| wanted(keys, name))
            .map(|(name, shown)| self.broker_entry(name, &shown, true))
            .collect()
    }

    /// What is set for all brokers of the cluster.
    pub fn describe_default_broker(&self, keys: Option<&[String]>) -> Vec<DescribedConfig> {
        let set = self.dynamic_default().iter().filter(|(name, _)| wanted(keys, name));
        set.map(|(name, text)| self.broker_entry(name, &Shown::Text(text), false)).collect()
    }

    fn broker_entry(&self, name: &str, shown: &Shown<'_>, per_broker: bool) -> DescribedConfig {
        let config_type = definitions::broker_for_key(name).map(|def| def.config_type);
        let is_sensitive = is_sensitive(config_type);
        let mut synonyms = self.synonyms(name, is_sensitive);
        if !per_broker {
            synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        }
        DescribedConfig {
            name: name.to_owned(),
            value: if is_sensitive { None } else { shown.to_text() },
            read_only: !definitions::broker(name).is_some_and(ConfigDef::is_dynamic),
            source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
            is_sensitive,
            synonyms,
            config_type,
        }
    }

    /// The settings of a topic with these overrides.
    pub fn describe_topic(
        &self,
        overrides: &Map,
        keys: Option<&[String]>,
    ) -> Result<Vec<DescribedConfig>, ConfigError> {
        let values = topic_settings::parse(overrides, &topic_settings::broker_defaults(self.current()))?.0;
        let originals = overrides.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        let shown = entries(definitions::TOPIC.iter(), |def| values.get(def.name), originals);
        let describe = |(name, shown): &(&str, Shown<'_>)| {
            let def = definitions::topic(name);
            let is_sensitive = is_sensitive(def.map(|def| def.config_type));
            let broker_name = def.and_then(|def| def.synonyms.first()).map(|synonym| synonym.name);
            let behind = broker_name.map(|name| self.synonyms(name, is_sensitive)).unwrap_or_default();
            overridable(name, shown, def, overrides, ConfigSource::Topic, behind)
        };
        Ok(shown.iter().filter(|(name, _)| wanted(keys, name)).map(describe).collect())
    }

    /// The settings of a group with these overrides.
    pub fn describe_group(
        &self,
        overrides: &Map,
        keys: Option<&[String]>,
    ) -> Result<Vec<DescribedConfig>, ConfigError> {
        let values = group_config::parse(overrides, &group_config::broker_defaults(self.current()))?;
        let originals = overrides.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        let shown = entries(definitions::GROUP.iter(), |def| values.get(def.name), originals);
        let describe = |(name, shown): &(&str, Shown<'_>)| {
            let def = definitions::group(name);
            let is_sensitive = is_sensitive(def.map(|def| def.config_type));
            let broker_name = def.and_then(|def| def.synonyms.first()).map(|synonym| synonym.name);
            let behind = match (broker_name, def.and_then(|def| def.default_value().to_text())) {
                (Some(name), _) => self.synonyms(name, is_sensitive),
                (None, Some(default)) => {
                    let name = (*name).to_owned();
                    vec![DescribedSynonym { name, value: Some(default), source: ConfigSource::Default }]
                }
                (None, None) => Vec::new(),
            };
            overridable(name, shown, def, overrides, ConfigSource::Group, behind)
        };
        Ok(shown.iter().filter(|(name, _)| wanted(keys, name)).map(describe).collect())
    }
}

/// The settings of a client metrics subscription with these overrides.
pub fn describe_client_metrics(overrides: &Map, keys: Option<&[String]>) -> Result<Vec<DescribedConfig>, ConfigError> {
    let values = client_metrics::parse(overrides)?;
    let originals = overrides.iter().map(|(key, text)| (key.as_str(), text.as_str()));
    let shown = entries(definitions::CLIENT_METRICS.iter(), |def| values.get(def.name), originals);
    let describe = |(name, shown): &(&str, Shown<'_>)| {
        let def = definitions::client_metrics(name);
        let mut config = overridable(name, shown, def, overrides, ConfigSource::ClientMetrics, Vec::new());
        config.is_sensitive = false;
        config.value = shown.to_text();
        if let Some(synonym) = config.synonyms.first_mut() {
            synonym.value = config.value.clone();
        }
        config
    };
    Ok(shown.iter().filter(|(name, _)| wanted(keys, name)).map(describe).collect())
}

/// A setting that its resource may override, and what is `behind` it otherwise.
fn overridable(
    name: &str,
    shown: &Shown<'_>,
    def: Option<&ConfigDef>,
    overrides: &Map,
    source: ConfigSource,
    behind: Vec<DescribedSynonym>,
) -> DescribedConfig {
    let config_type = def.map(|def| def.config_type);
    let is_sensitive = is_sensitive(config_type);
    let value = if is_sensitive { None } else { shown.to_text() };
    let mut synonyms = Vec::with_capacity(behind.len() + 1);
    if overrides.contains_key(name) {
        synonyms.push(DescribedSynonym { name: name.to_owned(), value: value.clone(), source });
    }
    synonyms.extend(behind);
    DescribedConfig {
        name: name.to_owned(),
        value,
        read_only: false,
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        is_sensitive,
        synonyms,
        config_type,
    }
}

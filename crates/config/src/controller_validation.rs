//! What the active controller asks before it writes settings into the metadata: Kafka's
//! `ControllerConfigurationValidator`.

use std::collections::BTreeMap;

use crate::broker_config::BrokerConfig;
use crate::client_metrics::validate_client_metrics_config;
use crate::error::{ConfigError, ErrorKind};
use crate::group_config::validate_group_config;
use crate::java;
use crate::schema::ResourceType;
use crate::topic_validation::validate_topic_config_change;

type Map = BTreeMap<String, String>;

/// May a topic be called this?
pub fn validate_topic_name(name: &str) -> Result<(), ConfigError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.encode_utf16().count() > 249 => {
            format!("the length of '{name}' is longer than the max allowed length 249")
        }
        _ if !name.chars().all(legal) => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return Ok(()),
    };
    Err(ConfigError::new(ErrorKind::InvalidTopic, format!("Topic name is invalid: {reason}")))
}

fn validate_broker_name(name: &str) -> Result<(), ConfigError> {
    match (name, java::parse_int(name)) {
        ("", _) => Ok(()),
        (_, None) => Err(ConfigError::invalid_request("Unable to parse broker name as a base 10 number.")),
        (_, Some(id)) if id < 0 => Err(ConfigError::invalid_request("Invalid negative broker ID.")),
        _ => Ok(()),
    }
}

fn validate_topic_resource(name: &str) -> Result<(), ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::invalid_request("Default topic resources are not allowed."));
    }
    validate_topic_name(name)
}

fn unknown(resource: ResourceType) -> ConfigError {
    let name = match resource {
        ResourceType::Topic => "TOPIC",
        ResourceType::Broker => "BROKER",
        ResourceType::BrokerLogger => "BROKER_LOGGER",
        ResourceType::ClientMetrics => "CLIENT_METRICS",
        ResourceType::Group => "GROUP",
    };
    ConfigError::invalid_request(format!("Unknown resource type {name}"))
}

/// Could there be such a resource? For requests that read settings.
pub fn validate_resource(resource: ResourceType, name: &str) -> Result<(), ConfigError> {
    match resource {
        ResourceType::Topic => validate_topic_resource(name),
        ResourceType::Broker => validate_broker_name(name),
        other => Err(unknown(other)),
    }
}

/// May the settings of this resource become `new`? All of them are given, not just the changed ones. Settings of brokers
/// have been checked by the broker that passed them on.
pub fn validate_resource_config(
    resource: ResourceType,
    name: &str,
    new: &Map,
    existing: &Map,
    broker: &BrokerConfig,
) -> Result<(), ConfigError> {
    match resource {
        ResourceType::Topic => {
            validate_topic_resource(name)?;
            validate_topic_config_change(existing, new, broker)
        }
        ResourceType::Broker => validate_broker_name(name),
        ResourceType::ClientMetrics => validate_client_metrics_config(name, new),
        ResourceType::Group if name.is_empty() => {
            Err(ConfigError::invalid_request("Default group resources are not allowed."))
        }
        ResourceType::Group => validate_group_config(new, broker),
        ResourceType::BrokerLogger => Err(unknown(resource)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_resources() {
        let message = |resource, name: &str| validate_resource(resource, name).map_err(|e| e.message);
        assert_eq!(message(ResourceType::Topic, "orders.v1"), Ok(()));
        for (resource, name, expected) in [
            (ResourceType::Topic, "", "Default topic resources are not allowed."),
            (ResourceType::Topic, "..", "Topic name is invalid: '..' is not allowed"),
            (
                ResourceType::Topic,
                "a b",
                "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' \
                 and '-'",
            ),
            (ResourceType::Broker, "x", "Unable to parse broker name as a base 10 number."),
            (ResourceType::Broker, "-1", "Invalid negative broker ID."),
            (ResourceType::BrokerLogger, "1", "Unknown resource type BROKER_LOGGER"),
        ] {
            assert_eq!(message(resource, name), Err(expected.to_owned()));
        }
        assert!(validate_topic_name(&"a".repeat(249)).is_ok());
        assert!(validate_topic_name(&"a".repeat(250)).is_err());
    }
}

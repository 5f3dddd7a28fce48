//! The settings of a client metrics subscription (KIP-714): Kafka's `ClientMetricsConfigs`.

use std::collections::BTreeMap;

use crate::definitions;
use crate::error::ConfigError;
use crate::java;
use crate::value::Value;

type Map = BTreeMap<String, String>;

/// What of a client may be matched.
const MATCH_PARAMETERS: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// A subscription, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetricsSettings {
    /// Prefixes of metric names; `*` for all of them, empty for none.
    pub metrics: Vec<String>,
    pub interval_ms: i32,
    /// A parameter such as `client_id`, and the regular expression that all of its value must match.
    pub patterns: Vec<(String, String)>,
}

impl ClientMetricsSettings {
    pub fn resolve(overrides: &Map) -> Result<ClientMetricsSettings, ConfigError> {
        let values = parse(overrides)?;
        let list = |key: &str| values.get(key).and_then(Value::as_list).unwrap_or_default();
        Ok(ClientMetricsSettings {
            metrics: list("metrics").to_vec(),
            interval_ms: values.get("interval.ms").and_then(Value::as_i64).unwrap_or_default() as i32,
            patterns: list("match").iter().map(|text| parse_pattern(text)).collect::<Result<_, _>>()?,
        })
    }
}

pub(crate) fn parse(overrides: &Map) -> Result<BTreeMap<&'static str, Value>, ConfigError> {
    let parse = |def: &'static crate::ConfigDef| {
        Ok((def.name, def.parse_optional(overrides.get(def.name).map(String::as_str))?))
    };
    definitions::CLIENT_METRICS.iter().map(parse).collect()
}

/// May a subscription of this name have these settings?
pub fn validate_client_metrics_config(name: &str, new: &Map) -> Result<(), ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::invalid_request("Subscription name can't be empty"));
    }
    let unknown = new.keys().filter(|key| definitions::client_metrics(key).is_none()).cloned().collect();
    if let Some(key) = java::grown_set_order(unknown, new.len()).first() {
        let message = format!("Unknown client metrics configuration: {key}");
        return Err(ConfigError::invalid_request(message).about(key));
    }
    let values = parse(new)?;
    if new.contains_key("interval.ms") {
        let interval = values.get("interval.ms").and_then(Value::as_i64).unwrap_or_default();
        if !(100..=3_600_000).contains(&interval) {
            return Err(ConfigError::invalid_request(format!(
                "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
            ))
            .about("interval.ms"));
        }
    }
    for pattern in values.get("match").and_then(Value::as_list).unwrap_or_default() {
        parse_pattern(pattern)?;
    }
    Ok(())
}

fn parse_pattern(text: &str) -> Result<(String, String), ConfigError> {
    let illegal =
        || ConfigError::invalid_configuration(format!("Illegal client matching pattern: {text}")).about("match");
    // Java's `split` forgets empty parts at the end.
    let parts: Vec<&str> = text.trim_end_matches('=').split('=').collect();
    let [parameter, pattern] = parts.as_slice() else { return Err(illegal()) };
    let (parameter, pattern) = (java::trim(parameter), java::trim(pattern));
    if !MATCH_PARAMETERS.contains(&parameter) || regex::Regex::new(pattern).is_err() {
        return Err(illegal());
    }
    Ok((parameter.to_owned(), pattern.to_owned()))
}

//! What one setting is: Kafka's `ConfigDef.ConfigKey`, and the check of a value against it.

use crate::error::ConfigError;
use crate::java;
use crate::quorum;
use crate::value::{ConfigType, Value};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultValue {
    /// There is none: the setting must be given.
    Required,
    Null,
    Text(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// How a setting may be changed while the server runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Needs a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker or as the default of the whole cluster.
    ClusterWide,
    /// A setting of a topic, group, subscription, user or address; it has no static form.
    Resource,
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    Any,
    /// Both bounds belong to the range.
    Range {
        min: f64,
        max: f64,
    },
    OneOf(&'static [&'static str]),
    /// In capitals, in the order in which Kafka names them.
    OneOfIgnoringCase(&'static [&'static str]),
    /// No duplicates, no empty members; and members of `of` unless that is empty.
    List {
        empty: bool,
        null: bool,
        of: &'static [&'static str],
    },
    NonEmptyString,
    NonNull,
    /// 1 to 9, or -1 for the library's own choice.
    GzipLevel,
    ThrottledReplicas,
    QuorumVoters,
    BootstrapServers,
    ShareAutoOffsetReset,
}

/// A broker setting from which another takes its value when nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    /// 1, or how many milliseconds one of its units has.
    pub factor: i64,
}

#[derive(Debug)]
pub struct ConfigDef {
    pub name: &'static str,
    pub config_type: ConfigType,
    pub default: DefaultValue,
    pub validator: Validator,
    pub importance: Importance,
    pub update_mode: UpdateMode,
    /// Accepted, but neither documented nor described unless set.
    pub internal: bool,
    /// The part of the server that it belongs to, such as `log` or `quorum`.
    pub area: &'static str,
    /// In the order in which Kafka asks them.
    pub synonyms: &'static [Synonym],
}

impl ConfigDef {
    /// What it is when nobody says. `Null` for a required one, too.
    pub fn default_value(&self) -> Value {
        match self.default {
            DefaultValue::Required | DefaultValue::Null => Value::Null,
            DefaultValue::Text(text) => match Value::parse(self.name, text, self.config_type) {
                Ok(value) => value,
                // Invariant: the tables are generated, and a test parses every default.
                Err(error) => panic!("the default of {} does not parse: {error}", self.name),
            },
        }
    }

    /// Reads and checks a value that was given.
    ///
    /// ```
    /// let partitions = ottla_config::definitions::broker("num.partitions").unwrap();
    /// let error = partitions.parse_value("abc").unwrap_err();
    /// assert_eq!(error.message, "Invalid value abc for configuration num.partitions: Not a number of type INT");
    /// ```
    pub fn parse_value(&self, text: &str) -> Result<Value, ConfigError> {
        let mut value = Value::parse(self.name, text, self.config_type).map_err(|e| self.help(e))?;
        if let (Validator::List { .. }, Value::List(items)) = (&self.validator, &mut value) {
            remove_duplicates(items);
        }
        if let Value::Class(class) = &value
            && !CLASSES.contains(&class.as_str())
        {
            let why = format_args!("Class {text} could not be found.").to_string();
            let help = "Classes written in Java cannot be loaded; leave the setting out to use the built-in one.";
            return Err(ConfigError::value(self.name, text, why).helped(help));
        }
        self.validate(&value)?;
        Ok(value)
    }

    /// The value when it is given, else the default; an error when it is required and missing.
    pub fn parse_optional(&self, text: Option<&str>) -> Result<Value, ConfigError> {
        match (text, self.default) {
            (Some(text), _) => self.parse_value(text),
            (None, DefaultValue::Required) => Err(ConfigError::config(format!(
                "Missing required configuration \"{}\" which has no default value.",
                self.name
            ))
            .about(self.name)),
            (None, _) => Ok(self.default_value()),
        }
    }

    pub fn validate(&self, value: &Value) -> Result<(), ConfigError> {
        validate(self.name, &self.validator, value).map_err(|e| self.help(e))
    }

    fn help(&self, error: ConfigError) -> ConfigError {
        let help = format!("Allowed: {}; default: {}.", self.allowed(), self.default_text());
        error.about(self.name).helped(help)
    }

    /// What may be written, for people.
    pub fn allowed(&self) -> String {
        let kind = match self.config_type {
            ConfigType::Boolean => return "true or false".to_owned(),
            ConfigType::String | ConfigType::Password => "a text",
            ConfigType::Int | ConfigType::Short | ConfigType::Long => "a whole number",
            ConfigType::Double => "a number",
            ConfigType::List => "a comma-separated list",
            ConfigType::Class => "a class name",
        };
        match self.validator {
            Validator::Any => match self.config_type {
                ConfigType::Int => format!("a whole number from {} to {}", i32::MIN, i32::MAX),
                ConfigType::Short => format!("a whole number from {} to {}", i16::MIN, i16::MAX),
                _ => kind.to_owned(),
            },
            Validator::NonNull => kind.to_owned(),
            Validator::Range { min, max } if max.is_infinite() => format!("{kind}, at least {min}"),
            Validator::Range { min, max } => format!("{kind} from {min} to {max}"),
            Validator::OneOf(names) => format!("one of {}", names.join(", ")),
            Validator::OneOfIgnoringCase(names) => format!("one of {} (in any case)", names.join(", ")),
            Validator::List { empty, of, .. } => {
                let of = if of.is_empty() { String::new() } else { format!(" of {}", of.join(", ")) };
                format!("{kind}{of}, each once{}", if empty { "" } else { ", at least one" })
            }
            Validator::NonEmptyString => "a text that is not empty".to_owned(),
            Validator::GzipLevel => "1 to 9, or -1 for the default level".to_owned(),
            Validator::ThrottledReplicas => "'*', or a list of partition:broker".to_owned(),
            Validator::QuorumVoters => "a list of id@host:port".to_owned(),
            Validator::BootstrapServers => "a list of host:port".to_owned(),
            Validator::ShareAutoOffsetReset => {
                "earliest, latest, or by_duration: and an ISO 8601 duration such as by_duration:PT1H".to_owned()
            }
        }
    }

    /// The default, for people.
    pub fn default_text(&self) -> &'static str {
        match self.default {
            DefaultValue::Required => "none, it must be set",
            DefaultValue::Null => "not set",
            DefaultValue::Text("") => "empty",
            DefaultValue::Text(text) => text,
        }
    }
}

/// Kafka's own classes that a setting of type class may name, and that have a built-in counterpart.
const CLASSES: [&str; 20] = [
    "org.apache.kafka.common.security.authenticator.AbstractLogin$DefaultLoginCallbackHandler",
    "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
    "org.apache.kafka.common.security.authenticator.DefaultLogin",
    "org.apache.kafka.common.security.authenticator.SaslClientCallbackHandler",
    "org.apache.kafka.common.security.kerberos.KerberosLogin",
    "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.OAuthBearerRefreshingLogin",
    "org.apache.kafka.common.security.oauthbearer.internals.OAuthBearerSaslClientCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
    "org.apache.kafka.common.security.plain.internals.PlainServerCallbackHandler",
    "org.apache.kafka.common.security.ssl.DefaultSslEngineFactory",
];

fn validate(name: &str, validator: &Validator, value: &Value) -> Result<(), ConfigError> {
    let is_null = value.is_null();
    match validator {
        Validator::Any => Ok(()),
        Validator::Range { .. } | Validator::GzipLevel if is_null => {
            Err(ConfigError::value(name, "null", "Value must be non-null"))
        }
        Validator::Range { min, max } => {
            let number = value.as_f64().unwrap_or(f64::NAN);
            if number < *min {
                return Err(ConfigError::value(name, value, format_args!("Value must be at least {min}")));
            }
            if number > *max {
                return Err(ConfigError::value(name, value, format_args!("Value must be no more than {max}")));
            }
            Ok(())
        }
        Validator::GzipLevel => match value.as_i64() {
            Some(-1 | 1..=9) => Ok(()),
            _ => Err(ConfigError::value(name, value, "Value must be between 1 and 9 or equal to -1")),
        },
        Validator::OneOf(names) => one_of(name, names, value),
        Validator::OneOfIgnoringCase(names) => {
            let known = value.as_str().is_some_and(|text| names.contains(&text.to_uppercase().as_str()));
            let why = format_args!("String must be one of (case insensitive): {}", names.join(", ")).to_string();
            if known { Ok(()) } else { Err(ConfigError::value(name, value, why)) }
        }
        Validator::List { empty, null, of } => validate_list(name, *empty, *null, of, value),
        Validator::NonEmptyString if value.as_str() == Some("") => {
            Err(ConfigError::value(name, value, "String must be non-empty"))
        }
        Validator::NonEmptyString => Ok(()),
        Validator::NonNull if is_null => Err(ConfigError::value(name, "null", "entry must be non null")),
        Validator::NonNull => Ok(()),
        Validator::ThrottledReplicas => throttled_replicas(name, value),
        Validator::QuorumVoters => quorum::parse_voters(value.as_list().unwrap_or_default()).map(|_| ()),
        Validator::BootstrapServers => quorum::parse_bootstrap_servers(value.as_list().unwrap_or_default()).map(|_| ()),
        Validator::ShareAutoOffsetReset => share_auto_offset_reset(name, value),
    }
}

fn one_of(name: &str, names: &[&str], value: &Value) -> Result<(), ConfigError> {
    if value.as_str().is_some_and(|text| names.contains(&text)) {
        return Ok(());
    }
    Err(ConfigError::value(name, value, format_args!("String must be one of: {}", names.join(", "))))
}

fn validate_list(name: &str, empty: bool, null: bool, of: &[&str], value: &Value) -> Result<(), ConfigError> {
    let Some(items) = value.as_list() else {
        if null {
            return Ok(());
        }
        return Err(ConfigError::config(format!("Configuration '{name}' values must not be null.")));
    };
    if items.is_empty() && !empty {
        let valid = if of.is_empty() { "any non-empty value".to_owned() } else { format!("[{}]", of.join(", ")) };
        let message = format!("Configuration '{name}' must not be empty. Valid values include: {valid}");
        return Err(ConfigError::config(message));
    }
    for item in items {
        if item.is_empty() {
            return Err(ConfigError::config(format!("Configuration '{name}' values must not be empty.")));
        }
        if !of.is_empty() {
            one_of(name, of, &Value::String(item.clone()))?;
        }
    }
    Ok(())
}

/// Keeps the first of each.
fn remove_duplicates(items: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
}

fn throttled_replicas(name: &str, value: &Value) -> Result<(), ConfigError> {
    let items = value.as_list().unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let replica = |item: &str| {
        item.is_empty() || item.split_once(':').is_some_and(|(partition, id)| digits(partition) && digits(id))
    };
    if items.iter().all(|item| replica(java::trim(item))) || items.concat().trim() == "*" {
        return Ok(());
    }
    let why = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::value(name, value, why))
}

fn share_auto_offset_reset(name: &str, value: &Value) -> Result<(), ConfigError> {
    let text = value.as_str().unwrap_or_default();
    let duration = text.strip_prefix("by_duration:").is_some_and(|iso| java::parse_duration_ms(iso).is_some());
    if matches!(text, "earliest" | "latest") || duration {
        return Ok(());
    }
    let why = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or of the \
         format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(ConfigError::value(name, value, why))
}

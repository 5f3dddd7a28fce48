//! The nine types of Kafka's settings, and text read as one of them.

use std::fmt;

use crate::error::ConfigError;
use crate::java;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl ConfigType {
    /// The id in a `DescribeConfigs` response.
    pub fn wire_id(self) -> i8 {
        match self {
            ConfigType::Boolean => 1,
            ConfigType::String => 2,
            ConfigType::Int => 3,
            ConfigType::Short => 4,
            ConfigType::Long => 5,
            ConfigType::Double => 6,
            ConfigType::List => 7,
            ConfigType::Class => 8,
            ConfigType::Password => 9,
        }
    }

    /// Kafka's name for it, as messages have it.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }

    /// Such a value is never shown.
    pub fn is_sensitive(self) -> bool {
        self == ConfigType::Password
    }
}

/// A parsed setting. Its [`fmt::Display`] is what Kafka's messages show of it, which hides passwords.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    String(String),
    List(Vec<String>),
    Class(String),
    Password(String),
}

impl Value {
    /// Reads `text` as a value of `kind`. Ranges and the like are the validator's affair.
    pub(crate) fn parse(key: &str, text: &str, kind: ConfigType) -> Result<Value, ConfigError> {
        let trimmed = java::trim(text);
        let number = |min: i64, max: i64| {
            java::parse_integer(trimmed, min, max)
                .ok_or_else(|| ConfigError::value(key, text, format_args!("Not a number of type {}", kind.name())))
        };
        Ok(match kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Value::Boolean(true),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Value::Boolean(false),
            ConfigType::Boolean => {
                return Err(ConfigError::value(key, text, "Expected value to be either true or false"));
            }
            ConfigType::String => Value::String(trimmed.to_owned()),
            ConfigType::Password => Value::Password(trimmed.to_owned()),
            ConfigType::Int => Value::Int(number(i32::MIN.into(), i32::MAX.into())? as i32),
            ConfigType::Short => Value::Short(number(i16::MIN.into(), i16::MAX.into())? as i16),
            ConfigType::Long => Value::Long(number(i64::MIN, i64::MAX)?),
            ConfigType::Double => match java::parse_double(trimmed) {
                Some(number) => Value::Double(number),
                None => return Err(ConfigError::value(key, text, "Not a number of type DOUBLE")),
            },
            ConfigType::List if trimmed.is_empty() => Value::List(Vec::new()),
            ConfigType::List => Value::List(java::split_commas(trimmed).into_iter().map(str::to_owned).collect()),
            ConfigType::Class => Value::Class(trimmed.to_owned()),
        })
    }

    /// As a `DescribeConfigs` response carries it; `None` for null. Does not hide passwords: see
    /// [`ConfigType::is_sensitive`].
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::List(items) => items.join(","),
            Value::Password(secret) => secret.clone(),
            other => other.to_string(),
        })
    }

    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// Of the three integer types and of doubles.
    pub(crate) fn as_f64(&self) -> Option<f64> {
        Some(match self {
            Value::Int(n) => f64::from(*n),
            Value::Short(n) => f64::from(*n),
            Value::Long(n) => *n as f64,
            Value::Double(n) => *n,
            _ => return None,
        })
    }

    /// Of the three integer types.
    pub fn as_i64(&self) -> Option<i64> {
        Some(match self {
            Value::Int(n) => i64::from(*n),
            Value::Short(n) => i64::from(*n),
            Value::Long(n) => *n,
            _ => return None,
        })
    }

    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Of strings and class names; not of passwords.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Class(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Short(n) => write!(f, "{n}"),
            Value::Long(n) => write!(f, "{n}"),
            Value::Double(n) => f.write_str(&java::double_to_string(*n)),
            Value::String(text) | Value::Class(text) => f.write_str(text),
            Value::List(items) => f.write_str(&java::list_to_string(items)),
            Value::Password(_) => f.write_str("[hidden]"),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

//! What is wrong with a setting: Kafka's words for the wire, and more for the person who has to repair it.

use std::fmt;

use ottla_base::ErrorCode;

/// Which of its exceptions Kafka throws; it decides the error code that a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `ConfigException`
    Config,
    /// `InvalidConfigurationException`
    InvalidConfiguration,
    /// `InvalidRequestException`
    InvalidRequest,
    /// `InvalidTopicException`
    InvalidTopic,
    /// `IllegalArgumentException`, mostly of a cross-check at start
    IllegalArgument,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub kind: ErrorKind,
    /// Kafka's text to the letter; this is what goes on the wire.
    pub message: String,
    /// The setting at fault, where it is one.
    pub key: Option<Box<str>>,
    /// Where it was written, such as `server.properties:12`.
    pub origin: Option<Box<str>>,
    /// What to do about it, in our words.
    pub help: Option<Box<str>>,
    /// What else is wrong; Kafka stops at the first.
    pub more: Vec<ConfigError>,
}

impl ConfigError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ConfigError { kind, message: message.into(), key: None, origin: None, help: None, more: Vec::new() }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn invalid_configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidConfiguration, message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    pub(crate) fn illegal_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::IllegalArgument, message)
    }

    /// What Scala's `require` says.
    pub(crate) fn requirement(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::IllegalArgument, format!("requirement failed: {message}"))
    }

    /// The usual form: `Invalid value … for configuration …: why`.
    pub(crate) fn value(key: &str, value: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::config(format!("Invalid value {value} for configuration {key}: {why}")).about(key)
    }

    pub(crate) fn about(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    pub(crate) fn helped(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into().into_boxed_str());
        self
    }

    /// The code with which the controller answers a request that carries this setting.
    pub fn controller_error_code(&self) -> ErrorCode {
        match self.kind {
            ErrorKind::Config | ErrorKind::InvalidConfiguration => ErrorCode::InvalidConfig,
            ErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
            ErrorKind::InvalidTopic => ErrorCode::InvalidTopicException,
            ErrorKind::IllegalArgument => ErrorCode::UnknownServerError,
        }
    }

    /// The code with which a broker answers when a change of its own dynamic settings is refused: all that is not
    /// already a protocol error becomes `INVALID_REQUEST` there (KAFKA-13609).
    pub fn broker_error_code(&self) -> ErrorCode {
        match self.kind {
            ErrorKind::InvalidConfiguration => ErrorCode::InvalidConfig,
            _ => ErrorCode::InvalidRequest,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.strip_prefix("requirement failed: ").unwrap_or(&self.message))?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  {help}")?;
        }
        for error in &self.more {
            write!(f, "\n{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

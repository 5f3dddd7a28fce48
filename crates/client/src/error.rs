//! Why a call failed.

use std::fmt;

use ottla_base::ErrorCode;
use ottla_wire::WireError;

/// Names of the Java exceptions that no error code stands for.
pub mod class {
    pub const CONFIG: &str = "ConfigException";
    pub const KAFKA: &str = "KafkaException";
    pub const DISCONNECT: &str = "DisconnectException";
    pub const TIMEOUT: &str = "TimeoutException";
    pub const ILLEGAL_ARGUMENT: &str = "IllegalArgumentException";
    pub const ILLEGAL_STATE: &str = "IllegalStateException";
    pub const NO_OFFSET: &str = "NoOffsetForPartitionException";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// `None`, as Kafka's "no error", where the failure has no code.
    pub code: ErrorCode,
    /// The simple name of the Java exception that Kafka's client would throw.
    pub class: &'static str,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(class: &'static str, message: impl Into<String>) -> Error {
        Error { code: ErrorCode::None, class, message: message.into() }
    }

    pub fn timeout(message: impl Into<String>) -> Error {
        Error { code: ErrorCode::RequestTimedOut, class: class::TIMEOUT, message: message.into() }
    }

    pub fn disconnected(message: impl Into<String>) -> Error {
        Error { code: ErrorCode::NetworkException, class: class::DISCONNECT, message: message.into() }
    }

    pub fn config(message: impl Into<String>) -> Error {
        Error::new(class::CONFIG, message)
    }

    pub fn unsupported_version(message: impl Into<String>) -> Error {
        Error::from_response(ErrorCode::UnsupportedVersion, Some(&message.into()))
    }

    /// Another attempt may succeed.
    pub fn is_retriable(&self) -> bool {
        self.code.is_retriable()
    }

    /// The full name of the exception, as Kafka's own tools print it.
    pub fn java_class(&self) -> String {
        let package = match self.class {
            class::CONFIG => "org.apache.kafka.common.config",
            class::KAFKA => "org.apache.kafka.common",
            class::NO_OFFSET => "org.apache.kafka.clients.consumer",
            class::ILLEGAL_ARGUMENT | class::ILLEGAL_STATE => "java.lang",
            _ => "org.apache.kafka.common.errors",
        };
        format!("{package}.{}", self.class)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<WireError> for Error {
    fn from(error: WireError) -> Error {
        match error {
            WireError::UnsupportedVersion { .. } | WireError::FieldNotInVersion { .. } => {
                Error::unsupported_version(error.to_string())
            }
            _ => Error::new(class::KAFKA, format!("The broker sent a message that cannot be read: {error}")),
        }
    }
}

/// Turns the code of a response into a result.
pub fn check(code: i16) -> Result<()> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        error => Err(error.into()),
    }
}

/// As [`check`], with the message that came along.
pub fn check_with(code: i16, message: Option<&str>) -> Result<()> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        error => Err(Error::from_response(error, message)),
    }
}

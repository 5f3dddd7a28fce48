//! One error type for everything a log can refuse or fail to do.

use ottla_base::ErrorCode;
use std::fmt;
use std::io;
use std::path::Path;

/// A refusal or failure, as Kafka would report it: its error code, what is wrong in words, and for a
/// produce request the records at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogError {
    pub code: ErrorCode,
    pub message: String,
    /// At most all the records of the batch; empty where the batch as a whole is at fault.
    pub record_errors: Vec<RecordError>,
}

/// One record's fault (KIP-467).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Place of the record in its batch, from 0.
    pub batch_index: i32,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, LogError>;

impl LogError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        LogError { code, message: message.into(), record_errors: Vec::new() }
    }

    pub(crate) fn storage(doing: &str, path: &Path, error: &io::Error) -> Self {
        LogError::new(ErrorCode::KafkaStorageError, format!("{doing} {}: {error}", path.display()))
    }

    /// The disk failed, as opposed to the request being wrong.
    pub fn is_storage(&self) -> bool {
        self.code == ErrorCode::KafkaStorageError
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for LogError {}

/// Adds to an I/O error what was being done to which path.
pub(crate) trait Context<T> {
    fn doing(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn doing(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|error| LogError::storage(doing, path, &error))
    }
}

/// What is read from a disk and makes no sense is an I/O error, as in Kafka: the directory goes offline.
pub(crate) fn invalid_data(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

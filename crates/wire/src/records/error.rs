//! What can be wrong with a batch or a record.

use ottla_base::ErrorCode;

use super::Compression;

/// Each variant says which rule was broken and with what numbers; [`RecordsError::error_code`] says
/// how a client hears of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// Not damaged as far as one can see, only not all there.
    #[error("the batch needs {needed} bytes, only {available} are there")]
    Truncated { needed: usize, available: usize },
    #[error("the batch at offset {base_offset} says it has {size} bytes; the least for its format is {min}")]
    InvalidSize { base_offset: i64, size: i64, min: usize },
    /// Bytes after the one batch that was expected.
    #[error("a single batch was expected, but {0} bytes follow it")]
    TrailingBytes(usize),
    #[error("the batch at offset {base_offset} has format (magic) {magic}; known are 0, 1 and 2")]
    UnsupportedMagic { base_offset: i64, magic: i8 },
    #[error("the batch at offset {base_offset} is damaged: stored checksum {stored}, computed {computed}")]
    Corrupt { base_offset: i64, stored: u32, computed: u32 },
    #[error("invalid record in the batch at offset {base_offset}: {reason}")]
    InvalidRecord { base_offset: i64, reason: String },
    #[error("unknown compression codec {0}; known are 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) and 4 (zstd)")]
    UnsupportedCompression(i16),
    #[error("the {codec} data cannot be decompressed: {reason}", codec = .codec.name())]
    Decompress { codec: Compression, reason: String },
    #[error("decompressed, the {codec} data would exceed the limit of {limit} bytes", codec = .codec.name())]
    TooLarge { codec: Compression, limit: usize },
    /// Our own caller asked for a batch that the format cannot hold.
    #[error("the batch cannot be written: {0}")]
    CannotAppend(String),
}

impl RecordsError {
    pub(crate) fn invalid(base_offset: i64, reason: impl Into<String>) -> RecordsError {
        RecordsError::InvalidRecord { base_offset, reason: reason.into() }
    }

    pub(crate) fn decompress(codec: Compression, reason: impl ToString) -> RecordsError {
        RecordsError::Decompress { codec, reason: reason.to_string() }
    }

    /// The code that answers a Produce request. Kafka answers `UNKNOWN_SERVER_ERROR` to an unknown
    /// codec and to undecodable data; a code that names the cause costs no client anything.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            RecordsError::Truncated { .. }
            | RecordsError::InvalidSize { .. }
            | RecordsError::UnsupportedMagic { .. }
            | RecordsError::Corrupt { .. } => ErrorCode::CorruptMessage,
            RecordsError::TrailingBytes(_)
            | RecordsError::InvalidRecord { .. }
            | RecordsError::Decompress { .. }
            | RecordsError::CannotAppend(_) => ErrorCode::InvalidRecord,
            RecordsError::UnsupportedCompression(_) => ErrorCode::UnsupportedCompressionType,
            RecordsError::TooLarge { .. } => ErrorCode::RecordListTooLarge,
        }
    }
}

//! A partition's log on disk, in Kafka's formats.

mod cached_file;
mod config;
mod epochs;
mod error;
mod files;
mod index;
mod names;

pub use cached_file::FileCache;
pub use config::{CleanupPolicy, CompressionType, LogConfig, TimestampType};
pub use epochs::{EpochEntry, LeaderEpochs};
pub use error::{LogError, RecordError, Result};
pub use files::meta_properties::MetaProperties;
pub use index::AbortedTxn;
pub use files::{checkpoint, clean_shutdown, partition_metadata};

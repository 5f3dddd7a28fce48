//! A partition's log on disk, in Kafka's formats.

mod config;
mod epochs;
mod error;
mod files;
mod names;

pub use config::{CleanupPolicy, CompressionType, LogConfig, TimestampType};
pub use epochs::{EpochEntry, LeaderEpochs};
pub use error::{LogError, RecordError, Result};
pub use files::meta_properties::MetaProperties;
pub use files::{checkpoint, clean_shutdown, partition_metadata};

//! A partition's log on disk, in Kafka's formats.

mod cached_file;
mod config;
mod epochs;
mod error;
mod files;
mod index;
mod log;
mod manager;
pub mod names;
mod producer;
mod segment;

pub use cached_file::FileCache;
pub use config::{CleanupPolicy, CompressionType, LogConfig};
pub use epochs::{EpochEntry, LeaderEpochs};
pub use error::{LogError, RecordError, Result};
pub use files::meta_properties::MetaProperties;
pub use files::{checkpoint, clean_shutdown, partition_metadata};
pub use index::AbortedTxn;
pub use log::{
    AppendInfo, AppendOptions, FetchData, FetchIsolation, Log, LogContext, LogFailure, LogOffsets, LogParams,
    LogStartOffsetReason, OffsetMetadata,
};
pub use manager::{LogDirInfo, LogManager, LogManagerConfig, TickReport};
pub use ottla_wire::records::TimestampType;
pub use producer::{AppendOrigin, BatchMetadata, ProducerInfo, ProducerStateConfig, TxnVersion, VerificationGuard};
pub use segment::TimestampAndOffset;

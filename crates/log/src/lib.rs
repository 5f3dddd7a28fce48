//! A partition's log on disk, in Kafka's formats, and all the logs of a broker in its log directories.
//!
//! [`Log`] is one partition: a list of segments with their indexes, the leader epochs, and what is remembered of
//! producers. [`LogManager`] finds, makes, moves and deletes logs, and keeps house. Both are used from any thread,
//! and open nothing before it is needed.
//!
//! What survives which fault: everything below the recovery point, which a flush raises, survives the loss of
//! power; after a clean shutdown that is all there is. What is above it survives as far as it got to the disk,
//! up to the first batch that is damaged or missing. A write or sync that fails takes the log out of service until
//! it is opened again, because nobody can know what the file holds.
//!
//! Invariant: nothing here waits for a sync while it holds a log's lock (opening a log and closing it aside), and no record's bytes are copied to be read.

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

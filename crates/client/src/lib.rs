//! A small Kafka client: what the command-line tools need of the admin, producer and consumer clients of
//! Apache Kafka, with the same settings, defaults and errors.
//!
//! Invariant: this crate knows nothing of a broker's insides. It speaks the wire protocol, to any broker.

mod admin;
mod cluster;
mod config;
mod connection;
mod consumer;
pub mod error;
mod error_texts;
mod metadata;
mod producer;
mod random;

pub use admin::{
    Admin, AlterOp, ConfigResource, NewPartitions, NewTopic, PartitionDescription, ResourceType, Target,
    TopicDescription,
};
pub use cluster::{Cluster, CoordinatorType, Topics};
pub use config::{ClientConfig, Role, Settings, invalid, parse_host_port};
pub use connection::{Connection, Reply};
pub use consumer::{
    Consumer, ConsumerConfig, ConsumerRecord, EARLIEST_TIMESTAMP, FoundOffset, LATEST_TIMESTAMP, MAX_TIMESTAMP,
    OffsetReset, StartAt, Strategy,
};
pub use error::{Error, Result};
pub use metadata::{Broker, Metadata, PartitionInfo, TopicInfo};
pub use producer::{Delivery, Producer, ProducerConfig, ProducerRecord, RecordMetadata};

pub(crate) use admin::group_by_topic;

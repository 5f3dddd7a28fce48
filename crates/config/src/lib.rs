//! The settings of Apache Kafka 4.3: what each is called, what it may hold, what it is when nobody says,
//! and how brokers, topics, groups and clients come by their effective values.
//!
//! Below the metadata crate, so that the controller (which validates) and the start of the server
//! (which reads `server.properties`) mean the same thing by a setting.
//!
//! Invariant: this crate opens no file and asks no clock. Text comes in; typed settings, or an error in
//! Kafka's words, go out.

mod broker_checks;
mod broker_config;
mod client_metrics;
mod controller_validation;
mod definition;
pub mod definitions;
mod describe;
mod dynamic;
mod error;
mod group_checks;
mod group_config;
mod java;
mod listeners;
mod properties;
mod providers;
mod quorum;
mod reconfiguration;
pub mod schema;
mod suggest;
mod topic_settings;
mod topic_validation;
mod value;

pub use broker_config::{BrokerConfig, ProcessRoles, Warning};
pub use client_metrics::{ClientMetricsSettings, validate_client_metrics_config};
pub use controller_validation::{validate_resource, validate_resource_config, validate_topic_name};
pub use definition::{ConfigDef, DefaultValue, Importance, Synonym, UpdateMode, Validator};
pub use describe::{ConfigSource, DescribedConfig, DescribedSynonym, describe_client_metrics};
pub use dynamic::{AlterOp, DynamicBrokerConfig, apply_alter_ops, validate_dynamic_configs};
pub use error::{ConfigError, ErrorKind};
pub use group_config::{GroupSettings, ShareAutoOffsetReset, validate_group_config};
pub use listeners::{Listener, SecurityProtocol};
pub use properties::{Entry, Properties, PropertiesError, store};
pub use providers::{Provider, ProviderKind};
pub use quorum::{BootstrapServer, Voter};
pub use schema::ResourceType;
pub use suggest::{explain, suggest, suggest_topic};
pub use topic_settings::{BrokerCompressionType, CleanupPolicy, ThrottledReplicas, TimestampType, TopicSettings};
pub use topic_validation::{validate_topic_config, validate_topic_config_change};
pub use value::{ConfigType, Value};

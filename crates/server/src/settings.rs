//! From `server.properties` to what the parts of a node want to know.

use ottla_base::Uuid;
use ottla_broker::quorum::{MetadataLogConfig, Retention};
use ottla_broker::replicas::log_config;
use ottla_config::{BrokerConfig, Listener, TopicSettings};
use ottla_coordinator::group::GroupConfig;
use ottla_log::{LogManagerConfig, ProducerStateConfig};
use ottla_metadata::image::Endpoint;
use ottla_raft::{Endpoint as RaftEndpoint, Endpoints, ReplicaKey, VoterSet};
use std::sync::Arc;

use crate::error::StartError;
use crate::identity;
use crate::net::acceptor::ListenerSettings;

fn ms(value: i32) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub fn raft_config(config: &BrokerConfig, directory: Uuid, controller_endpoints: Endpoints) -> ottla_raft::Config {
    let default_listener = config.controller_listener().map_or(String::new(), |(name, _)| name.to_owned());
    let local = ReplicaKey::new(config.node_id(), directory);
    let at = |host: &str, port: u16| Endpoints::single(default_listener.clone(), host, port);
    let static_voters =
        VoterSet::static_voters(config.voters().iter().map(|voter| (voter.id, at(&voter.host, voter.port))));
    let servers = config.bootstrap_servers().iter();
    ottla_raft::Config {
        can_become_voter: config.roles().controller,
        auto_join: config.boolean("controller.quorum.auto.join.enable"),
        static_voters,
        bootstrap_servers: servers.map(|s| RaftEndpoint { host: s.host.clone(), port: s.port }).collect(),
        election_timeout_ms: ms(config.int("controller.quorum.election.timeout.ms")),
        fetch_timeout_ms: ms(config.int("controller.quorum.fetch.timeout.ms")),
        election_backoff_max_ms: ms(config.int("controller.quorum.election.backoff.max.ms")),
        request_timeout_ms: ms(config.int("controller.quorum.request.timeout.ms")),
        retry_backoff_ms: ms(config.int("controller.quorum.retry.backoff.ms")),
        ..ottla_raft::Config::new(local, default_listener.clone(), controller_endpoints)
    }
}

pub fn metadata_log_config(config: &BrokerConfig) -> MetadataLogConfig {
    MetadataLogConfig {
        segment_bytes: config.int("metadata.log.segment.bytes"),
        segment_ms: config.long("metadata.log.segment.ms"),
    }
}

pub fn retention(config: &BrokerConfig) -> Retention {
    Retention { bytes: config.long("metadata.max.retention.bytes"), ms: config.long("metadata.max.retention.ms") }
}

pub fn log_manager_config(config: &BrokerConfig, max_open_files: usize) -> Result<LogManagerConfig, StartError> {
    let defaults = TopicSettings::resolve(&Default::default(), config).map_err(|e| StartError::new(e.to_string()))?;
    Ok(LogManagerConfig {
        default_config: Arc::new(log_config(&defaults)),
        producers: ProducerStateConfig {
            producer_id_expiration_ms: i64::from(config.int("producer.id.expiration.ms")),
            transaction_verification_enabled: config.boolean("transaction.partition.verification.enable"),
            max_transaction_timeout_ms: i64::from(config.int("transaction.max.timeout.ms")),
        },
        max_open_files,
        retention_check_interval_ms: config.long("log.retention.check.interval.ms"),
        recovery_point_interval_ms: i64::from(config.int("log.flush.offset.checkpoint.interval.ms")),
        log_start_offset_interval_ms: i64::from(config.int("log.flush.start.offset.checkpoint.interval.ms")),
        high_watermark_interval_ms: config.long("replica.high.watermark.checkpoint.interval.ms"),
        producer_expiration_interval_ms: i64::from(config.int("producer.id.expiration.check.interval.ms")),
        ..LogManagerConfig::new(identity::log_dirs(config))
    })
}

pub fn group_config(config: &BrokerConfig) -> GroupConfig {
    GroupConfig {
        offset_metadata_max_bytes: config.int("offset.metadata.max.bytes").max(0) as usize,
        offsets_retention_ms: i64::from(config.int("offsets.retention.minutes")) * 60_000,
        offsets_retention_check_interval_ms: config.long("offsets.retention.check.interval.ms").max(1) as u64,
        offset_commit_timeout_ms: ms(config.int("offsets.commit.timeout.ms")),
        min_session_timeout_ms: config.int("group.min.session.timeout.ms"),
        max_session_timeout_ms: config.int("group.max.session.timeout.ms"),
        max_size: config.int("group.max.size").max(1) as usize,
        initial_rebalance_delay_ms: config.int("group.initial.rebalance.delay.ms"),
        ..GroupConfig::default()
    }
}

pub fn listener_settings(config: &BrokerConfig, listener: &Listener, is_controller: bool) -> ListenerSettings {
    let buffer = |key: &str| u32::try_from(config.int(key)).ok();
    ListenerSettings {
        name: listener.name.clone(),
        is_controller,
        max_request_bytes: config.int("socket.request.max.bytes").max(0) as usize,
        max_idle_ms: u64::try_from(config.long("connections.max.idle.ms")).unwrap_or(u64::MAX / 4),
        send_buffer: buffer("socket.send.buffer.bytes"),
        receive_buffer: buffer("socket.receive.buffer.bytes"),
        backlog: config.int("socket.listen.backlog.size").max(1) as u32,
    }
}

/// Where a listener is reached: port 0 becomes the one that was bound, no host the machine's name.
pub fn endpoint(listener: &Listener, bound: &[(String, u16)]) -> Endpoint {
    let bound_port = bound.iter().find(|(name, _)| *name == listener.name).map(|(_, port)| *port);
    Endpoint {
        name: listener.name.clone(),
        host: listener.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(machine_name),
        port: if listener.port == 0 { bound_port.unwrap_or(0) } else { listener.port },
        security_protocol: listener.security_protocol.id(),
    }
}

fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The descriptors that logs may keep open: the rest is for connections.
pub fn max_open_log_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // The soft limit of 1024 is for programs that use select(); we don't.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let usable = if raised.is_ok() { limit.maximum } else { limit.current };
    let usable = usable.unwrap_or(1 << 20).min(1 << 20) as usize;
    (usable / 2).clamp(64, 10_000)
}

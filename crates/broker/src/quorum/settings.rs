//! What the metadata event loop is told at its start.

use ottla_base::{Rng, Uuid};
use ottla_metadata::bootstrap::BootstrapMetadata;
use ottla_metadata::image::Endpoint;
use std::sync::Arc;

/// `metadata.max.retention.*` and what else decides when old metadata goes.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// `metadata.max.retention.bytes`; negative for no limit.
    pub bytes: i64,
    /// `metadata.max.retention.ms`; negative for no limit.
    pub ms: i64,
}

pub struct Settings {
    pub cluster_id: String,
    pub raft: ottla_raft::Config,
    pub rng: Arc<dyn Rng>,
    /// What formatting put into `bootstrap.checkpoint`: written to an empty log.
    pub bootstrap: BootstrapMetadata,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_after_bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`; 0 for never.
    pub snapshot_interval_ms: i64,
    pub retention: Retention,
    /// Of this run of the node, as a controller.
    pub incarnation_id: Uuid,
    /// Where this node is reached as a controller; empty on a broker.
    pub controller_listeners: Vec<Endpoint>,
}

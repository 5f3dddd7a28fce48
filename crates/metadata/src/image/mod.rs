//! What the metadata log amounts to at some offset: immutable, cheap to clone, and shared by all who read it.

mod cluster;
mod configs;
mod delta;
mod loader;
mod partition;
mod quotas;
mod records;
mod replay;
mod replica_list;
#[cfg(test)]
mod tests;
mod topics;

pub use cluster::{BrokerRegistration, ClusterImage, ControllerRegistration, Endpoint};
pub(crate) use configs::type_name;
pub use configs::{ConfigMap, ConfigResource, ConfigsImage};
pub use delta::{Changes, MetadataDelta, PartitionChange, TopicChange};
pub use loader::{BatchInfo, MetadataLoader, Published};
pub(crate) use partition::NO_LEADER_CHANGE;
pub use partition::{LeaderRecoveryState, NO_LEADER, Partition};
pub use quotas::{ClientQuotasImage, QuotaEntity, QuotaMap};
pub use records::VersionedRecord;
pub(crate) use records::{config_record, feature_record, partition_record};
pub(crate) use replay::Observer;
pub use replica_list::ReplicaList;
pub use topics::{Partitions, TopicImage, TopicsImage};

use crate::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, MetadataVersion};
use crate::pmap::PMap;
use ottla_base::{LeaderEpoch, Offset, TimestampMs, Uuid};
use ottla_wire::metadata_records::{AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record that does not fit what came before it: the log is damaged or was written by something that breaks its rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReplayError {
    message: String,
}

impl ReplayError {
    pub(crate) fn new(message: impl Into<String>) -> ReplayError {
        ReplayError { message: message.into() }
    }
}

/// The last record that an image contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub offset: Offset,
    pub epoch: LeaderEpoch,
    pub timestamp: TimestampMs,
}

impl Default for Provenance {
    /// Of an image that contains nothing.
    fn default() -> Self {
        Provenance { offset: -1, epoch: -1, timestamp: -1 }
    }
}

/// What the cluster has agreed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeaturesImage {
    /// `None` before the first record.
    pub metadata_version: Option<MetadataVersion>,
    /// The other features; those at level 0 are left out. `kraft.version` is never here: it lives in control records.
    pub finalized: BTreeMap<String, i16>,
}

impl FeaturesImage {
    /// The agreed level; 0 when there is none.
    pub fn level(&self, name: &str) -> i16 {
        if name == MetadataVersion::NAME {
            return self.metadata_version.map_or(0, MetadataVersion::level);
        }
        self.finalized.get(name).copied().unwrap_or(0)
    }

    pub fn is_elr_enabled(&self) -> bool {
        self.level(ELIGIBLE_LEADER_REPLICAS_VERSION) >= 1
    }

    /// With `metadata.version`, when it is known.
    pub fn all(&self) -> BTreeMap<String, i16> {
        let mut levels = self.finalized.clone();
        levels.extend(self.metadata_version.map(|version| (MetadataVersion::NAME.to_owned(), version.level())));
        levels
    }
}

/// By mechanism (1 SCRAM-SHA-256, 2 SCRAM-SHA-512) and user.
pub type ScramImage = PMap<(i8, String), Arc<UserScramCredentialRecord>>;
pub type AclsImage = PMap<Uuid, Arc<AccessControlEntryRecord>>;
/// By token id.
pub type DelegationTokensImage = PMap<String, Arc<DelegationTokenRecord>>;

/// All metadata of a cluster at one offset of its log.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataImage {
    pub provenance: Provenance,
    pub features: Arc<FeaturesImage>,
    pub cluster: ClusterImage,
    pub topics: TopicsImage,
    pub configs: ConfigsImage,
    pub client_quotas: ClientQuotasImage,
    /// -1 before the first allocation.
    pub next_producer_id: i64,
    pub acls: AclsImage,
    pub scram: ScramImage,
    pub delegation_tokens: DelegationTokensImage,
}

impl Default for MetadataImage {
    fn default() -> Self {
        MetadataImage {
            provenance: Provenance::default(),
            features: Arc::default(),
            cluster: ClusterImage::default(),
            topics: TopicsImage::default(),
            configs: ConfigsImage::default(),
            client_quotas: ClientQuotasImage::default(),
            next_producer_id: -1,
            acls: PMap::new(),
            scram: PMap::new(),
            delegation_tokens: PMap::new(),
        }
    }
}

impl MetadataImage {
    /// No record has been seen.
    pub fn is_empty(&self) -> bool {
        *self == MetadataImage { provenance: self.provenance, ..MetadataImage::default() }
    }

    /// Kafka's minimum until a record says which.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.features.metadata_version.unwrap_or(MetadataVersion::MINIMUM)
    }

    /// Replicas that their broker cannot serve: it is fenced, or gone, or has lost the directory.
    pub fn offline_replicas(&self, partition: &Partition) -> Vec<i32> {
        let offline = |id: &&i32| match self.cluster.broker(**id) {
            None => true,
            Some(broker) => {
                broker.fenced || !partition.directory(**id).is_some_and(|dir| broker.has_online_directory(dir))
            }
        };
        partition.replicas.iter().filter(offline).copied().collect()
    }
}

//! Questions about the working state that several operations ask.

use super::error::{ApiError, ApiResult};
use super::partition_change::{Election, PartitionChangeBuilder, Surroundings};
use super::placement::UsableBroker;
use super::{Controller, Outcome};
use crate::features::MetadataVersion;
use crate::image::{BrokerRegistration, ConfigResource, Partition, TopicImage, VersionedRecord};
use ottla_base::{ErrorCode, NodeId, Uuid};
use ottla_config::schema::ConfigLayers;
use ottla_wire::metadata_records::{MetadataRecord, PartitionChangeRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the settings of a topic mean for its elections.
#[derive(Clone, Copy)]
pub(super) struct TopicRules {
    /// Not more than the topic has replicas.
    pub min_isr: usize,
    pub unclean_election: bool,
}

impl TopicRules {
    pub fn election(self) -> Election {
        if self.unclean_election { Election::Unclean } else { Election::Online }
    }
}

impl Controller {
    pub(super) fn version(&self) -> MetadataVersion {
        self.working.image.metadata_version()
    }

    pub(super) fn elr_enabled(&self) -> bool {
        self.working.image.features.is_elr_enabled()
    }

    pub(super) fn broker(&self, id: NodeId) -> Option<&Arc<BrokerRegistration>> {
        self.working.image.cluster.broker(id)
    }

    /// Neither fenced nor about to leave.
    pub(super) fn is_active_broker(&self, id: NodeId) -> bool {
        self.working.image.cluster.is_active(id)
    }

    pub(super) fn check_broker_epoch(&self, id: NodeId, epoch: i64) -> ApiResult<&Arc<BrokerRegistration>> {
        let stale = |message: String| Err(ApiError::new(ErrorCode::StaleBrokerEpoch, message));
        match self.broker(id) {
            None => stale(format!("No broker registration found for broker id {id}")),
            Some(broker) if broker.epoch != epoch => {
                stale(format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch))
            }
            Some(broker) => Ok(broker),
        }
    }

    /// Where a broker puts a new replica, as far as that is known.
    pub(super) fn default_directory(&self, id: NodeId) -> Uuid {
        if self.version() < MetadataVersion::DIRECTORY_ASSIGNMENT {
            return Uuid::ZERO;
        }
        match self.broker(id).map(|broker| broker.directories.as_slice()) {
            // That it is not registered is found elsewhere.
            None => Uuid::UNASSIGNED_DIR,
            Some([]) => Uuid::ZERO,
            Some([only]) => *only,
            Some(_) => Uuid::UNASSIGNED_DIR,
        }
    }

    pub(super) fn usable_brokers(&self) -> Vec<UsableBroker> {
        let usable = |(id, fenced)| {
            let broker = self.broker(id)?;
            let usable = UsableBroker { id, rack: broker.rack.clone(), fenced };
            broker.has_uncordoned_directories().then_some(usable)
        };
        self.active().heartbeats.usable().filter_map(usable).collect()
    }

    /// The settings behind those of a topic, with the topic's own.
    pub(super) fn with_layers<T>(&self, topic: &BTreeMap<String, String>, ask: impl FnOnce(ConfigLayers) -> T) -> T {
        let configs = &self.working.image.configs;
        ask(ConfigLayers {
            static_node: &self.static_config,
            dynamic_cluster: configs.get(&ConfigResource::all_brokers()),
            dynamic_node: configs.get(&ConfigResource::broker(self.node_id())),
            topic,
        })
    }

    pub(super) fn topic_rules(&self, topic: &TopicImage) -> TopicRules {
        let overrides = self.working.image.configs.get(&ConfigResource::topic(&*topic.name));
        self.with_layers(overrides, |layers| {
            let text = |key| layers.effective_topic_config(key).and_then(|config| config.value).unwrap_or_default();
            let replicas = topic.partitions.iter().next().map_or(0, |(_, partition)| partition.replicas.len());
            TopicRules {
                min_isr: text("min.insync.replicas").trim().parse().unwrap_or(1).min(replicas),
                unclean_election: text("unclean.leader.election.enable").eq_ignore_ascii_case("true"),
            }
        })
    }

    /// The record for a change of one partition. A leader must be active and have the partition's directory online.
    pub(super) fn change_partition(
        &self,
        topic: &TopicImage,
        id: i32,
        partition: &Partition,
        rules: TopicRules,
        is_acceptable: &dyn Fn(NodeId) -> bool,
        change: impl FnOnce(&mut PartitionChangeBuilder),
    ) -> Option<PartitionChangeRecord> {
        let is_acceptable_leader = |id: NodeId| {
            let online = |directory| self.broker(id).is_some_and(|broker| broker.has_online_directory(directory));
            is_acceptable(id) && partition.directory(id).is_some_and(online)
        };
        let around = Surroundings {
            version: self.version(),
            elr_enabled: self.elr_enabled(),
            min_isr: rules.min_isr,
            is_acceptable_leader: &is_acceptable_leader,
            default_directory: &|id| self.default_directory(id),
        };
        let mut builder = PartitionChangeBuilder::new(partition, &around);
        change(&mut builder);
        builder.build(topic.id, id)
    }

    pub(super) fn change_record(&self, record: PartitionChangeRecord) -> VersionedRecord {
        (MetadataRecord::PartitionChange(record), self.version().partition_record_version())
    }

    /// Refuses what one batch would not hold.
    pub(super) fn bounded<R>(&self, outcome: Outcome<R>) -> ApiResult<Outcome<R>> {
        if outcome.atomic && outcome.records.len() > super::MAX_RECORDS_PER_BATCH {
            return Err(ApiError::too_large());
        }
        Ok(outcome)
    }
}

//! What the client knows of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ottla_base::{ErrorCode, LeaderEpoch, NodeId, TopicPartition, Uuid};
use ottla_wire::messages::MetadataResponse;
use ottla_wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub id: NodeId,
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    pub error: ErrorCode,
    pub index: i32,
    /// -1 while there is none.
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
    pub offline: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub error: ErrorCode,
    pub name: Arc<str>,
    pub id: Uuid,
    pub is_internal: bool,
    /// By index, without gaps.
    pub partitions: Vec<PartitionInfo>,
}

/// One state of knowledge; a refresh makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub cluster_id: Option<String>,
    pub controller: NodeId,
    pub brokers: BTreeMap<NodeId, Broker>,
    pub topics: BTreeMap<Arc<str>, Arc<TopicInfo>>,
    /// `None` before the first answer.
    pub fetched_at: Option<Instant>,
}

impl Metadata {
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicInfo>> {
        self.topics.get(name)
    }

    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionInfo> {
        self.topic(&partition.topic)?.partitions.get(usize::try_from(partition.partition).ok()?)
    }

    pub fn leader(&self, partition: &TopicPartition) -> Option<NodeId> {
        self.partition(partition).map(|info| info.leader).filter(|leader| *leader >= 0)
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicInfo>> {
        self.topics.values().find(|topic| topic.id == id)
    }

    /// The next state: brokers are replaced, topics only where the answer speaks of them, unless it
    /// speaks of all there are.
    pub(crate) fn updated(&self, response: MetadataResponse, all_topics: bool, now: Instant) -> Metadata {
        let broker = |b: ottla_wire::messages::metadata_response::MetadataResponseBroker| {
            let port = u16::try_from(b.port).unwrap_or_default();
            (b.node_id, Broker { id: b.node_id, host: b.host, port, rack: b.rack })
        };
        let mut topics = if all_topics { BTreeMap::new() } else { self.topics.clone() };
        for topic in response.topics {
            let Some(info) = topic_info(topic) else { continue };
            let name = info.name.clone();
            topics.insert(name, Arc::new(info));
        }
        Metadata {
            cluster_id: response.cluster_id,
            controller: response.controller_id,
            brokers: response.brokers.into_iter().map(broker).collect(),
            topics,
            fetched_at: Some(now),
        }
    }
}

/// `None` for a topic without a name, which only a lookup by id yields.
fn topic_info(topic: MetadataResponseTopic) -> Option<TopicInfo> {
    let mut partitions: Vec<PartitionInfo> = topic.partitions.into_iter().map(partition_info).collect();
    partitions.sort_by_key(|partition| partition.index);
    Some(TopicInfo {
        error: ErrorCode::from_code(topic.error_code),
        name: topic.name?.into(),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions,
    })
}

fn partition_info(partition: MetadataResponsePartition) -> PartitionInfo {
    PartitionInfo {
        error: ErrorCode::from_code(partition.error_code),
        index: partition.partition_index,
        leader: partition.leader_id,
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        offline: partition.offline_replicas,
    }
}

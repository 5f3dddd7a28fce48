//! Topics: made, described, enlarged and deleted.

use std::collections::BTreeMap;
use std::time::Instant;

use ottla_base::{ErrorCode, NodeId, TopicPartition, Uuid};
use ottla_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use ottla_wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use ottla_wire::messages::delete_topics_request::DeleteTopicState;
use ottla_wire::messages::describe_topic_partitions_request::TopicRequest;
use ottla_wire::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::*;

use super::{Admin, Target, first_error, millis};
use crate::error::{Error, Result, check};
use crate::metadata::TopicInfo;

/// A topic to be made. -1 leaves a count to the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    pub replication_factor: i16,
    /// Brokers by partition, instead of the two counts.
    pub assignments: BTreeMap<i32, Vec<NodeId>>,
    pub configs: BTreeMap<String, String>,
}

/// How many partitions a topic is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    pub topic: String,
    pub count: i32,
    /// The brokers of the partitions that are added, in order.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKey<'a> {
    Name(&'a str),
    Id(Uuid),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    pub index: i32,
    pub leader: Option<NodeId>,
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
    /// `None` where the broker does not say, or has no such thing.
    pub elr: Option<Vec<NodeId>>,
    pub last_known_elr: Option<Vec<NodeId>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: String,
    pub id: Uuid,
    pub is_internal: bool,
    /// By index.
    pub partitions: Vec<PartitionDescription>,
}

impl Admin {
    pub async fn create_topic(&self, topic: &NewTopic, validate_only: bool) -> Result<()> {
        let by_hand = !topic.assignments.is_empty();
        let assignment = |(partition, brokers): (&i32, &Vec<NodeId>)| CreatableReplicaAssignment {
            partition_index: *partition,
            broker_ids: brokers.clone(),
            ..Default::default()
        };
        let config = |(name, value): (&String, &String)| CreatableTopicConfig {
            name: name.clone(),
            value: Some(value.clone()),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.name.clone(),
                num_partitions: if by_hand { -1 } else { topic.partitions },
                replication_factor: if by_hand { -1 } else { topic.replication_factor },
                assignments: topic.assignments.iter().map(assignment).collect(),
                configs: topic.configs.iter().map(config).collect(),
                ..Default::default()
            }],
            timeout_ms: millis(self.cluster.config.request_timeout),
            validate_only,
            ..Default::default()
        };
        self.call("createTopics", Target::Controller, &request, |r| {
            first_error(r.topics.iter().map(|t| (t.error_code, t.error_message.as_deref())))
        })
        .await?;
        Ok(())
    }

    pub async fn delete_topics(&self, names: &[String]) -> Result<()> {
        let by_name = |name: &String| DeleteTopicState { name: Some(name.clone()), ..Default::default() };
        let connection = self.connection(&Target::Any).await;
        // The list of structs came with version 6.
        let is_new = connection.and_then(|c| c.version_of(ottla_wire::ApiKey::DeleteTopics)).is_ok_and(|v| v >= 6);
        let mut request =
            DeleteTopicsRequest { timeout_ms: millis(self.cluster.config.request_timeout), ..Default::default() };
        if is_new {
            request.topics = names.iter().map(by_name).collect();
        } else {
            request.topic_names = names.to_vec();
        }
        self.call("deleteTopics", Target::Controller, &request, |r| {
            first_error(r.responses.iter().map(|t| (t.error_code, t.error_message.as_deref())))
        })
        .await?;
        Ok(())
    }

    pub async fn create_partitions(&self, topics: &[NewPartitions]) -> Result<()> {
        let assignment =
            |brokers: &Vec<NodeId>| CreatePartitionsAssignment { broker_ids: brokers.clone(), ..Default::default() };
        let topic = |topic: &NewPartitions| CreatePartitionsTopic {
            name: topic.topic.clone(),
            count: topic.count,
            assignments: topic.assignments.as_ref().map(|list| list.iter().map(assignment).collect()),
            ..Default::default()
        };
        let request = CreatePartitionsRequest {
            topics: topics.iter().map(topic).collect(),
            timeout_ms: millis(self.cluster.config.request_timeout),
            ..Default::default()
        };
        self.call("createPartitions", Target::Controller, &request, |r| {
            first_error(r.results.iter().map(|t| (t.error_code, t.error_message.as_deref())))
        })
        .await?;
        Ok(())
    }

    /// In the order of the names. An unknown topic is an error.
    pub async fn describe_topics(&self, names: &[String], partition_limit: i32) -> Result<Vec<TopicDescription>> {
        let nodes = self.live_nodes().await?;
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        let mut described: Vec<TopicDescription> = Vec::new();
        let mut cursor = None;
        loop {
            let done: Vec<&str> = described.iter().map(|topic| topic.name.as_str()).collect();
            let open = |name: &&String| {
                let resumes =
                    cursor.as_ref().is_some_and(|c: &describe_topic_partitions_request::Cursor| c.topic_name == **name);
                resumes || !done.contains(&name.as_str())
            };
            let request = DescribeTopicPartitionsRequest {
                topics: names
                    .iter()
                    .filter(open)
                    .map(|n| TopicRequest { name: n.clone(), ..Default::default() })
                    .collect(),
                response_partition_limit: partition_limit,
                cursor: cursor.take(),
                ..Default::default()
            };
            if request.topics.is_empty() {
                return Ok(described);
            }
            let call = self.call("describeTopicPartitions", Target::Any, &request, |_| (0, None));
            let response = match call.await {
                Err(error) if error.code == ErrorCode::UnsupportedVersion => {
                    return self.describe_by_metadata(names.iter().map(|name| TopicKey::Name(name)).collect()).await;
                }
                other => other?,
            };
            let next = response.next_cursor;
            for topic in response.topics {
                check(topic.error_code)?;
                add_described(&mut described, topic, &nodes);
            }
            let Some(next) = next else { return Ok(described) };
            cursor = Some(describe_topic_partitions_request::Cursor {
                topic_name: next.topic_name,
                partition_index: next.partition_index,
                ..Default::default()
            });
        }
    }

    async fn live_nodes(&self) -> Result<Vec<NodeId>> {
        Ok(self.describe_cluster().await?.brokers.iter().map(|broker| broker.broker_id).collect())
    }

    pub async fn describe_topic_by_id(&self, id: Uuid) -> Result<TopicDescription> {
        let mut topics = self.describe_by_metadata(vec![TopicKey::Id(id)]).await?;
        topics.pop().ok_or_else(|| not_found(id))
    }

    /// As brokers before 3.8 answer, and for lookups by id.
    async fn describe_by_metadata(&self, keys: Vec<TopicKey<'_>>) -> Result<Vec<TopicDescription>> {
        let topic = |key: &TopicKey| match key {
            TopicKey::Name(name) => MetadataRequestTopic { name: Some((*name).to_owned()), ..Default::default() },
            TopicKey::Id(id) => MetadataRequestTopic { topic_id: *id, name: None, ..Default::default() },
        };
        let request = MetadataRequest {
            topics: Some(keys.iter().map(topic).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let response = self.call("describeTopics", Target::Any, &request, |r| (r.error_code, None)).await?;
        for topic in &response.topics {
            if topic.name.is_none() {
                return Err(not_found(topic.topic_id));
            }
            check(topic.error_code)?;
        }
        let metadata = crate::metadata::Metadata::default().updated(response, true, Instant::now());
        Ok(metadata.topics.values().map(|topic| from_metadata(topic)).collect())
    }
}

fn not_found(id: Uuid) -> Error {
    Error::from_response(ErrorCode::UnknownTopicId, Some(&format!("TopicId {id} not found.")))
}

/// A topic whose partitions do not fit into one answer comes in pieces.
fn add_described(described: &mut Vec<TopicDescription>, topic: DescribeTopicPartitionsResponseTopic, nodes: &[NodeId]) {
    let partition = |p: DescribeTopicPartitionsResponsePartition| PartitionDescription {
        index: p.partition_index,
        leader: nodes.contains(&p.leader_id).then_some(p.leader_id),
        replicas: p.replica_nodes,
        isr: p.isr_nodes,
        elr: p.eligible_leader_replicas,
        last_known_elr: p.last_known_elr,
    };
    let name = topic.name.unwrap_or_default();
    let partitions = topic.partitions.into_iter().map(partition);
    match described.iter_mut().find(|known| known.name == name) {
        Some(known) => known.partitions.extend(partitions),
        None => described.push(TopicDescription {
            name,
            id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions: partitions.collect(),
        }),
    }
}

fn from_metadata(topic: &TopicInfo) -> TopicDescription {
    let partition = |p: &crate::metadata::PartitionInfo| PartitionDescription {
        index: p.index,
        leader: (p.leader >= 0).then_some(p.leader),
        replicas: p.replicas.clone(),
        isr: p.isr.clone(),
        elr: None,
        last_known_elr: None,
    };
    TopicDescription {
        name: topic.name.to_string(),
        id: topic.id,
        is_internal: topic.is_internal,
        partitions: topic.partitions.iter().map(partition).collect(),
    }
}

/// Partitions of the same topic next to each other, as requests have them.
pub(crate) fn group_by_topic(partitions: &[TopicPartition]) -> BTreeMap<std::sync::Arc<str>, Vec<i32>> {
    let mut topics: BTreeMap<_, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(partition.topic.clone()).or_default().push(partition.partition);
    }
    topics
}

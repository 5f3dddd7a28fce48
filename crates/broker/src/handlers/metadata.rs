//! Metadata: brokers, topics, partitions and their leaders; creates what a client asks for and does
//! not exist, where that is allowed.

use super::OPERATIONS_NOT_ASKED;
use crate::broker::{Broker, is_internal_topic};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, NodeId, Uuid};
use ottla_config::validate_topic_name;
use ottla_metadata::image::{MetadataImage, Partition, TopicImage};
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_wire::messages::{MetadataRequest, MetadataResponse};

pub fn handle(broker: &Broker, context: &RequestContext, request: MetadataRequest) -> MetadataResponse {
    let image = broker.quorum.image();
    let view = View { image: &image, listener: &context.connection.listener, version: context.version };
    // Version 0 has no null: there an empty list stands for all topics.
    let all = match &request.topics {
        None => true,
        Some(topics) => context.version == 0 && topics.is_empty(),
    };
    let mut topics = vec![];
    let mut missing = vec![];
    if all {
        topics.extend(image.topics.names().filter_map(|(name, _)| image.topics.by_name(name)).map(|t| view.topic(t)));
    } else {
        for wanted in request.topics.iter().flatten() {
            match find(&image, wanted) {
                Found::Topic(topic) => topics.push(view.topic(topic)),
                Found::Error(error) => topics.push(error_topic(wanted, error)),
                Found::Missing(name) => missing.push(name.to_owned()),
            }
        }
    }
    let may_create = request.allow_auto_topic_creation && broker.settings.auto_create_topics;
    for name in missing {
        topics.push(missing_topic(broker, &name, may_create));
    }
    MetadataResponse {
        brokers: view.brokers(),
        cluster_id: Some(broker.cluster_id.clone()),
        controller_id: broker.some_alive_broker(&image),
        topics,
        cluster_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

enum Found<'a> {
    Topic(&'a TopicImage),
    Error(ErrorCode),
    Missing(&'a str),
}

fn find<'a>(image: &'a MetadataImage, wanted: &'a MetadataRequestTopic) -> Found<'a> {
    if !wanted.topic_id.is_zero() {
        return image
            .topics
            .by_id(wanted.topic_id)
            .map_or(Found::Error(ErrorCode::UnknownTopicId), |t| Found::Topic(t));
    }
    match wanted.name.as_deref() {
        None => Found::Error(ErrorCode::UnknownTopicId),
        Some(name) => image.topics.by_name(name).map_or(Found::Missing(name), |topic| Found::Topic(topic)),
    }
}

fn error_topic(wanted: &MetadataRequestTopic, error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: error.code(),
        name: wanted.name.clone(),
        topic_id: wanted.topic_id,
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

fn missing_topic(broker: &Broker, name: &str, may_create: bool) -> MetadataResponseTopic {
    let error = if validate_topic_name(name).is_err() {
        ErrorCode::InvalidTopicException
    } else {
        if may_create {
            broker.create_topic_in_background(name);
        }
        ErrorCode::UnknownTopicOrPartition
    };
    MetadataResponseTopic {
        error_code: error.code(),
        name: Some(name.to_owned()),
        topic_id: Uuid::ZERO,
        is_internal: is_internal_topic(name),
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

/// The image as a client of one listener sees it.
struct View<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    version: i16,
}

impl View<'_> {
    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let reachable = self.image.cluster.unfenced().filter_map(|b| Some((b, b.endpoint(self.listener)?)));
        let broker = reachable.map(|(broker, endpoint)| MetadataResponseBroker {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            ..Default::default()
        });
        broker.collect()
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        MetadataResponseTopic {
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: is_internal_topic(&topic.name),
            partitions: topic.partitions.iter().map(|(id, partition)| self.partition(id, partition)).collect(),
            topic_authorized_operations: OPERATIONS_NOT_ASKED,
            ..Default::default()
        }
    }

    fn partition(&self, id: i32, partition: &Partition) -> MetadataResponsePartition {
        MetadataResponsePartition {
            error_code: self.leader_error(partition).code(),
            partition_index: id,
            leader_id: self.leader(partition),
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.as_slice().to_vec(),
            isr_nodes: partition.isr.as_slice().to_vec(),
            offline_replicas: offline_replicas(self.image, self.listener, partition),
            ..Default::default()
        }
    }

    fn leader(&self, partition: &Partition) -> NodeId {
        if self.leader_error(partition) == ErrorCode::None { partition.leader } else { -1 }
    }

    fn leader_error(&self, partition: &Partition) -> ErrorCode {
        let leader = self.image.cluster.broker(partition.leader).filter(|broker| !broker.fenced);
        match leader {
            None => ErrorCode::LeaderNotAvailable,
            Some(broker) if broker.endpoint(self.listener).is_some() => ErrorCode::None,
            Some(_) if self.version >= 6 => ErrorCode::ListenerNotFound,
            Some(_) => ErrorCode::LeaderNotAvailable,
        }
    }
}

/// Replicas on brokers that are fenced or cannot be reached, and in directories that are offline.
pub fn offline_replicas(image: &MetadataImage, listener: &str, partition: &Partition) -> Vec<NodeId> {
    let is_offline = |id: &NodeId| {
        let Some(broker) = image.cluster.broker(*id) else { return true };
        let directory = partition.directory(*id).unwrap_or(Uuid::ZERO);
        broker.fenced || broker.endpoint(listener).is_none() || !broker.has_online_directory(directory)
    };
    partition.replicas.as_slice().iter().copied().filter(is_offline).collect()
}

//! DescribeTopicPartitions (KIP-966): partitions with their eligible leader replicas, page by page.

use super::OPERATIONS_NOT_ASKED;
use super::metadata::offline_replicas;
use crate::broker::{Broker, is_internal_topic};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Uuid};
use ottla_config::validate_topic_name;
use ottla_metadata::image::{MetadataImage, Partition, TopicImage};
use ottla_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

pub fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = broker.quorum.image();
    let listener = &context.connection.listener;
    let from = request.cursor.map(|cursor| (cursor.topic_name, cursor.partition_index));
    let names = wanted_names(&image, &request.topics, from.as_ref().map(|(name, _)| name.as_str()));
    let limit = broker.settings.max_request_partitions;
    let mut left = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, limit);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let first = match &from {
            Some((topic, partition)) if *topic == name => *partition,
            _ => 0,
        };
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: first, ..Default::default() });
            break;
        }
        let Some(topic) = image.topics.by_name(&name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let page: Vec<_> = topic.partitions.iter().skip_while(|(id, _)| *id < first).take(left).collect();
        left -= page.len();
        let next = page.last().map_or(first, |(id, _)| id + 1);
        response.topics.push(describe(&image, listener, topic, &page));
        if topic.partitions.get(next).is_some() {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: next, ..Default::default() });
            break;
        }
    }
    response
}

/// In the order of their names, from the cursor's topic on.
fn wanted_names(
    image: &MetadataImage,
    topics: &[ottla_wire::messages::describe_topic_partitions_request::TopicRequest],
    from: Option<&str>,
) -> Vec<String> {
    let mut names: Vec<String> = if topics.is_empty() {
        image.topics.names().map(|(name, _)| name.to_string()).collect()
    } else {
        topics.iter().map(|topic| topic.name.clone()).collect()
    };
    names.sort();
    names.dedup();
    names.retain(|name| from.is_none_or(|from| name.as_str() >= from));
    names
}

fn unknown(name: String) -> DescribeTopicPartitionsResponseTopic {
    let error = match validate_topic_name(&name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        is_internal: is_internal_topic(&name),
        name: Some(name),
        topic_id: Uuid::ZERO,
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

fn describe(
    image: &MetadataImage,
    listener: &str,
    topic: &TopicImage,
    page: &[(i32, &Partition)],
) -> DescribeTopicPartitionsResponseTopic {
    let partition = |(id, partition): &(i32, &Partition)| {
        let leader = image.cluster.broker(partition.leader).filter(|broker| !broker.fenced);
        let error = match leader {
            None => ErrorCode::LeaderNotAvailable,
            Some(broker) if broker.endpoint(listener).is_none() => ErrorCode::ListenerNotFound,
            Some(_) => ErrorCode::None,
        };
        DescribeTopicPartitionsResponsePartition {
            error_code: error.code(),
            partition_index: *id,
            leader_id: if error == ErrorCode::None { partition.leader } else { -1 },
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.as_slice().to_vec(),
            isr_nodes: partition.isr.as_slice().to_vec(),
            eligible_leader_replicas: Some(partition.elr().to_vec()),
            last_known_elr: Some(partition.last_known_elr().to_vec()),
            offline_replicas: offline_replicas(image, listener, partition),
            ..Default::default()
        }
    };
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: is_internal_topic(&topic.name),
        partitions: page.iter().map(partition).collect(),
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

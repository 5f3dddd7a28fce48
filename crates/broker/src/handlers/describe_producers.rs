//! DescribeProducers (KIP-664): who writes idempotently or in transactions to a partition.

use crate::broker::{Broker, topic_id_of};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time};
use ottla_log::ProducerInfo;
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use ottla_wire::messages::{DescribeProducersRequest, DescribeProducersResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let image = broker.quorum.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partition = |index: &i32| match producers(broker, &image, &topic.name, *index, context.now) {
            Ok(active_producers) => {
                PartitionResponse { partition_index: *index, active_producers, ..Default::default() }
            }
            Err(error) => PartitionResponse { partition_index: *index, error_code: error.code(), ..Default::default() },
        };
        let partitions = topic.partition_indexes.iter().map(partition).collect();
        TopicResponse { partitions, name: topic.name, ..Default::default() }
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn producers(
    broker: &Broker,
    image: &MetadataImage,
    topic: &str,
    index: i32,
    now: Time,
) -> Result<Vec<ProducerState>, ErrorCode> {
    let topic_id = topic_id_of(image, topic);
    let Some(partition) = broker.replicas.get(topic_id, index) else {
        let exists = image.topics.partition(topic_id, index).is_some();
        return Err(if exists { ErrorCode::NotLeaderOrFollower } else { ErrorCode::UnknownTopicOrPartition });
    };
    let log = partition.leader_log(-1, now).map_err(|error| error.code)?;
    let producers = log.producers().map_err(|error| error.code)?;
    Ok(producers.iter().map(state).collect())
}

fn state(producer: &ProducerInfo) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.current_txn_start_offset.unwrap_or(-1),
        ..Default::default()
    }
}

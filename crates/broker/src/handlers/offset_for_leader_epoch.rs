//! OffsetForLeaderEpoch (KIP-101, KIP-279, KIP-320): where an epoch of a partition ends.

use crate::broker::{Broker, topic_id_of};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, LeaderEpoch, Offset, Time};
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use ottla_wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use ottla_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let image = broker.quorum.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partition = |asked: &OffsetForLeaderPartition| {
            let (error, (leader_epoch, end_offset)) = match find(broker, &image, &topic.topic, asked, context.now) {
                Ok(found) => (ErrorCode::None, found.unwrap_or((-1, -1))),
                Err(error) => (error, (-1, -1)),
            };
            EpochEndOffset {
                error_code: error.code(),
                partition: asked.partition,
                leader_epoch,
                end_offset,
                ..Default::default()
            }
        };
        let partitions = topic.partitions.iter().map(partition).collect();
        OffsetForLeaderTopicResult { partitions, topic: topic.topic, ..Default::default() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}

fn find(
    broker: &Broker,
    image: &MetadataImage,
    topic: &str,
    asked: &OffsetForLeaderPartition,
    now: Time,
) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let topic_id = topic_id_of(image, topic);
    let Some(partition) = broker.replicas.get(topic_id, asked.partition) else {
        let exists = image.topics.partition(topic_id, asked.partition).is_some();
        return Err(if exists { ErrorCode::NotLeaderOrFollower } else { ErrorCode::UnknownTopicOrPartition });
    };
    let log = partition.leader_log(asked.current_leader_epoch, now).map_err(|error| error.code)?;
    log.end_offset_for_epoch(asked.leader_epoch).map_err(|error| error.code)
}

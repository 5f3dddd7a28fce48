//! OffsetCommit: how far a group has read (KIP-211, KIP-516 from version 10 on).

use crate::broker::Broker;
use crate::request::{Reply, RequestContext};
use ottla_base::ErrorCode;
use ottla_coordinator::group::{Request, Response};
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::offset_commit_request::OffsetCommitRequestTopic;
use ottla_wire::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};
use std::sync::Arc;

const TOPIC_IDS_FROM: i16 = 10;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    mut request: OffsetCommitRequest,
    reply: Reply<OffsetCommitResponse>,
) {
    let image = broker.quorum.image();
    let by_id = context.version >= TOPIC_IDS_FROM;
    let mut refused = vec![];
    let mut known = vec![];
    for topic in std::mem::take(&mut request.topics) {
        match resolve(&image, topic, by_id) {
            Ok(topic) => known.push(topic),
            Err((topic, error)) => refused.push(all_failed(&topic, error)),
        }
    }
    if known.is_empty() {
        return reply.send(&OffsetCommitResponse { topics: refused, ..Default::default() });
    }
    request.topics = known;
    let group_id = request.group_id.clone();
    broker.groups.request(broker, &group_id, Request::OffsetCommit(request), &context, move |response| {
        let Response::OffsetCommit(mut response) = response else { return };
        for topic in &mut response.topics {
            if by_id {
                // Names and ids do not go together on the wire.
                topic.topic_id = image.topics.id_of(&topic.name).unwrap_or_default();
                topic.name.clear();
            }
        }
        response.topics.extend(refused);
        reply.send(&response);
    });
}

/// With its name, whatever the request said.
fn resolve(
    image: &MetadataImage,
    mut topic: OffsetCommitRequestTopic,
    by_id: bool,
) -> Result<OffsetCommitRequestTopic, (OffsetCommitRequestTopic, ErrorCode)> {
    if !by_id {
        let exists = image.topics.id_of(&topic.name).is_some();
        return if exists { Ok(topic) } else { Err((topic, ErrorCode::UnknownTopicOrPartition)) };
    }
    match image.topics.name_of(topic.topic_id) {
        Some(name) => {
            topic.name = name.to_string();
            Ok(topic)
        }
        None => Err((topic, ErrorCode::UnknownTopicId)),
    }
}

fn all_failed(topic: &OffsetCommitRequestTopic, error: ErrorCode) -> OffsetCommitResponseTopic {
    let partition = |index: i32| OffsetCommitResponsePartition {
        partition_index: index,
        error_code: error.code(),
        ..Default::default()
    };
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(|p| partition(p.partition_index)).collect(),
        ..Default::default()
    }
}

//! OffsetFetch: what groups have committed (KIP-447, KIP-709, KIP-516 from version 10 on).

use crate::broker::Broker;
use crate::groups::Gather;
use crate::request::{Reply, RequestContext};
use ottla_base::ErrorCode;
use ottla_coordinator::group::{Request, Response, offset_fetch_groups, offset_fetch_response};
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use std::sync::Arc;

const TOPIC_IDS_FROM: i16 = 10;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: OffsetFetchRequest,
    reply: Reply<OffsetFetchResponse>,
) {
    let image = broker.quorum.image();
    let version = context.version;
    let require_stable = request.require_stable;
    let groups = offset_fetch_groups(request, version);
    let gather = Gather::new(groups.len(), move |parts| reply.send(&offset_fetch_response(parts, version)));
    for (index, mut group) in groups.into_iter().enumerate() {
        let unknown = if version >= TOPIC_IDS_FROM { name_topics(&image, &mut group) } else { vec![] };
        let (gather, image) = (gather.clone(), image.clone());
        let group_id = group.group_id.clone();
        let request = Request::OffsetFetch { group, require_stable };
        broker.groups.request(broker, &group_id, request, &context, move |response| {
            let Response::OffsetFetch(mut found) = response else { return };
            if version >= TOPIC_IDS_FROM {
                put_ids(&image, &mut found);
                found.topics.extend(unknown);
            }
            gather.put(index, found);
        });
    }
}

/// Replaces ids by names; returns the answers for ids that no topic has.
fn name_topics(image: &MetadataImage, group: &mut OffsetFetchRequestGroup) -> Vec<OffsetFetchResponseTopics> {
    let mut unknown = vec![];
    if let Some(topics) = &mut group.topics {
        topics.retain_mut(|topic| match image.topics.name_of(topic.topic_id) {
            Some(name) => {
                topic.name = name.to_string();
                true
            }
            None => {
                unknown.push(unknown_topic(topic));
                false
            }
        });
    }
    unknown
}

fn unknown_topic(topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partition = |index: &i32| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code: ErrorCode::UnknownTopicId.code(),
        ..Default::default()
    };
    OffsetFetchResponseTopics {
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
        ..Default::default()
    }
}

/// Topics that are gone have no id any more, and are left out.
fn put_ids(image: &MetadataImage, group: &mut OffsetFetchResponseGroup) {
    group.topics.retain_mut(|topic| match image.topics.id_of(&topic.name) {
        Some(id) => {
            topic.topic_id = id;
            topic.name.clear();
            true
        }
        None => false,
    });
}

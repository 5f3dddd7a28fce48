//! FindCoordinator: which broker answers for a group (KIP-98, KIP-699).

use crate::broker::{Broker, OFFSETS_TOPIC};
use crate::request::RequestContext;
use ottla_base::ErrorCode;
use ottla_coordinator::group::partition_for;
use ottla_metadata::image::{Endpoint, MetadataImage};
use ottla_wire::messages::find_coordinator_response::Coordinator;
use ottla_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use std::sync::Arc;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.version >= 4 {
        let coordinators = request.coordinator_keys.into_iter().map(|key| one(broker, context, request.key_type, key));
        return FindCoordinatorResponse { coordinators: coordinators.collect(), ..Default::default() };
    }
    let found = one(broker, context, request.key_type, request.key);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

fn one(broker: &Arc<Broker>, context: &RequestContext, kind: i8, key: String) -> Coordinator {
    let found = match kind {
        GROUP => find_group(broker, &broker.quorum.image(), &context.connection.listener, &key),
        TRANSACTION | SHARE => Err((
            ErrorCode::InvalidRequest,
            format!("There is no coordinator of type {kind} yet: only groups (0) have one"),
        )),
        _ => Err((ErrorCode::InvalidRequest, format!("Unknown coordinator type {kind}"))),
    };
    match found {
        Ok((node_id, at)) => {
            let port = i32::from(at.port);
            Coordinator { key, node_id, host: at.host, port, ..Default::default() }
        }
        Err((error, message)) => Coordinator {
            key,
            node_id: -1,
            host: String::new(),
            port: -1,
            error_code: error.code(),
            error_message: Some(message),
            ..Default::default()
        },
    }
}

fn find_group(
    broker: &Arc<Broker>,
    image: &MetadataImage,
    listener: &str,
    group: &str,
) -> Result<(i32, Endpoint), (ErrorCode, String)> {
    let unavailable = || (ErrorCode::CoordinatorNotAvailable, "The coordinator is not available.".to_owned());
    let Some(topic) = image.topics.by_name(OFFSETS_TOPIC) else {
        broker.create_topic_in_background(OFFSETS_TOPIC);
        return Err(unavailable());
    };
    let partition = partition_for(group, topic.partitions.len() as i32);
    let leader = topic.partitions.get(partition).map(|partition| partition.leader).ok_or_else(unavailable)?;
    let endpoint = Broker::endpoint_of(image, leader, listener).ok_or_else(unavailable)?;
    Ok((leader, endpoint))
}

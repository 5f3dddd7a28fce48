//! SyncGroup: a member of a classic group fetches its assignment; the leader brings it.

use crate::broker::Broker;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::{SyncGroupRequest, SyncGroupResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: SyncGroupRequest,
    reply: Reply<SyncGroupResponse>,
) {
    let group_id = request.group_id.clone();
    broker.groups.request(broker, &group_id, Request::SyncGroup(request), &context, move |response| {
        if let Response::SyncGroup(response) = response {
            reply.send(&response);
        }
    });
}

//! JoinGroup: a member of a classic group wants to take part (KIP-62, KIP-345, KIP-394, KIP-814).

use crate::broker::Broker;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: JoinGroupRequest,
    reply: Reply<JoinGroupResponse>,
) {
    let group_id = request.group_id.clone();
    broker.groups.request(broker, &group_id, Request::JoinGroup(request), &context, move |response| {
        if let Response::JoinGroup(response) = response {
            reply.send(&response);
        }
    });
}

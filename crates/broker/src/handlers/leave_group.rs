//! LeaveGroup: members leave a classic group (KIP-345, KIP-800).

use crate::broker::Broker;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: LeaveGroupRequest,
    reply: Reply<LeaveGroupResponse>,
) {
    let group_id = request.group_id.clone();
    broker.groups.request(broker, &group_id, Request::LeaveGroup(request), &context, move |response| {
        if let Response::LeaveGroup(response) = response {
            reply.send(&response);
        }
    });
}

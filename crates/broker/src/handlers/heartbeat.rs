//! Heartbeat: a member of a classic group is alive.

use crate::broker::Broker;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::{HeartbeatRequest, HeartbeatResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: HeartbeatRequest,
    reply: Reply<HeartbeatResponse>,
) {
    let group_id = request.group_id.clone();
    broker.groups.request(broker, &group_id, Request::Heartbeat(request), &context, move |response| {
        if let Response::Heartbeat(response) = response {
            reply.send(&response);
        }
    });
}

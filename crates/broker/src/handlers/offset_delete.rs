//! OffsetDelete: forgets what a group committed (KIP-496).

use crate::broker::Broker;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: OffsetDeleteRequest,
    reply: Reply<OffsetDeleteResponse>,
) {
    let group_id = request.group_id.clone();
    broker.groups.request(broker, &group_id, Request::OffsetDelete(request), &context, move |response| {
        if let Response::OffsetDelete(response) = response {
            reply.send(&response);
        }
    });
}

//! ListGroups: all groups that this broker coordinates (KIP-518, KIP-848).

use crate::broker::Broker;
use crate::groups::Gather;
use crate::request::{Reply, RequestContext};
use ottla_base::ErrorCode;
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::{ListGroupsRequest, ListGroupsResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: ListGroupsRequest,
    reply: Reply<ListGroupsResponse>,
) {
    let shards = broker.groups.shards();
    let gather = Gather::new(shards.len(), move |parts: Vec<ListGroupsResponse>| {
        let failed = parts.iter().map(|part| part.error_code).find(|code| *code != ErrorCode::None.code());
        let groups = parts.into_iter().flat_map(|part| part.groups).collect();
        reply.send(&ListGroupsResponse { error_code: failed.unwrap_or(0), groups, ..Default::default() });
    });
    for (index, shard) in shards.into_iter().enumerate() {
        let gather = gather.clone();
        broker.groups.request_of(Some(shard), Request::ListGroups(request.clone()), &context, move |response| {
            if let Response::ListGroups(part) = response {
                gather.put(index, part);
            }
        });
    }
}

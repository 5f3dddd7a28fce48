//! DeleteGroups: forgets groups without members (KIP-229).

use crate::broker::Broker;
use crate::groups::Gather;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: DeleteGroupsRequest,
    reply: Reply<DeleteGroupsResponse>,
) {
    let names = request.groups_names;
    let gather = Gather::new(names.len(), move |parts: Vec<Vec<DeletableGroupResult>>| {
        reply.send(&DeleteGroupsResponse { results: parts.into_iter().flatten().collect(), ..Default::default() });
    });
    for (index, name) in names.into_iter().enumerate() {
        let gather = gather.clone();
        let request = Request::DeleteGroups(vec![name.clone()]);
        broker.groups.request(broker, &name, request, &context, move |response| {
            if let Response::DeleteGroups(part) = response {
                gather.put(index, part);
            }
        });
    }
}

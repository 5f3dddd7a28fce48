//! DescribeGroups: members and state of classic groups (KIP-345, KIP-1043).

use crate::broker::Broker;
use crate::groups::Gather;
use crate::request::{Reply, RequestContext};
use ottla_coordinator::group::{Request, Response};
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: DescribeGroupsRequest,
    reply: Reply<DescribeGroupsResponse>,
) {
    let names = request.groups;
    let gather = Gather::new(names.len(), move |parts: Vec<Vec<DescribedGroup>>| {
        reply.send(&DescribeGroupsResponse { groups: parts.into_iter().flatten().collect(), ..Default::default() });
    });
    for (index, name) in names.into_iter().enumerate() {
        let gather = gather.clone();
        let request = Request::DescribeGroups(vec![name.clone()]);
        broker.groups.request(broker, &name, request, &context, move |response| {
            if let Response::DescribeGroups(part) = response {
                gather.put(index, part);
            }
        });
    }
}

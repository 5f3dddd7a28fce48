//! DescribeCluster (KIP-700, KIP-919, KIP-1073): the nodes of the cluster, as brokers or as controllers.

use super::OPERATIONS_NOT_ASKED;
use crate::broker::Broker;
use crate::quorum::Quorum;
use crate::request::RequestContext;
use ottla_base::ErrorCode;
use ottla_wire::messages::describe_cluster_response::DescribeClusterBroker;
use ottla_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

fn endpoint_name(kind: i8) -> &'static str {
    if kind == BROKERS { "BROKER" } else { "CONTROLLER" }
}

/// The error when the other kind of endpoint was asked for.
fn mismatch(wanted: i8, have: i8) -> Option<DescribeClusterResponse> {
    let (error, message) = match wanted {
        _ if wanted == have => return None,
        BROKERS | CONTROLLERS => (
            ErrorCode::MismatchedEndpointType,
            format!(
                "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                endpoint_name(have),
                endpoint_name(wanted)
            ),
        ),
        _ => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {wanted}")),
    };
    Some(DescribeClusterResponse { error_code: error.code(), error_message: Some(message), ..Default::default() })
}

pub fn handle(broker: &Broker, context: &RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse {
    if let Some(error) = mismatch(request.endpoint_type, BROKERS) {
        return error;
    }
    let image = broker.quorum.image();
    let listener = &context.connection.listener;
    let wanted = image.cluster.brokers.values().filter(|b| request.include_fenced_brokers || !b.fenced);
    let reachable = wanted.filter_map(|b| Some((b, b.endpoint(listener)?)));
    let brokers = reachable.map(|(b, endpoint)| DescribeClusterBroker {
        broker_id: b.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: b.rack.clone(),
        is_fenced: b.fenced && context.version >= 2,
        ..Default::default()
    });
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: broker.cluster_id.clone(),
        controller_id: broker.some_alive_broker(&image),
        brokers: brokers.collect(),
        cluster_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

pub fn handle_on_controller(
    quorum: &Quorum,
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if let Some(error) = mismatch(request.endpoint_type, CONTROLLERS) {
        return error;
    }
    let image = quorum.image();
    let listener = &context.connection.listener;
    let reachable = image.cluster.controllers.values().filter_map(|c| Some((c, c.endpoint(listener)?)));
    let controllers = reachable.map(|(c, endpoint)| DescribeClusterBroker {
        broker_id: c.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        ..Default::default()
    });
    DescribeClusterResponse {
        endpoint_type: CONTROLLERS,
        cluster_id: quorum.settings().cluster_id.clone(),
        controller_id: quorum.status().leader.unwrap_or(-1),
        brokers: controllers.collect(),
        cluster_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

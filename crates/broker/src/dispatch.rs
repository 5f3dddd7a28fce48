//! From a frame to its handler.

use crate::broker::Broker;
use crate::handlers::*;
use crate::node::Node;
use crate::request::{BadRequest, Connection, Reply, RequestContext, Sink, read_header};
use bytes::Bytes;
use ottla_wire::messages::*;
use ottla_wire::{ApiKey, Message, Reader, Request};
use std::sync::Arc;

pub(crate) fn dispatch(
    node: &Arc<Node>,
    connection: &Arc<Connection>,
    frame: Bytes,
    sink: Sink,
) -> Result<(), BadRequest> {
    let (key, version, header, reader) = read_header(frame)?;
    let api = ApiKey::from_code(key).ok_or(BadRequest::UnknownApi(key))?;
    let context = RequestContext {
        connection: connection.clone(),
        api,
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
        now: node.now(),
    };
    if api == ApiKey::ApiVersions {
        return answer_api_versions(node, context, reader, sink);
    }
    let range = api_versions::served(node, connection).find(|served| served.info.key == api);
    let range = range.ok_or(BadRequest::UnknownApi(key))?;
    if !(range.info.min_version..=range.max_version).contains(&version) {
        return Err(BadRequest::UnsupportedVersion { api: api.name(), version });
    }
    match &node.broker {
        Some(broker) if !connection.is_controller_listener => to_broker(broker, context, reader, sink),
        _ => to_controller(node, context, reader, sink),
    }
}

/// A version that we lack is answered in version 0, so that the client can ask again (KIP-511).
fn answer_api_versions(
    node: &Arc<Node>,
    mut context: RequestContext,
    mut reader: Reader,
    sink: Sink,
) -> Result<(), BadRequest> {
    if context.version < 0 || context.version > ApiVersionsRequest::MAX_VERSION {
        context.version = 0;
        let response = api_versions::unsupported();
        Reply::new::<ApiVersionsRequest>(&context, sink).send(&response);
        return Ok(());
    }
    let request = ApiVersionsRequest::decode(&mut reader, context.version)?;
    let response = api_versions::handle(node, &context, &request);
    Reply::new::<ApiVersionsRequest>(&context, sink).send(&response);
    Ok(())
}

/// Decodes the request and makes the typed way back.
fn open<Q: Request>(
    context: &RequestContext,
    mut reader: Reader,
    sink: Sink,
) -> Result<(Q, Reply<Q::Response>), BadRequest> {
    Ok((Q::decode(&mut reader, context.version)?, Reply::new::<Q>(context, sink)))
}

fn to_broker(broker: &Arc<Broker>, context: RequestContext, reader: Reader, sink: Sink) -> Result<(), BadRequest> {
    /// The handler returns the response.
    macro_rules! now {
        ($handler:ident) => {{
            let (request, reply) = open(&context, reader, sink)?;
            reply.send(&$handler::handle(broker, &context, request));
        }};
    }
    /// The handler takes the way back, and may answer later.
    macro_rules! later {
        ($handler:ident) => {{
            let (request, reply) = open(&context, reader, sink)?;
            $handler::handle(broker, context, request, reply);
        }};
    }
    /// The active controller answers.
    macro_rules! forwarded {
        ($request:ty) => {{
            let (request, reply) = open::<$request>(&context, reader, sink)?;
            crate::forward::forward(broker, context, request, reply);
        }};
    }
    match context.api {
        ApiKey::Produce => later!(produce),
        ApiKey::Fetch => later!(fetch),
        ApiKey::ListOffsets => now!(list_offsets),
        ApiKey::Metadata => now!(metadata),
        ApiKey::DescribeTopicPartitions => now!(describe_topic_partitions),
        ApiKey::DescribeCluster => now!(describe_cluster),
        ApiKey::OffsetForLeaderEpoch => now!(offset_for_leader_epoch),
        ApiKey::DeleteRecords => later!(delete_records),
        ApiKey::InitProducerId => later!(init_producer_id),
        ApiKey::DescribeConfigs => now!(describe_configs),
        ApiKey::DescribeLogDirs => now!(describe_log_dirs),
        ApiKey::DescribeProducers => now!(describe_producers),
        ApiKey::FindCoordinator => now!(find_coordinator),
        ApiKey::JoinGroup => later!(join_group),
        ApiKey::SyncGroup => later!(sync_group),
        ApiKey::Heartbeat => later!(heartbeat),
        ApiKey::LeaveGroup => later!(leave_group),
        ApiKey::OffsetCommit => later!(offset_commit),
        ApiKey::OffsetFetch => later!(offset_fetch),
        ApiKey::ListGroups => later!(list_groups),
        ApiKey::DescribeGroups => later!(describe_groups),
        ApiKey::DeleteGroups => later!(delete_groups),
        ApiKey::OffsetDelete => later!(offset_delete),
        ApiKey::CreateTopics => forwarded!(CreateTopicsRequest),
        ApiKey::DeleteTopics => forwarded!(DeleteTopicsRequest),
        ApiKey::CreatePartitions => forwarded!(CreatePartitionsRequest),
        ApiKey::AlterConfigs => {
            let (request, reply) = open(&context, reader, sink)?;
            alter_configs::handle_legacy(broker, context, request, reply);
        }
        ApiKey::IncrementalAlterConfigs => {
            let (request, reply) = open(&context, reader, sink)?;
            alter_configs::handle_incremental(broker, context, request, reply);
        }
        ApiKey::UpdateFeatures => forwarded!(UpdateFeaturesRequest),
        ApiKey::DescribeQuorum => forwarded!(DescribeQuorumRequest),
        other => return Err(BadRequest::UnknownApi(other.code())),
    }
    Ok(())
}

fn to_controller(node: &Arc<Node>, context: RequestContext, reader: Reader, sink: Sink) -> Result<(), BadRequest> {
    macro_rules! controlled {
        ($request:ty) => {{
            let (request, reply) = open::<$request>(&context, reader, sink)?;
            crate::forward::run_here(&node.quorum, context, request, reply);
        }};
    }
    match context.api {
        ApiKey::Fetch => controlled!(FetchRequest),
        ApiKey::FetchSnapshot => controlled!(FetchSnapshotRequest),
        ApiKey::AlterPartition => controlled!(AlterPartitionRequest),
        ApiKey::Vote => controlled!(VoteRequest),
        ApiKey::BeginQuorumEpoch => controlled!(BeginQuorumEpochRequest),
        ApiKey::EndQuorumEpoch => controlled!(EndQuorumEpochRequest),
        ApiKey::ControllerRegistration => controlled!(ControllerRegistrationRequest),
        ApiKey::DescribeQuorum => controlled!(DescribeQuorumRequest),
        ApiKey::BrokerRegistration => controlled!(BrokerRegistrationRequest),
        ApiKey::BrokerHeartbeat => controlled!(BrokerHeartbeatRequest),
        ApiKey::AllocateProducerIds => controlled!(AllocateProducerIdsRequest),
        ApiKey::CreateTopics => controlled!(CreateTopicsRequest),
        ApiKey::DeleteTopics => controlled!(DeleteTopicsRequest),
        ApiKey::CreatePartitions => controlled!(CreatePartitionsRequest),
        ApiKey::AlterConfigs => controlled!(AlterConfigsRequest),
        ApiKey::IncrementalAlterConfigs => controlled!(IncrementalAlterConfigsRequest),
        ApiKey::UpdateFeatures => controlled!(UpdateFeaturesRequest),
        ApiKey::DescribeCluster => {
            let (request, reply) = open(&context, reader, sink)?;
            reply.send(&describe_cluster::handle_on_controller(&node.quorum, &context, request));
        }
        ApiKey::Envelope => {
            let (request, reply) = open(&context, reader, sink)?;
            envelope::handle(&node.quorum, context, request, reply);
        }
        other => return Err(BadRequest::UnknownApi(other.code())),
    }
    Ok(())
}

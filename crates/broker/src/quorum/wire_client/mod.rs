//! Raft requests that go out: raft's terms to the wire's, and the answers back into the loop.

mod elections;

use super::core::{Core, Fetched};
use super::log_store::METADATA_TOPIC;
use crate::network::{self, Address, Lane};
use ottla_base::{ErrorCode, NodeId, Uuid};
use ottla_raft::{
    Endpoint, Endpoints, Event, FetchOutcome, FetchResponse, FetchSnapshotResponse, Header, OffsetAndEpoch, Request,
    Response,
};
use ottla_wire::RecordsData;
use ottla_wire::messages::{self, fetch_request, fetch_snapshot_request};

/// What one fetch of the metadata log may bring, as Apache Kafka asks for: 8 MiB.
const MAX_FETCH_BYTES: i32 = 8 * 1024 * 1024;

/// Sends it, and steps raft with the answer when there is one.
pub(super) fn send(core: &mut Core, to: NodeId, address: Address, correlation: u64, request: Request) {
    let timeout_ms = core.settings.raft.request_timeout_ms;
    match request {
        Request::Fetch(fetch) => {
            let wait = u64::try_from(fetch.max_wait_ms).unwrap_or(0);
            let message = fetch_message(core, &fetch);
            call(core, to, &address, correlation, message, timeout_ms + wait, receive_fetch);
        }
        Request::FetchSnapshot(fetch) => {
            let message = fetch_snapshot_message(core, &fetch);
            call(core, to, &address, correlation, message, timeout_ms, receive_snapshot);
        }
        Request::Vote(vote) => elections::send_vote(core, to, &address, correlation, &vote),
        Request::BeginQuorumEpoch(begin) => elections::send_begin(core, to, &address, correlation, &begin),
        Request::EndQuorumEpoch(end) => elections::send_end(core, to, &address, correlation, &end),
        // Dynamic quorums (KIP-853) change their voters with these.
        Request::AddVoter(_) | Request::RemoveVoter(_) | Request::UpdateVoter(_) | Request::ApiVersions => {
            fail_later(core, to, correlation, ErrorCode::UnsupportedVersion);
        }
    }
}

fn fail_later(core: &Core, from: NodeId, correlation: u64, error: ErrorCode) {
    if let Some(quorum) = core.handle.upgrade() {
        quorum.submit(move |core, now| core.step(Event::RequestFailed { from, correlation, error }, now));
    }
}

/// What the core does with a response: keep its records, and translate the rest.
type Receive<R> = fn(&mut Core, u64, R) -> Result<Response, ErrorCode>;

fn call<Q: ottla_wire::Request + Send + 'static>(
    core: &Core,
    to: NodeId,
    address: &Address,
    correlation: u64,
    message: Q,
    timeout_ms: u64,
    receive: Receive<Q::Response>,
) where
    Q::Response: Send + 'static,
{
    let handle = core.handle.clone();
    network::call(&*core.network, address, Lane::Raft, message, timeout_ms, move |answer| {
        let Some(quorum) = handle.upgrade() else { return };
        quorum.submit(move |core, now| {
            let event = match answer.and_then(|(_, response)| receive(core, correlation, response)) {
                Ok(response) => Event::Response { from: to, correlation, response },
                Err(error) => Event::RequestFailed { from: to, correlation, error },
            };
            core.step(event, now);
        });
    });
}

fn fetch_message(core: &Core, fetch: &ottla_raft::FetchRequest) -> messages::FetchRequest {
    let directory = fetch.replica.directory_id.unwrap_or(Uuid::ZERO);
    messages::FetchRequest {
        cluster_id: Some(core.settings.cluster_id.clone()),
        replica_state: fetch_request::ReplicaState { replica_id: fetch.replica.id, ..Default::default() },
        max_wait_ms: fetch.max_wait_ms,
        max_bytes: MAX_FETCH_BYTES,
        topics: vec![fetch_request::FetchTopic {
            topic: METADATA_TOPIC.to_owned(),
            topic_id: Uuid::METADATA_TOPIC_ID,
            partitions: vec![fetch_request::FetchPartition {
                partition: 0,
                current_leader_epoch: fetch.epoch,
                fetch_offset: fetch.fetch_offset,
                last_fetched_epoch: fetch.last_fetched_epoch,
                replica_directory_id: directory,
                high_watermark: fetch.high_watermark,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The endpoint under the listener that we would ask on.
fn leader_endpoints(core: &Core, leader: NodeId, nodes: impl Iterator<Item = (NodeId, String, u16)>) -> Endpoints {
    let listener = core.settings.raft.default_listener.clone();
    let mut of_leader = nodes.filter(|(id, ..)| *id == leader);
    of_leader.next().map(|(_, host, port)| (listener, Endpoint { host, port })).into_iter().collect()
}

fn header(error: i16, leader: NodeId, epoch: i32, leader_endpoints: Endpoints) -> Header {
    Header { error: ErrorCode::from_code(error), epoch, leader: (leader >= 0).then_some(leader), leader_endpoints }
}

fn receive_fetch(core: &mut Core, correlation: u64, response: messages::FetchResponse) -> Result<Response, ErrorCode> {
    top_level(response.error_code)?;
    let nodes = response.node_endpoints;
    let partition = response.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or(ErrorCode::UnknownServerError)?;
    let leader = partition.current_leader;
    let ports = nodes.into_iter().filter_map(|n| Some((n.node_id, n.host, u16::try_from(n.port).ok()?)));
    let endpoints = leader_endpoints(core, leader.leader_id, ports);
    let records = partition.records.as_ref().and_then(RecordsData::as_bytes).cloned().unwrap_or_default();
    let outcome = if partition.diverging_epoch.epoch >= 0 {
        let EpochEnd { end_offset, epoch, .. } = partition.diverging_epoch;
        FetchOutcome::Diverging(OffsetAndEpoch::new(end_offset, epoch))
    } else if partition.snapshot_id.epoch >= 0 {
        FetchOutcome::Snapshot(OffsetAndEpoch::new(partition.snapshot_id.end_offset, partition.snapshot_id.epoch))
    } else if records.is_empty() {
        FetchOutcome::Empty
    } else {
        FetchOutcome::Records
    };
    core.fetched = Some(Fetched { correlation, records });
    Ok(Response::Fetch(FetchResponse {
        header: header(partition.error_code, leader.leader_id, leader.leader_epoch, endpoints),
        high_watermark: (partition.high_watermark >= 0).then_some(partition.high_watermark),
        log_start_offset: partition.log_start_offset,
        outcome,
    }))
}

use messages::fetch_response::EpochEndOffset as EpochEnd;

fn top_level(code: i16) -> Result<(), ErrorCode> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        error => Err(error),
    }
}

fn fetch_snapshot_message(core: &Core, fetch: &ottla_raft::FetchSnapshotRequest) -> messages::FetchSnapshotRequest {
    messages::FetchSnapshotRequest {
        cluster_id: Some(core.settings.cluster_id.clone()),
        replica_id: fetch.replica.id,
        max_bytes: MAX_FETCH_BYTES,
        topics: vec![fetch_snapshot_request::TopicSnapshot {
            name: METADATA_TOPIC.to_owned(),
            partitions: vec![fetch_snapshot_request::PartitionSnapshot {
                partition: 0,
                current_leader_epoch: fetch.epoch,
                snapshot_id: fetch_snapshot_request::SnapshotId {
                    end_offset: fetch.snapshot_id.offset,
                    epoch: fetch.snapshot_id.epoch,
                    ..Default::default()
                },
                position: fetch.position,
                replica_directory_id: fetch.replica.directory_id.unwrap_or(Uuid::ZERO),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn receive_snapshot(
    core: &mut Core,
    correlation: u64,
    response: messages::FetchSnapshotResponse,
) -> Result<Response, ErrorCode> {
    top_level(response.error_code)?;
    let nodes = response.node_endpoints;
    let partition = response.topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or(ErrorCode::UnknownServerError)?;
    let leader = partition.current_leader;
    let endpoints = leader_endpoints(core, leader.leader_id, nodes.into_iter().map(|n| (n.node_id, n.host, n.port)));
    let chunk = partition.unaligned_records.as_bytes().cloned().unwrap_or_default();
    let chunk_len = chunk.len() as i64;
    core.snapshot_chunk = Some((correlation, chunk));
    let found = partition.error_code == 0;
    Ok(Response::FetchSnapshot(FetchSnapshotResponse {
        header: header(partition.error_code, leader.leader_id, leader.leader_epoch, endpoints),
        snapshot_id: found.then(|| OffsetAndEpoch::new(partition.snapshot_id.end_offset, partition.snapshot_id.epoch)),
        size: partition.size,
        position: partition.position,
        chunk_len,
    }))
}

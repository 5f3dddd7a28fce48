//! Elections: votes, and the beginning and end of an epoch.

use super::{call, header, top_level};
use crate::network::Address;
use crate::quorum::core::Core;
use crate::quorum::log_store::METADATA_TOPIC;
use ottla_base::{ErrorCode, NodeId, Uuid};
use ottla_raft::{BeginQuorumEpochRequest, EndQuorumEpochRequest, ReplicaKey, Response, VoteRequest};
use ottla_wire::messages::{self, begin_quorum_epoch_request, end_quorum_epoch_request, vote_request};

fn directory(key: ReplicaKey) -> Uuid {
    key.directory_id.unwrap_or(Uuid::ZERO)
}

pub(super) fn send_vote(core: &Core, to: NodeId, address: &Address, correlation: u64, vote: &VoteRequest) {
    let partition = vote_request::PartitionData {
        partition_index: 0,
        replica_epoch: vote.epoch,
        replica_id: vote.candidate.id,
        replica_directory_id: directory(vote.candidate),
        voter_directory_id: vote.voter.map_or(Uuid::ZERO, directory),
        last_offset_epoch: vote.log_end.epoch,
        last_offset: vote.log_end.offset,
        pre_vote: vote.pre_vote,
        ..Default::default()
    };
    let message = messages::VoteRequest {
        cluster_id: Some(core.settings.cluster_id.clone()),
        voter_id: vote.voter.map_or(-1, |voter| voter.id),
        topics: vec![vote_request::TopicData {
            topic_name: METADATA_TOPIC.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    call(core, to, address, correlation, message, core.settings.raft.request_timeout_ms, receive_vote);
}

fn receive_vote(core: &mut Core, _: u64, response: messages::VoteResponse) -> Result<Response, ErrorCode> {
    top_level(response.error_code)?;
    let nodes = response.node_endpoints.into_iter().map(|n| (n.node_id, n.host, n.port));
    let partition = response.topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or(ErrorCode::UnknownServerError)?;
    let endpoints = super::leader_endpoints(core, partition.leader_id, nodes);
    Ok(Response::Vote {
        header: header(partition.error_code, partition.leader_id, partition.leader_epoch, endpoints),
        vote_granted: partition.vote_granted,
    })
}

pub(super) fn send_begin(
    core: &Core,
    to: NodeId,
    address: &Address,
    correlation: u64,
    begin: &BeginQuorumEpochRequest,
) {
    let partition = begin_quorum_epoch_request::PartitionData {
        partition_index: 0,
        voter_directory_id: begin.voter.map_or(Uuid::ZERO, directory),
        leader_id: begin.leader,
        leader_epoch: begin.epoch,
        ..Default::default()
    };
    let endpoint = |(name, at): (&str, &ottla_raft::Endpoint)| begin_quorum_epoch_request::LeaderEndpoint {
        name: name.to_owned(),
        host: at.host.clone(),
        port: at.port,
        ..Default::default()
    };
    let message = messages::BeginQuorumEpochRequest {
        cluster_id: Some(core.settings.cluster_id.clone()),
        voter_id: begin.voter.map_or(-1, |voter| voter.id),
        topics: vec![begin_quorum_epoch_request::TopicData {
            topic_name: METADATA_TOPIC.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        leader_endpoints: begin.leader_endpoints.iter().map(endpoint).collect(),
        ..Default::default()
    };
    call(core, to, address, correlation, message, core.settings.raft.request_timeout_ms, receive_begin);
}

fn receive_begin(core: &mut Core, _: u64, response: messages::BeginQuorumEpochResponse) -> Result<Response, ErrorCode> {
    top_level(response.error_code)?;
    let nodes = response.node_endpoints.into_iter().map(|n| (n.node_id, n.host, n.port));
    let partition = response.topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or(ErrorCode::UnknownServerError)?;
    let endpoints = super::leader_endpoints(core, partition.leader_id, nodes);
    Ok(Response::BeginQuorumEpoch(header(partition.error_code, partition.leader_id, partition.leader_epoch, endpoints)))
}

pub(super) fn send_end(core: &Core, to: NodeId, address: &Address, correlation: u64, end: &EndQuorumEpochRequest) {
    let candidate = |key: &ReplicaKey| end_quorum_epoch_request::ReplicaInfo {
        candidate_id: key.id,
        candidate_directory_id: directory(*key),
        ..Default::default()
    };
    let partition = end_quorum_epoch_request::PartitionData {
        partition_index: 0,
        leader_id: end.leader,
        leader_epoch: end.epoch,
        // Each version reads one of the two lists, and may ignore the other.
        preferred_successors: end.preferred_successors.iter().map(|key| key.id).collect(),
        preferred_candidates: end.preferred_successors.iter().map(candidate).collect(),
        ..Default::default()
    };
    let endpoint = |(name, at): (&str, &ottla_raft::Endpoint)| end_quorum_epoch_request::LeaderEndpoint {
        name: name.to_owned(),
        host: at.host.clone(),
        port: at.port,
        ..Default::default()
    };
    let message = messages::EndQuorumEpochRequest {
        cluster_id: Some(core.settings.cluster_id.clone()),
        topics: vec![end_quorum_epoch_request::TopicData {
            topic_name: METADATA_TOPIC.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        leader_endpoints: end.leader_endpoints.iter().map(endpoint).collect(),
        ..Default::default()
    };
    call(core, to, address, correlation, message, core.settings.raft.request_timeout_ms, receive_end);
}

fn receive_end(core: &mut Core, _: u64, response: messages::EndQuorumEpochResponse) -> Result<Response, ErrorCode> {
    top_level(response.error_code)?;
    let nodes = response.node_endpoints.into_iter().map(|n| (n.node_id, n.host, n.port));
    let partition = response.topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.ok_or(ErrorCode::UnknownServerError)?;
    let endpoints = super::leader_endpoints(core, partition.leader_id, nodes);
    Ok(Response::EndQuorumEpoch(header(partition.error_code, partition.leader_id, partition.leader_epoch, endpoints)))
}

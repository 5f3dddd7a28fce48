//! DescribeQuorum (KIP-595, KIP-836, KIP-853): voters and observers of the metadata log.

use crate::forward::{ControllerRequest, Done};
use crate::quorum::{Core, METADATA_TOPIC};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time, Uuid};
use ottla_raft::{Endpoints, QuorumDescription, ReplicaDescription};
use ottla_wire::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use ottla_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};

impl ControllerRequest for DescribeQuorumRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<DescribeQuorumResponse>) {
        let Some(quorum) = core.raft.describe_quorum(now.mono_ms) else { return done(Err(ErrorCode::NotController)) };
        let asks_for_it = |topic: &ottla_wire::messages::describe_quorum_request::TopicData| {
            topic.topic_name == METADATA_TOPIC && topic.partitions.iter().all(|p| p.partition_index == 0)
        };
        if !self.topics.iter().all(asks_for_it) || self.topics.len() != 1 {
            return done(Ok(unknown(&self)));
        }
        done(Ok(describe(&quorum, context.version, now)));
    }

    fn failed(&self, error: ErrorCode) -> DescribeQuorumResponse {
        DescribeQuorumResponse { error_code: error.code(), ..Default::default() }
    }
}

fn unknown(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let topic = |topic: &ottla_wire::messages::describe_quorum_request::TopicData| TopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| PartitionData {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    DescribeQuorumResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() }
}

fn describe(quorum: &QuorumDescription, version: i16, now: Time) -> DescribeQuorumResponse {
    let replicas = |list: &[ReplicaDescription]| list.iter().map(|replica| state(replica, version, now)).collect();
    let partition = PartitionData {
        leader_id: quorum.leader,
        leader_epoch: quorum.epoch,
        high_watermark: quorum.high_watermark.unwrap_or(-1),
        current_voters: replicas(&quorum.voters),
        observers: replicas(&quorum.observers),
        ..Default::default()
    };
    let topic = TopicData { topic_name: METADATA_TOPIC.to_owned(), partitions: vec![partition], ..Default::default() };
    let node = |voter: &ReplicaDescription| Node {
        node_id: voter.key.id,
        listeners: listeners(&voter.listeners),
        ..Default::default()
    };
    DescribeQuorumResponse {
        topics: vec![topic],
        nodes: if version >= 2 { quorum.voters.iter().map(node).collect() } else { vec![] },
        ..Default::default()
    }
}

fn listeners(endpoints: &Endpoints) -> Vec<Listener> {
    let listener = |(name, at): (&str, &ottla_raft::Endpoint)| Listener {
        name: name.to_owned(),
        host: at.host.clone(),
        port: at.port,
        ..Default::default()
    };
    endpoints.iter().map(listener).collect()
}

fn state(replica: &ReplicaDescription, version: i16, now: Time) -> ReplicaState {
    // Raft's clock never goes back; on the wire it is the time of day.
    let wall = |at: Option<u64>| at.map_or(-1, |at| now.wall_ms - now.mono_ms.saturating_sub(at) as i64);
    ReplicaState {
        replica_id: replica.key.id,
        // Directories came with version 2.
        replica_directory_id: replica.key.directory_id.filter(|_| version >= 2).unwrap_or(Uuid::ZERO),
        log_end_offset: replica.log_end_offset.unwrap_or(-1),
        last_fetch_timestamp: wall(replica.last_fetch_ms),
        last_caught_up_timestamp: wall(replica.last_caught_up_ms),
        ..Default::default()
    }
}

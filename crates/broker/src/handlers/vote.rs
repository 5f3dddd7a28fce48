//! Vote (KIP-595, KIP-853, pre-votes KIP-996): a candidate for the leadership of the metadata log asks a voter.

use crate::forward::{ControllerRequest, Done};
use crate::quorum::{Core, METADATA_TOPIC};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time};
use ottla_raft::{OffsetAndEpoch, ReplicaKey, Request, Response, VoteRequest as RaftVote};
use ottla_wire::messages::vote_response::{NodeEndpoint, PartitionData, TopicData};
use ottla_wire::messages::{VoteRequest, VoteResponse};

impl ControllerRequest for VoteRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<VoteResponse>) {
        if self.cluster_id.as_ref().is_some_and(|id| *id != core.settings.cluster_id) {
            return done(Ok(self.failed(ErrorCode::InconsistentClusterId)));
        }
        let partition = match &self.topics[..] {
            [topic] if topic.topic_name == METADATA_TOPIC => topic.partitions.first(),
            _ => None,
        };
        let Some(partition) = partition else { return done(Ok(self.failed(ErrorCode::InvalidRequest))) };
        let vote = RaftVote {
            candidate: ReplicaKey::new(partition.replica_id, partition.replica_directory_id),
            epoch: partition.replica_epoch,
            voter: (self.voter_id >= 0).then(|| ReplicaKey::new(self.voter_id, partition.voter_directory_id)),
            log_end: OffsetAndEpoch::new(partition.last_offset, partition.last_offset_epoch),
            pre_vote: partition.pre_vote,
        };
        let (listener, version) = (context.connection.listener.clone(), context.version);
        core.raft_request(Request::Vote(vote), now, move |_, response| {
            if let Response::Vote { header, vote_granted } = response {
                let partition = PartitionData {
                    error_code: header.error.code(),
                    leader_id: header.leader.unwrap_or(-1),
                    leader_epoch: header.epoch,
                    vote_granted,
                    ..Default::default()
                };
                let topic = TopicData {
                    topic_name: METADATA_TOPIC.to_owned(),
                    partitions: vec![partition],
                    ..Default::default()
                };
                let node = header.leader.zip(header.leader_endpoints.get(&listener)).filter(|_| version >= 1);
                let node = node.map(|(node_id, at)| NodeEndpoint {
                    node_id,
                    host: at.host.clone(),
                    port: at.port,
                    ..Default::default()
                });
                let node_endpoints = node.into_iter().collect();
                done(Ok(VoteResponse { topics: vec![topic], node_endpoints, ..Default::default() }));
            }
        });
    }

    fn failed(&self, error: ErrorCode) -> VoteResponse {
        VoteResponse { error_code: error.code(), ..Default::default() }
    }
}

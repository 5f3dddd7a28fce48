//! EndQuorumEpoch (KIP-595, KIP-853): the leader of the metadata log resigns, and names who should follow.

use crate::forward::{ControllerRequest, Done};
use crate::quorum::{Core, METADATA_TOPIC};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time};
use ottla_raft::{EndQuorumEpochRequest as RaftEnd, Endpoint, ReplicaKey, Request, Response};
use ottla_wire::messages::end_quorum_epoch_response::{NodeEndpoint, PartitionData, TopicData};
use ottla_wire::messages::{EndQuorumEpochRequest, EndQuorumEpochResponse};

impl ControllerRequest for EndQuorumEpochRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<EndQuorumEpochResponse>) {
        if self.cluster_id.as_ref().is_some_and(|id| *id != core.settings.cluster_id) {
            return done(Ok(self.failed(ErrorCode::InconsistentClusterId)));
        }
        let partition = match &self.topics[..] {
            [topic] if topic.topic_name == METADATA_TOPIC => topic.partitions.first(),
            _ => None,
        };
        let Some(partition) = partition else { return done(Ok(self.failed(ErrorCode::InvalidRequest))) };
        // Version 0 knows ids only.
        let by_id = partition.preferred_successors.iter().map(|id| ReplicaKey::without_directory(*id));
        let candidates = partition.preferred_candidates.iter();
        let by_key = candidates.map(|c| ReplicaKey::new(c.candidate_id, c.candidate_directory_id));
        let endpoints = self.leader_endpoints.iter();
        let end = RaftEnd {
            leader: partition.leader_id,
            epoch: partition.leader_epoch,
            preferred_successors: by_id.chain(by_key).collect(),
            leader_endpoints: endpoints
                .map(|e| (e.name.clone(), Endpoint { host: e.host.clone(), port: e.port }))
                .collect(),
        };
        let (listener, version) = (context.connection.listener.clone(), context.version);
        core.raft_request(Request::EndQuorumEpoch(end), now, move |_, response| {
            if let Response::EndQuorumEpoch(header) = response {
                let partition = PartitionData {
                    error_code: header.error.code(),
                    leader_id: header.leader.unwrap_or(-1),
                    leader_epoch: header.epoch,
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
                done(Ok(EndQuorumEpochResponse { topics: vec![topic], node_endpoints, ..Default::default() }));
            }
        });
    }

    fn failed(&self, error: ErrorCode) -> EndQuorumEpochResponse {
        EndQuorumEpochResponse { error_code: error.code(), ..Default::default() }
    }
}

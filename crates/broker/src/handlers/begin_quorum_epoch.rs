//! BeginQuorumEpoch (KIP-595, KIP-853): a new leader of the metadata log makes itself known.

use crate::forward::{ControllerRequest, Done};
use crate::quorum::{Core, METADATA_TOPIC};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time};
use ottla_raft::{BeginQuorumEpochRequest as RaftBegin, Endpoint, ReplicaKey, Request, Response};
use ottla_wire::messages::begin_quorum_epoch_response::{NodeEndpoint, PartitionData, TopicData};
use ottla_wire::messages::{BeginQuorumEpochRequest, BeginQuorumEpochResponse};

impl ControllerRequest for BeginQuorumEpochRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<BeginQuorumEpochResponse>) {
        if self.cluster_id.as_ref().is_some_and(|id| *id != core.settings.cluster_id) {
            return done(Ok(self.failed(ErrorCode::InconsistentClusterId)));
        }
        let partition = match &self.topics[..] {
            [topic] if topic.topic_name == METADATA_TOPIC => topic.partitions.first(),
            _ => None,
        };
        let Some(partition) = partition else { return done(Ok(self.failed(ErrorCode::InvalidRequest))) };
        let endpoints = self.leader_endpoints.iter();
        let begin = RaftBegin {
            leader: partition.leader_id,
            epoch: partition.leader_epoch,
            leader_endpoints: endpoints
                .map(|e| (e.name.clone(), Endpoint { host: e.host.clone(), port: e.port }))
                .collect(),
            voter: (self.voter_id >= 0).then(|| ReplicaKey::new(self.voter_id, partition.voter_directory_id)),
        };
        let (listener, version) = (context.connection.listener.clone(), context.version);
        core.raft_request(Request::BeginQuorumEpoch(begin), now, move |_, response| {
            if let Response::BeginQuorumEpoch(header) = response {
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
                done(Ok(BeginQuorumEpochResponse { topics: vec![topic], node_endpoints, ..Default::default() }));
            }
        });
    }

    fn failed(&self, error: ErrorCode) -> BeginQuorumEpochResponse {
        BeginQuorumEpochResponse { error_code: error.code(), ..Default::default() }
    }
}

//! Fetch on a controller's listener: replicas of the metadata log read from its leader (KIP-595).

use crate::forward::{ControllerRequest, Done};
use crate::quorum::{Core, METADATA_TOPIC};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time, Uuid};
use ottla_raft::{
    FetchOutcome, FetchRequest as RaftFetch, FetchResponse as RaftResponse, ReplicaKey, Request, Response,
};
use ottla_wire::RecordsData;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData, SnapshotId,
};
use ottla_wire::messages::{FetchRequest, FetchResponse};

impl ControllerRequest for FetchRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<FetchResponse>) {
        if self.cluster_id.as_ref().is_some_and(|id| *id != core.settings.cluster_id) {
            return done(Ok(self.failed(ErrorCode::InconsistentClusterId)));
        }
        let Some((topic, partition)) = only_metadata(&self.topics) else {
            return done(Ok(self.failed(ErrorCode::InvalidRequest)));
        };
        let replica_id = if context.version >= 15 { self.replica_state.replica_id } else { self.replica_id };
        let fetch = RaftFetch {
            replica: ReplicaKey::new(replica_id, partition.replica_directory_id),
            epoch: partition.current_leader_epoch,
            fetch_offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            high_watermark: partition.high_watermark,
            max_wait_ms: self.max_wait_ms,
        };
        let answer = Answer {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            fetch_offset: partition.fetch_offset,
            max_bytes: usize::try_from(self.max_bytes).unwrap_or(0).max(1),
            listener: context.connection.listener.clone(),
        };
        core.raft_request(Request::Fetch(fetch), now, move |core, response| {
            if let Response::Fetch(response) = response {
                done(Ok(answer.build(core, response)));
            }
        });
    }

    fn failed(&self, error: ErrorCode) -> FetchResponse {
        FetchResponse { error_code: error.code(), ..Default::default() }
    }
}

/// A controller's log is the only one to be had here.
fn only_metadata(topics: &[FetchTopic]) -> Option<(&FetchTopic, &FetchPartition)> {
    let [topic] = topics else { return None };
    let [partition] = &topic.partitions[..] else { return None };
    let is_it = topic.topic == METADATA_TOPIC || topic.topic_id == Uuid::METADATA_TOPIC_ID;
    (is_it && partition.partition == 0).then_some((topic, partition))
}

struct Answer {
    topic: String,
    topic_id: Uuid,
    fetch_offset: i64,
    max_bytes: usize,
    listener: String,
}

impl Answer {
    fn build(self, core: &Core, response: RaftResponse) -> FetchResponse {
        let header = &response.header;
        let mut data = PartitionData {
            error_code: header.error.code(),
            high_watermark: response.high_watermark.unwrap_or(-1),
            last_stable_offset: -1,
            log_start_offset: response.log_start_offset,
            current_leader: LeaderIdAndEpoch {
                leader_id: header.leader.unwrap_or(-1),
                leader_epoch: header.epoch,
                ..Default::default()
            },
            records: Some(RecordsData::default()),
            ..Default::default()
        };
        match response.outcome {
            FetchOutcome::Empty => {}
            FetchOutcome::Records => match core.log.read_for_fetch(self.fetch_offset, self.max_bytes) {
                Ok(Some(slice)) => data.records = Some(RecordsData::Files(vec![slice])),
                Ok(None) => {}
                Err(error) => data.error_code = error.code(),
            },
            FetchOutcome::Diverging(at) => {
                data.diverging_epoch = EpochEndOffset { epoch: at.epoch, end_offset: at.offset, ..Default::default() };
            }
            FetchOutcome::Snapshot(id) => {
                data.snapshot_id = SnapshotId { end_offset: id.offset, epoch: id.epoch, ..Default::default() };
            }
        }
        let endpoint = header.leader.and_then(|id| Some((id, header.leader_endpoints.get(&self.listener)?)));
        let node = endpoint.map(|(node_id, at)| NodeEndpoint {
            node_id,
            host: at.host.clone(),
            port: i32::from(at.port),
            ..Default::default()
        });
        let topic = FetchableTopicResponse {
            topic: self.topic,
            topic_id: self.topic_id,
            partitions: vec![data],
            ..Default::default()
        };
        FetchResponse { responses: vec![topic], node_endpoints: node.into_iter().collect(), ..Default::default() }
    }
}

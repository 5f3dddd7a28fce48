//! FetchSnapshot (KIP-630): a replica of the metadata log that is far behind gets the image in pieces.

use crate::forward::{ControllerRequest, Done};
use crate::quorum::{Core, METADATA_TOPIC};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time};
use ottla_raft::{
    FetchSnapshotRequest as RaftFetch, FetchSnapshotResponse as RaftResponse, OffsetAndEpoch, ReplicaKey,
};
use ottla_raft::{Request, Response};
use ottla_wire::RecordsData;
use ottla_wire::messages::fetch_snapshot_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionSnapshot, SnapshotId, TopicSnapshot,
};
use ottla_wire::messages::{FetchSnapshotRequest, FetchSnapshotResponse};

impl ControllerRequest for FetchSnapshotRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<FetchSnapshotResponse>) {
        if self.cluster_id.as_ref().is_some_and(|id| *id != core.settings.cluster_id) {
            return done(Ok(self.failed(ErrorCode::InconsistentClusterId)));
        }
        let partition = match &self.topics[..] {
            [topic] if topic.name == METADATA_TOPIC => topic.partitions.first().filter(|p| p.partition == 0),
            _ => None,
        };
        let Some(partition) = partition else {
            return done(Ok(self.failed(ErrorCode::InvalidRequest)));
        };
        let id = OffsetAndEpoch::new(partition.snapshot_id.end_offset, partition.snapshot_id.epoch);
        let fetch = RaftFetch {
            replica: ReplicaKey::new(self.replica_id, partition.replica_directory_id),
            epoch: partition.current_leader_epoch,
            snapshot_id: id,
            position: partition.position,
        };
        let max_bytes = usize::try_from(self.max_bytes).unwrap_or(0).max(1);
        let listener = context.connection.listener.clone();
        core.raft_request(Request::FetchSnapshot(fetch), now, move |core, response| {
            if let Response::FetchSnapshot(response) = response {
                done(Ok(build(core, response, max_bytes, &listener)));
            }
        });
    }

    fn failed(&self, error: ErrorCode) -> FetchSnapshotResponse {
        FetchSnapshotResponse { error_code: error.code(), ..Default::default() }
    }
}

fn build(core: &Core, response: RaftResponse, max_bytes: usize, listener: &str) -> FetchSnapshotResponse {
    let header = &response.header;
    let mut part = PartitionSnapshot {
        error_code: header.error.code(),
        current_leader: LeaderIdAndEpoch {
            leader_id: header.leader.unwrap_or(-1),
            leader_epoch: header.epoch,
            ..Default::default()
        },
        position: response.position,
        ..Default::default()
    };
    if let (ErrorCode::None, Some(id)) = (header.error, response.snapshot_id) {
        part.snapshot_id = SnapshotId { end_offset: id.offset, epoch: id.epoch, ..Default::default() };
        let position = u64::try_from(response.position).unwrap_or(u64::MAX);
        match core.log.snapshot_slice(id, position, max_bytes) {
            Ok((size, _)) if position >= size => part.error_code = ErrorCode::PositionOutOfRange.code(),
            Ok((size, slice)) => {
                part.size = size as i64;
                part.unaligned_records = RecordsData::Files(vec![slice]);
            }
            Err(_) => part.error_code = ErrorCode::SnapshotNotFound.code(),
        }
    }
    let endpoint = header.leader.and_then(|id| Some((id, header.leader_endpoints.get(listener)?)));
    let node = endpoint.map(|(node_id, at)| NodeEndpoint {
        node_id,
        host: at.host.clone(),
        port: at.port,
        ..Default::default()
    });
    let topic = TopicSnapshot { name: METADATA_TOPIC.to_owned(), partitions: vec![part], ..Default::default() };
    FetchSnapshotResponse { topics: vec![topic], node_endpoints: node.into_iter().collect(), ..Default::default() }
}

//! What replicas say to each other, in raft's own terms; the driver translates to and from the wire.
//!
//! What the driver checks itself before a request gets here: the cluster id, the topic and the
//! partition (their errors are top-level ones, and no raft state is needed for them).

use crate::key::{Endpoints, OffsetAndEpoch, ReplicaKey};
use crate::voters::{VersionRange, VoterSet};
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset};

/// The first offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: LeaderEpoch,
    pub start_offset: Offset,
}

/// A control record that this crate writes or reads. The driver owns the encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// `LeaderChangeMessage`: the first record of every epoch (KIP-595).
    LeaderChange { leader: NodeId, voters: Vec<NodeId>, granting_voters: Vec<NodeId> },
    /// `KRaftVersionRecord`: the feature level of `kraft.version` from here on (KIP-853).
    KRaftVersion(i16),
    /// `VotersRecord` (KIP-853).
    Voters(VoterSet),
}

/// A control record that the driver found while it read the log or a snapshot. Only
/// [`ControlRecord::KRaftVersion`] and [`ControlRecord::Voters`] matter, the driver may leave out others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlEntry {
    /// In a snapshot: the last offset that it contains, that is its id's offset - 1.
    pub offset: Offset,
    pub record: ControlRecord,
}

/// `Vote` (KIP-595), with pre-votes (KIP-996).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// Who wants to be elected.
    pub candidate: ReplicaKey,
    /// The epoch to lead; of a pre-vote the candidate's current one.
    pub epoch: LeaderEpoch,
    /// Whom the request is for; `None` in old versions.
    pub voter: Option<ReplicaKey>,
    /// The end of the candidate's log.
    pub log_end: OffsetAndEpoch,
    pub pre_vote: bool,
}

/// `BeginQuorumEpoch` (KIP-595): a leader makes itself known to voters that do not fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginQuorumEpochRequest {
    pub leader: NodeId,
    pub epoch: LeaderEpoch,
    /// Empty in old versions.
    pub leader_endpoints: Endpoints,
    /// Whom the request is for; `None` in old versions.
    pub voter: Option<ReplicaKey>,
}

/// `EndQuorumEpoch` (KIP-595): a leader resigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndQuorumEpochRequest {
    pub leader: NodeId,
    pub epoch: LeaderEpoch,
    /// The voters with the longest logs first: in this order they should try to be elected.
    pub preferred_successors: Vec<ReplicaKey>,
    /// Empty in old versions.
    pub leader_endpoints: Endpoints,
}

/// `Fetch` of the metadata log (KIP-595).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    pub replica: ReplicaKey,
    /// The epoch that the fetcher is in.
    pub epoch: LeaderEpoch,
    /// The end of the fetcher's log: a voter has flushed all before it.
    pub fetch_offset: Offset,
    /// The epoch of the fetcher's last record.
    pub last_fetched_epoch: LeaderEpoch,
    /// What the fetcher knows, -1 if nothing; `i64::MAX` when the version does not say (KIP-1166).
    pub high_watermark: Offset,
    /// How long to wait for news, in milliseconds.
    pub max_wait_ms: i32,
}

/// `FetchSnapshot` (KIP-630).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSnapshotRequest {
    pub replica: ReplicaKey,
    pub epoch: LeaderEpoch,
    pub snapshot_id: OffsetAndEpoch,
    /// In bytes from the start of the snapshot's file.
    pub position: i64,
}

/// `AddRaftVoter` (KIP-853).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddVoterRequest {
    pub voter: ReplicaKey,
    pub listeners: Endpoints,
    /// Answer when the change is committed, not when it is in the leader's log.
    pub ack_when_committed: bool,
}

/// `RemoveRaftVoter` (KIP-853).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveVoterRequest {
    pub voter: ReplicaKey,
}

/// `UpdateRaftVoter` (KIP-853): a voter tells its leader of its endpoints and versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateVoterRequest {
    pub voter: ReplicaKey,
    pub epoch: LeaderEpoch,
    pub listeners: Endpoints,
    pub kraft_versions: VersionRange,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Vote(VoteRequest),
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    EndQuorumEpoch(EndQuorumEpochRequest),
    Fetch(FetchRequest),
    FetchSnapshot(FetchSnapshotRequest),
    AddVoter(AddVoterRequest),
    RemoveVoter(RemoveVoterRequest),
    UpdateVoter(UpdateVoterRequest),
    /// Only sent, never received: the leader asks a voter to be for its `kraft.version` range.
    ApiVersions,
}

/// What most responses tell of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The partition's error.
    pub error: ErrorCode,
    pub epoch: LeaderEpoch,
    pub leader: Option<NodeId>,
    /// All listeners that are known of the leader. The driver sends the one that the request came
    /// in through; what it receives it files under the default listener.
    pub leader_endpoints: Endpoints,
}

/// What a fetch brings beside the high watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// There is nothing after the fetch offset, or there was an error.
    Empty,
    /// Records, from the fetch offset on. As a leader the driver reads as many as it may send,
    /// committed or not; as a follower it keeps them until [`Action::AppendFetched`](crate::Action).
    Records,
    /// The fetcher must cut its log: the leader's epoch at or before the one that was asked for ends here.
    Diverging(OffsetAndEpoch),
    /// The fetcher must fetch this snapshot: the leader's log starts after the fetch offset.
    Snapshot(OffsetAndEpoch),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchResponse {
    pub header: Header,
    /// `None` (-1 on the wire) until the leader has committed a record of its epoch.
    pub high_watermark: Option<Offset>,
    /// The leader's.
    pub log_start_offset: Offset,
    pub outcome: FetchOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSnapshotResponse {
    pub header: Header,
    /// `None` when the leader has no such snapshot any more, or on an error.
    pub snapshot_id: Option<OffsetAndEpoch>,
    /// Of the whole snapshot, in bytes. The leader's driver fills this in.
    pub size: i64,
    /// Of the chunk, in bytes from the start.
    pub position: i64,
    /// Of the chunk, in bytes. The leader's driver fills this in.
    pub chunk_len: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    Vote {
        header: Header,
        vote_granted: bool,
    },
    BeginQuorumEpoch(Header),
    EndQuorumEpoch(Header),
    Fetch(FetchResponse),
    /// Without an error, the leader's driver adds the snapshot's size and a chunk from the
    /// position on, or answers `POSITION_OUT_OF_RANGE` if the file ends before it.
    FetchSnapshot(FetchSnapshotResponse),
    /// `message` explains an error to a person; `None` stands for the error's usual text.
    AddVoter {
        error: ErrorCode,
        message: Option<String>,
    },
    RemoveVoter {
        error: ErrorCode,
        message: Option<String>,
    },
    UpdateVoter(Header),
    /// Only received. `kraft_versions` is `None` when the node does not name the feature.
    ApiVersions {
        error: ErrorCode,
        kraft_versions: Option<VersionRange>,
    },
}

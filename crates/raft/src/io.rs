//! Events that go in, actions that come out.

use crate::key::{Endpoint, Endpoints, OffsetAndEpoch};
use crate::message::{ControlEntry, ControlRecord, EpochStart, Request, Response};
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset};

/// The driver's name for a request that it received. The core gives it back in
/// [`Action::Respond`], exactly once, perhaps much later.
pub type Token = u64;

/// The core's name for a request that it sends; never used twice by one core. The next core of the
/// same node begins anew, so the driver must not let an answer outlive the core that asked.
pub type Correlation = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed: to be stepped at [`Raft::next_deadline_ms`](crate::Raft::next_deadline_ms), or at any time.
    Tick,
    /// A request came in.
    Request { token: Token, request: Request },
    /// The answer to a request that was sent, without a top-level error.
    Response { from: NodeId, correlation: Correlation, response: Response },
    /// A request failed: a top-level error of the response, `UNSUPPORTED_VERSION` when the other
    /// side lacks the API or the version, or `NETWORK_EXCEPTION` when there was no answer.
    RequestFailed { from: NodeId, correlation: Correlation, error: ErrorCode },
    /// As the leader of the current epoch, the driver appended records to the log (not those of
    /// [`Action::AppendControl`], of which the core knows). To be stepped before anything else is.
    Appended { end_offset: Offset },
    /// The driver made the log durable up to this offset.
    Flushed { offset: Offset },
    /// [`Action::AppendFetched`] is done, perhaps with no or fewer records than came.
    FetchedAppended {
        end_offset: Offset,
        /// The leader epochs of the new batches, with the offsets where each starts among them.
        epochs: Vec<EpochStart>,
        /// The control records among the new records.
        controls: Vec<ControlEntry>,
    },
    /// [`Action::InstallSnapshot`] is done.
    SnapshotInstalled {
        id: OffsetAndEpoch,
        /// The control records in the snapshot, with the offset `id.offset - 1`.
        controls: Vec<ControlEntry>,
    },
    /// The driver wrote a snapshot of its own state, at or below the high watermark.
    SnapshotCreated { id: OffsetAndEpoch },
    /// The driver deleted old segments, and the snapshots of offsets before this one.
    LogStartAdvanced { start_offset: Offset },
    /// The leader of this epoch should step down; ignored when that is past.
    Resign { epoch: LeaderEpoch },
    /// The node goes down: hand over leadership, then [`Action::ShutdownComplete`].
    Shutdown { timeout_ms: u64 },
}

/// To be carried out in the order given, and all of them before the next step.
///
/// In particular what [`Action::PersistQuorumState`] says must be durable before any action after
/// it happens, or a node could vote twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write the `quorum-state` file, and wait for the disk.
    PersistQuorumState(QuorumState),
    /// This node leads `epoch` now. Its state machine may write once it has applied all offsets up
    /// to and including `epoch_start_offset`, when it has seen everything that was committed.
    BecameLeader { epoch: LeaderEpoch, epoch_start_offset: Offset },
    /// This node leads `epoch` no longer: what is not committed may never be.
    LostLeadership { epoch: LeaderEpoch, reason: LossReason },
    /// Append one control batch of these records. Durability is reported by [`Event::Flushed`], as for all appends of a leader.
    AppendControl { epoch: LeaderEpoch, base_offset: Offset, records: Vec<ControlRecord> },
    /// Make the whole log durable, and wait for the disk. What follows tells others that it is.
    Flush,
    /// Append the records of the fetch response that was just stepped, up to the first batch of an
    /// epoch after `max_epoch` or that is corrupt; then step [`Event::FetchedAppended`] before anything else.
    AppendFetched {
        correlation: Correlation,
        /// The end of the log: where the first batch must begin.
        base_offset: Offset,
        max_epoch: LeaderEpoch,
        /// The records must be durable before the event.
        flush: bool,
    },
    /// Remove all records at this offset and after it.
    Truncate { to: Offset },
    /// Write the chunk of the fetch-snapshot response that was just stepped into the unfinished
    /// snapshot, at this position in bytes (0: start a new file).
    WriteSnapshotChunk { correlation: Correlation, id: OffsetAndEpoch, position: i64 },
    /// The snapshot is whole: make it durable, drop the whole log and start it at the snapshot's
    /// offset; then step [`Event::SnapshotInstalled`] before anything else.
    InstallSnapshot { id: OffsetAndEpoch },
    /// The unfinished snapshot is of no use any more.
    AbandonSnapshot { id: OffsetAndEpoch },
    /// Send a request. `to` is negative for a bootstrap server, whose id is not known.
    Send { to: NodeId, endpoint: Endpoint, correlation: Correlation, request: Request },
    /// Answer a request.
    Respond { token: Token, response: Response },
    /// All before this offset is committed. Never goes back while the process lives.
    HighWatermark { offset: Offset },
    /// What this node believes about the leader changed.
    LeaderChanged { epoch: LeaderEpoch, leader: Option<NodeId>, endpoints: Endpoints },
    /// Something that must never happen did, such as a leader that asks for the truncation of
    /// committed records. The node should stop, so that a person can look.
    Fault { message: String },
    /// The node may go down. No action follows.
    ShutdownComplete { timed_out: bool },
}

/// Why a leader is one no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// There is a newer epoch.
    NewEpoch,
    /// [`Event::Resign`].
    Requested,
    /// [`Event::Shutdown`].
    Shutdown,
    /// No majority of the voters fetched for one and a half fetch timeouts (KIP-835).
    CheckQuorum,
    /// The voters committed a set without this node.
    Removed,
}

/// The content of the `quorum-state` file (`QuorumStateData`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct QuorumState {
    pub epoch: LeaderEpoch,
    pub leader: Option<NodeId>,
    /// Whom this node voted for in `epoch`.
    pub voted: Option<crate::ReplicaKey>,
    /// The ids of the voters: only in version 0 of the file.
    pub voters: Vec<NodeId>,
    /// The file's `data_version`: 0 with kraft.version 0, else 1.
    pub version: i16,
}

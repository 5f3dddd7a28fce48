//! What is asked of a shard and what it answers, over the wire's structs.

use crate::runtime::{Append, Token};
use ottla_base::ErrorCode;
use ottla_wire::messages::consumer_group_describe_response::DescribedGroup as DescribedConsumerGroup;
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_wire::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, SyncGroupRequest, SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

/// Who asks, and in which version of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    pub client_id: String,
    /// As Java prints the address of a peer: `/127.0.0.1`. It is stored with the member and shown by the tools.
    pub client_host: String,
    pub api_version: i16,
}

/// Requests that touch several groups are split by the caller, by [`super::partition_for`].
///
/// Topics in offset requests carry their names, in every version: the caller resolves ids.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // Short-lived: one per request.
pub enum Request {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    OffsetCommit(OffsetCommitRequest),
    /// The caller has verified that the transaction is under way, as for a produce request (KIP-890).
    TxnOffsetCommit(TxnOffsetCommitRequest),
    /// One of the groups of an OffsetFetch request; see [`super::offset_fetch_groups`].
    OffsetFetch {
        group: OffsetFetchRequestGroup,
        require_stable: bool,
    },
    OffsetDelete(OffsetDeleteRequest),
    ListGroups(ListGroupsRequest),
    DescribeGroups(Vec<String>),
    ConsumerGroupDescribe(Vec<String>),
    DeleteGroups(Vec<String>),
    /// A marker of WriteTxnMarkers for this partition: the shard asks for it to be appended.
    EndTransaction {
        producer_id: i64,
        producer_epoch: i16,
        coordinator_epoch: i32,
        commit: bool,
    },
}

impl Request {
    pub(super) fn reads_committed(&self) -> bool {
        match self {
            Request::OffsetFetch { require_stable, .. } => !require_stable,
            Request::ListGroups(_) | Request::DescribeGroups(_) | Request::ConsumerGroupDescribe(_) => true,
            _ => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    TxnOffsetCommit(TxnOffsetCommitResponse),
    /// See [`super::offset_fetch_response`].
    OffsetFetch(OffsetFetchResponseGroup),
    OffsetDelete(OffsetDeleteResponse),
    ListGroups(ListGroupsResponse),
    DescribeGroups(Vec<DescribedGroup>),
    /// Topics have ids and no names: the caller adds them, and drops topics that are not there any more.
    ConsumerGroupDescribe(Vec<DescribedConsumerGroup>),
    DeleteGroups(Vec<DeletableGroupResult>),
    EndTransaction(ErrorCode),
}

#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum Action {
    /// The driver answers with `GroupShard::appended`.
    Append(Append),
    Reply {
        token: Token,
        response: Response,
    },
}

//! Which response says that a request failed.

use super::classic::with_protocol_for;
use super::offset_fetch;
use super::request::{Request, RequestContext, Response};
use ottla_base::ErrorCode;
use ottla_wire::messages::consumer_group_describe_response::DescribedGroup as DescribedConsumerGroup;
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::leave_group_response::MemberResponse;
use ottla_wire::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_wire::messages::{
    HeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteResponse, SyncGroupResponse, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};

/// What a client is told when the log refused an append, or took too long.
pub(super) fn append_error(error: ErrorCode) -> ErrorCode {
    use ErrorCode::*;
    match error {
        // Older clients do not expect this one when they commit in a transaction; they retry on a load.
        NetworkException => CoordinatorLoadInProgress,
        UnknownTopicOrPartition | NotEnoughReplicas | RequestTimedOut => CoordinatorNotAvailable,
        NotLeaderOrFollower | KafkaStorageError => NotCoordinator,
        MessageTooLarge | RecordListTooLarge | InvalidFetchSize => UnknownServerError,
        other => other,
    }
}

/// The transaction coordinator knows a partition that is not ready, but no group coordinator that is not.
fn marker_error(error: ErrorCode) -> ErrorCode {
    use ErrorCode::*;
    match error {
        CoordinatorNotAvailable | CoordinatorLoadInProgress | NotCoordinator => NotLeaderOrFollower,
        other => other,
    }
}

impl Request {
    /// The same error for all that was asked.
    pub fn error_response(&self, context: &RequestContext, error: ErrorCode) -> Response {
        let code = error.code();
        match self {
            Request::JoinGroup(_) => {
                let response = JoinGroupResponse { error_code: code, ..Default::default() };
                Response::JoinGroup(with_protocol_for(response, context.api_version))
            }
            Request::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse { error_code: code, ..Default::default() }),
            // While the groups load, a member is taken to be alive.
            Request::Heartbeat(_) if error == ErrorCode::CoordinatorLoadInProgress => {
                Response::Heartbeat(HeartbeatResponse::default())
            }
            Request::Heartbeat(_) => Response::Heartbeat(HeartbeatResponse { error_code: code, ..Default::default() }),
            Request::LeaveGroup(request) => Response::LeaveGroup(leave_error(request, context.api_version, error)),
            Request::OffsetCommit(request) => Response::OffsetCommit(commit_error(request, code)),
            Request::TxnOffsetCommit(request) => Response::TxnOffsetCommit(txn_commit_error(request, code)),
            Request::OffsetFetch { group, .. } => {
                Response::OffsetFetch(offset_fetch::group_error(group, context.api_version, error))
            }
            Request::OffsetDelete(_) => {
                Response::OffsetDelete(OffsetDeleteResponse { error_code: code, ..Default::default() })
            }
            Request::ListGroups(_) => {
                Response::ListGroups(ListGroupsResponse { error_code: code, ..Default::default() })
            }
            Request::DescribeGroups(ids) => Response::DescribeGroups(
                ids.iter()
                    .map(|id| DescribedGroup { group_id: id.clone(), error_code: code, ..Default::default() })
                    .collect(),
            ),
            Request::ConsumerGroupDescribe(ids) => Response::ConsumerGroupDescribe(
                ids.iter()
                    .map(|id| DescribedConsumerGroup { group_id: id.clone(), error_code: code, ..Default::default() })
                    .collect(),
            ),
            Request::DeleteGroups(ids) => Response::DeleteGroups(
                ids.iter()
                    .map(|id| DeletableGroupResult { group_id: id.clone(), error_code: code, ..Default::default() })
                    .collect(),
            ),
            Request::EndTransaction { .. } => Response::EndTransaction(marker_error(error)),
        }
    }
}

impl Response {
    /// What would have been the answer, had the write gone well, says now that it did not. `error` is the log's.
    pub(super) fn with_error(mut self, error: ErrorCode) -> Response {
        if let Response::EndTransaction(_) = self {
            return Response::EndTransaction(marker_error(error));
        }
        let code = append_error(error).code();
        match &mut self {
            Response::JoinGroup(response) => response.error_code = code,
            Response::SyncGroup(response) => response.error_code = code,
            Response::Heartbeat(response) => response.error_code = code,
            Response::LeaveGroup(response) => {
                response.error_code = code;
                response.members.clear();
            }
            Response::OffsetCommit(response) => {
                let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
            }
            Response::TxnOffsetCommit(response) => {
                let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
            }
            Response::OffsetFetch(response) => {
                // Consumers before 3.9 retry on this one only.
                response.error_code = match append_error(error) {
                    ErrorCode::CoordinatorNotAvailable => ErrorCode::NotCoordinator.code(),
                    _ => code,
                };
                response.topics.clear();
            }
            Response::OffsetDelete(response) => {
                response.error_code = code;
                response.topics.clear();
            }
            Response::ListGroups(response) => response.error_code = code,
            Response::DescribeGroups(groups) => groups.iter_mut().for_each(|group| group.error_code = code),
            Response::ConsumerGroupDescribe(groups) => groups.iter_mut().for_each(|group| group.error_code = code),
            Response::DeleteGroups(groups) => groups.iter_mut().for_each(|group| group.error_code = code),
            Response::EndTransaction(_) => {}
        }
        self
    }
}

/// Before version 3 a request is about one member, and its error stands at the top.
pub(super) fn leave_error(request: &LeaveGroupRequest, version: i16, error: ErrorCode) -> LeaveGroupResponse {
    if version < 3 || error != ErrorCode::UnknownMemberId {
        return LeaveGroupResponse { error_code: error.code(), ..Default::default() };
    }
    let unknown = |member: &ottla_wire::messages::leave_group_request::MemberIdentity| MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: error.code(),
        ..Default::default()
    };
    LeaveGroupResponse { members: request.members.iter().map(unknown).collect(), ..Default::default() }
}

fn commit_error(request: &OffsetCommitRequest, code: i16) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

fn txn_commit_error(request: &TxnOffsetCommitRequest, code: i16) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

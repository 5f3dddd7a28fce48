//! Requests and the operations behind them.

use super::Group;
use super::GroupType;
use super::change::Change;
use super::classic::{ClassicGroup, Joining, answer_join};
use super::error::leave_error;
use super::records;
use super::request::{Request, RequestContext, Response};
use super::shard::{GroupShard, Operation};
use crate::runtime::{AppendKind, Token};
use ottla_base::ErrorCode;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use std::sync::Arc;

/// From this version on a SyncGroup request must name the protocol.
const SYNC_PROTOCOL_VERSION: i16 = 5;
/// The first version of LeaveGroup with several members.
const LEAVE_BATCH_VERSION: i16 = 3;

impl GroupShard {
    pub(super) fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Request { request, context, token } => self.perform_request(request, &context, token),
            Operation::TopicsDeleted(topics) => self.delete_topics(&topics),
            Operation::Tombstones(records) => self.emit_in_pieces(records),
            Operation::Cleanup { after } => self.cleanup(after.as_deref()),
        }
    }

    pub(super) fn perform_request(&mut self, request: Request, context: &RequestContext, token: Token) {
        match request {
            Request::JoinGroup(request) => self.join_group(&request, context, token),
            Request::SyncGroup(request) => self.sync_group(&request, context, token),
            Request::Heartbeat(request) => self.heartbeat(&request, token),
            Request::LeaveGroup(request) => self.leave_group(request, context, token),
            Request::OffsetCommit(request) => self.offset_commit(request, context, token),
            Request::TxnOffsetCommit(request) => self.txn_offset_commit(request, context, token),
            Request::OffsetFetch { group, require_stable } => {
                self.offset_fetch(&group, require_stable, context, token);
            }
            Request::OffsetDelete(request) => self.offset_delete(&request, token),
            Request::ListGroups(request) => {
                let response = self.list_groups(&request);
                self.core.reply(token, Response::ListGroups(response));
            }
            Request::DescribeGroups(ids) => {
                let groups = ids.iter().map(|id| self.describe_group(id, context.api_version)).collect();
                self.core.reply(token, Response::DescribeGroups(groups));
            }
            Request::ConsumerGroupDescribe(ids) => {
                let groups = ids.iter().map(|id| self.describe_consumer_group(id)).collect();
                self.core.reply(token, Response::ConsumerGroupDescribe(groups));
            }
            Request::DeleteGroups(ids) => self.delete_groups(&ids, token),
            Request::EndTransaction { producer_id, producer_epoch, coordinator_epoch, commit } => {
                self.state.offsets.end_transaction(producer_id, commit, &mut self.core.open.changes);
                self.core.open.kind = AppendKind::Marker { producer_id, producer_epoch, coordinator_epoch, commit };
                self.reply_when_committed(token, Response::EndTransaction(ErrorCode::None));
            }
        }
    }

    fn join_group(&mut self, request: &JoinGroupRequest, context: &RequestContext, token: Token) {
        let joining = Joining::new(request, context, token);
        let parked = joining.parked;
        if let Err(error) = self.prepare_join(request) {
            let response = JoinGroupResponse {
                member_id: request.member_id.clone(),
                error_code: error.code(),
                ..Default::default()
            };
            return answer_join(&mut self.core, parked, response);
        }
        let id = request.group_id.as_str();
        let records_before = self.core.open.records.len();
        let is_new = !self.state.groups.contains_key(id);
        if is_new {
            let id: Arc<str> = id.into();
            let group = Box::new(ClassicGroup::new(id.clone(), self.core.now.wall_ms));
            self.state.groups.insert(id.clone(), Group::Classic(group));
            self.core.open.changes.push(Change::Group { id, before: None });
        }
        let Some(group) = self.state.classic_mut(id) else { return };
        group.join(&mut self.core, joining);
        if is_new && self.core.open.records.len() == records_before {
            let record = records::new_group(group);
            let _ = self.core.write(record);
        }
    }

    /// Whether the group can be joined, or made; an empty group of another type makes room.
    fn prepare_join(&mut self, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
        let config = &self.core.config;
        // A record's key cannot hold a longer name.
        if request.group_id.is_empty() || request.group_id.len() > i16::MAX as usize {
            return Err(ErrorCode::InvalidGroupId);
        }
        if !(config.min_session_timeout_ms..=config.max_session_timeout_ms).contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        match self.state.groups.get(request.group_id.as_str()) {
            Some(Group::Classic(_)) => Ok(()),
            Some(Group::Modern(group)) if group.is_empty() && group.group_type != GroupType::Share => {
                if !request.member_id.is_empty() {
                    return Err(ErrorCode::UnknownMemberId);
                }
                let tombstones = group.tombstones();
                self.emit(tombstones);
                Ok(())
            }
            Some(Group::Modern(_)) => Err(ErrorCode::InconsistentGroupProtocol),
            None if request.member_id.is_empty() => Ok(()),
            None => Err(ErrorCode::UnknownMemberId),
        }
    }

    fn sync_group(&mut self, request: &SyncGroupRequest, context: &RequestContext, token: Token) {
        let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
        let error = if context.api_version >= SYNC_PROTOCOL_VERSION && !names_protocol {
            ErrorCode::InconsistentGroupProtocol
        } else if request.group_id.is_empty() {
            ErrorCode::InvalidGroupId
        } else if let Some(group) = self.state.classic_mut(&request.group_id) {
            return group.sync(&mut self.core, request, token);
        } else {
            ErrorCode::UnknownMemberId
        };
        let response = SyncGroupResponse { error_code: error.code(), ..Default::default() };
        self.core.reply(token, Response::SyncGroup(response));
    }

    fn heartbeat(&mut self, request: &HeartbeatRequest, token: Token) {
        let result = if request.group_id.is_empty() {
            Err(ErrorCode::InvalidGroupId)
        } else {
            match self.state.classic_mut(&request.group_id) {
                Some(group) => group.heartbeat(&mut self.core, request),
                None => Err(ErrorCode::UnknownMemberId),
            }
        };
        let response = HeartbeatResponse { error_code: result.err().map_or(0, ErrorCode::code), ..Default::default() };
        self.core.reply(token, Response::Heartbeat(response));
    }

    fn leave_group(&mut self, mut request: LeaveGroupRequest, context: &RequestContext, token: Token) {
        let version = context.api_version;
        let error = if request.group_id.is_empty() {
            ErrorCode::InvalidGroupId
        } else if let Some(group) = self.state.classic_mut(&request.group_id) {
            if version < LEAVE_BATCH_VERSION {
                let member_id = std::mem::take(&mut request.member_id);
                request.members = vec![MemberIdentity { member_id, ..Default::default() }];
            }
            let members = group.leave(&mut self.core, &request.members);
            let response = match members.first() {
                Some(member) if version < LEAVE_BATCH_VERSION => {
                    LeaveGroupResponse { error_code: member.error_code, ..Default::default() }
                }
                _ => LeaveGroupResponse { members, ..Default::default() },
            };
            return self.reply_when_committed(token, Response::LeaveGroup(response));
        } else {
            ErrorCode::UnknownMemberId
        };
        let response = leave_error(&request, version, error);
        self.core.reply(token, Response::LeaveGroup(response));
    }
}

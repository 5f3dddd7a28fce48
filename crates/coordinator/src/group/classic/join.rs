//! JoinGroup.

use super::member::{Member, ParkedJoin, Protocol};
use super::state::{ClassicGroup, ClassicState};
use crate::group::core::{Core, Due, TimerKey};
use crate::group::request::{RequestContext, Response};
use crate::runtime::Token;
use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_wire::messages::join_group_response::JoinGroupResponseMember;
use ottla_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use std::sync::Arc;

/// From this version on a member must join with an id (KIP-394).
const KNOWN_MEMBER_ID_VERSION: i16 = 4;
/// The first version with a nullable protocol name.
const NULLABLE_PROTOCOL_VERSION: i16 = 7;

/// A JoinGroup request on its way through the group.
pub(in crate::group) struct Joining<'a> {
    pub request: &'a JoinGroupRequest,
    pub context: &'a RequestContext,
    pub protocols: Vec<Protocol>,
    pub parked: ParkedJoin,
}

impl<'a> Joining<'a> {
    pub fn new(request: &'a JoinGroupRequest, context: &'a RequestContext, token: Token) -> Joining<'a> {
        let mut protocols: Vec<Protocol> = Vec::with_capacity(request.protocols.len());
        for protocol in &request.protocols {
            // A name that comes twice counts once, for its first metadata.
            if protocols.iter().all(|known| known.name != protocol.name) {
                protocols.push(Protocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() });
            }
        }
        let parked = ParkedJoin { token, api_version: context.api_version };
        Joining { request, context, protocols, parked }
    }

    /// Version 0 has no rebalance timeout.
    pub fn rebalance_timeout_ms(&self) -> i32 {
        if self.context.api_version == 0 { self.request.session_timeout_ms } else { self.request.rebalance_timeout_ms }
    }

    pub fn reason(&self) -> &str {
        self.request.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("not provided")
    }

    fn fail(&self, core: &mut Core, member_id: &str, error: ErrorCode) {
        let response =
            JoinGroupResponse { member_id: member_id.to_owned(), error_code: error.code(), ..Default::default() };
        answer_join(core, self.parked, response);
    }
}

pub(in crate::group) fn answer_join(core: &mut Core, join: ParkedJoin, response: JoinGroupResponse) {
    core.reply(join.token, Response::JoinGroup(with_protocol_for(response, join.api_version)));
}

/// No protocol is null where the version has null, and empty before.
pub(in crate::group) fn with_protocol_for(mut response: JoinGroupResponse, version: i16) -> JoinGroupResponse {
    let name = response.protocol_name.take().filter(|name| !name.is_empty());
    response.protocol_name = if version >= NULLABLE_PROTOCOL_VERSION { name } else { Some(name.unwrap_or_default()) };
    response
}

impl ClassicGroup {
    pub(in crate::group) fn join(&mut self, core: &mut Core, joining: Joining) {
        let member_id = &joining.request.member_id;
        if !self.accepts(core, member_id) {
            self.remove_member(core, member_id);
            joining.fail(core, "", ErrorCode::GroupMaxSizeReached);
        } else if member_id.is_empty() {
            self.join_new(core, joining);
        } else {
            self.join_known(core, joining);
        }
    }

    /// Whether there is room. During a rebalance those who have joined count, so that of a group that is too
    /// large the last to rejoin stay out.
    fn accepts(&self, core: &Core, member_id: &str) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            ClassicState::Empty => true,
            ClassicState::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some())
                    || self.awaiting_join() < core.config.max_size
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                member.is_some() || self.members.len() < core.config.max_size
            }
        }
    }

    fn join_new(&mut self, core: &mut Core, joining: Joining) {
        if !self.supports(&joining.request.protocol_type, &joining.protocols) {
            return joining.fail(core, "", ErrorCode::InconsistentGroupProtocol);
        }
        let instance_id = joining.request.group_instance_id.as_deref();
        let new_id = member_id(core, instance_id.unwrap_or(&joining.context.client_id));
        if let Some(instance_id) = instance_id {
            return match self.static_members.get(instance_id).cloned() {
                Some(old_id) => self.replace_static_member(core, joining, &old_id, new_id),
                None => self.add_and_rebalance(core, joining, new_id),
            };
        }
        if joining.context.api_version < KNOWN_MEMBER_ID_VERSION {
            return self.add_and_rebalance(core, joining, new_id);
        }
        tracing::info!(
            group = &*self.id,
            member = &*new_id,
            state = self.state.name(),
            "a member must join with its id"
        );
        self.pending_join.insert(new_id.clone());
        let key = TimerKey::Member { group: self.id.clone(), member: new_id.clone() };
        core.set_timer(key, joining.request.session_timeout_ms, Due::Member);
        joining.fail(core, &new_id, ErrorCode::MemberIdRequired);
    }

    fn join_known(&mut self, core: &mut Core, joining: Joining) {
        let member_id = joining.request.member_id.as_str();
        let instance_id = joining.request.group_instance_id.as_deref();
        if !self.supports(&joining.request.protocol_type, &joining.protocols) {
            return joining.fail(core, member_id, ErrorCode::InconsistentGroupProtocol);
        }
        if self.pending_join.contains(member_id) {
            if instance_id.is_some() {
                // Only dynamic members are given an id to come back with.
                return joining.fail(core, "", ErrorCode::UnknownServerError);
            }
            let member_id = Arc::from(member_id);
            return self.add_and_rebalance(core, joining, member_id);
        }
        if let Err(error) = self.validate_member(member_id, instance_id) {
            return joining.fail(core, member_id, error);
        }
        let unchanged = self.members.get(member_id).is_some_and(|member| member.protocols == joining.protocols);
        match self.state {
            ClassicState::PreparingRebalance => self.update_and_rebalance(core, joining),
            // The answer got lost: give it again.
            ClassicState::CompletingRebalance if unchanged => self.answer_again(core, joining),
            // A leader rejoins when something outside the group asks for a new assignment.
            ClassicState::Stable if unchanged && !self.is_leader(member_id) => self.answer_again(core, joining),
            ClassicState::CompletingRebalance | ClassicState::Stable => self.update_and_rebalance(core, joining),
            ClassicState::Empty => joining.fail(core, member_id, ErrorCode::UnknownMemberId),
        }
    }

    fn answer_again(&mut self, core: &mut Core, joining: Joining) {
        let with_members = self.state == ClassicState::CompletingRebalance;
        let response = self.join_response(&joining.request.member_id, with_members);
        answer_join(core, joining.parked, response);
    }

    /// The outcome of this generation's join phase for one member.
    pub(super) fn join_response(&self, member_id: &str, with_members: bool) -> JoinGroupResponse {
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            member_id: member_id.to_owned(),
            members: if with_members && self.is_leader(member_id) { self.subscriptions() } else { Vec::new() },
            ..Default::default()
        }
    }

    pub(super) fn subscriptions(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let subscription = |member: &Member| JoinGroupResponseMember {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
            ..Default::default()
        };
        self.members.values().map(subscription).collect()
    }

    fn add_and_rebalance(&mut self, core: &mut Core, joining: Joining, member_id: Arc<str>) {
        if self.state == ClassicState::PreparingRebalance && self.previous_state == ClassicState::Empty {
            self.new_member_added = true;
        }
        let reason = joining.reason().to_owned();
        self.add(Member {
            id: member_id.clone(),
            instance_id: joining.request.group_instance_id.clone(),
            client_id: joining.context.client_id.clone(),
            client_host: joining.context.client_host.clone(),
            rebalance_timeout_ms: joining.rebalance_timeout_ms(),
            session_timeout_ms: joining.request.session_timeout_ms,
            protocol_type: joining.request.protocol_type.clone(),
            protocols: joining.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(joining.parked),
            awaiting_sync: None,
            is_new: true,
        });
        // It cannot send heartbeats as long as its request is parked, and should its connection break nobody
        // would notice. So that such members don't pile up, the wait itself is limited.
        let key = TimerKey::Member { group: self.id.clone(), member: member_id.clone() };
        core.set_timer(key, core.config.new_member_join_timeout_ms, Due::Member);
        self.rebalance_or_complete_join(core, &format!("new member {member_id} joins ({reason})"));
    }

    fn update_and_rebalance(&mut self, core: &mut Core, joining: Joining) {
        let member_id = joining.request.member_id.clone();
        let reason = format!("member {member_id} joins again ({})", joining.reason());
        self.update_member(core, &member_id, joining);
        self.rebalance_or_complete_join(core, &reason);
    }

    /// Takes over what the request says of the member, and parks it.
    pub(super) fn update_member(&mut self, core: &mut Core, member_id: &str, joining: Joining) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.rebalance_timeout_ms = joining.rebalance_timeout_ms();
            member.session_timeout_ms = joining.request.session_timeout_ms;
        }
        let superseded = self.park_join(member_id, joining.parked);
        self.set_protocols(member_id, joining.protocols);
        if let Some(superseded) = superseded {
            // Its client has given up on it, or it would not ask twice.
            let response = JoinGroupResponse {
                member_id: member_id.to_owned(),
                error_code: ErrorCode::RebalanceInProgress.code(),
                ..Default::default()
            };
            answer_join(core, superseded, response);
        }
    }

    pub(super) fn complete_join_with_error(&mut self, core: &mut Core, member_id: &str, error: ErrorCode) {
        if let Some(join) = self.take_join(member_id) {
            // Without its id, so that a client that still lives begins anew.
            let response = JoinGroupResponse { error_code: error.code(), ..Default::default() };
            answer_join(core, join, response);
        }
    }
}

/// `prefix` and a random UUID, as Java writes it.
fn member_id(core: &Core, prefix: &str) -> Arc<str> {
    let hex: String = core.rng.next_uuid().0.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)];
    let uuid = parts.map(Option::unwrap_or_default).join("-");
    format!("{prefix}-{uuid}").into()
}

//! SyncGroup.

use super::state::{ClassicGroup, ClassicState};
use crate::group::change::Completion;
use crate::group::core::Core;
use crate::group::records;
use crate::group::request::Response;
use crate::runtime::Token;
use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_wire::messages::{SyncGroupRequest, SyncGroupResponse};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The leader's assignment, on its way to the log.
#[derive(Debug)]
pub(in crate::group) struct Assigned {
    pub group: Arc<str>,
    generation: i32,
    assignments: BTreeMap<Arc<str>, Bytes>,
}

impl ClassicGroup {
    pub(in crate::group) fn sync(&mut self, core: &mut Core, request: &SyncGroupRequest, token: Token) {
        let fail = |core: &mut Core, error: ErrorCode| {
            let response = SyncGroupResponse { error_code: error.code(), ..Default::default() };
            core.reply(token, Response::SyncGroup(response));
        };
        if let Err(error) = self.validate_sync(request) {
            return fail(core, error);
        }
        match self.state {
            ClassicState::Empty => fail(core, ErrorCode::UnknownMemberId),
            ClassicState::PreparingRebalance => fail(core, ErrorCode::RebalanceInProgress),
            ClassicState::CompletingRebalance => {
                // A request that was parked before has been given up by its client.
                self.complete_sync(core, &request.member_id, Err(ErrorCode::RebalanceInProgress));
                if let Some(member) = self.members.get_mut(request.member_id.as_str()) {
                    member.awaiting_sync = Some(token);
                }
                self.has_synced(core, &request.member_id);
                // A leader that asks again must not put another assignment behind the one that its members get.
                if self.is_leader(&request.member_id) && self.storing_assignment != Some(self.generation) {
                    self.store_assignment(core, request);
                }
            }
            ClassicState::Stable => {
                self.has_synced(core, &request.member_id);
                if let Some(member) = self.members.get_mut(request.member_id.as_str()) {
                    member.awaiting_sync = Some(token);
                }
                self.complete_sync(core, &request.member_id, Ok(()));
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn has_synced(&mut self, core: &mut Core, member_id: &str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            core.timers.cancel(&self.sync_timer());
        }
    }

    fn store_assignment(&mut self, core: &mut Core, request: &SyncGroupRequest) {
        // A member that the leader forgot has nothing assigned.
        let mut assignments: BTreeMap<Arc<str>, Bytes> =
            self.members.keys().map(|id| (id.clone(), Bytes::new())).collect();
        for assignment in &request.assignments {
            if let Some(slot) = assignments.get_mut(assignment.member_id.as_str()) {
                *slot = assignment.assignment.clone();
            }
        }
        let record = records::classic_group(self, &assignments);
        let assigned = Assigned { group: self.id.clone(), generation: self.generation, assignments };
        match core.write(record) {
            Ok(()) => {
                self.storing_assignment = Some(self.generation);
                core.open.completions.push(Completion::Assigned(assigned));
            }
            Err(error) => self.on_assigned(core, assigned, Err(error)),
        }
    }

    pub(in crate::group) fn on_assigned(&mut self, core: &mut Core, assigned: Assigned, result: Result<(), ErrorCode>) {
        if self.storing_assignment == Some(assigned.generation) {
            self.storing_assignment = None;
        }
        // Another rebalance may have begun while the record was under way.
        if self.state != ClassicState::CompletingRebalance || self.generation != assigned.generation {
            return;
        }
        if let Err(error) = result {
            self.fail_syncs(core, error);
            return self.rebalance_or_complete_join(core, &format!("the assignment could not be stored: {error}"));
        }
        let mut assignments = assigned.assignments;
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.transition_to(ClassicState::Stable, core.now.wall_ms);
        self.complete_syncs(core, Ok(()));
    }
}

//! LeaveGroup.

use super::state::{ClassicGroup, ClassicState};
use crate::group::core::Core;
use ottla_base::ErrorCode;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::leave_group_response::MemberResponse;

impl ClassicGroup {
    pub(in crate::group) fn leave(&mut self, core: &mut Core, members: &[MemberIdentity]) -> Vec<MemberResponse> {
        let mut left = false;
        let mut responses = Vec::with_capacity(members.len());
        for member in members {
            let result = self.leave_one(core, member);
            left |= result.is_ok();
            responses.push(MemberResponse {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                error_code: result.err().map_or(0, ErrorCode::code),
                ..Default::default()
            });
        }
        if left {
            match self.state {
                ClassicState::Stable | ClassicState::CompletingRebalance => {
                    self.rebalance_or_complete_join(core, "members left");
                }
                ClassicState::PreparingRebalance => self.maybe_complete_join(core),
                ClassicState::Empty => {}
            }
        }
        responses
    }

    fn leave_one(&mut self, core: &mut Core, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let reason = member.reason.as_deref().unwrap_or("not provided");
        let instance_id = member.group_instance_id.as_deref();
        if member.member_id.is_empty() {
            // An administrator removes a static member by its instance id alone.
            let id = instance_id.and_then(|id| self.static_members.get(id)).cloned();
            let id = id.ok_or(ErrorCode::UnknownMemberId)?;
            tracing::info!(group = &*self.id, member = &*id, reason, "the member was removed");
            self.remove_member(core, &id);
            return Ok(());
        }
        if self.pending_join.remove(member.member_id.as_str()) {
            core.timers.cancel(&self.member_timer(&member.member_id));
            return Ok(());
        }
        self.validate_member(&member.member_id, instance_id)?;
        tracing::info!(group = &*self.id, member = member.member_id, reason, "the member has left");
        self.remove_member(core, &member.member_id);
        Ok(())
    }
}

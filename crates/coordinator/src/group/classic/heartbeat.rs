//! Heartbeat.

use super::state::{ClassicGroup, ClassicState};
use crate::group::core::Core;
use ottla_base::ErrorCode;
use ottla_wire::messages::HeartbeatRequest;

impl ClassicGroup {
    pub(in crate::group) fn heartbeat(&mut self, core: &mut Core, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.state {
            ClassicState::Empty => Err(ErrorCode::UnknownMemberId),
            ClassicState::PreparingRebalance => {
                self.restart_session(core, &request.member_id);
                Err(ErrorCode::RebalanceInProgress)
            }
            // Consumers send heartbeats from the answer to JoinGroup on.
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.restart_session(core, &request.member_id);
                Ok(())
            }
        }
    }
}

//! A static member that comes back without its id (KIP-345).

use super::join::{Joining, answer_join};
use super::member::Protocol;
use super::state::{ClassicGroup, ClassicState};
use crate::group::change::Completion;
use crate::group::core::Core;
use crate::group::records;
use ottla_base::ErrorCode;
use std::sync::Arc;

/// From this version on a leader can be told that the assignment of this generation stands (KIP-814).
const SKIP_ASSIGNMENT_VERSION: i16 = 9;

/// A static member with a new id that is not stored yet, and what it was before.
#[derive(Debug)]
pub(in crate::group) struct Replaced {
    pub group: Arc<str>,
    generation: i32,
    instance_id: String,
    old_id: Arc<str>,
    new_id: Arc<str>,
    old_leader: Option<Arc<str>>,
    rebalance_timeout_ms: i32,
    session_timeout_ms: i32,
    protocols: Vec<Protocol>,
}

impl ClassicGroup {
    pub(super) fn replace_static_member(
        &mut self,
        core: &mut Core,
        joining: Joining,
        old_id: &Arc<str>,
        new_id: Arc<str>,
    ) {
        let Some(replaced) = self.give_new_id(core, &joining, old_id, &new_id) else { return };
        tracing::info!(
            group = &*self.id,
            instance = replaced.instance_id,
            old = &**old_id,
            new = &*new_id,
            "a static member is back"
        );
        let reason = joining.reason().to_owned();
        self.update_member(core, &new_id, joining);
        match self.state {
            ClassicState::Stable if self.protocol_name == self.select_protocol() => {
                // Nothing changes but the id: no need to disturb the others.
                match core.write(records::classic_group(self, &self.assignments())) {
                    Ok(()) => core.open.completions.push(Completion::Replaced(replaced)),
                    Err(error) => self.on_replaced(core, replaced, Err(error)),
                }
            }
            ClassicState::Stable => {
                let reason = format!("static member {new_id} came back with other protocols ({reason})");
                self.rebalance_or_complete_join(core, &reason);
            }
            // The leader may be about to assign to the old id.
            ClassicState::CompletingRebalance => {
                self.prepare_rebalance(core, &format!("static member {new_id} came back ({reason})"));
            }
            ClassicState::PreparingRebalance | ClassicState::Empty => self.maybe_complete_join(core),
        }
    }

    /// Whoever still waits under the old id is fenced.
    fn give_new_id(
        &mut self,
        core: &mut Core,
        joining: &Joining,
        old_id: &Arc<str>,
        new_id: &Arc<str>,
    ) -> Option<Replaced> {
        let old = self.members.get(old_id)?;
        let replaced = Replaced {
            group: self.id.clone(),
            generation: self.generation,
            instance_id: joining.request.group_instance_id.clone().unwrap_or_default(),
            old_id: old_id.clone(),
            new_id: new_id.clone(),
            old_leader: self.leader.clone(),
            rebalance_timeout_ms: old.rebalance_timeout_ms,
            session_timeout_ms: old.session_timeout_ms,
            protocols: old.protocols.clone(),
        };
        self.rename(core, &replaced.instance_id, old_id, new_id.clone());
        Some(replaced)
    }

    fn rename(&mut self, core: &mut Core, instance_id: &str, old_id: &str, new_id: Arc<str>) {
        if let Some(join) = self.take_join(old_id) {
            let response = ottla_wire::messages::JoinGroupResponse {
                member_id: old_id.to_owned(),
                error_code: ErrorCode::FencedInstanceId.code(),
                protocol_name: None,
                ..Default::default()
            };
            answer_join(core, join, response);
        }
        self.complete_sync(core, old_id, Err(ErrorCode::FencedInstanceId));
        core.timers.cancel(&self.member_timer(old_id));
        self.rename_static(instance_id, old_id, new_id.clone());
        self.restart_session(core, &new_id);
    }

    pub(in crate::group) fn on_replaced(&mut self, core: &mut Core, replaced: Replaced, result: Result<(), ErrorCode>) {
        let new_id = replaced.new_id.clone();
        // In a rebalance that began in between, the member has joined like the others.
        if self.state != ClassicState::Stable || self.generation != replaced.generation {
            return;
        }
        let Some(join) = self.take_join(&new_id) else { return };
        let mut response = self.join_response(&new_id, false);
        if let Err(error) = result {
            tracing::warn!(group = &*self.id, member = &*new_id, %error, "the new id of a static member could not be stored");
            self.set_protocols(&new_id, replaced.protocols);
            if let Some(member) = self.members.get_mut(&new_id) {
                member.rebalance_timeout_ms = replaced.rebalance_timeout_ms;
                member.session_timeout_ms = replaced.session_timeout_ms;
            }
            self.rename(core, &replaced.instance_id, &new_id, replaced.old_id);
            response.member_id = String::new();
            response.leader = replaced.old_leader.as_deref().unwrap_or_default().to_owned();
            response.error_code = error.code();
        } else if join.api_version >= SKIP_ASSIGNMENT_VERSION {
            response.skip_assignment = self.is_leader(&new_id);
            if response.skip_assignment {
                response.members = self.subscriptions();
            }
        } else {
            // Older leaders would assign anew: they are told the old leader's id and take themselves for followers.
            response.leader = replaced.old_leader.as_deref().unwrap_or_default().to_owned();
        }
        answer_join(core, join, response);
    }
}

//! A rebalance from its beginning to the end of the join phase, and the timers that push it on.

use super::join::answer_join;
use super::state::{ClassicGroup, ClassicState};
use crate::group::core::{Core, Due, TimerKey};
use crate::group::records;
use crate::group::request::Response;
use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_wire::messages::SyncGroupResponse;
use std::collections::BTreeMap;
use std::sync::Arc;

impl ClassicGroup {
    pub(super) fn join_timer(&self) -> TimerKey {
        TimerKey::Join { group: self.id.clone() }
    }

    pub(super) fn sync_timer(&self) -> TimerKey {
        TimerKey::Sync { group: self.id.clone() }
    }

    pub(super) fn member_timer(&self, member_id: &str) -> TimerKey {
        TimerKey::Member { group: self.id.clone(), member: member_id.into() }
    }

    /// A sign of life: the session begins anew.
    pub(in crate::group) fn restart_session(&self, core: &mut Core, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            core.set_timer(self.member_timer(member_id), member.session_timeout_ms, Due::Member);
        }
    }

    pub(super) fn rebalance_or_complete_join(&mut self, core: &mut Core, reason: &str) {
        if self.can_rebalance() {
            self.prepare_rebalance(core, reason);
        } else {
            self.maybe_complete_join(core);
        }
    }

    pub(in crate::group) fn prepare_rebalance(&mut self, core: &mut Core, reason: &str) {
        if self.state == ClassicState::CompletingRebalance {
            self.fail_syncs(core, ErrorCode::RebalanceInProgress);
        }
        self.pending_sync.clear();
        core.timers.cancel(&self.sync_timer());
        let initial = self.state == ClassicState::Empty;
        self.transition_to(ClassicState::PreparingRebalance, core.now.wall_ms);
        tracing::info!(group = &*self.id, generation = self.generation, reason, "preparing to rebalance");
        if initial {
            // Members start together more often than not: wait for the others.
            let delay_ms = core.config.initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
            core.set_timer(self.join_timer(), delay_ms, Due::InitialJoin { delay_ms, remaining_ms });
        } else if self.has_all_joined() {
            self.complete_join(core);
        } else {
            core.set_timer(self.join_timer(), self.rebalance_timeout_ms(), Due::Join);
        }
    }

    /// Ends the join phase when nobody is missing, except in the initial delay.
    pub(super) fn maybe_complete_join(&mut self, core: &mut Core) {
        let rebalancing = self.state == ClassicState::PreparingRebalance && self.previous_state != ClassicState::Empty;
        if rebalancing && self.has_all_joined() {
            self.complete_join(core);
        }
    }

    pub(in crate::group) fn on_initial_join_timer(&mut self, core: &mut Core, delay_ms: i32, remaining_ms: i32) {
        if self.new_member_added && remaining_ms != 0 {
            self.new_member_added = false;
            let next_delay_ms = core.config.initial_rebalance_delay_ms.min(remaining_ms);
            let due = Due::InitialJoin {
                delay_ms: next_delay_ms,
                remaining_ms: remaining_ms.saturating_sub(delay_ms).max(0),
            };
            core.set_timer(self.join_timer(), next_delay_ms, due);
        } else {
            self.complete_join(core);
        }
    }

    /// Members that did not come are out, except static ones; the others are the next generation.
    pub(in crate::group) fn complete_join(&mut self, core: &mut Core) {
        if self.state != ClassicState::PreparingRebalance {
            return;
        }
        core.timers.cancel(&self.join_timer());
        self.remove_absent_members(core);
        if !self.elect_joined_leader() && !self.members.is_empty() {
            tracing::error!(group = &*self.id, "the rebalance cannot be completed, because no member rejoined");
            // Try again until the sessions of the static members have run out.
            core.set_timer(self.join_timer(), self.rebalance_timeout_ms(), Due::Join);
            return;
        }
        self.init_next_generation(core.now.wall_ms);
        if self.state == ClassicState::Empty {
            tracing::info!(group = &*self.id, generation = self.generation, "the group is empty");
            // Should this get lost, the last generation's members come back with the log, and expire.
            let _ = core.write(records::classic_group(self, &BTreeMap::new()));
            return;
        }
        tracing::info!(
            group = &*self.id,
            generation = self.generation,
            members = self.members.len(),
            "all have joined"
        );
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.join_response(&id, true);
            if let Some(join) = self.take_join(&id) {
                answer_join(core, join, response);
            }
            self.restart_session(core, &id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.pending_sync.insert(id);
        }
        let due = Due::Sync { generation: self.generation };
        core.set_timer(self.sync_timer(), self.rebalance_timeout_ms(), due);
    }

    fn remove_absent_members(&mut self, core: &mut Core) {
        let absent: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in &absent {
            self.remove_member(core, id);
        }
        if !absent.is_empty() {
            tracing::info!(group = &*self.id, members = ?absent, "members did not rejoin in time and are out");
        }
    }

    /// With its timer, and with an answer to what it has parked.
    pub(super) fn remove_member(&mut self, core: &mut Core, member_id: &str) {
        core.timers.cancel(&self.member_timer(member_id));
        self.complete_join_with_error(core, member_id, ErrorCode::UnknownMemberId);
        self.complete_sync(core, member_id, Err(ErrorCode::UnknownMemberId));
        self.remove(member_id);
    }

    /// Without its assignment when that is not to be had.
    pub(super) fn complete_sync(&mut self, core: &mut Core, member_id: &str, result: Result<(), ErrorCode>) -> bool {
        let Some(member) = self.members.get_mut(member_id) else { return false };
        let Some(token) = member.awaiting_sync.take() else { return false };
        let response = match result {
            Ok(()) => SyncGroupResponse {
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol_name.clone(),
                assignment: member.assignment.clone(),
                ..Default::default()
            },
            Err(error) => SyncGroupResponse { error_code: error.code(), ..Default::default() },
        };
        core.reply(token, Response::SyncGroup(response));
        true
    }

    pub(super) fn complete_syncs(&mut self, core: &mut Core, result: Result<(), ErrorCode>) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            if self.complete_sync(core, &id, result) {
                // A session that ran out while the request was parked was ignored, and is not watched any more.
                self.restart_session(core, &id);
            }
        }
    }

    pub(super) fn fail_syncs(&mut self, core: &mut Core, error: ErrorCode) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.complete_syncs(core, Err(error));
    }

    /// Answers everything that is parked: the group goes away under its members.
    pub(in crate::group) fn fail_parked(&mut self, core: &mut Core, error: ErrorCode) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(join) = self.take_join(&id) {
                let response = ottla_wire::messages::JoinGroupResponse {
                    member_id: id.to_string(),
                    error_code: error.code(),
                    ..Default::default()
                };
                answer_join(core, join, response);
            }
            self.complete_sync(core, &id, Err(error));
        }
    }

    pub(in crate::group) fn cancel_timers(&self, core: &mut Core) {
        core.timers.cancel(&self.join_timer());
        core.timers.cancel(&self.sync_timer());
        for id in self.members.keys().chain(&self.pending_join) {
            core.timers.cancel(&self.member_timer(id));
        }
    }

    pub(in crate::group) fn on_member_timer(&mut self, core: &mut Core, member_id: &str) {
        if self.pending_join.contains(member_id) {
            tracing::info!(group = &*self.id, member_id, "the member did not come back with its id in time");
            self.pending_join.remove(member_id);
            if self.state == ClassicState::PreparingRebalance && self.has_all_joined() {
                self.complete_join(core);
            }
            return;
        }
        let Some(member) = self.members.get(member_id) else { return };
        if member.has_satisfied_heartbeat() {
            return;
        }
        tracing::info!(group = &*self.id, member_id, "the member's session has expired");
        self.remove_member(core, member_id);
        match self.state {
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                self.rebalance_or_complete_join(core, &format!("the session of member {member_id} has expired"));
            }
            ClassicState::PreparingRebalance if self.has_all_joined() => self.complete_join(core),
            _ => {}
        }
    }

    pub(in crate::group) fn on_sync_timer(&mut self, core: &mut Core, generation: i32) {
        let synced = matches!(self.state, ClassicState::CompletingRebalance | ClassicState::Stable);
        if generation != self.generation || !synced || self.pending_sync.is_empty() {
            return;
        }
        let late: Vec<Arc<str>> = std::mem::take(&mut self.pending_sync).into_iter().collect();
        for id in &late {
            self.remove_member(core, id);
        }
        self.prepare_rebalance(core, &format!("members {late:?} did not sync in time"));
    }
}

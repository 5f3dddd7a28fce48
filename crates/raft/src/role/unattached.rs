//! Unattached: no leader is known, or not how to reach it. Asks the bootstrap servers; a voter
//! also waits for the end of its election timeout.

use super::Role;
use crate::raft::{NEVER_MS, Raft};
use ottla_base::{LeaderEpoch, NodeId};

pub(crate) struct Unattached {
    pub election_deadline_ms: u64,
}

impl Raft {
    pub(crate) fn start_unattached(&mut self) {
        let election_deadline_ms = self.random_election_deadline_ms();
        self.set_role(Role::Unattached(Unattached { election_deadline_ms }));
        self.persist();
    }

    /// `epoch` is newer than the current one, or the node is prospective and lost the election.
    pub(crate) fn become_unattached(&mut self, epoch: LeaderEpoch, leader: Option<NodeId>) {
        assert!(epoch > self.epoch || (epoch == self.epoch && matches!(self.role, Role::Prospective(_))));
        // Who waits for an election already goes on waiting, or many new epochs could keep it from ever trying.
        let election_deadline_ms = match &self.role {
            _ if !self.may_stand() => NEVER_MS,
            Role::Unattached(role) => role.election_deadline_ms,
            Role::Candidate(role) => role.election_deadline_ms,
            Role::Resigned(role) => role.election_deadline_ms,
            Role::Prospective(role) if !role.election.is_lost() => role.election_deadline_ms,
            _ => self.random_election_deadline_ms(),
        };
        if epoch != self.epoch {
            self.voted = None;
        }
        self.epoch = epoch;
        self.leader = leader;
        self.leader_endpoints = Default::default();
        self.set_role(Role::Unattached(Unattached { election_deadline_ms }));
        self.persist();
        self.connections.reset_all();
    }

    pub(crate) fn poll_unattached(&mut self) -> u64 {
        let Role::Unattached(role) = &self.role else { return NEVER_MS };
        let election_deadline_ms = role.election_deadline_ms;
        if !self.may_stand() {
            return self.fetch_from_any_bootstrap();
        }
        if self.shutdown_deadline_ms.is_some() {
            return NEVER_MS;
        }
        if election_deadline_ms <= self.now_ms {
            self.become_prospective();
            return NEVER_MS;
        }
        self.fetch_from_any_bootstrap().min(election_deadline_ms)
    }
}

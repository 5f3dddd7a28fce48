//! Resigned: was the leader of the epoch and is one no longer, by its own will or because it was
//! restarted. Tells the voters, and gives them an election timeout to find another.

use super::Role;
use crate::io::LossReason;
use crate::key::ReplicaKey;
use crate::message::{EndQuorumEpochRequest, Request};
use crate::raft::{NEVER_MS, Raft};
use ottla_base::NodeId;
use std::collections::BTreeSet;

pub(crate) struct Resigned {
    pub election_deadline_ms: u64,
    pub reason: LossReason,
    pub unacknowledged: BTreeSet<NodeId>,
    preferred_successors: Vec<ReplicaKey>,
}

impl Raft {
    pub(crate) fn start_resigned(&mut self) {
        self.leader_endpoints = self.config.listeners.clone();
        self.set_resigned(Vec::new(), LossReason::Requested);
        self.persist();
    }

    /// Nothing is persisted: a leader that restarts is resigned anyway.
    pub(crate) fn become_resigned(&mut self, preferred_successors: Vec<ReplicaKey>, reason: LossReason) {
        assert!(matches!(self.role, Role::Leader(_)));
        self.set_resigned(preferred_successors, reason);
        self.connections.reset_all();
    }

    fn set_resigned(&mut self, preferred_successors: Vec<ReplicaKey>, reason: LossReason) {
        let local = self.config.local.id;
        let unacknowledged = self.history.last_voters().ids().filter(|id| *id != local).collect();
        let election_deadline_ms = self.random_election_deadline_ms();
        self.set_role(Role::Resigned(Resigned { election_deadline_ms, reason, unacknowledged, preferred_successors }));
    }

    pub(crate) fn poll_resigned(&mut self) -> u64 {
        let Role::Resigned(role) = &self.role else { return NEVER_MS };
        let election_deadline_ms = self.unless_shutdown(role.election_deadline_ms);
        if election_deadline_ms <= self.now_ms {
            // In this epoch the others believe that this node leads, so it must leave the epoch.
            match self.epoch.checked_add(1) {
                Some(epoch) => self.become_unattached(epoch, None),
                None => self.fault(format!("leader epoch {} is the last there is", self.epoch)),
            }
            return NEVER_MS;
        }
        let request = Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: self.config.local.id,
            epoch: self.epoch,
            preferred_successors: role.preferred_successors.clone(),
            leader_endpoints: self.config.listeners.clone(),
        });
        let targets: Vec<NodeId> = role.unacknowledged.iter().copied().collect();
        let mut deadline_ms = election_deadline_ms;
        for target in targets {
            deadline_ms = deadline_ms.min(self.send_to_voter(target, || request.clone()));
        }
        deadline_ms
    }
}

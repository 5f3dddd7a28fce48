//! Prospective (KIP-996): asks the voters whether they would vote for it, and only then starts a new epoch.
//! A node that was cut off and comes back finds out that it would lose, and disturbs nobody.

use super::Role;
use crate::election::Election;
use crate::raft::{NEVER_MS, Raft};

pub(crate) struct Prospective {
    pub election: Election,
    pub election_deadline_ms: u64,
}

impl Raft {
    /// Keeps epoch, leader and vote. An only voter passes through to being the leader.
    pub(crate) fn become_prospective(&mut self) {
        assert!(self.may_stand() && !matches!(self.role, Role::Leader(_) | Role::Prospective(_)));
        let election = Election::new(self.history.last_voters(), self.config.local.id);
        let election_deadline_ms = self.random_election_deadline_ms();
        self.set_role(Role::Prospective(Prospective { election, election_deadline_ms }));
        self.connections.reset_all();
        self.prospective_voted();
    }

    /// A vote came in.
    pub(crate) fn prospective_voted(&mut self) {
        let Role::Prospective(role) = &self.role else { return };
        if role.election.is_won() {
            self.become_candidate();
        } else if role.election.is_lost() {
            self.give_up_prospective();
        }
    }

    pub(crate) fn poll_prospective(&mut self) -> u64 {
        let Role::Prospective(role) = &self.role else { return NEVER_MS };
        let election_deadline_ms = self.unless_shutdown(role.election_deadline_ms);
        if election_deadline_ms <= self.now_ms {
            self.give_up_prospective();
            return NEVER_MS;
        }
        let Role::Prospective(role) = &self.role else { return NEVER_MS };
        let undecided = role.election.undecided();
        self.send_votes(&undecided, true).min(election_deadline_ms)
    }

    /// Back to the leader that is known, or to waiting for one.
    fn give_up_prospective(&mut self) {
        let (epoch, leader) = (self.epoch, self.leader);
        match leader {
            Some(leader) if leader != self.config.local.id && self.can_send_to(&self.leader_endpoints) => {
                let endpoints = self.leader_endpoints.clone();
                self.become_follower(epoch, leader, endpoints);
            }
            _ => self.become_unattached(epoch, leader),
        }
    }
}

//! Candidate: has started a new epoch, voted for itself, and asks the others for their votes.

use super::Role;
use crate::election::Election;
use crate::raft::{NEVER_MS, Raft};

pub(crate) struct Candidate {
    pub election: Election,
    pub election_deadline_ms: u64,
}

impl Raft {
    /// The node voted for itself in the current epoch before it stopped: it may ask again.
    pub(crate) fn start_candidate(&mut self) {
        self.set_candidate();
        self.persist();
    }

    pub(crate) fn candidate_started(&mut self) {
        let Role::Candidate(role) = &self.role else { return };
        if role.election.is_won() {
            self.become_leader();
        }
    }

    pub(crate) fn become_candidate(&mut self) {
        assert!(matches!(self.role, Role::Prospective(_)), "only a pre-vote leads to a vote");
        let Some(epoch) = self.epoch.checked_add(1) else {
            return self.fault(format!("leader epoch {} is the last there is", self.epoch));
        };
        self.epoch = epoch;
        self.leader = None;
        self.leader_endpoints = Default::default();
        self.voted = Some(self.config.local);
        self.set_candidate();
        self.persist();
        self.connections.reset_all();
        self.candidate_started();
    }

    fn set_candidate(&mut self) {
        let election = Election::new(self.history.last_voters(), self.config.local.id);
        let election_deadline_ms = self.random_election_deadline_ms();
        self.set_role(Role::Candidate(Candidate { election, election_deadline_ms }));
    }

    pub(crate) fn poll_candidate(&mut self) -> u64 {
        let Role::Candidate(role) = &self.role else { return NEVER_MS };
        let election_deadline_ms = self.unless_shutdown(role.election_deadline_ms);
        if election_deadline_ms <= self.now_ms {
            self.become_prospective();
            return NEVER_MS;
        }
        // A lost election is waited out, so that others get their chance.
        let undecided = if role.election.is_lost() { Vec::new() } else { role.election.undecided() };
        self.send_votes(&undecided, false).min(election_deadline_ms)
    }
}

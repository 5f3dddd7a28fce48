//! `Vote` requests and responses, and what all responses have in common.

use crate::io::Token;
use crate::key::{Endpoints, ReplicaKey};
use crate::message::{FetchOutcome, FetchResponse, FetchSnapshotResponse, Header, Request, Response, VoteRequest};
use crate::raft::Raft;
use crate::role::Role;
use ottla_base::{ErrorCode, LeaderEpoch, NodeId};

impl Raft {
    pub(crate) fn on_vote_request(&mut self, token: Token, request: &VoteRequest) {
        let (error, vote_granted) = match self.vote(request) {
            Ok(granted) => (ErrorCode::None, granted),
            Err(error) => (error, false),
        };
        let header = self.header(error);
        self.respond(token, Response::Vote { header, vote_granted });
    }

    fn vote(&mut self, request: &VoteRequest) -> Result<bool, ErrorCode> {
        // A candidate has just started its epoch, so it cannot have a record of it; a prospective
        // node may be in an epoch that had a leader.
        let last = request.log_end;
        let is_possible = if request.pre_vote { last.epoch <= request.epoch } else { last.epoch < request.epoch };
        if last.offset < 0 || last.epoch < 0 || !is_possible {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_voter_request(request.candidate.id, request.epoch)?;
        if request.candidate.id == self.config.local.id {
            return Err(ErrorCode::InvalidRequest);
        }
        if request.epoch > self.epoch {
            self.become_unattached(request.epoch, None);
        }
        self.check_voter_key(request.voter.as_ref())?;

        let granted = self.can_grant_vote(&request.candidate, last >= self.log.end(), request.pre_vote);
        if granted && !request.pre_vote && self.voted.is_none() {
            self.vote_for(request.candidate);
        }
        Ok(granted)
    }

    /// Who voted waits anew: the candidate has at least as good a chance as this node.
    fn vote_for(&mut self, candidate: ReplicaKey) {
        let election_deadline_ms = self.random_election_deadline_ms();
        self.voted = Some(candidate);
        match &mut self.role {
            Role::Unattached(role) => role.election_deadline_ms = election_deadline_ms,
            Role::Prospective(role) => {
                role.election = crate::election::Election::new(self.history.last_voters(), self.config.local.id);
                role.election_deadline_ms = election_deadline_ms;
            }
            // Invariant: the caller has become a role without a leader.
            _ => unreachable!("only a node without a leader votes"),
        }
        self.persist();
    }

    pub(crate) fn on_vote_response(&mut self, from: NodeId, header: Header, vote_granted: bool) -> bool {
        let error = header.error;
        if let Some(handled) = self.handle_common(header) {
            return handled;
        }
        // The voter is not there any more: its node has another disk. (Apache Kafka asks it again
        // and again, without a pause.)
        if error.is_error() && error != ErrorCode::InvalidVoterKey {
            return false;
        }
        match &mut self.role {
            Role::Prospective(role) => {
                role.election.record(from, vote_granted && !error.is_error());
                self.prospective_voted();
            }
            Role::Candidate(role) => {
                role.election.record(from, vote_granted && !error.is_error());
                self.candidate_started();
            }
            _ => {}
        }
        true
    }

    /// `Vote`, `BeginQuorumEpoch` and `EndQuorumEpoch` come from replicas of this epoch or a later one.
    pub(crate) fn check_voter_request(&self, from: NodeId, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if epoch < self.epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else if from < 0 {
            Err(ErrorCode::InvalidRequest)
        } else {
            Ok(())
        }
    }

    /// The request was meant for this replica, not for one with the same id and another disk.
    pub(crate) fn check_voter_key(&self, voter: Option<&ReplicaKey>) -> Result<(), ErrorCode> {
        match voter {
            Some(voter) if !voter.matches(&self.config.local) => Err(ErrorCode::InvalidVoterKey),
            _ => Ok(()),
        }
    }

    /// The request came to the leader of the epoch that it names.
    pub(crate) fn check_leader_request(&self, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if epoch < self.epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else if epoch > self.epoch {
            Err(ErrorCode::UnknownLeaderEpoch)
        } else if !matches!(self.role, Role::Leader(_)) {
            Err(ErrorCode::NotLeaderOrFollower)
        } else if self.shutdown_deadline_ms.is_some() {
            Err(ErrorCode::BrokerNotAvailable)
        } else {
            Ok(())
        }
    }

    /// What a response says of epoch and leader. `Some` when there is nothing more in it: true if
    /// the node that answered can be asked again at once.
    pub(crate) fn handle_common(&mut self, header: Header) -> Option<bool> {
        let Header { error, epoch, leader, leader_endpoints } = header;
        let endpoints = self.endpoints_of(leader, leader_endpoints);
        if epoch < self.epoch || error == ErrorCode::UnknownLeaderEpoch {
            return Some(true);
        }
        if epoch > self.epoch || matches!(error, ErrorCode::FencedLeaderEpoch | ErrorCode::NotLeaderOrFollower) {
            let before = (self.epoch, self.leader);
            let consistent = self.learn_leader(leader, epoch, endpoints);
            // The same answer again and again would be asked for without a pause.
            return Some(consistent && before != (self.epoch, self.leader));
        }
        if let Some(leader) = leader
            && self.leader_endpoints.is_empty()
        {
            // An observer that finds the leader may have got its records with the same answer.
            if !self.learn_leader(Some(leader), epoch, endpoints) {
                return Some(false);
            }
            return error.is_error().then_some(true);
        }
        match error {
            ErrorCode::BrokerNotAvailable | ErrorCode::InvalidRequest => Some(false),
            _ => None,
        }
    }

    /// Goes where a message of this epoch or a later one says. False when it contradicts what this
    /// node knows: an epoch has one leader.
    pub(crate) fn learn_leader(&mut self, leader: Option<NodeId>, epoch: LeaderEpoch, endpoints: Endpoints) -> bool {
        let Some(leader) = leader else {
            if epoch > self.epoch {
                self.become_unattached(epoch, None);
            }
            return true;
        };
        if leader == self.config.local.id {
            return epoch == self.epoch && matches!(self.role, Role::Leader(_));
        }
        if epoch > self.epoch {
            self.become_follower_if_reachable(epoch, leader, endpoints);
            return true;
        }
        if self.leader.is_some_and(|known| known != leader) {
            return false;
        }
        if self.leader.is_none() || endpoints.len() > self.leader_endpoints.len() {
            self.become_follower_if_reachable(epoch, leader, endpoints);
        }
        true
    }

    /// An answer that is nothing but an error.
    pub(crate) fn error_response(&self, request: &Request, error: ErrorCode) -> Response {
        let header = self.header(error);
        match request {
            Request::Vote(_) => Response::Vote { header, vote_granted: false },
            Request::BeginQuorumEpoch(_) => Response::BeginQuorumEpoch(header),
            Request::EndQuorumEpoch(_) => Response::EndQuorumEpoch(header),
            Request::Fetch(_) => Response::Fetch(FetchResponse {
                header,
                high_watermark: None,
                log_start_offset: self.log.start_offset(),
                outcome: FetchOutcome::Empty,
            }),
            Request::FetchSnapshot(request) => Response::FetchSnapshot(FetchSnapshotResponse {
                header,
                snapshot_id: None,
                size: 0,
                position: request.position,
                chunk_len: 0,
            }),
            Request::AddVoter(_) => Response::AddVoter { error, message: None },
            Request::RemoveVoter(_) => Response::RemoveVoter { error, message: None },
            Request::UpdateVoter(_) => Response::UpdateVoter(header),
            Request::ApiVersions => Response::ApiVersions { error, kraft_versions: None },
        }
    }
}

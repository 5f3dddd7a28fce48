//! `BeginQuorumEpoch` and `EndQuorumEpoch`: a leader comes, a leader goes.

use crate::io::Token;
use crate::key::ReplicaKey;
use crate::message::{BeginQuorumEpochRequest, EndQuorumEpochRequest, Header, Response};
use crate::raft::Raft;
use crate::role::Role;
use ottla_base::{ErrorCode, NodeId};

impl Raft {
    pub(crate) fn on_begin_request(&mut self, token: Token, request: &BeginQuorumEpochRequest) {
        let error = self.begin_epoch(request).err().unwrap_or(ErrorCode::None);
        let header = self.header(error);
        self.respond(token, Response::BeginQuorumEpoch(header));
    }

    fn begin_epoch(&mut self, request: &BeginQuorumEpochRequest) -> Result<(), ErrorCode> {
        self.check_voter_request(request.leader, request.epoch)?;
        let endpoints = self.endpoints_of(Some(request.leader), request.leader_endpoints.clone());
        if !self.learn_leader(Some(request.leader), request.epoch, endpoints) {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_voter_key(request.voter.as_ref())
    }

    pub(crate) fn on_begin_response(&mut self, from: NodeId, header: Header) -> bool {
        let error = header.error;
        if let Some(handled) = self.handle_common(header) {
            return handled;
        }
        if error.is_error() {
            return false;
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.replicas.acknowledge(from);
        }
        true
    }

    pub(crate) fn on_end_request(&mut self, token: Token, request: &EndQuorumEpochRequest) {
        let error = self.end_epoch(request).err().unwrap_or(ErrorCode::None);
        let header = self.header(error);
        self.respond(token, Response::EndQuorumEpoch(header));
    }

    fn end_epoch(&mut self, request: &EndQuorumEpochRequest) -> Result<(), ErrorCode> {
        self.check_voter_request(request.leader, request.epoch)?;
        let endpoints = self.endpoints_of(Some(request.leader), request.leader_endpoints.clone());
        if !self.learn_leader(Some(request.leader), request.epoch, endpoints) {
            return Err(ErrorCode::InvalidRequest);
        }
        let backoff_ms = self.succession_backoff_ms(&request.preferred_successors);
        let deadline_ms = self.now_ms.saturating_add(backoff_ms);
        if let Role::Follower(follower) = &mut self.role
            && self.leader == Some(request.leader)
        {
            follower.fetch_deadline_ms = deadline_ms;
            // Whoever stands now does not depose a leader. (In Apache Kafka a follower goes on to
            // reject pre-votes, so two voters whose leader was removed lose time.)
            follower.has_fetched = false;
        }
        Ok(())
    }

    /// The first successor tries at once, each next one waits twice as long, and who is not on the list longest.
    fn succession_backoff_ms(&self, successors: &[ReplicaKey]) -> u64 {
        let max_ms = self.config.election_backoff_max_ms;
        match successors.iter().position(|successor| successor.matches(&self.config.local)) {
            // Nobody is preferred, so everybody is first.
            None if successors.is_empty() => 0,
            None => max_ms,
            Some(0) => 0,
            Some(position) => {
                let base_ms = max_ms.checked_shr(successors.len() as u32 - 1).unwrap_or(0);
                base_ms.checked_shl(position as u32 - 1).unwrap_or(max_ms).min(max_ms)
            }
        }
    }

    pub(crate) fn on_end_response(&mut self, from: NodeId, header: Header) -> bool {
        let error = header.error;
        if let Some(handled) = self.handle_common(header) {
            return handled;
        }
        if error.is_error() {
            return false;
        }
        if let Role::Resigned(resigned) = &mut self.role {
            resigned.unacknowledged.remove(&from);
        }
        true
    }
}

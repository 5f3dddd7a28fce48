//! The voters change one at a time (KIP-853): `AddRaftVoter`, `RemoveRaftVoter`, `UpdateRaftVoter`.
//!
//! A change may only begin when the last one is committed and the leader has committed a record of
//! its own epoch, so that two majorities in use always have a member in common.

use crate::LossReason;
use crate::io::Token;
use crate::key::{Endpoints, ReplicaKey};
use crate::message::{
    AddVoterRequest, ControlRecord, Header, RemoveVoterRequest, Request, Response, UpdateVoterRequest,
};
use crate::raft::Raft;
use crate::role::Role;
use crate::voters::{VersionRange, VoterNode, VoterSet};
use ottla_base::{ErrorCode, NodeId, Offset};

/// A change that is under way, at most one per leader.
#[derive(Debug)]
pub(crate) enum VoterChange {
    Add {
        /// Until it is answered.
        token: Option<Token>,
        voter: ReplicaKey,
        listeners: Endpoints,
        ack_when_committed: bool,
        /// Of the voters record. `None` while the new voter is asked for its versions.
        offset: Option<Offset>,
        deadline_ms: u64,
    },
    Remove {
        token: Token,
        offset: Offset,
        deadline_ms: u64,
    },
}

impl VoterChange {
    pub fn deadline_ms(&self) -> u64 {
        match self {
            VoterChange::Add { deadline_ms, .. } | VoterChange::Remove { deadline_ms, .. } => *deadline_ms,
        }
    }

    fn offset(&self) -> Option<Offset> {
        match self {
            VoterChange::Add { offset, .. } => *offset,
            VoterChange::Remove { offset, .. } => Some(*offset),
        }
    }
}

/// An error, and what to tell a person about it.
type Refusal = (ErrorCode, Option<String>);

fn refuse(error: ErrorCode, message: impl Into<String>) -> Refusal {
    (error, Some(message.into()))
}

/// As the leader.
impl Raft {
    pub(crate) fn on_add_voter_request(&mut self, token: Token, request: AddVoterRequest) {
        if let Err((error, message)) = self.begin_add_voter(token, request) {
            self.respond(token, Response::AddVoter { error, message });
        }
    }

    fn begin_add_voter(&mut self, token: Token, request: AddVoterRequest) -> Result<(), Refusal> {
        self.check_leader_request(self.epoch).map_err(|error| (error, None))?;
        let AddVoterRequest { voter, listeners, ack_when_committed } = request;
        if voter.id < 0 || voter.directory_id.is_none() {
            return Err(refuse(ErrorCode::InvalidRequest, "the new voter needs a node id and a directory id"));
        }
        let listener = &self.config.default_listener;
        let Some(endpoint) = listeners.get(listener).cloned() else {
            let message = format!("the new voter {voter} names no endpoint for the controllers' listener {listener}");
            return Err(refuse(ErrorCode::InvalidRequest, message));
        };
        let voters = self.changeable_voters()?;
        if let Some(existing) = voters.get(voter.id) {
            let message = format!("node {} is a voter already, as {}", voter.id, existing.key);
            return Err(refuse(ErrorCode::DuplicateVoter, message));
        }
        let (sent, deadline_ms) = self.send(voter.id, endpoint, || Request::ApiVersions);
        if sent.is_none() {
            return Err(refuse(ErrorCode::RequestTimedOut, format!("the new voter {voter} cannot be asked right now")));
        }
        if let Role::Leader(leader) = &mut self.role {
            let token = Some(token);
            leader.voter_change =
                Some(VoterChange::Add { token, voter, listeners, ack_when_committed, offset: None, deadline_ms });
        }
        Ok(())
    }

    /// The latest voters, if they may be changed now.
    fn changeable_voters(&mut self) -> Result<VoterSet, Refusal> {
        self.expire_voter_change();
        let Role::Leader(leader) = &self.role else { return Err((ErrorCode::NotLeaderOrFollower, None)) };
        if leader.voter_change.is_some() {
            return Err(refuse(ErrorCode::RequestTimedOut, "another change of the voters is under way"));
        }
        let Some(high_watermark) = self.high_watermark else {
            let message = format!("the leader has not committed anything in its epoch {} yet", self.epoch);
            return Err(refuse(ErrorCode::RequestTimedOut, message));
        };
        let version = self.kraft_version();
        if version == 0 {
            let message =
                format!("the voters cannot be changed while kraft.version is {version}: upgrade it to 1 first");
            return Err(refuse(ErrorCode::UnsupportedVersion, message));
        }
        match self.history.last_voters_offset() {
            Some(offset) if offset < high_watermark => Ok(self.history.last_voters().clone()),
            _ => Err(refuse(ErrorCode::RequestTimedOut, "the last change of the voters is not committed yet")),
        }
    }

    /// The new voter said what it supports, or failed to.
    pub(crate) fn on_api_versions_response(
        &mut self,
        from: NodeId,
        error: ErrorCode,
        versions: Option<VersionRange>,
    ) -> bool {
        let Role::Leader(leader) = &mut self.role else { return true };
        match leader.voter_change.take() {
            Some(change @ VoterChange::Add { voter, offset: None, .. }) if voter.id == from => {
                if let Err((error, message)) = self.finish_add_voter(change, error, versions) {
                    let Role::Leader(leader) = &mut self.role else { return true };
                    if let Some(change) = leader.voter_change.take() {
                        self.answer_voter_change(change, error, message);
                    }
                }
            }
            other => leader.voter_change = other,
        }
        !error.is_error()
    }

    /// On an error the change is still there, to be answered.
    fn finish_add_voter(
        &mut self,
        change: VoterChange,
        error: ErrorCode,
        versions: Option<VersionRange>,
    ) -> Result<(), Refusal> {
        let now_ms = self.now_ms;
        let version = self.kraft_version();
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        let change = leader.voter_change.insert(change);
        let VoterChange::Add { token, voter, listeners, ack_when_committed, .. } = change else { return Ok(()) };
        let (voter, listeners, ack_when_committed) = (*voter, listeners.clone(), *ack_when_committed);
        if error.is_error() {
            let message = format!("the new voter {voter} did not say which versions it supports: {error}");
            return Err(refuse(ErrorCode::RequestTimedOut, message));
        }
        let kraft_versions = versions.unwrap_or_default();
        if !kraft_versions.contains(version) {
            let VersionRange { min, max } = kraft_versions;
            let message = format!("the new voter {voter} supports kraft.version {min} to {max}, but it is {version}");
            return Err(refuse(ErrorCode::InvalidRequest, message));
        }
        if !leader.replicas.is_caught_up(&voter, now_ms) {
            let message =
                format!("the new voter {voter} has not caught up with the leader's log: start it, and try again");
            return Err(refuse(ErrorCode::RequestTimedOut, message));
        }
        // With acks at once the change goes on without a request to answer.
        let answer_now = if ack_when_committed { None } else { token.take() };
        let node = VoterNode { key: voter, listeners, kraft_versions };
        let Some(voters) = self.history.last_voters().with_added(node) else {
            return Err(refuse(ErrorCode::DuplicateVoter, format!("node {} is a voter already", voter.id)));
        };
        let appended = self.log.end_offset();
        if let Some(VoterChange::Add { offset, .. }) = self.voter_change_mut() {
            *offset = Some(appended);
        }
        self.append_control(vec![ControlRecord::Voters(voters)]);
        if let Some(token) = answer_now {
            self.respond(token, Response::AddVoter { error: ErrorCode::None, message: None });
        }
        Ok(())
    }

    fn voter_change_mut(&mut self) -> Option<&mut VoterChange> {
        match &mut self.role {
            Role::Leader(leader) => leader.voter_change.as_mut(),
            _ => None,
        }
    }

    pub(crate) fn on_remove_voter_request(&mut self, token: Token, request: &RemoveVoterRequest) {
        if let Err((error, message)) = self.begin_remove_voter(token, request) {
            self.respond(token, Response::RemoveVoter { error, message });
        }
    }

    fn begin_remove_voter(&mut self, token: Token, request: &RemoveVoterRequest) -> Result<(), Refusal> {
        self.check_leader_request(self.epoch).map_err(|error| (error, None))?;
        let voter = request.voter;
        if voter.id < 0 || voter.directory_id.is_none() {
            return Err(refuse(ErrorCode::InvalidRequest, "the old voter needs a node id and a directory id"));
        }
        let voters = self.changeable_voters()?;
        let Some(remaining) = voters.with_removed(&voter) else {
            let keys: Vec<String> = voters.keys().map(|key| key.to_string()).collect();
            let message = match keys.as_slice() {
                [only] if voters.is_voter(&voter) => format!("{only} is the only voter, and cannot be removed"),
                _ => format!("{voter} is not a voter; the voters are {}", keys.join(", ")),
            };
            return Err(refuse(ErrorCode::VoterNotFound, message));
        };
        let deadline_ms = self.now_ms.saturating_add(self.config.request_timeout_ms);
        let offset = self.log.end_offset();
        if let Role::Leader(leader) = &mut self.role {
            leader.voter_change = Some(VoterChange::Remove { token, offset, deadline_ms });
        }
        self.append_control(vec![ControlRecord::Voters(remaining)]);
        Ok(())
    }

    /// A change is done when its record is committed by the new voters. A leader that they do not include goes.
    pub(crate) fn commit_voter_change(&mut self, high_watermark: Offset) {
        let is_removed =
            !self.is_voter() && self.history.last_voters_offset().is_some_and(|offset| offset < high_watermark);
        let Role::Leader(leader) = &mut self.role else { return };
        if is_removed {
            leader.resign.get_or_insert(LossReason::Removed);
        }
        let is_done = |change: &mut VoterChange| change.offset().is_some_and(|offset| offset < high_watermark);
        if let Some(change) = leader.voter_change.take_if(is_done) {
            self.answer_voter_change(change, ErrorCode::None, None);
        }
    }

    /// The change may still happen, if its record is in the log; but nobody waits for it any more.
    pub(crate) fn expire_voter_change(&mut self) {
        let now_ms = self.now_ms;
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(change) = leader.voter_change.take_if(|change| change.deadline_ms() <= now_ms) {
            self.answer_voter_change(change, ErrorCode::RequestTimedOut, None);
        }
    }

    pub(crate) fn answer_voter_change(&mut self, change: VoterChange, error: ErrorCode, message: Option<String>) {
        match change {
            VoterChange::Add { token: Some(token), .. } => self.respond(token, Response::AddVoter { error, message }),
            VoterChange::Add { token: None, .. } => {}
            VoterChange::Remove { token, .. } => self.respond(token, Response::RemoveVoter { error, message }),
        }
    }

    pub(crate) fn on_update_voter_request(&mut self, token: Token, request: UpdateVoterRequest) {
        let error = self.update_voter(request).err().unwrap_or(ErrorCode::None);
        let header = self.header(error);
        self.respond(token, Response::UpdateVoter(header));
    }

    fn update_voter(&mut self, request: UpdateVoterRequest) -> Result<(), ErrorCode> {
        self.check_leader_request(request.epoch)?;
        let UpdateVoterRequest { voter, listeners, kraft_versions, .. } = request;
        let VersionRange { min, max } = kraft_versions;
        if voter.id < 0 || voter.directory_id.is_none() || !self.can_send_to(&listeners) || min < 0 || max < min {
            return Err(ErrorCode::InvalidRequest);
        }
        self.expire_voter_change();
        let version = self.kraft_version();
        let Role::Leader(leader) = &mut self.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        let Some(high_watermark) = self.high_watermark.filter(|_| leader.voter_change.is_none()) else {
            return Err(ErrorCode::RequestTimedOut);
        };
        let node = VoterNode { key: voter, listeners, kraft_versions };
        if version == 0 {
            let Some(voters) = &leader.volatile_voters else { return Err(ErrorCode::RequestTimedOut) };
            if !kraft_versions.contains(version) {
                return Err(ErrorCode::InvalidRequest);
            }
            let updated = voters.with_updated_ignoring_directory(node).ok_or(ErrorCode::VoterNotFound)?;
            leader.volatile_voters = Some(updated);
        } else {
            if self.history.last_voters_offset().is_none_or(|offset| offset >= high_watermark) {
                return Err(ErrorCode::RequestTimedOut);
            }
            if !kraft_versions.contains(version) {
                return Err(ErrorCode::InvalidRequest);
            }
            let updated = self.history.last_voters().with_updated(node).ok_or(ErrorCode::VoterNotFound)?;
            self.append_control(vec![ControlRecord::Voters(updated)]);
        }
        self.voter_fetched(&voter);
        Ok(())
    }
}

/// As a follower.
impl Raft {
    /// The log should describe each voter as it is. With kraft.version 0 it cannot, so each leader is told.
    fn should_update_voter(&self) -> bool {
        match &self.role {
            Role::Follower(follower) if self.kraft_version() == 0 => !follower.has_updated_leader,
            _ => self.history.last_voters().needs_update(&self.config.local_voter()),
        }
    }

    pub(crate) fn poll_voter_update(&mut self) -> u64 {
        if !self.should_update_voter() {
            self.reset_update_voter_timer();
            return self.fetch_from_best_node();
        }
        let request = Request::UpdateVoter(UpdateVoterRequest {
            voter: self.config.local,
            epoch: self.epoch,
            listeners: self.config.listeners.clone(),
            kraft_versions: self.config.kraft_versions,
        });
        let (sent, deadline_ms) = self.send_to_leader(|| request);
        if sent.is_some() {
            self.reset_update_voter_timer();
            if let Role::Follower(follower) = &mut self.role {
                follower.update_in_flight = sent;
            }
        }
        deadline_ms
    }

    pub(crate) fn on_update_voter_response(&mut self, header: Header) -> bool {
        let error = header.error;
        if let Some(handled) = self.handle_common(header) {
            return handled;
        }
        match error {
            ErrorCode::None => {
                self.leader_was_updated();
                true
            }
            _ => self.on_update_voter_failed(error),
        }
    }

    /// An old leader that does not know the request does not need it either.
    pub(crate) fn on_update_voter_failed(&mut self, error: ErrorCode) -> bool {
        if error == ErrorCode::UnsupportedVersion {
            self.leader_was_updated();
        }
        error == ErrorCode::UnsupportedVersion
    }

    fn leader_was_updated(&mut self) {
        if let Role::Follower(follower) = &mut self.role {
            follower.has_updated_leader = true;
        }
        self.reset_fetch_timeout();
    }

    /// A controller that is configured to join the voters by itself (KIP-1186).
    pub(crate) fn wants_to_join(&self) -> bool {
        self.config.auto_join && self.config.can_become_voter && self.kraft_version() > 0 && !self.is_voter()
    }

    /// A voter with this node's id and another directory is this node before it lost its disk: that one goes first.
    pub(crate) fn poll_join(&mut self) -> u64 {
        let local = self.config.local;
        let request = match self.history.last_voters().get(local.id) {
            Some(old) => Request::RemoveVoter(RemoveVoterRequest { voter: old.key }),
            None => Request::AddVoter(AddVoterRequest {
                voter: local,
                listeners: self.config.listeners.clone(),
                ack_when_committed: false,
            }),
        };
        let (sent, deadline_ms) = self.send_to_leader(|| request);
        if sent.is_some() {
            self.reset_update_voter_timer();
        }
        deadline_ms
    }

    /// Done, or not possible now: either way the next try waits for its time.
    pub(crate) fn on_voter_change_response(&mut self, error: ErrorCode) -> bool {
        let is_expected = matches!(
            error,
            ErrorCode::None | ErrorCode::RequestTimedOut | ErrorCode::DuplicateVoter | ErrorCode::VoterNotFound
        );
        if is_expected {
            self.reset_update_voter_timer();
        }
        is_expected
    }
}

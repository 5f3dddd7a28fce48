//! The state machine: what every role shares, and the way of an event through it.

use crate::config::{Config, LogState};
use crate::connections::Connections;
use crate::history::ControlHistory;
use crate::io::{Action, Correlation, Event, QuorumState, Token};
use crate::key::{Endpoint, Endpoints, OffsetAndEpoch, ReplicaKey};
use crate::log_view::LogView;
use crate::message::{ControlEntry, Header, Request, Response};
use crate::role::{Role, RoleName};
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, Rng};
use std::fmt;
use std::sync::Arc;

/// "No deadline".
pub(crate) const NEVER_MS: u64 = u64::MAX;

/// More role changes than a step can have, unless timeouts are configured to be zero.
const MAX_POLLS_PER_STEP: usize = 8;

/// An event that the driver owes for an action.
#[derive(Debug, PartialEq)]
pub(crate) enum Owed {
    FetchedAppended { high_watermark: Option<Offset> },
    SnapshotInstalled { id: OffsetAndEpoch },
}

/// One replica of the metadata quorum: a voter or an observer.
pub struct Raft {
    pub(crate) config: Config,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) log: LogView,
    pub(crate) history: ControlHistory,
    pub(crate) connections: Connections,
    pub(crate) bootstrap: Vec<(NodeId, Endpoint)>,

    pub(crate) role: Role,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) leader: Option<NodeId>,
    pub(crate) leader_endpoints: Endpoints,
    pub(crate) voted: Option<ReplicaKey>,
    /// What the file holds.
    persisted: Option<QuorumState>,
    pub(crate) high_watermark: Option<Offset>,
    /// The largest high watermark that was announced.
    announced_high_watermark: Offset,
    announced_leader: (LeaderEpoch, Option<NodeId>, Endpoints),

    /// When to give up a graceful shutdown.
    pub(crate) shutdown_deadline_ms: Option<u64>,
    finished: bool,
    pub(crate) owed: Option<Owed>,
    /// The fetch that was sent last. Answers to others come too late: the log may have moved on.
    pub(crate) last_fetch: Option<Correlation>,
    pub(crate) now_ms: u64,
    pub(crate) deadline_ms: u64,
    /// How often the role changed: tells a poll whether to look again.
    role_changes: u64,
    pub(crate) out: Vec<Action>,
}

/// What is on disk does not fit together.
#[derive(Debug, PartialEq, Eq)]
pub struct StartError {
    pub message: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot take part in the metadata quorum: {}", self.message)
    }
}

impl std::error::Error for StartError {}

impl Raft {
    /// Takes up where the node was stopped. `state` is the quorum-state file, if there is one.
    ///
    /// A node that is the only voter leads when this returns; its first actions are in `out`.
    pub fn start(
        config: Config,
        rng: Arc<dyn Rng>,
        state: Option<QuorumState>,
        log: LogState,
        now_ms: u64,
        out: &mut Vec<Action>,
    ) -> Result<Raft, StartError> {
        let error = |message: String| StartError { message };
        if config.local.id < 0 {
            return Err(error(format!("node.id must not be negative, but is {}", config.local.id)));
        }
        if config.local.directory_id.is_none() {
            return Err(error("the metadata log directory has no directory.id in its meta.properties".to_owned()));
        }
        let view = LogView::new(log.start_offset, log.end_offset, log.epochs, log.snapshots).map_err(error)?;
        let mut history = ControlHistory::new(config.static_voters.clone());
        for ControlEntry { offset, record } in &log.controls {
            history.add(*offset, record);
        }
        let connections = Connections::new(config.request_timeout_ms, config.retry_backoff_ms);
        let mut raft = Raft {
            bootstrap: config.bootstrap_nodes(),
            config,
            rng,
            log: view,
            history,
            connections,
            role: Role::starting(),
            epoch: 0,
            leader: None,
            leader_endpoints: Endpoints::new(),
            voted: None,
            persisted: state.clone(),
            high_watermark: None,
            announced_high_watermark: -1,
            announced_leader: (-1, None, Endpoints::new()),
            shutdown_deadline_ms: None,
            finished: false,
            owed: None,
            last_fetch: None,
            now_ms,
            deadline_ms: NEVER_MS,
            role_changes: 0,
            out: Vec::new(),
        };
        raft.initialize(state.unwrap_or_default());
        raft.poll();
        raft.announce_leader();
        out.append(&mut raft.out);
        Ok(raft)
    }

    /// Chooses the first role by what the node was before.
    fn initialize(&mut self, state: QuorumState) {
        let last_epoch = self.log.last_epoch();
        if state.epoch < last_epoch {
            // The file is older than the log, or lost: whom we voted for in the log's epoch does
            // not matter, as it has a leader already.
            (self.epoch, self.leader, self.voted) = (last_epoch, None, None);
            self.start_unattached();
        } else {
            (self.epoch, self.leader, self.voted) = (state.epoch, state.leader, state.voted);
            let local = self.config.local;
            if state.leader == Some(local.id) {
                // Records that we wrote and did not flush may be gone, so another record could get
                // the same offset and epoch if we led on.
                self.start_resigned();
            } else if state.voted.is_some_and(|voted| voted.matches(&local)) && self.may_stand() {
                self.start_candidate();
            } else {
                match state.leader {
                    Some(leader) if self.can_send_to(&self.history.last_voters().listeners(leader)) => {
                        self.start_follower(leader);
                    }
                    _ => self.start_unattached(),
                }
            }
        }
        if self.is_only_voter() && !matches!(self.role, Role::Leader(_)) {
            match self.role {
                Role::Candidate(_) => self.candidate_started(),
                _ => self.become_prospective(),
            }
        }
    }

    /// Takes one event, and adds to `out` what follows from it.
    ///
    /// `now_ms` is monotonic: milliseconds since some fixed instant. An earlier time than before counts
    /// as the same time.
    ///
    /// # Panics
    /// When the driver breaks the contract (see the crate's documentation), such as by an append
    /// while this node is not the leader.
    pub fn step(&mut self, event: Event, now_ms: u64, out: &mut Vec<Action>) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.finished {
            if let Event::Request { token, request } = event {
                let response = self.error_response(&request, ErrorCode::BrokerNotAvailable);
                out.push(Action::Respond { token, response });
            }
            return;
        }
        self.handle(event);
        if self.owed.is_none() {
            self.poll();
        }
        self.announce_leader();
        out.append(&mut self.out);
    }

    fn handle(&mut self, event: Event) {
        match (event, self.owed.take()) {
            (
                Event::FetchedAppended { end_offset, epochs, controls },
                Some(Owed::FetchedAppended { high_watermark }),
            ) => {
                self.on_fetched_appended(end_offset, &epochs, &controls, high_watermark);
            }
            (Event::SnapshotInstalled { id, controls }, Some(Owed::SnapshotInstalled { id: expected })) => {
                assert_eq!(id, expected, "the driver installed another snapshot than it was told to");
                self.on_snapshot_installed(id, &controls);
            }
            // Invariant: the driver answers each action before it steps anything else.
            (event, Some(owed)) => panic!("the driver owes the event for {owed:?}, but stepped {event:?}"),
            (event, None) => self.handle_free(event),
        }
    }

    fn handle_free(&mut self, event: Event) {
        match event {
            Event::Tick => {}
            Event::Request { token, request } => self.on_request(token, request),
            Event::Response { from, correlation, response } => self.on_response(from, correlation, response),
            Event::RequestFailed { from, correlation, error } => self.on_request_failed(from, correlation, error),
            Event::Appended { end_offset } => self.on_appended(end_offset),
            Event::Flushed { offset } => self.on_flushed(offset),
            Event::SnapshotCreated { id } => {
                self.log.add_snapshot(id);
                // The record at the snapshot's offset is not in it, and may still be truncated.
                self.history.truncate_old(id.offset - 1);
            }
            Event::LogStartAdvanced { start_offset } => self.log.advance_start(start_offset),
            Event::Resign { epoch } => self.request_resign(epoch),
            Event::Shutdown { timeout_ms } => {
                self.shutdown_deadline_ms.get_or_insert(self.now_ms.saturating_add(timeout_ms));
            }
            Event::FetchedAppended { .. } | Event::SnapshotInstalled { .. } => {
                // Invariant: the driver answers each action before it steps anything else.
                panic!("the driver stepped {event:?}, which was not asked for")
            }
        }
    }

    fn on_request(&mut self, token: Token, request: Request) {
        match request {
            Request::Vote(request) => self.on_vote_request(token, &request),
            Request::BeginQuorumEpoch(request) => self.on_begin_request(token, &request),
            Request::EndQuorumEpoch(request) => self.on_end_request(token, &request),
            Request::Fetch(request) => self.on_fetch_request(token, request),
            Request::FetchSnapshot(request) => self.on_fetch_snapshot_request(token, &request),
            Request::AddVoter(request) => self.on_add_voter_request(token, request),
            Request::RemoveVoter(request) => self.on_remove_voter_request(token, &request),
            Request::UpdateVoter(request) => self.on_update_voter_request(token, request),
            // The driver answers this one itself.
            Request::ApiVersions => {
                let response = self.error_response(&request, ErrorCode::InvalidRequest);
                self.respond(token, response);
            }
        }
    }

    fn on_response(&mut self, from: NodeId, correlation: Correlation, response: Response) {
        if !self.connections.is_expected(from, correlation) {
            return;
        }
        let ok = match response {
            Response::Vote { header, vote_granted } => self.on_vote_response(from, header, vote_granted),
            Response::BeginQuorumEpoch(header) => self.on_begin_response(from, header),
            Response::EndQuorumEpoch(header) => self.on_end_response(from, header),
            Response::Fetch(response) => self.on_fetch_response(correlation, response),
            Response::FetchSnapshot(response) => self.on_fetch_snapshot_response(correlation, response),
            Response::AddVoter { error, .. } | Response::RemoveVoter { error, .. } => {
                self.on_voter_change_response(error)
            }
            Response::UpdateVoter(header) => self.on_update_voter_response(header),
            Response::ApiVersions { error, kraft_versions } => {
                self.on_api_versions_response(from, error, kraft_versions)
            }
        };
        self.connections.on_result(from, correlation, ok, self.now_ms);
    }

    fn on_request_failed(&mut self, from: NodeId, correlation: Correlation, error: ErrorCode) {
        if !self.connections.is_expected(from, correlation) {
            return;
        }
        let ok = match &self.role {
            Role::Prospective(_) if error == ErrorCode::UnsupportedVersion => {
                // A voter that does not know pre-votes can still be asked for a vote.
                self.become_candidate();
                true
            }
            Role::Leader(_) => {
                self.on_api_versions_response(from, error, None);
                false
            }
            Role::Follower(follower) if follower.update_in_flight == Some(correlation) => {
                self.on_update_voter_failed(error)
            }
            _ => false,
        };
        if error == ErrorCode::ClusterAuthorizationFailed {
            self.fault(format!(
                "node {from} refused a request of the metadata quorum with {error}: \
                 this node's principal needs ClusterAction on the cluster"
            ));
        }
        self.connections.on_result(from, correlation, ok, self.now_ms);
    }

    /// Does what the role has to do now, and finds out when it has to do something next.
    fn poll(&mut self) {
        for _ in 0..MAX_POLLS_PER_STEP {
            if self.complete_shutdown() {
                return;
            }
            let before = self.role_changes;
            let deadline_ms = match self.role.name() {
                RoleName::Unattached => self.poll_unattached(),
                RoleName::Prospective => self.poll_prospective(),
                RoleName::Candidate => self.poll_candidate(),
                RoleName::Leader => self.poll_leader(),
                RoleName::Follower => self.poll_follower(),
                RoleName::Resigned => self.poll_resigned(),
            };
            self.deadline_ms = deadline_ms.min(self.shutdown_deadline_ms.unwrap_or(NEVER_MS));
            if self.role_changes == before {
                return;
            }
        }
        self.deadline_ms = self.now_ms;
    }

    /// A leader waits for a successor, or for the timeout; everyone else may go at once.
    fn complete_shutdown(&mut self) -> bool {
        let Some(deadline_ms) = self.shutdown_deadline_ms else { return false };
        let remote_leader = self.leader.is_some_and(|leader| leader != self.config.local.id);
        let is_free = !self.is_voter() || self.is_only_voter() || remote_leader;
        if !is_free && deadline_ms > self.now_ms {
            return false;
        }
        self.answer_all_not_leader();
        self.finished = true;
        self.deadline_ms = NEVER_MS;
        self.out.push(Action::ShutdownComplete { timed_out: !is_free });
        true
    }

    fn announce_leader(&mut self) {
        let (epoch, leader, endpoints) = &self.announced_leader;
        if (*epoch, *leader) == (self.epoch, self.leader) && *endpoints == self.leader_endpoints {
            return;
        }
        self.announced_leader = (self.epoch, self.leader, self.leader_endpoints.clone());
        let endpoints = self.leader_endpoints.clone();
        self.out.push(Action::LeaderChanged { epoch: self.epoch, leader: self.leader, endpoints });
    }

    /// To the world the high watermark never goes back, even while a new leader does not know its own yet.
    pub(crate) fn announce_high_watermark(&mut self, offset: Offset) {
        if offset > self.announced_high_watermark {
            self.announced_high_watermark = offset;
            self.out.push(Action::HighWatermark { offset });
        }
    }

    /// The new role's other fields must be set before.
    pub(crate) fn set_role(&mut self, role: Role) {
        let reason = role.loss_reason();
        let old = std::mem::replace(&mut self.role, role);
        self.role_changes += 1;
        match old {
            Role::Leader(leader) => {
                // From now on this node offers its log to voters, or says to a leader how much it has.
                self.flush_log();
                self.leave_leader(*leader, reason);
            }
            Role::Follower(follower) => {
                if let Some(fetching) = follower.fetching {
                    self.out.push(Action::AbandonSnapshot { id: fetching.id });
                }
            }
            _ => {}
        }
    }

    pub(crate) fn persist(&mut self) {
        let version = i16::from(self.kraft_version() > 0);
        let state = QuorumState {
            epoch: self.epoch,
            leader: self.leader,
            voted: self.voted,
            voters: if version == 0 { self.history.last_voters().ids().collect() } else { Vec::new() },
            version,
        };
        if self.persisted.as_ref() == Some(&state) {
            return;
        }
        self.persisted = Some(state.clone());
        match self.out.last_mut() {
            // Nothing depends on the state in between.
            Some(Action::PersistQuorumState(last)) => *last = state,
            _ => self.out.push(Action::PersistQuorumState(state)),
        }
    }

    pub(crate) fn flush_log(&mut self) {
        if self.log.flushed_offset() < self.log.end_offset() {
            self.out.push(Action::Flush);
            self.log.flushed(self.log.end_offset());
        }
    }

    pub(crate) fn fault(&mut self, message: String) {
        self.out.push(Action::Fault { message });
    }

    pub(crate) fn respond(&mut self, token: Token, response: Response) {
        self.out.push(Action::Respond { token, response });
    }

    pub(crate) fn header(&self, error: ErrorCode) -> Header {
        Header { error, epoch: self.epoch, leader: self.leader, leader_endpoints: self.leader_endpoints.clone() }
    }

    pub(crate) fn random_election_deadline_ms(&self) -> u64 {
        let timeout_ms = self.config.election_timeout_ms;
        let jitter_ms = if timeout_ms == 0 { 0 } else { self.rng.next_u64() % timeout_ms };
        self.now_ms.saturating_add(timeout_ms).saturating_add(jitter_ms)
    }

    /// A node that goes down starts no new election, but sees the one that it is in through.
    pub(crate) fn unless_shutdown(&self, deadline_ms: u64) -> u64 {
        if self.shutdown_deadline_ms.is_some() { NEVER_MS } else { deadline_ms }
    }

    pub(crate) fn can_send_to(&self, endpoints: &Endpoints) -> bool {
        endpoints.get(&self.config.default_listener).is_some()
    }

    /// Whether this node may try to be elected: as a voter, or as one whose removal may not be
    /// committed yet. Until it is, the others may lack the record of it, and then they cannot be
    /// elected without this node, nor with its vote. (Apache Kafka does not do this, and two voters
    /// of which the leader is removed and stops at the wrong moment stay without a leader.)
    pub(crate) fn may_stand(&self) -> bool {
        let committed = self.high_watermark.unwrap_or(0).max(self.log.latest_snapshot().map_or(0, |id| id.offset));
        self.is_voter()
            || self.history.last_voters_offset().is_some_and(|offset| offset >= committed)
                && self.history.previous_voters().is_voter(&self.config.local)
    }

    pub(crate) fn is_only_voter(&self) -> bool {
        self.history.last_voters().is_only_voter(&self.config.local)
    }
}

//! Requests to other nodes: to a voter, to the leader, or to whoever may know the leader.

use crate::io::{Action, Correlation};
use crate::key::{Endpoint, Endpoints, ReplicaKey};
use crate::message::{FetchRequest, FetchSnapshotRequest, Request, VoteRequest};
use crate::raft::{NEVER_MS, Raft};
use crate::role::Role;
use ottla_base::NodeId;

/// How long a leader may let a fetch of this node wait for news, in milliseconds.
const MAX_FETCH_WAIT_MS: i32 = 500;

impl Raft {
    /// Sends the request if the node is ready. Says when it will be ready (again).
    pub(crate) fn send(
        &mut self,
        to: NodeId,
        endpoint: Endpoint,
        request: impl FnOnce() -> Request,
    ) -> (Option<Correlation>, u64) {
        if !self.connections.is_ready(to, self.now_ms) {
            return (None, self.connections.busy_until(to).unwrap_or(NEVER_MS));
        }
        let correlation = self.connections.send(to, self.now_ms);
        let request = request();
        if matches!(request, Request::Fetch(_)) {
            self.last_fetch = Some(correlation);
        }
        self.out.push(Action::Send { to, endpoint, correlation, request });
        (Some(correlation), self.connections.busy_until(to).unwrap_or(NEVER_MS))
    }

    /// As [`send`](Self::send). A voter without an endpoint for the default listener cannot be reached.
    pub(crate) fn send_to_voter(&mut self, to: NodeId, request: impl FnOnce() -> Request) -> u64 {
        let voter = self.history.last_voters().get(to);
        match voter.and_then(|voter| voter.listeners.get(&self.config.default_listener)).cloned() {
            Some(endpoint) => self.send(to, endpoint, request).1,
            None => NEVER_MS,
        }
    }

    pub(crate) fn send_votes(&mut self, voters: &[ReplicaKey], pre_vote: bool) -> u64 {
        let (epoch, candidate, log_end) = (self.epoch, self.config.local, self.log.end());
        let mut deadline_ms = NEVER_MS;
        for voter in voters {
            let request = || Request::Vote(VoteRequest { candidate, epoch, voter: Some(*voter), log_end, pre_vote });
            deadline_ms = deadline_ms.min(self.send_to_voter(voter.id, request));
        }
        deadline_ms
    }

    /// As [`send`](Self::send), to the leader that this node follows.
    pub(crate) fn send_to_leader(&mut self, request: impl FnOnce() -> Request) -> (Option<Correlation>, u64) {
        let endpoint = self.leader_endpoints.get(&self.config.default_listener).cloned();
        match self.leader.zip(endpoint) {
            Some((leader, endpoint)) => self.send(leader, endpoint, request),
            None => (None, NEVER_MS),
        }
    }

    /// Fetches from the leader; from someone who may know a newer one while the leader does not answer.
    pub(crate) fn fetch_from_best_node(&mut self) -> u64 {
        let Some(leader) = self.leader else { return NEVER_MS };
        if self.connections.has_timed_out(leader, self.now_ms) {
            self.connections.reset(leader);
            return self.fetch_from_any_bootstrap();
        }
        if self.connections.is_backing_off(leader, self.now_ms) {
            let retry_ms = self.connections.busy_until(leader).unwrap_or(NEVER_MS);
            return self.fetch_from_any_bootstrap().min(retry_ms);
        }
        if let Some(until_ms) = self.connections.in_flight_until(self.now_ms) {
            return until_ms;
        }
        let request = match &self.role {
            Role::Follower(follower) => match follower.fetching {
                Some(fetching) => Request::FetchSnapshot(FetchSnapshotRequest {
                    replica: self.config.local,
                    epoch: self.epoch,
                    snapshot_id: fetching.id,
                    position: fetching.position,
                }),
                None => self.fetch_request(),
            },
            _ => return NEVER_MS,
        };
        self.send_to_leader(|| request).1
    }

    /// One fetch at a time, to a bootstrap server chosen by chance: its answer names the leader.
    pub(crate) fn fetch_from_any_bootstrap(&mut self) -> u64 {
        if let Some(until_ms) = self.connections.in_flight_until(self.now_ms) {
            return until_ms;
        }
        let count = self.bootstrap.len();
        if count == 0 {
            return NEVER_MS;
        }
        let first = (self.rng.next_u64() % count as u64) as usize;
        let ready = self.bootstrap.iter().cycle().skip(first).take(count);
        let ready = ready.into_iter().find(|(id, _)| self.connections.is_ready(*id, self.now_ms)).cloned();
        match ready {
            Some((id, endpoint)) => {
                let request = self.fetch_request();
                self.send(id, endpoint, || request).1
            }
            None => {
                let busy = self.bootstrap.iter().filter_map(|(id, _)| self.connections.busy_until(*id));
                busy.min().unwrap_or(NEVER_MS)
            }
        }
    }

    fn fetch_request(&self) -> Request {
        Request::Fetch(FetchRequest {
            replica: self.config.local,
            epoch: self.epoch,
            fetch_offset: self.log.end_offset(),
            last_fetched_epoch: self.log.last_epoch(),
            high_watermark: self.high_watermark.unwrap_or(-1),
            max_wait_ms: MAX_FETCH_WAIT_MS,
        })
    }

    /// What a message says of the leader's endpoints, or else the voter set.
    pub(crate) fn endpoints_of(&self, leader: Option<NodeId>, given: Endpoints) -> Endpoints {
        match leader {
            Some(leader) if given.is_empty() => self.history.last_voters().listeners(leader),
            Some(_) => given,
            None => Endpoints::new(),
        }
    }
}

//! Follower: knows the leader and fetches from it, as a voter or as an observer.

use super::Role;
use crate::io::Correlation;
use crate::key::{Endpoints, OffsetAndEpoch};
use crate::raft::{NEVER_MS, Raft};
use ottla_base::{LeaderEpoch, NodeId};

pub(crate) struct Follower {
    /// A voter that has not fetched until then tries to be elected.
    pub fetch_deadline_ms: u64,
    /// When to see whether the leader knows this node's endpoints, or whether to join the voters.
    pub update_voter_deadline_ms: u64,
    /// At least once since it follows: the leader is alive.
    pub has_fetched: bool,
    /// With kraft.version 0 the voters tell each new leader who they are, as it is nowhere in the log.
    pub has_updated_leader: bool,
    /// The request that tells it, if that was the last one sent.
    pub update_in_flight: Option<Correlation>,
    pub fetching: Option<Fetching>,
}

/// A snapshot that is being fetched, instead of records.
#[derive(Clone, Copy)]
pub(crate) struct Fetching {
    pub id: OffsetAndEpoch,
    /// How much there is of it already, in bytes.
    pub position: i64,
}

impl Raft {
    /// The leader's endpoints are in the voter set.
    pub(crate) fn start_follower(&mut self, leader: NodeId) {
        self.leader_endpoints = self.history.last_voters().listeners(leader);
        self.set_follower();
        self.persist();
    }

    /// A leader that cannot be reached is remembered, so that nobody gets a vote in its epoch; but to
    /// follow it the node must first hear where it is.
    pub(crate) fn become_follower_if_reachable(&mut self, epoch: LeaderEpoch, leader: NodeId, endpoints: Endpoints) {
        if self.can_send_to(&endpoints) {
            self.become_follower(epoch, leader, endpoints);
        } else if epoch > self.epoch {
            self.become_unattached(epoch, Some(leader));
        }
    }

    /// In its own epoch a node keeps its vote, or it could vote twice.
    pub(crate) fn become_follower(&mut self, epoch: LeaderEpoch, leader: NodeId, endpoints: Endpoints) {
        assert!(leader != self.config.local.id && epoch >= self.epoch && self.can_send_to(&endpoints));
        assert!(epoch > self.epoch || !matches!(self.role, Role::Leader(_)), "two leaders in epoch {epoch}");
        if epoch != self.epoch {
            self.voted = None;
        }
        self.epoch = epoch;
        self.leader = Some(leader);
        self.leader_endpoints = endpoints;
        self.set_follower();
        self.persist();
        self.connections.reset_all();
    }

    fn set_follower(&mut self) {
        self.set_role(Role::Follower(Follower {
            fetch_deadline_ms: self.random_fetch_deadline_ms(),
            update_voter_deadline_ms: self.now_ms.saturating_add(self.config.fetch_timeout_ms),
            has_fetched: false,
            has_updated_leader: false,
            update_in_flight: None,
            fetching: None,
        }));
    }

    /// The fetch timeout is the most that a voter waits. All of them heard the leader last at about the
    /// same time: without up to an eighth less by chance they would all stand at once, and split the
    /// vote. (Apache Kafka has no such chance, and then needs another election timeout.)
    fn random_fetch_deadline_ms(&self) -> u64 {
        let timeout_ms = self.config.fetch_timeout_ms;
        let less_ms = self.rng.next_u64() % (timeout_ms / 8 + 1);
        self.now_ms.saturating_add(timeout_ms - less_ms)
    }

    /// The leader answered.
    pub(crate) fn reset_fetch_timeout(&mut self) {
        let deadline_ms = self.random_fetch_deadline_ms();
        if let Role::Follower(follower) = &mut self.role {
            follower.fetch_deadline_ms = deadline_ms;
            follower.has_fetched = true;
        }
    }

    pub(crate) fn reset_update_voter_timer(&mut self) {
        let deadline_ms = self.now_ms.saturating_add(self.config.fetch_timeout_ms);
        if let Role::Follower(follower) = &mut self.role {
            follower.update_voter_deadline_ms = deadline_ms;
        }
    }

    pub(crate) fn poll_follower(&mut self) -> u64 {
        let Role::Follower(follower) = &self.role else { return NEVER_MS };
        let fetch_deadline_ms = follower.fetch_deadline_ms;
        let update_deadline_ms = follower.update_voter_deadline_ms;
        let update_is_due = update_deadline_ms <= self.now_ms;
        if self.may_stand() {
            if fetch_deadline_ms <= self.now_ms {
                self.become_prospective();
                return NEVER_MS;
            }
            let retry_ms = if update_is_due { self.poll_voter_update() } else { self.fetch_from_best_node() };
            let update_ms = if update_is_due { NEVER_MS } else { update_deadline_ms };
            retry_ms.min(fetch_deadline_ms).min(update_ms)
        } else if update_is_due && self.wants_to_join() {
            self.poll_join()
        } else {
            let join_ms = if self.wants_to_join() { update_deadline_ms } else { NEVER_MS };
            self.fetch_from_best_node().min(join_ms)
        }
    }
}

//! What a node can be. Each file has a role's state, the way into the role, and what it does as time passes.
//!
//! An observer has no role of its own: it is unattached or follows, and never tries to be elected.

mod candidate;
mod follower;
pub(crate) mod leader;
mod prospective;
pub(crate) mod replicas;
mod resigned;
mod unattached;

pub(crate) use candidate::Candidate;
pub(crate) use follower::{Fetching, Follower};
pub(crate) use leader::Leader;
pub(crate) use prospective::Prospective;
pub(crate) use resigned::Resigned;
pub(crate) use unattached::Unattached;

use crate::io::LossReason;
use crate::key::ReplicaKey;
use crate::raft::{NEVER_MS, Raft};
use std::fmt;

pub(crate) enum Role {
    Unattached(Unattached),
    Prospective(Prospective),
    Candidate(Candidate),
    Leader(Box<Leader>),
    Follower(Follower),
    Resigned(Resigned),
}

/// The states of KIP-595 and KIP-996, as the metric `current-state` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// Knows no leader.
    Unattached,
    /// Asks whether it would be elected, before it disturbs anyone with a new epoch.
    Prospective,
    /// Asks to be elected.
    Candidate,
    Leader,
    Follower,
    /// Was the leader of the epoch, and waits for another.
    Resigned,
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RoleName::Unattached => "unattached",
            RoleName::Prospective => "prospective",
            RoleName::Candidate => "candidate",
            RoleName::Leader => "leader",
            RoleName::Follower => "follower",
            RoleName::Resigned => "resigned",
        })
    }
}

impl Role {
    /// Before the first role is chosen.
    pub fn starting() -> Role {
        Role::Unattached(Unattached { election_deadline_ms: NEVER_MS })
    }

    pub fn name(&self) -> RoleName {
        match self {
            Role::Unattached(_) => RoleName::Unattached,
            Role::Prospective(_) => RoleName::Prospective,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
            Role::Follower(_) => RoleName::Follower,
            Role::Resigned(_) => RoleName::Resigned,
        }
    }

    /// Why a leader stops when it takes this role.
    pub fn loss_reason(&self) -> LossReason {
        match self {
            Role::Resigned(resigned) => resigned.reason,
            _ => LossReason::NewEpoch,
        }
    }
}

impl Raft {
    /// Whether to say yes to a vote request of this node's own epoch.
    pub(crate) fn can_grant_vote(&self, candidate: &ReplicaKey, log_is_up_to_date: bool, pre_vote: bool) -> bool {
        match &self.role {
            Role::Unattached(_) | Role::Prospective(_) => {
                self.can_grant_vote_without_leader(candidate, log_is_up_to_date, pre_vote)
            }
            // A follower that hears its leader must not help to depose it (KIP-996).
            Role::Follower(follower) => pre_vote && log_is_up_to_date && !follower.has_fetched,
            Role::Candidate(_) | Role::Resigned(_) => pre_vote && log_is_up_to_date,
            Role::Leader(_) => false,
        }
    }

    fn can_grant_vote_without_leader(&self, candidate: &ReplicaKey, log_is_up_to_date: bool, pre_vote: bool) -> bool {
        match &self.voted {
            _ if pre_vote => log_is_up_to_date,
            Some(voted) => voted.matches(candidate),
            // The epoch has its leader, even if nobody knows how to reach it.
            None => self.leader.is_none() && log_is_up_to_date,
        }
    }
}

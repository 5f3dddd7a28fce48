//! What can be asked of the core between steps, and what `DescribeQuorum` tells of the replicas
//! (KIP-595, KIP-836, KIP-853).

use crate::key::{Endpoints, ReplicaKey};
use crate::log_view::LogView;
use crate::raft::{NEVER_MS, Raft};
use crate::role::replicas::Replica;
use crate::role::{Role, RoleName};
use crate::voters::VoterSet;
use ottla_base::{LeaderEpoch, NodeId, Offset};

/// The quorum as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumDescription {
    pub leader: NodeId,
    pub epoch: LeaderEpoch,
    pub high_watermark: Option<Offset>,
    pub voters: Vec<ReplicaDescription>,
    /// Those that fetched in the last five minutes, brokers included.
    pub observers: Vec<ReplicaDescription>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaDescription {
    pub key: ReplicaKey,
    /// Known of voters only.
    pub listeners: Endpoints,
    /// The end of the replica's log, as far as the leader knows.
    pub log_end_offset: Option<Offset>,
    /// On the clock of the steps, in milliseconds; of the leader itself always now.
    pub last_fetch_ms: Option<u64>,
    pub last_caught_up_ms: Option<u64>,
}

impl Raft {
    /// `None` unless this node leads.
    pub fn describe_quorum(&self, now_ms: u64) -> Option<QuorumDescription> {
        let Role::Leader(leader) = &self.role else { return None };
        let describe = |replica: &Replica| {
            let is_local = replica.key.matches(&self.config.local);
            ReplicaDescription {
                key: replica.key,
                listeners: replica.listeners.clone(),
                log_end_offset: if is_local { Some(self.log.end_offset()) } else { replica.end_offset },
                last_fetch_ms: if is_local { Some(now_ms) } else { replica.last_fetch_ms },
                last_caught_up_ms: if is_local { Some(now_ms) } else { replica.last_caught_up_ms },
            }
        };
        Some(QuorumDescription {
            leader: self.config.local.id,
            epoch: self.epoch,
            high_watermark: self.high_watermark,
            voters: leader.replicas.voters().map(describe).collect(),
            observers: leader.replicas.observers(now_ms).map(describe).collect(),
        })
    }
}

impl Raft {
    /// When to step [`Event::Tick`](crate::Event::Tick) if no other event comes first.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        (self.deadline_ms != NEVER_MS).then_some(self.deadline_ms)
    }

    pub fn local(&self) -> ReplicaKey {
        self.config.local
    }

    pub fn role(&self) -> RoleName {
        self.role.name()
    }

    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// The leader of the epoch, as far as this node knows. A leader that resigned still counts.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    pub fn leader_endpoints(&self) -> &Endpoints {
        &self.leader_endpoints
    }

    /// The epoch that this node may append to, if it is the leader.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        matches!(self.role, Role::Leader(_)).then_some(self.epoch)
    }

    /// Whom this node voted for in the current epoch. A leader's vote for itself goes without saying.
    pub fn voted(&self) -> Option<ReplicaKey> {
        self.voted
    }

    /// As the current role knows it: a new leader has none until it has committed a record of its epoch.
    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    pub fn log(&self) -> &LogView {
        &self.log
    }

    /// The latest in the log, committed or not.
    pub fn voters(&self) -> &VoterSet {
        self.history.last_voters()
    }

    /// The set that counted for a record at this offset: what a snapshot that ends with it must
    /// contain. `None` when that was a static set.
    pub fn voters_at(&self, offset: Offset) -> Option<&VoterSet> {
        self.history.voters_at(offset)
    }

    /// The finalized level of `kraft.version`; a level that is being written counts.
    pub fn kraft_version(&self) -> i16 {
        self.history.last_version()
    }

    /// As of this offset, for a snapshot that ends with it.
    pub fn kraft_version_at(&self, offset: Offset) -> i16 {
        self.history.version_at(offset)
    }

    /// Whether this replica, with this directory, is in the latest voter set.
    pub fn is_voter(&self) -> bool {
        self.history.last_voters().is_voter(&self.config.local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_can_keep_it_in_any_thread() {
        fn check<T: Send>() {}
        check::<Raft>();
    }
}

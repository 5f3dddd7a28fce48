//! What `DescribeQuorum` tells of the replicas (KIP-595, KIP-836, KIP-853).

use crate::key::{Endpoints, ReplicaKey};
use crate::raft::Raft;
use crate::role::Role;
use crate::role::replicas::Replica;
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

//! Nodes and the network between them.

use super::disk::{Disk, Snapshot};
use super::node::{Content, Message, Node};
use ottla_base::{NodeId, Rng, Uuid};
use ottla_raft::{
    Config, ControlEntry, ControlRecord, Endpoint, Endpoints, OffsetAndEpoch, ReplicaKey, VersionRange, VoterNode,
    VoterSet,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const LISTENER: &str = "CONTROLLER";

pub fn directory(generation: u8) -> Uuid {
    Uuid([generation; 16])
}

pub fn key(id: NodeId) -> ReplicaKey {
    ReplicaKey::new(id, directory(1))
}

pub fn listeners(id: NodeId) -> Endpoints {
    Endpoints::single(LISTENER, "host", id as u16)
}

pub fn voter_set(ids: &[NodeId]) -> VoterSet {
    let versions = VersionRange { min: 0, max: 1 };
    ids.iter().map(|id| VoterNode { key: key(*id), listeners: listeners(*id), kraft_versions: versions }).collect()
}

#[derive(Default)]
pub struct Cluster {
    pub now_ms: u64,
    pub nodes: BTreeMap<NodeId, Node>,
    /// With the time at which each arrives, in the order of sending.
    pub network: Vec<(u64, Message)>,
    /// What is sent between these is lost, in both directions.
    pub cut: BTreeSet<(NodeId, NodeId)>,
}

/// How the voters come to know each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// `controller.quorum.voters`, kraft.version 0.
    Static,
    /// A bootstrap snapshot with the voters, kraft.version 1.
    Dynamic,
}

impl Cluster {
    /// Adds a node and starts it. Only the voters have a snapshot with the voters.
    pub fn add(
        &mut self,
        id: NodeId,
        voters: &[NodeId],
        membership: Membership,
        controllers: &[NodeId],
        rng: Arc<dyn Rng>,
    ) {
        let is_controller = controllers.contains(&id);
        let mut config = Config::new(key(id), LISTENER, if is_controller { listeners(id) } else { Endpoints::new() });
        config.can_become_voter = is_controller;
        let mut disk = Disk::default();
        match membership {
            Membership::Static => {
                config.static_voters = VoterSet::static_voters(voters.iter().map(|id| (*id, listeners(*id))));
            }
            Membership::Dynamic => {
                let server = |id: &NodeId| Endpoint { host: "host".to_owned(), port: *id as u16 };
                config.bootstrap_servers = controllers.iter().map(server).collect();
                if voters.contains(&id) {
                    let records = [ControlRecord::KRaftVersion(1), ControlRecord::Voters(voter_set(voters))];
                    let controls = records.map(|record| ControlEntry { offset: -1, record }).to_vec();
                    let snapshot = Snapshot { controls, records: Vec::new() };
                    disk.snapshots.insert(OffsetAndEpoch::BOOTSTRAP_SNAPSHOT, snapshot);
                }
            }
        }
        let mut node = Node::new(config, rng, disk);
        node.start(self.now_ms);
        self.nodes.insert(id, node);
    }

    pub fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| panic!("there is no node {id}"))
    }

    pub fn leader(&self) -> Option<NodeId> {
        let leaders = self.nodes.values().filter(|node| node.is_leader());
        leaders.max_by_key(|node| node.raft.as_ref().map(|raft| raft.epoch())).map(|node| node.id)
    }

    pub fn is_cut(&self, a: NodeId, b: NodeId) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// Moves what the nodes sent into the network.
    pub fn collect(&mut self, mut arrival: impl FnMut(&Message) -> Option<u64>) {
        for node in self.nodes.values_mut() {
            for message in std::mem::take(&mut node.outbox) {
                if let Some(at_ms) = arrival(&message) {
                    self.network.push((at_ms, message));
                }
            }
        }
    }

    /// Takes the first message that has arrived, and gives it to its receiver.
    pub fn deliver_next(&mut self) -> Option<Message> {
        let arrived = self.network.iter().enumerate().filter(|(_, (at_ms, _))| *at_ms <= self.now_ms);
        let (index, _) = arrived.min_by_key(|(index, (at_ms, _))| (*at_ms, *index))?;
        let (_, message) = self.network.remove(index);
        self.deliver(message.clone());
        Some(message)
    }

    /// A request to a node that is down fails; what the cut swallows is never answered.
    pub fn deliver(&mut self, message: Message) {
        if self.is_cut(message.from, message.to) {
            return;
        }
        let now_ms = self.now_ms;
        match self.nodes.get_mut(&message.to) {
            Some(node) if node.raft.is_some() => node.receive(message, now_ms),
            _ if matches!(message.content, Content::Request(_)) => {
                let Message { from, to, alias, run, correlation, .. } = message;
                let content = Content::Failed(ottla_base::ErrorCode::NetworkException);
                self.network.push((now_ms + 1, Message { from: to, to: from, alias, run, correlation, content }));
            }
            _ => {}
        }
    }

    /// When something happens next.
    pub fn next_ms(&self) -> Option<u64> {
        let timers = self.nodes.values().filter_map(Node::deadline_ms);
        let arrivals = self.network.iter().map(|(at_ms, _)| *at_ms);
        timers.chain(arrivals).min()
    }

    pub fn tick_due(&mut self) {
        let now_ms = self.now_ms;
        for node in self.nodes.values_mut() {
            if node.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                node.tick(now_ms);
            }
        }
    }
}

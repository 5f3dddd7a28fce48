//! What a node is told before it starts.

use crate::key::{Endpoint, Endpoints, OffsetAndEpoch, ReplicaKey};
use crate::message::{ControlEntry, EpochStart};
use crate::voters::{VersionRange, VoterNode, VoterSet};
use ottla_base::{NodeId, Offset};

#[derive(Clone, Debug)]
pub struct Config {
    /// This node. The directory is that of the metadata log, and must be known.
    pub local: ReplicaKey,
    /// How others reach this node, as a controller. Empty on a broker.
    pub listeners: Endpoints,
    /// The first of `controller.listener.names`: the one to send to.
    pub default_listener: String,
    /// What this node supports of `kraft.version`.
    pub kraft_versions: VersionRange,
    /// The node is a controller: it flushes what it fetches even while it is no voter.
    pub can_become_voter: bool,
    /// `controller.quorum.auto.join.enable` (KIP-1186): a controller that is no voter asks to be one.
    pub auto_join: bool,
    /// `controller.quorum.voters`; may be empty. Counts until the log has a voter set.
    pub static_voters: VoterSet,
    /// `controller.quorum.bootstrap.servers`; when empty, the static voters serve.
    pub bootstrap_servers: Vec<Endpoint>,
    /// `controller.quorum.election.timeout.ms`: an election takes this to twice this, at random.
    pub election_timeout_ms: u64,
    /// `controller.quorum.fetch.timeout.ms`: without a fetch for so long, or up to an eighth less, a voter tries an election.
    pub fetch_timeout_ms: u64,
    /// `controller.quorum.election.backoff.max.ms`: how long the last of a leader's preferred successors waits.
    pub election_backoff_max_ms: u64,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: u64,
    /// `controller.quorum.retry.backoff.ms`: the pause before a node that failed is asked again.
    pub retry_backoff_ms: u64,
}

impl Config {
    /// Kafka's defaults, for a controller without voters and bootstrap servers.
    pub fn new(local: ReplicaKey, default_listener: impl Into<String>, listeners: Endpoints) -> Self {
        Config {
            local,
            listeners,
            default_listener: default_listener.into(),
            kraft_versions: VersionRange { min: 0, max: 1 },
            can_become_voter: true,
            auto_join: false,
            static_voters: VoterSet::new(),
            bootstrap_servers: Vec::new(),
            election_timeout_ms: 1000,
            fetch_timeout_ms: 2000,
            election_backoff_max_ms: 1000,
            request_timeout_ms: 2000,
            retry_backoff_ms: 20,
        }
    }

    /// Whom to ask who leads: the bootstrap servers under the ids -2, -3, … or the static voters, but not this node.
    pub(crate) fn bootstrap_nodes(&self) -> Vec<(NodeId, Endpoint)> {
        if !self.bootstrap_servers.is_empty() {
            let ids = (NodeId::MIN..=-2).rev();
            let local = self.listeners.get(&self.default_listener);
            return ids
                .zip(self.bootstrap_servers.iter().cloned())
                .filter(|(_, server)| Some(server) != local)
                .collect();
        }
        self.static_voters
            .iter()
            .filter(|voter| voter.key.id != self.local.id)
            .filter_map(|voter| Some((voter.key.id, voter.listeners.get(&self.default_listener)?.clone())))
            .collect()
    }

    pub(crate) fn local_voter(&self) -> VoterNode {
        VoterNode { key: self.local, listeners: self.listeners.clone(), kraft_versions: self.kraft_versions }
    }
}

/// What the driver found on disk. All records up to `end_offset` must be durable: the driver
/// flushes what it recovered. A log that ends before its latest snapshot, because what was not
/// flushed is lost, the driver replaces by the snapshot: it starts and ends at that offset.
#[derive(Clone, Debug, Default)]
pub struct LogState {
    /// The first offset in the log.
    pub start_offset: Offset,
    /// The offset of the next record.
    pub end_offset: Offset,
    /// As in `leader-epoch-checkpoint`, ascending.
    pub epochs: Vec<EpochStart>,
    /// All finished snapshots that are kept, in any order.
    pub snapshots: Vec<OffsetAndEpoch>,
    /// The control records of the latest snapshot and of the log after it, in order.
    pub controls: Vec<ControlEntry>,
}

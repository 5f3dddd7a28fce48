//! Names of replicas, of places in the log, and of places on the network.

use ottla_base::{LeaderEpoch, NodeId, Offset, Uuid};
use std::collections::BTreeMap;
use std::fmt;

/// A replica of the metadata log: a node and the log directory that holds its copy (KIP-853).
///
/// Two keys with one id and two directories are two replicas: a node that lost its disk must not
/// count as the voter it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaKey {
    /// The `node.id`; negative for a fetcher that is no replica, such as a consumer.
    pub id: NodeId,
    /// `None` where only the id is known: static voters and old protocol versions.
    pub directory_id: Option<Uuid>,
}

impl ReplicaKey {
    /// Takes the zero UUID for "unknown", as the wire and the files do.
    pub fn new(id: NodeId, directory_id: Uuid) -> Self {
        ReplicaKey { id, directory_id: (!directory_id.is_zero()).then_some(directory_id) }
    }

    /// For a replica of which only the id is known.
    pub fn without_directory(id: NodeId) -> Self {
        ReplicaKey { id, directory_id: None }
    }

    /// Whether `other` may be this replica: the ids are equal, and so are the directories if this
    /// key names one.
    pub fn matches(&self, other: &ReplicaKey) -> bool {
        self.id == other.id && (self.directory_id.is_none() || self.directory_id == other.directory_id)
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.directory_id {
            Some(directory) => write!(f, "{}:{directory}", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

impl fmt::Debug for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A place in the log together with the epoch of the record before it. Names a snapshot, where
/// `offset` is the first offset that the snapshot does not contain (KIP-630).
///
/// Ordered by epoch, then by offset: the order in which logs are more up to date.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetAndEpoch {
    pub epoch: LeaderEpoch,
    pub offset: Offset,
}

impl OffsetAndEpoch {
    /// The snapshot that `kafka-storage format` writes. It is never replicated: the first leader
    /// copies what it says into the log.
    pub const BOOTSTRAP_SNAPSHOT: OffsetAndEpoch = OffsetAndEpoch { epoch: 0, offset: 0 };

    pub fn new(offset: Offset, epoch: LeaderEpoch) -> Self {
        OffsetAndEpoch { epoch, offset }
    }
}

impl fmt::Display for OffsetAndEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.offset, self.epoch)
    }
}

impl fmt::Debug for OffsetAndEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where one listener can be reached. Not resolved.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The endpoints of one node by listener name. Names are compared as they are: the driver brings
/// them into Kafka's normal form (upper case) first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoints(BTreeMap<String, Endpoint>);

impl Endpoints {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn single(listener: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self::from_iter([(listener.into(), Endpoint { host: host.into(), port })])
    }

    pub fn get(&self, listener: &str) -> Option<&Endpoint> {
        self.0.get(listener)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        self.0.iter().map(|(name, endpoint)| (name.as_str(), endpoint))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Endpoint)> for Endpoints {
    fn from_iter<I: IntoIterator<Item = (String, Endpoint)>>(endpoints: I) -> Self {
        Endpoints(endpoints.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_directory_stands_for_any() {
        let known = ReplicaKey::new(1, Uuid::ONE);
        assert!(ReplicaKey::new(1, Uuid::ZERO).matches(&known));
        assert!(!known.matches(&ReplicaKey::without_directory(1)));
        assert!(!known.matches(&ReplicaKey::new(1, Uuid::LOST_DIR)));
        assert!(!ReplicaKey::without_directory(2).matches(&known));
    }

    #[test]
    fn a_later_epoch_beats_a_later_offset() {
        assert!(OffsetAndEpoch::new(3, 2) > OffsetAndEpoch::new(9, 1));
        assert!(OffsetAndEpoch::new(9, 1) > OffsetAndEpoch::new(8, 1));
    }
}

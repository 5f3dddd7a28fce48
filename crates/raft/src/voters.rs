//! The set of voters (KIP-853).

use crate::key::{Endpoints, ReplicaKey};
use ottla_base::NodeId;
use std::collections::BTreeMap;

/// The feature levels of `kraft.version` that a node can run, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    pub fn contains(&self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// One voter, as a `VotersRecord` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoterNode {
    pub key: ReplicaKey,
    pub listeners: Endpoints,
    pub kraft_versions: VersionRange,
}

/// The voters at some offset of the log, at most one per node id. Empty on a node that does not
/// know the quorum yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoterSet(BTreeMap<NodeId, VoterNode>);

impl VoterSet {
    pub fn new() -> Self {
        Self::default()
    }

    /// The voters of `controller.quorum.voters`: ids and endpoints, no directories (kraft.version 0).
    pub fn static_voters(voters: impl IntoIterator<Item = (NodeId, Endpoints)>) -> Self {
        voters
            .into_iter()
            .map(|(id, listeners)| VoterNode {
                key: ReplicaKey::without_directory(id),
                listeners,
                kraft_versions: VersionRange::default(),
            })
            .collect()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &VoterNode> {
        self.0.values()
    }

    /// In ascending order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.keys().copied()
    }

    pub fn keys(&self) -> impl Iterator<Item = ReplicaKey> + '_ {
        self.0.values().map(|voter| voter.key)
    }

    pub fn get(&self, id: NodeId) -> Option<&VoterNode> {
        self.0.get(&id)
    }

    /// Empty when there is no such voter.
    pub fn listeners(&self, id: NodeId) -> Endpoints {
        self.0.get(&id).map(|voter| voter.listeners.clone()).unwrap_or_default()
    }

    pub fn is_voter(&self, key: &ReplicaKey) -> bool {
        self.0.get(&key.id).is_some_and(|voter| voter.key.matches(key))
    }

    pub fn is_only_voter(&self, key: &ReplicaKey) -> bool {
        self.0.len() == 1 && self.is_voter(key)
    }

    /// The replica is a voter, but is described differently here.
    pub fn needs_update(&self, node: &VoterNode) -> bool {
        self.0.get(&node.key.id).is_some_and(|voter| voter.key.matches(&node.key) && voter != node)
    }

    pub fn supports(&self, kraft_version: i16) -> bool {
        self.0.values().all(|voter| voter.kraft_versions.contains(kraft_version))
    }

    /// `None` when a voter has this id already.
    pub fn with_added(&self, voter: VoterNode) -> Option<VoterSet> {
        if self.0.contains_key(&voter.key.id) {
            return None;
        }
        let mut voters = self.0.clone();
        voters.insert(voter.key.id, voter);
        Some(VoterSet(voters))
    }

    /// `None` when there is no voter with exactly this key, or when it is the last voter.
    pub fn with_removed(&self, key: &ReplicaKey) -> Option<VoterSet> {
        if self.0.len() == 1 || self.0.get(&key.id)?.key != *key {
            return None;
        }
        let mut voters = self.0.clone();
        voters.remove(&key.id);
        Some(VoterSet(voters))
    }

    /// `None` when the replica is not a voter.
    pub fn with_updated(&self, voter: VoterNode) -> Option<VoterSet> {
        if !self.is_voter(&voter.key) {
            return None;
        }
        let mut voters = self.0.clone();
        voters.insert(voter.key.id, voter);
        Some(VoterSet(voters))
    }

    /// As [`with_updated`](Self::with_updated), but whichever directory the voter had.
    pub fn with_updated_ignoring_directory(&self, voter: VoterNode) -> Option<VoterSet> {
        self.0.get(&voter.key.id)?;
        let mut voters = self.0.clone();
        voters.insert(voter.key.id, voter);
        Some(VoterSet(voters))
    }
}

/// Of several voters with one id the last stays.
impl FromIterator<VoterNode> for VoterSet {
    fn from_iter<I: IntoIterator<Item = VoterNode>>(voters: I) -> Self {
        VoterSet(voters.into_iter().map(|voter| (voter.key.id, voter)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::Uuid;

    fn voter(id: NodeId, directory: Uuid) -> VoterNode {
        VoterNode {
            key: ReplicaKey::new(id, directory),
            listeners: Endpoints::single("C", "h", 1),
            kraft_versions: VersionRange { min: 0, max: 1 },
        }
    }

    #[test]
    fn a_voter_is_removed_by_its_exact_key_and_never_the_last() {
        let set: VoterSet = [voter(1, Uuid::ONE), voter(2, Uuid::LOST_DIR)].into_iter().collect();
        assert_eq!(set.with_removed(&ReplicaKey::without_directory(1)), None);
        assert_eq!(set.with_removed(&ReplicaKey::new(3, Uuid::ONE)), None);
        let one = set.with_removed(&ReplicaKey::new(1, Uuid::ONE)).unwrap();
        assert_eq!(one.ids().collect::<Vec<_>>(), [2]);
        assert_eq!(one.with_removed(&ReplicaKey::new(2, Uuid::LOST_DIR)), None);
    }

    #[test]
    fn a_static_voter_can_only_be_told_its_directory_by_id() {
        let set = VoterSet::static_voters([(1, Endpoints::single("C", "h", 1))]);
        assert!(set.is_only_voter(&ReplicaKey::new(1, Uuid::LOST_DIR)));
        assert!(set.needs_update(&voter(1, Uuid::ONE)));
        let updated = set.with_updated(voter(1, Uuid::ONE)).unwrap();
        assert_eq!(updated.with_updated(voter(1, Uuid::LOST_DIR)), None);
        assert!(updated.with_updated_ignoring_directory(voter(1, Uuid::LOST_DIR)).is_some());
        assert_eq!(updated.with_added(voter(1, Uuid::LOST_DIR)), None);
    }
}

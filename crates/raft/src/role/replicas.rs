//! What a leader knows of the other replicas: how far each has come, and when it was last heard.

use crate::key::{Endpoints, ReplicaKey};
use crate::voters::VoterSet;
use ottla_base::{NodeId, Offset};
use std::collections::BTreeMap;

/// An observer that has not fetched for so long counts no more, in milliseconds.
const OBSERVER_SESSION_TIMEOUT_MS: u64 = 300_000;

/// A replica that wants to be a voter must have fetched within this time, in milliseconds.
const CAUGHT_UP_WINDOW_MS: u64 = 3_600_000;

/// Anyone may claim to be an observer. Of more than this the one that was silent longest is forgotten.
const MAX_OBSERVERS: usize = 10_000;

#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub key: ReplicaKey,
    pub listeners: Endpoints,
    /// Where the replica fetched last: it has all before. Of the leader, what it has flushed.
    pub end_offset: Option<Offset>,
    pub last_fetch_ms: Option<u64>,
    pub last_caught_up_ms: Option<u64>,
    /// The end of the leader's log at the last fetch.
    leader_end_at_last_fetch: Option<Offset>,
    /// It knows who leads: from `BeginQuorumEpoch`, or because it fetches.
    pub has_acknowledged: bool,
}

impl Replica {
    fn new(key: ReplicaKey, listeners: Endpoints) -> Self {
        Replica {
            key,
            listeners,
            end_offset: None,
            last_fetch_ms: None,
            last_caught_up_ms: None,
            leader_end_at_last_fetch: None,
            has_acknowledged: false,
        }
    }

    /// A replica that fetches where the log ended at its previous fetch was caught up back then.
    fn fetched(&mut self, offset: Offset, leader_end: Offset, now_ms: u64) {
        if offset >= leader_end {
            self.last_caught_up_ms = Some(now_ms);
        } else if self.leader_end_at_last_fetch.is_some_and(|end| end > 0 && offset >= end) {
            self.last_caught_up_ms = self.last_caught_up_ms.max(self.last_fetch_ms);
        }
        self.leader_end_at_last_fetch = Some(leader_end);
        self.last_fetch_ms = Some(now_ms);
        self.end_offset = Some(offset);
        self.has_acknowledged = true;
    }
}

#[derive(Debug)]
pub(crate) struct Replicas {
    local: ReplicaKey,
    voters: BTreeMap<NodeId, Replica>,
    observers: BTreeMap<ReplicaKey, Replica>,
}

impl Replicas {
    pub fn new(local: ReplicaKey, voters: &VoterSet) -> Self {
        let replica = |key, listeners: &Endpoints| Replica::new(key, listeners.clone());
        let voters = voters.iter().map(|voter| (voter.key.id, replica(voter.key, &voter.listeners))).collect();
        let mut replicas = Replicas { local, voters, observers: BTreeMap::new() };
        replicas.acknowledge(local.id);
        replicas
    }

    pub fn voters(&self) -> impl Iterator<Item = &Replica> {
        self.voters.values()
    }

    /// Those that fetched lately, and this node if it is no voter any more.
    pub fn observers(&self, now_ms: u64) -> impl Iterator<Item = &Replica> {
        self.observers.values().filter(move |replica| self.is_alive(replica, now_ms))
    }

    pub fn voter_count(&self) -> usize {
        self.voters.len()
    }

    pub fn is_voter(&self, key: &ReplicaKey) -> bool {
        self.voters.get(&key.id).is_some_and(|replica| replica.key.matches(key))
    }

    pub fn acknowledge(&mut self, voter: NodeId) {
        if let Some(replica) = self.voters.get_mut(&voter) {
            replica.has_acknowledged = true;
        }
    }

    /// The leader's own log is durable up to here.
    pub fn local_flushed(&mut self, offset: Offset) {
        let (local, now_ms) = (self.local, 0);
        self.get_or_insert(&local, now_ms).end_offset = Some(offset);
    }

    pub fn fetched(&mut self, key: &ReplicaKey, offset: Offset, leader_end: Offset, now_ms: u64) {
        self.get_or_insert(key, now_ms).fetched(offset, leader_end, now_ms);
    }

    fn get_or_insert(&mut self, key: &ReplicaKey, now_ms: u64) -> &mut Replica {
        let new = || Replica::new(*key, Endpoints::new());
        if self.is_voter(key) {
            return self.voters.entry(key.id).or_insert_with(new);
        }
        if self.observers.len() >= MAX_OBSERVERS && !self.observers.contains_key(key) {
            self.make_room(now_ms);
        }
        self.observers.entry(*key).or_insert_with(new)
    }

    fn make_room(&mut self, now_ms: u64) {
        let silent = |replica: &&Replica| !self.is_alive(replica, now_ms);
        let mut gone: Vec<ReplicaKey> = self.observers.values().filter(silent).map(|replica| replica.key).collect();
        if gone.is_empty() {
            let others = self.observers.values().filter(|replica| replica.key != self.local);
            gone.extend(others.min_by_key(|replica| replica.last_fetch_ms).map(|replica| replica.key));
        }
        for key in gone {
            self.observers.remove(&key);
        }
    }

    fn is_alive(&self, replica: &Replica, now_ms: u64) -> bool {
        replica.key == self.local
            || replica.last_fetch_ms.is_some_and(|last_ms| now_ms.saturating_sub(last_ms) < OBSERVER_SESSION_TIMEOUT_MS)
    }

    /// The observer has come as far as the log at least once, and is still there.
    pub fn is_caught_up(&self, key: &ReplicaKey, now_ms: u64) -> bool {
        self.observers.get(key).is_some_and(|replica| {
            replica.last_caught_up_ms.is_some()
                && replica.last_fetch_ms.is_some_and(|last_ms| now_ms.saturating_sub(last_ms) < CAUGHT_UP_WINDOW_MS)
        })
    }

    /// What a majority of the voters has. The leader may be none of them, when it removes itself.
    pub fn majority_offset(&self) -> Option<Offset> {
        let mut offsets: Vec<Option<Offset>> = self.voters.values().map(|replica| replica.end_offset).collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        offsets.get(offsets.len() / 2).copied().flatten()
    }

    /// The voters but the leader, the one with the longest log first.
    pub fn successors(&self) -> Vec<ReplicaKey> {
        let mut others: Vec<&Replica> =
            self.voters.values().filter(|replica| !replica.key.matches(&self.local)).collect();
        others.sort_by(|a, b| b.end_offset.cmp(&a.end_offset).then(a.key.cmp(&b.key)));
        others.iter().map(|replica| replica.key).collect()
    }

    /// Voters that did not fetch for so long need to be told who leads.
    pub fn silent_voters(&self, now_ms: u64, for_ms: u64) -> Vec<ReplicaKey> {
        let is_silent = |replica: &&Replica| {
            replica.key.id != self.local.id
                && replica.last_fetch_ms.is_none_or(|last_ms| now_ms.saturating_sub(last_ms) >= for_ms)
        };
        self.voters.values().filter(is_silent).map(|replica| replica.key).collect()
    }

    /// The log has a new voter set. Who stays keeps its state, whatever it was before.
    pub fn set_voters(&mut self, voters: &VoterSet) {
        let mut old = std::mem::take(&mut self.voters);
        for voter in voters.iter() {
            let known = match old.get(&voter.key.id) {
                Some(replica) if replica.key.matches(&voter.key) => old.remove(&voter.key.id),
                _ => self.observers.remove(&voter.key),
            };
            let mut replica = known.unwrap_or_else(|| Replica::new(voter.key, Endpoints::new()));
            replica.key = voter.key;
            replica.listeners = voter.listeners.clone();
            self.voters.insert(voter.key.id, replica);
        }
        for (_, mut replica) in old {
            replica.listeners = Endpoints::new();
            self.observers.entry(replica.key).or_insert(replica);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voters::{VersionRange, VoterNode};
    use ottla_base::Uuid;

    fn key(id: NodeId) -> ReplicaKey {
        ReplicaKey::new(id, Uuid([id as u8 + 1; 16]))
    }

    fn voters(ids: &[NodeId]) -> VoterSet {
        let node = |id: &NodeId| VoterNode {
            key: key(*id),
            listeners: Endpoints::single("C", "h", 1),
            kraft_versions: VersionRange { min: 0, max: 1 },
        };
        ids.iter().map(node).collect()
    }

    #[test]
    fn the_majority_counts_only_voters() {
        let mut replicas = Replicas::new(key(1), &voters(&[1, 2, 3]));
        replicas.local_flushed(9);
        assert_eq!(replicas.majority_offset(), None);
        replicas.fetched(&key(4), 9, 9, 0);
        replicas.fetched(&ReplicaKey::new(2, Uuid::LOST_DIR), 9, 9, 0);
        assert_eq!(replicas.majority_offset(), None);
        replicas.fetched(&key(2), 5, 9, 0);
        assert_eq!(replicas.majority_offset(), Some(5));
        assert_eq!(replicas.successors(), [key(2), key(3)]);

        replicas.set_voters(&voters(&[2, 4, 5]));
        assert_eq!(replicas.majority_offset(), Some(5));
        assert_eq!(replicas.successors(), [key(4), key(2), key(5)]);
        assert!(replicas.observers(0).any(|replica| replica.key == key(1)));
    }

    #[test]
    fn silent_observers_do_not_count() {
        let mut replicas = Replicas::new(key(1), &voters(&[1]));
        replicas.fetched(&key(2), 0, 0, 1000);
        assert!(replicas.is_caught_up(&key(2), 1000));
        assert_eq!(replicas.observers(1000 + OBSERVER_SESSION_TIMEOUT_MS).count(), 0);
        replicas.fetched(&key(3), 0, 5, 1000 + OBSERVER_SESSION_TIMEOUT_MS);
        assert_eq!(replicas.observers(1000 + OBSERVER_SESSION_TIMEOUT_MS).count(), 1);
        assert!(!replicas.is_caught_up(&key(3), 1000 + OBSERVER_SESSION_TIMEOUT_MS));
    }

    #[test]
    fn observers_are_bounded() {
        let mut replicas = Replicas::new(key(1), &voters(&[1]));
        for id in 0..MAX_OBSERVERS as NodeId + 5 {
            replicas.fetched(&ReplicaKey::without_directory(id + 2), 0, 5, id as u64);
        }
        assert_eq!(replicas.observers.len(), MAX_OBSERVERS);
        assert!(!replicas.observers.contains_key(&ReplicaKey::without_directory(2)));
    }
}

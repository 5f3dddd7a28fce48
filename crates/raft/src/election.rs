//! The counting of votes.

use crate::key::ReplicaKey;
use crate::voters::VoterSet;
use ottla_base::NodeId;
use std::collections::BTreeMap;

/// The votes of one election among the voters as they were when it began.
#[derive(Debug)]
pub(crate) struct Election(BTreeMap<NodeId, (ReplicaKey, Option<bool>)>);

impl Election {
    /// The node that calls the election votes for itself.
    pub fn new(voters: &VoterSet, local: NodeId) -> Self {
        let mut election = Election(voters.keys().map(|key| (key.id, (key, None))).collect());
        election.record(local, true);
        election
    }

    /// Nodes that are not voters have no vote.
    pub fn record(&mut self, voter: NodeId, granted: bool) {
        if let Some((_, vote)) = self.0.get_mut(&voter) {
            *vote = Some(granted);
        }
    }

    pub fn is_won(&self) -> bool {
        self.count(Some(true)) >= self.majority()
    }

    pub fn is_lost(&self) -> bool {
        self.count(Some(true)) + self.count(None) < self.majority()
    }

    pub fn undecided(&self) -> Vec<ReplicaKey> {
        self.0.values().filter(|(_, vote)| vote.is_none()).map(|(key, _)| *key).collect()
    }

    pub fn granting(&self) -> Vec<NodeId> {
        self.0.iter().filter(|(_, (_, vote))| *vote == Some(true)).map(|(id, _)| *id).collect()
    }

    fn count(&self, wanted: Option<bool>) -> usize {
        self.0.values().filter(|(_, vote)| *vote == wanted).count()
    }

    fn majority(&self) -> usize {
        self.0.len() / 2 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Endpoints;

    #[test]
    fn a_majority_of_all_voters_decides() {
        let voters = VoterSet::static_voters((1..=4).map(|id| (id, Endpoints::new())));
        let mut election = Election::new(&voters, 1);
        election.record(2, true);
        election.record(7, true);
        assert!(!election.is_won());
        election.record(3, false);
        assert!(!election.is_lost());
        election.record(4, false);
        assert!(election.is_lost());
        election.record(4, true);
        assert!(election.is_won());
        assert_eq!(election.granting(), [1, 2, 4]);
    }
}

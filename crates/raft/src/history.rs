//! What the control records of snapshot and log say, by offset (KIP-853).
//!
//! A record counts from the moment it is in the log, committed or not: that is how raft changes its
//! members one at a time. Truncation takes it back.

use crate::message::ControlRecord;
use crate::voters::VoterSet;
use ottla_base::Offset;
use std::collections::BTreeMap;

/// Voter sets and `kraft.version` as of each offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlHistory {
    static_voters: VoterSet,
    voters: BTreeMap<Offset, VoterSet>,
    versions: BTreeMap<Offset, i16>,
}

impl ControlHistory {
    pub fn new(static_voters: VoterSet) -> Self {
        ControlHistory { static_voters, ..Self::default() }
    }

    pub fn add(&mut self, offset: Offset, record: &ControlRecord) {
        match record {
            ControlRecord::Voters(voters) => {
                self.voters.insert(offset, voters.clone());
            }
            ControlRecord::KRaftVersion(version) => {
                self.versions.insert(offset, *version);
            }
            ControlRecord::LeaderChange { .. } => {}
        }
    }

    /// The latest, or the static one while the log has none.
    pub fn last_voters(&self) -> &VoterSet {
        self.voters.last_key_value().map_or(&self.static_voters, |(_, voters)| voters)
    }

    /// `None` while the log has none; -1 when it comes from the bootstrap snapshot.
    pub fn last_voters_offset(&self) -> Option<Offset> {
        self.voters.last_key_value().map(|(offset, _)| *offset)
    }

    /// The one before the latest.
    pub fn previous_voters(&self) -> &VoterSet {
        self.voters.values().nth_back(1).unwrap_or(&self.static_voters)
    }

    pub fn last_version(&self) -> i16 {
        self.versions.last_key_value().map_or(0, |(_, version)| *version)
    }

    pub fn voters_at(&self, offset: Offset) -> Option<&VoterSet> {
        self.voters.range(..=offset).next_back().map(|(_, voters)| voters)
    }

    pub fn version_at(&self, offset: Offset) -> i16 {
        self.versions.range(..=offset).next_back().map_or(0, |(_, version)| *version)
    }

    /// Forgets what was said at `end` and after it.
    pub fn truncate_new(&mut self, end: Offset) {
        self.voters.split_off(&end);
        self.versions.split_off(&end);
    }

    /// Forgets what no offset from `start` on needs: all but the last before it.
    pub fn truncate_old(&mut self, start: Offset) {
        fn trim<T>(entries: &mut BTreeMap<Offset, T>, start: Offset) {
            if let Some(keep) = entries.range(..=start).next_back().map(|(offset, _)| *offset) {
                *entries = entries.split_off(&keep);
            }
        }
        trim(&mut self.voters, start);
        trim(&mut self.versions, start);
    }

    /// Before the records of a snapshot are read.
    pub fn clear(&mut self) {
        self.voters.clear();
        self.versions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Endpoints;

    fn voters(id: i32) -> VoterSet {
        VoterSet::static_voters([(id, Endpoints::new())])
    }

    #[test]
    fn the_set_at_an_offset_is_the_last_one_before() {
        let mut history = ControlHistory::new(voters(9));
        assert_eq!(*history.last_voters(), voters(9));
        history.add(-1, &ControlRecord::Voters(voters(1)));
        history.add(5, &ControlRecord::KRaftVersion(1));
        history.add(6, &ControlRecord::Voters(voters(2)));
        assert_eq!(history.voters_at(5), Some(&voters(1)));
        assert_eq!(history.voters_at(6), Some(&voters(2)));
        assert_eq!((history.version_at(4), history.version_at(5)), (0, 1));

        history.truncate_old(6);
        assert_eq!(history.voters_at(5), None);
        assert_eq!(history.version_at(6), 1);
        history.truncate_new(6);
        assert_eq!(*history.last_voters(), voters(9));
    }
}

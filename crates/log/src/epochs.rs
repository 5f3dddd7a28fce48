//! Where each leader epoch of a partition begins (KIP-101, KIP-279).

use ottla_base::{LeaderEpoch, Offset};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: LeaderEpoch,
    pub start_offset: Offset,
}

/// The leader epochs of a log, in order. Both epochs and start offsets strictly increase.
///
/// It lives in memory; whoever changes it writes it to `leader-epoch-checkpoint`.
#[derive(Clone, Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// From a checkpoint file, whose entries are not trusted to be in order.
    pub fn from_entries(entries: impl IntoIterator<Item = EpochEntry>) -> Self {
        let mut epochs = LeaderEpochs::default();
        for entry in entries {
            epochs.assign(entry.epoch, entry.start_offset);
        }
        epochs
    }

    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// Notes that `epoch` begins at `start_offset`; entries that contradict it go. True when that changed something.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch < 0 || start_offset < 0 {
            return false;
        }
        if let Some(latest) = self.entries.last()
            && latest.epoch == epoch
            && start_offset >= latest.start_offset
        {
            return false;
        }
        while self.entries.last().is_some_and(|e| e.epoch >= epoch || e.start_offset >= start_offset) {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// Takes note of a batch that is read again after a crash. Where the checkpoint says another epoch, it was
    /// written for records that are lost, or before a truncation that is.
    pub(crate) fn observe(&mut self, epoch: LeaderEpoch, base_offset: Offset, last_offset: Offset) {
        let agrees = |offset| self.epoch_for_offset(offset) == Some(epoch);
        if epoch < 0 || (agrees(base_offset) && agrees(last_offset)) {
            return;
        }
        self.entries.retain(|entry| entry.epoch <= epoch && entry.start_offset <= base_offset);
        self.assign(epoch, base_offset);
    }

    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The largest epoch not above `requested`, and the offset where it ends. `None` when the epoch is not known.
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end_offset: Offset) -> Option<(LeaderEpoch, Offset)> {
        if requested < 0 {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == requested) {
            return Some((requested, log_end_offset));
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= requested);
        let next = self.entries.get(higher)?;
        // With nothing at or below it, the data of that epoch is gone from the log: the follower goes on
        // from where the log begins.
        let floor = higher.checked_sub(1).and_then(|i| self.entries.get(i)).map_or(requested, |entry| entry.epoch);
        Some((floor, next.start_offset))
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).and_then(|i| self.entries.get(i)).map(|entry| entry.epoch)
    }

    /// Forgets epochs that begin at or after `end_offset`. True when that changed something.
    pub fn truncate_from_end(&mut self, end_offset: Offset) -> bool {
        let before = self.entries.len();
        if end_offset >= 0 {
            self.entries.retain(|entry| entry.start_offset < end_offset);
        }
        self.entries.len() != before
    }

    /// Forgets epochs that ended at or before `start_offset`; the one it falls into begins there from now on.
    /// True when that changed something.
    pub fn truncate_from_start(&mut self, start_offset: Offset) -> bool {
        let covered = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(last) = covered.checked_sub(1) else { return false };
        if last == 0 && self.entries.first().is_some_and(|entry| entry.start_offset == start_offset) {
            return false;
        }
        self.entries.drain(..last);
        if let Some(first) = self.entries.first_mut() {
            first.start_offset = start_offset;
        }
        true
    }

    pub fn clear(&mut self) -> bool {
        let changed = !self.entries.is_empty();
        self.entries.clear();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs::from_entries(entries.iter().map(|&(epoch, start_offset)| EpochEntry { epoch, start_offset }))
    }

    fn list(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|e| (e.epoch, e.start_offset)).collect()
    }

    #[test]
    fn a_later_entry_wins_over_those_it_contradicts() {
        assert_eq!(list(&epochs(&[(1, 0), (2, 5), (3, 9)])), [(1, 0), (2, 5), (3, 9)]);
        assert_eq!(list(&epochs(&[(1, 0), (2, 5), (3, 5)])), [(1, 0), (3, 5)]);
        assert_eq!(list(&epochs(&[(1, 0), (4, 5), (2, 9)])), [(1, 0), (2, 9)]);
        assert_eq!(list(&epochs(&[(1, 0), (2, 8), (3, 4)])), [(1, 0), (3, 4)]);
        assert!(!epochs(&[(1, 3)]).assign(1, 9));
        assert!(epochs(&[(1, 3)]).assign(1, 2));
    }

    #[test]
    fn end_offsets() {
        let e = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert_eq!(e.end_offset_for(-1, 40), None);
        assert_eq!(e.end_offset_for(1, 40), Some((1, 10)));
        assert_eq!(e.end_offset_for(2, 40), Some((2, 20)));
        assert_eq!(e.end_offset_for(3, 40), Some((2, 20)));
        assert_eq!(e.end_offset_for(5, 40), Some((4, 30)));
        assert_eq!(e.end_offset_for(7, 40), Some((7, 40)));
        assert_eq!(e.end_offset_for(8, 40), None);
        assert_eq!(epochs(&[]).end_offset_for(0, 0), None);
    }

    #[test]
    fn batches_that_are_there_count_more_than_the_checkpoint() {
        let mut e = epochs(&[(0, 0), (2, 3), (4, 9)]);
        e.observe(0, 0, 2);
        e.observe(2, 5, 8);
        e.observe(4, 9, 9);
        assert_eq!(list(&e), [(0, 0), (2, 3), (4, 9)]);
        e.observe(0, 2, 4);
        assert_eq!(list(&e), [(0, 0)]);
        e.observe(1, 6, 6);
        e.observe(-1, 7, 7);
        assert_eq!(list(&e), [(0, 0), (1, 6)]);
        let mut e = epochs(&[(3, 5)]);
        e.observe(2, 0, 3);
        assert_eq!(list(&e), [(2, 0)]);
    }

    #[test]
    fn truncation() {
        let mut e = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert!(e.truncate_from_end(30));
        assert_eq!(list(&e), [(2, 10), (4, 20)]);
        assert!(!e.truncate_from_end(30));
        assert!(e.truncate_from_start(15));
        assert_eq!(list(&e), [(2, 15), (4, 20)]);
        assert!(e.truncate_from_start(25));
        assert_eq!(list(&e), [(4, 25)]);
        assert!(!e.truncate_from_start(25));
        assert!(!e.truncate_from_start(5));
    }

    #[test]
    fn epoch_of_an_offset() {
        let e = epochs(&[(2, 10), (4, 20)]);
        assert_eq!(e.epoch_for_offset(9), None);
        assert_eq!(e.epoch_for_offset(10), Some(2));
        assert_eq!(e.epoch_for_offset(20), Some(4));
    }
}

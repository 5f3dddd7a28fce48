//! What the core knows of the log: where it starts and ends, where each epoch starts, and which
//! snapshots there are. Never a record.

use crate::key::OffsetAndEpoch;
use crate::message::EpochStart;
use ottla_base::{LeaderEpoch, Offset};
use std::collections::BTreeSet;

/// What a leader finds when it looks for a follower's last record in its own log (KIP-595, KIP-630).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// The leader has that record.
    Valid,
    /// It has not; the follower must truncate to this.
    Diverging(OffsetAndEpoch),
    /// It cannot tell, as its log starts later; the follower must fetch this snapshot.
    Snapshot(OffsetAndEpoch),
}

#[derive(Clone, Debug)]
pub struct LogView {
    start_offset: Offset,
    end_offset: Offset,
    flushed_offset: Offset,
    /// Ascending in both fields.
    epochs: Vec<EpochStart>,
    snapshots: BTreeSet<OffsetAndEpoch>,
}

impl LogView {
    /// Says what is wrong when the parts do not fit together.
    pub(crate) fn new(
        start_offset: Offset,
        end_offset: Offset,
        epochs: Vec<EpochStart>,
        snapshots: impl IntoIterator<Item = OffsetAndEpoch>,
    ) -> Result<LogView, String> {
        let snapshots: BTreeSet<OffsetAndEpoch> = snapshots.into_iter().collect();
        if start_offset < 0 || end_offset < start_offset {
            return Err(format!(
                "the log's offsets are impossible: it starts at {start_offset} and ends at {end_offset}"
            ));
        }
        if let Some([a, b]) =
            epochs.array_windows().find(|[a, b]| a.epoch >= b.epoch || a.start_offset > b.start_offset)
        {
            return Err(format!(
                "the leader epochs are out of order: epoch {} at offset {} is followed by epoch {} at offset {}",
                a.epoch, a.start_offset, b.epoch, b.start_offset
            ));
        }
        if let Some(last) = epochs.last().filter(|last| last.start_offset > end_offset) {
            return Err(format!(
                "leader epoch {} starts at offset {}, after the log's end {end_offset}",
                last.epoch, last.start_offset
            ));
        }
        if let Some(id) = snapshots.last().filter(|id| id.offset > end_offset) {
            return Err(format!(
                "the log ends at offset {end_offset}, before the snapshot {id}: it must be replaced by the snapshot first"
            ));
        }
        if start_offset > 0 && !snapshots.iter().any(|id| id.offset >= start_offset) {
            return Err(format!(
                "the log starts at offset {start_offset}, and there is no snapshot of what was before (latest: {})",
                snapshots.last().map_or("none".to_owned(), OffsetAndEpoch::to_string)
            ));
        }
        Ok(LogView { start_offset, end_offset, flushed_offset: end_offset, epochs, snapshots })
    }

    /// The first offset that can be read.
    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    /// The offset of the next record.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// All before it survives a crash.
    pub fn flushed_offset(&self) -> Offset {
        self.flushed_offset
    }

    pub fn latest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.last().copied()
    }

    pub fn has_snapshot(&self, id: OffsetAndEpoch) -> bool {
        self.snapshots.contains(&id)
    }

    /// The epoch of the last record, of the snapshot if there is no record after it, or 0.
    pub fn last_epoch(&self) -> LeaderEpoch {
        match self.epochs.last() {
            Some(last) => last.epoch,
            None => self.latest_snapshot().map_or(0, |id| id.epoch),
        }
    }

    /// How up to date the log is: what a candidate puts into its vote request.
    pub fn end(&self) -> OffsetAndEpoch {
        OffsetAndEpoch::new(self.end_offset, self.last_epoch())
    }

    /// Where `epoch` ends; the end of the largest epoch before it when the log has none of it, and
    /// the end of the log when it is newer than all.
    pub(crate) fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> OffsetAndEpoch {
        let next = self.epochs.partition_point(|entry| entry.epoch <= epoch);
        let floor = next.checked_sub(1).and_then(|i| self.epochs.get(i));
        let found = match (floor, self.epochs.get(next)) {
            (Some(last), None) if last.epoch == epoch => OffsetAndEpoch::new(self.end_offset, epoch),
            (_, None) => return self.end(),
            (Some(floor), Some(next)) => OffsetAndEpoch::new(next.start_offset, floor.epoch),
            (None, Some(next)) => OffsetAndEpoch::new(next.start_offset, epoch),
        };
        match self.snapshots.first() {
            // Nothing is left of the epoch but the snapshot at the start of the log.
            Some(earliest) if earliest.offset == found.offset && found.epoch == epoch => *earliest,
            _ => found,
        }
    }

    pub(crate) fn validate(&self, offset: Offset, epoch: LeaderEpoch) -> Validity {
        if self.start_offset == 0 && offset == 0 {
            return Validity::Valid;
        }
        if let (Some(earliest), Some(latest)) = (self.snapshots.first(), self.snapshots.last())
            && (offset < self.start_offset
                || (offset == self.start_offset && epoch != earliest.epoch)
                || epoch < earliest.epoch)
        {
            return Validity::Snapshot(*latest);
        }
        let end = self.end_offset_for_epoch(epoch);
        if end.epoch != epoch || end.offset < offset { Validity::Diverging(end) } else { Validity::Valid }
    }

    /// Where a follower cuts its log when the leader says that it diverges.
    pub(crate) fn truncation_point(&self, diverging: OffsetAndEpoch) -> Offset {
        if diverging.epoch == 0 {
            return diverging.offset.min(self.end_offset);
        }
        let local = self.end_offset_for_epoch(diverging.epoch);
        if local.epoch == diverging.epoch { local.offset.min(diverging.offset) } else { local.offset }
    }

    /// A leader's own append.
    pub(crate) fn append(&mut self, epoch: LeaderEpoch, end_offset: Offset) {
        assert!(end_offset >= self.end_offset, "the log's end went back from {} to {end_offset}", self.end_offset);
        self.start_epoch(EpochStart { epoch, start_offset: self.end_offset });
        self.end_offset = end_offset;
    }

    /// A follower's append.
    pub(crate) fn append_fetched(&mut self, epochs: &[EpochStart], end_offset: Offset) {
        assert!(end_offset >= self.end_offset, "the log's end went back from {} to {end_offset}", self.end_offset);
        for entry in epochs {
            self.start_epoch(*entry);
        }
        self.end_offset = end_offset;
    }

    fn start_epoch(&mut self, entry: EpochStart) {
        if self.epochs.last().is_none_or(|last| last.epoch < entry.epoch) {
            self.epochs.push(entry);
        }
    }

    pub(crate) fn flushed(&mut self, offset: Offset) {
        self.flushed_offset = self.flushed_offset.max(offset.min(self.end_offset));
    }

    pub(crate) fn truncate(&mut self, to: Offset) {
        self.end_offset = self.end_offset.min(to);
        self.flushed_offset = self.flushed_offset.min(to);
        self.epochs.retain(|entry| entry.start_offset < to);
    }

    /// Everything is replaced by a snapshot from the leader.
    pub(crate) fn restart_at(&mut self, snapshot: OffsetAndEpoch) {
        self.start_offset = snapshot.offset;
        self.end_offset = snapshot.offset;
        self.flushed_offset = snapshot.offset;
        self.epochs.clear();
        self.snapshots = BTreeSet::from([snapshot]);
    }

    pub(crate) fn add_snapshot(&mut self, id: OffsetAndEpoch) {
        self.snapshots.insert(id);
    }

    /// Old segments and the snapshots of them are gone.
    pub(crate) fn advance_start(&mut self, start: Offset) {
        assert!(start <= self.end_offset, "the log's start {start} is after its end {}", self.end_offset);
        self.start_offset = self.start_offset.max(start);
        self.snapshots.retain(|id| id.offset >= start);
        let gone = self.epochs.partition_point(|entry| entry.start_offset < start);
        if let Some(last) = gone.checked_sub(1) {
            self.epochs.drain(..last);
            // The epoch that the new start is in still has records after it, unless the next starts there.
            match self.epochs.get(1) {
                Some(next) if next.start_offset == start => {
                    self.epochs.remove(0);
                }
                _ => self.epochs[0].start_offset = start,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(
        start: Offset,
        end: Offset,
        epochs: &[(LeaderEpoch, Offset)],
        snapshots: &[(Offset, LeaderEpoch)],
    ) -> LogView {
        let epochs = epochs.iter().map(|&(epoch, start_offset)| EpochStart { epoch, start_offset }).collect();
        LogView::new(start, end, epochs, snapshots.iter().map(|&(o, e)| OffsetAndEpoch::new(o, e))).unwrap()
    }

    #[test]
    fn epochs_end_where_the_next_begins() {
        let log = log(0, 30, &[(2, 0), (4, 10), (7, 20)], &[]);
        let check =
            |epoch, offset, found| assert_eq!(log.end_offset_for_epoch(epoch), OffsetAndEpoch::new(offset, found));
        check(1, 0, 1);
        check(2, 10, 2);
        check(3, 10, 2);
        check(4, 20, 4);
        check(7, 30, 7);
        check(9, 30, 7);
    }

    #[test]
    fn a_fetch_is_valid_diverging_or_too_old() {
        let log = log(10, 30, &[(4, 10), (7, 20)], &[(10, 3), (25, 7)]);
        let snapshot = Validity::Snapshot(OffsetAndEpoch::new(25, 7));
        assert_eq!(log.validate(5, 3), snapshot);
        assert_eq!(log.validate(10, 3), Validity::Valid);
        assert_eq!(log.validate(10, 4), snapshot);
        assert_eq!(log.validate(12, 2), snapshot);
        assert_eq!(log.validate(15, 4), Validity::Valid);
        assert_eq!(log.validate(21, 4), Validity::Diverging(OffsetAndEpoch::new(20, 4)));
        assert_eq!(log.validate(25, 6), Validity::Diverging(OffsetAndEpoch::new(20, 4)));
        assert_eq!(log.validate(31, 7), Validity::Diverging(OffsetAndEpoch::new(30, 7)));
        assert_eq!(log.validate(31, 8), Validity::Diverging(OffsetAndEpoch::new(30, 7)));
    }

    #[test]
    fn truncation_goes_to_where_both_logs_agree() {
        let log = log(0, 30, &[(2, 0), (4, 10), (7, 20)], &[]);
        assert_eq!(log.truncation_point(OffsetAndEpoch::new(15, 4)), 15);
        assert_eq!(log.truncation_point(OffsetAndEpoch::new(25, 4)), 20);
        assert_eq!(log.truncation_point(OffsetAndEpoch::new(25, 5)), 20);
        assert_eq!(log.truncation_point(OffsetAndEpoch::new(3, 0)), 3);
    }

    #[test]
    fn the_start_moves_with_its_epoch() {
        let mut view = log(0, 30, &[(2, 0), (4, 10), (7, 20)], &[(12, 4), (20, 4)]);
        view.advance_start(12);
        assert_eq!(view.end_offset_for_epoch(2), OffsetAndEpoch::new(12, 4));
        assert_eq!(view.end_offset_for_epoch(4), OffsetAndEpoch::new(20, 4));
        view.advance_start(20);
        assert!(!view.has_snapshot(OffsetAndEpoch::new(12, 4)));
        assert_eq!(view.validate(20, 4), Validity::Valid);
        view.truncate(20);
        assert_eq!(view.end(), OffsetAndEpoch::new(20, 4));
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        assert!(LogView::new(5, 4, vec![], []).unwrap_err().contains("starts at 5"));
        let late = [OffsetAndEpoch::new(10, 1)];
        assert!(LogView::new(0, 9, vec![], late).unwrap_err().contains("snapshot 10@1"));
        assert!(LogView::new(5, 9, vec![], []).unwrap_err().contains("no snapshot"));
        let epochs = vec![EpochStart { epoch: 3, start_offset: 0 }, EpochStart { epoch: 3, start_offset: 4 }];
        assert!(LogView::new(0, 9, epochs, []).unwrap_err().contains("epoch 3 at offset 4"));
    }
}

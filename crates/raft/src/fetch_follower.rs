//! `Fetch` and `FetchSnapshot` as a follower sees them: records, truncation, or a whole snapshot.

use crate::io::{Action, Correlation};
use crate::key::OffsetAndEpoch;
use crate::message::{ControlEntry, EpochStart, FetchOutcome, FetchResponse, FetchSnapshotResponse};
use crate::raft::{Owed, Raft};
use crate::role::{Fetching, Role};
use ottla_base::{ErrorCode, Offset};

/// No log is longer: it leaves room to count on from a snapshot.
const MAX_OFFSET: Offset = Offset::MAX / 2;

impl Raft {
    /// Like all handlers of responses: false if the node that answered should not be asked again at once.
    pub(crate) fn on_fetch_response(&mut self, correlation: Correlation, response: FetchResponse) -> bool {
        let FetchResponse { header, high_watermark, outcome, .. } = response;
        let is_latest = self.last_fetch == Some(correlation);
        let error = header.error;
        if let Some(handled) = self.handle_common(header) {
            return handled;
        }
        if error.is_error() || !is_latest || !matches!(self.role, Role::Follower(_)) {
            return false;
        }
        let ok = match outcome {
            FetchOutcome::Diverging(end) => self.truncate(end),
            FetchOutcome::Snapshot(id) => self.start_snapshot(id),
            FetchOutcome::Records => {
                self.owed = Some(Owed::FetchedAppended { high_watermark });
                let flush = self.flushes_fetched();
                let (base_offset, max_epoch) = (self.log.end_offset(), self.epoch);
                self.out.push(Action::AppendFetched { correlation, base_offset, max_epoch, flush });
                true
            }
            FetchOutcome::Empty => {
                self.update_follower_high_watermark(high_watermark);
                true
            }
        };
        if ok {
            self.reset_fetch_timeout();
        }
        ok
    }

    /// The leader counts the fetch offset of a voter as durable, also that of one that it is just adding.
    fn flushes_fetched(&self) -> bool {
        self.is_voter() || self.config.can_become_voter
    }

    fn truncate(&mut self, diverging: OffsetAndEpoch) -> bool {
        let to = self.log.truncation_point(diverging);
        let committed = self.high_watermark.unwrap_or(0).max(self.log.start_offset());
        if to < committed || diverging.offset < committed {
            self.fault(format!(
                "leader {} of epoch {} says that the logs diverge at offset {} of epoch {}, but all before {committed} is committed here: \
                 one of the two nodes lost records, or was restored from a copy. Compare their metadata logs before starting either again",
                self.leader.unwrap_or(-1), self.epoch, diverging.offset, diverging.epoch
            ));
            return false;
        }
        if to >= self.log.end_offset() {
            // Nothing to cut: the same fetch would get the same answer.
            return false;
        }
        self.out.push(Action::Truncate { to });
        self.log.truncate(to);
        self.history.truncate_new(to);
        true
    }

    fn start_snapshot(&mut self, id: OffsetAndEpoch) -> bool {
        let committed = self.high_watermark.unwrap_or(0);
        if id.offset < committed || id.offset > MAX_OFFSET || id.epoch < 0 || self.log.has_snapshot(id) {
            return false;
        }
        let Role::Follower(follower) = &mut self.role else { return false };
        if let Some(old) = follower.fetching.replace(Fetching { id, position: 0 })
            && old.id != id
        {
            self.out.push(Action::AbandonSnapshot { id: old.id });
        }
        true
    }

    pub(crate) fn on_fetched_appended(
        &mut self,
        end_offset: Offset,
        epochs: &[EpochStart],
        controls: &[ControlEntry],
        high_watermark: Option<Offset>,
    ) {
        let flushed = self.flushes_fetched();
        if end_offset == self.log.end_offset()
            && let Some(leader) = self.leader
        {
            self.connections.pause(leader, self.now_ms);
        }
        self.log.append_fetched(epochs, end_offset);
        if flushed {
            self.log.flushed(end_offset);
        }
        for ControlEntry { offset, record } in controls {
            self.history.add(*offset, record);
        }
        if self.flushes_fetched() {
            // It may be a voter since just now.
            self.flush_log();
        }
        self.update_follower_high_watermark(high_watermark);
    }

    fn update_follower_high_watermark(&mut self, leaders: Option<Offset>) {
        let Some(leaders) = leaders else { return };
        let offset = leaders.min(self.log.end_offset());
        if self.high_watermark.is_none_or(|known| known < offset) {
            self.high_watermark = Some(offset);
            self.announce_high_watermark(offset);
        }
    }

    pub(crate) fn on_fetch_snapshot_response(
        &mut self,
        correlation: Correlation,
        response: FetchSnapshotResponse,
    ) -> bool {
        let error = response.header.error;
        if let Some(handled) = self.handle_common(response.header.clone()) {
            return handled;
        }
        let Role::Follower(follower) = &mut self.role else { return false };
        let Some(fetching) = follower.fetching else { return false };
        if error.is_error() && error != ErrorCode::SnapshotNotFound {
            return false;
        }
        if error == ErrorCode::SnapshotNotFound || response.snapshot_id.is_none() {
            // It was deleted meanwhile. The next fetch gets a newer one.
            follower.fetching = None;
            self.out.push(Action::AbandonSnapshot { id: fetching.id });
            self.reset_fetch_timeout();
            return true;
        }
        let end = response.position.saturating_add(response.chunk_len);
        if response.snapshot_id != Some(fetching.id)
            || response.position != fetching.position
            || response.chunk_len <= 0
            || end > response.size
        {
            return false;
        }
        let position = fetching.position;
        self.out.push(Action::WriteSnapshotChunk { correlation, id: fetching.id, position });
        if end == response.size {
            follower.fetching = None;
            self.out.push(Action::InstallSnapshot { id: fetching.id });
            self.owed = Some(Owed::SnapshotInstalled { id: fetching.id });
        } else {
            follower.fetching = Some(Fetching { id: fetching.id, position: end });
        }
        self.reset_fetch_timeout();
        true
    }

    pub(crate) fn on_snapshot_installed(&mut self, id: OffsetAndEpoch, controls: &[ControlEntry]) {
        self.log.restart_at(id);
        self.history.clear();
        for ControlEntry { offset, record } in controls {
            self.history.add(*offset, record);
        }
        self.update_follower_high_watermark(Some(id.offset));
    }
}

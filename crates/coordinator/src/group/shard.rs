//! The state of one partition of `__consumer_offsets`, and the life of a write: collected, appended, committed.

use super::change::{Change, Completion, Write};
use super::core::{Core, Due, TimerKey};
use super::error::append_error;
use super::request::{Action, Request, RequestContext, Response};
use super::state::{NO_PRODUCER_ID, State};
use super::{Group, GroupConfig, GroupOffsets};
use crate::runtime::{Append, AppendId, AppendKind, Record, Timers, Token};
use bytes::Bytes;
use ottla_base::{ErrorCode, Offset, Rng, Time, Uuid};
use ottla_wire::WireError;
use ottla_wire::records::{Batch, ControlType, RecordsError};
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the record at offset {offset} of __consumer_offsets cannot be read: {error}")]
    Record { offset: Offset, error: WireError },
    #[error("the record at offset {offset} of __consumer_offsets has no key")]
    NoKey { offset: Offset },
    #[error("a batch of __consumer_offsets cannot be read: {0}")]
    Batch(#[from] RecordsError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Active,
    Resigned,
}

/// Something that may write, in the order in which it came.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Nearly always a request.
pub(super) enum Operation {
    Request {
        request: Request,
        context: RequestContext,
        token: Token,
    },
    TopicsDeleted(Vec<(String, Uuid)>),
    /// What did not fit into the batch before.
    Tombstones(Vec<Record>),
    /// Goes on after this group: one round may be more than a batch can hold.
    Cleanup {
        after: Option<Arc<str>>,
    },
}

/// The groups of one partition of `__consumer_offsets`, on the broker that leads it.
///
/// The driver loads the log, then calls [`GroupShard::loaded`]; from then on it hands in requests, the results of
/// appends, the high watermark and the time, and does what the actions say, in their order. It may do an append
/// while it holds the shard's lock or after it has let it go: until [`GroupShard::appended`], everything that might
/// write waits inside.
pub struct GroupShard {
    phase: Phase,
    pub(super) core: Core,
    pub(super) state: State,
    /// Appended or being appended, not yet committed; oldest first.
    pub(super) writes: VecDeque<Write>,
    appending: bool,
    waiting: VecDeque<Operation>,
    next_append_id: AppendId,
    high_watermark: Offset,
}

impl GroupShard {
    pub fn new(config: GroupConfig, rng: Arc<dyn Rng>) -> GroupShard {
        let core = Core {
            config,
            rng,
            now: Time::default(),
            timers: Timers::default(),
            open: Write::new(),
            actions: Vec::new(),
        };
        GroupShard {
            phase: Phase::Loading,
            core,
            state: State::default(),
            writes: VecDeque::new(),
            appending: false,
            waiting: VecDeque::new(),
            next_append_id: 0,
            high_watermark: 0,
        }
    }

    /// Replays a batch of the log, in the log's order: data, or a transaction's marker. Does nothing when the shard
    /// has resigned in between.
    pub fn load_batch(&mut self, batch: &Batch) -> Result<(), LoadError> {
        let producer_id = batch.header.producer_id;
        if batch.header.is_control() {
            match batch.control_type()? {
                Some(ControlType::Commit) => self.load_marker(producer_id, true),
                Some(ControlType::Abort) => self.load_marker(producer_id, false),
                _ => {}
            }
            return Ok(());
        }
        for record in batch.records()? {
            let record = record?;
            let key = record.key.ok_or(LoadError::NoKey { offset: record.offset })?;
            self.load_record(producer_id, &key, record.value.as_ref())
                .map_err(|error| LoadError::Record { offset: record.offset, error })?;
        }
        Ok(())
    }

    /// Replays one record; `producer_id` is -1 outside a transaction.
    pub fn load_record(&mut self, producer_id: i64, key: &Bytes, value: Option<&Bytes>) -> Result<(), WireError> {
        assert!(self.phase != Phase::Active, "records are loaded before the shard is active");
        if self.phase == Phase::Resigned {
            return Ok(());
        }
        self.state.replay(key, value, producer_id, self.core.now.wall_ms, &mut Vec::new())
    }

    pub fn load_marker(&mut self, producer_id: i64, commit: bool) {
        assert!(self.phase != Phase::Active, "markers are loaded before the shard is active");
        if self.phase == Phase::Loading {
            self.state.offsets.end_transaction(producer_id, commit, &mut Vec::new());
        }
    }

    /// The end of the log has been reached: requests are served from now on.
    pub fn loaded(&mut self, now: Time, actions: &mut Vec<Action>) {
        assert!(self.phase != Phase::Active, "a shard is loaded once");
        if self.phase == Phase::Resigned {
            return;
        }
        self.core.now = now;
        self.phase = Phase::Active;
        let max_size = self.core.config.max_size;
        for group in self.state.groups.values_mut() {
            let Group::Classic(group) = group else { continue };
            let ids: Vec<Arc<str>> = group.members.keys().cloned().collect();
            for id in &ids {
                group.restart_session(&mut self.core, id);
            }
            if ids.len() > max_size {
                group.prepare_rebalance(&mut self.core, "the group is larger than group.max.size");
            }
        }
        self.schedule_cleanup();
        self.run();
        actions.append(&mut self.core.actions);
    }

    pub(super) fn schedule_cleanup(&mut self) {
        let deadline_ms = self.core.now.mono_ms + self.core.config.offsets_retention_check_interval_ms;
        self.core.timers.set(TimerKey::Cleanup, deadline_ms, Due::Cleanup);
    }

    pub fn handle(
        &mut self,
        request: Request,
        context: RequestContext,
        token: Token,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.core.now = now;
        match self.phase {
            Phase::Loading => {
                let response = request.error_response(&context, ErrorCode::CoordinatorLoadInProgress);
                self.core.reply(token, response);
            }
            Phase::Resigned => {
                let response = request.error_response(&context, ErrorCode::NotCoordinator);
                self.core.reply(token, response);
            }
            // Readers of what is committed need not queue behind an append.
            Phase::Active if request.reads_committed() => self.perform_request(request, &context, token),
            Phase::Active => {
                self.waiting.push_back(Operation::Request { request, context, token });
                self.run();
            }
        }
        actions.append(&mut self.core.actions);
    }

    /// How an append went: the offset of its last record, or what the log said.
    pub fn appended(&mut self, id: AppendId, result: Result<Offset, ErrorCode>, now: Time, actions: &mut Vec<Action>) {
        self.core.now = now;
        if self.phase != Phase::Active || !self.appending || self.writes.back().is_none_or(|write| write.id != id) {
            return;
        }
        self.appending = false;
        match result {
            Ok(last_offset) => {
                if let Some(write) = self.writes.back_mut() {
                    write.last_offset = Some(last_offset);
                }
                self.complete_committed();
            }
            Err(error) => self.fail_append(error),
        }
        self.run();
        actions.append(&mut self.core.actions);
    }

    /// The partition's high watermark: all below it is committed.
    pub fn committed(&mut self, high_watermark: Offset, now: Time, actions: &mut Vec<Action>) {
        self.core.now = now;
        if self.phase == Phase::Active && high_watermark > self.high_watermark {
            self.high_watermark = high_watermark;
            self.complete_committed();
            self.run();
        }
        actions.append(&mut self.core.actions);
    }

    /// To be called at [`GroupShard::next_deadline_ms`], or later.
    pub fn tick(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.core.now = now;
        if self.phase == Phase::Active {
            self.expire_writes();
            self.run();
        }
        actions.append(&mut self.core.actions);
    }

    /// In monotonic milliseconds.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        // Timers may write: they come after the append.
        let timer = self.core.timers.next_deadline_ms().filter(|_| !self.appending);
        let write = self.writes.iter().find(|write| !write.completions.is_empty()).map(|write| write.deadline_ms);
        timer.into_iter().chain(write).min()
    }

    pub fn on_topics_deleted(&mut self, topics: Vec<(String, Uuid)>, now: Time, actions: &mut Vec<Action>) {
        self.core.now = now;
        if self.phase == Phase::Active {
            self.waiting.push_back(Operation::TopicsDeleted(topics));
            self.run();
        }
        actions.append(&mut self.core.actions);
    }

    /// This broker does not lead the partition any more: everybody who waits is told so, and the state is dropped.
    pub fn resign(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::Resigned;
        self.core.timers.clear();
        for completion in std::mem::take(&mut self.writes).into_iter().flat_map(|write| write.completions) {
            if let Completion::Reply { token, response } = completion {
                self.core.reply(token, response.with_error(ErrorCode::NotCoordinator));
            }
        }
        for operation in std::mem::take(&mut self.waiting) {
            if let Operation::Request { request, context, token } = operation {
                let response = request.error_response(&context, ErrorCode::NotCoordinator);
                self.core.reply(token, response);
            }
        }
        for mut group in std::mem::take(&mut self.state).groups.into_values() {
            if let Group::Classic(group) = &mut group {
                group.fail_parked(&mut self.core, ErrorCode::NotCoordinator);
            }
        }
        self.appending = false;
        self.core.open = Write::new();
        actions.append(&mut self.core.actions);
    }

    /// As the last request left them, committed or not.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.state.groups.iter().map(|(id, group)| (&**id, group))
    }

    pub fn group_offsets(&self, group: &str) -> Option<&GroupOffsets> {
        self.state.offsets.group(group)
    }

    pub fn has_pending_offsets(&self, group: &str) -> bool {
        self.state.offsets.has_pending(group)
    }

    /// Over all groups.
    pub fn offset_count(&self) -> usize {
        self.state.offsets.len()
    }

    /// Does what is to be done until there is nothing left or an append is under way.
    fn run(&mut self) {
        while !self.appending {
            if self.must_flush() {
                self.flush();
            } else if let Some(operation) = self.waiting.pop_front() {
                self.perform(operation);
            } else if let Some((key, due)) = self.core.timers.pop_due(self.core.now.mono_ms) {
                self.fire(key, due);
            } else if self.core.open.has_work() || !self.core.open.completions.is_empty() {
                self.flush();
            } else {
                break;
            }
        }
    }

    /// Whether what is collected has to go out before the next operation.
    fn must_flush(&self) -> bool {
        let open = &self.core.open;
        let alone = |operation: &Operation| {
            matches!(
                operation,
                Operation::Request { request: Request::TxnOffsetCommit(_) | Request::EndTransaction { .. }, .. }
            )
        };
        open.kind != AppendKind::Plain
            || open.size >= self.core.config.append_max_bytes
            || (open.has_work() && self.waiting.front().is_some_and(alone))
    }

    /// To be done before everything else that waits.
    pub(super) fn then(&mut self, operation: Operation) {
        self.waiting.push_front(operation);
    }

    fn fire(&mut self, key: TimerKey, due: Due) {
        let core = &mut self.core;
        match key {
            TimerKey::Cleanup => self.waiting.push_back(Operation::Cleanup { after: None }),
            TimerKey::Member { group, member } => {
                if let Some(group) = self.state.classic_mut(&group) {
                    group.on_member_timer(core, &member);
                }
            }
            TimerKey::Join { group } => {
                let Some(group) = self.state.classic_mut(&group) else { return };
                match due {
                    Due::InitialJoin { delay_ms, remaining_ms } => {
                        group.on_initial_join_timer(core, delay_ms, remaining_ms);
                    }
                    _ => group.complete_join(core),
                }
            }
            TimerKey::Sync { group } => {
                if let (Some(group), Due::Sync { generation }) = (self.state.classic_mut(&group), due) {
                    group.on_sync_timer(core, generation);
                }
            }
        }
    }

    /// Adds records to the write and replays them.
    pub(super) fn emit(&mut self, records: Vec<Record>) {
        for record in records {
            let now_ms = self.core.now.wall_ms;
            let changes = &mut self.core.open.changes;
            let replayed = self.state.replay(&record.key, record.value.as_ref(), NO_PRODUCER_ID, now_ms, changes);
            assert!(replayed.is_ok(), "a record of our own cannot be read: {replayed:?}");
            self.core.open.push(record);
        }
    }

    /// For records that need not be in one batch.
    pub(super) fn emit_in_pieces(&mut self, mut records: Vec<Record>) {
        let mut left = self.core.config.append_max_bytes.saturating_sub(self.core.open.size);
        let fits = records.iter().take_while(|record| {
            let fits = record.size() <= left;
            left = left.saturating_sub(record.size());
            fits
        });
        // One record at least, or this would never end.
        let rest = records.split_off(fits.count().max(1).min(records.len()));
        self.emit(records);
        if !rest.is_empty() {
            self.then(Operation::Tombstones(rest));
            self.flush();
        }
    }

    /// Answers when everything before is committed, with an error when it fails.
    pub(super) fn reply_when_committed(&mut self, token: Token, response: Response) {
        self.core.open.completions.push(Completion::Reply { token, response });
    }

    fn flush(&mut self) {
        let mut write = std::mem::replace(&mut self.core.open, Write::new());
        if !write.has_work() {
            assert!(write.changes.is_empty(), "the state changes by records only");
            // Nothing of their own to wait for; what they saw may still be on its way.
            match self.writes.back_mut() {
                Some(last) => last.completions.append(&mut write.completions),
                None => self.complete_all(write.completions, Ok(())),
            }
            return;
        }
        self.next_append_id += 1;
        write.id = self.next_append_id;
        write.deadline_ms = self.core.now.mono_ms + self.core.config.offset_commit_timeout_ms;
        let records = std::mem::take(&mut write.records);
        self.core.actions.push(Action::Append(Append { id: write.id, kind: write.kind.clone(), records }));
        self.writes.push_back(write);
        self.appending = true;
    }

    fn complete_committed(&mut self) {
        while let Some(write) = self.writes.front() {
            if write.last_offset.is_none_or(|last| last >= self.high_watermark) {
                return;
            }
            if let Some(write) = self.writes.pop_front() {
                self.complete_all(write.completions, Ok(()));
            }
        }
    }

    fn fail_append(&mut self, error: ErrorCode) {
        let Some(write) = self.writes.pop_back() else { return };
        tracing::warn!(%error, "records of the group coordinator could not be appended");
        self.roll_back(write.changes, append_error(error));
        self.complete_all(write.completions, Err(error));
    }

    fn roll_back(&mut self, changes: Vec<Change>, error: ErrorCode) {
        for change in changes.into_iter().rev() {
            // A group that is not there any more can answer nobody later.
            if let Some((_, Group::Classic(mut group))) = self.state.undo(change) {
                group.cancel_timers(&mut self.core);
                group.fail_parked(&mut self.core, error);
            }
        }
    }

    /// Who waited too long for the high watermark is told so. The write itself may still succeed.
    fn expire_writes(&mut self) {
        let mut late = Vec::new();
        for write in &mut self.writes {
            if write.deadline_ms <= self.core.now.mono_ms {
                late.append(&mut write.completions);
            }
        }
        self.complete_all(late, Err(ErrorCode::RequestTimedOut));
    }

    fn complete_all(&mut self, completions: Vec<Completion>, result: Result<(), ErrorCode>) {
        let for_members = result.map_err(append_error);
        for completion in completions {
            match completion {
                Completion::Reply { token, response } => {
                    let response = match result {
                        Ok(()) => response,
                        Err(error) => response.with_error(error),
                    };
                    self.core.reply(token, response);
                }
                Completion::Assigned(assigned) => {
                    if let Some(group) = self.state.classic_mut(&assigned.group) {
                        group.on_assigned(&mut self.core, assigned, for_members);
                    }
                }
                Completion::Replaced(replaced) => {
                    if let Some(group) = self.state.classic_mut(&replaced.group) {
                        group.on_replaced(&mut self.core, replaced, for_members);
                    }
                }
            }
        }
    }
}

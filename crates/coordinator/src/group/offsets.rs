//! Committed offsets, and those that wait for the end of their transaction.

use super::change::Change;
use ottla_base::{Offset, TimestampMs, Uuid};
use ottla_wire::group_records::OffsetCommitValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: Offset,
    /// Of the last record consumed; -1 when the client did not say.
    pub leader_epoch: i32,
    pub metadata: Box<str>,
    pub commit_timestamp_ms: TimestampMs,
    /// Only from clients that chose their own retention (OffsetCommit below version 5); -1 otherwise.
    pub expire_timestamp_ms: TimestampMs,
    /// Zero in what brokers before 4.2 wrote.
    pub topic_id: Uuid,
    /// Rises with the offset of the record. Of a plain commit and one in a transaction the later record wins, not
    /// the later marker: after compaction nobody could tell the order of the markers any more.
    pub order: u64,
}

impl CommittedOffset {
    pub fn from_record(value: &OffsetCommitValue, order: u64) -> CommittedOffset {
        CommittedOffset {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_str().into(),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: value.expire_timestamp,
            topic_id: value.topic_id,
            order,
        }
    }
}

pub type TopicOffsets = BTreeMap<i32, CommittedOffset>;
pub type GroupOffsets = BTreeMap<Arc<str>, TopicOffsets>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Table(BTreeMap<Arc<str>, GroupOffsets>);

impl Table {
    fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.0.get(group)?.get(topic)?.get(&partition)
    }

    fn put(&mut self, at: &At, offset: CommittedOffset) -> Option<CommittedOffset> {
        let topics = self.0.entry(at.group.clone()).or_default();
        topics.entry(at.topic.clone()).or_default().insert(at.partition, offset)
    }

    fn remove(&mut self, at: &At) -> Option<CommittedOffset> {
        let topics = self.0.get_mut(&at.group)?;
        let partitions = topics.get_mut(&at.topic)?;
        let removed = partitions.remove(&at.partition);
        if partitions.is_empty() {
            topics.remove(&at.topic);
        }
        if topics.is_empty() {
            self.0.remove(&at.group);
        }
        removed
    }

    fn set(&mut self, at: &At, offset: Option<CommittedOffset>) -> Option<CommittedOffset> {
        match offset {
            Some(offset) => self.put(at, offset),
            None => self.remove(at),
        }
    }

    fn positions(&self) -> impl Iterator<Item = (At, &CommittedOffset)> {
        self.0.iter().flat_map(|(group, topics)| {
            topics.iter().flat_map(move |(topic, partitions)| {
                partitions.iter().map(move |(partition, offset)| {
                    (At { group: group.clone(), topic: topic.clone(), partition: *partition }, offset)
                })
            })
        })
    }
}

/// Of which group and partition an offset is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub group: Arc<str>,
    pub topic: Arc<str>,
    pub partition: i32,
}

type Producers = BTreeSet<i64>;
type TopicProducers = BTreeMap<Arc<str>, BTreeMap<i32, Producers>>;

#[derive(Debug, Default, PartialEq, Eq)]
#[allow(clippy::len_without_is_empty)]
pub struct Offsets {
    committed: Table,
    pending: BTreeMap<i64, Table>,
    /// Which producers have something pending: the other way to look at `pending`.
    open: BTreeMap<Arc<str>, TopicProducers>,
}

impl Offsets {
    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(group, topic, partition)
    }

    pub fn group(&self, group: &str) -> Option<&GroupOffsets> {
        self.committed.0.get(group)
    }

    pub fn is_pending(&self, group: &str, topic: &str, partition: i32) -> bool {
        self.producers(group, topic, partition).is_some()
    }

    pub fn has_pending(&self, group: &str) -> bool {
        self.open.contains_key(group)
    }

    /// All partitions for which the group has an offset, committed or pending.
    pub fn positions_of(&self, group: &str) -> BTreeSet<(Arc<str>, i32)> {
        let committed = self.committed.0.get(group).into_iter().flatten();
        let pending = self.open.get(group).into_iter().flatten();
        let committed = committed.flat_map(|(topic, of)| of.keys().map(|partition| (topic.clone(), *partition)));
        let pending = pending.flat_map(|(topic, of)| of.keys().map(|partition| (topic.clone(), *partition)));
        committed.chain(pending).collect()
    }

    /// Committed and pending offsets of a topic, in every group.
    pub fn of_topic(&self, topic: &str) -> Vec<(At, Uuid)> {
        let tables = std::iter::once(&self.committed).chain(self.pending.values());
        tables
            .flat_map(Table::positions)
            .filter(|(at, _)| &*at.topic == topic)
            .map(|(at, offset)| (at, offset.topic_id))
            .collect()
    }

    pub fn len(&self) -> usize {
        self.committed.0.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum()
    }

    fn producers(&self, group: &str, topic: &str, partition: i32) -> Option<&Producers> {
        self.open.get(group)?.get(topic)?.get(&partition)
    }

    pub fn put(&mut self, at: At, offset: CommittedOffset, undo: &mut Vec<Change>) {
        let before = self.committed.put(&at, offset);
        undo.push(Change::Offset { at, before });
    }

    pub fn put_pending(&mut self, producer_id: i64, at: At, offset: CommittedOffset, undo: &mut Vec<Change>) {
        let before = self.set_pending(producer_id, &at, Some(offset));
        undo.push(Change::Pending { producer_id, at, before });
    }

    /// A tombstone: the offset goes, and what is pending for the same partition with it.
    pub fn remove(&mut self, at: At, undo: &mut Vec<Change>) {
        let producers = self.producers(&at.group, &at.topic, at.partition).cloned().unwrap_or_default();
        for producer_id in producers {
            let before = self.set_pending(producer_id, &at, None);
            undo.push(Change::Pending { producer_id, at: at.clone(), before });
        }
        if let Some(before) = self.committed.remove(&at) {
            undo.push(Change::Offset { at, before: Some(before) });
        }
    }

    pub fn end_transaction(&mut self, producer_id: i64, commit: bool, undo: &mut Vec<Change>) {
        let Some(table) = self.pending.get(&producer_id) else { return };
        let pending: Vec<_> = table.positions().map(|(at, offset)| (at, offset.clone())).collect();
        for (at, offset) in pending {
            let before = self.set_pending(producer_id, &at, None);
            undo.push(Change::Pending { producer_id, at: at.clone(), before });
            let existing = self.get(&at.group, &at.topic, at.partition);
            if commit && existing.is_none_or(|existing| existing.order < offset.order) {
                self.put(at, offset, undo);
            }
        }
    }

    pub(super) fn restore(&mut self, at: &At, before: Option<CommittedOffset>) {
        self.committed.set(at, before);
    }

    pub(super) fn set_pending(
        &mut self,
        producer_id: i64,
        at: &At,
        offset: Option<CommittedOffset>,
    ) -> Option<CommittedOffset> {
        if offset.is_some() {
            let topics = self.open.entry(at.group.clone()).or_default();
            let partitions = topics.entry(at.topic.clone()).or_default();
            partitions.entry(at.partition).or_default().insert(producer_id);
        } else {
            self.close(producer_id, at);
        }
        let table = self.pending.entry(producer_id).or_default();
        let before = table.set(at, offset);
        if table.0.is_empty() {
            self.pending.remove(&producer_id);
        }
        before
    }

    fn close(&mut self, producer_id: i64, at: &At) {
        let Some(topics) = self.open.get_mut(&at.group) else { return };
        let Some(partitions) = topics.get_mut(&at.topic) else { return };
        let Some(producers) = partitions.get_mut(&at.partition) else { return };
        producers.remove(&producer_id);
        if producers.is_empty() {
            partitions.remove(&at.partition);
        }
        if partitions.is_empty() {
            topics.remove(&at.topic);
        }
        if topics.is_empty() {
            self.open.remove(&at.group);
        }
    }
}

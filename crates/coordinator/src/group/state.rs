//! What the records of a partition say, and how a record changes it.

use super::change::Change;
use super::classic::ClassicGroup;
use super::modern::{self, ModernGroup};
use super::offsets::{At, CommittedOffset, Offsets};
use super::{Group, GroupType};
use bytes::Bytes;
use ottla_base::TimestampMs;
use ottla_wire::WireError;
use ottla_wire::group_records::{GroupRecordKey, GroupRecordValue, OffsetCommitValue};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const NO_PRODUCER_ID: i64 = -1;

#[derive(Debug, Default)]
pub(super) struct State {
    pub groups: BTreeMap<Arc<str>, Group>,
    pub offsets: Offsets,
    /// Grows with every record.
    order: u64,
}

impl State {
    pub fn classic_mut(&mut self, id: &str) -> Option<&mut ClassicGroup> {
        match self.groups.get_mut(id)? {
            Group::Classic(group) => Some(group),
            Group::Modern(_) => None,
        }
    }

    pub fn set_group(&mut self, id: Arc<str>, group: Option<Group>, undo: &mut Vec<Change>) {
        let before = match group {
            Some(group) => self.groups.insert(id.clone(), group),
            None => self.groups.remove(&id),
        };
        undo.push(Change::Group { id, before });
    }

    /// An id that we don't know is skipped: a newer Kafka may have written it.
    pub fn replay(
        &mut self,
        key: &Bytes,
        value: Option<&Bytes>,
        producer_id: i64,
        now_ms: TimestampMs,
        undo: &mut Vec<Change>,
    ) -> Result<(), WireError> {
        let Some(record_key) = GroupRecordKey::from_key_bytes(key.clone())? else {
            tracing::warn!(key = ?key.get(..2), "skipped a record of a type that is not known");
            return Ok(());
        };
        let id = record_key.id();
        let record_value = match value {
            Some(value) => GroupRecordValue::from_value_bytes(id, value.clone())?,
            None => None,
        };
        self.order += 1;
        match (record_key, record_value) {
            (GroupRecordKey::OffsetCommit(key), value) => {
                let value = match value {
                    Some(GroupRecordValue::OffsetCommit(value)) => Some(value),
                    _ => None,
                };
                let at = self.at(&key.group, &key.topic, key.partition);
                self.replay_offset(at, value, producer_id, now_ms, undo);
            }
            (GroupRecordKey::LegacyOffsetCommit(key), value) => {
                let value = match value {
                    Some(GroupRecordValue::LegacyOffsetCommit(value)) => Some(OffsetCommitValue {
                        offset: value.offset,
                        metadata: value.metadata,
                        commit_timestamp: value.commit_timestamp,
                        ..Default::default()
                    }),
                    _ => None,
                };
                let at = self.at(&key.group, &key.topic, key.partition);
                self.replay_offset(at, value, producer_id, now_ms, undo);
            }
            (GroupRecordKey::GroupMetadata(key), value) => {
                let group = match value {
                    Some(GroupRecordValue::GroupMetadata(value)) => {
                        let group = ClassicGroup::from_record(self.group_id(&key.group), &value);
                        Some(Group::Classic(Box::new(group)))
                    }
                    _ => None,
                };
                let id = self.group_id(&key.group);
                self.set_group(id, group, undo);
            }
            (record_key, _) => self.replay_modern(&record_key, key, value, undo),
        }
        Ok(())
    }

    fn replay_offset(
        &mut self,
        at: At,
        value: Option<OffsetCommitValue>,
        producer_id: i64,
        now_ms: TimestampMs,
        undo: &mut Vec<Change>,
    ) {
        match value {
            None => self.offsets.remove(at, undo),
            Some(value) => {
                let offset = CommittedOffset::from_record(&value, self.order);
                self.put_offset(at, offset, producer_id, now_ms, undo);
            }
        }
    }

    /// What the replay of an offset's record does, without the record.
    pub fn commit_offset(
        &mut self,
        at: At,
        mut offset: CommittedOffset,
        producer_id: i64,
        now_ms: TimestampMs,
        undo: &mut Vec<Change>,
    ) {
        self.order += 1;
        offset.order = self.order;
        self.put_offset(at, offset, producer_id, now_ms, undo);
    }

    fn put_offset(
        &mut self,
        at: At,
        offset: CommittedOffset,
        producer_id: i64,
        now_ms: TimestampMs,
        undo: &mut Vec<Change>,
    ) {
        if !self.groups.contains_key(&at.group) {
            // Offsets without members: a simple group.
            let group = ClassicGroup::new(at.group.clone(), now_ms);
            self.set_group(at.group.clone(), Some(Group::Classic(Box::new(group))), undo);
        }
        if producer_id == NO_PRODUCER_ID {
            self.offsets.put(at, offset, undo);
        } else {
            self.offsets.put_pending(producer_id, at, offset, undo);
        }
    }

    fn replay_modern(
        &mut self,
        record_key: &GroupRecordKey,
        key: &Bytes,
        value: Option<&Bytes>,
        undo: &mut Vec<Change>,
    ) {
        let Some(group_type) = modern::type_of(record_key) else { return };
        let id = self.group_id(modern::group_of(record_key));
        let mut group = match self.groups.get(&id) {
            Some(Group::Modern(group)) if group.group_type == group_type => group.clone(),
            // An offset was replayed before the group's own records, or a group took another's place whose
            // tombstones compaction has not reached.
            _ if value.is_some() => Arc::new(ModernGroup::new(group_type)),
            _ => return,
        };
        Arc::make_mut(&mut group).set(key.clone(), value.cloned());
        let group = if group.is_gone() { None } else { Some(Group::Modern(group)) };
        self.set_group(id, group, undo);
    }

    /// Gives back the group that the change had put in place.
    pub fn undo(&mut self, change: Change) -> Option<(Arc<str>, Group)> {
        match change {
            Change::Offset { at, before } => self.offsets.restore(&at, before),
            Change::Pending { producer_id, at, before } => {
                self.offsets.set_pending(producer_id, &at, before);
            }
            Change::Group { id, before: Some(before) } => {
                return self.groups.insert(id.clone(), before).map(|group| (id, group));
            }
            Change::Group { id, before: None } => return self.groups.remove(&id).map(|group| (id, group)),
        }
        None
    }

    /// Names are stored once where that is easy.
    fn group_id(&self, id: &str) -> Arc<str> {
        match self.groups.get_key_value(id) {
            Some((known, _)) => known.clone(),
            None => Arc::from(id),
        }
    }

    pub fn at(&self, group: &str, topic: &str, partition: i32) -> At {
        let known = self.offsets.group(group).and_then(|topics| topics.get_key_value(topic));
        let topic = known.map_or_else(|| Arc::from(topic), |(known, _)| known.clone());
        At { group: self.group_id(group), topic, partition }
    }
}

impl Group {
    pub fn group_type(&self) -> GroupType {
        match self {
            Group::Classic(_) => GroupType::Classic,
            Group::Modern(group) => group.group_type,
        }
    }
}

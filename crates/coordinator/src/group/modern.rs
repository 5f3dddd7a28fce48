//! Groups whose members the coordinator assigns itself: consumer (KIP-848), share (KIP-932) and streams
//! (KIP-1071). Kept as their records say, one value per key.

use super::GroupType;
use crate::runtime::Record;
use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_wire::group_records::{GroupRecordKey, GroupRecordValue};
use std::cmp::Reverse;
use std::collections::BTreeMap;

const CONSUMER_METADATA: i16 = 3;
const CONSUMER_MEMBER: i16 = 5;
const CONSUMER_TARGET: i16 = 6;
const CONSUMER_CURRENT: i16 = 8;
const SHARE_MEMBER: i16 = 10;
const CONSUMER_REGEX: i16 = 16;
const STREAMS_MEMBER: i16 = 19;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModernGroup {
    pub group_type: GroupType,
    records: BTreeMap<Bytes, Bytes>,
}

/// Which type of group a record belongs to; `None` for offsets and classic groups.
pub(super) fn type_of(key: &GroupRecordKey) -> Option<GroupType> {
    match key.id() {
        3..=8 | 16 => Some(GroupType::Consumer),
        10..=15 => Some(GroupType::Share),
        17 | 19..=23 => Some(GroupType::Streams),
        _ => None,
    }
}

pub(super) fn group_of(key: &GroupRecordKey) -> &str {
    use GroupRecordKey::*;
    match key {
        ConsumerGroupCurrentMemberAssignment(key) => &key.group_id,
        ConsumerGroupMemberMetadata(key) => &key.group_id,
        ConsumerGroupMetadata(key) => &key.group_id,
        ConsumerGroupPartitionMetadata(key) => &key.group_id,
        ConsumerGroupRegularExpression(key) => &key.group_id,
        ConsumerGroupTargetAssignmentMember(key) => &key.group_id,
        ConsumerGroupTargetAssignmentMetadata(key) => &key.group_id,
        GroupMetadata(key) => &key.group,
        LegacyOffsetCommit(key) => &key.group,
        OffsetCommit(key) => &key.group,
        ShareGroupCurrentMemberAssignment(key) => &key.group_id,
        ShareGroupMemberMetadata(key) => &key.group_id,
        ShareGroupMetadata(key) => &key.group_id,
        ShareGroupStatePartitionMetadata(key) => &key.group_id,
        ShareGroupTargetAssignmentMember(key) => &key.group_id,
        ShareGroupTargetAssignmentMetadata(key) => &key.group_id,
        StreamsGroupCurrentMemberAssignment(key) => &key.group_id,
        StreamsGroupMemberMetadata(key) => &key.group_id,
        StreamsGroupMetadata(key) => &key.group_id,
        StreamsGroupTargetAssignmentMember(key) => &key.group_id,
        StreamsGroupTargetAssignmentMetadata(key) => &key.group_id,
        StreamsGroupTopology(key) => &key.group_id,
    }
}

impl ModernGroup {
    pub fn new(group_type: GroupType) -> ModernGroup {
        ModernGroup { group_type, records: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        match value {
            Some(value) => self.records.insert(key, value),
            None => self.records.remove(&key),
        };
    }

    /// A group without records is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.records.is_empty()
    }

    /// The group's own record comes last: Kafka refuses to delete a group that has members.
    pub(super) fn tombstones(&self) -> Vec<Record> {
        let id = |key: &Bytes| key.first_chunk().map_or(0, |id| i16::from_be_bytes(*id));
        let mut keys: Vec<&Bytes> = self.records.keys().collect();
        keys.sort_by_key(|key| (matches!(id(key), 3 | 11 | 17), Reverse(id(key))));
        keys.into_iter().map(|key| Record { key: key.clone(), value: None }).collect()
    }

    pub(super) fn all_records(&self) -> impl Iterator<Item = (GroupRecordKey, GroupRecordValue)> + '_ {
        self.records.iter().filter_map(|(key, value)| {
            let key = GroupRecordKey::from_key_bytes(key.clone()).ok()??;
            let value = GroupRecordValue::from_value_bytes(key.id(), value.clone()).ok()??;
            Some((key, value))
        })
    }

    fn decoded(&self, id: i16) -> impl Iterator<Item = (GroupRecordKey, GroupRecordValue)> + '_ {
        // A key begins with its id, so that keys of one kind stand together.
        let from = Bytes::copy_from_slice(&id.to_be_bytes());
        self.records.range(from..).take_while(move |(key, _)| key.starts_with(&id.to_be_bytes())).filter_map(
            move |(key, value)| {
                let key = GroupRecordKey::from_key_bytes(key.clone()).ok()??;
                let value = GroupRecordValue::from_value_bytes(id, value.clone()).ok()??;
                Some((key, value))
            },
        )
    }

    fn member_record(&self) -> i16 {
        match self.group_type {
            GroupType::Share => SHARE_MEMBER,
            GroupType::Streams => STREAMS_MEMBER,
            GroupType::Consumer | GroupType::Classic => CONSUMER_MEMBER,
        }
    }

    pub fn is_empty(&self) -> bool {
        let id = self.member_record();
        let from = Bytes::copy_from_slice(&id.to_be_bytes());
        self.records.range(from..).next().is_none_or(|(key, _)| !key.starts_with(&id.to_be_bytes()))
    }

    pub fn state(&self) -> &'static str {
        if self.is_empty() {
            return "Empty";
        }
        if self.group_type != GroupType::Consumer {
            return "Stable";
        }
        let epoch = self.decoded(CONSUMER_METADATA).find_map(|(_, value)| match value {
            GroupRecordValue::ConsumerGroupMetadata(value) => Some(value.epoch),
            _ => None,
        });
        let target = self.decoded(CONSUMER_TARGET).find_map(|(_, value)| match value {
            GroupRecordValue::ConsumerGroupTargetAssignmentMetadata(value) => Some(value.assignment_epoch),
            _ => None,
        });
        let (epoch, target) = (epoch.unwrap_or(0), target.unwrap_or(0));
        if epoch > target {
            return "Assigning";
        }
        let mut members = self.decoded(CONSUMER_CURRENT);
        let reconciling = members.any(|(_, value)| match value {
            GroupRecordValue::ConsumerGroupCurrentMemberAssignment(value) => {
                value.state != 0 || value.member_epoch != target
            }
            _ => false,
        });
        if reconciling { "Reconciling" } else { "Stable" }
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        let by_name = self.decoded(CONSUMER_MEMBER).any(|(_, value)| match value {
            GroupRecordValue::ConsumerGroupMemberMetadata(value) => {
                value.subscribed_topic_names.iter().any(|name| name == topic)
            }
            _ => false,
        });
        by_name
            || self.decoded(CONSUMER_REGEX).any(|(_, value)| match value {
                GroupRecordValue::ConsumerGroupRegularExpression(value) => {
                    value.topics.iter().any(|name| name == topic)
                }
                _ => false,
            })
    }

    fn member_epoch(&self, member_id: &str) -> Option<i32> {
        self.decoded(CONSUMER_CURRENT).find_map(|(key, value)| match (key, value) {
            (
                GroupRecordKey::ConsumerGroupCurrentMemberAssignment(key),
                GroupRecordValue::ConsumerGroupCurrentMemberAssignment(value),
            ) if key.member_id == member_id => Some(value.member_epoch),
            _ => None,
        })
    }

    pub(super) fn validate_commit(&self, member_id: &str, epoch: i32, version: i16) -> Result<(), ErrorCode> {
        if epoch < 0 && self.is_empty() {
            return Ok(());
        }
        let member_epoch = self.member_epoch(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if version < 9 {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if epoch == member_epoch { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }

    pub(super) fn validate_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        let Some(member_id) = member_id else {
            return if epoch < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        match self.member_epoch(member_id) {
            None => Err(ErrorCode::UnknownMemberId),
            Some(member_epoch) if member_epoch != epoch => Err(ErrorCode::StaleMemberEpoch),
            Some(_) => Ok(()),
        }
    }
}

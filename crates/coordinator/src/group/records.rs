//! The records of classic groups and offsets, as Kafka 4.3 writes them.

use super::classic::ClassicGroup;
use super::offsets::CommittedOffset;
use crate::runtime::Record;
use bytes::Bytes;
use ottla_wire::WireError;
use ottla_wire::group_records::group_metadata_value::MemberMetadata;
use ottla_wire::group_records::{
    GroupMetadataKey, GroupMetadataValue, GroupRecordKey, GroupRecordValue, OffsetCommitKey, OffsetCommitValue,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const GROUP_METADATA_VERSION: i16 = 3;
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The only version with an expiration of its own.
const OFFSET_COMMIT_EXPIRING_VERSION: i16 = 1;

pub(super) fn record(key: GroupRecordKey, value: GroupRecordValue, version: i16) -> Result<Record, WireError> {
    Ok(Record { key: key.to_key_bytes()?, value: Some(value.to_value_bytes(version)?) })
}

pub(super) fn tombstone(key: &GroupRecordKey) -> Result<Record, WireError> {
    Ok(Record { key: key.to_key_bytes()?, value: None })
}

pub(super) fn group_key(group: &str) -> GroupRecordKey {
    GroupRecordKey::GroupMetadata(GroupMetadataKey { group: group.to_owned(), ..Default::default() })
}

pub(super) fn offset_key(group: &str, topic: &str, partition: i32) -> GroupRecordKey {
    GroupRecordKey::OffsetCommit(OffsetCommitKey {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
        ..Default::default()
    })
}

pub(super) fn offset_value(offset: &CommittedOffset) -> (OffsetCommitValue, i16) {
    let expiring = offset.expire_timestamp_ms != -1;
    let value = OffsetCommitValue {
        offset: offset.offset,
        leader_epoch: if expiring { -1 } else { offset.leader_epoch },
        metadata: offset.metadata.to_string(),
        commit_timestamp: offset.commit_timestamp_ms,
        expire_timestamp: offset.expire_timestamp_ms,
        topic_id: if expiring { ottla_base::Uuid::ZERO } else { offset.topic_id },
        ..Default::default()
    };
    (value, if expiring { OFFSET_COMMIT_EXPIRING_VERSION } else { OFFSET_COMMIT_VERSION })
}

/// A group of which nothing is known yet but that it exists.
pub(super) fn new_group(group: &ClassicGroup) -> Result<Record, WireError> {
    let value = GroupMetadataValue {
        protocol: None,
        leader: None,
        current_state_timestamp: group.state_timestamp_ms.unwrap_or(-1),
        ..Default::default()
    };
    record(group_key(&group.id), GroupRecordValue::GroupMetadata(value), GROUP_METADATA_VERSION)
}

/// The group with these assignments, which are not its members' yet.
pub(super) fn classic_group(
    group: &ClassicGroup,
    assignments: &BTreeMap<Arc<str>, Bytes>,
) -> Result<Record, WireError> {
    let members = group.members.values().map(|member| MemberMetadata {
        member_id: member.id.to_string(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: group.protocol_name.as_deref().map(|name| member.metadata(name)).unwrap_or_default(),
        assignment: assignments.get(&member.id).cloned().unwrap_or_default(),
        ..Default::default()
    });
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        generation: group.generation,
        protocol: group.protocol_name.clone(),
        leader: group.leader.as_ref().map(|leader| leader.to_string()),
        current_state_timestamp: group.state_timestamp_ms.unwrap_or(-1),
        members: members.collect(),
        ..Default::default()
    };
    record(group_key(&group.id), GroupRecordValue::GroupMetadata(value), GROUP_METADATA_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::records::batches;

    /// What is loaded from Kafka's log and written again is the same, to the byte.
    #[test]
    fn records_are_kafkas() -> Result<(), Box<dyn std::error::Error>> {
        let log = Bytes::from_static(include_bytes!("../../tests/data/consumer-offsets-4.3.1.log"));
        let mut compared = 0;
        for batch in batches(log) {
            for found in batch?.records()? {
                let found = found?;
                let (Some(key), Some(value)) = (found.key, found.value) else { continue };
                let Some(record_key) = GroupRecordKey::from_key_bytes(key.clone())? else { continue };
                let record_value = GroupRecordValue::from_value_bytes(record_key.id(), value.clone())?;
                let written = match (&record_key, record_value) {
                    (GroupRecordKey::GroupMetadata(key), Some(GroupRecordValue::GroupMetadata(value))) => {
                        let group = ClassicGroup::from_record(key.group.as_str().into(), &value);
                        match group.generation {
                            0 => new_group(&group)?,
                            _ => classic_group(&group, &group.assignments())?,
                        }
                    }
                    (GroupRecordKey::OffsetCommit(key), Some(GroupRecordValue::OffsetCommit(value))) => {
                        let (value, version) = offset_value(&CommittedOffset::from_record(&value, 0));
                        let key = offset_key(&key.group, &key.topic, key.partition);
                        record(key, GroupRecordValue::OffsetCommit(value), version)?
                    }
                    _ => continue,
                };
                assert_eq!(written, Record { key, value: Some(value) });
                compared += 1;
            }
        }
        assert_eq!(compared, 7);
        Ok(())
    }
}

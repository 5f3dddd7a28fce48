//! ConsumerGroupDescribe: what is stored of a consumer group (KIP-848).

use super::modern::ModernGroup;
use super::shard::GroupShard;
use super::{Group, GroupType};
use ottla_base::{ErrorCode, Uuid};
use ottla_wire::group_records::consumer_group_current_member_assignment_value::TopicPartitions as Owned;
use ottla_wire::group_records::{ConsumerGroupMemberMetadataValue, GroupRecordKey, GroupRecordValue};
use ottla_wire::messages::consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
use std::collections::BTreeMap;

/// What a group uses whose members have no preference: the first of `group.consumer.assignors`.
const DEFAULT_ASSIGNOR: &str = "uniform";
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

impl GroupShard {
    /// Topics have their ids only.
    pub(super) fn describe_consumer_group(&self, id: &str) -> DescribedGroup {
        let (error, message) = match self.committed_group(id) {
            Some(Group::Modern(group)) if group.group_type == GroupType::Consumer => return describe(id, group),
            _ if id.is_empty() => (ErrorCode::InvalidGroupId, None),
            Some(_) => (ErrorCode::GroupIdNotFound, Some(format!("Group {id} is not a consumer group."))),
            None => (ErrorCode::GroupIdNotFound, Some(format!("Group {id} not found."))),
        };
        DescribedGroup {
            group_id: id.to_owned(),
            error_code: error.code(),
            error_message: message,
            ..Default::default()
        }
    }
}

fn describe(id: &str, group: &ModernGroup) -> DescribedGroup {
    let mut described = DescribedGroup {
        group_id: id.to_owned(),
        group_state: group.state().to_owned(),
        assignor_name: DEFAULT_ASSIGNOR.to_owned(),
        ..Default::default()
    };
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for (key, value) in group.all_records() {
        match (key, value) {
            (_, GroupRecordValue::ConsumerGroupMetadata(value)) => described.group_epoch = value.epoch,
            (_, GroupRecordValue::ConsumerGroupTargetAssignmentMetadata(value)) => {
                described.assignment_epoch = value.assignment_epoch;
            }
            (
                GroupRecordKey::ConsumerGroupMemberMetadata(key),
                GroupRecordValue::ConsumerGroupMemberMetadata(value),
            ) => {
                if let Some(assignor) = &value.server_assignor {
                    *votes.entry(assignor.clone()).or_default() += 1;
                }
                members.insert(key.member_id.clone(), member(key.member_id, value));
            }
            _ => {}
        }
    }
    for (key, value) in group.all_records() {
        match (key, value) {
            (
                GroupRecordKey::ConsumerGroupCurrentMemberAssignment(key),
                GroupRecordValue::ConsumerGroupCurrentMemberAssignment(value),
            ) => {
                let Some(member) = members.get_mut(&key.member_id) else { continue };
                member.member_epoch = value.member_epoch;
                // It reads the ones that it is to give up until it has done so.
                let owned = value.assigned_partitions.iter().chain(&value.partitions_pending_revocation);
                member.assignment = assignment(owned.map(|topic: &Owned| (topic.topic_id, &topic.partitions)));
            }
            (
                GroupRecordKey::ConsumerGroupTargetAssignmentMember(key),
                GroupRecordValue::ConsumerGroupTargetAssignmentMember(value),
            ) => {
                let Some(member) = members.get_mut(&key.member_id) else { continue };
                let target = value.topic_partitions.iter().map(|topic| (topic.topic_id, &topic.partitions));
                member.target_assignment = assignment(target);
            }
            _ => {}
        }
    }
    if let Some((assignor, _)) = votes.into_iter().max_by_key(|(_, count)| *count) {
        described.assignor_name = assignor;
    }
    described.members = members.into_values().collect();
    described
}

fn member(member_id: String, value: ConsumerGroupMemberMetadataValue) -> Member {
    Member {
        member_id,
        instance_id: value.instance_id,
        rack_id: value.rack_id,
        client_id: value.client_id,
        client_host: value.client_host,
        subscribed_topic_names: value.subscribed_topic_names,
        subscribed_topic_regex: value.subscribed_topic_regex,
        member_type: if value.classic_member_metadata.is_some() { CLASSIC_MEMBER } else { CONSUMER_MEMBER },
        ..Default::default()
    }
}

fn assignment<'a>(topics: impl Iterator<Item = (Uuid, &'a Vec<i32>)>) -> Assignment {
    let mut by_topic: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic_id, partitions) in topics {
        by_topic.entry(topic_id).or_default().extend(partitions);
    }
    let topic_partitions = by_topic
        .into_iter()
        .map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions, ..Default::default() })
        .collect();
    Assignment { topic_partitions, ..Default::default() }
}

//! OffsetFetch: what is committed, or (for readers of committed data) what is stable.

use super::change::Change;
use super::offsets::{CommittedOffset, GroupOffsets};
use super::request::{RequestContext, Response};
use super::shard::GroupShard;
use super::{Group, GroupType};
use crate::runtime::Token;
use ottla_base::{ErrorCode, Uuid};
use ottla_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use ottla_wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The first version with several groups.
const BATCH_VERSION: i16 = 8;
/// The first version with an error for the group and with all topics at once.
const GROUP_ERROR_VERSION: i16 = 2;
const INVALID_OFFSET: i64 = -1;

/// The groups that a request asks for, in any version. Versions below 10 have no topic ids.
pub fn offset_fetch_groups(request: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= BATCH_VERSION {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        topics
            .into_iter()
            .map(|topic| OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..Default::default()
            })
            .collect()
    });
    vec![OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }]
}

/// The response in the form of its version.
pub fn offset_fetch_response(groups: Vec<OffsetFetchResponseGroup>, version: i16) -> OffsetFetchResponse {
    if version >= BATCH_VERSION {
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let Some(group) = groups.into_iter().next() else { return OffsetFetchResponse::default() };
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
        ..Default::default()
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    };
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        error_code: group.error_code,
        ..Default::default()
    }
}

/// Where there is no place for a group's error, its partitions carry it.
pub(super) fn group_error(group: &OffsetFetchRequestGroup, version: i16, error: ErrorCode) -> OffsetFetchResponseGroup {
    let mut response = OffsetFetchResponseGroup { group_id: group.group_id.clone(), ..Default::default() };
    if version >= GROUP_ERROR_VERSION {
        response.error_code = error.code();
        return response;
    }
    for topic in group.topics.iter().flatten() {
        let partitions = topic.partition_indexes.iter().map(|index| no_offset(*index, error)).collect();
        response.topics.push(OffsetFetchResponseTopics { name: topic.name.clone(), partitions, ..Default::default() });
    }
    response
}

fn no_offset(partition_index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: INVALID_OFFSET,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code: error.code(),
        ..Default::default()
    }
}

fn some_offset(partition_index: i32, offset: &CommittedOffset) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: offset.offset,
        committed_leader_epoch: offset.leader_epoch,
        metadata: Some(offset.metadata.to_string()),
        ..Default::default()
    }
}

impl GroupShard {
    pub(super) fn offset_fetch(
        &mut self,
        group: &OffsetFetchRequestGroup,
        require_stable: bool,
        context: &RequestContext,
        token: Token,
    ) {
        match self.fetch_group(group, require_stable) {
            // It has seen what may still be taken back.
            Ok(response) if require_stable => self.reply_when_committed(token, Response::OffsetFetch(response)),
            Ok(response) => self.core.reply(token, Response::OffsetFetch(response)),
            Err(error) => {
                let response = group_error(group, context.api_version, error);
                self.core.reply(token, Response::OffsetFetch(response));
            }
        }
    }

    fn fetch_group(
        &self,
        request: &OffsetFetchRequestGroup,
        require_stable: bool,
    ) -> Result<OffsetFetchResponseGroup, ErrorCode> {
        let id = request.group_id.as_str();
        let group = if require_stable { self.state.groups.get(id) } else { self.committed_group(id) };
        if let Some(Group::Modern(group)) = group
            && group.group_type != GroupType::Share
        {
            group.validate_fetch(request.member_id.as_deref(), request.member_epoch)?;
        }
        let offsets = match group {
            None => None,
            Some(_) if require_stable => self.state.offsets.group(id).map(Cow::Borrowed),
            Some(_) => self.committed_offsets(id),
        };
        let topics = match &request.topics {
            Some(topics) => {
                topics.iter().map(|topic| self.fetch_topic(id, topic, offsets.as_deref(), require_stable)).collect()
            }
            None => self.fetch_all_topics(id, offsets.as_deref(), require_stable),
        };
        Ok(OffsetFetchResponseGroup { group_id: request.group_id.clone(), topics, ..Default::default() })
    }

    fn fetch_topic(
        &self,
        group: &str,
        topic: &OffsetFetchRequestTopics,
        offsets: Option<&GroupOffsets>,
        require_stable: bool,
    ) -> OffsetFetchResponseTopics {
        let partitions = offsets.and_then(|offsets| offsets.get(topic.name.as_str()));
        let fetch = |index: &i32| {
            if require_stable && self.state.offsets.is_pending(group, &topic.name, *index) {
                return no_offset(*index, ErrorCode::UnstableOffsetCommit);
            }
            // An offset of a topic of that name that was deleted is none of this topic's.
            match partitions.and_then(|partitions| partitions.get(index)) {
                Some(offset) if may_be_the_same(offset.topic_id, topic.topic_id) => some_offset(*index, offset),
                _ => no_offset(*index, ErrorCode::None),
            }
        };
        OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_indexes.iter().map(fetch).collect(),
            ..Default::default()
        }
    }

    fn fetch_all_topics(
        &self,
        group: &str,
        offsets: Option<&GroupOffsets>,
        require_stable: bool,
    ) -> Vec<OffsetFetchResponseTopics> {
        let topics = offsets.into_iter().flatten();
        topics
            .map(|(topic, partitions)| {
                let fetch = |(index, offset): (&i32, &CommittedOffset)| {
                    if require_stable && self.state.offsets.is_pending(group, topic, *index) {
                        no_offset(*index, ErrorCode::UnstableOffsetCommit)
                    } else {
                        some_offset(*index, offset)
                    }
                };
                OffsetFetchResponseTopics {
                    name: topic.to_string(),
                    partitions: partitions.iter().map(fetch).collect(),
                    ..Default::default()
                }
            })
            .collect()
    }

    /// Newest first.
    fn uncommitted_changes(&self) -> impl Iterator<Item = &Change> {
        let writes = self.writes.iter().map(|write| &write.changes);
        writes.chain(std::iter::once(&self.core.open.changes)).rev().flat_map(|changes| changes.iter().rev())
    }

    /// The group as of the high watermark.
    pub(super) fn committed_group(&self, id: &str) -> Option<&Group> {
        let mut group = self.state.groups.get(id);
        for change in self.uncommitted_changes() {
            if let Change::Group { id: changed, before } = change
                && **changed == *id
            {
                group = before.as_ref();
            }
        }
        group
    }

    /// Groups that have changed since.
    pub(super) fn changed_groups(&self) -> BTreeSet<&Arc<str>> {
        let mut groups = BTreeSet::new();
        for change in self.uncommitted_changes() {
            if let Change::Group { id, .. } = change {
                groups.insert(id);
            }
        }
        groups
    }

    fn committed_offsets(&self, group: &str) -> Option<Cow<'_, GroupOffsets>> {
        let mut offsets = self.state.offsets.group(group).map(Cow::Borrowed);
        for change in self.uncommitted_changes() {
            let Change::Offset { at, before } = change else { continue };
            if *at.group != *group {
                continue;
            }
            let offsets = offsets.get_or_insert_with(|| Cow::Owned(GroupOffsets::new())).to_mut();
            let partitions = offsets.entry(at.topic.clone()).or_default();
            match before {
                Some(before) => partitions.insert(at.partition, before.clone()),
                None => partitions.remove(&at.partition),
            };
            if partitions.is_empty() {
                offsets.remove(&at.topic);
            }
        }
        offsets
    }
}

/// Zero stands for "not known".
fn may_be_the_same(a: Uuid, b: Uuid) -> bool {
    a.is_zero() || b.is_zero() || a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestTopic;

    fn old_request(topics: Option<Vec<OffsetFetchRequestTopic>>) -> OffsetFetchRequest {
        OffsetFetchRequest { group_id: "g".to_owned(), topics, ..Default::default() }
    }

    #[test]
    fn an_old_request_is_about_one_group() {
        let topic = OffsetFetchRequestTopic { name: "t".to_owned(), partition_indexes: vec![3], ..Default::default() };
        let groups = offset_fetch_groups(old_request(Some(vec![topic])), 7);
        let [group] = groups.as_slice() else { panic!("one group: {groups:?}") };
        let topics = group.topics.as_ref().unwrap();
        assert_eq!((group.group_id.as_str(), topics[0].name.as_str()), ("g", "t"));
        assert_eq!((&topics[0].partition_indexes, group.member_id.as_ref(), group.member_epoch), (&vec![3], None, -1));
        assert_eq!(offset_fetch_groups(old_request(None), 7)[0].topics, None);
    }

    #[test]
    fn an_old_response_has_its_error_at_the_top_or_in_every_partition() {
        let topics = OffsetFetchRequestTopics { partition_indexes: vec![3], ..Default::default() };
        let request = OffsetFetchRequestGroup { topics: Some(vec![topics]), ..Default::default() };
        let answer = |version| {
            let group = group_error(&request, version, ErrorCode::NotCoordinator);
            offset_fetch_response(vec![group], version)
        };
        let code = ErrorCode::NotCoordinator.code();
        assert_eq!(answer(8).groups[0].error_code, code);
        assert_eq!((answer(7).error_code, answer(7).topics.len(), answer(7).groups.len()), (code, 0, 0));
        assert_eq!((answer(1).error_code, answer(1).topics[0].partitions[0].error_code), (0, code));
    }
}

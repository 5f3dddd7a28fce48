//! OffsetDelete.

use super::Group;
use super::classic::ClassicState;
use super::records;
use super::request::Response;
use super::shard::GroupShard;
use crate::runtime::{Record, Token};
use ottla_base::ErrorCode;
use ottla_wire::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use ottla_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

impl GroupShard {
    pub(super) fn offset_delete(&mut self, request: &OffsetDeleteRequest, token: Token) {
        match self.delete_offsets(request) {
            Ok((response, tombstones)) => {
                self.emit(tombstones);
                self.reply_when_committed(token, Response::OffsetDelete(response));
            }
            Err(error) => {
                let response = OffsetDeleteResponse { error_code: error.code(), ..Default::default() };
                self.core.reply(token, Response::OffsetDelete(response));
            }
        }
    }

    fn delete_offsets(&self, request: &OffsetDeleteRequest) -> Result<(OffsetDeleteResponse, Vec<Record>), ErrorCode> {
        let id = request.group_id.as_str();
        if id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.state.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        if let Group::Classic(group) = group
            && group.state != ClassicState::Empty
            && !group.is_consumer_protocol()
        {
            // Only of consumers can be told what they are subscribed to.
            return Err(ErrorCode::NonEmptyGroup);
        }
        let mut tombstones = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let subscribed = group.is_subscribed_to(&topic.name);
            let error = if subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let index = partition.partition_index;
                let offsets = &self.state.offsets;
                let exists =
                    offsets.get(id, &topic.name, index).is_some() || offsets.is_pending(id, &topic.name, index);
                if exists && !subscribed {
                    let tombstone = records::tombstone(&records::offset_key(id, &topic.name, index));
                    tombstones.push(tombstone.map_err(|_| ErrorCode::UnknownServerError)?);
                }
                partitions.push(OffsetDeleteResponsePartition {
                    partition_index: index,
                    error_code: error.code(),
                    ..Default::default()
                });
            }
            topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions, ..Default::default() });
        }
        Ok((OffsetDeleteResponse { topics, ..Default::default() }, tombstones))
    }
}

impl Group {
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Group::Classic(group) => group.is_subscribed_to(topic),
            Group::Modern(group) => group.is_subscribed_to(topic),
        }
    }
}

//! OffsetCommit and TxnOffsetCommit.

use super::Group;
use super::classic::{ClassicGroup, ClassicState};
use super::offsets::CommittedOffset;
use super::records;
use super::request::{Request, RequestContext, Response};
use super::shard::GroupShard;
use super::state::NO_PRODUCER_ID;
use crate::runtime::{AppendKind, Record, Token};
use ottla_base::{ErrorCode, Uuid};
use ottla_wire::group_records::GroupRecordValue;
use ottla_wire::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_wire::messages::{
    OffsetCommitRequest, OffsetCommitResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

/// From this version of OffsetCommit on, a group that is not there has an error of its own.
const GROUP_NOT_FOUND_VERSION: i16 = 9;

/// Who commits.
struct Committer<'a> {
    group_id: &'a str,
    member_id: &'a str,
    instance_id: Option<&'a str>,
    generation: i32,
    transactional: bool,
    api_version: i16,
}

/// One partition's offset, ready to be stored.
struct NewOffset<'a> {
    topic: &'a str,
    partition: i32,
    offset: CommittedOffset,
    record: Record,
}

impl GroupShard {
    pub(super) fn offset_commit(&mut self, request: OffsetCommitRequest, context: &RequestContext, token: Token) {
        let committer = Committer {
            group_id: &request.group_id,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id_or_member_epoch,
            transactional: false,
            api_version: context.api_version,
        };
        match self.validate_commit(&committer).and_then(|()| self.commit(&request)) {
            Ok(response) => self.reply_when_committed(token, Response::OffsetCommit(response)),
            Err(error) => {
                let response = Request::OffsetCommit(request).error_response(context, error);
                self.core.reply(token, response);
            }
        }
    }

    fn commit(&mut self, request: &OffsetCommitRequest) -> Result<OffsetCommitResponse, ErrorCode> {
        let now_ms = self.core.now.wall_ms;
        let expire_timestamp_ms = match request.retention_time_ms {
            -1 => -1,
            retention_ms => now_ms.saturating_add(retention_ms),
        };
        let mut new = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
                let mut answer =
                    OffsetCommitResponsePartition { partition_index: partition.partition_index, ..Default::default() };
                if self.is_too_large(metadata) {
                    answer.error_code = ErrorCode::OffsetMetadataTooLarge.code();
                } else {
                    let offset = CommittedOffset {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch.max(-1),
                        metadata: metadata.into(),
                        commit_timestamp_ms: now_ms,
                        expire_timestamp_ms,
                        topic_id: topic.topic_id,
                        order: 0,
                    };
                    new.push(new_offset(&request.group_id, &topic.name, partition.partition_index, offset)?);
                }
                partitions.push(answer);
            }
            topics.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions,
                ..Default::default()
            });
        }
        self.store_offsets(&request.group_id, new, NO_PRODUCER_ID);
        Ok(OffsetCommitResponse { topics, ..Default::default() })
    }

    pub(super) fn txn_offset_commit(
        &mut self,
        request: TxnOffsetCommitRequest,
        context: &RequestContext,
        token: Token,
    ) {
        let committer = Committer {
            group_id: &request.group_id,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id,
            transactional: true,
            api_version: context.api_version,
        };
        let result = if request.group_id.is_empty() {
            Err(ErrorCode::InvalidGroupId)
        } else {
            self.validate_commit(&committer).and_then(|()| self.commit_in_transaction(&request))
        };
        match result {
            Ok(response) => self.reply_when_committed(token, Response::TxnOffsetCommit(response)),
            Err(error) => {
                let response = Request::TxnOffsetCommit(request).error_response(context, error);
                self.core.reply(token, response);
            }
        }
    }

    fn commit_in_transaction(
        &mut self,
        request: &TxnOffsetCommitRequest,
    ) -> Result<TxnOffsetCommitResponse, ErrorCode> {
        let mut new = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
                let mut answer = TxnOffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    ..Default::default()
                };
                if self.is_too_large(metadata) {
                    answer.error_code = ErrorCode::OffsetMetadataTooLarge.code();
                } else {
                    let offset = CommittedOffset {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch.max(-1),
                        metadata: metadata.into(),
                        commit_timestamp_ms: self.core.now.wall_ms,
                        expire_timestamp_ms: -1,
                        // Kafka does not store it in a transaction.
                        topic_id: Uuid::ZERO,
                        order: 0,
                    };
                    new.push(new_offset(&request.group_id, &topic.name, partition.partition_index, offset)?);
                }
                partitions.push(answer);
            }
            topics.push(TxnOffsetCommitResponseTopic { name: topic.name.clone(), partitions, ..Default::default() });
        }
        if !new.is_empty() {
            self.core.open.kind = AppendKind::Transactional {
                transactional_id: request.transactional_id.clone(),
                producer_id: request.producer_id,
                producer_epoch: request.producer_epoch,
            };
            self.store_offsets(&request.group_id, new, request.producer_id);
        }
        Ok(TxnOffsetCommitResponse { topics, ..Default::default() })
    }

    fn store_offsets(&mut self, group_id: &str, new: Vec<NewOffset>, producer_id: i64) {
        for new in new {
            let at = self.state.at(group_id, new.topic, new.partition);
            let now_ms = self.core.now.wall_ms;
            self.state.commit_offset(at, new.offset, producer_id, now_ms, &mut self.core.open.changes);
            self.core.open.push(new.record);
        }
    }

    fn is_too_large(&self, metadata: &str) -> bool {
        let max = self.core.config.offset_metadata_max_bytes;
        metadata.len() > max && metadata.encode_utf16().count() > max
    }

    fn validate_commit(&mut self, committer: &Committer) -> Result<(), ErrorCode> {
        let core = &mut self.core;
        match self.state.groups.get(committer.group_id) {
            // An administrator, or a consumer that assigns itself: a simple group is made.
            None if committer.generation < 0 => Ok(()),
            None if !committer.transactional && committer.api_version >= GROUP_NOT_FOUND_VERSION => {
                Err(ErrorCode::GroupIdNotFound)
            }
            None => Err(ErrorCode::IllegalGeneration),
            Some(Group::Classic(group)) => {
                validate_classic(group, committer)?;
                // A commit keeps the session alive, like a heartbeat.
                if !committer.transactional
                    && matches!(group.state, ClassicState::Stable | ClassicState::PreparingRebalance)
                {
                    group.restart_session(core, committer.member_id);
                }
                Ok(())
            }
            Some(Group::Modern(group)) => {
                let anonymous =
                    committer.member_id.is_empty() && committer.generation == -1 && committer.instance_id.is_none();
                if committer.transactional && anonymous {
                    return Ok(());
                }
                // The version only matters outside transactions.
                let version = if committer.transactional { i16::MAX } else { committer.api_version };
                let result = group.validate_commit(committer.member_id, committer.generation, version);
                result.map_err(|error| match error {
                    ErrorCode::StaleMemberEpoch if committer.transactional => ErrorCode::IllegalGeneration,
                    error => error,
                })
            }
        }
    }
}

fn validate_classic(group: &ClassicGroup, committer: &Committer) -> Result<(), ErrorCode> {
    let empty = group.state == ClassicState::Empty;
    if committer.generation < 0 && empty {
        return Ok(());
    }
    if committer.generation >= 0 || !committer.member_id.is_empty() || committer.instance_id.is_some() {
        group.validate_member(committer.member_id, committer.instance_id)?;
        if committer.generation != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
    } else if !committer.transactional && !empty {
        return Err(ErrorCode::UnknownMemberId);
    }
    if !committer.transactional && group.state == ClassicState::CompletingRebalance {
        // It is of this generation, but its assignment is not decided yet.
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

fn new_offset<'a>(
    group_id: &str,
    topic: &'a str,
    partition: i32,
    offset: CommittedOffset,
) -> Result<NewOffset<'a>, ErrorCode> {
    let (value, version) = records::offset_value(&offset);
    let key = records::offset_key(group_id, topic, partition);
    let record = records::record(key, GroupRecordValue::OffsetCommit(value), version);
    let record = record.map_err(|error| {
        tracing::error!(%error, topic, partition, "an offset cannot be written");
        ErrorCode::UnknownServerError
    })?;
    Ok(NewOffset { topic, partition, offset, record })
}

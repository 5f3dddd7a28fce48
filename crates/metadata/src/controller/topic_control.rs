//! DeleteTopics and AssignReplicasToDirs.

use super::error::{ApiError, ApiResult};
use super::{Controller, Outcome, RequestContext};
use crate::features::MetadataVersion;
use crate::image::VersionedRecord;
use ottla_base::{ErrorCode, Uuid};
use ottla_wire::messages::delete_topics_response::DeletableTopicResult;
use ottla_wire::messages::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    assign_replicas_to_dirs_response as dirs,
};
use ottla_wire::metadata_records::RemoveTopicRecord;
use std::collections::{BTreeMap, BTreeSet};

/// The topics that a DeleteTopics request names once, and the answers for those that it doesn't name well.
#[derive(Default)]
struct Named {
    names: BTreeMap<String, u32>,
    ids: BTreeMap<Uuid, u32>,
    answers: Vec<DeletableTopicResult>,
}

impl Controller {
    pub fn delete_topics(
        &self,
        context: &RequestContext,
        request: &DeleteTopicsRequest,
    ) -> Outcome<DeleteTopicsResponse> {
        let outcome = if self.config.boolean("delete.topic.enable") {
            self.try_delete_topics(request)
        } else if context.api_version < 3 {
            let message = "This version does not support topic deletion.";
            Err(ApiError::new(ErrorCode::InvalidRequest, message))
        } else {
            Err(ApiError::bare(ErrorCode::TopicDeletionDisabled))
        };
        outcome.and_then(|outcome| self.bounded(outcome)).unwrap_or_else(|error| {
            let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO));
            let topics = by_name.chain(request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id)));
            // Kafka leaves the text out here.
            let responses = topics.map(|(name, id)| answer(name, id, error.code, None)).collect();
            Outcome::answer(DeleteTopicsResponse { responses, ..Default::default() })
        })
    }

    fn try_delete_topics(&self, request: &DeleteTopicsRequest) -> ApiResult<Outcome<DeleteTopicsResponse>> {
        let Named { names, ids, mut answers } = named(request);
        let mut doomed: BTreeMap<Uuid, String> = BTreeMap::new();
        for (id, times) in ids {
            match self.working.image.topics.name_of(id) {
                _ if times > 1 => answers.push(refused(None, id, "Duplicate topic id.")),
                Some(name) => drop(doomed.insert(id, name.to_string())),
                None => {
                    let message = "This server does not host this topic ID.";
                    answers.push(answer(None, id, ErrorCode::UnknownTopicId, Some(message)));
                }
            }
        }
        let mut twice = BTreeSet::new();
        for (name, times) in names {
            match self.working.image.topics.id_of(&name) {
                _ if times > 1 => answers.push(refused(Some(name), Uuid::ZERO, "Duplicate topic name.")),
                Some(id) if doomed.contains_key(&id) => {
                    let message = "The provided topic name maps to an ID that was already supplied.";
                    answers.push(refused(Some(name), id, message));
                    twice.insert(id);
                }
                Some(id) => drop(doomed.insert(id, name)),
                None => {
                    let message = "This server does not host this topic-partition.";
                    let code = ErrorCode::UnknownTopicOrPartition;
                    answers.push(answer(Some(name), Uuid::ZERO, code, Some(message)));
                }
            }
        }
        let mut records: Vec<VersionedRecord> = Vec::new();
        for (topic_id, name) in doomed.into_iter().filter(|(id, _)| !twice.contains(id)) {
            records.push((RemoveTopicRecord { topic_id, ..Default::default() }.into(), 0));
            answers.push(answer(Some(name), topic_id, ErrorCode::None, None));
        }
        Ok(Outcome::atomic(records, DeleteTopicsResponse { responses: answers, ..Default::default() }))
    }

    /// Where a broker has put its replicas (KIP-858).
    pub fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> Outcome<AssignReplicasToDirsResponse> {
        self.try_assign_replicas(request).unwrap_or_else(|error| {
            let error_code = error.code as i16;
            Outcome::answer(AssignReplicasToDirsResponse { error_code, ..Default::default() })
        })
    }

    fn try_assign_replicas(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> ApiResult<Outcome<AssignReplicasToDirsResponse>> {
        if self.version() < MetadataVersion::DIRECTORY_ASSIGNMENT {
            let message = "Directory assignment is not supported yet.";
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
        }
        let broker = self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let mut records = Vec::new();
        let mut offline = Vec::new();
        let mut directories = Vec::new();
        for directory in &request.directories {
            let is_online = broker.has_online_directory(directory.id);
            let mut topics = Vec::new();
            for topic in &directory.topics {
                let mut partitions = Vec::new();
                for partition in &topic.partitions {
                    let index = partition.partition_index;
                    let result = self.assign_replica(request.broker_id, directory.id, topic.topic_id, index);
                    let error_code = match result {
                        Ok(record) => {
                            records.extend(record);
                            if !is_online {
                                offline.push((topic.topic_id, index));
                            }
                            ErrorCode::None
                        }
                        Err(code) => code,
                    } as i16;
                    partitions.push(dirs::PartitionData { partition_index: index, error_code, ..Default::default() });
                }
                topics.push(dirs::TopicData { topic_id: topic.topic_id, partitions, ..Default::default() });
            }
            directories.push(dirs::DirectoryData { id: directory.id, topics, ..Default::default() });
        }
        if !offline.is_empty() {
            self.replicas_offline(request.broker_id, &offline, &mut records);
        }
        let response = AssignReplicasToDirsResponse { directories, ..Default::default() };
        Ok(Outcome::splittable(records, response))
    }

    fn assign_replica(
        &self,
        broker: i32,
        directory: Uuid,
        topic_id: Uuid,
        index: i32,
    ) -> Result<Option<VersionedRecord>, ErrorCode> {
        let topic = self.working.image.topics.by_id(topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic.partitions.get(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&broker) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let acceptable = |id| self.is_active_broker(id);
        let rules = self.topic_rules(topic);
        let record = self.change_partition(topic, index, partition, rules, &acceptable, |builder| {
            builder.set_directory(broker, directory);
        });
        Ok(record.map(|record| self.change_record(record)))
    }
}

fn named(request: &DeleteTopicsRequest) -> Named {
    let mut named = Named::default();
    for name in &request.topic_names {
        *named.names.entry(name.clone()).or_default() += 1;
    }
    for topic in &request.topics {
        match (&topic.name, topic.topic_id.is_zero()) {
            (None, true) => named.answers.push(refused(None, Uuid::ZERO, "Neither topic name nor id were specified.")),
            (None, false) => *named.ids.entry(topic.topic_id).or_default() += 1,
            (Some(name), true) => *named.names.entry(name.clone()).or_default() += 1,
            (Some(name), false) => {
                let message = "You may not specify both topic name and topic id.";
                named.answers.push(refused(Some(name.clone()), topic.topic_id, message));
            }
        }
    }
    named
}

fn refused(name: Option<String>, topic_id: Uuid, message: &str) -> DeletableTopicResult {
    answer(name, topic_id, ErrorCode::InvalidRequest, Some(message))
}

fn answer(name: Option<String>, topic_id: Uuid, code: ErrorCode, message: Option<&str>) -> DeletableTopicResult {
    DeletableTopicResult {
        name,
        topic_id,
        error_code: code as i16,
        error_message: message.map(str::to_owned),
        ..DeletableTopicResult::default()
    }
}

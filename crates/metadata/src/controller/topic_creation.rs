//! CreateTopics and CreatePartitions.

use super::error::{ApiError, ApiResult, fields};
use super::placement::place;
use super::{Controller, Outcome, RequestContext};
use crate::image::{ConfigResource, Partition, VersionedRecord, partition_record};
use ottla_base::{ErrorCode, NodeId, Uuid};
use ottla_wire::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use ottla_wire::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
};
use ottla_wire::metadata_records::TopicRecord;
use std::collections::BTreeMap;

/// In one CreateTopics request.
const MAX_PARTITIONS_PER_REQUEST: i64 = 10_000;
const MAX_NAME_LENGTH: usize = 249;
pub(super) const CLUSTER_METADATA: &str = "__cluster_metadata";

impl Controller {
    pub fn create_topics(
        &self,
        context: &RequestContext,
        request: &CreateTopicsRequest,
    ) -> Outcome<CreateTopicsResponse> {
        match self.try_create_topics(context, request).and_then(|outcome| self.bounded(outcome)) {
            Ok(outcome) => outcome.without_records_if(request.validate_only),
            Err(error) => {
                let failed = |topic: &CreatableTopic| failed_topic(&topic.name, &error);
                let topics = request.topics.iter().map(failed).collect();
                Outcome::answer(CreateTopicsResponse { topics, ..Default::default() })
            }
        }
    }

    fn try_create_topics(
        &self,
        context: &RequestContext,
        request: &CreateTopicsRequest,
    ) -> ApiResult<Outcome<CreateTopicsResponse>> {
        let mut times = BTreeMap::new();
        for topic in &request.topics {
            *times.entry(topic.name.as_str()).or_insert(0) += 1;
        }
        let single = |topic: &&CreatableTopic| times.get(topic.name.as_str()) == Some(&1);
        let creatable = |topic: &&CreatableTopic| single(topic) && topic.name != CLUSTER_METADATA;
        self.check_partition_count(request.topics.iter().filter(creatable))?;
        let mut records = Vec::new();
        let mut topics = Vec::new();
        for topic in request.topics.iter().filter(creatable) {
            let result = self.create_topic(context, topic, &mut records);
            topics.push(result.unwrap_or_else(|error| failed_topic(&topic.name, &error)));
        }
        let refused =
            |name: &str, message: String| failed_topic(name, &ApiError::new(ErrorCode::InvalidRequest, message));
        for name in times.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name) {
            topics.push(refused(name, "Duplicate topic name.".to_owned()));
        }
        if times.get(CLUSTER_METADATA) == Some(&1) {
            let message = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
            topics.push(refused(CLUSTER_METADATA, message));
        }
        Ok(Outcome::atomic(records, CreateTopicsResponse { topics, ..Default::default() }))
    }

    fn check_partition_count<'a>(&self, topics: impl Iterator<Item = &'a CreatableTopic>) -> ApiResult<()> {
        let partitions = |topic: &CreatableTopic| match topic.num_partitions {
            _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
            -1 => i64::from(self.config.int("num.partitions")),
            count => i64::from(count.max(0)),
        };
        if topics.map(partitions).sum::<i64>() <= MAX_PARTITIONS_PER_REQUEST {
            return Ok(());
        }
        let message = "Excessively large number of partitions per request.";
        Err(ApiError::new(ErrorCode::PolicyViolation, message))
    }

    fn create_topic(
        &self,
        context: &RequestContext,
        topic: &CreatableTopic,
        records: &mut Vec<VersionedRecord>,
    ) -> ApiResult<CreatableTopicResult> {
        self.check_new_name(&topic.name)?;
        let nulls: Vec<&str> =
            topic.configs.iter().filter(|config| config.value.is_none()).map(|config| config.name.as_str()).collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(ApiError::new(ErrorCode::InvalidConfig, message));
        }
        let configs: Vec<(&str, &str)> =
            topic.configs.iter().map(|c| (c.name.as_str(), c.value.as_deref().unwrap_or_default())).collect();
        let config_records = self.new_topic_configs(context, &topic.name, &configs)?;
        let partitions = match topic.assignments.is_empty() {
            true => self.placed_partitions(topic)?,
            false => self.assigned_partitions(topic)?,
        };
        let topic_id = self.rng.next_uuid();
        let record = TopicRecord { name: topic.name.clone(), topic_id, ..TopicRecord::default() };
        records.push((record.into(), 0));
        // Before the partitions, so that a log begins with the right settings.
        records.extend(config_records);
        let replicas = partitions.first().map_or(0, |partition| partition.replicas.len());
        let count = partitions.len() as i32;
        records.extend((0..).zip(&partitions).map(|(id, partition)| self.new_partition(topic_id, id, partition)));
        let overrides = configs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(CreatableTopicResult {
            name: topic.name.clone(),
            topic_id,
            error_message: None,
            num_partitions: count,
            replication_factor: replicas as i16,
            configs: Some(self.effective_configs(&overrides)),
            ..CreatableTopicResult::default()
        })
    }

    fn check_new_name(&self, name: &str) -> ApiResult<()> {
        if self.working.image.topics.id_of(name).is_some() {
            return Err(ApiError::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        if let Some(other) = self.working.similar_topic(name) {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(ApiError::new(ErrorCode::InvalidTopicException, message));
        }
        check_topic_name(name)
    }

    fn effective_configs(&self, overrides: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
        let mut configs = self.with_layers(overrides, |layers| layers.effective_topic_configs());
        configs.sort_by_key(|config| config.name);
        let shown = |config: ottla_config::schema::EffectiveConfig| CreatableTopicConfigs {
            name: config.name.to_owned(),
            value: config.value.filter(|_| !config.is_sensitive),
            read_only: false,
            config_source: config.source.id(),
            is_sensitive: config.is_sensitive,
            ..CreatableTopicConfigs::default()
        };
        configs.into_iter().map(shown).collect()
    }

    fn new_partition(&self, topic_id: Uuid, id: i32, partition: &Partition) -> VersionedRecord {
        partition_record(partition.to_record(topic_id, id, self.version(), self.elr_enabled()))
    }

    /// With those in the ISR that are active; `None` when none is.
    fn partition_on(&self, replicas: &[NodeId]) -> Option<Partition> {
        let isr: Vec<NodeId> = replicas.iter().copied().filter(|id| self.is_active_broker(*id)).collect();
        let directories: Vec<Uuid> = replicas.iter().map(|id| self.default_directory(*id)).collect();
        (!isr.is_empty()).then(|| Partition::new(replicas, &directories, &isr))
    }

    fn placed_partitions(&self, topic: &CreatableTopic) -> ApiResult<Vec<Partition>> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        let count = match topic.num_partitions {
            -1 => self.config.int("num.partitions"),
            count => count,
        };
        let replicas = match topic.replication_factor {
            -1 => self.config.int("default.replication.factor") as i16,
            replicas => replicas,
        };
        let unable = |message: String| {
            let message = format!("Unable to replicate the partition {replicas} time(s): {message}");
            ApiError::new(ErrorCode::InvalidReplicationFactor, message)
        };
        let placed = place(count, replicas, self.usable_brokers(), &*self.rng);
        let placed = placed.map_err(|error| unable(error.message.unwrap_or_default()))?;
        let partition = |replicas: &Vec<NodeId>| {
            let all_fenced = || unable("All brokers are currently fenced or in controlled shutdown.".to_owned());
            self.partition_on(replicas).ok_or_else(all_fenced)
        };
        placed.iter().map(partition).collect()
    }

    fn assigned_partitions(&self, topic: &CreatableTopic) -> ApiResult<Vec<Partition>> {
        let refused = |message: &str| Err(ApiError::new(ErrorCode::InvalidRequest, message));
        if topic.replication_factor != -1 {
            return refused("A manual partition assignment was specified, but replication factor was not set to -1.");
        }
        if topic.num_partitions != -1 {
            return refused("A manual partition assignment was specified, but numPartitions was not set to -1.");
        }
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let id = assignment.partition_index;
            if partitions.contains_key(&id) {
                return Err(bad_assignment(format!("Found multiple manual partition assignments for partition {id}")));
            }
            self.check_assignment(&assignment.broker_ids, replication_factor)?;
            replication_factor = Some(assignment.broker_ids.len());
            partitions.insert(id, self.assigned_partition(id, &assignment.broker_ids)?);
        }
        if !partitions.keys().copied().eq(0..partitions.len() as i32) {
            return Err(bad_assignment("partitions should be a consecutive 0-based integer sequence".to_owned()));
        }
        Ok(partitions.into_values().collect())
    }

    fn assigned_partition(&self, id: i32, replicas: &[NodeId]) -> ApiResult<Partition> {
        self.partition_on(replicas).ok_or_else(|| {
            bad_assignment(format!(
                "All brokers specified in the manual partition assignment for partition {id} are fenced or in \
                 controlled shutdown."
            ))
        })
    }

    pub(super) fn check_assignment(&self, replicas: &[NodeId], replication_factor: Option<usize>) -> ApiResult<()> {
        if replicas.is_empty() {
            return Err(bad_assignment("The manual partition assignment includes an empty replica list.".to_owned()));
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (i, id) in sorted.iter().enumerate() {
            if self.broker(*id).is_none() {
                return Err(bad_assignment(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                )));
            }
            if i > 0 && sorted.get(i - 1) == Some(id) {
                return Err(bad_assignment(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                )));
            }
        }
        match replication_factor {
            Some(expected) if expected != sorted.len() => Err(bad_assignment(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
                 previous partitions, which have {expected} replica(s).",
                sorted.len()
            ))),
            _ => Ok(()),
        }
    }

    pub fn create_partitions(&self, request: &CreatePartitionsRequest) -> Outcome<CreatePartitionsResponse> {
        let mut times = BTreeMap::new();
        for topic in &request.topics {
            *times.entry(topic.name.as_str()).or_insert(0) += 1;
        }
        let mut results = Vec::new();
        for name in times.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name) {
            let error = ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
            results.push(partitions_result(name, &Err(error)));
        }
        let mut records = Vec::new();
        for topic in request.topics.iter().filter(|topic| times.get(topic.name.as_str()) == Some(&1)) {
            let result = self.add_partitions(topic).map(|added| records.extend(added));
            results.push(partitions_result(&topic.name, &result));
        }
        let response = CreatePartitionsResponse { results, ..Default::default() };
        match self.bounded(Outcome::atomic(records, response)) {
            Ok(outcome) => outcome.without_records_if(request.validate_only),
            Err(error) => {
                let failed = |topic: &CreatePartitionsTopic| partitions_result(&topic.name, &Err(error.clone()));
                let results = request.topics.iter().map(failed).collect();
                Outcome::answer(CreatePartitionsResponse { results, ..Default::default() })
            }
        }
    }

    fn add_partitions(&self, request: &CreatePartitionsTopic) -> ApiResult<Vec<VersionedRecord>> {
        let name = &request.name;
        let Some(topic) = self.working.image.topics.by_name(name) else {
            return Err(ApiError::bare(ErrorCode::UnknownTopicOrPartition));
        };
        let current = topic.partitions.len() as i32;
        if request.count == current {
            let message = format!("Topic already has {current} partition(s).");
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        if request.count < current {
            let count = request.count;
            let message =
                format!("The topic {name} currently has {current} partition(s); {count} would not be an increase.");
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        let additional = request.count - current;
        if additional as usize > super::MAX_RECORDS_PER_BATCH {
            return Err(ApiError::too_large());
        }
        let replicas = topic.partitions.iter().next().map_or(0, |(_, partition)| partition.replicas.len());
        let partitions = match &request.assignments {
            Some(assignments) if assignments.len() != additional as usize => {
                return Err(bad_assignment(format!(
                    "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                    assignments.len()
                )));
            }
            Some(assignments) => {
                let mut partitions = Vec::new();
                for (id, assignment) in (current..).zip(assignments) {
                    self.check_assignment(&assignment.broker_ids, Some(replicas))?;
                    partitions.push(self.assigned_partition(id, &assignment.broker_ids)?);
                }
                partitions
            }
            None => self.more_partitions(additional, replicas as i16)?,
        };
        Ok((current..).zip(&partitions).map(|(id, partition)| self.new_partition(topic.id, id, partition)).collect())
    }

    fn more_partitions(&self, count: i32, replicas: i16) -> ApiResult<Vec<Partition>> {
        let placed = place(count, replicas, self.usable_brokers(), &*self.rng)?;
        let partition = |list: &Vec<NodeId>| {
            self.partition_on(list).ok_or_else(|| {
                ApiError::new(
                    ErrorCode::InvalidReplicationFactor,
                    format!(
                        "Unable to replicate the partition {replicas} time(s): All brokers are currently fenced or in \
                         controlled shutdown."
                    ),
                )
            })
        };
        placed.iter().map(partition).collect()
    }

    /// The records of a new topic's settings.
    fn new_topic_configs(
        &self,
        context: &RequestContext,
        name: &str,
        configs: &[(&str, &str)],
    ) -> ApiResult<Vec<VersionedRecord>> {
        if configs.is_empty() {
            return Ok(Vec::new());
        }
        let changes = configs.iter().map(|(key, value)| (key.to_string(), Some(value.to_string()))).collect();
        let mut records = self.alter_resource(context, &ConfigResource::topic(name), changes, &[], true)?;
        let clears = self.clear_elr_records(&records);
        records.extend(clears);
        Ok(records)
    }
}

pub(super) fn bad_assignment(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidReplicaAssignment, message)
}

fn failed_topic(name: &str, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        error_code: error.code as i16,
        error_message: error.message.clone(),
        ..CreatableTopicResult::default()
    }
}

fn partitions_result(name: &str, result: &ApiResult<()>) -> CreatePartitionsTopicResult {
    let (error_code, error_message) = fields(result);
    CreatePartitionsTopicResult { name: name.to_owned(), error_code, error_message, ..Default::default() }
}

/// What a topic may be called.
pub(super) fn check_topic_name(name: &str) -> ApiResult<()> {
    let why = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        // In the units in which Java counts.
        _ if name.encode_utf16().count() > MAX_NAME_LENGTH => {
            format!("the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}")
        }
        _ if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return Ok(()),
    };
    Err(ApiError::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {why}")))
}

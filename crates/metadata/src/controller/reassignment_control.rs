//! AlterPartitionReassignments and ListPartitionReassignments (KIP-455).

use super::error::{ApiError, ApiResult, fields};
use super::topic_creation::bad_assignment;
use super::{Controller, Outcome};
use crate::image::{Partition, TopicImage, VersionedRecord};
use ottla_base::{ErrorCode, NodeId};
use ottla_wire::messages::alter_partition_reassignments_request::ReassignablePartition;
use ottla_wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_wire::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use ottla_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
};
use std::collections::BTreeSet;

impl Controller {
    pub fn alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Outcome<AlterPartitionReassignmentsResponse> {
        let mut records = Vec::new();
        let respond = |reassign: &mut dyn FnMut(&str, &ReassignablePartition) -> ApiResult<()>| {
            let topics = request.topics.iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    let (error_code, error_message) = fields(&reassign(&topic.name, partition));
                    let partition_index = partition.partition_index;
                    ReassignablePartitionResponse { partition_index, error_code, error_message, ..Default::default() }
                });
                let (name, partitions) = (topic.name.clone(), partitions.collect());
                ReassignableTopicResponse { name, partitions, ..Default::default() }
            });
            topics.collect()
        };
        let change_factor = request.allow_replication_factor_change;
        let responses = respond(&mut |topic, partition| {
            records.extend(self.reassign(topic, partition, change_factor)?);
            Ok(())
        });
        if records.len() > super::MAX_RECORDS_PER_BATCH {
            let error = ApiError::too_large();
            return Outcome::answer(AlterPartitionReassignmentsResponse {
                error_code: error.code as i16,
                error_message: error.message.clone(),
                responses: respond(&mut |_, _| Err(error.clone())),
                ..Default::default()
            });
        }
        let response = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: change_factor,
            error_message: None,
            responses,
            ..Default::default()
        };
        Outcome::atomic(records, response)
    }

    fn reassign(
        &self,
        name: &str,
        target: &ReassignablePartition,
        change_factor: bool,
    ) -> ApiResult<Option<VersionedRecord>> {
        let unknown = |message| Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
        let Some(topic) = self.working.image.topics.by_name(name) else {
            return unknown(format!("Unable to find a topic named {name}."));
        };
        let id = target.partition_index;
        let Some(partition) = topic.partitions.get(id) else {
            return unknown(format!("Unable to find partition {name}:{id}."));
        };
        match &target.replicas {
            None => self.cancel_reassignment(topic, id, partition),
            Some(replicas) => self.start_reassignment(topic, id, partition, replicas, change_factor),
        }
    }

    /// Back to what there was before.
    fn cancel_reassignment(
        &self,
        topic: &TopicImage,
        id: i32,
        partition: &Partition,
    ) -> ApiResult<Option<VersionedRecord>> {
        if !partition.is_reassigning() {
            return Err(ApiError::bare(ErrorCode::NoReassignmentInProgress));
        }
        let rules = self.topic_rules(topic);
        let adding = partition.adding_replicas();
        let stays = |id: &&NodeId| !adding.contains(id);
        let replicas: Vec<NodeId> = partition.replicas.iter().filter(stays).copied().collect();
        let mut isr: Vec<NodeId> = partition.isr.iter().filter(stays).copied().collect();
        if isr.is_empty() {
            let Some(first) = replicas.first() else {
                let message = "Invalid replica assignment: addingReplicas contains all replicas.";
                return Err(bad_assignment(message.to_owned()));
            };
            if !rules.unclean_election {
                return Err(bad_assignment(format!(
                    "Unable to revert partition assignment for {}:{id} because it would require an unclean leader election.",
                    topic.name
                )));
            }
            isr.push(*first);
        }
        let acceptable = |id| self.is_active_broker(id);
        let record = self.change_partition(topic, id, partition, rules, &acceptable, |builder| {
            builder.election = rules.election();
            builder.isr = isr;
            builder.replicas = replicas;
            builder.removing.clear();
            builder.adding.clear();
        });
        Ok(record.map(|record| self.change_record(record)))
    }

    fn start_reassignment(
        &self,
        topic: &TopicImage,
        id: i32,
        partition: &Partition,
        target: &[NodeId],
        change_factor: bool,
    ) -> ApiResult<Option<VersionedRecord>> {
        self.check_assignment(target, None)?;
        if !change_factor {
            check_replication_factor(partition, target)?;
        }
        let current: BTreeSet<NodeId> = partition.replicas.iter().copied().collect();
        let wanted: BTreeSet<NodeId> = target.iter().copied().collect();
        let removing: Vec<NodeId> = current.difference(&wanted).copied().collect();
        let adding: Vec<NodeId> = wanted.difference(&current).copied().collect();
        let rules = self.topic_rules(topic);
        let acceptable = |id| self.is_active_broker(id);
        let record = self.change_partition(topic, id, partition, rules, &acceptable, |builder| {
            // Those that go come last, so that the new order counts already.
            builder.replicas = target.iter().chain(&removing).copied().collect();
            if !removing.is_empty() {
                builder.removing = removing;
            }
            if !adding.is_empty() {
                builder.adding = adding;
            }
        });
        Ok(record.map(|record| self.change_record(record)))
    }

    /// Reads only; from what is committed.
    pub fn list_partition_reassignments(
        &self,
        request: &ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let topics = &self.committed_image().topics;
        let ongoing = |topic: &TopicImage, wanted: Option<&[i32]>| {
            let all = topic.partitions.iter().filter(|(id, partition)| {
                partition.is_reassigning() && wanted.is_none_or(|wanted| wanted.contains(id))
            });
            let partitions: Vec<_> = all.map(|(id, partition)| ongoing_reassignment(id, partition)).collect();
            let name = topic.name.to_string();
            (!partitions.is_empty()).then(|| OngoingTopicReassignment { name, partitions, ..Default::default() })
        };
        let topics = match &request.topics {
            None => topics.iter().filter_map(|topic| ongoing(topic, None)).collect(),
            Some(named) => {
                let find = |named: &ottla_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics| {
                    ongoing(topics.by_name(&named.name)?, Some(&named.partition_indexes))
                };
                named.iter().filter_map(find).collect()
            }
        };
        ListPartitionReassignmentsResponse { topics, error_message: None, ..Default::default() }
    }
}

fn ongoing_reassignment(partition_index: i32, partition: &Partition) -> OngoingPartitionReassignment {
    OngoingPartitionReassignment {
        partition_index,
        replicas: partition.replicas.to_vec(),
        adding_replicas: partition.adding_replicas().to_vec(),
        removing_replicas: partition.removing_replicas().to_vec(),
        ..OngoingPartitionReassignment::default()
    }
}

fn check_replication_factor(partition: &Partition, target: &[NodeId]) -> ApiResult<()> {
    let mut replicas: BTreeSet<NodeId> = partition.replicas.iter().copied().collect();
    replicas.extend(partition.adding_replicas());
    replicas.retain(|id| !partition.removing_replicas().contains(id));
    if replicas.len() == target.len() {
        return Ok(());
    }
    let message = format!("The replication factor is changed from {} to {}", replicas.len(), target.len());
    Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message))
}

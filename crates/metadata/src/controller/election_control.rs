//! Who leads what, when brokers come and go.

use super::error::{ApiError, ApiResult};
use super::lookup::TopicRules;
use super::partition_change::Election;
use super::{Controller, Outcome};
use crate::image::{NO_LEADER, Partition, TopicImage, VersionedRecord};
use ottla_base::{ErrorCode, NodeId, Time, Uuid};
use ottla_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_wire::metadata_records::{BrokerRegistrationChangeRecord, UnregisterBrokerRecord};

/// A broker that is about to change its state; the state itself still shows the old one.
#[derive(Clone, Copy, Default)]
struct Moving {
    goes: Option<NodeId>,
    comes: Option<NodeId>,
    /// It is there, but may have lost the end of its logs.
    unclean: Option<NodeId>,
}

impl Controller {
    /// Changes all partitions that `selects`, for a broker that comes or goes.
    ///
    /// That is a walk over all partitions; an index of them by broker would cost more than these rare walks.
    fn change_partitions(
        &self,
        moving: Moving,
        records: &mut Vec<VersionedRecord>,
        selects: &dyn Fn(Uuid, i32, &Partition) -> bool,
    ) {
        let acceptable = |id: NodeId| {
            Some(id) != moving.goes
                && Some(id) != moving.unclean
                && (Some(id) == moving.comes || self.is_active_broker(id))
        };
        for topic in self.working.image.topics.iter() {
            let mut rules: Option<TopicRules> = None;
            for (id, partition) in topic.partitions.iter().filter(|(id, p)| selects(topic.id, *id, p)) {
                let rules = *rules.get_or_insert_with(|| self.topic_rules(topic));
                let record = self.change_partition(topic, id, partition, rules, &acceptable, |builder| {
                    builder.election = rules.election();
                    builder.unclean_replica = moving.unclean;
                    builder.isr.retain(|id| Some(*id) != moving.goes && Some(*id) != moving.unclean);
                });
                records.extend(record.map(|record| self.change_record(record)));
            }
        }
    }

    pub(super) fn fence_broker(&self, id: NodeId, records: &mut Vec<VersionedRecord>) {
        let Some(broker) = self.broker(id) else { return };
        let moving = Moving { goes: Some(id), ..Moving::default() };
        self.change_partitions(moving, records, &|_, _, p| p.isr.contains(&id));
        let change = BrokerRegistrationChangeRecord { fenced: 1, ..registration_change(id, broker.epoch) };
        records.push((change.into(), 0));
    }

    pub(super) fn unfence_broker(&self, id: NodeId, epoch: i64, records: &mut Vec<VersionedRecord>) {
        let change = BrokerRegistrationChangeRecord { fenced: -1, ..registration_change(id, epoch) };
        records.push((change.into(), 0));
        if self.working.leaderships(NO_LEADER) > 0 {
            let moving = Moving { comes: Some(id), ..Moving::default() };
            self.change_partitions(moving, records, &|_, _, p| !p.has_leader());
        }
    }

    pub(super) fn begin_controlled_shutdown(&self, id: NodeId, epoch: i64, records: &mut Vec<VersionedRecord>) {
        if self.broker(id).is_some_and(|broker| !broker.in_controlled_shutdown) {
            let change = BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..registration_change(id, epoch) };
            records.push((change.into(), 1));
        }
        let moving = Moving { goes: Some(id), ..Moving::default() };
        self.change_partitions(moving, records, &|_, _, p| p.isr.contains(&id));
    }

    /// An incarnation of the broker is gone, and another is about to register.
    pub(super) fn broker_has_stopped(&self, id: NodeId, cleanly: bool, records: &mut Vec<VersionedRecord>) {
        if self.elr_enabled() && !cleanly {
            let moving = Moving { unclean: Some(id), ..Moving::default() };
            self.change_partitions(moving, records, &|_, _, p| p.isr.contains(&id));
            self.change_partitions(moving, records, &|_, _, p| p.elr().contains(&id));
        } else {
            let moving = Moving { goes: Some(id), ..Moving::default() };
            self.change_partitions(moving, records, &|_, _, p| p.isr.contains(&id));
        }
    }

    pub(super) fn forget_broker(&self, id: NodeId, epoch: i64, records: &mut Vec<VersionedRecord>) {
        let moving = Moving { goes: Some(id), ..Moving::default() };
        self.change_partitions(moving, records, &|_, _, p| p.isr.contains(&id));
        self.change_partitions(moving, records, &|_, _, p| p.elr().contains(&id));
        let record = UnregisterBrokerRecord { broker_id: id, broker_epoch: epoch, ..Default::default() };
        records.push((record.into(), 0));
    }

    /// The broker reports directories that it has lost.
    pub(super) fn directories_offline(
        &self,
        id: NodeId,
        epoch: i64,
        offline: &[Uuid],
        records: &mut Vec<VersionedRecord>,
    ) {
        let Some(broker) = self.broker(id) else { return };
        let (lost, online): (Vec<Uuid>, Vec<Uuid>) = broker.directories.iter().partition(|dir| offline.contains(dir));
        if lost.is_empty() {
            return;
        }
        let moving = Moving { goes: Some(id), ..Moving::default() };
        for directory in lost {
            self.change_partitions(moving, records, &|_, _, p| p.directories().any(|dir| dir == directory));
        }
        let change = BrokerRegistrationChangeRecord { log_dirs: online, ..registration_change(id, epoch) };
        records.push((change.into(), 2));
    }

    /// `None` until the broker has caught up with the metadata.
    pub(super) fn directories_cordoned(
        &self,
        id: NodeId,
        epoch: i64,
        cordoned: Option<&[Uuid]>,
        records: &mut Vec<VersionedRecord>,
    ) {
        let (Some(broker), Some(cordoned)) = (self.broker(id), cordoned) else { return };
        let same = |old: &Vec<Uuid>| {
            old.iter().all(|dir| cordoned.contains(dir)) && cordoned.iter().all(|dir| old.contains(dir))
        };
        if !broker.cordoned_directories.as_ref().is_some_and(same) {
            let cordoned_log_dirs = Some(cordoned.to_vec());
            let change = BrokerRegistrationChangeRecord { cordoned_log_dirs, ..registration_change(id, epoch) };
            records.push((change.into(), 3));
        }
    }

    /// Replicas of one broker that are now in a directory which is not online.
    pub(super) fn replicas_offline(&self, id: NodeId, partitions: &[(Uuid, i32)], records: &mut Vec<VersionedRecord>) {
        let moving = Moving { goes: Some(id), ..Moving::default() };
        self.change_partitions(moving, records, &|topic, id, _| partitions.contains(&(topic, id)));
    }

    pub fn elect_leaders(&self, request: &ElectLeadersRequest) -> Outcome<ElectLeadersResponse> {
        let election = match request.election_type {
            0 => Election::Preferred,
            1 => Election::Unclean,
            other => {
                let error = ApiError::new(ErrorCode::InvalidRequest, format!("Unknown election type {other}"));
                return Outcome::answer(election_error(request, &error));
            }
        };
        let mut records = Vec::new();
        let mut results = Vec::new();
        match &request.topic_partitions {
            Some(topics) => {
                for topic in topics {
                    let elect = |id: &i32| partition_result(*id, self.elect(&topic.topic, *id, election, &mut records));
                    let partition_result = topic.partitions.iter().map(elect).collect();
                    results.push(ReplicaElectionResult {
                        topic: topic.topic.clone(),
                        partition_result,
                        ..Default::default()
                    });
                }
            }
            None => {
                for (name, id) in self.working.image.topics.names() {
                    let Some(topic) = self.working.image.topics.by_id(id) else { continue };
                    let mut partition_results = Vec::new();
                    for (id, _) in topic.partitions.iter() {
                        let result = self.elect(name, id, election, &mut records);
                        // Only what was asked for and is not so already.
                        if !matches!(&result, Err(error) if error.code == ErrorCode::ElectionNotNeeded) {
                            partition_results.push(partition_result(id, result));
                        }
                    }
                    let topic = name.to_string();
                    results.push(ReplicaElectionResult {
                        topic,
                        partition_result: partition_results,
                        ..Default::default()
                    });
                }
            }
        }
        let response = ElectLeadersResponse { replica_election_results: results, ..Default::default() };
        match records.len() > super::MAX_RECORDS_PER_BATCH {
            true => Outcome::answer(election_error(request, &ApiError::too_large())),
            false => Outcome::splittable(records, response),
        }
    }

    fn elect(&self, name: &str, id: i32, election: Election, records: &mut Vec<VersionedRecord>) -> ApiResult<()> {
        let unknown = |message| Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
        let Some(topic) = self.working.image.topics.by_name(name) else {
            return unknown(format!("No such topic as {name}"));
        };
        let Some(partition) = topic.partitions.get(id) else {
            return unknown(format!("No such partition as {name}-{id}"));
        };
        let done = match election {
            Election::Preferred => partition.has_preferred_leader(),
            _ => partition.has_leader(),
        };
        if done {
            let message = "Leader election not needed for topic partition.";
            return Err(ApiError::new(ErrorCode::ElectionNotNeeded, message));
        }
        match self.election_record(topic, id, partition, election) {
            Some(record) => {
                records.push(record);
                Ok(())
            }
            None if election == Election::Preferred => {
                let message = "The preferred leader was not available.";
                Err(ApiError::new(ErrorCode::PreferredLeaderNotAvailable, message))
            }
            None => {
                let message = "Eligible topic partition leaders are not available.";
                Err(ApiError::new(ErrorCode::EligibleLeadersNotAvailable, message))
            }
        }
    }

    fn election_record(
        &self,
        topic: &TopicImage,
        id: i32,
        partition: &Partition,
        election: Election,
    ) -> Option<VersionedRecord> {
        let acceptable = |id| self.is_active_broker(id);
        let rules = self.topic_rules(topic);
        let record =
            self.change_partition(topic, id, partition, rules, &acceptable, |builder| builder.election = election);
        record.map(|record| self.change_record(record))
    }

    /// One broker at a time, so that what follows from one is seen by the next.
    pub(super) fn fence_stale_broker(&mut self, now: Time) -> (Vec<VersionedRecord>, bool) {
        let Some((id, epoch)) = self.active_mut().heartbeats.take_expired(super::mono(now)) else {
            return (Vec::new(), false);
        };
        let mut records = Vec::new();
        match self.broker(id).map(|broker| broker.epoch) {
            None => self.active_mut().heartbeats.remove(id),
            Some(current) if current != epoch => {}
            Some(_) => {
                tracing::info!("fencing broker {id} at epoch {epoch} because its session has timed out");
                self.fence_broker(id, &mut records);
                self.active_mut().heartbeats.fence(id);
            }
        }
        (records, true)
    }

    pub(super) fn elect_preferred_leaders(&self) -> (Vec<VersionedRecord>, bool) {
        if self.working.imbalanced_partitions() == 0 {
            return (Vec::new(), false);
        }
        self.elect_everywhere(&|_, partition| !partition.has_preferred_leader(), Election::Preferred)
    }

    pub(super) fn elect_unclean_leaders(&self) -> (Vec<VersionedRecord>, bool) {
        if self.working.leaderships(NO_LEADER) == 0 {
            return (Vec::new(), false);
        }
        let selects = |topic: &TopicImage, p: &Partition| !p.has_leader() && self.topic_rules(topic).unclean_election;
        self.elect_everywhere(&selects, Election::Unclean)
    }

    fn elect_everywhere(
        &self,
        selects: &dyn Fn(&TopicImage, &Partition) -> bool,
        election: Election,
    ) -> (Vec<VersionedRecord>, bool) {
        let mut records = Vec::new();
        for topic in self.working.image.topics.iter() {
            for (id, partition) in topic.partitions.iter().filter(|(_, partition)| selects(topic, partition)) {
                records.extend(self.election_record(topic, id, partition, election));
                if records.len() >= super::tick::MAX_STEP {
                    return (records, true);
                }
            }
        }
        (records, false)
    }
}

fn registration_change(broker_id: NodeId, broker_epoch: i64) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord { broker_id, broker_epoch, ..Default::default() }
}

fn partition_result(partition_id: i32, result: ApiResult<()>) -> PartitionResult {
    let (error_code, error_message) = super::error::fields(&result);
    PartitionResult { partition_id, error_code, error_message, ..Default::default() }
}

fn election_error(request: &ElectLeadersRequest, error: &ApiError) -> ElectLeadersResponse {
    let topics = request.topic_partitions.iter().flatten();
    let result = |id: &i32| partition_result(*id, Err(error.clone()));
    let results = topics.map(|topic| ReplicaElectionResult {
        topic: topic.topic.clone(),
        partition_result: topic.partitions.iter().map(result).collect(),
        ..Default::default()
    });
    ElectLeadersResponse {
        error_code: error.code as i16,
        replica_election_results: results.collect(),
        ..ElectLeadersResponse::default()
    }
}

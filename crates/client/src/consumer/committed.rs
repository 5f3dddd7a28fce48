//! Offsets that a group has committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ottla_base::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use ottla_wire::ApiKey;
use ottla_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_wire::messages::*;

use super::group::Group;
use crate::error::{Error, Result, check};
use crate::group_by_topic;

/// The last versions that name topics, instead of giving their ids.
const MAX_COMMIT_VERSION: i16 = 9;
const MAX_FETCH_VERSION: i16 = 9;
/// Since then one request may ask for several groups.
const MANY_GROUPS_VERSION: i16 = 8;

pub(super) type Offsets = BTreeMap<TopicPartition, (Offset, LeaderEpoch)>;

impl Group {
    /// Tries again while that may help, `default.api.timeout.ms` at most.
    pub async fn commit(&self, offsets: &Offsets) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + self.cluster.config.default_api_timeout;
        let mut failures = 0;
        loop {
            let Err(error) = self.try_commit(offsets).await else { return Ok(()) };
            self.retry_or_fail(error, deadline, &mut failures).await?;
        }
    }

    async fn retry_or_fail(&self, error: Error, deadline: Instant, failures: &mut u32) -> Result<()> {
        let pause = self.cluster.retry_backoff(*failures);
        *failures += 1;
        if !error.is_retriable() || Instant::now() + pause > deadline {
            return Err(error);
        }
        if !matches!(error.code, ErrorCode::UnstableOffsetCommit | ErrorCode::UnknownTopicOrPartition) {
            self.forget_coordinator();
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn try_commit(&self, offsets: &Offsets) -> Result<()> {
        let connection = self.coordinator().await?;
        let mut topics: BTreeMap<Arc<str>, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, (offset, epoch)) in offsets {
            topics.entry(partition.topic.clone()).or_default().push(OffsetCommitRequestPartition {
                partition_index: partition.partition,
                committed_offset: *offset,
                committed_leader_epoch: *epoch,
                committed_metadata: Some(String::new()),
                ..Default::default()
            });
        }
        let request = {
            let place = self.place.lock();
            OffsetCommitRequest {
                group_id: self.id.clone(),
                generation_id_or_member_epoch: place.generation,
                member_id: place.member_id.clone(),
                group_instance_id: self.config.group_instance_id.clone(),
                topics: topics
                    .into_iter()
                    .map(|(name, partitions)| OffsetCommitRequestTopic {
                        name: name.to_string(),
                        partitions,
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            }
        };
        let min = ApiKey::OffsetCommit.info().min_version;
        let version = connection.version_within(ApiKey::OffsetCommit, min, MAX_COMMIT_VERSION)?;
        let response = connection.call_at(&request, version).await?;
        let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_code);
        check(codes.find(|code| *code != 0).unwrap_or(0))
    }

    /// Where the group is in each of the partitions; those without a committed offset are left out.
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Offsets> {
        let deadline = Instant::now() + self.cluster.config.default_api_timeout;
        let mut failures = 0;
        loop {
            match self.try_committed(partitions).await {
                Ok(offsets) => return Ok(offsets),
                Err(error) => self.retry_or_fail(error, deadline, &mut failures).await?,
            }
        }
    }

    async fn try_committed(&self, partitions: &[TopicPartition]) -> Result<Offsets> {
        let connection = self.coordinator().await?;
        let min = ApiKey::OffsetFetch.info().min_version;
        let version = connection.version_within(ApiKey::OffsetFetch, min, MAX_FETCH_VERSION)?;
        let topics = group_by_topic(partitions);
        let mut request = OffsetFetchRequest { require_stable: version >= 7, ..Default::default() };
        if version >= MANY_GROUPS_VERSION {
            let topic = |(name, partition_indexes): (Arc<str>, Vec<i32>)| OffsetFetchRequestTopics {
                name: name.to_string(),
                partition_indexes,
                ..Default::default()
            };
            let mut group = OffsetFetchRequestGroup {
                group_id: self.id.clone(),
                topics: Some(topics.into_iter().map(topic).collect()),
                ..Default::default()
            };
            let place = self.place.lock();
            if self.config.consumer_protocol && !place.member_id.is_empty() && version >= 9 {
                group.member_id = Some(place.member_id.clone());
                group.member_epoch = place.generation;
            }
            request.groups.push(group);
        } else {
            let topic = |(name, partition_indexes): (Arc<str>, Vec<i32>)| OffsetFetchRequestTopic {
                name: name.to_string(),
                partition_indexes,
                ..Default::default()
            };
            request.group_id = self.id.clone();
            request.topics = Some(topics.into_iter().map(topic).collect());
        }
        let response = connection.call_at(&request, version).await?;
        read_offsets(response)
    }
}

fn read_offsets(response: OffsetFetchResponse) -> Result<Offsets> {
    check(response.error_code)?;
    let mut offsets = Offsets::new();
    let mut add = |topic: &str, partition: i32, code: i16, offset: Offset, epoch: LeaderEpoch| {
        check(code)?;
        if offset >= 0 {
            offsets.insert(TopicPartition::new(topic, partition), (offset, epoch));
        }
        Ok::<(), Error>(())
    };
    for topic in &response.topics {
        for p in &topic.partitions {
            add(&topic.name, p.partition_index, p.error_code, p.committed_offset, p.committed_leader_epoch)?;
        }
    }
    for group in &response.groups {
        check(group.error_code)?;
        for topic in &group.topics {
            for p in &topic.partitions {
                add(&topic.name, p.partition_index, p.error_code, p.committed_offset, p.committed_leader_epoch)?;
            }
        }
    }
    Ok(offsets)
}

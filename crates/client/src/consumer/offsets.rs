//! Offsets by time, from the leaders of partitions.

use std::collections::BTreeMap;

use ottla_base::{ErrorCode, NodeId, Offset, TimestampMs, TopicPartition};
use ottla_wire::ApiKey;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::cluster::{Cluster, Topics};
use crate::error::{Error, Result, check};

/// Stand for a time in `ListOffsets`.
pub const LATEST_TIMESTAMP: TimestampMs = -1;
pub const EARLIEST_TIMESTAMP: TimestampMs = -2;
pub const MAX_TIMESTAMP: TimestampMs = -3;
pub const EARLIEST_LOCAL_TIMESTAMP: TimestampMs = -4;
pub const LATEST_TIERED_TIMESTAMP: TimestampMs = -5;
pub const EARLIEST_PENDING_UPLOAD_TIMESTAMP: TimestampMs = -6;

/// The first version that knows each of them; a broker without it must be told, not misunderstood.
fn min_version(timestamp: TimestampMs) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL_TIMESTAMP => 8,
        LATEST_TIERED_TIMESTAMP => 9,
        EARLIEST_PENDING_UPLOAD_TIMESTAMP => 11,
        _ => 1,
    }
}

/// An offset found; -1 when nothing is as young as the time asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub leader_epoch: i32,
}

pub type FoundOffsets = BTreeMap<TopicPartition, Result<FoundOffset>>;

impl Cluster {
    /// One attempt. What could not be answered has its error in its place.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, TimestampMs>,
        read_committed: bool,
    ) -> FoundOffsets {
        let mut found = FoundOffsets::new();
        let mut by_leader: BTreeMap<NodeId, Vec<(&TopicPartition, TimestampMs)>> = BTreeMap::new();
        let metadata = self.metadata();
        for (partition, timestamp) in wanted {
            match metadata.leader(partition) {
                Some(leader) => by_leader.entry(leader).or_default().push((partition, *timestamp)),
                None => {
                    found.insert(partition.clone(), Err(ErrorCode::LeaderNotAvailable.into()));
                }
            }
        }
        for (leader, wanted) in by_leader {
            match self.list_from(leader, &wanted, read_committed).await {
                Ok(response) => read(response, &wanted, &mut found),
                Err(error) => {
                    found.extend(wanted.iter().map(|(partition, _)| ((*partition).clone(), Err(error.clone()))))
                }
            }
        }
        found
    }

    async fn list_from(
        &self,
        leader: NodeId,
        wanted: &[(&TopicPartition, TimestampMs)],
        read_committed: bool,
    ) -> Result<ListOffsetsResponse> {
        let connection = self.node(leader).await?;
        let mut topics: BTreeMap<&str, ListOffsetsTopic> = BTreeMap::new();
        let metadata = self.metadata();
        for (partition, timestamp) in wanted {
            let topic = topics.entry(&partition.topic).or_default();
            topic.name = partition.topic.to_string();
            topic.partitions.push(ListOffsetsPartition {
                partition_index: partition.partition,
                current_leader_epoch: metadata.partition(partition).map_or(-1, |info| info.leader_epoch),
                timestamp: *timestamp,
                ..Default::default()
            });
        }
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(read_committed),
            topics: topics.into_values().collect(),
            timeout_ms: i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX),
            ..Default::default()
        };
        let info = ApiKey::ListOffsets.info();
        let min = wanted.iter().map(|(_, timestamp)| min_version(*timestamp)).max().unwrap_or(1);
        let version = connection.version_within(ApiKey::ListOffsets, min, info.max_stable_version())?;
        connection.call_at(&request, version).await
    }

    /// As [`Cluster::list_offsets`], again and again until all is answered or `timeout` is over; fails with the
    /// first error that time will not heal.
    pub async fn list_offsets_patiently(
        &self,
        wanted: &BTreeMap<TopicPartition, TimestampMs>,
        read_committed: bool,
        timeout: std::time::Duration,
    ) -> Result<BTreeMap<TopicPartition, FoundOffset>> {
        let deadline = std::time::Instant::now() + timeout;
        let mut done = BTreeMap::new();
        let mut open = wanted.clone();
        let mut failures = 0;
        loop {
            let mut last = None;
            for (partition, result) in self.list_offsets(&open, read_committed).await {
                match result {
                    Ok(found) => {
                        open.remove(&partition);
                        done.insert(partition, found);
                    }
                    Err(error) if error.is_retriable() => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
            let Some(last) = last.filter(|_| !open.is_empty()) else { return Ok(done) };
            let pause = self.retry_backoff(failures);
            failures += 1;
            if std::time::Instant::now() + pause >= deadline {
                let seconds = timeout.as_millis();
                return Err(Error::timeout(format!("Failed to get offsets by times in {seconds}ms: {last}")));
            }
            tokio::time::sleep(pause).await;
            let topics: std::collections::BTreeSet<String> = open.keys().map(|p| p.topic.to_string()).collect();
            // The next round notices when this failed.
            let _ = self.refresh(&Topics::Named(topics.into_iter().collect())).await;
        }
    }
}

fn read(response: ListOffsetsResponse, wanted: &[(&TopicPartition, TimestampMs)], found: &mut FoundOffsets) {
    for (partition, _) in wanted {
        let topic = response.topics.iter().find(|topic| *topic.name == *partition.topic);
        let answer = topic.and_then(|topic| topic.partitions.iter().find(|p| p.partition_index == partition.partition));
        let result = match answer {
            None => Err(ErrorCode::UnknownServerError.into()),
            Some(answer) => check(answer.error_code).map(|()| FoundOffset {
                offset: answer.offset,
                timestamp: answer.timestamp,
                leader_epoch: answer.leader_epoch,
            }),
        };
        found.insert((*partition).clone(), result);
    }
}

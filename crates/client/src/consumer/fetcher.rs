//! Fetches: one at a time per broker, for all partitions there that have nothing buffered.

use std::collections::BTreeMap;
use std::time::Instant;

use ottla_base::{ErrorCode, NodeId, Offset, TopicPartition, Uuid};
use ottla_wire::ApiKey;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::fetch_response::PartitionData;
use ottla_wire::messages::{FetchRequest, FetchResponse};

use super::config::OffsetReset;
use super::fetched::Fetched;
use super::{Consumer, ConsumerRecord};
use crate::error::{Error, Result, class};

const LOGGER: &str = "org.apache.kafka.clients.consumer.internals.FetchCollector";
/// Since then topics go by their ids.
const TOPIC_IDS_VERSION: i16 = 13;

pub(super) struct FetchOutcome {
    node: NodeId,
    wanted: Vec<Wanted>,
    result: Result<FetchResponse>,
}

struct Wanted {
    partition: TopicPartition,
    topic_id: Uuid,
    offset: Offset,
    leader_epoch: i32,
}

impl Consumer {
    pub(super) fn start_fetches(&mut self) {
        let metadata = self.cluster.metadata();
        let now = Instant::now();
        let mut by_node: BTreeMap<NodeId, Vec<Wanted>> = BTreeMap::new();
        for (partition, state) in &mut self.partitions {
            let Some(offset) = state.position else { continue };
            let paused = state.paused_until.is_some_and(|until| now < until);
            if state.is_fetching || state.is_buffered || paused {
                continue;
            }
            let Some(info) = metadata.partition(partition).filter(|info| info.leader >= 0) else {
                self.needs_metadata = true;
                continue;
            };
            if self.fetching_nodes.contains(&info.leader) {
                continue;
            }
            state.is_fetching = true;
            by_node.entry(info.leader).or_default().push(Wanted {
                partition: partition.clone(),
                topic_id: metadata.topic(&partition.topic).map(|topic| topic.id).unwrap_or_default(),
                offset,
                leader_epoch: info.leader_epoch,
            });
        }
        for (node, wanted) in by_node {
            self.fetching_nodes.insert(node);
            let (cluster, config) = (self.cluster.clone(), self.config.clone());
            self.fetches.spawn(async move {
                let fetch = async {
                    let connection = cluster.node(node).await?;
                    let version = connection.version_of(ApiKey::Fetch)?;
                    let request = request(&config, &wanted, version);
                    connection.call_at(&request, version).await
                };
                let result = fetch.await;
                FetchOutcome { node, wanted, result }
            });
        }
    }

    pub(super) fn handle_fetch(&mut self, outcome: FetchOutcome) -> Result<()> {
        let FetchOutcome { node, wanted, result } = outcome;
        self.fetching_nodes.remove(&node);
        for wanted in &wanted {
            if let Some(state) = self.partitions.get_mut(&wanted.partition) {
                state.is_fetching = false;
            }
        }
        let mut response = match result.and_then(|r| crate::error::check(r.error_code).map(|()| r)) {
            Ok(response) => response,
            Err(error) if error.is_retriable() => {
                self.needs_metadata = true;
                wanted.iter().for_each(|wanted| self.pause(&wanted.partition));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for wanted in wanted {
            let data = take_data(&mut response, &wanted);
            match data {
                Some(data) => self.receive(wanted, data)?,
                None => self.pause(&wanted.partition),
            }
        }
        Ok(())
    }

    fn pause(&mut self, partition: &TopicPartition) {
        let until = Instant::now() + self.cluster.retry_backoff(0);
        if let Some(state) = self.partitions.get_mut(partition) {
            state.paused_until = Some(until);
        }
    }

    fn receive(&mut self, wanted: Wanted, data: PartitionData) -> Result<()> {
        let Wanted { partition, offset, .. } = wanted;
        let Some(state) = self.partitions.get_mut(&partition) else { return Ok(()) };
        // It was given away, or sought elsewhere, meanwhile.
        if state.position != Some(offset) || state.is_buffered {
            return Ok(());
        }
        let error = ErrorCode::from_code(data.error_code);
        match error {
            ErrorCode::None => {
                let records = data.records.as_ref().and_then(|records| records.as_bytes()).cloned().unwrap_or_default();
                if !records.is_empty() {
                    state.is_buffered = true;
                    let aborted = self.config.read_committed.then(|| data.aborted_transactions.unwrap_or_default());
                    let fetched = Fetched::new(partition.clone(), offset, records, aborted, self.config.check_crcs);
                    self.ready.push_back((partition, fetched));
                }
            }
            ErrorCode::OffsetOutOfRange => {
                if self.config.reset == OffsetReset::None {
                    let message = format!("Fetch position {offset} is out of range for partition {partition}");
                    return Err(Error::from_response(error, Some(&message)));
                }
                state.position = None;
                state.reset = Some(self.config.reset);
            }
            ErrorCode::TopicAuthorizationFailed => {
                let message = format!("Not authorized to access topics: [{}]", partition.topic);
                return Err(Error::from_response(error, Some(&message)));
            }
            ErrorCode::UnknownServerError | ErrorCode::CorruptMessage => self.pause(&partition),
            _ if error.is_retriable() => {
                if error == ErrorCode::UnknownTopicOrPartition {
                    tracing::warn!(
                        target: LOGGER,
                        "{}Received unknown topic or partition error in fetch for partition {partition}",
                        self.config.client.log_prefix()
                    );
                }
                self.needs_metadata = true;
                self.pause(&partition);
            }
            _ => {
                let code = data.error_code;
                return Err(Error::new(
                    class::ILLEGAL_STATE,
                    format!(
                        "Unexpected error code {code} while fetching at offset {offset} from topic-partition {partition}"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// What is there, `max.poll.records` at most.
    pub(super) fn take_records(&mut self) -> Result<Vec<ConsumerRecord>> {
        while let Some(Ok(outcome)) = self.fetches.try_join_next() {
            self.handle_fetch(outcome)?;
        }
        let mut records = Vec::new();
        while let Some((partition, fetched)) = self.ready.front_mut() {
            let room = self.config.max_poll_records - records.len();
            if room == 0 {
                break;
            }
            let before = records.len();
            let taken = fetched.take(room, &mut records);
            if let Some(state) = self.partitions.get_mut(partition) {
                state.position = Some(fetched.next_offset);
                state.epoch = state.epoch.max(fetched.last_epoch);
                let is_empty = records.len() - before < room;
                if is_empty {
                    state.is_buffered = false;
                    self.ready.pop_front();
                }
            } else {
                records.truncate(before);
                self.ready.pop_front();
            }
            // What came before the damage is delivered; the next poll meets it again.
            match taken {
                Err(error) if records.is_empty() => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
        }
        Ok(records)
    }
}

fn request(config: &super::ConsumerConfig, wanted: &[Wanted], version: i16) -> FetchRequest {
    let mut topics: BTreeMap<&str, FetchTopic> = BTreeMap::new();
    for wanted in wanted {
        let topic = topics.entry(&wanted.partition.topic).or_default();
        if version >= TOPIC_IDS_VERSION {
            topic.topic_id = wanted.topic_id;
        } else {
            topic.topic = wanted.partition.topic.to_string();
        }
        topic.partitions.push(FetchPartition {
            partition: wanted.partition.partition,
            current_leader_epoch: wanted.leader_epoch,
            fetch_offset: wanted.offset,
            partition_max_bytes: config.max_partition_fetch_bytes,
            ..Default::default()
        });
    }
    FetchRequest {
        max_wait_ms: config.fetch_max_wait_ms,
        min_bytes: config.fetch_min_bytes,
        max_bytes: config.fetch_max_bytes,
        isolation_level: config.isolation_level(),
        // Outside any session.
        session_id: 0,
        session_epoch: -1,
        topics: topics.into_values().collect(),
        rack_id: config.client_rack.clone(),
        ..Default::default()
    }
}

fn take_data(response: &mut FetchResponse, wanted: &Wanted) -> Option<PartitionData> {
    let topic = response.responses.iter_mut().find(|topic| {
        if topic.topic.is_empty() { topic.topic_id == wanted.topic_id } else { *topic.topic == *wanted.partition.topic }
    })?;
    let at = topic.partitions.iter().position(|data| data.partition_index == wanted.partition.partition)?;
    Some(topic.partitions.swap_remove(at))
}

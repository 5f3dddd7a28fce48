//! Fetch: record batches, as they are in the log's files. Waits for `min_bytes` up to `max_wait_ms`.

use super::leader_hints::{HintedNode, LeaderHints};
use crate::broker::Broker;
use crate::replicas::{Partition, Waiter, isr};
use crate::request::{Reply, RequestContext};
use ottla_base::{ErrorCode, NodeId, Offset, Time, Uuid};
use ottla_log::{FetchIsolation, Log, LogError};
use ottla_metadata::image::MetadataImage;
use ottla_replication::{Fetching, PartitionToFetch, Seen};
use ottla_wire::RecordsData;
use ottla_wire::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use ottla_wire::messages::{FetchRequest, FetchResponse};
use parking_lot::Mutex;
use std::sync::Arc;

const CONSUMER: i32 = -1;

pub fn handle(broker: &Arc<Broker>, context: RequestContext, request: FetchRequest, reply: Reply<FetchResponse>) {
    let replica_id = if context.version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let random = broker.rng.next_u64();
    let now_ms = context.now.mono_ms;
    let begun = broker.sessions.lock().begin(&request, context.version, replica_id >= 0, random, now_ms);
    let fetching = match begun {
        Ok(fetching) => fetching,
        Err(error) => return reply.send(&FetchResponse { error_code: error.code(), ..Default::default() }),
    };
    let fetch = Fetch {
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(broker.settings.fetch_max_bytes),
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
        isolation: isolation(replica_id, request.isolation_level),
        broker: broker.clone(),
        context,
        fetching,
    };
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    let found = fetch.read();
    if replica_id >= 0 {
        fetch.follow(replica_id, request.replica_state.replica_epoch, &found);
    }
    if wait_ms == 0 || found.is_enough(fetch.min_bytes) || fetch.fetching.partitions.is_empty() {
        return fetch.answer(found, reply);
    }
    DelayedFetch::park(fetch, reply, now_ms + wait_ms);
}

fn isolation(replica_id: i32, level: i8) -> FetchIsolation {
    match (replica_id, level) {
        (CONSUMER, 1) => FetchIsolation::LastStable,
        (CONSUMER, _) => FetchIsolation::HighWatermark,
        _ => FetchIsolation::LogEnd,
    }
}

/// A fetch that may wait.
struct DelayedFetch(Mutex<Option<(Fetch, Reply<FetchResponse>)>>);

impl DelayedFetch {
    fn park(fetch: Fetch, reply: Reply<FetchResponse>, deadline_ms: u64) {
        let broker = fetch.broker.clone();
        let partitions: Vec<_> = fetch.fetching.partitions.iter().filter_map(|p| fetch.find(p).ok()).collect();
        let now = fetch.context.now;
        let delayed = Arc::new(DelayedFetch(Mutex::new(Some((fetch, reply)))));
        let waiter: Arc<dyn Waiter> = delayed.clone();
        for partition in &partitions {
            partition.waiters.add(&waiter);
        }
        // Records may have come in between the read and the registration.
        if !delayed.try_complete(now) {
            broker.timers.at(deadline_ms, move |_| delayed.complete());
        }
    }

    fn complete(&self) {
        let taken = self.0.lock().take();
        if let Some((fetch, reply)) = taken {
            let found = fetch.read();
            fetch.answer(found, reply);
        }
    }
}

impl Waiter for DelayedFetch {
    fn try_complete(&self, _now: Time) -> bool {
        let mut slot = self.0.lock();
        let Some((fetch, _)) = slot.as_ref() else { return true };
        let found = fetch.read();
        if !found.is_enough(fetch.min_bytes) {
            return false;
        }
        let taken = slot.take();
        drop(slot);
        if let Some((fetch, reply)) = taken {
            fetch.answer(found, reply);
        }
        true
    }
}

struct Fetch {
    broker: Arc<Broker>,
    context: RequestContext,
    fetching: Fetching,
    max_bytes: usize,
    min_bytes: usize,
    isolation: FetchIsolation,
}

/// One partition's part of the response.
struct Read {
    data: PartitionData,
    topic_id: Uuid,
}

struct Found {
    reads: Vec<Read>,
    bytes: usize,
    /// An error, or a follower's log that must be cut: not to be held back.
    has_news: bool,
}

impl Found {
    fn is_enough(&self, min_bytes: usize) -> bool {
        self.has_news || self.bytes >= min_bytes
    }
}

impl Fetch {
    /// Reads all partitions in order, as far as the bytes go.
    fn read(&self) -> Found {
        let image = self.broker.quorum.image();
        let mut found = Found { reads: Vec::with_capacity(self.fetching.partitions.len()), bytes: 0, has_news: false };
        for wanted in &self.fetching.partitions {
            let left = self.max_bytes.saturating_sub(found.bytes);
            // The first batch comes whole even if it is too large, so that the reader gets on (KIP-74).
            let data = self.read_one(wanted, left, found.bytes == 0);
            found.bytes += data.records.as_ref().map_or(0, RecordsData::len);
            found.has_news |= is_news(&data);
            found.reads.push(Read { data, topic_id: self.topic_id(&image, wanted) });
        }
        found
    }

    fn topic_id(&self, image: &MetadataImage, wanted: &PartitionToFetch) -> Uuid {
        if self.context.version >= 13 {
            wanted.topic_id
        } else {
            image.topics.id_of(&wanted.topic).unwrap_or(Uuid::ZERO)
        }
    }

    fn find(&self, wanted: &PartitionToFetch) -> Result<Arc<Partition>, ErrorCode> {
        let image = self.broker.quorum.image();
        let topic_id = self.topic_id(&image, wanted);
        let index = wanted.fetch.partition;
        if let Some(partition) = self.broker.replicas.get(topic_id, index) {
            return Ok(partition);
        }
        Err(match image.topics.by_id(topic_id) {
            Some(topic) if topic.partitions.get(index).is_some() => ErrorCode::NotLeaderOrFollower,
            Some(_) => ErrorCode::UnknownTopicOrPartition,
            None if self.context.version >= 13 => ErrorCode::UnknownTopicId,
            None => ErrorCode::UnknownTopicOrPartition,
        })
    }

    fn read_one(&self, wanted: &PartitionToFetch, left: usize, is_first: bool) -> PartitionData {
        let index = wanted.fetch.partition;
        let read = self.find(wanted).map_err(|code| LogError::new(code, String::new())).and_then(|partition| {
            let log = partition.leader_log(wanted.fetch.current_leader_epoch, self.context.now)?;
            self.read_log(log, wanted, left, is_first)
        });
        read.unwrap_or_else(|error| PartitionData {
            partition_index: index,
            error_code: error.code.code(),
            high_watermark: -1,
            records: Some(RecordsData::default()),
            aborted_transactions: None,
            ..Default::default()
        })
    }

    fn read_log(
        &self,
        log: &Log,
        wanted: &PartitionToFetch,
        left: usize,
        is_first: bool,
    ) -> Result<PartitionData, LogError> {
        let ask = &wanted.fetch;
        if ask.last_fetched_epoch >= 0
            && let Some(diverging_epoch) = diverges(log, ask.last_fetched_epoch, ask.fetch_offset)?
        {
            let offsets = log.offsets()?;
            return Ok(PartitionData {
                partition_index: ask.partition,
                high_watermark: offsets.high_watermark,
                last_stable_offset: offsets.last_stable_offset,
                log_start_offset: offsets.log_start_offset,
                diverging_epoch,
                records: Some(RecordsData::default()),
                ..Default::default()
            });
        }
        let max = usize::try_from(ask.partition_max_bytes).unwrap_or(0).min(left);
        let data = log.read(ask.fetch_offset, max, self.isolation, is_first)?;
        let aborted = data.aborted.map(|list| list.iter().map(aborted_transaction).collect());
        Ok(PartitionData {
            partition_index: ask.partition,
            high_watermark: data.offsets.high_watermark,
            last_stable_offset: data.offsets.last_stable_offset,
            log_start_offset: data.offsets.log_start_offset,
            aborted_transactions: aborted,
            records: Some(data.records.map_or_else(RecordsData::default, |slice| RecordsData::Files(vec![slice]))),
            ..Default::default()
        })
    }

    /// Takes note of how far a follower has got.
    fn follow(&self, replica_id: NodeId, broker_epoch: i64, found: &Found) {
        for (wanted, read) in self.fetching.partitions.iter().zip(&found.reads) {
            let Ok(partition) = self.find(wanted) else { continue };
            if is_news(&read.data) {
                continue;
            }
            let offset = wanted.fetch.fetch_offset;
            match partition.on_follower_fetch(replica_id, broker_epoch, offset, self.context.now) {
                Ok(Some(proposal)) => isr::propose(&self.broker, proposal),
                Ok(None) => {}
                Err(error) => tracing::debug!("fetch of replica {replica_id}: {error}"),
            }
        }
    }

    fn answer(self, found: Found, reply: Reply<FetchResponse>) {
        let image = self.broker.quorum.image();
        let mut hints = LeaderHints::new(&image, &self.context.connection.listener);
        let mut response = FetchResponse { session_id: self.fetching.session_id, ..Default::default() };
        for (wanted, mut read) in self.fetching.partitions.iter().zip(found.reads) {
            if !self.report(wanted, &read.data) {
                continue;
            }
            if let Some(leader) = self.leader_hint(&read, &mut hints) {
                read.data.current_leader = leader;
            }
            let same_topic =
                |last: &&mut FetchableTopicResponse| last.topic == wanted.topic && last.topic_id == wanted.topic_id;
            match response.responses.last_mut().filter(same_topic) {
                Some(topic) => topic.partitions.push(read.data),
                None => response.responses.push(FetchableTopicResponse {
                    topic: wanted.topic.clone(),
                    topic_id: wanted.topic_id,
                    partitions: vec![read.data],
                    ..Default::default()
                }),
            }
        }
        if self.context.version >= 16 {
            response.node_endpoints = hints.nodes().into_iter().map(node_endpoint).collect();
        }
        reply.send(&response);
    }

    /// Whether the partition belongs into the response.
    fn report(&self, wanted: &PartitionToFetch, data: &PartitionData) -> bool {
        if self.fetching.session_id == 0 {
            return true;
        }
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let now = Seen { high_watermark: data.high_watermark, log_start_offset: data.log_start_offset };
        let mut sessions = self.broker.sessions.lock();
        sessions.report(self.fetching.session_id, wanted, now, has_records, is_news(data))
            || !self.fetching.is_incremental
    }

    fn leader_hint(&self, read: &Read, hints: &mut LeaderHints<'_>) -> Option<LeaderIdAndEpoch> {
        let error = ErrorCode::from_code(read.data.error_code);
        let wrong_broker = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
        if self.context.version < 12 || !wrong_broker {
            return None;
        }
        let (leader_id, leader_epoch) = hints.leader(read.topic_id, read.data.partition_index)?;
        Some(LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() })
    }
}

fn is_news(data: &PartitionData) -> bool {
    data.error_code != 0 || data.diverging_epoch.end_offset >= 0
}

/// Where the fetcher's log and ours part, if they do (KIP-595).
fn diverges(log: &Log, last_fetched_epoch: i32, fetch_offset: Offset) -> Result<Option<EpochEndOffset>, LogError> {
    let Some((epoch, end_offset)) = log.end_offset_for_epoch(last_fetched_epoch)? else {
        return Err(LogError::new(ErrorCode::OffsetOutOfRange, String::new()));
    };
    if epoch < last_fetched_epoch || end_offset < fetch_offset {
        return Ok(Some(EpochEndOffset { epoch, end_offset, ..Default::default() }));
    }
    Ok(None)
}

fn aborted_transaction(aborted: &ottla_log::AbortedTxn) -> AbortedTransaction {
    AbortedTransaction { producer_id: aborted.producer_id, first_offset: aborted.first_offset, ..Default::default() }
}

fn node_endpoint(node: HintedNode) -> NodeEndpoint {
    NodeEndpoint { node_id: node.id, host: node.host, port: node.port, rack: node.rack, ..Default::default() }
}

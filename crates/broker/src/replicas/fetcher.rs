//! Followers: one fetch at a time to each broker that leads partitions which we follow.

use super::Partition;
use crate::broker::Broker;
use crate::network::{self, Address, Lane};
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Time, Uuid};
use ottla_log::{LogError, LogStartOffsetReason};
use ottla_wire::RecordsData;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use ottla_wire::messages::fetch_response::PartitionData;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::{FetchRequest, FetchResponse, ListOffsetsRequest};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Key = (Uuid, i32);

struct Following {
    partition: Arc<Partition>,
    epoch: LeaderEpoch,
    /// After an error: not before this, on the monotonic clock.
    not_before_ms: u64,
}

/// What is fetched from one leader.
#[derive(Default)]
struct Lead {
    following: BTreeMap<Key, Following>,
    is_fetching: bool,
}

#[derive(Default)]
pub struct Fetchers(Mutex<HashMap<NodeId, Lead>>);

impl Fetchers {
    /// Follows the partition's present leader, if that is another broker.
    pub fn follow(&self, me: NodeId, partition: &Arc<Partition>) {
        let key = (partition.topic_id, partition.id);
        let leader = partition.current_leader();
        let mut leads = self.0.lock();
        for (id, lead) in leads.iter_mut().filter(|(id, _)| **id != leader.id) {
            tracing::trace!("no longer following {} of broker {id}", partition.topic);
            lead.following.remove(&key);
        }
        if leader.id >= 0 && leader.id != me {
            let following = Following { partition: partition.clone(), epoch: leader.epoch, not_before_ms: 0 };
            leads.entry(leader.id).or_default().following.insert(key, following);
        }
    }

    pub fn forget(&self, key: Key) {
        for lead in self.0.lock().values_mut() {
            lead.following.remove(&key);
        }
    }

    /// Sends a fetch to each leader that has none under way.
    pub fn run(broker: &Arc<Broker>) {
        let idle: Vec<NodeId> = {
            let leads = broker.fetchers.0.lock();
            leads
                .iter()
                .filter(|(_, lead)| !lead.is_fetching && !lead.following.is_empty())
                .map(|(id, _)| *id)
                .collect()
        };
        for leader in idle {
            fetch(broker, leader);
        }
    }
}

fn address_of(broker: &Broker, leader: NodeId) -> Option<Address> {
    let image = broker.quorum.image();
    let endpoint = Broker::endpoint_of(&image, leader, broker.config.inter_broker_listener_name())?;
    Some(Address { host: endpoint.host, port: endpoint.port })
}

fn fetch(broker: &Arc<Broker>, leader: NodeId) {
    let now = broker.clock.now();
    let (request, asked) = {
        let mut leads = broker.fetchers.0.lock();
        let Some(lead) = leads.get_mut(&leader).filter(|lead| !lead.is_fetching && !lead.following.is_empty()) else {
            return;
        };
        lead.is_fetching = true;
        build(broker, lead, now)
    };
    let Some(address) = address_of(broker, leader).filter(|_| !asked.is_empty()) else {
        return again_later(broker, leader);
    };
    let timeout_ms = broker.settings.replica_socket_timeout_ms;
    let receiver = broker.clone();
    network::call(&*broker.network, &address, Lane::Replication, request, timeout_ms, move |answer| {
        let keeper = receiver.clone();
        // Appending waits for nothing but memory, yet not on the network's thread.
        receiver.background.run(Box::new(move || match answer {
            Ok((_, response)) if response.error_code == 0 => received(&keeper, leader, asked, response),
            _ => again_later(&keeper, leader),
        }));
    });
}

/// By partition, the leader epoch that was asked with.
type Asked = BTreeMap<Key, (Arc<Partition>, LeaderEpoch)>;

fn build(broker: &Broker, lead: &Lead, now: Time) -> (FetchRequest, Asked) {
    let mut topics: BTreeMap<Uuid, Vec<FetchPartition>> = BTreeMap::new();
    let mut asked = Asked::new();
    for (key, following) in lead.following.iter().filter(|(_, f)| f.not_before_ms <= now.mono_ms) {
        match fetch_partition(broker, following) {
            Ok(partition) => {
                topics.entry(key.0).or_default().push(partition);
                asked.insert(*key, (following.partition.clone(), following.epoch));
            }
            Err(error) => tracing::error!("{}-{}: {error}", following.partition.topic, key.1),
        }
    }
    let topic = |(topic_id, partitions)| FetchTopic { topic_id, partitions, ..Default::default() };
    let request = FetchRequest {
        replica_state: ReplicaState {
            replica_id: broker.node_id,
            replica_epoch: broker.lifecycle.epoch(),
            ..Default::default()
        },
        max_wait_ms: broker.settings.replica_fetch_wait_max_ms,
        min_bytes: broker.settings.replica_fetch_min_bytes,
        max_bytes: broker.settings.replica_fetch_response_max_bytes,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    (request, asked)
}

fn fetch_partition(broker: &Broker, following: &Following) -> Result<FetchPartition, LogError> {
    let log = &following.partition.log;
    Ok(FetchPartition {
        partition: following.partition.id,
        current_leader_epoch: following.epoch,
        fetch_offset: log.log_end_offset()?,
        last_fetched_epoch: log.latest_epoch()?.unwrap_or(-1),
        log_start_offset: log.log_start_offset(),
        partition_max_bytes: broker.settings.replica_fetch_max_bytes,
        high_watermark: log.high_watermark(),
        ..Default::default()
    })
}

fn again_later(broker: &Arc<Broker>, leader: NodeId) {
    if let Some(lead) = broker.fetchers.0.lock().get_mut(&leader) {
        lead.is_fetching = false;
    }
    let keeper = broker.clone();
    let at = broker.clock.now().mono_ms + broker.settings.replica_fetch_backoff_ms;
    broker.timers.at(at, move |_| fetch(&keeper, leader));
}

fn received(broker: &Arc<Broker>, leader: NodeId, asked: Asked, response: FetchResponse) {
    let now = broker.clock.now();
    for topic in response.responses {
        for data in topic.partitions {
            let key = (topic.topic_id, data.partition_index);
            let Some((partition, epoch)) = asked.get(&key) else { continue };
            // The leader may have changed while the answer was on its way.
            let leads = partition.current_leader();
            if leads.id != leader || leads.epoch != *epoch {
                continue;
            }
            let pause = match take(broker, partition, *epoch, data, now) {
                Ok(()) => false,
                Err(error) if error.code == ErrorCode::OffsetOutOfRange => {
                    start_over(broker, leader, partition.clone(), *epoch);
                    true
                }
                Err(error) => {
                    tracing::debug!("{}-{} from broker {leader}: {error}", partition.topic, partition.id);
                    true
                }
            };
            if pause && let Some(following) = following(&mut broker.fetchers.0.lock(), leader, key) {
                following.not_before_ms = now.mono_ms + broker.settings.replica_fetch_backoff_ms;
            }
        }
    }
    if let Some(lead) = broker.fetchers.0.lock().get_mut(&leader) {
        lead.is_fetching = false;
    }
    fetch(broker, leader);
}

fn following(leads: &mut HashMap<NodeId, Lead>, leader: NodeId, key: Key) -> Option<&mut Following> {
    leads.get_mut(&leader)?.following.get_mut(&key)
}

/// Cuts the log where it parts from the leader's, or appends what came.
fn take(
    broker: &Broker,
    partition: &Partition,
    epoch: LeaderEpoch,
    data: PartitionData,
    now: Time,
) -> Result<(), LogError> {
    let error = ErrorCode::from_code(data.error_code);
    if error.is_error() {
        return Err(LogError::new(error, String::new()));
    }
    let log = &partition.log;
    if data.diverging_epoch.end_offset >= 0 {
        let theirs = data.diverging_epoch;
        // Where our own part of that epoch ends, if it ends earlier.
        let ours = log.end_offset_for_epoch(theirs.epoch)?.map_or(theirs.end_offset, |(_, end)| end);
        let to = ours.min(theirs.end_offset);
        tracing::info!("{}-{}: truncating to {to}, where the leader's log differs", partition.topic, partition.id);
        let name = ottla_base::TopicPartition::new(partition.topic.clone(), partition.id);
        return broker.replicas.logs.truncate_to(&name, to, false, now.wall_ms).map(|_| ());
    }
    if let Some(records) = data.records.as_ref().and_then(RecordsData::as_bytes).filter(|bytes| !bytes.is_empty()) {
        log.append_as_follower(records, epoch, now.wall_ms)?;
    }
    if log.maybe_increment_high_watermark(data.high_watermark.min(log.log_end_offset()?))?.is_some() {
        partition.waiters.wake(now);
    }
    if data.log_start_offset > log.log_start_offset() && data.log_start_offset <= log.high_watermark() {
        log.increment_log_start_offset(data.log_start_offset, LogStartOffsetReason::LeaderOffsetIncremented)?;
    }
    Ok(())
}

/// The leader's log no longer has what comes after ours: begin where it begins.
fn start_over(broker: &Arc<Broker>, leader: NodeId, partition: Arc<Partition>, epoch: LeaderEpoch) {
    const EARLIEST: i64 = -2;
    let Some(address) = address_of(broker, leader) else { return };
    let asked = ListOffsetsPartition {
        partition_index: partition.id,
        current_leader_epoch: epoch,
        timestamp: EARLIEST,
        ..Default::default()
    };
    let topic = ListOffsetsTopic { name: partition.topic.to_string(), partitions: vec![asked], ..Default::default() };
    let request = ListOffsetsRequest { replica_id: broker.node_id, topics: vec![topic], ..Default::default() };
    let timeout_ms = broker.settings.replica_socket_timeout_ms;
    let keeper = broker.clone();
    network::call(&*broker.network, &address, Lane::Lifecycle, request, timeout_ms, move |answer| {
        let found =
            answer.ok().and_then(|(_, response)| response.topics.into_iter().next()?.partitions.into_iter().next());
        let Some(start) = found.filter(|found| found.error_code == 0).map(|found| found.offset) else { return };
        let leads = partition.current_leader();
        if leads.id != leader || leads.epoch != epoch {
            return;
        }
        let name = ottla_base::TopicPartition::new(partition.topic.clone(), partition.id);
        let now = keeper.clock.now();
        tracing::info!("{name}: starting over at {start}, where the leader's log begins");
        if let Err(error) = keeper.replicas.logs.truncate_fully_and_start_at(&name, start, None, false, now.wall_ms) {
            tracing::error!("{name}: {error}");
        }
    });
}

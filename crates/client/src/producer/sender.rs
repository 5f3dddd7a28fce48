//! The task that sends batches and deals with the answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use ottla_base::{ErrorCode, NodeId, TopicPartition};
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use ottla_wire::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use ottla_wire::records::increment_sequence;
use ottla_wire::{ApiKey, Message, Writer};
use tokio::task::JoinSet;

use super::Shared;
use super::batch::Batch;
use crate::cluster::Topics;
use crate::connection::Connection;
use crate::error::{Error, Result, check};

const LOGGER: &str = "org.apache.kafka.clients.producer.internals.Sender";

type Sent = Vec<(TopicPartition, Batch)>;

/// What the task waits for.
enum Event {
    Connected(NodeId, Result<Arc<Connection>>),
    Answered(NodeId, Sent, Result<ProduceResponse>),
    Refreshed,
    ProducerId(Result<(i64, i16)>),
}

struct Sender {
    shared: Arc<Shared>,
    events: JoinSet<Event>,
    connections: HashMap<NodeId, Arc<Connection>>,
    connecting: HashSet<NodeId>,
    /// Requests per node.
    in_flight: HashMap<NodeId, usize>,
    refreshing: bool,
    refresh_failures: u32,
    /// Id and epoch, once the broker gave them.
    producer: Option<(i64, i16)>,
    asking_id: bool,
    id_failures: u32,
    /// A gap in the sequence: nothing more may be sent under this id.
    id_is_spoilt: bool,
}

pub(super) async fn run(shared: Arc<Shared>) {
    let mut sender = Sender {
        shared: shared.clone(),
        events: JoinSet::new(),
        connections: HashMap::new(),
        connecting: HashSet::new(),
        in_flight: HashMap::new(),
        refreshing: false,
        refresh_failures: 0,
        producer: None,
        asking_id: false,
        id_failures: 0,
        id_is_spoilt: false,
    };
    loop {
        let next = sender.send_ready();
        let sleep = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(Ok(event)) = sender.events.join_next() => sender.handle(event),
            () = shared.wake.notified() => {}
            () = sleep => {}
        }
    }
}

impl Sender {
    /// Sends what can be sent; returns when to look again if nothing happens before.
    fn send_ready(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.expire(now);
        if !self.has_producer_id() {
            return None;
        }
        let (ready, mut next) = self.ready_partitions(now);
        let mut by_node: BTreeMap<NodeId, Vec<TopicPartition>> = BTreeMap::new();
        let metadata = self.shared.cluster.metadata();
        let mut homeless = false;
        for partition in ready {
            match metadata.leader(&partition) {
                Some(leader) => by_node.entry(leader).or_default().push(partition),
                None => homeless = true,
            }
        }
        if homeless {
            self.refresh();
        }
        for (node, partitions) in by_node {
            self.send_to(node, &partitions, &mut next);
        }
        next
    }

    fn ready_partitions(&self, now: Instant) -> (Vec<TopicPartition>, Option<Instant>) {
        let config = &self.shared.config;
        let accumulator = self.shared.accumulator.lock();
        let mut ready = Vec::new();
        let mut next = accumulator.oldest().map(|oldest| oldest + config.delivery_timeout);
        for (partition, queue) in &accumulator.queues {
            match queue.ready(now, config.linger, config.batch_size_bytes, accumulator.waiting > 0) {
                Ok(()) => ready.push(partition.clone()),
                Err(Some(at)) => next = Some(next.map_or(at, |next: Instant| next.min(at))),
                Err(None) => {}
            }
        }
        (ready, next)
    }

    /// Fails batches whose time is over before they were delivered.
    fn expire(&mut self, now: Instant) {
        let timeout = self.shared.config.delivery_timeout;
        let mut expired = Vec::new();
        {
            let mut accumulator = self.shared.accumulator.lock();
            for (partition, queue) in &mut accumulator.queues {
                let is_over = |batch: &Batch| now.duration_since(batch.created) >= timeout;
                while queue.retries.front().or(queue.batches.front()).is_some_and(is_over) {
                    expired.extend(queue.take_first().map(|batch| (partition.clone(), batch)));
                }
            }
        }
        for (partition, batch) in expired {
            let message = format!(
                "Expiring {} record(s) for {partition}:{} ms has passed since batch creation. The request has not been sent, or no server response has been received yet.",
                batch.len(),
                now.duration_since(batch.created).as_millis()
            );
            self.id_is_spoilt |= batch.base_sequence.is_some();
            self.complete(&partition, batch, Err(Error::timeout(message)));
        }
    }

    fn send_to(&mut self, node: NodeId, partitions: &[TopicPartition], next: &mut Option<Instant>) {
        if self.in_flight.get(&node).is_some_and(|count| *count >= self.shared.config.max_in_flight) {
            return;
        }
        let Some(connection) = self.connections.get(&node).filter(|connection| !connection.is_closed()).cloned() else {
            self.connect(node);
            return;
        };
        let mut sent: Sent = Vec::new();
        let mut size = 0;
        {
            let mut accumulator = self.shared.accumulator.lock();
            for partition in partitions {
                let Some(queue) = accumulator.queues.get_mut(partition) else { continue };
                let Some(mut batch) = queue.take_first() else { continue };
                if size > 0 && size + batch.bytes > self.shared.config.max_request_size_bytes {
                    queue.batches.push_front(batch);
                    *next = Some(Instant::now());
                    continue;
                }
                size += batch.bytes;
                if self.producer.is_some() && batch.base_sequence.is_none() {
                    batch.base_sequence = Some(queue.next_sequence);
                    queue.next_sequence = increment_sequence(queue.next_sequence, batch.len());
                }
                batch.attempts += 1;
                queue.in_flight += 1;
                sent.push((partition.clone(), batch));
            }
        }
        if !sent.is_empty() {
            self.transmit(node, &connection, sent);
            // There may be more for it.
            *next = Some(Instant::now());
        }
    }

    fn transmit(&mut self, node: NodeId, connection: &Connection, sent: Sent) {
        let expects_reply = self.shared.config.acks != 0;
        let reply = self.encode(connection, &sent).and_then(|(version, writer)| {
            Ok((version, connection.send(ApiKey::Produce, version, writer, expects_reply)?))
        });
        *self.in_flight.entry(node).or_default() += 1;
        self.events.spawn(async move {
            let result = match reply {
                Err(error) => Err(error),
                Ok(_) if !expects_reply => Ok(ProduceResponse::default()),
                Ok((version, reply)) => match reply.wait().await {
                    Ok(mut reader) => ProduceResponse::decode(&mut reader, version).map_err(Error::from),
                    Err(error) => Err(error),
                },
            };
            Event::Answered(node, sent, result)
        });
    }

    fn encode(&self, connection: &Connection, sent: &Sent) -> Result<(i16, Writer)> {
        let config = &self.shared.config;
        let version = connection.version_of(ApiKey::Produce)?;
        let metadata = self.shared.cluster.metadata();
        let mut topics: BTreeMap<&str, TopicProduceData> = BTreeMap::new();
        for (partition, batch) in sent {
            let data = PartitionProduceData {
                index: partition.partition,
                records: Some(batch.encode(config, self.producer)?.into()),
                ..Default::default()
            };
            topics.entry(&partition.topic).or_default().partition_data.push(data);
        }
        for (name, topic) in &mut topics {
            // Since version 13 topics go by their ids.
            if version >= 13 {
                topic.topic_id = metadata.topic(name).map(|topic| topic.id).unwrap_or_default();
            } else {
                topic.name = (*name).to_owned();
            }
        }
        let request = ProduceRequest {
            acks: config.acks,
            timeout_ms: config.request_timeout_ms,
            topic_data: topics.into_values().collect(),
            ..Default::default()
        };
        let mut writer = Writer::new();
        request.encode(&mut writer, version)?;
        Ok((version, writer))
    }

    fn connect(&mut self, node: NodeId) {
        if self.connecting.insert(node) {
            let shared = self.shared.clone();
            self.events.spawn(async move { Event::Connected(node, shared.cluster.node(node).await) });
        }
    }

    fn refresh(&mut self) {
        if self.refreshing {
            return;
        }
        self.refreshing = true;
        let pause = self.shared.cluster.retry_backoff(self.refresh_failures);
        self.refresh_failures += 1;
        let topics: HashSet<String> =
            self.shared.accumulator.lock().queues.keys().map(|partition| partition.topic.to_string()).collect();
        let shared = self.shared.clone();
        self.events.spawn(async move {
            tokio::time::sleep(pause).await;
            // What still has no leader asks again.
            let _ = shared.cluster.refresh(&Topics::Named(topics.into_iter().collect())).await;
            Event::Refreshed
        });
    }

    /// Asks for a producer id where one is needed; until it is there nothing can be sent.
    fn has_producer_id(&mut self) -> bool {
        if !self.shared.config.idempotent {
            return true;
        }
        if self.id_is_spoilt && self.shared.accumulator.lock().in_flight() == 0 {
            self.id_is_spoilt = false;
            self.producer = None;
            self.shared.accumulator.lock().queues.values_mut().for_each(super::accumulator::Queue::renumber);
        }
        if self.producer.is_some() {
            return !self.id_is_spoilt;
        }
        if !self.asking_id && !self.shared.accumulator.lock().is_empty() {
            self.asking_id = true;
            let shared = self.shared.clone();
            let pause = (self.id_failures > 0).then(|| shared.cluster.retry_backoff(self.id_failures - 1));
            self.events.spawn(async move {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                Event::ProducerId(ask_producer_id(&shared).await)
            });
        }
        false
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Connected(node, Ok(connection)) => {
                self.connecting.remove(&node);
                self.connections.insert(node, connection);
            }
            Event::Connected(node, Err(_)) => {
                self.connecting.remove(&node);
                self.refresh();
            }
            Event::Refreshed => self.refreshing = false,
            Event::ProducerId(Ok(id)) => {
                self.asking_id = false;
                self.id_failures = 0;
                self.producer = Some(id);
            }
            Event::ProducerId(Err(error)) => {
                self.asking_id = false;
                self.id_failures += 1;
                if !error.is_retriable() {
                    self.fail_all(&error);
                }
            }
            Event::Answered(node, sent, result) => {
                if let Some(count) = self.in_flight.get_mut(&node) {
                    *count = count.saturating_sub(1);
                }
                self.answered(sent, result);
            }
        }
    }

    fn fail_all(&mut self, error: &Error) {
        let mut failed = Vec::new();
        for (partition, queue) in &mut self.shared.accumulator.lock().queues {
            while let Some(batch) = queue.take_first() {
                failed.push((partition.clone(), batch));
            }
        }
        for (partition, batch) in failed {
            self.complete(&partition, batch, Err(error.clone()));
        }
    }

    fn answered(&mut self, sent: Sent, result: Result<ProduceResponse>) {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                for (partition, batch) in sent {
                    self.landed(&partition);
                    self.failed(partition, batch, error.clone());
                }
                return;
            }
        };
        let metadata = self.shared.cluster.metadata();
        for (partition, batch) in sent {
            self.landed(&partition);
            if self.shared.config.acks == 0 {
                self.complete(&partition, batch, Ok((-1, -1)));
                continue;
            }
            let id = metadata.topic(&partition.topic).map(|topic| topic.id).unwrap_or_default();
            let topic = response.responses.iter().find(|topic| {
                if topic.name.is_empty() { topic.topic_id == id } else { *topic.name == *partition.topic }
            });
            let answer = topic
                .and_then(|topic| topic.partition_responses.iter().find(|answer| answer.index == partition.partition));
            match answer {
                Some(answer) => self.settle(partition, batch, answer),
                None => self.failed(partition, batch, ErrorCode::UnknownServerError.into()),
            }
        }
    }

    fn settle(&mut self, partition: TopicPartition, batch: Batch, answer: &PartitionProduceResponse) {
        match ErrorCode::from_code(answer.error_code) {
            // A batch that was stored already, by an attempt whose answer got lost.
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                self.refresh_failures = 0;
                self.complete(&partition, batch, Ok((answer.base_offset, answer.log_append_time_ms)));
            }
            ErrorCode::MessageTooLarge if batch.len() > 1 => self.split(&partition, batch),
            error => {
                let message = answer.error_message.as_deref();
                self.failed(partition, batch, Error::from_response(error, message));
            }
        }
    }

    fn split(&mut self, partition: &TopicPartition, batch: Batch) {
        self.id_is_spoilt |= batch.base_sequence.is_some();
        let (first, second) = batch.split();
        let mut accumulator = self.shared.accumulator.lock();
        let queue = accumulator.queues.entry(partition.clone()).or_default();
        queue.batches.push_front(second);
        queue.batches.push_front(first);
    }

    fn landed(&self, partition: &TopicPartition) {
        if let Some(queue) = self.shared.accumulator.lock().queues.get_mut(partition) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
    }

    fn has_retry_before(&self, partition: &TopicPartition, sequence: Option<i32>) -> bool {
        let accumulator = self.shared.accumulator.lock();
        accumulator.queues.get(partition).is_some_and(|queue| queue.has_retry_before(sequence))
    }

    /// Sends again, or gives up.
    fn failed(&mut self, partition: TopicPartition, mut batch: Batch, error: Error) {
        let config = &self.shared.config;
        let now = Instant::now();
        // A gap that a batch before it will close is no loss.
        let misplaced = config.idempotent
            && matches!(error.code, ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId);
        let lost_place = misplaced && !self.has_retry_before(&partition, batch.base_sequence);
        let in_time = now.duration_since(batch.created) < config.delivery_timeout;
        let attempts_left = (config.retries + 1).saturating_sub(batch.attempts);
        if !(error.is_retriable() || misplaced) || !in_time || attempts_left == 0 {
            self.id_is_spoilt |= batch.base_sequence.is_some();
            self.complete(&partition, batch, Err(error));
            return;
        }
        tracing::warn!(
            target: LOGGER,
            "{}Got error produce response on topic-partition {partition}, retrying ({} attempts left). Error: {}",
            config.client.log_prefix(),
            attempts_left - 1,
            if error.code.is_error() { error.code.name() } else { &error.message }
        );
        self.id_is_spoilt |= lost_place;
        batch.retry_at = Some(now + self.shared.cluster.retry_backoff(batch.attempts.saturating_sub(1)));
        self.shared.accumulator.lock().queues.entry(partition).or_default().push_retry(batch);
        self.refresh();
    }

    fn complete(&mut self, partition: &TopicPartition, batch: Batch, outcome: Result<(i64, i64)>) {
        let freed = batch.complete(partition, &outcome);
        self.shared.memory.add_permits(freed);
        if self.shared.accumulator.lock().is_empty() {
            self.shared.drained.notify_waiters();
        }
    }
}

async fn ask_producer_id(shared: &Shared) -> Result<(i64, i16)> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let response = shared.cluster.any_node().await?.call(&request).await?;
    check(response.error_code)?;
    Ok((response.producer_id, response.producer_epoch))
}

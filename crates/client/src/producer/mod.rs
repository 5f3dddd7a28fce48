//! A producer: records are collected into batches per partition, which a task sends to their leaders.

mod accumulator;
mod batch;
mod config;
mod partitioner;
mod sender;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_base::{ErrorCode, Offset, TimestampMs, TopicPartition, partition_for_key};
use ottla_wire::records::{Header, RECORD_BATCH_OVERHEAD};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;

use accumulator::Accumulator;
use batch::{Buffered, upper_bound};
pub use config::ProducerConfig;
use partitioner::Partitioner;

use crate::cluster::{Cluster, Topics};
use crate::config::Settings;
use crate::error::{Error, Result, class};
use crate::metadata::TopicInfo;

/// A record to be sent.
#[derive(Clone, Debug, Default)]
pub struct ProducerRecord {
    pub topic: String,
    /// Chosen by key, or to fill batches, when `None`.
    pub partition: Option<i32>,
    /// Now, when `None`.
    pub timestamp: Option<TimestampMs>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

/// Where a record was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    pub partition: TopicPartition,
    /// -1 when the broker did not say (acks=0).
    pub offset: Offset,
    pub timestamp: TimestampMs,
}

/// The outcome of one record, when it is there.
pub struct Delivery(oneshot::Receiver<Result<RecordMetadata>>);

impl Delivery {
    pub async fn wait(self) -> Result<RecordMetadata> {
        match self.0.await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(class::KAFKA, "Producer is closed forcefully.")),
        }
    }
}

/// Between the handle and the sending task.
struct Shared {
    config: ProducerConfig,
    cluster: Cluster,
    accumulator: Mutex<Accumulator>,
    /// Free bytes of `buffer.memory`.
    memory: Semaphore,
    /// There may be something to send.
    wake: Notify,
    /// There may be nothing left to send.
    drained: Notify,
}

pub struct Producer {
    shared: Arc<Shared>,
    partitioner: Mutex<Partitioner>,
    task: JoinHandle<()>,
}

impl Producer {
    /// Needs a tokio runtime around it. Connects when there is something to send.
    pub fn new(settings: &Settings) -> Result<Producer> {
        let mut config = ProducerConfig::new(settings)?;
        config.client = config.client.resolved()?;
        let shared = Arc::new(Shared {
            cluster: Cluster::new(config.client.clone()),
            accumulator: Mutex::default(),
            memory: Semaphore::new(config.buffer_memory_bytes.min(Semaphore::MAX_PERMITS)),
            wake: Notify::new(),
            drained: Notify::new(),
            config,
        });
        let task = tokio::spawn(sender::run(shared.clone()));
        Ok(Producer { shared, partitioner: Mutex::default(), task })
    }

    pub fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    /// Puts a record into its batch; waits for the topic's metadata and for free memory, `max.block.ms` in all.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery> {
        let bytes = upper_bound(record.key.as_deref(), record.value.as_deref(), &record.headers);
        self.check_size(bytes + RECORD_BATCH_OVERHEAD)?;
        let deadline = Instant::now() + self.shared.config.max_block;
        let partition = self.place(&record, bytes, deadline).await?;
        self.reserve(bytes, deadline).await?;
        let (sender, receiver) = oneshot::channel();
        let buffered = Buffered {
            timestamp: record.timestamp.unwrap_or_else(now_ms),
            key: record.key,
            value: record.value,
            headers: record.headers,
            bytes,
            delivery: sender,
        };
        let complete = self.shared.accumulator.lock().append(&partition, buffered, self.shared.config.batch_size_bytes);
        if complete {
            self.shared.wake.notify_one();
        }
        Ok(Delivery(receiver))
    }

    fn check_size(&self, bytes: usize) -> Result<()> {
        let config = &self.shared.config;
        let too_large = |limit: String| {
            let message =
                format!("The message is {bytes} bytes when serialized which is larger than {limit} configuration.");
            Err(Error::from_response(ErrorCode::MessageTooLarge, Some(&message)))
        };
        if bytes > config.max_request_size_bytes {
            return too_large(format!("{}, which is the value of the max.request.size", config.max_request_size_bytes));
        }
        if bytes > config.buffer_memory_bytes {
            return too_large("the total memory buffer you have configured with the buffer.memory".to_owned());
        }
        Ok(())
    }

    async fn place(&self, record: &ProducerRecord, bytes: usize, deadline: Instant) -> Result<TopicPartition> {
        let topic = self.topic(&record.topic, record.partition, deadline).await?;
        let config = &self.shared.config;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) if !config.ignore_keys && !config.round_robin => {
                partition_for_key(key, topic.partitions.len() as i32)
            }
            _ if config.round_robin => self.partitioner.lock().round_robin(&topic),
            _ => self.partitioner.lock().without_key(&topic, bytes, config.batch_size_bytes),
        };
        Ok(TopicPartition { topic: topic.name.clone(), partition })
    }

    /// Until the brokers know the topic, which asking may create.
    async fn topic(&self, name: &str, partition: Option<i32>, deadline: Instant) -> Result<Arc<TopicInfo>> {
        let usable = |topic: &TopicInfo| {
            topic.error == ErrorCode::None
                && !topic.partitions.is_empty()
                && partition.is_none_or(|partition| partition >= 0 && (partition as usize) < topic.partitions.len())
        };
        let max_age = self.shared.config.client.metadata_max_age;
        let metadata = self.shared.cluster.metadata();
        if metadata.fetched_at.is_some_and(|at| at.elapsed() < max_age)
            && let Some(topic) = metadata.topic(name).filter(|topic| usable(topic))
        {
            return Ok(topic.clone());
        }
        let topics = Topics::Named(vec![name.to_owned()]);
        let mut failures = 0;
        let mut count = None;
        loop {
            let refresh = self.shared.cluster.refresh(&topics);
            if let Ok(Ok(metadata)) = tokio::time::timeout_at(deadline.into(), refresh).await
                && let Some(topic) = metadata.topic(name)
            {
                if usable(topic) {
                    return Ok(topic.clone());
                }
                match topic.error {
                    ErrorCode::InvalidTopicException => {
                        let message = format!("Invalid topics: [{name}]");
                        return Err(Error::from_response(topic.error, Some(&message)));
                    }
                    ErrorCode::TopicAuthorizationFailed => {
                        let message = format!("Not authorized to access topics: [{name}]");
                        return Err(Error::from_response(topic.error, Some(&message)));
                    }
                    _ => count = Some(topic.partitions.len()).filter(|count| *count > 0),
                }
            }
            let pause = self.shared.cluster.retry_backoff(failures);
            failures += 1;
            if Instant::now() + pause >= deadline {
                tokio::time::sleep_until(deadline.into()).await;
                return Err(self.not_in_metadata(name, partition, count));
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn not_in_metadata(&self, topic: &str, partition: Option<i32>, count: Option<usize>) -> Error {
        let waited = self.shared.config.max_block.as_millis();
        Error::timeout(match (partition, count) {
            (Some(partition), Some(count)) => format!(
                "Partition {partition} of topic {topic} with partition count {count} is not present in metadata after {waited} ms."
            ),
            _ => format!("Topic {topic} not present in metadata after {waited} ms."),
        })
    }

    async fn reserve(&self, bytes: usize, deadline: Instant) -> Result<()> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Ok(permit) = self.shared.memory.try_acquire_many(permits) {
            permit.forget();
            return Ok(());
        }
        // Batches that linger hold the memory that is wanted now.
        let _hurry = Hurry::new(&self.shared);
        match tokio::time::timeout_at(deadline.into(), self.shared.memory.acquire_many(permits)).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            _ => Err(Error::timeout(format!(
                "Failed to allocate {bytes} bytes within the configured max blocking time {} ms. Total memory: {} bytes. Available memory: {} bytes.",
                self.shared.config.max_block.as_millis(),
                self.shared.config.buffer_memory_bytes,
                self.shared.memory.available_permits()
            ))),
        }
    }

    /// Until everything sent before was delivered, or failed.
    pub async fn flush(&self) {
        let _hurry = Hurry::new(&self.shared);
        loop {
            let drained = self.shared.drained.notified();
            if self.shared.accumulator.lock().is_empty() {
                return;
            }
            drained.await;
        }
    }

    /// Delivers what is left, for at most `timeout`.
    pub async fn close(self, timeout: Duration) {
        if tokio::time::timeout(timeout, self.flush()).await.is_err() {
            tracing::warn!(
                target: "org.apache.kafka.clients.producer.KafkaProducer",
                "{}Closed before all records were delivered: the time for it, {} ms, was over.",
                self.shared.config.client.log_prefix(),
                timeout.as_millis()
            );
        }
        self.task.abort();
    }
}

/// While this lives nothing lingers.
struct Hurry<'a>(&'a Shared);

impl Hurry<'_> {
    fn new(shared: &Shared) -> Hurry<'_> {
        shared.accumulator.lock().waiting += 1;
        shared.wake.notify_one();
        Hurry(shared)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.accumulator.lock().waiting -= 1;
    }
}

fn now_ms() -> TimestampMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as TimestampMs
}

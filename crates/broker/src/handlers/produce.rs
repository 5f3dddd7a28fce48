//! Produce: appends record batches. The records are not decoded; the log checks and patches them.

use super::leader_hints::{HintedNode, LeaderHints};
use crate::broker::{Broker, is_internal_topic};
use crate::replicas::{DelayedProduce, Partition, Pending};
use crate::request::{Reply, RequestContext};
use bytes::{Bytes, BytesMut};
use ottla_base::{ErrorCode, Uuid};
use ottla_log::{AppendInfo, AppendOptions, LogError};
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use ottla_wire::messages::{ProduceRequest, ProduceResponse};
use ottla_wire::records::{MAGIC_V2, headers};
use std::sync::Arc;

/// Kafka lets its own admin client write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub fn handle(broker: &Arc<Broker>, context: RequestContext, request: ProduceRequest, reply: Reply<ProduceResponse>) {
    let acks = request.acks;
    let image = broker.quorum.image();
    let listener = &context.connection.listener;
    let hints = LeaderHints::new(&image, listener);
    let mut appending = Appending { broker, context: &context, image: &image, acks, hints, pending: vec![] };
    let topics = request.topic_data.into_iter().enumerate();
    let responses = topics.map(|(index, topic)| appending.topic(index, topic)).collect();
    let node_endpoints = appending.endpoints();
    let pending = std::mem::take(&mut appending.pending);
    let response = ProduceResponse { responses, node_endpoints, ..Default::default() };
    if acks == 0 {
        return match first_error(&response) {
            None => reply.send_nothing(),
            // The client expects no answer: closing the connection is the only way to tell it.
            Some(error) => tracing::debug!("produce with acks=0 failed ({error}): closing the connection"),
        };
    }
    if pending.is_empty() {
        return reply.send(&response);
    }
    let deadline_ms = context.now.mono_ms + u64::try_from(request.timeout_ms).unwrap_or(0);
    DelayedProduce::park(broker, pending, response, reply, deadline_ms, context.now);
}

fn first_error(response: &ProduceResponse) -> Option<ErrorCode> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|p| ErrorCode::from_code(p.error_code)).find(|error| error.is_error())
}

struct Appending<'a> {
    broker: &'a Arc<Broker>,
    context: &'a RequestContext,
    image: &'a MetadataImage,
    acks: i16,
    hints: LeaderHints<'a>,
    /// What is not on all in-sync replicas yet.
    pending: Vec<Pending>,
}

impl Appending<'_> {
    fn topic(&mut self, topic_index: usize, topic: TopicProduceData) -> TopicProduceResponse {
        let by_id = self.context.version >= 13;
        let (name, id) = if by_id {
            let name = self.image.topics.name_of(topic.topic_id).map(|name| name.to_string());
            (name.unwrap_or_default(), topic.topic_id)
        } else {
            let id = self.image.topics.id_of(&topic.name).unwrap_or(Uuid::ZERO);
            (topic.name, id)
        };
        let unknown = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        let exists = self.image.topics.by_id(id).is_some();
        let partition = |(place, data): (usize, PartitionProduceData)| {
            let index = data.index;
            let at = (topic_index, place);
            let result = if exists { self.partition(&name, id, data, at) } else { Err(unknown.into_log_error(&name)) };
            self.response(index, id, result)
        };
        let partition_responses = topic.partition_data.into_iter().enumerate().map(partition).collect();
        TopicProduceResponse {
            name: if by_id { String::new() } else { name },
            topic_id: if by_id { id } else { Uuid::ZERO },
            partition_responses,
            ..Default::default()
        }
    }

    fn partition(
        &mut self,
        name: &str,
        topic_id: Uuid,
        data: PartitionProduceData,
        (topic_index, partition_index): (usize, usize),
    ) -> Result<AppendInfo, LogError> {
        if !(-1..=1).contains(&self.acks) {
            let message = format!("acks is {}, but may be -1 (all), 0 or 1", self.acks);
            return Err(LogError::new(ErrorCode::InvalidRequiredAcks, message));
        }
        if is_internal_topic(name) && self.context.client_id() != ADMIN_CLIENT_ID {
            let message = format!("Cannot append to internal topic {name}");
            return Err(LogError::new(ErrorCode::InvalidTopicException, message));
        }
        let partition = self.find(name, topic_id, data.index)?;
        let records = data.records.as_ref().and_then(|records| records.as_bytes()).cloned().unwrap_or_default();
        check_one_batch(&records, self.context.version)?;
        let mut records = own(records);
        let epoch = partition.leader_epoch();
        let info = partition.append(&mut records, self.acks, self.context.now, AppendOptions::client)?;
        let end = info.last_offset + 1;
        if self.acks == -1 && partition.is_replicated(epoch, end) != Some(ErrorCode::None) {
            self.pending.push(Pending { partition, epoch, end, topic_index, partition_index });
        }
        Ok(info)
    }

    fn find(&self, name: &str, topic_id: Uuid, index: i32) -> Result<Arc<Partition>, LogError> {
        if let Some(partition) = self.broker.replicas.get(topic_id, index) {
            return Ok(partition);
        }
        // It exists, but not here; or it does not exist at all.
        match self.image.topics.partition(topic_id, index) {
            Some(_) => Err(ErrorCode::NotLeaderOrFollower.into_log_error(name)),
            None => Err(ErrorCode::UnknownTopicOrPartition.into_log_error(name)),
        }
    }

    fn response(
        &mut self,
        index: i32,
        topic_id: Uuid,
        result: Result<AppendInfo, LogError>,
    ) -> PartitionProduceResponse {
        match result {
            Ok(info) => PartitionProduceResponse {
                index,
                base_offset: info.first_offset,
                log_append_time_ms: info.log_append_time_ms,
                log_start_offset: info.log_start_offset,
                ..Default::default()
            },
            Err(error) => PartitionProduceResponse {
                index,
                error_code: error.code.code(),
                base_offset: -1,
                log_append_time_ms: -1,
                log_start_offset: -1,
                current_leader: self.leader_hint(topic_id, index, error.code),
                record_errors: record_errors(&error),
                error_message: Some(error.message).filter(|message| !message.is_empty()),
                ..Default::default()
            },
        }
    }

    fn leader_hint(&mut self, topic_id: Uuid, index: i32, error: ErrorCode) -> LeaderIdAndEpoch {
        let wanted = self.context.version >= 10 && error == ErrorCode::NotLeaderOrFollower;
        let leader = if wanted { self.hints.leader(topic_id, index) } else { None };
        match leader {
            Some((leader_id, leader_epoch)) => LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() },
            None => LeaderIdAndEpoch::default(),
        }
    }

    fn endpoints(&self) -> Vec<NodeEndpoint> {
        let endpoint = |node: HintedNode| NodeEndpoint {
            node_id: node.id,
            host: node.host,
            port: node.port,
            rack: node.rack,
            ..Default::default()
        };
        self.hints.nodes().into_iter().map(endpoint).collect()
    }
}

fn record_errors(error: &LogError) -> Vec<BatchIndexAndErrorMessage> {
    let record = |record: &ottla_log::RecordError| BatchIndexAndErrorMessage {
        batch_index: record.batch_index,
        batch_index_error_message: Some(record.message.clone()),
        ..Default::default()
    };
    error.record_errors.iter().map(record).collect()
}

/// A client sends one batch of the current format for each partition.
fn check_one_batch(records: &[u8], version: i16) -> Result<(), LogError> {
    let invalid = |message: String| Err(LogError::new(ErrorCode::InvalidRecord, message));
    let mut count = 0;
    for header in headers(records) {
        let (header, _) = header.map_err(|error| LogError::new(error.error_code(), error.to_string()))?;
        if header.magic != MAGIC_V2 {
            return invalid(format!(
                "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
            ));
        }
        count += 1;
    }
    if count == 1 {
        return Ok(());
    }
    if count == 0 && !records.is_empty() {
        return Err(LogError::new(ErrorCode::CorruptMessage, "the record batch is cut off".to_owned()));
    }
    invalid(format!(
        "Produce requests with version {version} are only allowed to contain exactly one record batch per partition"
    ))
}

/// The log patches the batch in place; a copy is made only while others look at the same frame.
fn own(records: Bytes) -> BytesMut {
    BytesMut::from(records)
}

trait IntoLogError {
    fn into_log_error(self, topic: &str) -> LogError;
}

impl IntoLogError for ErrorCode {
    /// Without words of our own: the client has its own for this code.
    fn into_log_error(self, _topic: &str) -> LogError {
        LogError::new(self, String::new())
    }
}

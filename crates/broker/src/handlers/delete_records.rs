//! DeleteRecords (KIP-107): what is before an offset is no longer served.

use crate::broker::{Broker, topic_id_of};
use crate::request::{Reply, RequestContext};
use ottla_base::{ErrorCode, Offset, Time};
use ottla_log::{LogError, LogStartOffsetReason};
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::delete_records_request::DeleteRecordsPartition;
use ottla_wire::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use ottla_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use std::sync::Arc;

/// "Up to what is committed."
const HIGH_WATERMARK: Offset = -1;
const INVALID_LOW_WATERMARK: Offset = -1;

pub fn handle(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: DeleteRecordsRequest,
    reply: Reply<DeleteRecordsResponse>,
) {
    let image = broker.quorum.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partition = |asked: &DeleteRecordsPartition| {
            let (error, low_watermark) = match delete(broker, &image, &topic.name, asked, context.now) {
                Ok(low_watermark) => (ErrorCode::None, low_watermark),
                Err(error) => (error.code, INVALID_LOW_WATERMARK),
            };
            DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark,
                error_code: error.code(),
                ..Default::default()
            }
        };
        let partitions = topic.partitions.iter().map(partition).collect();
        DeleteRecordsTopicResult { partitions, name: topic.name, ..Default::default() }
    });
    reply.send(&DeleteRecordsResponse { topics: topics.collect(), ..Default::default() });
}

fn delete(
    broker: &Broker,
    image: &MetadataImage,
    topic: &str,
    asked: &DeleteRecordsPartition,
    now: Time,
) -> Result<Offset, LogError> {
    let refuse = |code| Err(LogError::new(code, String::new()));
    let topic_id = topic_id_of(image, topic);
    let Some(partition) = broker.replicas.get(topic_id, asked.partition_index) else {
        let exists = image.topics.partition(topic_id, asked.partition_index).is_some();
        return refuse(if exists { ErrorCode::NotLeaderOrFollower } else { ErrorCode::UnknownTopicOrPartition });
    };
    let log = partition.leader_log(-1, now)?;
    if !log.config().cleanup_policy.delete {
        return refuse(ErrorCode::PolicyViolation);
    }
    let high_watermark = log.high_watermark();
    let to = if asked.offset == HIGH_WATERMARK { high_watermark } else { asked.offset };
    if to < 0 || to > high_watermark {
        return refuse(ErrorCode::OffsetOutOfRange);
    }
    log.increment_log_start_offset(to, LogStartOffsetReason::ClientRecordDeletion)?;
    Ok(log.log_start_offset())
}

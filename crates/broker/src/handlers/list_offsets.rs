//! ListOffsets: offsets by timestamp, and the special ones (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023).

use crate::broker::{Broker, topic_id_of};
use crate::request::RequestContext;
use ottla_base::{ErrorCode, LeaderEpoch, Offset, Time, TimestampMs};
use ottla_log::{Log, LogError};
use ottla_metadata::image::MetadataImage;
use ottla_wire::messages::list_offsets_request::ListOffsetsPartition;
use ottla_wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use ottla_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use std::collections::HashSet;
use std::sync::Arc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

const CONSUMER: i32 = -1;
/// A tool that reads from any replica.
const DEBUGGING_CONSUMER: i32 = -2;

struct Asked<'a> {
    broker: &'a Broker,
    image: &'a MetadataImage,
    version: i16,
    replica_id: i32,
    read_committed: bool,
    now: Time,
}

struct Found {
    timestamp: TimestampMs,
    offset: Offset,
    epoch: LeaderEpoch,
}

const NOTHING: Found = Found { timestamp: -1, offset: -1, epoch: -1 };

pub fn handle(broker: &Arc<Broker>, context: &RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let image = broker.quorum.image();
    let asked = Asked {
        broker,
        image: &image,
        version: context.version,
        replica_id: request.replica_id,
        read_committed: request.isolation_level == 1,
        now: context.now,
    };
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            if !seen.insert((topic.name.as_str(), partition.partition_index)) {
                twice.insert((topic.name.as_str(), partition.partition_index));
            }
        }
    }
    let topic = |topic: &ottla_wire::messages::list_offsets_request::ListOffsetsTopic| ListOffsetsTopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| {
                let is_twice = twice.contains(&(topic.name.as_str(), partition.partition_index));
                let result = if is_twice {
                    Err(LogError::new(ErrorCode::InvalidRequest, String::new()))
                } else {
                    asked.find(&topic.name, partition)
                };
                response(context.version, partition.partition_index, result)
            })
            .collect(),
        ..Default::default()
    };
    ListOffsetsResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() }
}

fn response(version: i16, partition_index: i32, result: Result<Found, LogError>) -> ListOffsetsPartitionResponse {
    let (error, found) = match result {
        Ok(found) => (ErrorCode::None, found),
        Err(error) => (error.code, NOTHING),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: error.code(),
        timestamp: found.timestamp,
        offset: found.offset,
        leader_epoch: if version >= 4 { found.epoch } else { -1 },
        ..Default::default()
    }
}

/// The version from which on a special timestamp may be asked for.
fn first_version(timestamp: i64) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ if timestamp >= 0 => 0,
        LATEST | EARLIEST => 0,
        _ => i16::MAX,
    }
}

impl Asked<'_> {
    fn find(&self, topic: &str, asked: &ListOffsetsPartition) -> Result<Found, LogError> {
        if self.version < first_version(asked.timestamp) {
            return Err(LogError::new(ErrorCode::UnsupportedVersion, String::new()));
        }
        let topic_id = topic_id_of(self.image, topic);
        let Some(partition) = self.broker.replicas.get(topic_id, asked.partition_index) else {
            let exists = self.image.topics.partition(topic_id, asked.partition_index).is_some();
            let error = if exists { ErrorCode::NotLeaderOrFollower } else { ErrorCode::UnknownTopicOrPartition };
            return Err(LogError::new(error, String::new()));
        };
        let log = if self.replica_id == DEBUGGING_CONSUMER {
            partition.check_replica(asked.current_leader_epoch).map_err(|e| LogError::new(e, String::new()))?;
            &*partition.log
        } else {
            partition.leader_log(asked.current_leader_epoch, self.now)?
        };
        self.look(log, asked.timestamp, partition.leader_epoch())
    }

    /// How far this reader may see.
    fn end(&self, log: &Log) -> Result<Offset, LogError> {
        let offsets = log.offsets()?;
        Ok(match self.replica_id {
            CONSUMER if self.read_committed => offsets.last_stable_offset,
            CONSUMER => offsets.high_watermark,
            _ => offsets.log_end_offset,
        })
    }

    fn look(&self, log: &Log, timestamp: i64, leader_epoch: LeaderEpoch) -> Result<Found, LogError> {
        let epoch_at = |offset: Offset| log.epoch_for_offset(offset).map(|epoch| epoch.unwrap_or(-1));
        match timestamp {
            LATEST => Ok(Found { offset: self.end(log)?, epoch: leader_epoch, ..NOTHING }),
            EARLIEST | EARLIEST_LOCAL | EARLIEST_PENDING_UPLOAD => {
                // Without tiered storage nothing waits for its upload.
                if timestamp == EARLIEST_PENDING_UPLOAD {
                    return Ok(NOTHING);
                }
                let offset = log.log_start_offset();
                Ok(Found { offset, epoch: epoch_at(offset)?, ..NOTHING })
            }
            LATEST_TIERED => Ok(NOTHING),
            _ => {
                let found = if timestamp == MAX_TIMESTAMP {
                    log.offset_of_max_timestamp()?
                } else {
                    log.offset_for_timestamp(timestamp)?
                };
                let end = self.end(log)?;
                match found.filter(|found| found.offset < end) {
                    None => Ok(NOTHING),
                    Some(found) => {
                        Ok(Found { timestamp: found.timestamp, offset: found.offset, epoch: epoch_at(found.offset)? })
                    }
                }
            }
        }
    }
}

//! DescribeLogDirs (KIP-113, KIP-827, KIP-1066): directories, their space, and how large each replica is.

use crate::broker::Broker;
use crate::request::RequestContext;
use ottla_base::ErrorCode;
use ottla_log::{Log, LogDirInfo};
use ottla_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ottla_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let wanted: Option<HashSet<(String, i32)>> = request.topics.map(|topics| {
        let all = |name: String, partitions: Vec<i32>| partitions.into_iter().map(move |p| (name.clone(), p));
        topics.into_iter().flat_map(|topic| all(topic.topic, topic.partitions)).collect()
    });
    let results = broker.replicas.logs.dirs().into_iter().map(|dir| describe(broker, &dir, wanted.as_ref()));
    DescribeLogDirsResponse { results: results.collect(), ..Default::default() }
}

fn describe(broker: &Broker, dir: &LogDirInfo, wanted: Option<&HashSet<(String, i32)>>) -> DescribeLogDirsResult {
    let log_dir = dir.path.display().to_string();
    if dir.failure.is_some() {
        return DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError.code(),
            log_dir,
            total_bytes: -1,
            usable_bytes: -1,
            ..Default::default()
        };
    }
    let logs = &broker.replicas.logs;
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for (log, is_future) in
        logs.logs().into_iter().map(|log| (log, false)).chain(logs.future_logs().into_iter().map(|log| (log, true)))
    {
        let name = log.partition();
        let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&(name.topic.to_string(), name.partition)));
        if is_wanted && log.dir().parent() == Some(&dir.path) {
            topics.entry(name.topic.to_string()).or_default().push(partition(&log, is_future));
        }
    }
    let space = logs.context().files().disk().space(&dir.path);
    let bytes = |space: Option<u64>| space.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    DescribeLogDirsResult {
        log_dir,
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic { name, partitions, ..Default::default() })
            .collect(),
        total_bytes: bytes(space.as_ref().ok().map(|space| space.total)),
        usable_bytes: bytes(space.as_ref().ok().map(|space| space.usable)),
        ..Default::default()
    }
}

fn partition(log: &Log, is_future_key: bool) -> DescribeLogDirsPartition {
    let lag = match (is_future_key, log.log_end_offset()) {
        (false, Ok(end)) => (log.high_watermark() - end).max(0),
        _ => 0,
    };
    DescribeLogDirsPartition {
        partition_index: log.partition().partition,
        partition_size: log.size().map_or(0, |size| size as i64),
        offset_lag: lag,
        is_future_key,
        ..Default::default()
    }
}
